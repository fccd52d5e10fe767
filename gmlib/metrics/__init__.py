"""Rulers: how far a model's samples are from the data."""

from gmlib.metrics.coverage import DensityCoverage, density_coverage, expected_coverage
from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.frechet import frechet_distance, gaussian_frechet_distance
from gmlib.metrics.frechet_bias import Extrapolation, extrapolated_frechet_distance, frechet_bias
from gmlib.metrics.inception import inception_score
from gmlib.metrics.neighbours import Neighbours, ball_counts, distance_blocks, k_nearest
from gmlib.metrics.precision_recall import PrecisionRecall, neighbour_radii, precision_recall
from gmlib.metrics.wasserstein import exact_wasserstein, sliced_wasserstein, wasserstein_1d

__all__ = [
    "DensityCoverage",
    "Estimate",
    "Extrapolation",
    "Neighbours",
    "PrecisionRecall",
    "ball_counts",
    "density_coverage",
    "distance_blocks",
    "exact_wasserstein",
    "expected_coverage",
    "extrapolated_frechet_distance",
    "frechet_bias",
    "frechet_distance",
    "gaussian_frechet_distance",
    "inception_score",
    "k_nearest",
    "mean_estimate",
    "neighbour_radii",
    "precision_recall",
    "sliced_wasserstein",
    "wasserstein_1d",
]
