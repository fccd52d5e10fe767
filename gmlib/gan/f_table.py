r"""The rows of the table of f-divergences; :class:`gmlib.gan.FDivergence` says what each column is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib.gan._line import weighted
from gmlib.gan.f_divergences import FDivergence

LOG2 = math.log(2)


def _below(c: Tensor, highest: float, values: Tensor) -> Tensor:
    """The values where c is in the domain of the conjugate, infinity elsewhere."""
    return torch.where(c < highest, values, torch.inf)


def _kl_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    return weighted(log_p, log_p - log_q)


def _js_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    middle = torch.logaddexp(log_p, log_q) - LOG2
    return weighted(log_p, log_p - middle) + weighted(log_q, log_q - middle)


def _pearson_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    # (p - q)^2 / q: from the ratio where the two are near, from logs where q may be too small to stand alone.
    ratio = log_p - log_q
    near = log_q.exp() * torch.expm1(ratio.clamp(-1, 1)).square()
    far = weighted(log_p, (log_p - log_q).exp() - 2) + log_q.exp()
    return torch.where(ratio.abs() < 1, near, far)


def _sqrt_minus_one_squared(u: Tensor) -> Tensor:
    return (u.sqrt() - 1).square()


F_DIVERGENCES: dict[str, FDivergence] = {
    row.name: row
    for row in (
        FDivergence(
            "kl",
            f=lambda u: torch.xlogy(u, u),
            conjugate=lambda c: (c - 1).exp(),
            highest=math.inf,
            activation=lambda v: v,
            conjugate_of_output=lambda v: (v - 1).exp(),
            output=lambda log_ratio: 1 + log_ratio,
            integrand=_kl_integrand,
        ),
        FDivergence(
            "reverse_kl",
            f=lambda u: -u.log(),
            conjugate=lambda c: _below(c, 0.0, -1 - (-c).clamp_min(0).log()),
            highest=0.0,
            activation=lambda v: -(-v).exp(),
            conjugate_of_output=lambda v: v - 1,
            output=lambda log_ratio: log_ratio,
            integrand=lambda log_p, log_q: _kl_integrand(log_q, log_p),
        ),
        FDivergence(
            "js",
            f=lambda u: torch.xlogy(u, u) - (u + 1) * (torch.log1p(u) - LOG2),
            conjugate=lambda c: _below(c, LOG2, -(2 - c.exp()).clamp_min(0).log()),
            highest=LOG2,
            activation=lambda v: LOG2 + logsigmoid(v),  # softplus is rounded to v beyond 20
            conjugate_of_output=lambda v: -LOG2 - logsigmoid(-v),
            output=lambda log_ratio: log_ratio,
            integrand=_js_integrand,
        ),
        FDivergence(
            "pearson",
            f=lambda u: (u - 1).square(),
            conjugate=lambda c: torch.where(c >= -2, c.square() / 4 + c, -1.0),
            highest=math.inf,
            activation=lambda v: v,
            conjugate_of_output=lambda v: torch.where(v >= -2, v.square() / 4 + v, -1.0),
            output=lambda log_ratio: 2 * torch.expm1(log_ratio),
            integrand=_pearson_integrand,
        ),
        FDivergence(
            "neyman",
            f=lambda u: (u - 1).square() / u,
            conjugate=lambda c: torch.where(c <= 1, 2 - 2 * (1 - c).clamp_min(0).sqrt(), torch.inf),
            highest=1.0,
            activation=lambda v: -torch.expm1(-v),
            conjugate_of_output=lambda v: -2 * torch.expm1(-v / 2),
            output=lambda log_ratio: 2 * log_ratio,
            integrand=lambda log_p, log_q: _pearson_integrand(log_q, log_p),
        ),
        FDivergence(
            "hellinger",
            f=_sqrt_minus_one_squared,
            conjugate=lambda c: _below(c, 1.0, c / (1 - c)),
            highest=1.0,
            activation=lambda v: -torch.expm1(-v),
            conjugate_of_output=torch.expm1,
            output=lambda log_ratio: log_ratio / 2,
            integrand=lambda log_p, log_q: ((log_p / 2).exp() - (log_q / 2).exp()).square(),
        ),
        FDivergence(
            "total_variation",
            f=lambda u: (u - 1).abs() / 2,
            conjugate=lambda c: torch.where(c <= 0.5, c.clamp_min(-0.5), torch.inf),
            highest=0.5,
            activation=lambda v: torch.tanh(v) / 2,
            conjugate_of_output=lambda v: torch.tanh(v) / 2,
            output=lambda log_ratio: 100 * log_ratio.sign(),  # tanh(100) is 1 to every digit
            integrand=lambda log_p, log_q: (log_p.exp() - log_q.exp()).abs() / 2,
        ),
    )
}
r"""The rows; in the last column the divergence of N(0, 1) from N(1, 1):

===============  ======================================  ============================  =======================  ========
name             :math:`f(u)`                            :math:`f^*(c)`                activation c(v)          value
===============  ======================================  ============================  =======================  ========
kl               :math:`u\log u`                         :math:`e^{c-1}`               :math:`v`                0.500000
reverse_kl       :math:`-\log u`                         :math:`-1-\log(-c)`           :math:`-e^{-v}`          0.500000
js               :math:`u\log u - (u+1)\log\frac{u+1}2`  :math:`-\log(2-e^c)`          :math:`\log 2\sigma(v)`  0.222843
pearson          :math:`(u-1)^2`                         :math:`c+c^2/4`; -1 below -2  :math:`v`                1.718282
neyman           :math:`(u-1)^2/u`                       :math:`2-2\sqrt{1-c}`         :math:`1-e^{-v}`         1.718282
hellinger        :math:`(\sqrt u-1)^2`                   :math:`c/(1-c)`               :math:`1-e^{-v}`         0.235006
total_variation  :math:`\lvert u-1\rvert/2`              :math:`\max(c, -1/2)`         :math:`\tanh(v)/2`       0.382925
===============  ======================================  ============================  =======================  ========

The domains end at 0 (reverse_kl), log 2 (js), 1 (hellinger; neyman, the end included) and ½ (total_variation, likewise).
The f of ``js`` gives *twice* the Jensen-Shannon divergence; with :math:`D = \sigma(v)` its critic is :math:`\log 2D`, and
its losses are those of the original GAN, each less log 2.
"""
