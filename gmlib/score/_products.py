"""A score at a batch of points, and products with its Jacobian in x by reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_number, check_tensor
from gmlib.distributions import Law

Score = Callable[..., Tensor]
Level = float | int | Tensor


def check_points(name: str, x: Any) -> None:
    """Raise unless ``x`` holds at least one point with at least one event dimension, (batch, *event)."""
    check_tensor(name, x)
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"{name} must have shape (batch, *event) with at least one point and one event dimension, "
            f"got shape {tuple(x.shape)}"
        )


def check_callable(name: str, value: Any) -> None:
    """Raise unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be callable, got {type(value).__name__}")


def check_law(name: str, value: Any) -> None:
    """Raise unless ``value`` is an exact law."""
    if not isinstance(value, Law):
        raise TypeError(f"{name} must be a gmlib Law, got {type(value).__name__}")


def check_same(name: str, value: Any, other: str, x: Tensor) -> None:
    """Raise unless ``value`` is a floating tensor with the shape, dtype and device of ``x``."""
    check_tensor(name, value)
    if value.shape == x.shape and value.dtype == x.dtype and value.device == x.device:
        return
    for what, given, wanted in (
        ("shape", tuple(value.shape), tuple(x.shape)),
        ("dtype", value.dtype, x.dtype),
        ("device", value.device, x.device),
    ):
        if given != wanted:
            raise ValueError(f"{name} must have the {what} {wanted} of {other}, got {given}")


def check_value(name: str, value: Any, shape: tuple[int, ...], x: Tensor) -> None:
    """Raise unless ``value``, what a callable made of ``x``, is a floating tensor of that shape, on the device of x."""
    check_tensor(f"{name}(x)", value)
    if tuple(value.shape) != shape:
        wanted = (
            f"the shape {shape} of x" if shape == tuple(x.shape) else f"shape {shape}, one number a point"
        )
        raise ValueError(f"{name}(x) must have {wanted}, got shape {tuple(value.shape)}")
    if value.device != x.device:
        raise ValueError(f"{name}(x) must be on the device {x.device} of x, got {value.device}")


def evaluate(
    score: Score, x: Tensor, name: str = "score", *conditions: Tensor
) -> Float[Tensor, "batch *event"]:
    """Return ``score(x, *conditions)`` after a look at its kind, shape and device; its dtype is its own business."""
    value = score(x, *conditions)
    check_value(name, value, tuple(x.shape), x)
    return value


def evaluate_energy(energy: Callable[[Tensor], Tensor], x: Tensor) -> Float[Tensor, " batch"]:
    """Return ``energy(x)``, one number a point, after the same look."""
    value = energy(x)
    check_value("energy", value, tuple(x.shape[:1]), x)
    return value


def check_levels(name: str, sigmas: Any, low: int = 1) -> None:
    """Raise unless ``sigmas`` is a vector of at least ``low`` positive noise levels. Synchronises with the device."""
    check_tensor(name, sigmas)
    if sigmas.dim() != 1 or len(sigmas) < low:
        raise ValueError(
            f"{name} must have shape (levels,) with levels >= {low}, got shape {tuple(sigmas.shape)}"
        )
    check_positive(name, sigmas)


def check_positive(name: str, sigma: Tensor) -> None:
    """Raise unless all noise levels are positive and finite. Synchronises with the device."""
    check_finite(name, sigma)
    if not bool((sigma > 0).all()):
        raise ValueError(f"{name} must be positive, got a level of {float(sigma.min()):g}")


def level_tensor(name: str, sigma: Any, x: Tensor) -> Tensor:
    """Return a noise level, a positive number or a tensor () or (batch,), as such a tensor of x's dtype and device.

    The values of a tensor are not looked at.
    """
    if not isinstance(sigma, Tensor):
        check_number(name, sigma, low=0.0, low_open=True)
        return x.new_full((), sigma)
    check_tensor(name, sigma)
    if tuple(sigma.shape) not in ((), (x.shape[0],)):
        raise ValueError(
            f"{name} must have shape () or ({x.shape[0]},), one a point, got {tuple(sigma.shape)}"
        )
    if sigma.device != x.device and (sigma.dim() > 0 or sigma.device.type != "cpu"):
        raise ValueError(f"{name} must be on the device {x.device} of the points, got {sigma.device}")
    return sigma.to(device=x.device, dtype=x.dtype)


def read_level(name: str, sigma: Any, x: Tensor) -> Level:
    """Read a noise level as `level_tensor` does and make it broadcast against ``x``; a number stays a number."""
    if not isinstance(sigma, Tensor):
        check_number(name, sigma, low=0.0, low_open=True)
        return sigma
    return spread(level_tensor(name, sigma, x), x.dim() - 1)


def spread(level: Tensor, ones: int) -> Tensor:
    """Levels (batch,) followed by that many ones; one level for all points, (), as it is."""
    return level.reshape(-1, *(1,) * ones) if level.dim() else level


