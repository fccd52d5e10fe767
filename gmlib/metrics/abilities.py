"""What a generative model can do, measured: evaluate a density, bound it, sample it, expose latents.

A table of families is usually copied from a survey. Here each entry is a measurement on a law in the plane: a claimed
density is integrated over a grid, and network calls are counted while samples are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from gmlib._checks import check_count, check_number
from gmlib.distributions.base import Law
from gmlib.metrics.estimate import Estimate, mean_estimate

Density = Literal["exact", "bound", "neither", "absent"]
CHUNK = 4096


@dataclass(frozen=True)
class ModelInterface:
    """One interface for every family: what a model offers, None where it cannot.

    Args:
        log_density: log-density or a bound on it, nats, from points (n, 2) to (n,). Which of the two is measured, not
            believed.
        sample: ``sample(n, generator)`` gives n points (n, 2).
        encode: anything about the latents of points (n, 2): a posterior, responsibilities, codes.
        network: the module whose forward calls make a sample; None: sampling calls no network.

    Example:
        >>> import torch
        >>> from gmlib.distributions import two_moons
        >>> from gmlib.metrics import ModelInterface
        >>> ModelInterface.of(two_moons()).network is None
        True
    """

    log_density: Callable[[Tensor], Tensor] | None = None
    sample: Callable[[int, torch.Generator | None], Tensor] | None = None
    encode: Callable[[Tensor], Any] | None = None
    network: nn.Module | None = None

    @classmethod
    def of(cls, law: Distribution) -> ModelInterface:
        """The interface of a law (a `Distribution` whose ``sample`` takes a generator); responsibilities are its latents.

        Args:
            law: a law over the plane.
        """

        def sample(n: int, generator: torch.Generator | None) -> Tensor:
            return law.sample((n,), generator=generator)  # type: ignore[call-arg]

        return cls(law.log_prob, sample, getattr(law, "responsibilities", None))


@dataclass(frozen=True)
class Abilities:
    """A row of the table of families.

    Attributes:
        density: "exact": the claimed density integrates to 1; "bound": to less, and nowhere exceeds the model's own law
            where that is known; "neither": to more, or it exceeds it; "absent".
        integral: the integral of the claimed density over the grid, None if absent.
        excess: the most by which the claimed log-density exceeds the model's own, nats; None if that is not known.
        log_likelihood: mean claimed log-density of new data, nats, None if absent. Of a bound it is a bound.
        calls: network calls, one after the other, for one sample; None if there is no sampling.
        parallel: whether several samples take no more calls than one; None likewise.
        sample_log_prob: mean log-density of the model's samples under the *true* law, nats; None likewise.
        latents: whether the model tells latents of a point.

    Example:
        >>> import torch
        >>> from gmlib.distributions import two_moons
        >>> from gmlib.metrics import ModelInterface, measure_abilities
        >>> law = two_moons()
        >>> measure_abilities(ModelInterface(sample=ModelInterface.of(law).sample), law, n=10).density
        'absent'
    """

    density: Density
    integral: float | None
    excess: float | None
    log_likelihood: Estimate | None
    calls: int | None
    parallel: bool | None
    sample_log_prob: Estimate | None
    latents: bool


def measure_abilities(
    model: ModelInterface | Distribution,
    law: Law,
    *,
    truth: Callable[[Tensor], Tensor] | None = None,
    n: int = 2000,
    reach: float = 6.0,
    points: int = 200,
    tolerance: float = 0.01,
    generator: torch.Generator | None = None,
) -> Abilities:
    r"""Measure what a model of a law in the plane can do.

    The claimed density is summed over a square grid of ``reach`` standard deviations of the law around its mean:
    1 means a density; less, a lower bound, for :math:`\int e^{\mathrm{ELBO}(x)}\,\mathrm dx < \int p(x)\,\mathrm dx = 1`
    unless the bound is tight everywhere.

    Args:
        model: what the model offers, or a law.
        law: the true law, over two coordinates, without batch.
        truth: the model's own log-density by some other way, (n, 2) to (n,), against which a bound is held.
        n: points of new data and samples of the model, at least 2.
        reach: half the width of the grid in standard deviations; the model's mass outside is missed.
        points: grid points along each axis; their spacing must resolve the claimed density.
        tolerance: how far from 1 the integral of an exact density may be, and how many nats a bound may exceed ``truth``.
        generator: source of randomness for data and samples; None is torch's default.

    Returns:
        The measurements.

    Raises:
        TypeError: ``model`` is neither a `ModelInterface` nor a `Distribution`, or ``law`` no `Law`.
        ValueError: ``law`` is not over the plane, a number is out of range, or the model returns wrong shapes or a
            log-density that is not finite at new data.

    References:
        The criteria are those of K. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), table 20.1.

    Example:
        >>> import torch
        >>> from gmlib.distributions import moment_projection, two_moons
        >>> from gmlib.metrics import measure_abilities
        >>> law = two_moons(dtype=torch.float64)
        >>> row = measure_abilities(moment_projection(law), law, generator=torch.Generator().manual_seed(0))
        >>> row.density, row.calls, row.latents
        ('exact', 0, False)
    """
    if isinstance(model, Distribution):
        model = ModelInterface.of(model)
    if not isinstance(model, ModelInterface):
        raise TypeError(f"model must be a ModelInterface or a Distribution, got {type(model).__name__}")
    if not isinstance(law, Law):
        raise TypeError(f"law must be a Law, got {type(law).__name__}")
    if tuple(law.event_shape) != (2,) or law.batch_shape:
        raise ValueError(
            f"law must be over two coordinates, without batch, got event shape {tuple(law.event_shape)} and batch "
            f"shape {tuple(law.batch_shape)}"
        )
    check_count("n", n, low=2)
    check_count("points", points, low=2)
    check_number("reach", reach, low=0.0, low_open=True)
    check_number("tolerance", tolerance, low=0.0, low_open=True)
    with torch.no_grad():
        density, integral, excess = _measure_density(model, law, truth, reach, points, tolerance)
        new = law.sample((n,), generator=generator)
        log_likelihood = None
        if model.log_density is not None:
            log_likelihood = _mean("log_density", _evaluate("log_density", model.log_density, new))
        calls = parallel = sample_log_prob = None
        if model.sample is not None:
            calls, eight = (_count_calls(model, k, generator)[0] for k in (1, 8))
            parallel = calls == eight
            x = _count_calls(model, n, generator)[1]
            sample_log_prob = _mean("sample", law.log_prob(x.to(new)))
    latents = model.encode is not None and model.encode(new) is not None
    return Abilities(density, integral, excess, log_likelihood, calls, parallel, sample_log_prob, latents)


def _measure_density(
    model: ModelInterface,
    law: Law,
    truth: Callable[[Tensor], Tensor] | None,
    reach: float,
    points: int,
    tolerance: float,
) -> tuple[Density, float | None, float | None]:
    if model.log_density is None:
        return "absent", None, None
    std = law.variance.sqrt()
    unit = torch.linspace(-reach, reach, points, dtype=std.dtype, device=std.device)
    grid = law.mean + std * torch.cartesian_prod(unit, unit)
    claimed = _evaluate("log_density", model.log_density, grid)
    cell = float((std * (2 * reach / (points - 1))).prod())
    integral = float(claimed.double().exp().sum()) * cell
    excess = None
    if truth is not None:
        # A claim of -inf exceeds nothing, not even a truth of -inf, from which it has no difference.
        excesses = (claimed - _evaluate("truth", truth, grid))[claimed != -torch.inf]
        excess = float(excesses.max()) if excesses.numel() else -math.inf
    if abs(integral - 1) <= tolerance:
        return "exact", integral, excess
    below = integral < 1 and (excess is None or excess <= tolerance)
    return "bound" if below else "neither", integral, excess


def _evaluate(name: str, fn: Callable[[Tensor], Tensor], x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    parts = []
    for part in x.split(CHUNK):
        value = fn(part)
        if not isinstance(value, Tensor) or value.shape != part.shape[:1]:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} must give one number a point, shape {tuple(part.shape[:1])}, got {got}")
        parts.append(value)
    return torch.cat(parts)


def _count_calls(model: ModelInterface, n: int, generator: torch.Generator | None) -> tuple[int, Tensor]:
    """Draw ``n`` samples and count the network's forward calls."""
    assert model.sample is not None
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    handle = None if model.network is None else model.network.register_forward_hook(count)
    try:
        x = model.sample(n, generator)
    finally:
        if handle is not None:
            handle.remove()
    if not isinstance(x, Tensor) or x.shape != (n, 2):
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"sample must give points of shape ({n}, 2), got {got}")
    return calls, x


def _mean(name: str, values: Tensor) -> Estimate:
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"{name} must lead to finite log-densities, got NaN or infinity at some point")
    return mean_estimate(values)
