"""What the metrics ask of their samples, and the precision that they compute in."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import check_finite, check_tensor


def check_sample(name: str, value: Tensor, *, rows: int = 1) -> None:
    """Raise unless ``value`` is a finite floating matrix of at least ``rows`` rows."""
    check_tensor(name, value)
    if value.dim() != 2 or value.shape[0] < rows or value.shape[1] < 1:
        raise ValueError(
            f"{name} must be a matrix of at least {rows} row{'s' * (rows > 1)}, got shape {tuple(value.shape)}"
        )
    check_finite(name, value)


def check_samples(*, rows: int = 1, **samples: Tensor) -> None:
    """Raise unless all ``samples`` are such matrices with the same number of columns, on one device."""
    (first, reference), *_ = samples.items()
    for name, value in samples.items():
        check_sample(name, value, rows=rows)
        if value.shape[1] != reference.shape[1]:
            raise ValueError(
                f"{name} must have {reference.shape[1]} columns as {first} has, got shape {tuple(value.shape)}"
            )
        if value.device != reference.device:
            raise ValueError(f"{name} must be on {reference.device} as {first} is, got {value.device}")


def check_mean(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is a finite floating vector of at least one entry."""
    check_tensor(name, value)
    if value.dim() != 1 or value.shape[0] < 1:
        raise ValueError(f"{name} must be a vector of at least one entry, got shape {tuple(value.shape)}")
    check_finite(name, value)


def check_like(name: str, value: Tensor, shape: tuple[int, ...], other: str, reference: Tensor) -> None:
    """Raise unless ``value`` is finite, floating, of exactly this ``shape`` and on the device of ``reference``."""
    check_tensor(name, value)
    if tuple(value.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got shape {tuple(value.shape)}")
    if value.device != reference.device:
        raise ValueError(f"{name} must be on {reference.device} as {other} is, got {value.device}")
    check_finite(name, value)


def check_covariance(name: str, value: Tensor) -> None:
    """Raise unless a finite square matrix is symmetric and positive semi-definite, up to its dtype's rounding."""
    d, scale = value.shape[0], raised(value.abs().max())
    # At least 1e-5, for a matrix that was computed in float32 and converted.
    tolerance = max(1e-5, d**0.5 * torch.finfo(value.dtype).eps)
    value = raised(value)
    skew = (value - value.T).abs().max()
    if bool(skew > tolerance * scale):
        raise ValueError(
            f"{name} must be symmetric, got entries that differ by {skew.item():.3g} across the diagonal"
        )
    jitter = (tolerance * scale).clamp_min(torch.finfo(value.dtype).tiny)
    # A factorisation costs a fraction of the eigenvalues.
    if bool(torch.linalg.cholesky_ex(value + jitter * torch.eye(d).to(value)).info):
        lowest = torch.linalg.eigvalsh(value)[0].item()
        raise ValueError(f"{name} must be positive semi-definite, got the eigenvalue {lowest:.3g}")


def raised(x: Tensor) -> Tensor:
    """``x`` in the precision that distances are computed in: float64, or float32 on Apple's devices, which lack it."""
    return x.float() if x.device.type == "mps" else x.double()


def median_centre(y: Tensor) -> Tensor:
    """The coordinatewise median of about a thousand rows, all through the sample: a few far outliers do not move it."""
    some = raised(y[:: max(1, y.shape[0] // 1024)])
    return some.sort(0).values[some.shape[0] // 2]
