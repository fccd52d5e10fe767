"""Rulers: how far a model's samples are from the data."""

from gmlib.metrics.abilities import Abilities, ModelInterface, measure_abilities
from gmlib.metrics.ceiling import WithCeiling, with_ceiling
from gmlib.metrics.classifier_test import (
    ClassifierTest,
    best_accuracy,
    classifier_two_sample_test,
    logistic_classifier,
)
from gmlib.metrics.coverage import DensityCoverage, density_coverage, expected_coverage
from gmlib.metrics.dequantisation import dequantisation_bound, gaussian_log_mass, gaussian_proposal
from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.features import NETWORKS, feature_network, image_features, random_network
from gmlib.metrics.frechet import frechet_distance, gaussian_frechet_distance
from gmlib.metrics.frechet_bias import Extrapolation, extrapolated_frechet_distance, frechet_bias
from gmlib.metrics.inception import inception_score
from gmlib.metrics.kernel import CubicKernel, GaussianKernel, Kernel, median_bandwidth
from gmlib.metrics.kernel_distance import kernel_distance
from gmlib.metrics.likelihood import bits_per_dim, generalisation_gap, perplexity
from gmlib.metrics.memorisation import memorisation_ratio
from gmlib.metrics.mmd import gaussian_mmd2, mmd2, mmd2_estimate
from gmlib.metrics.neighbours import Neighbours, ball_counts, distance_blocks, k_nearest
from gmlib.metrics.precision_recall import PrecisionRecall, neighbour_radii, precision_recall
from gmlib.metrics.two_sample import TwoSampleTest, permutation_test
from gmlib.metrics.wasserstein import exact_wasserstein, sliced_wasserstein, wasserstein_1d

__all__ = [
    "NETWORKS",
    "Abilities",
    "ClassifierTest",
    "CubicKernel",
    "DensityCoverage",
    "Estimate",
    "Extrapolation",
    "GaussianKernel",
    "Kernel",
    "ModelInterface",
    "Neighbours",
    "PrecisionRecall",
    "TwoSampleTest",
    "WithCeiling",
    "ball_counts",
    "best_accuracy",
    "bits_per_dim",
    "classifier_two_sample_test",
    "density_coverage",
    "dequantisation_bound",
    "distance_blocks",
    "exact_wasserstein",
    "expected_coverage",
    "extrapolated_frechet_distance",
    "feature_network",
    "frechet_bias",
    "frechet_distance",
    "gaussian_frechet_distance",
    "gaussian_log_mass",
    "gaussian_mmd2",
    "gaussian_proposal",
    "generalisation_gap",
    "image_features",
    "inception_score",
    "k_nearest",
    "kernel_distance",
    "logistic_classifier",
    "mean_estimate",
    "measure_abilities",
    "median_bandwidth",
    "memorisation_ratio",
    "mmd2",
    "mmd2_estimate",
    "neighbour_radii",
    "permutation_test",
    "perplexity",
    "precision_recall",
    "random_network",
    "sliced_wasserstein",
    "wasserstein_1d",
    "with_ceiling",
]
