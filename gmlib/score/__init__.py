"""Score matching, Langevin dynamics and noise-conditional score networks (chapter 08)."""

from gmlib.score.annealed import annealed_langevin
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
from gmlib.score.implicit import ImplicitLoss, implicit_score_matching
from gmlib.score.ladder import ema_weights, geometric_ladder, largest_distance, level_overlap
from gmlib.score.langevin import chain_moments, langevin, langevin_path, langevin_step, stationary_variance
from gmlib.score.ncsn import NCSNLoss, exact_score, ncsn_loss, ncsn_minimum, noised_laws
from gmlib.score.network import ScoreNetwork, mlp_score
from gmlib.score.ratio_matching import RatioLoss, ratio_matching
from gmlib.score.sgld import decreasing_step, sgld, sgld_variance
from gmlib.score.sliced import SlicedLoss, projections, sliced_score_matching
from gmlib.score.tweedie import sure, tweedie_covariance, tweedie_mean
from gmlib.score.zeros import FieldZeros, field_zeros

__all__ = [
    "Curl",
    "DenoisingLoss",
    "DensityErrors",
    "FieldZeros",
    "HeatFlow",
    "ImplicitLoss",
    "LowDensityError",
    "NCSNLoss",
    "NoiseLevelErrors",
    "RatioLoss",
    "ScoreNetwork",
    "SlicedLoss",
    "annealed_langevin",
    "chain_moments",
    "conditional_score_matching",
    "curl",
    "decreasing_step",
    "denoising_minimum",
    "denoising_score_matching",
    "ema_weights",
    "energy_score",
    "errors_by_density",
    "errors_by_noise_level",
    "exact_score",
    "field_zeros",
    "fisher_divergence",
    "gaussian_fisher_divergence",
    "geometric_ladder",
    "heat_flow",
    "implicit_score_matching",
    "kl_from_fisher",
    "langevin",
    "langevin_path",
    "langevin_step",
    "largest_distance",
    "level_overlap",
    "low_density_error",
    "mlp_score",
    "ncsn_loss",
    "ncsn_minimum",
    "noised_laws",
    "projections",
    "ratio_matching",
    "sgld",
    "sgld_variance",
    "sliced_fisher_divergence",
    "sliced_score_matching",
    "stationary_variance",
    "sure",
    "tweedie_covariance",
    "tweedie_mean",
]
