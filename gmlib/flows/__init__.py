"""Normalizing flows: exact densities from invertible maps (chapter 05). `forward` goes from noise to data."""

from gmlib.flows.autoregressive import InverseAutoregressive, MaskedAutoregressive
from gmlib.flows.autoregressive_flows import iaf, maf
from gmlib.flows.bases import Base, StandardNormal, StandardUniform
from gmlib.flows.bijection import Bijection, Inverse, sum_event
from gmlib.flows.composition import Composition
from gmlib.flows.coupling import Coupling, conditioner
from gmlib.flows.coupling_flows import nice, real_nvp, spline_coupling
from gmlib.flows.dense import dense_log_det, grid_integral, jacobian
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.flow import Flow
from gmlib.flows.mask_coupling import MaskedCoupling
from gmlib.flows.masks import alternating_mask, channel_mask, checkerboard_mask, half_mask
from gmlib.flows.quadratic_shear import QuadraticShear
from gmlib.flows.rational_quadratic import RationalQuadratic
from gmlib.flows.scalar import Additive, Affine, ScalarMap, Scale

__all__ = [
    "Additive",
    "Affine",
    "Base",
    "Bijection",
    "Composition",
    "Coupling",
    "Elementwise",
    "Flow",
    "Inverse",
    "InverseAutoregressive",
    "MaskedAutoregressive",
    "MaskedCoupling",
    "QuadraticShear",
    "RationalQuadratic",
    "ScalarMap",
    "Scale",
    "StandardNormal",
    "StandardUniform",
    "alternating_mask",
    "channel_mask",
    "checkerboard_mask",
    "conditioner",
    "dense_log_det",
    "grid_integral",
    "half_mask",
    "iaf",
    "jacobian",
    "maf",
    "nice",
    "real_nvp",
    "spline_coupling",
    "sum_event",
]
