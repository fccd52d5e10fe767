r"""Maximum likelihood of a fully visible Boltzmann machine, exactly: the model phase is a sum over all states."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number, check_table, check_tensor
from gmlib.energy._spins import check_spins
from gmlib.energy.boltzmann import BoltzmannMachine
from gmlib.energy.states import all_states
from gmlib.energy.two_phase import statistic_covariance

MAX_LEARNED_UNITS = 14
"""More units than this are not learned: at 14 the table of all statistics has 1.7 million entries."""
METHODS = ("newton", "gradient")
"""Newton's method on the concave log-likelihood, or steps along data minus model phase."""
PATIENCE = 50
"""Gradient steps between two looks at the gap, each of which makes the host wait."""


class BoltzmannFit(NamedTuple):
    r"""A learned machine and the way to it.

    Attributes:
        machine: the machine, at inverse temperature 1.
        log_likelihood: mean log-likelihood of the data before every step and at the end, in nats, (steps + 1,).
        gap: largest difference of a mean or a correlation between data and model, at the same times, (steps + 1,).
        converged: the last gap is within the tolerance.
    """

    machine: BoltzmannMachine
    log_likelihood: Tensor
    gap: Tensor
    converged: bool


@torch.no_grad()
def learn_boltzmann(
    data: Float[Tensor, "N n"],
    *,
    weights: Float[Tensor, " N"] | None = None,
    method: str = "newton",
    lr: float | None = None,
    steps: int = 20_000,
    tolerance: float | None = None,
) -> BoltzmannFit:
    r"""Fit W and b to data until means and correlations of model and data agree.

    .. math:: \partial_{w_{ij}} \mathbb E_{p_0} \log p_\theta = \langle x_i x_j \rangle_{p_0} - \langle x_i x_j
              \rangle_{p_\theta}, \qquad \partial_{b_i} \mathbb E_{p_0} \log p_\theta = \langle x_i \rangle_{p_0} - \langle
              x_i \rangle_{p_\theta}

    from zero weights. :math:`w_{ij}` is the weight of the pair, which stands twice in W. The log-likelihood is concave, so
    there is one maximum, unless the data leave no finite one: where two units always agree, say, their weight grows for
    ever. Then ``converged`` is False, or a mean or correlation of ±1 is refused at once.

    Args:
        data: states of ±1, (N, n).
        weights: their probabilities, (N,); equal if None.
        method: "newton" (a few steps) or "gradient" (the two-phase rule).
        lr: the gradient's learning rate :math:`\eta`; the default, 1 over the n (n + 1) / 2 parameters, never goes down,
            for no curvature is larger than their number.
        steps: at most so many steps.
        tolerance: stop when ``gap`` is at most this. None for 1e-8, or for 32 times the dtype's epsilon where that is more
            (4e-6 in float32). Newton's method also stops when rounding hides what a step gains.

    Returns:
        Machine, histories and whether it converged.

    Raises:
        TypeError: a tensor or a number is not one.
        ValueError: a shape does not fit, ``data`` holds other values than ±1, a mean or a correlation of the data is ±1,
            there are more than ``MAX_LEARNED_UNITS`` units, or a setting is out of range.

    References:
        D. H. Ackley, G. E. Hinton and T. J. Sejnowski, *A learning algorithm for Boltzmann machines*, Cognitive Science,
        1985.

    Example:
        >>> import torch
        >>> from gmlib.energy import learn_boltzmann
        >>> data = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)
        >>> fit = learn_boltzmann(data)
        >>> fit.converged, bool((fit.machine.moments().correlation - data.T @ data / 4).abs().max() < 1e-6)
        (True, True)
    """
    check_choice("method", method, METHODS)
    check_count("steps", steps)
    if tolerance is not None:
        check_number("tolerance", tolerance, low=0.0, low_open=True)
    target, statistics = _moments(data, weights)
    n, k = data.shape[1], len(target)
    if tolerance is None:
        tolerance = max(1e-8, 32 * torch.finfo(data.dtype).eps)
    if lr is None:
        lr = 1 / k
    check_number("lr", lr, low=0.0, low_open=True)
    theta = torch.zeros_like(target)
    likelihoods, gaps = [], []
    for step in range(steps + 1):
        logits = statistics @ theta
        law = logits.softmax(0)
        gradient = target - law @ statistics
        likelihoods.append(target @ theta - logits.logsumexp(0))
        gaps.append(gradient.abs().max())
        look = method == "newton" or step % PATIENCE == 0
        if step == steps or (look and bool(gaps[-1] <= tolerance)):
            break
        if (
            method == "newton"
            and step
            and bool((likelihoods[-1] <= likelihoods[-2]) & (gaps[-1] >= gaps[-2]))
        ):
            break
        if method == "gradient":
            theta = theta + lr * gradient
        else:
            theta = theta + _newton_step(theta, gradient, law, statistics, target, likelihoods[-1])
    i, j = torch.triu_indices(n, n, 1, device=data.device)
    w = theta.new_zeros(n, n)
    w[i, j] = theta[n:]
    fit = BoltzmannMachine(w + w.T, theta[:n])
    return BoltzmannFit(fit, torch.stack(likelihoods), torch.stack(gaps), bool(gaps[-1] <= tolerance))


