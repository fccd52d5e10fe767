"""Variational autoencoders and the bound that trains them (chapter 02)."""

from gmlib.vae.amortisation import refine_posterior
from gmlib.vae.autoencoder import Autoencoder
from gmlib.vae.discrete import EvidenceDecomposition, FourFaces, evidence_decomposition, four_faces
from gmlib.vae.elbo import ELBO, elbo, gaussian_kl, importance_weighted_bound
from gmlib.vae.gradients import detached_gradient, pathwise_gradient, score_function_gradient
from gmlib.vae.likelihoods import Bernoulli, DiscretisedLogistic, GaussianLikelihood, Likelihood
from gmlib.vae.linear import LinearVAE, mle_and_elbo_maximiser
from gmlib.vae.posterior import DiagonalPosterior, standard_normal_log_prob
from gmlib.vae.quadrature import grid_posterior, log_evidence
from gmlib.vae.vae import VAE

__all__ = [
    "ELBO",
    "VAE",
    "Autoencoder",
    "Bernoulli",
    "DiagonalPosterior",
    "DiscretisedLogistic",
    "EvidenceDecomposition",
    "FourFaces",
    "GaussianLikelihood",
    "Likelihood",
    "LinearVAE",
    "detached_gradient",
    "elbo",
    "evidence_decomposition",
    "four_faces",
    "gaussian_kl",
    "grid_posterior",
    "importance_weighted_bound",
    "log_evidence",
    "mle_and_elbo_maximiser",
    "pathwise_gradient",
    "refine_posterior",
    "score_function_gradient",
    "standard_normal_log_prob",
]
