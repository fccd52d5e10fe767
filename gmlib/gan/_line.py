"""Two laws on one grid of the line: what the divergences of this package integrate over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_number, check_tensor

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Line:
    """Nodes x (n, 1), the two log-densities there (n,), in nats, and the spacing of the trapezoid rule."""

    x: Tensor
    log_p: Tensor
    log_q: Tensor
    spacing: float

    @property
    def log_ratio(self) -> Tensor:
        """log p - log q, 0 where neither has mass."""
        neither = self.log_p.isneginf() & self.log_q.isneginf()
        return torch.where(neither, 0.0, self.log_p - self.log_q)

    def integral(self, values: Tensor) -> Tensor:
        """The integral of a function that is given on the nodes."""
        # Not torch.trapezoid, which subtracts the ends: inf - inf.
        return (values[1:] + values[:-1]).sum() * (self.spacing / 2)

    def expected(self, log_density: Tensor, values: Tensor) -> Tensor:
        """Its expectation; what has no mass does not count, be the value infinite."""
        return self.integral(weighted(log_density, values))


def weighted(log_density: Tensor, values: Tensor) -> Tensor:
    """A density times values; 0 where it has no mass, be the value infinite."""
    density = log_density.exp()
    return torch.where(density > 0, density * values, torch.zeros_like(density))


def check_log_prob(name: str, law: Any) -> None:
    """Raise ``TypeError`` unless ``law`` has a log-density."""
    if not callable(getattr(law, "log_prob", None)):
        raise TypeError(f"{name} must have a method log_prob, got {type(law).__name__}")


def on_line(p: Any, q: Any, low: float | None, high: float | None, points: int) -> Line:
    """Evaluate two laws over one coordinate on a grid; by default 12 standard deviations beyond both means."""
    check_count("points", points, low=3)
    for name, law in (("p", p), ("q", q)):
        check_log_prob(name, law)
        if tuple(getattr(law, "event_shape", (1,))) != (1,) or tuple(getattr(law, "batch_shape", ())) != ():
            shapes = (*getattr(law, "batch_shape", ()), *getattr(law, "event_shape", ()))
            raise ValueError(f"{name} must be one law over one coordinate, got a law of shape {shapes}")
    left = _end("low", low, -1, p, q)
    right = _end("high", high, 1, p, q)
    if not left < right:
        raise ValueError(f"low must be below high, got {left:g} and {right:g}")
    mean = getattr(p, "mean", None)
    like = mean if isinstance(mean, Tensor) else torch.zeros((), dtype=torch.float64)
    x = torch.linspace(left, right, points, dtype=like.dtype, device=like.device)[:, None]
    return Line(x, p.log_prob(x), q.log_prob(x), (right - left) / (points - 1))


def _end(name: str, given: float | None, sign: int, p: Any, q: Any) -> float:
    if given is not None:
        check_number(name, given)
        return float(given)
    ends = []
    for which, law in (("p", p), ("q", q)):
        mean, variance = getattr(law, "mean", None), getattr(law, "variance", None)
        if not (isinstance(mean, Tensor) and isinstance(variance, Tensor)):
            raise TypeError(f"{which} has no mean and variance to choose a range by: give low and high")
        ends.append(float((sign * mean + 12 * variance.sqrt()).max()))
    return sign * max(ends)


def on_nodes(name: str, critic: Critic, line: Line) -> Tensor:
    """The critic's values on the nodes, or an error that names it."""
    check_callable(name, critic)
    values = critic(line.x)
    check_tensor(name, values)
    if values.shape != line.log_p.shape:
        raise ValueError(
            f"{name} must map points (n, 1) to values (n,), got {tuple(values.shape)} "
            f"for {tuple(line.x.shape)}"
        )
    return values
