"""Learning by comparison: density ratios, divergences, adversarial losses and the dynamics of games (chapter 14)."""

from gmlib.gan.dirac import DiracGAN
from gmlib.gan.game import Game, PlayerTerms
from gmlib.gan.lookahead import competitive, consensus, extragradient, rk4, unrolled
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
from gmlib.gan.two_player import TwoPlayerGame
from gmlib.gan.updates import Rule, alternating, momentum, play, simultaneous

__all__ = [
    "GAN_LOSSES",
    "R1",
    "R2",
    "Consensus",
    "Critic",
    "DiracGAN",
    "GANLoss",
    "Game",
    "GradientPenalty",
    "PairLoss",
    "PlayerTerms",
    "RelativisticLoss",
    "Rule",
    "TwoPlayerGame",
    "alternating",
    "clip_weights",
    "competitive",
    "consensus",
    "extragradient",
    "momentum",
    "play",
    "rk4",
    "simultaneous",
    "slope_squared",
    "spectral_norm",
    "toy_critic",
    "toy_generator",
    "unrolled",
]
