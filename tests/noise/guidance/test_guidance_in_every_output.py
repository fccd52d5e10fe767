"""Guidance of two normal laws that are known: the same rule in every parameterisation, and its closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gmlib.noise import Denoiser, Rectified, Schedule, VPCosine
from gmlib.noise.denoiser import PARAMETERISATIONS, Parameterisation
from gmlib.noise.guidance import ClassifierFree

F64 = torch.float64
MEAN, VAR, ALL_MEAN, ALL_VAR = 1.5, 0.25, -0.3, 1.75


def law_of(label: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the class, 0, or of all, 1."""
    told = (label == 0)[:, None]
    pairs = ((MEAN, ALL_MEAN), (VAR, ALL_VAR))
    mean, var = (torch.where(told, a, b).to(F64) for a, b in pairs)
    return mean, var


def score_by_hand(x: Tensor, alpha: float, sigma: float, w: float) -> Tensor:
    """The derivative of (1 - w) log q_t(x) + w log q_t(x | c), a parabola."""
    told = (alpha * MEAN - x) / (alpha**2 * VAR + sigma**2)
    untold = (alpha * ALL_MEAN - x) / (alpha**2 * ALL_VAR + sigma**2)
    return (1 - w) * untold + w * told


def exact(schedule: Schedule, kind: Parameterisation) -> Denoiser:
    """The best guess of both laws, asked for as a network of this kind."""

    def guess(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
        mean, var = law_of(label)
        return mean + alpha * var / (alpha**2 * var + sigma**2) * (x - alpha * mean)

    law = Denoiser(guess, schedule, "x0")
    return Denoiser(lambda x, t, label: getattr(law, kind)(x, t, label=label), schedule, kind)


@pytest.mark.parametrize("schedule", [VPCosine(), Rectified()], ids=["cosine", "rectified"])
@pytest.mark.parametrize("kind", PARAMETERISATIONS)
@pytest.mark.parametrize("w", [-1.0, 0.0, 0.5, 1.0, 3.0, 7.5])
def test_classifier_free_guidance(w: float, kind: Parameterisation, schedule: Schedule) -> None:
    """u + w (c - u) of every output, whatever the network predicts; the score is that of q^(1 - w) q(. | c)^w.

    At score s the others are x_0 = (x + sigma^2 s) / alpha, eps = -sigma s, v = alpha eps - sigma x_0, and the velocity
    a' x_0 + s' eps with the derivatives of alpha and sigma.
    """
    model = exact(schedule, kind)
    guided = ClassifierFree(model, w, {"label": 1})
    x = torch.linspace(-3, 3, 7, dtype=F64)[:, None]
    label = torch.zeros(7, dtype=torch.long)
    for t in (0.1, 0.45, 0.8):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        score = score_by_hand(x, float(alpha), float(sigma), w)
        x0, eps = (x + sigma**2 * score) / alpha, -sigma * score
        if isinstance(schedule, VPCosine):
            angle = 0.5 * math.pi / 1.008
            start = math.cos(angle * 0.008)
            d_alpha = -angle * math.sin(angle * (t + 0.008)) / start
            d_sigma = -alpha * d_alpha / sigma
        else:
            d_alpha, d_sigma = -1.0, 1.0
        velocity = d_alpha * x0 + d_sigma * eps
        wanted = {"x0": x0, "eps": eps, "v": alpha * eps - sigma * x0, "score": score, "velocity": velocity}
        for output in PARAMETERISATIONS:
            told = getattr(model, output)(x, t, label=label)
            untold = getattr(model, output)(x, t, label=label + 1)
            found = getattr(guided, output)(x, t, label=label)
            torch.testing.assert_close(found, untold + w * (told - untold), rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(found, wanted[output].to(F64), rtol=1e-7, atol=1e-7)
