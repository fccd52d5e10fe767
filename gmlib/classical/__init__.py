"""Models from before deep learning, which the deep ones must beat."""

from gmlib.classical.em import e_step, m_step
from gmlib.classical.histogram import PixelHistograms
from gmlib.classical.imputation import impute_means
from gmlib.classical.pca import PCA

__all__ = ["PCA", "PixelHistograms", "e_step", "impute_means", "m_step"]
