"""What the metrics ask of their samples, and the precision that they compute in."""

from __future__ import annotations

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


def raised(x: Tensor) -> Tensor:
    """``x`` in the precision that distances are computed in: float64, or float32 on Apple's devices, which lack it."""
    return x.float() if x.device.type == "mps" else x.double()
