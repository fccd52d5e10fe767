"""A network for data in a few grey levels: it says how likely each level is, and the rest is Bayes' rule."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import anywhere, check_instance, check_number
from gmlib.diffusion.grey_levels import check_levels
from gmlib.noise import Schedule


class LevelNetwork(nn.Module):
    r"""The clean point as a mean over grey levels, with a prior for each pixel that a network reads off the others.

    .. math:: \hat x_{0,i} = \sum_k p_{ik}\,\ell_k, \qquad
        p_{ik} \propto \mathcal N\big(z_i;\ \alpha_t\ell_k, \sigma_t^2\big)\,e^{a_{ik}(z, t)}

    Where there is little noise the normal factor alone reads the level off the pixel, which a network finds hard to learn;
    where there is much, the logits a say what they know. A network that says 0 makes the exact denoiser of pixels whose
    levels are uniform and independent, and with it the bound is :math:`\log K` a pixel.

    Args:
        network: called as ``network(z, tau, **condition)``, where :math:`\tau` goes from 0 at :math:`\lambda_{\max}` to 1
            at :math:`\lambda_{\min}` and not beyond; returns logits, K channels for each of z, (batch, channels K, ...).
        schedule: the schedule whose times come in.
        levels: :math:`\ell`, the K values a pixel can have, ascending, (k,).
        low: :math:`\lambda_{\min}`.
        high: :math:`\lambda_{\max}`.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: ``levels`` does not ascend or ``low`` is not below ``high``.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 3.3, for the normal factor.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import LevelNetwork
        >>> from gmlib.nn import UNet
        >>> from gmlib.noise import VPCosine
        >>> levels = torch.tensor([-1.0, 0.0, 1.0])
        >>> network = LevelNetwork(UNet(1, [8], outputs=3), VPCosine(), levels, -10.0, 8.0)
        >>> x0 = network(torch.full((1, 1, 4, 4), 0.9), torch.tensor([0.1]))  # near 1, and nothing else is known
        >>> x0.shape, round(x0.max().item(), 3)
        (torch.Size([1, 1, 4, 4]), 1.0)
    """

    levels: Tensor

    def __init__(
        self, network: nn.Module, schedule: Schedule, levels: Float[Tensor, " k"], low: float, high: float
    ) -> None:
        super().__init__()
        check_instance("network", network, nn.Module)
        check_instance("schedule", schedule, Schedule)
        check_levels(levels, levels)
        check_number("high", high)
        check_number("low", low, high=high, high_open=True)
        self.network, self.schedule, self.low, self.high = network, schedule, low, high
        self.register_buffer("levels", levels, persistent=False)

    def forward(
        self, z: Float[Tensor, "batch channels *place"], t: Float[Tensor, " batch"], **condition: Any
    ) -> Float[Tensor, "batch channels *place"]:
        """The guess of the clean point for noised points (batch, channels, ...) at times (batch,).

        Raises:
            ValueError: (on the CPU) sigma is 0 at a time, where the normal factor has no width.
        """
        log_snr, sigma = self.schedule.log_snr(t), self.schedule.sigma(t)
        if anywhere(sigma == 0):
            raise ValueError("t must be where sigma is positive, got a time at which it is 0")
        told = ((self.high - log_snr) / (self.high - self.low)).clamp(0.0, 1.0)
        logits = self.network(z, told, **condition).unflatten(1, (z.shape[1], len(self.levels)))
        column = t.shape + (1,) * (logits.dim() - 1)
        levels = self.levels.reshape(-1, *[1] * (logits.dim() - 3))
        scale = torch.exp(0.5 * log_snr).reshape(column)
        distance = z.unsqueeze(2) / sigma.reshape(column) - scale * levels
        return ((logits - 0.5 * distance.square()).softmax(2) * levels).sum(2)
