"""Denoising diffusion: the chain that destroys, the bound, the losses, and what is known exactly about them."""

from gmlib.diffusion.diffusion_loss import bound_weight, instant_loss, one_draw_variance, step_loss
from gmlib.diffusion.grey_levels import level_cost
from gmlib.diffusion.interpolation import interpolate_in_noise
from gmlib.diffusion.objective import DenoisingLoss, denoising_loss
from gmlib.diffusion.times import low_discrepancy_times
from gmlib.diffusion.variance_recursion import variance_recursion
from gmlib.diffusion.vdm import LearnedSchedule, MonotoneLogSNR
from gmlib.diffusion.vdm_bound import VDMBound, density_cost, noise_error, prior_cost, vdm_bound
from gmlib.diffusion.weights import edm_weight, min_snr_weight, p2_weight

__all__ = [
    "DenoisingLoss",
    "LearnedSchedule",
    "MonotoneLogSNR",
    "VDMBound",
    "bound_weight",
    "denoising_loss",
    "density_cost",
    "edm_weight",
    "instant_loss",
    "interpolate_in_noise",
    "level_cost",
    "low_discrepancy_times",
    "min_snr_weight",
    "noise_error",
    "one_draw_variance",
    "p2_weight",
    "prior_cost",
    "step_loss",
    "variance_recursion",
    "vdm_bound",
]
