"""Normalizing flows: exact densities from invertible maps (chapter 05). `forward` goes from noise to data."""

from gmlib.flows.bases import Base, StandardNormal, StandardUniform
from gmlib.flows.bijection import Bijection, Inverse, sum_event
from gmlib.flows.composition import Composition
from gmlib.flows.dense import dense_log_det, grid_integral, jacobian
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.flow import Flow
from gmlib.flows.scalar import Additive, Affine, ScalarMap

__all__ = [
    "Additive",
    "Affine",
    "Base",
    "Bijection",
    "Composition",
    "Elementwise",
    "Flow",
    "Inverse",
    "ScalarMap",
    "StandardNormal",
    "StandardUniform",
    "dense_log_det",
    "grid_integral",
    "jacobian",
    "sum_event",
]
