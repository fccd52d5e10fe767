"""Learning by comparison: density ratios, divergences, adversarial losses and the dynamics of games (chapter 14)."""

from gmlib.gan.game import Game, PlayerTerms
from gmlib.gan.losses import GAN_LOSSES, GANLoss, PairLoss, RelativisticLoss
from gmlib.gan.networks import Critic, toy_critic, toy_generator
from gmlib.gan.regularisers import (
    R1,
    R2,
    Consensus,
    GradientPenalty,
    clip_weights,
    slope_squared,
    spectral_norm,
)

__all__ = [
    "GAN_LOSSES",
    "R1",
    "R2",
    "Consensus",
    "Critic",
    "GANLoss",
    "Game",
    "GradientPenalty",
    "PairLoss",
    "PlayerTerms",
    "RelativisticLoss",
    "clip_weights",
    "slope_squared",
    "spectral_norm",
    "toy_critic",
    "toy_generator",
]
