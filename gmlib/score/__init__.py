"""Score matching, Langevin dynamics and noise-conditional score networks (chapter 08)."""

from gmlib.score.annealed import annealed_langevin
from gmlib.score.contrast import ContrastLoss, one_step_contrast
from gmlib.score.control_variate import ReducedDenoisingLoss, linear_gradient_variance, variance_reduced_dsm
from gmlib.score.curvature import CurvatureLoss, SmallNoiseTerms, curvature_score_matching, small_noise_terms
from gmlib.score.de_bruijn import HeatFlow, heat_flow, kl_from_fisher
from gmlib.score.denoising import (
    DenoisingLoss,
    conditional_score_matching,
    denoising_minimum,
    denoising_score_matching,
)
from gmlib.score.errors import (
    DensityErrors,
    LowDensityError,
    NoiseLevelErrors,
    errors_by_density,
    errors_by_noise_level,
    low_density_error,
)
from gmlib.score.fields import Curl, curl, energy_score
from gmlib.score.fisher import fisher_divergence, gaussian_fisher_divergence, sliced_fisher_divergence
from gmlib.score.generalised import GeneralisedLoss, generalised_score_matching
from gmlib.score.implicit import ImplicitLoss, implicit_score_matching
from gmlib.score.ladder import ema_weights, geometric_ladder, largest_distance, level_overlap
from gmlib.score.langevin import langevin, langevin_path, langevin_step
from gmlib.score.linear_chain import chain_moments, stationary_variance
from gmlib.score.local_dimension import LocalDimension, local_dimension
from gmlib.score.ncsn import NCSNLoss, exact_score, ncsn_loss, ncsn_minimum, noised_laws
from gmlib.score.network import ScoreNetwork, mlp_score
from gmlib.score.ratio_matching import RatioLoss, ratio_matching
from gmlib.score.sgld import decreasing_step, sgld, sgld_variance
from gmlib.score.sheet import (
    dimension_from_norm,
    dimension_from_trace,
    sheet_denoiser_trace,
    sheet_score_norm,
)
from gmlib.score.sliced import SlicedLoss, projections, sliced_score_matching
from gmlib.score.tweedie import sure, tweedie_covariance, tweedie_mean
from gmlib.score.zeros import FieldZeros, field_zeros

__all__ = [
    "ContrastLoss",
    "Curl",
    "CurvatureLoss",
    "DenoisingLoss",
    "DensityErrors",
    "FieldZeros",
    "GeneralisedLoss",
    "HeatFlow",
    "ImplicitLoss",
    "LocalDimension",
    "LowDensityError",
    "NCSNLoss",
    "NoiseLevelErrors",
    "RatioLoss",
    "ReducedDenoisingLoss",
    "ScoreNetwork",
    "SlicedLoss",
    "SmallNoiseTerms",
    "annealed_langevin",
    "chain_moments",
    "conditional_score_matching",
    "curl",
    "curvature_score_matching",
    "decreasing_step",
    "denoising_minimum",
    "denoising_score_matching",
    "dimension_from_norm",
    "dimension_from_trace",
    "ema_weights",
    "energy_score",
    "errors_by_density",
    "errors_by_noise_level",
    "exact_score",
    "field_zeros",
    "fisher_divergence",
    "gaussian_fisher_divergence",
    "generalised_score_matching",
    "geometric_ladder",
    "heat_flow",
    "implicit_score_matching",
    "kl_from_fisher",
    "langevin",
    "langevin_path",
    "langevin_step",
    "largest_distance",
    "level_overlap",
    "linear_gradient_variance",
    "local_dimension",
    "low_density_error",
    "mlp_score",
    "ncsn_loss",
    "ncsn_minimum",
    "noised_laws",
    "one_step_contrast",
    "projections",
    "ratio_matching",
    "sgld",
    "sgld_variance",
    "sheet_denoiser_trace",
    "sheet_score_norm",
    "sliced_fisher_divergence",
    "sliced_score_matching",
    "small_noise_terms",
    "stationary_variance",
    "sure",
    "tweedie_covariance",
    "tweedie_mean",
    "variance_reduced_dsm",
]
