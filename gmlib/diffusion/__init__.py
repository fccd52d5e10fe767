"""Denoising diffusion: the chain that destroys, the bound, the losses, and what is known exactly about them."""

from gmlib.diffusion.bound import DiffusionBound, diffusion_bound
from gmlib.diffusion.chain import forward_chain, noised
from gmlib.diffusion.decoder import discretised_gaussian
from gmlib.diffusion.diffusion_loss import bound_weight, instant_loss, one_draw_variance, step_loss
from gmlib.diffusion.distinguishability import chernoff_bound, two_point_error
from gmlib.diffusion.exact_bound import exact_gaussian_bound
from gmlib.diffusion.finite_data import finite_data_denoiser
from gmlib.diffusion.gaussian_oracle import GaussianOracle
from gmlib.diffusion.grey_levels import level_cost
from gmlib.diffusion.interpolation import interpolate_in_noise
from gmlib.diffusion.level_network import LevelNetwork
from gmlib.diffusion.noise_weight import kl_weight
from gmlib.diffusion.objective import DenoisingLoss, denoising_loss
from gmlib.diffusion.reverse_kernel import half_separation, matched_gaussian_kl, reverse_kernel
from gmlib.diffusion.reverse_posterior import ReversePosterior, reverse_mean_of_noise, reverse_posterior
from gmlib.diffusion.spectrum import Spectrum, crossing_time, radial_spectrum
from gmlib.diffusion.times import low_discrepancy_times
from gmlib.diffusion.variance_recursion import variance_recursion
from gmlib.diffusion.vdm import LearnedSchedule, MonotoneLogSNR
from gmlib.diffusion.vdm_bound import VDMBound, density_cost, noise_error, prior_cost, vdm_bound
from gmlib.diffusion.weights import edm_weight, min_snr_weight, p2_weight

__all__ = [
    "DenoisingLoss",
    "DiffusionBound",
    "GaussianOracle",
    "LearnedSchedule",
    "LevelNetwork",
    "MonotoneLogSNR",
    "ReversePosterior",
    "Spectrum",
    "VDMBound",
    "bound_weight",
    "chernoff_bound",
    "crossing_time",
    "denoising_loss",
    "density_cost",
    "diffusion_bound",
    "discretised_gaussian",
    "edm_weight",
    "exact_gaussian_bound",
    "finite_data_denoiser",
    "forward_chain",
    "half_separation",
    "instant_loss",
    "interpolate_in_noise",
    "kl_weight",
    "level_cost",
    "low_discrepancy_times",
    "matched_gaussian_kl",
    "min_snr_weight",
    "noise_error",
    "noised",
    "one_draw_variance",
    "p2_weight",
    "prior_cost",
    "radial_spectrum",
    "reverse_kernel",
    "reverse_mean_of_noise",
    "reverse_posterior",
    "step_loss",
    "two_point_error",
    "variance_recursion",
    "vdm_bound",
]
