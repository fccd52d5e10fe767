"""Small players for toys in the plane: plain networks, and a critic that returns one number a point."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from gmlib.gan._points import check_batch
from gmlib.nn import MLP


class Critic(nn.Module):
    r"""A network with one output as a critic: (batch, \*event) to (batch,).

    Args:
        net: maps (batch, \*event) to (batch, 1).

    Raises:
        TypeError: ``net`` is no module.

    Example:
        >>> import torch
        >>> from gmlib.gan import Critic
        >>> Critic(torch.nn.Linear(2, 1))(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be a torch.nn.Module, got {type(net).__name__}")
        self.net = net

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        r"""The critic's output, a logit or a value, at each point.

        Raises:
            TypeError: ``x`` is no floating tensor.
            ValueError: ``x`` is not (batch, \*event), or the network's output not (batch, 1).
        """
        check_batch("x", x)
        a = self.net(x)
        if a.shape != (x.shape[0], 1):
            raise ValueError(f"net(x) must have shape ({x.shape[0]}, 1), got shape {tuple(a.shape)}")
        return a.squeeze(1)


def toy_generator(event: int = 2, *, latent_dim: int = 32, widths: Sequence[int] = (25, 25)) -> MLP:
    """A generator for toys: an MLP with ReLU from z to points; the defaults are those of the sixteen Gaussians.

    Args:
        event: coordinates of a point.
        latent_dim: coordinates of z.
        widths: hidden layers.

    Returns:
        The network, (batch, latent_dim) to (batch, event).

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import torch
        >>> from gmlib.gan import toy_generator
        >>> toy_generator()(torch.zeros(5, 32)).shape
        torch.Size([5, 2])
    """
    return MLP([latent_dim, *widths, event], activation=nn.ReLU)


def toy_critic(event: int = 2, *, widths: Sequence[int] = (25, 25)) -> Critic:
    """A critic for toys: an MLP with ReLU from points to one number.

    Args:
        event: coordinates of a point.
        widths: hidden layers.

    Returns:
        The network, (batch, event) to (batch,).

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import torch
        >>> from gmlib.gan import toy_critic
        >>> toy_critic()(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    return Critic(MLP([event, *widths, 1], activation=nn.ReLU))
