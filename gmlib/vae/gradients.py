r"""Three ways to estimate :math:`\nabla_\mu \mathbb E_{z \sim \mathcal N(\mu, \sigma^2)} f(z)`, one of them wrong.

Each returns one estimate for each draw, so that bias and variance can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

Function = Callable[[Tensor], Tensor]


def pathwise_gradient(
    f: Function, mean: float, noise: Float[Tensor, " n"], *, std: float = 1.0
) -> Float[Tensor, " n"]:
    r"""The reparameterised estimate: move the draw with the mean.

    .. math:: z = \mu + \sigma\varepsilon, \qquad
              \nabla_\mu f(\mu + \sigma \varepsilon) = f'(\mu + \sigma\varepsilon)

    :eq:`eq-02-pathwise` in the book. Unbiased for absolutely continuous f with integrable derivative (Kingma &
    Welling 2014, section 2.4; Mohamed et al. 2020, section 5). For :math:`f(z) = z^2` and :math:`\sigma = 1` its
    variance is 4, whatever :math:`\mu`.

    Args:
        f: acts on each entry of a tensor and is differentiable.
        mean: :math:`\mu`.
        noise: standard normal :math:`\varepsilon`, (n,).
        std: :math:`\sigma`, positive.

    Returns:
        n estimates.

    Raises:
        ValueError: ``std`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.vae import pathwise_gradient
        >>> pathwise_gradient(torch.square, 1.5, torch.tensor([-1.0, 0.0, 1.0])).tolist()
        [1.0, 3.0, 5.0]
    """
    z = _draw(mean, noise, std).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(f(z).sum(), z)
    return gradient


def score_function_gradient(
    f: Function, mean: float, noise: Float[Tensor, " n"], *, std: float = 1.0
) -> Float[Tensor, " n"]:
    r"""The score-function (REINFORCE) estimate: leave the draw, and weigh it by how its density changes.

    .. math:: f(z)\, \nabla_\mu \log \mathcal N(z; \mu, \sigma^2) = f(z)\, \frac{\varepsilon}{\sigma}

    :eq:`eq-02-score-function` in the book. Unbiased for integrable :math:`f(z)\,\varepsilon`, and f need not be
    differentiable (Williams 1992; Mohamed et al. 2020, section 4). For :math:`f(z) = z^2` and :math:`\sigma = 1` its
    variance is :math:`\mu^4 + 14\mu^2 + 15`.

    Args:
        f: acts on each entry of a tensor.
        mean: :math:`\mu`.
        noise: standard normal :math:`\varepsilon`, (n,).
        std: :math:`\sigma`, positive.

    Returns:
        n estimates.

    Raises:
        ValueError: ``std`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.vae import score_function_gradient
        >>> score_function_gradient(torch.square, 1.5, torch.tensor([-1.0, 0.0, 1.0])).tolist()
        [-0.25, 0.0, 6.25]
    """
    return f(_draw(mean, noise, std)) * noise / std


def detached_gradient(
    f: Function, mean: float, noise: Float[Tensor, " n"], *, std: float = 1.0
) -> Float[Tensor, " n"]:
    r"""The wrong estimate: differentiate f at a draw that is held fixed, forgetting that the draw depends on the mean.

    Since f itself does not contain :math:`\mu`, the result is zero at every draw, and so for every f. This is what a
    stray ``detach()`` or a call of ``sample`` in place of ``rsample`` makes of *this* term. Alone it would raise an
    error; in a VAE the rate keeps the graph alive, and the reconstruction's share of the encoder's gradient is
    missing unseen.

    Args:
        f: acts on each entry of a tensor.
        mean: :math:`\mu`.
        noise: standard normal :math:`\varepsilon`, (n,).
        std: :math:`\sigma`, positive.

    Returns:
        n zeros, obtained by differentiation.

    Raises:
        ValueError: ``std`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.vae import detached_gradient
        >>> detached_gradient(torch.square, 1.5, torch.tensor([-1.0, 1.0])).tolist()
        [0.0, 0.0]
    """
    z = _draw(mean, noise, std)
    parameter = torch.full_like(z, mean).requires_grad_()
    with torch.enable_grad():
        # 0 * parameter keeps the parameter in the graph, as a model's unused path would.
        (gradient,) = torch.autograd.grad((f(z) + 0.0 * parameter).sum(), parameter)
    return gradient


def _draw(mean: float, noise: Tensor, std: float) -> Tensor:
    check_number("mean", mean)
    check_number("std", std, low=0.0, low_open=True)
    check_tensor("noise", noise)
    return (mean + std * noise).detach()
