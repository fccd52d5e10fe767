"""What all guided denoisers have: another denoiser, a weight, and perhaps an interval of times."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_instance
from gmlib.noise.denoiser import Denoiser, Parameterisation
from gmlib.noise.guidance.weight import Weight, check_weight, weight_over
from gmlib.noise.schedule import Time


class Guided(Denoiser):
    """A denoiser made of another one and a weight. A weight that is a tensor is a buffer: it moves with the module.

    Attributes:
        w: the weight.
        interval: times at which it holds; at others the weight is 1.
        per_point: whether it holds something for each point, so that its batch may not be another one.

    Args:
        denoiser: the other one.
        w: a number, a tensor (batch,) or a function of the time.
        interval: the first and the last time at which to use w; None is always.
        parameterisation: what this one predicts; None is what the other does.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``w`` no weight, or ``interval`` no pair.
        ValueError: ``w`` is not finite or has two dimensions, or ``interval`` ends before it begins.

    Example:
        >>> from gmlib.noise import VPCosine
        >>> from gmlib.noise.guidance.guided import Guided
        >>> model = Guided(Denoiser(lambda x, t: x, VPCosine(), "x0"), 3.0, (0.2, 0.6))
        >>> model.weight(0.4, torch.zeros(1, 2)), model.weight(0.7, torch.zeros(1, 2))
        (3.0, 1.0)
    """

    w: Weight

    def __init__(
        self,
        denoiser: Denoiser,
        w: Weight,
        interval: tuple[float, float] | None,
        parameterisation: Parameterisation | None = None,
    ) -> None:
        check_instance("denoiser", denoiser, Denoiser)
        check_weight(w, interval)
        super().__init__(denoiser, denoiser.schedule, parameterisation or denoiser.parameterisation)
        keep(self, "w", w)
        self.interval = interval
        self.per_point = isinstance(w, Tensor) and w.dim() > 0

    def weight(self, t: Time, x: Float[Tensor, "batch *event"]) -> float | Tensor:
        """The weight at a time: a number, or a tensor that multiplies the points.

        Raises:
            TypeError: a function ``w`` gives neither a number nor a floating tensor.
            ValueError: the weight is not finite, or a tensor not as long as the batch.
        """
        return weight_over(self.w, t, x, self.interval)


def keep(module: nn.Module, name: str, value: Any) -> None:
    """Give a module an attribute: a tensor as a buffer, all else, a parameter too, as it is.

    Example:
        >>> module = nn.Module()
        >>> keep(module, "w", torch.ones(2))
        >>> list(module.state_dict())
        ['w']
    """
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)


def tracked(x: Tensor) -> bool:
    """Whether somebody outside differentiates in x, so that what is made of it must keep its graph.

    Example:
        >>> tracked(torch.zeros(1)), tracked(torch.zeros(1, requires_grad=True))
        (False, True)
    """
    return torch.is_grad_enabled() and x.requires_grad
