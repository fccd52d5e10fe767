"""Every guidance in every sampler takes the path of the guided denoiser written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from gmlib.diffusion.guidance import Repairer, hole
from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, LearnedVariance, Rectified, VPCosine, exact_denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured
from gmlib.noise.samplers import (
    ancestral,
    ddim,
    dpm_solver_2m,
    euler,
    euler_maruyama,
    gaussian_variance,
    heun,
    snr_times,
)

F64 = torch.float64
LABEL = torch.tensor([0, 1, 1, 0, 1])
ROUND = Gaussian(torch.zeros(2, dtype=F64), var=1.0)
A, Y, NOISE = torch.tensor([[1.0, 0.5]], dtype=F64), torch.tensor([0.8], dtype=F64), 0.25
SEEN = hole(torch.randn(5, 1, 3, 3, dtype=F64, generator=torch.Generator().manual_seed(5)), 1)


class Case(NamedTuple):
    """A guided denoiser, the clean point that it should guess, written out, and what it is told."""

    guided: Denoiser
    guess: Callable[..., Tensor]
    condition: dict[str, Any]
    event: tuple[int, ...] = (2,)


def saying(model: Denoiser, kind: Any) -> Denoiser:
    """The same denoiser, predicting something else."""
    return Denoiser(lambda x, t, **c: getattr(model, kind)(x, t, **c), model.schedule, kind)


def bent(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
    """A clean point that depends on all that the network is told, and on no part of it linearly."""
    return torch.tanh((1 + label[:, None]) * x - t[:, None])


def free(schedule: Any, kind: Any, w: Any, interval: Any = None) -> Case:
    best = Denoiser(bent, schedule, "x0")

    def guess(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        told, untold = best.x0(x, t, label=label), best.x0(x, t, label=torch.full_like(label, 2))
        strength: Any = w(t)[:, None] if callable(w) else w  # pyright: ignore[reportIndexIssue]
        if interval is not None:
            strength = torch.where((t > interval[0]) & (t < interval[1]), 2.5, 1.0)[:, None]
        return untold + strength * (told - untold)

    return Case(
        ClassifierFree(saying(best, kind), w, {"label": 2}, interval=interval), guess, {"label": LABEL}
    )


def classifier(schedule: Any, kind: Any) -> Case:
    """y | x_t ~ N(alpha A x_t, sigma^2 A A^T + noise) for round data: w = 2 counts the measurement twice."""

    def log_prob(x: Tensor, t: Any) -> Tensor:
        t = torch.as_tensor(t, dtype=x.dtype)
        a, s = schedule.alpha(t), schedule.sigma(t)
        total = a**2 + s**2  # 1 on a variance-preserving path
        var = (A @ A.mT)[0, 0] * s**2 / total + NOISE
        return -(Y - (a / total)[..., None] * x @ A.mT)[:, 0].square() / (2 * var)

    def guess(x: Tensor, t: Tensor) -> Tensor:
        a, s = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
        total = a**2 + s**2
        var = (A @ A.mT) * s**2 / total + NOISE
        score = -x / total + 2 * (Y - a / total * x @ A.mT) / var * a / total @ A
        return (x + s**2 * score) / a

    return Case(ClassifierGuided(saying(exact_denoiser(ROUND, schedule), kind), log_prob, 2.0), guess, {})


def measured(schedule: Any, kind: Any) -> Case:
    gain = A.mT / (A @ A.mT + NOISE)
    law = Gaussian((gain @ Y), cov=torch.eye(2, dtype=F64) - gain @ A)
    posterior = exact_denoiser(law, schedule)
    return Case(Measured(saying(exact_denoiser(ROUND, schedule), kind), A, Y, NOISE), posterior.x0, {})


def repairer(schedule: Any, kind: Any) -> Case:
    def best(x: Tensor, t: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return 0.3 * x + 0.1 * image[:, :1] + 0.2 * label[:, None, None, None]

    def guess(x: Tensor, t: Tensor, seen: Any, label: Tensor) -> Tensor:
        told, untold = (
            torch.where(seen.known, seen.image, best(x, t, seen.shown, c)) for c in (label, 0 * label)
        )
        return untold + 2.5 * (told - untold)

    inner = Repairer(saying(Denoiser(best, schedule, "x0"), kind))
    return Case(
        ClassifierFree(inner, 2.5, {"label": 0}), guess, {"seen": SEEN, "label": LABEL + 1}, (1, 3, 3)
    )


CASES: dict[str, Callable[..., Case]] = {
    "free": lambda s, k: free(s, k, 2.5),
    "free, function": lambda s, k: free(s, k, lambda t: 1 + 2 * t),
    "free, interval": lambda s, k: free(s, k, 2.5, (0.3, 0.7)),
    "classifier": classifier,
    "measured": measured,
    "repairer": repairer,
}
SAMPLERS: dict[str, Any] = {
    "ancestral": lambda d, x, t, g, **c: ancestral(d, x, t, generator=g, **c),
    "beta tilde": lambda d, x, t, g, **c: ancestral(d, x, t, variance="beta_tilde", generator=g, **c),
    "variance by function": lambda d, x, t, g, **c: ancestral(
        d, x, t, variance=gaussian_variance(0.3), last_noise=True, generator=g, **c
    ),
    "ddim": lambda d, x, t, g, **c: ddim(d, x, t, **c),
    "ddim, eta": lambda d, x, t, g, **c: ddim(d, x, t, eta=0.5, generator=g, **c),
    "euler": lambda d, x, t, g, **c: euler(d, x, t, **c),
    "heun": lambda d, x, t, g, **c: heun(d, x, t, **c),
    "euler-maruyama": lambda d, x, t, g, **c: euler_maruyama(d, x, t, generator=g, **c),
    "2m": lambda d, x, t, g, **c: dpm_solver_2m(d, x, t, **c),
}


@pytest.mark.parametrize(("schedule", "kind"), [(VPCosine(), "v"), (Rectified(), "x0")], ids=["v", "x0"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_follows_every_guidance(sampler: str, name: str, schedule: Any, kind: Any) -> None:
    case, times = CASES[name](schedule, kind), snr_times(schedule, 3, low=-3.0, high=3.0)
    x = torch.randn(5, *case.event, dtype=F64, generator=torch.Generator().manual_seed(1))
    found, wanted = (
        SAMPLERS[sampler](d, x, times, torch.Generator().manual_seed(2), **case.condition)
        for d in (case.guided, Denoiser(case.guess, schedule, "x0"))
    )
    torch.testing.assert_close(found.x, wanted.x, rtol=1e-9, atol=1e-9)
    assert found.nfe == wanted.nfe


@pytest.mark.bad_input
def test_a_learnt_variance_is_not_guided() -> None:
    """The denoiser is, by any sampler that brings a variance of its own."""

    def network(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return torch.cat([label[:, None] * x, torch.zeros_like(x)], 1)

    guided = ClassifierFree(LearnedVariance(network, VPCosine(), "x0"), 3.0, {"label": 0})
    x, label = torch.ones(2, 2), torch.tensor([1, 2])
    torch.testing.assert_close(guided.x0(x, 0.5, label=label), torch.tensor([[3.0], [6.0]]) * x)
    ancestral(guided, x, [0.9, 0.5], label=label)
    with pytest.raises(TypeError, match="denoiser must be a LearnedVariance, got ClassifierFree"):
        ancestral(guided, x, [0.9, 0.5], variance="learned", label=label)