def split_directions(projections: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Return the directions in ``projections``, shaped as ``x`` or with their number in front, one by one."""
    check_tensor("projections", projections)
    directions = projections.unbind() if projections.dim() == x.dim() + 1 else (projections,)
    if not directions or directions[0].dim() != x.dim():
        raise ValueError(
            f"projections must have the shape {tuple(x.shape)} of x, with at most the number of directions in front, "
            f"got {tuple(projections.shape)}"
        )
    check_same("projections", directions[0], "x", x)
    return directions


def average(terms: list[Tensor]) -> Tensor:
    """The mean of terms of one shape, one a direction."""
    return terms[0] if len(terms) == 1 else torch.stack(terms).mean(0)


def leaf(x: Tensor, name: str = "x") -> Tensor:
    """``x`` if it requires a gradient, else a tensor on the same memory that does."""
    if x.requires_grad:
        return x
    if x.is_inference() and not torch.is_inference_mode_enabled():
        raise ValueError(
            f"{name} must be an ordinary tensor to be differentiated in, got one made under torch.inference_mode(); "
            "clone it, or use torch.no_grad()"
        )
    return x.detach().requires_grad_()


def total(x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
    """Sum over the event."""
    return x.sum(1) if x.dim() == 2 else x.flatten(1).sum(1)


class Field:
    """``score`` at ``x`` with the graph that products with its Jacobian need.

    Products stay differentiable in the parameters, and in ``x`` if it requires a gradient. Where there are neither, or
    under ``torch.no_grad()``, they leave no graph behind, as calling the score would not. The Jacobian is that of each
    point alone: a score whose value at one point depends on the others of the batch (batch normalisation in training
    mode) has no such thing.
    """

    def __init__(self, score: Score, x: Tensor, name: str = "score") -> None:
        recording = torch.is_grad_enabled()
        with torch.enable_grad():
            self.x = leaf(x)
            self._value = evaluate(score, self.x, name)
        if not self._value.requires_grad:
            raise ValueError(
                f"{name}(x) must be differentiable in x, got a value without a graph (computed under no_grad "
                "or inference_mode, detached, or constant)"
            )
        self.keep = recording and (x.requires_grad or has_parameters(self._value, self.x))
        self.value = self._value if self.keep else self._value.detach()

    def pull(self, v: Tensor, *, batched: bool = False) -> Tensor:
        """Return J^T v, one vector-Jacobian product; with ``batched`` one for each slice of ``v``, vectorised."""
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                self._value,
                self.x,
                grad_outputs=v.to(self._value.dtype),
                create_graph=self.keep,
                retain_graph=True,
                is_grads_batched=batched,
                allow_unused=True,
                materialize_grads=True,
            )
        return product

    def quadratic(self, v: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Return v^T J v at the cost of one product."""
        return total(self.pull(v) * v)

    def rows(self, chunk: int):
        """Yield (first row, rows of J (k, batch, d)) for blocks of k <= ``chunk`` rows: d products in all."""
        n, d = self.x.shape[0], self.x[0].numel()
        for first in range(0, d, chunk):
            k = min(chunk, d - first)
            units = torch.zeros(k, d, dtype=self._value.dtype, device=self.x.device)
            units.diagonal(first).fill_(1)
            v = units.unsqueeze(1).expand(k, n, d).reshape(k, *self.x.shape)
            block = self.pull(v, batched=True) if k > 1 else self.pull(v[0]).unsqueeze(0)
            yield first, block.reshape(k, n, d)

    def trace(self, chunk: int) -> Float[Tensor, " batch"]:
        """Return tr J with d products; of each block of rows only the diagonal is kept."""
        out = self.x.new_zeros(self.x.shape[0])
        for first, block in self.rows(chunk):
            out = out + block[:, :, first : first + block.shape[0]].diagonal(dim1=0, dim2=2).sum(-1)
        return out

    def jacobian(self, chunk: int) -> Float[Tensor, "batch d d"]:
        """Return J itself, (batch, d, d) over the flattened event: d products and d times the memory of ``x``."""
        return torch.cat([block for _, block in self.rows(chunk)]).transpose(0, 1)


def energy_and_gradient(
    energy: Callable[[Tensor], Tensor], x: Tensor, *, through: bool = True
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch *event"]]:
    """Return ``energy(x)`` and its gradient in x from one pass, with a graph where one was asked for, as `Field` has it.

    Without ``through`` the gradient has none; the energy keeps its own.
    """
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        point = leaf(x)
        value = evaluate_energy(energy, point)
        if not value.requires_grad:
            raise ValueError(
                "energy(x) must be differentiable in x, got a value without a graph (computed under no_grad "
                "or inference_mode, detached, or constant)"
            )
        keep = recording and (x.requires_grad or has_parameters(value, point))
        (slope,) = torch.autograd.grad(
            value.sum(),
            point,
            create_graph=keep and through,
            retain_graph=keep,
            allow_unused=True,
            materialize_grads=True,
        )
    return (value if keep else value.detach()), slope


def has_parameters(value: Tensor, leaf: Tensor) -> bool:
    """Whether anything but ``leaf`` that ``value`` was computed from requires a gradient."""
    nodes, seen = [value.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # the nodes of leaves have one
        if variable is not None and variable is not leaf:
            return True
        nodes.extend(parent for parent, _ in node.next_functions)
    return False
