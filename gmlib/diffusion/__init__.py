"""Denoising diffusion: the chain that destroys, the bound, the losses, and what is known exactly about them."""

from gmlib.diffusion.objective import DenoisingLoss, denoising_loss
from gmlib.diffusion.times import low_discrepancy_times

__all__ = ["DenoisingLoss", "denoising_loss", "low_discrepancy_times"]
