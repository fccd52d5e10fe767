r"""A cascade: a small picture first, then the next size given the one before.

.. math:: p(x^{(1)}, x^{(2)}, \dots) = p(x^{(1)})\,p(x^{(2)} \mid x^{(1)}) \cdots, \qquad x^{(i)} = \mathrm{pool}(x^{(i+1)})

Each stage is a diffusion model of its own, and none sees more pixels than its size has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_instance, check_number, check_tensor
from gmlib.noise import Denoiser, start_noise
from gmlib.noise.samplers import Sampled
from gmlib.noise.samplers.start import noise_like

Images = Float[Tensor, "batch channels height width"]
Sampler = Callable[[Denoiser, Tensor, dict[str, Any]], Sampled]
"""Called with a denoiser, noise, and the conditions."""


def pooled(x: Images, factor: int = 2) -> Float[Tensor, "batch channels h w"]:
    """Means over blocks of factor x factor pixels.

    Raises:
        TypeError: ``x`` is no floating tensor.
        ValueError: ``x`` is no batch of pictures, or its height or width is not divisible by ``factor``.

    Example:
        >>> pooled(torch.arange(4.0).reshape(1, 1, 2, 2)).item()
        1.5
    """
    check_tensor("x", x)
    check_count("factor", factor)
    if x.dim() != 4 or x.shape[2] % factor or x.shape[3] % factor:
        raise ValueError(
            f"x must have shape (batch, channels, height, width), divisible by {factor}, got {tuple(x.shape)}"
        )
    return F.avg_pool2d(x, factor)


def enlarged(x: Images, factor: int = 2) -> Float[Tensor, "batch channels h w"]:
    """Every pixel as a block of factor x factor: `pooled` undoes it.

    Raises:
        TypeError: ``x`` is no floating tensor.
        ValueError: ``factor`` is below 1.

    Example:
        >>> enlarged(torch.tensor([[[[3.0]]]])).tolist()
        [[[[3.0, 3.0], [3.0, 3.0]]]]
    """
    check_tensor("x", x)
    check_count("factor", factor)
    return x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


@torch.no_grad()
def cascade(
    stages: Sequence[Denoiser],
    size: tuple[int, int, int],
    n: int,
    sampler: Sampler,
    *,
    blur: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """Draw pictures of all sizes, each stage given what the stage before has drawn.

    (:eq:`eq-11b-cascade` in the book.)

    Args:
        stages: the first is called as it is, every other with ``image``, the smaller picture `enlarged` to its own size.
        size: channels, height and width of the first stage; each further stage doubles height and width.
        n: how many.
        sampler: called with a denoiser, noise, and the conditions.
        blur: standard deviation of noise added to a picture before it is told to the next stage, as in its training:
            then that stage does not take for truth what the one before got slightly wrong.
        generator: source of randomness; None is torch's default.

    Returns:
        The pictures of each stage, the smallest first.

    Raises:
        TypeError: a stage is no Denoiser, ``sampler`` no function, or ``size`` holds no whole numbers.
        ValueError: there is no stage, a count is below 1, ``size`` is not of three, or ``blur`` is negative.

    References:
        J. Ho et al., *Cascaded diffusion models for high fidelity image generation* (2022), sections 3 and 4.

    Example:
        >>> from gmlib.noise import VPCosine, ddim
        >>> still = Denoiser(lambda x, t, **told: torch.zeros_like(x), VPCosine(), "x0")
        >>> found = cascade([still, still], (1, 4, 4), 3, lambda d, z, told: ddim(d, z, [0.9, 0.5, 0.0], **told))
        >>> [x.shape[-1] for x in found]
        [4, 8]
    """
    if not stages:
        raise ValueError("stages must hold at least one denoiser")
    for stage in stages:
        check_instance("stages", stage, Denoiser)
    if len(size) != 3:
        raise ValueError(f"size must be channels, height and width, got {tuple(size)}")
    for name, count in zip(("channels", "height", "width"), size, strict=True):
        check_count(f"{name} of size", count)
    check_count("n", n)
    check_callable("sampler", sampler)
    check_number("blur", blur, low=0.0)
    channels, height, width = size
    found: list[Tensor] = []
    for number, stage in enumerate(stages):
        place = next(stage.parameters(), torch.empty(0))
        shape = (n, channels, height * 2**number, width * 2**number)
        z = start_noise(stage.schedule, shape, generator=generator, dtype=place.dtype, device=place.device)
        told = {}
        if found:
            small = found[-1]
            if blur:
                small = small + blur * noise_like(small, generator)
            told = {"image": enlarged(small)}
        found.append(sampler(stage, z, told).x)
    return found
