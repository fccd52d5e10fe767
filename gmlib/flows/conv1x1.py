"""The invertible 1x1 convolution: one square matrix that mixes the channels of every pixel."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gmlib._checks import check_choice
from gmlib.flows.bijection import Bijection
from gmlib.flows.plu import PLU, starting_matrix
from gmlib.flows.squeeze import check_image


class Conv1x1(Bijection):
    r"""The same matrix W at each of the HW pixels: a permutation of channels that can be learnt.

    .. math:: x_{:,ij} = W u_{:,ij}, \qquad \log|\det J| = HW \log|\det W|

    The Jacobian is block diagonal with HW equal blocks.

    (:eq:`eq-05b-conv` in the book.)

    Args:
        event_shape: (C, height, width).
        kind: "plu" keeps W in the factors of `PLU` (log-determinant in O(C)); "dense" keeps its entries (O(C³), and a
            step of learning may make it singular).
        start: "rotation" starts at a random orthogonal matrix, "identity" at the identity.
        generator: source of the rotation; None for torch's default.

    Raises:
        ValueError: ``event_shape`` is not that of an image, or there is no such kind or start.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, section 3.2 and
        equations 9 to 11.

    Example:
        >>> layer = Conv1x1((4, 7, 7))
        >>> x, log_det = layer(torch.randn(5, 4, 7, 7))
        >>> x.shape, bool(log_det.abs().max() < 1e-3)  # a rotation keeps volumes
        (torch.Size([5, 4, 7, 7]), True)
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int],
        *,
        kind: str = "plu",
        start: str = "rotation",
        generator: torch.Generator | None = None,
    ) -> None:
        check_image("event_shape", event_shape)
        check_choice("kind", kind, ("plu", "dense"))
        super().__init__(event_shape)
        channels = event_shape[0]
        self.plu = PLU(channels, start=start, generator=generator) if kind == "plu" else None
        self.weight = None
        if self.plu is None:
            W = starting_matrix(channels, start, generator)
            self.weight = nn.Parameter(W.to(torch.get_default_dtype()))

    def matrix(self) -> Float[Tensor, "d d"]:
        """W, (C, C)."""
        if self.plu is not None:
            return self.plu.matrix()
        assert self.weight is not None
        return self.weight

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        # Under autocast products would round to bfloat16, and the inverse would not be one.
        with torch.autocast(u.device.type, enabled=False):
            return _mix(u, self.matrix()), self._log_det(u)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            # inv_ex and not inv, which would wait for the device to ask whether W is singular.
            inverse = torch.linalg.inv_ex(self.matrix())[0] if self.plu is None else self.plu.inverse_matrix()
            return _mix(x, inverse), -self._log_det(x)

    def _log_det(self, point: Tensor) -> Tensor:
        log_det = torch.linalg.slogdet(self.matrix())[1] if self.plu is None else self.plu.log_det()
        pixels = point.shape[-1] * point.shape[-2]
        return (pixels * log_det).expand(point.shape[:-3])


def _mix(images: Tensor, W: Tensor) -> Tensor:
    """W applied to the channels of each pixel."""
    batch = images.shape[:-3]
    flat = images.reshape(batch.numel(), *images.shape[-3:]).to(W.dtype)
    return functional.conv2d(flat, W[:, :, None, None]).reshape(images.shape)
