"""Normalizing flows: exact densities from invertible maps (chapter 05). `forward` goes from noise to data."""

from gmlib.flows.actnorm import ActNorm
from gmlib.flows.adjoint import solve_ode_adjoint
from gmlib.flows.affine_floor import AffineFloor, NormalConditionals, affine_layer_floor
from gmlib.flows.ar_density import MixtureQuantile, rnade
from gmlib.flows.autoregressive import InverseAutoregressive, MaskedAutoregressive
from gmlib.flows.autoregressive_flows import iaf, maf
from gmlib.flows.bases import Base, StandardNormal, StandardUniform
from gmlib.flows.bijection import Bijection, Inverse, sum_event
from gmlib.flows.composition import Composition
from gmlib.flows.conditioned import Conditioned
from gmlib.flows.continuous import ContinuousFlow
from gmlib.flows.conv1x1 import Conv1x1
from gmlib.flows.coupling import Coupling, conditioner
from gmlib.flows.coupling_flows import nice, real_nvp, spline_coupling
from gmlib.flows.cubic_spline import CubicSpline, cubic_is_monotone
from gmlib.flows.dense import dense_log_det, grid_integral, jacobian
from gmlib.flows.dequantiser import Dequantised
from gmlib.flows.divergence import exact_divergence, probed_divergence
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.fitting import fit_flow, fit_posterior
from gmlib.flows.fixed_point import fixed_point_bound, fixed_point_path, iterations_for
from gmlib.flows.flow import Flow
from gmlib.flows.full_precision import FullPrecision
from gmlib.flows.glow import glow, glow_step
from gmlib.flows.grey_levels import GreyLevels
from gmlib.flows.histogram_layer import histogram_layer
from gmlib.flows.hutchinson import hutchinson_trace, hutchinson_variance, probe, vector_jacobian
from gmlib.flows.image_coupling import ConvConditioner, ImageCoupling
from gmlib.flows.image_flows import real_nvp_image, spline_image_flow, spline_noise
from gmlib.flows.linear import AffineMap, fit_affine
from gmlib.flows.linear_spline import LinearSpline
from gmlib.flows.lipschitz import LipschitzConv, LipschitzMLP, LipschitzNet
from gmlib.flows.log_det_series import log_det_series_bound, log_det_terms, probed_log_det_terms
from gmlib.flows.low_rank import low_rank_log_det, low_rank_residual
from gmlib.flows.marginal_start import start_at_marginals
from gmlib.flows.mask_coupling import MaskedCoupling
from gmlib.flows.masks import alternating_mask, channel_mask, checkerboard_mask, half_mask
from gmlib.flows.multiscale import Multiscale
from gmlib.flows.nlsq import NLSq
from gmlib.flows.ode_solvers import solve_ode
from gmlib.flows.permutation import Permutation, reversal
from gmlib.flows.planar import Planar
from gmlib.flows.plu import PLU
from gmlib.flows.quadratic_shear import QuadraticShear
from gmlib.flows.quadratic_spline import QuadraticSpline
from gmlib.flows.radial import Radial
from gmlib.flows.rational_quadratic import RationalQuadratic
from gmlib.flows.reference import reference_matrix
from gmlib.flows.reshape import Reshape
from gmlib.flows.residual import ContractiveResidual, residual_flow
from gmlib.flows.residual_log_det import DenseLogDet, ResidualLogDet, RouletteLogDet, SeriesLogDet
from gmlib.flows.roulette import roulette_stops, roulette_survival, roulette_variance, russian_roulette
from gmlib.flows.scalar import Additive, Affine, ScalarMap, Scale
from gmlib.flows.spectral import SpectralLinear
from gmlib.flows.spectral_conv import SpectralConv2d, circular_conv_norm
from gmlib.flows.spline_knots import Spline
from gmlib.flows.squash import NormalCdf, Sigmoid
from gmlib.flows.squeeze import Squeeze
from gmlib.flows.stretch import Stretch
from gmlib.flows.sylvester import Sylvester
from gmlib.flows.variational import VariationalBound, variational_bound
from gmlib.flows.velocity import VelocityMLP
from gmlib.flows.wave import SkewedWave

__all__ = [
    "PLU",
    "ActNorm",
    "Additive",
    "Affine",
    "AffineFloor",
    "AffineMap",
    "Base",
    "Bijection",
    "Composition",
    "Conditioned",
    "ContinuousFlow",
    "ContractiveResidual",
    "Conv1x1",
    "ConvConditioner",
    "Coupling",
    "CubicSpline",
    "DenseLogDet",
    "Dequantised",
    "Elementwise",
    "Flow",
    "FullPrecision",
    "GreyLevels",
    "ImageCoupling",
    "Inverse",
    "InverseAutoregressive",
    "LinearSpline",
    "LipschitzConv",
    "LipschitzMLP",
    "LipschitzNet",
    "MaskedAutoregressive",
    "MaskedCoupling",
    "MixtureQuantile",
    "Multiscale",
    "NLSq",
    "NormalCdf",
    "NormalConditionals",
    "Permutation",
    "Planar",
    "QuadraticShear",
    "QuadraticSpline",
    "Radial",
    "RationalQuadratic",
    "Reshape",
    "ResidualLogDet",
    "RouletteLogDet",
    "ScalarMap",
    "Scale",
    "SeriesLogDet",
    "Sigmoid",
    "SkewedWave",
    "SpectralConv2d",
    "SpectralLinear",
    "Spline",
    "Squeeze",
    "StandardNormal",
    "StandardUniform",
    "Stretch",
    "Sylvester",
    "VariationalBound",
    "VelocityMLP",
    "affine_layer_floor",
    "alternating_mask",
    "channel_mask",
    "checkerboard_mask",
    "circular_conv_norm",
    "conditioner",
    "cubic_is_monotone",
    "dense_log_det",
    "exact_divergence",
    "fit_affine",
    "fit_flow",
    "fit_posterior",
    "fixed_point_bound",
    "fixed_point_path",
    "glow",
    "glow_step",
    "grid_integral",
    "half_mask",
    "histogram_layer",
    "hutchinson_trace",
    "hutchinson_variance",
    "iaf",
    "iterations_for",
    "jacobian",
    "log_det_series_bound",
    "log_det_terms",
    "low_rank_log_det",
    "low_rank_residual",
    "maf",
    "nice",
    "probe",
    "probed_divergence",
    "probed_log_det_terms",
    "real_nvp",
    "real_nvp_image",
    "reference_matrix",
    "residual_flow",
    "reversal",
    "rnade",
    "roulette_stops",
    "roulette_survival",
    "roulette_variance",
    "russian_roulette",
    "solve_ode",
    "solve_ode_adjoint",
    "spline_coupling",
    "spline_image_flow",
    "spline_noise",
    "start_at_marginals",
    "sum_event",
    "variational_bound",
    "vector_jacobian",
]
