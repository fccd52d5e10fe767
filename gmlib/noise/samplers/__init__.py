"""Samplers: functions of a `Denoiser`, points at the noisy end, and a grid of times."""

from gmlib.noise.samplers.ancestral import ancestral
from gmlib.noise.samplers.ddim import ddim
from gmlib.noise.samplers.dpm_solver import dpm_solver_2m
from gmlib.noise.samplers.grids import ddpm_times, even_times, snr_times
from gmlib.noise.samplers.learned_variance import LearnedVariance, gaussian_variance, interpolated_variance
from gmlib.noise.samplers.probability_flow import euler, heun
from gmlib.noise.samplers.reverse_sde import euler_maruyama
from gmlib.noise.samplers.start import start_noise
from gmlib.noise.samplers.steps import Sampled, Step, steps_of

__all__ = [
    "LearnedVariance",
    "Sampled",
    "Step",
    "ancestral",
    "ddim",
    "ddpm_times",
    "dpm_solver_2m",
    "euler",
    "euler_maruyama",
    "even_times",
    "gaussian_variance",
    "heun",
    "interpolated_variance",
    "snr_times",
    "start_noise",
    "steps_of",
]
