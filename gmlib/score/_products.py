"""A score at a batch of points, and products with its Jacobian in x by reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

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
        raise TypeError(f"{name} must be callable, x -> tensor of the shape of x, got {type(value).__name__}")


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


def evaluate(score: Score, x: Tensor, name: str = "score") -> Float[Tensor, "batch *event"]:
    """Return ``score(x)`` after a look at its shape."""
    value = score(x)
    if not isinstance(value, Tensor) or value.shape != x.shape:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name}(x) must have the shape {tuple(x.shape)} of x, got {got}")
    return value


def read_level(name: str, sigma: Any, x: Tensor) -> Level:
    """Check a noise level, a positive number or a tensor () or (batch,), and make it broadcast against ``x``."""
    if not isinstance(sigma, Tensor):
        check_number(name, sigma, low=0.0, low_open=True)
        return sigma
    check_tensor(name, sigma)
    if sigma.device != x.device and (sigma.dim() > 0 or sigma.device.type != "cpu"):
        raise ValueError(f"{name} must be on the device {x.device} of the points, got {sigma.device}")
    if tuple(sigma.shape) not in ((), (x.shape[0],)):
        raise ValueError(
            f"{name} must have shape () or ({x.shape[0]},), one a point, got {tuple(sigma.shape)}"
        )
    return sigma.to(x.dtype).reshape(-1, *(1,) * (x.dim() - 1)) if sigma.dim() else sigma.to(x.dtype)


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
            self.x = x if x.requires_grad else x.detach().requires_grad_()
            self._value = evaluate(score, self.x, name)
        if not self._value.requires_grad:
            raise ValueError(
                f"{name}(x) must be differentiable in x, got a value without a graph (computed under no_grad "
                "or inference_mode, detached, or constant)"
            )
        self.keep = recording and (x.requires_grad or _has_parameters(self._value, self.x))
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
        eye = torch.eye(d, dtype=self._value.dtype, device=self.x.device)
        for first in range(0, d, chunk):
            part = eye[first : first + chunk]
            k = part.shape[0]
            v = part.unsqueeze(1).expand(k, n, d).reshape(k, *self.x.shape)
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


def gradient(scalar: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the gradient of ``scalar(x)`` in x, with a graph where a gradient was asked for, as `Field` has it."""
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        point = x if x.requires_grad else x.detach().requires_grad_()
        value = scalar(point)
        if not value.requires_grad:
            raise ValueError("energy(x) must be differentiable in x, got a value without a graph")
        keep = recording and (x.requires_grad or _has_parameters(value, point))
        (out,) = torch.autograd.grad(
            value, point, create_graph=keep, allow_unused=True, materialize_grads=True
        )
    return out


def _has_parameters(value: Tensor, leaf: Tensor) -> bool:
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
