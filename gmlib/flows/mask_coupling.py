"""A coupling layer written with a mask instead of a split: for partitions of any shape, and for events of any shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from gmlib._checks import check_callable, check_tensor
from gmlib.flows.bijection import Bijection, sum_event
from gmlib.flows.scalar import ScalarMap


class MaskedCoupling(Bijection):
    r"""A coupling layer in its binary-mask form: the whole point goes through, and the mask puts back what is kept.

    .. math:: x = b \odot u + (1 - b) \odot h\big(u;\, \theta(b \odot u, c)\big)

    The same map as `Coupling`, at about twice the work: parameters for the kept coordinates are computed and thrown
    away. In return the mask may have any pattern, such as the checkerboard of an image.

    Args:
        mask: b, True for the coordinates that are kept, of the event's shape.
        scalar_map: the rule h.
        conditioner: called with the point, the changed coordinates set to 0, shape ``(*batch, *event_shape)``, and with
            c if there is a condition; gives ``(*batch, *event_shape, n_params)``, or the same numbers in one last
            dimension. (A convolution gives its channels first: move the parameters behind the pixels.)
        context: length of the condition c, 0 for none.

    Raises:
        TypeError: ``mask`` is not a tensor, or ``conditioner`` cannot be called.
        ValueError: ``mask`` is not boolean, or keeps all or nothing; in use, the conditioner gives another shape.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, equation 9; K. Murphy,
        *Probabilistic Machine Learning: Advanced Topics*, 2023, equation 23.18.

    Example:
        >>> from gmlib.flows import Affine, MaskedCoupling, alternating_mask, conditioner
        >>> layer = MaskedCoupling(alternating_mask(4), Affine(), conditioner(4, 4, Affine()))
        >>> x, log_det = layer(torch.ones(5, 4))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(
        self,
        mask: Bool[Tensor, "..."],
        scalar_map: ScalarMap,
        conditioner: Callable[..., Tensor],
        *,
        context: int = 0,
    ) -> None:
        check_tensor("mask", mask, floating=False)
        n_kept = int(mask.sum())
        if mask.dtype != torch.bool or not 0 < n_kept < mask.numel():
            raise ValueError(
                "mask must be boolean and keep and change at least one coordinate each, "
                f"got {mask.dtype} of shape {tuple(mask.shape)} with {n_kept} kept"
            )
        check_callable("conditioner", conditioner)
        super().__init__(tuple(mask.shape), context=context)
        self.scalar_map = scalar_map
        self.conditioner = conditioner
        self.register_buffer("mask", mask.clone(), persistent=False)
        self.register_buffer("still", scalar_map.identity(), persistent=False)
        self.mask: Tensor
        self.still: Tensor

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x, log_slope = self.scalar_map.forward(u, self._params(u, c))
        return self._put_back(u, x, log_slope)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u, log_slope = self.scalar_map.inverse(x, self._params(x, c))
        return self._put_back(x, u, log_slope)

    def _params(self, point: Tensor, c: Tensor | None) -> Tensor:
        seen = torch.where(self.mask, point, 0.0)
        params = self.conditioner(seen) if c is None else self.conditioner(seen, c)
        wanted = (*point.shape, self.scalar_map.n_params)
        flat = (*point.shape[: point.dim() - self.mask.dim()], self.mask.numel() * self.scalar_map.n_params)
        if params.shape not in (wanted, flat):
            raise ValueError(f"conditioner must give shape {wanted} or {flat}, got {tuple(params.shape)}")
        # A network under autocast answers in bfloat16; the map itself is computed as exactly as its point is given.
        params = params.to(point.dtype).reshape(wanted)
        # The kept coordinates get the identity: what would be thrown away must not overflow, or its gradient is NaN.
        return torch.where(self.mask[..., None], self.still, params)

    def _put_back(self, point: Tensor, moved: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
        log_slope = torch.where(self.mask, 0.0, log_slope)
        return torch.where(self.mask, point, moved), sum_event(log_slope, len(self.event_shape))
