r"""Image-to-image diffusion: one network that fills holes, paints beyond the border, deblurs and takes noise away.

It learns :math:`\hat x_0(x_t, y, m)`, the best guess of a picture from a noised one, from what is left of it, y, and from a
mask m of the pixels that are left as they were. Which corruption it was the network is not told: it can see that. At the
optimum its samples are draws from :math:`p(x_0 \mid y, m)`: several answers to a question that has several.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_instance
from gmlib.diffusion.guidance.cascade import Images, Sampler
from gmlib.diffusion.guidance.seen import Seen
from gmlib.noise import Denoiser, start_noise
from gmlib.noise.schedule import Time


class Repairer(Denoiser):
    r"""A denoiser that is shown what is left of the pictures, and takes known pixels as they are.

    .. math:: \hat x_0 \leftarrow m\,y + (1 - m)\,\hat x_0(x_t, y, m)

    Called with ``seen``, a `Seen` of as many pictures as points. A sampler whose last step goes to t = 0 and takes the
    guess for the sample (`ancestral`, `ddim`, `dpm_solver_2m`) returns known pixels as they were.

    Args:
        denoiser: called with ``image``, as `gmlib.nn.Beside` is, and the other conditions.

    Raises:
        TypeError: ``denoiser`` is no Denoiser.

    References:
        C. Saharia et al., *Palette: image-to-image diffusion models* (2022), sections 3 and 4.3 (several tasks).

    Example:
        >>> from gmlib.diffusion.guidance import border
        >>> from gmlib.noise import VPCosine
        >>> still = Denoiser(lambda x, t, image: torch.zeros_like(x), VPCosine(), "x0")
        >>> Repairer(still).x0(torch.ones(1, 1, 4, 4), 0.5, seen=border(torch.ones(1, 1, 4, 4), 1)).sum().item()
        4.0
    """

    def __init__(self, denoiser: Denoiser) -> None:
        check_instance("denoiser", denoiser, Denoiser)
        super().__init__(denoiser, denoiser.schedule, "x0")

    def forward(self, x: Images, t: Time, *, seen: Seen, **condition: Any) -> Images:
        """The guess of the picture; arguments as `Denoiser.forward`."""
        assert isinstance(self.network, Denoiser)
        return torch.where(seen.known, seen.image, self.network.x0(x, t, image=seen.shown, **condition))


def completions(
    denoiser: Denoiser,
    seen: Seen,
    n: int,
    sampler: Sampler,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n batch channels height width"]:
    """Draw several answers to each question; all keep what is known.

    Args:
        denoiser: as for :class:`Repairer`.
        seen: what is left of the pictures.
        n: how many answers to each.
        sampler: called with a denoiser, noise, and the conditions.
        generator: source of randomness; None is torch's default.

    Returns:
        Pictures, (n, batch, channels, height, width).

    Raises:
        TypeError: ``denoiser`` is no Denoiser.
        ValueError: ``n`` is below 1.

    Example:
        >>> from gmlib.diffusion.guidance import hole
        >>> from gmlib.noise import VPCosine, ddim
        >>> still = Denoiser(lambda x, t, image: torch.zeros_like(x), VPCosine(), "x0")
        >>> seen = hole(torch.ones(2, 1, 4, 4), 1)
        >>> found = completions(still, seen, 3, lambda d, z, told: ddim(d, z, [0.9, 0.5, 0.0], **told))
        >>> found.shape, bool((found[..., 0, :] == 1).all())
        (torch.Size([3, 2, 1, 4, 4]), True)
    """
    check_count("n", n)
    repairer, place = Repairer(denoiser), seen.image
    all_seen = Seen(*(part.repeat(n, 1, 1, 1) for part in seen))
    z = start_noise(
        denoiser.schedule, all_seen.image.shape, generator=generator, dtype=place.dtype, device=place.device
    )
    return sampler(repairer, z, {"seen": all_seen}).x.unflatten(0, (n, len(place)))
