"""Models from before deep learning, which the deep ones must beat."""

from gmlib.classical.baselines import FloorRow, floor_rows
from gmlib.classical.em import e_step, m_step
from gmlib.classical.histogram import PixelHistograms
from gmlib.classical.histogram_mixture import HistogramMixture
from gmlib.classical.imputation import impute_means
from gmlib.classical.isotropic import fit_isotropic
from gmlib.classical.kde import KernelDensity, best_bandwidth, leave_one_out_nll
from gmlib.classical.mixture_fit import MixtureFit, fit_mixture
from gmlib.classical.moments import MomentSolution, central_moments, pearson_moments
from gmlib.classical.pca import PCA
from gmlib.classical.table import fit_table

__all__ = [
    "PCA",
    "FloorRow",
    "HistogramMixture",
    "KernelDensity",
    "MixtureFit",
    "MomentSolution",
    "PixelHistograms",
    "best_bandwidth",
    "central_moments",
    "e_step",
    "fit_isotropic",
    "fit_mixture",
    "fit_table",
    "floor_rows",
    "impute_means",
    "leave_one_out_nll",
    "m_step",
    "pearson_moments",
]
