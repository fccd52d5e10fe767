"""Exact laws: the normal law, Gaussian mixtures, 2-D toys made of them, a famous table of crabs; and their divergences."""

from gmlib.distributions.base import Law
from gmlib.distributions.branches import two_branches
from gmlib.distributions.contaminated import Contaminated
from gmlib.distributions.crabs import crab_sample, crab_table
from gmlib.distributions.divergences import Divergences, cross_entropy, divergences_1d, entropy, kl
from gmlib.distributions.gaussian import Gaussian
from gmlib.distributions.gaussian_divergences import (
    chi2_gaussians,
    hellinger2_gaussians,
    kl_gaussians,
    tv_gaussians,
)
from gmlib.distributions.mixture import GaussianMixture
from gmlib.distributions.projections import moment_projection, reverse_projection
from gmlib.distributions.toy_bends import banana, pinwheel
from gmlib.distributions.toy_curves import ring, swiss_roll, two_moons
from gmlib.distributions.toy_grids import (
    checkerboard,
    cross,
    eight_gaussians,
    four_gaussians,
    sixteen_gaussians,
)
from gmlib.distributions.toys import TOYS, toy

__all__ = [
    "TOYS",
    "Contaminated",
    "Divergences",
    "Gaussian",
    "GaussianMixture",
    "Law",
    "banana",
    "checkerboard",
    "chi2_gaussians",
    "crab_sample",
    "crab_table",
    "cross",
    "cross_entropy",
    "divergences_1d",
    "eight_gaussians",
    "entropy",
    "four_gaussians",
    "hellinger2_gaussians",
    "kl",
    "kl_gaussians",
    "moment_projection",
    "pinwheel",
    "reverse_projection",
    "ring",
    "sixteen_gaussians",
    "swiss_roll",
    "toy",
    "tv_gaussians",
    "two_branches",
    "two_moons",
]
