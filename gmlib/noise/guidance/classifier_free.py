r"""Classifier-free guidance: exaggerate what the condition changes.

.. math:: \hat\varepsilon_w = \hat\varepsilon_u + w\,(\hat\varepsilon_c - \hat\varepsilon_u)

All that a denoiser can be asked for, :math:`\hat x_0, \hat\varepsilon, \hat v`, score and velocity, is the same affine
function of the network's output for both, so the rule may be applied to the output, whatever it predicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance, check_number, check_tensor
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.guidance.guided import Guided, keep
from gmlib.noise.guidance.rows import map_rows, with_rows
from gmlib.noise.guidance.weight import Weight
from gmlib.noise.schedule import Time

Point = Float[Tensor, "batch *event"]


class ClassifierFree(Guided):
    r"""A denoiser that exaggerates the difference which a condition makes to another denoiser.

    (:eq:`eq-11-implicit` and :eq:`eq-11-free` in the book.)

    Both answers come from one call of the network, on a batch of twice the size. Where w is one number and that is 1 or 0,
    one answer is enough, and one call with the batch as it is gives it, bit for bit that of the conditional or the
    unconditional model.

    **Conditions.** A tensor of one dimension or more has a row for each point, or one row for all, (1, d); within a tuple
    too. Anything else is told to both as it is.

    **With other guidance** this one goes inside, ``Measured(ClassifierFree(...), ...)``: it asks about each point twice,
    and what it asks can hold nothing for each point by itself.

    **Learnt variances.** It guides a `LearnedVariance` like any denoiser, but `ancestral` refuses ``variance="learned"`` of
    it: no rule says what to make of two variances.

    Args:
        denoiser: a model that has learnt to do without its condition.
        w: the weight: a number, a tensor (batch,), or a function of the time; 1 is the conditional model.
        nothing: for each condition that is to be taken away, a tensor, by its keyword, what stands for its absence: a
            number, or a tensor that is expanded to the condition's shape. Conditions that are not named are told to both.
        interval: guide at times from the first to the second only; at others w is 1. None is always.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``w`` no weight, ``nothing`` no mapping to numbers and tensors, or
            ``interval`` no pair.
        ValueError: ``nothing`` is empty, ``interval`` ends before it begins, or ``denoiser`` holds something for each
            point: a weight or a measurement.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), eq. 6, where w is one less;
        T. Kynkäänniemi et al., *Applying guidance in a limited interval* (2024).

    Example:
        >>> import torch
        >>> from gmlib.noise.guidance import ClassifierFree
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> model = Denoiser(lambda x, t, label: label[:, None] * x, VPCosine(), "x0")
        >>> guided = ClassifierFree(model, 3.0, {"label": 0})
        >>> guided.x0(torch.ones(2, 1), 0.5, label=torch.tensor([1, 2])).flatten()
        tensor([3., 6.])
    """

    def __init__(
        self,
        denoiser: Denoiser,
        w: Weight,
        nothing: Mapping[str, float | int | Tensor],
        *,
        interval: tuple[float, float] | None = None,
    ) -> None:
        check_instance("denoiser", denoiser, Denoiser)
        for part in denoiser.modules():
            if isinstance(part, Guided) and part.per_point:
                kind = type(part).__name__
                raise ValueError(
                    f"denoiser must hold nothing for each point, as the batch is doubled, but {kind} does: guide first, "
                    f"as in {kind}(ClassifierFree(denoiser, ...), ...)"
                )
        if not isinstance(nothing, Mapping):
            raise TypeError(f"nothing must map names of conditions to values, got {type(nothing).__name__}")
        if not nothing:
            raise ValueError("nothing must name at least one condition")
        super().__init__(denoiser, w, interval)
        self._names = tuple(nothing)
        for name, value in nothing.items():
            if not isinstance(value, Tensor | bool):
                check_number(f"nothing[{name!r}]", value)
            keep(self, f"nothing_{name}", value)

    @property
    def nothing(self) -> dict[str, Any]:
        """What stands for the absence of each condition."""
        return {name: getattr(self, f"nothing_{name}") for name in self._names}

    def forward(self, x: Point, t: Time, **condition: Any) -> Point:
        """The guided prediction; arguments as `Denoiser.forward`.

        Raises:
            TypeError: a condition that ``nothing`` names is no tensor, or of a dtype that what stands for it has not.
            ValueError: a condition that ``nothing`` names is not given, a condition has another number of rows, or a
                tensor ``w`` is not as long as the batch.
        """
        without = self._without(condition)
        w = self.weight(t, x)
        if not isinstance(w, Tensor) and w == 1:
            return self.network(x, t, **condition)
        if not isinstance(w, Tensor) and w == 0:
            return self.network(x, t, **without)
        told, untold = self.both(x, t, **condition)
        return untold + w * (told - untold)

    def both(self, x: Point, t: Time, **condition: Any) -> tuple[Point, Point]:
        """The prediction when told the condition and when not, from one call; arguments as `Denoiser.forward`.

        Under autocast they are brought to the dtype of ``x``: a difference that is multiplied needs its digits.

        Raises:
            TypeError: as `forward`.
            ValueError: as `forward`.
        """
        n, without = len(x), self._without(condition)
        asked = {name: map_rows(name, value, n, _doubled) for name, value in condition.items()}
        for name in self._names:
            asked[name] = torch.cat([with_rows(name, each[name], n) for each in (condition, without)])
        time = torch.cat([t, t]) if isinstance(t, Tensor) and t.dim() else t
        out = self.network(torch.cat([x, x]), time, **asked)
        out = out.to(torch.promote_types(out.dtype, x.dtype))
        return out[:n], out[n:]

    def _without(self, condition: dict[str, Any]) -> dict[str, Any]:
        """The condition with nothing in the place of what is to be taken away."""
        missing = [name for name in self._names if condition.get(name) is None]
        if missing:
            raise ValueError(
                f"condition must give {', '.join(missing)}, which is what the model is guided to"
            )
        return condition | {name: _absent(name, condition[name], self.nothing[name]) for name in self._names}


def _absent(name: str, given: Tensor, value: Any) -> Tensor:
    """A tensor like a condition that says nothing."""
    check_tensor(name, given, floating=False)
    whole = not given.is_floating_point() and not given.is_complex()
    if not isinstance(value, Tensor):
        if whole and value != int(value):
            raise ValueError(
                f"nothing[{name!r}] must be a whole number, as {name} has dtype {given.dtype}, got {value}"
            )
        return torch.full_like(given, value)
    if whole and value.is_floating_point():
        raise TypeError(
            f"nothing[{name!r}] must hold whole numbers, as {name} has dtype {given.dtype}, got {value.dtype}"
        )
    pairs = zip(reversed(value.shape), reversed(given.shape), strict=False)
    if value.dim() > given.dim() or any(a not in (1, b) for a, b in pairs):
        raise ValueError(
            f"nothing[{name!r}] must expand to the shape of {name}, {tuple(given.shape)}, got {tuple(value.shape)}"
        )
    return value.to(given).expand_as(given)


def _doubled(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows])
