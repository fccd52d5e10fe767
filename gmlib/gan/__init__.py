"""Learning by comparison: density ratios, divergences, adversarial losses and the dynamics of games (chapter 14)."""

from gmlib.gan.beta_law import BetaLaw
from gmlib.gan.comparison import best_linear_critic, comparison, linear_excess, linear_value
from gmlib.gan.continuous import Cycle, conserved, flow, linear_flow, wgan_gp_cycle
from gmlib.gan.convexity import best_critic_value, critic_value, simplex_descent, value_subgradient
from gmlib.gan.coverage import Coverage, grid_coverage
from gmlib.gan.dirac import DiracGAN
from gmlib.gan.disjoint import Distances, point_mass_distances, shifted_distances
from gmlib.gan.f_bound import BoundTerms, f_bound_1d, f_divergence_bound
from gmlib.gan.f_divergences import FDivergence, f_divergence_1d
from gmlib.gan.f_table import F_DIVERGENCES
from gmlib.gan.game import Game, PlayerTerms
from gmlib.gan.gmmn import MixtureKernel, MomentMatching, mmd2_shift_gradient, moment_matching_loss
from gmlib.gan.images import ImageCritic, ImageGenerator
from gmlib.gan.implicit import SheetRank, empirical_density_1d, implicit_cdf, sample_rank, sheet_rank
from gmlib.gan.information import CorrelatedGaussians, information_bound
from gmlib.gan.ipm import (
    IPM,
    BoundedFunctions,
    FiniteFunctions,
    FunctionClass,
    KernelBall,
    LinearFunctions,
    LipschitzFunctions,
    ipm_finite,
)
from gmlib.gan.learned_moments import generator_moments, learned_moments
from gmlib.gan.linear_game import alternating_invariant, measured_modulus, modulus, step_matrix
from gmlib.gan.lipschitz import clip_weights, spectral_norm
from gmlib.gan.lookahead import competitive, consensus, extragradient, rk4, unrolled
from gmlib.gan.losses import GAN_LOSSES, GANLoss, PairLoss, RelativisticLoss
from gmlib.gan.mmd_gan import FeatureKernel, MMDCritic, mmd_critic_loss
from gmlib.gan.moments import MomentGap, match_moments, moment_gap, moment_rank, parameter_scores
from gmlib.gan.networks import Critic, toy_critic, toy_generator
from gmlib.gan.ratio import jsd_from_value, log_score_value, optimal_logit, weighted_log_value
from gmlib.gan.ratio_fit import RatioFit, fit_ratio
from gmlib.gan.regularisers import R1, R2, Consensus, GradientPenalty
from gmlib.gan.rejection import Accepted, gaussian_mean_acceptance, rejection_abc
from gmlib.gan.scores import SCORING_RULES, ScoringRule, expected_score, score_value
from gmlib.gan.slope import slope_squared
from gmlib.gan.smooth_ratio import CriticFit, fit_critic, scaled_bound
from gmlib.gan.stability import NashTest, game_jacobian, largest_stable_step, nash_test
from gmlib.gan.svrg import bilinear_extragradient, stochastic_extragradient_factor, svrg_factor
from gmlib.gan.trainer import GameDiverged, GANHistory, train_gan
from gmlib.gan.two_player import TwoPlayerGame
from gmlib.gan.updates import Rule, alternating, momentum, play, simultaneous
from gmlib.gan.wasserstein import (
    CriticOnLine,
    KantorovichCritic,
    clipped_slope,
    penalised_slope,
    wasserstein_critic_1d,
    wasserstein_dual,
)
from gmlib.gan.weak_critic import WeakBound, blind_bound, descend_frozen, frozen_bound
from gmlib.gan.witness import Witness, gaussian_witness, mmd_witness

__all__ = [
    "F_DIVERGENCES",
    "GAN_LOSSES",
    "IPM",
    "R1",
    "R2",
    "SCORING_RULES",
    "Accepted",
    "BetaLaw",
    "BoundTerms",
    "BoundedFunctions",
    "Consensus",
    "CorrelatedGaussians",
    "Coverage",
    "Critic",
    "CriticFit",
    "CriticOnLine",
    "Cycle",
    "DiracGAN",
    "Distances",
    "FDivergence",
    "FeatureKernel",
    "FiniteFunctions",
    "FunctionClass",
    "GANHistory",
    "GANLoss",
    "Game",
    "GameDiverged",
    "GradientPenalty",
    "ImageCritic",
    "ImageGenerator",
    "KantorovichCritic",
    "KernelBall",
    "LinearFunctions",
    "LipschitzFunctions",
    "MMDCritic",
    "MixtureKernel",
    "MomentGap",
    "MomentMatching",
    "NashTest",
    "PairLoss",
    "PlayerTerms",
    "RatioFit",
    "RelativisticLoss",
    "Rule",
    "ScoringRule",
    "SheetRank",
    "TwoPlayerGame",
    "WeakBound",
    "Witness",
    "alternating",
    "alternating_invariant",
    "best_critic_value",
    "best_linear_critic",
    "bilinear_extragradient",
    "blind_bound",
    "clip_weights",
    "clipped_slope",
    "comparison",
    "competitive",
    "consensus",
    "conserved",
    "critic_value",
    "descend_frozen",
    "empirical_density_1d",
    "expected_score",
    "extragradient",
    "f_bound_1d",
    "f_divergence_1d",
    "f_divergence_bound",
    "fit_critic",
    "fit_ratio",
    "flow",
    "frozen_bound",
    "game_jacobian",
    "gaussian_mean_acceptance",
    "gaussian_witness",
    "generator_moments",
    "grid_coverage",
    "implicit_cdf",
    "information_bound",
    "ipm_finite",
    "jsd_from_value",
    "largest_stable_step",
    "learned_moments",
    "linear_excess",
    "linear_flow",
    "linear_value",
    "log_score_value",
    "match_moments",
    "measured_modulus",
    "mmd2_shift_gradient",
    "mmd_critic_loss",
    "mmd_witness",
    "modulus",
    "moment_gap",
    "moment_matching_loss",
    "moment_rank",
    "momentum",
    "nash_test",
    "optimal_logit",
    "parameter_scores",
    "penalised_slope",
    "play",
    "point_mass_distances",
    "rejection_abc",
    "rk4",
    "sample_rank",
    "scaled_bound",
    "score_value",
    "sheet_rank",
    "shifted_distances",
    "simplex_descent",
    "simultaneous",
    "slope_squared",
    "spectral_norm",
    "step_matrix",
    "stochastic_extragradient_factor",
    "svrg_factor",
    "toy_critic",
    "toy_generator",
    "train_gan",
    "unrolled",
    "value_subgradient",
    "wasserstein_critic_1d",
    "wasserstein_dual",
    "weighted_log_value",
    "wgan_gp_cycle",
]
