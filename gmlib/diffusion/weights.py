r"""Weights of the noise's squared error, as functions of the log-SNR :math:`\lambda = \log R`.

The same weight on the error of the clean point is R times as large; on that of v, if :math:`\alpha^2 + \sigma^2 = 1`,
:math:`R/(1 + R)` times. What a weight does depends on how often each log-SNR is drawn: `bound_weight` is the one that
makes a bound of the loss at even times.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

LogSNR = Float[Tensor, "*batch"]


def p2_weight(log_snr: LogSNR, *, k: float = 1.0, gamma: float = 1.0) -> LogSNR:
    r"""Less weight where there is little noise, and only detail to learn: :math:`\omega = (k + R)^{-\gamma}`.

    It is the unit weight for :math:`\gamma = 0`, and :math:`\sigma^2` of a variance-preserving path for
    :math:`k = \gamma = 1`.

    Args:
        log_snr: :math:`\log R`, (``*batch``,).
        k: where the fall begins, positive.
        gamma: how steep it is, at least 0.

    Returns:
        Weights, (``*batch``,).

    Raises:
        TypeError: ``log_snr`` is no floating tensor.
        ValueError: ``k`` is not positive or ``gamma`` negative.

    References:
        J. Choi et al., *Perception prioritized training of diffusion models* (2022), eq. 8.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import p2_weight
        >>> p2_weight(torch.tensor([0.0]))
        tensor([0.5000])
    """
    check_tensor("log_snr", log_snr)
    check_number("k", k, low=0.0, low_open=True)
    check_number("gamma", gamma, low=0.0)
    return (k + log_snr.exp()) ** -gamma


def min_snr_weight(log_snr: LogSNR, *, gamma: float = 5.0) -> LogSNR:
    r"""The weight of the clean point's error, R, held at :math:`\gamma`: on the noise :math:`\omega = \min(R, \gamma)/R`.

    Args:
        log_snr: :math:`\log R`, (``*batch``,).
        gamma: the ceiling, positive.

    Returns:
        Weights, (``*batch``,), at most 1.

    Raises:
        TypeError: ``log_snr`` is no floating tensor.
        ValueError: ``gamma`` is not positive.

    References:
        T. Hang et al., *Efficient diffusion training via min-SNR weighting strategy* (2023), section 3.4.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import min_snr_weight
        >>> min_snr_weight(torch.tensor([1.0, 10.0]).log())
        tensor([1.0000, 0.5000])
    """
    check_tensor("log_snr", log_snr)
    check_number("gamma", gamma, low=0.0, low_open=True)
    return (gamma * torch.exp(-log_snr)).clamp(max=1.0)


def edm_weight(log_snr: LogSNR, *, sigma_data: float = 0.5) -> LogSNR:
    r"""EDM's weight, under which a fresh network's loss is 1 at every level: :math:`\omega = 1 + 1/(s^2R)`.

    On the clean point, with :math:`\sigma = 1/\sqrt R`, it is the paper's :math:`(\sigma^2 + s^2)/(\sigma s)^2`, s being
    ``sigma_data``. For data of unit variance it is the unit weight on v.

    Args:
        log_snr: :math:`\log R`, (``*batch``,).
        sigma_data: standard deviation of the data, positive.

    Returns:
        Weights, (``*batch``,), at least 1.

    Raises:
        TypeError: ``log_snr`` is no floating tensor.
        ValueError: ``sigma_data`` is not positive.

    References:
        T. Karras et al., *Elucidating the design space of diffusion-based generative models* (2022), table 1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import edm_weight
        >>> edm_weight(torch.tensor([0.0]), sigma_data=1.0)
        tensor([2.])
    """
    check_tensor("log_snr", log_snr)
    check_number("sigma_data", sigma_data, low=0.0, low_open=True)
    return 1 + torch.exp(-log_snr) / sigma_data**2