def pair_statistics(x: Float[Tensor, "N n"]) -> Float[Tensor, "N k"]:
    r"""The statistics of a Boltzmann machine: units, then products of pairs in the order (1, 2), (1, 3), ..., (n - 1, n).

    Args:
        x: states, (N, n).

    Returns:
        Statistics, (N, n (n + 1) / 2).

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: its shape is not (N, n).

    Example:
        >>> import torch
        >>> from gmlib.energy import pair_statistics
        >>> pair_statistics(torch.tensor([[1.0, -1.0, -1.0]])).tolist()
        [[1.0, -1.0, -1.0, -1.0, -1.0, 1.0]]
    """
    check_tensor("x", x)
    if x.dim() != 2 or not x.shape[1]:
        raise ValueError(f"x must have shape (N, n) with n >= 1, got shape {tuple(x.shape)}")
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    return torch.cat((x, x[:, i] * x[:, j]), -1)


def _moments(data: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    check_tensor("data", data)
    if data.dim() != 2 or not data.numel():
        raise ValueError(f"data must have shape (N, n) with N, n >= 1, got shape {tuple(data.shape)}")
    n = data.shape[1]
    if n > MAX_LEARNED_UNITS:
        raise ValueError(f"data must have at most {MAX_LEARNED_UNITS} units to learn by enumeration, got {n}")
    check_spins("data", data)
    if weights is None:
        weights = data.new_full((len(data),), 1 / len(data))
    check_tensor("weights", weights)
    if tuple(weights.shape) != (len(data),):
        raise ValueError(f"weights must have shape ({len(data)},), got shape {tuple(weights.shape)}")
    check_table("weights", weights)
    target = weights @ pair_statistics(data)
    if bool((target.abs() > 1 - 4 * torch.finfo(data.dtype).eps).any()):
        raise ValueError(
            "data must have means and correlations inside (-1, 1), got one of +-1: its bias or weight would be infinite"
        )
    return target, pair_statistics(all_states(n, dtype=data.dtype, device=data.device))


def _newton_step(
    theta: Tensor, gradient: Tensor, law: Tensor, statistics: Tensor, target: Tensor, now: Tensor
) -> Tensor:
    """Newton's step, halved until the log-likelihood rises by a quarter of what the slope promises."""
    hessian = statistic_covariance(statistics, law)
    coarse = torch.finfo(theta.dtype).eps / torch.finfo(torch.float64).eps  # 1 in double precision
    ridge = 1e-12 * min(coarse, 1e6) * torch.eye(len(theta), dtype=theta.dtype, device=theta.device)
    step = torch.linalg.solve(hessian + ridge, gradient)
    slope = gradient @ step
    for _ in range(30):
        after = target @ (theta + step) - (statistics @ (theta + step)).logsumexp(0)
        if bool(after >= now + slope / 4 - 1e-14 * coarse):
            break
        step, slope = step / 2, slope / 2
    return step
