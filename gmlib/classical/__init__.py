"""Models from before deep learning, which the deep ones must beat."""

from gmlib.classical.em import e_step, m_step
from gmlib.classical.histogram import PixelHistograms
from gmlib.classical.imputation import impute_means
from gmlib.classical.kde import KernelDensity, best_bandwidth, leave_one_out_nll
from gmlib.classical.pca import PCA

__all__ = [
    "PCA",
    "KernelDensity",
    "PixelHistograms",
    "best_bandwidth",
    "e_step",
    "impute_means",
    "leave_one_out_nll",
    "m_step",
]
