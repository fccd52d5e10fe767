"""From one example to another through noise: mixed where both are blurred, and made sharp again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_instance, check_number, check_tensor
from gmlib.noise import Denoiser, Sampled, ddim


@torch.no_grad()
def interpolate_in_noise(
    denoiser: Denoiser,
    a: Float[Tensor, "batch *event"],
    b: Float[Tensor, "batch *event"],
    t: float,
    noise: Float[Tensor, "batch *event"],
    mix: Float[Tensor, " k"],
    *,
    steps: int = 50,
    sampler: Callable[..., Sampled] = ddim,
    **options: Any,
) -> Float[Tensor, "k batch *event"]:
    r"""Noise two examples with the same noise, mix them, and denoise what comes out.

    .. math:: x_t(m) = (1 - m)\,(\alpha_ta + \sigma_t\varepsilon) + m\,(\alpha_tb + \sigma_t\varepsilon)
        = \alpha_t\big((1 - m)\,a + m\,b\big) + \sigma_t\varepsilon

    Since the noise is shared, each mixture has the noise that the denoiser expects at t; of two independent ones only
    :math:`\sqrt{(1 - m)^2 + m^2}` of it would be left, 0.71 half way. Small t gives back the mixture of pixels, large t an
    example that has little to do with either.

    For data :math:`\mathcal N(\mu, v)` and a deterministic sampler with many steps the path is the straight line
    :math:`\mu + \sqrt{v/(\alpha_t^2v + \sigma_t^2)}\,(x_t(m) - \alpha_t\mu)`.

    Args:
        denoiser: the model.
        a: clean examples, (batch, ``*event``).
        b: clean examples, shaped as ``a``.
        t: the time at which they are mixed, after the schedule's first.
        noise: standard normal :math:`\varepsilon`, shaped as ``a``.
        mix: the shares m of b, (k,).
        steps: steps of the sampler, even in time, from t to the schedule's first.
        sampler: called as ``sampler(denoiser, x, times, **options)``.
        options: further keywords of the sampler, as ``generator`` or what the network is told. A tensor that has something
            for each pair, of shape (batch, ...), is repeated for every share.

    Returns:
        For each share an example for each pair, (k, batch, ``*event``).

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``sampler`` cannot be called, or an array is no floating tensor.
        ValueError: shapes do not fit, ``t`` is out of range, or ``steps`` is below 1.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), section 4.4.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import interpolate_in_noise
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPCosine())
        >>> a, b, noise = torch.tensor([[1.0]]), torch.tensor([[-1.0]]), torch.zeros(1, 1)
        >>> path = interpolate_in_noise(denoiser, a, b, 0.5, noise, torch.tensor([0.0, 0.5, 1.0]))
        >>> [round(x, 2) for x in path.flatten().tolist()]  # unit variance, no noise: alpha times the mixture
        [0.7, 0.0, -0.7]
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_callable("sampler", sampler)
    check_count("steps", steps)
    for name, value in (("a", a), ("b", b), ("noise", noise), ("mix", mix)):
        check_tensor(name, value)
        if name != "mix" and value.shape != a.shape:
            raise ValueError(f"{name} must have shape {tuple(a.shape)}, as a, got {tuple(value.shape)}")
    if mix.dim() != 1:
        raise ValueError(f"mix must have shape (k,), got {tuple(mix.shape)}")
    schedule = denoiser.schedule
    check_number("t", t, low=schedule.t_min, high=schedule.t_max, low_open=True)
    alpha, sigma = (float(f(t)) for f in (schedule.alpha, schedule.sigma))
    share = mix.to(a).reshape(-1, *[1] * a.dim())
    mixed = alpha * torch.lerp(a.unsqueeze(0), b.unsqueeze(0), share) + sigma * noise
    times = torch.linspace(t, schedule.t_min, steps + 1, dtype=torch.float64)
    repeated = {name: _for_every_share(value, *mixed.shape[:2]) for name, value in options.items()}
    return sampler(denoiser, mixed.flatten(0, 1), times, **repeated).x.unflatten(0, mixed.shape[:2])


def _for_every_share(value: Any, shares: int, batch: int) -> Any:
    """A tensor of shape (batch, ...) as one of shape (shares * batch, ...); anything else as it is."""
    if isinstance(value, Tensor) and value.dim() > 0 and len(value) == batch:
        return value.repeat(shares, *[1] * (value.dim() - 1))
    return value
