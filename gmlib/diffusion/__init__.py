"""Denoising diffusion: the chain that destroys, the bound, the losses, and what is known exactly about them."""

from gmlib.diffusion.grey_levels import level_cost
from gmlib.diffusion.objective import DenoisingLoss, denoising_loss
from gmlib.diffusion.times import low_discrepancy_times
from gmlib.diffusion.vdm_bound import VDMBound, density_cost, noise_error, prior_cost, vdm_bound

__all__ = [
    "DenoisingLoss",
    "VDMBound",
    "denoising_loss",
    "density_cost",
    "level_cost",
    "low_discrepancy_times",
    "noise_error",
    "prior_cost",
    "vdm_bound",
]
