"""Exact laws: the normal law, Gaussian mixtures, 2-D toys made of them, and one famous table of crabs."""

from gmlib.distributions.base import Law
from gmlib.distributions.crabs import crab_sample, crab_table
from gmlib.distributions.gaussian import Gaussian
from gmlib.distributions.mixture import GaussianMixture
from gmlib.distributions.toys import (
    TOYS,
    banana,
    checkerboard,
    cross,
    eight_gaussians,
    pinwheel,
    ring,
    sixteen_gaussians,
    swiss_roll,
    toy,
    two_moons,
)

__all__ = [
    "TOYS",
    "Gaussian",
    "GaussianMixture",
    "Law",
    "banana",
    "checkerboard",
    "crab_sample",
    "crab_table",
    "cross",
    "eight_gaussians",
    "pinwheel",
    "ring",
    "sixteen_gaussians",
    "swiss_roll",
    "toy",
    "two_moons",
]
