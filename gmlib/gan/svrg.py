r"""A bilinear game that is a finite sum: what sampling its terms does to the extragradient step, and its cure."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor


def stochastic_extragradient_factor(weights: Float[Tensor, " n"], eta: float) -> float:
    r"""The exact growth of the mean squared radius in one extragradient step that draws a term for each gradient.

    The game is :math:`\frac1n \sum_i A_i\, \varphi\theta`. With :math:`z = \varphi + i\theta` the field of a term is
    :math:`-iA_j z`; the look uses term i, the step a fresh draw j, so :math:`z' = (1 - i\eta A_j - \eta^2 A_iA_j)\, z` and

    .. math:: \frac{\mathbb E |z'|^2}{|z|^2} = 1 - 2\eta^2 m_1^2 + \eta^2 m_2 + \eta^4 m_2^2, \quad
              m_k = \frac1n \sum_i A_i^k

    (Chavdarova et al. 2019 show such a failure.) Above 1 for *every* step once :math:`m_2 \ge 2 m_1^2`: the terms' variance
    reaches their squared mean.

    Args:
        weights: :math:`A_i`, (n,).
        eta: :math:`\eta > 0`.

    Returns:
        The factor a step.

    Raises:
        TypeError: ``weights`` is not a floating tensor, or ``eta`` not a number.
        ValueError: a shape or a range is wrong.

    Example:
        >>> import torch
        >>> from gmlib.gan import stochastic_extragradient_factor
        >>> weights = torch.tensor([4.0, 0.0, 0.0, 0.0], dtype=torch.float64)  # a coordinate at a time, of four
        >>> round(stochastic_extragradient_factor(weights, 0.1), 4)
        1.0216
    """
    m1, m2 = _moments(weights, eta)
    return 1 + eta**2 * (m2 - 2 * m1**2) + eta**4 * m2**2


def svrg_factor(weights: Float[Tensor, " n"], eta: float, inner: int) -> float:
    r"""The exact growth of the mean squared radius over an epoch of variance-reduced extragradient steps.

    Each gradient at y is replaced by :math:`v_j(y) - v_j(w) + v(w)` with the full gradient at a snapshot w, renewed every
    ``inner`` steps. With :math:`e = z - w` a step is

    .. math:: e' = (1 - i\eta A_j - \eta^2 A_iA_j)\, e - (i\eta m_1 + \eta^2 m_1 A_j)\, w,

    and :math:`(\mathbb E|e|^2, \mathbb E\,e\bar w, |w|^2)` follow a linear recursion, which starts each epoch at
    :math:`(0, 0, |w|^2)`.

    Args:
        weights: :math:`A_i`, (n,).
        eta: :math:`\eta > 0`.
        inner: steps a snapshot.

    Returns:
        The factor an epoch; below 1 it converges in mean square.

    Raises:
        TypeError: ``weights`` is not a floating tensor, or a number is not a number.
        ValueError: a shape or a range is wrong.

    Example:
        >>> import torch
        >>> from gmlib.gan import svrg_factor
        >>> round(svrg_factor(torch.tensor([4.0, 0.0, 0.0, 0.0], dtype=torch.float64), 0.1, 4), 4)  # where plain ones grow
        0.9702
    """
    m1, m2 = _moments(weights, eta)
    check_count("inner", inner)
    # E|P|^2, E Q, E P, E[P conj Q] of P = 1 - i eta A_j - eta^2 A_i A_j and Q = -i eta m1 - eta^2 m1 A_j.
    square = stochastic_extragradient_factor(weights, eta)
    mean = complex(1 - eta**2 * m1**2, -eta * m1)
    drift = complex(-(eta**2) * m1**2, -eta * m1)
    drift_square = eta**2 * m1**2 + eta**4 * m1**2 * m2
    across = complex(eta**4 * m1**2 * m2, eta * m1 + eta**3 * m1 * (m2 - m1**2))
    error, mixed = 0.0, 0j
    for _ in range(inner):
        error, mixed = (
            square * error + drift_square + 2 * (across * mixed).real,
            mean * mixed + drift,
        )
    return 1 + error + 2 * mixed.real


@torch.no_grad()
def bilinear_extragradient(
    weights: Float[Tensor, " n"],
    start: Float[Tensor, "*batch 2"],
    eta: float,
    steps: int,
    *,
    inner: int | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "time *batch 2"]:
    """Play the finite sum by stochastic extragradient steps, variance-reduced if ``inner`` is given.

    Args:
        weights: the terms' weights, (n,).
        start: (phi, theta), (\\*batch, 2); every row draws its own terms.
        eta: the step.
        steps: how many steps.
        inner: steps a snapshot; None: plain stochastic gradients.
        generator: source of the draws; None takes torch's default generator.

    Returns:
        The path, (steps + 1, \\*batch, 2).

    Raises:
        TypeError: not floating tensors, or a number is not a number.
        ValueError: a shape or a range is wrong.

    Example:
        >>> import torch
        >>> from gmlib.gan import bilinear_extragradient
        >>> weights, start = torch.tensor([4.0, 0.0, 0.0, 0.0]), torch.ones(100, 2)
        >>> draws = torch.Generator().manual_seed(0)
        >>> paths = bilinear_extragradient(weights, start, 0.1, 300, inner=4, generator=draws)
        >>> paths.shape
        torch.Size([301, 100, 2])
    """
    _moments(weights, eta)
    check_tensor("start", start)
    if start.dim() < 1 or start.shape[-1] != 2:
        raise ValueError(
            f"start must have shape (*batch, 2), the columns (phi, theta), got {tuple(start.shape)}"
        )
    check_finite("start", start)
    check_count("steps", steps, low=0)
    if inner is not None:
        check_count("inner", inner)
    mean = weights.mean()
    draws = (2, *start.shape[:-1], 1)
    state = snapshot = start
    path = [start]
    for i in range(steps):
        if inner is not None and i % inner == 0:
            snapshot = state
        a = weights[torch.randint(len(weights), draws, generator=generator, device=weights.device)]
        rest = 0.0 if inner is None else snapshot
        ahead = state + eta * _turn(a[0] * (state - rest) + mean * rest)
        state = state + eta * _turn(a[1] * (ahead - rest) + mean * rest)
        path.append(state)
    return torch.stack(path)


def _turn(state: Tensor) -> Tensor:
    return torch.stack((state[..., 1], -state[..., 0]), -1)


def _moments(weights: Tensor, eta: float) -> tuple[float, float]:
    check_tensor("weights", weights)
    if weights.dim() != 1 or weights.shape[0] == 0:
        raise ValueError(f"weights must be a non-empty row, got shape {tuple(weights.shape)}")
    check_finite("weights", weights)
    check_number("eta", eta, low=0.0, low_open=True)
    return weights.mean().item(), weights.square().mean().item()
