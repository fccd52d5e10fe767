"""Variational autoencoders and the bound that trains them (chapter 02)."""

from gmlib.vae.amortisation import refine_posterior
from gmlib.vae.autoencoder import Autoencoder
from gmlib.vae.discrete import EvidenceDecomposition, FourFaces, evidence_decomposition, four_faces
from gmlib.vae.elbo import ELBO, elbo, gaussian_kl, importance_weighted_bound, single_sample_elbo
from gmlib.vae.full_posterior import FullPosterior
from gmlib.vae.gradients import detached_gradient, pathwise_gradient, score_function_gradient
from gmlib.vae.latent import attribute_vector, lerp, linear_probe, slerp
from gmlib.vae.likelihoods import Bernoulli, DiscretisedLogistic, GaussianLikelihood, Likelihood
from gmlib.vae.linear import LinearVAE, mle_and_elbo_maximiser
from gmlib.vae.posterior import DiagonalPosterior, standard_normal_log_prob
from gmlib.vae.quadrature import grid_posterior, log_evidence
from gmlib.vae.rate import RateSplit, aggregated_posterior, code_log_ratio, estimate_rate_split, split_rate
from gmlib.vae.squared_error import optimal_squared_error_decoder
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
    "FullPosterior",
    "GaussianLikelihood",
    "Likelihood",
    "LinearVAE",
    "RateSplit",
    "aggregated_posterior",
    "attribute_vector",
    "code_log_ratio",
    "detached_gradient",
    "elbo",
    "estimate_rate_split",
    "evidence_decomposition",
    "four_faces",
    "gaussian_kl",
    "grid_posterior",
    "importance_weighted_bound",
    "lerp",
    "linear_probe",
    "log_evidence",
    "mle_and_elbo_maximiser",
    "optimal_squared_error_decoder",
    "pathwise_gradient",
    "refine_posterior",
    "score_function_gradient",
    "single_sample_elbo",
    "slerp",
    "split_rate",
    "standard_normal_log_prob",
]
