"""What bounds the slope of a whole network: spectral norm and clipped weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from gmlib._checks import check_count, check_number


def spectral_norm(module: nn.Module, *, power_iterations: int = 1) -> nn.Module:
    r"""Divide every weight matrix of a network by its largest singular value, in place.

    .. math:: W \mapsto W / \sigma_1(W), \qquad \lVert W_L\, a(W_{L-1} \cdots) \rVert_{\mathrm{Lip}} \le 1
              \text{ if every } a \text{ is 1-Lipschitz}

    (Miyato et al. 2018, "Spectral normalization for generative adversarial networks"; torch's parametrization, one
    power iteration a call in training mode.) A convolution's kernel is divided by the norm of its flattened matrix, which
    does not bound the map's own.

    Args:
        module: the network; its linear and convolutional layers are changed.
        power_iterations: power iterations a call.

    Returns:
        The same module.

    Raises:
        TypeError: ``module`` is no module, or ``power_iterations`` no int.
        ValueError: ``power_iterations`` is below 1, no layer has a weight matrix, or one is already divided.

    Example:
        >>> import torch
        >>> from gmlib.gan import spectral_norm
        >>> net = spectral_norm(torch.nn.Linear(3, 3), power_iterations=50)
        >>> round(torch.linalg.matrix_norm(net.weight, 2).item(), 4)
        1.0
    """
    _check_module(module)
    check_count("power_iterations", power_iterations)
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    if not layers:
        raise ValueError("module must have a linear or convolutional layer, got one without")
    for layer in layers:
        if parametrize.is_parametrized(layer, "weight"):
            raise ValueError(
                "module must have plain weights, got a layer whose weight is parametrized already"
            )
    for layer in layers:
        parametrizations.spectral_norm(layer, n_power_iterations=power_iterations)
    return module


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float | int) -> None:
    r"""Clip every weight of a network into :math:`[-c, c]`, in place.

    (Arjovsky et al. 2017, algorithm 1.) The network's slope is then bounded, by a constant that depends on its sizes.

    Args:
        module: the network.
        limit: :math:`c`, positive.

    Returns:
        Nothing: the network is changed.

    Raises:
        TypeError: ``module`` is no module.
        ValueError: ``limit`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.gan import clip_weights
        >>> net = torch.nn.Linear(3, 3)
        >>> clip_weights(net, 0.01)
        >>> bool(net.weight.abs().max() <= 0.01)
        True
    """
    _check_module(module)
    check_number("limit", limit, low=0.0, low_open=True)
    for weight in module.parameters():
        weight.clamp_(-limit, limit)


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
