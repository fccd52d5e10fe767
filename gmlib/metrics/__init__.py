"""Rulers: how far a model's samples are from the data."""

from gmlib.metrics.frechet import frechet_distance, gaussian_frechet_distance

__all__ = ["frechet_distance", "gaussian_frechet_distance"]
