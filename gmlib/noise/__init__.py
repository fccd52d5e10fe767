"""Noise processes: schedules of signal and noise, and denoisers that say any of five things."""

from gmlib.noise.clock import LogSNRClock
from gmlib.noise.ddpm import DDPM
from gmlib.noise.denoiser import PARAMETERISATIONS, Denoiser, Parameterisation, Prediction, exact_denoiser
from gmlib.noise.kinds import EDM, VE, Rectified, SubVP
from gmlib.noise.precondition import Coefficients, EDMPreconditioned, edm_coefficients
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
    "LogSNRClock",
    "Parameterisation",
    "Prediction",
    "Rectified",
    "Schedule",
    "SubVP",
    "VPCosine",
    "VPLinear",
    "VariancePreserving",
    "edm_coefficients",
    "exact_denoiser",
]
