"""Guidance of known laws, what it aims at and what it makes; chains that need more than a guided denoiser."""

from gmlib.diffusion.guidance.cascade import cascade, enlarged, pooled
from gmlib.diffusion.guidance.contrastive import contrastive_loss, similarities, zero_shot
from gmlib.diffusion.guidance.dropped import told_or_not
from gmlib.diffusion.guidance.gaussian_guidance import GaussianGuidance, NormalLaw
from gmlib.diffusion.guidance.labelled import LabelledLaw
from gmlib.diffusion.guidance.mean_shift import mean_shifted
from gmlib.diffusion.guidance.particles import Particles, guided_particles
from gmlib.diffusion.guidance.repair import Repairer, completions
from gmlib.diffusion.guidance.seen import Seen, blocks, border, grainy, hole, masked

__all__ = [
    "GaussianGuidance",
    "LabelledLaw",
    "NormalLaw",
    "Particles",
    "Repairer",
    "Seen",
    "blocks",
    "border",
    "cascade",
    "completions",
    "contrastive_loss",
    "enlarged",
    "grainy",
    "guided_particles",
    "hole",
    "masked",
    "mean_shifted",
    "pooled",
    "similarities",
    "told_or_not",
    "zero_shot",
]
