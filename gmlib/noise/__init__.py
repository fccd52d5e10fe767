"""Noise processes: schedules of signal and noise, denoisers that say any of five things, and samplers."""

from gmlib.noise.clock import LogSNRClock
from gmlib.noise.ddpm import DDPM
from gmlib.noise.denoiser import PARAMETERISATIONS, Denoiser, Parameterisation, Prediction
from gmlib.noise.exact import exact_denoiser
from gmlib.noise.flow_density import probability_flow_log_prob
from gmlib.noise.kinds import EDM, VE, Rectified, SubVP
from gmlib.noise.precondition import Coefficients, EDMPreconditioned, edm_coefficients
from gmlib.noise.rescaled import on_schedule
from gmlib.noise.samplers import (
    LearnedVariance,
    Sampled,
    ancestral,
    ddim,
    ddpm_times,
    dpm_solver_2m,
    euler,
    euler_maruyama,
    even_times,
    gaussian_variance,
    heun,
    snr_times,
    start_noise,
)
from gmlib.noise.schedule import Schedule
from gmlib.noise.variance_preserving import VariancePreserving, VPCosine, VPLinear

__all__ = [
    "DDPM",
    "EDM",
    "PARAMETERISATIONS",
    "VE",
    "Coefficients",
    "Denoiser",
    "EDMPreconditioned",
    "LearnedVariance",
    "LogSNRClock",
    "Parameterisation",
    "Prediction",
    "Rectified",
    "Sampled",
    "Schedule",
    "SubVP",
    "VPCosine",
    "VPLinear",
    "VariancePreserving",
    "ancestral",
    "ddim",
    "ddpm_times",
    "dpm_solver_2m",
    "edm_coefficients",
    "euler",
    "euler_maruyama",
    "even_times",
    "exact_denoiser",
    "gaussian_variance",
    "heun",
    "on_schedule",
    "probability_flow_log_prob",
    "snr_times",
    "start_noise",
]
