"""A score at a batch of points, and products with its Jacobian in x by reverse mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.score._arguments import Score, evaluate, evaluate_energy


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
