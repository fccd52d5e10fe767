"""One step of learning of an RBM, in place: one product for the hidden means of data and chains, one for the update."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gmlib._compiler import compiler_found
from gmlib.energy.persistent import PersistentChains
from gmlib.energy.rbm import RBM


class RBMStep:
    """A function of a batch and a learning rate that moves the machine, and the chains if there are any.

    Args:
        rbm: the machine, moved in place.
        rows: rows of a batch.
        k: steps of block Gibbs sampling.
        chains: carried over and moved; None starts them at the batch (CD-k).
        binarise: the batch holds probabilities; draw its bits.
        compile: compile the step, if there is a C++ compiler.
        generator: source of the draws.
    """

    def __init__(
        self,
        rbm: RBM,
        rows: int,
        k: int,
        chains: PersistentChains | None,
        binarise: bool,
        compile: bool,
        generator: torch.Generator,
    ) -> None:
        self.weight, self.b, self.c = rbm.weight.data, rbm.b.data, rbm.c.data
        self.rows, self.k, self.chains, self.binarise, self.generator = rows, k, chains, binarise, generator
        size = rows if chains is None else len(chains.h)
        new = self.weight.new_empty
        widths = [rbm.d, rbm.d_h] * k  # the chains draw x, h, x, ... from the h they have
        if chains is None:
            widths = [rbm.d_h, *widths[:-1]]  # CD draws that h first, and needs the last one no more
        self.sizes = [rows * rbm.d] * binarise + [size * width for width in widths]
        self.noise = new(sum(self.sizes))
        share = [new(rows, 1).fill_(1 / rows), new(size, 1).fill_(-1 / size)]
        self.share = torch.cat(share)
        self.h = new(size, rbm.d_h) if chains is None else chains.h
        self.x = new(size, rbm.d)
        self.compiled = compile and compiler_found()
        self.recorded = self.compiled and self.weight.is_cuda
        self.move: Callable[..., None] | None = None if self.compiled else self._move

    def __call__(self, x: Tensor, rate: float) -> None:
        """Take a step."""
        self.noise.uniform_(generator=self.generator)
        # As a tensor, so that one graph serves all learning rates; the product does not wait.
        held = (self.weight, self.b, self.c, self.h, self.x, x, self.noise, self.share * rate)
        move = self.move = self._compile(*held) if self.move is None else self.move
        if self.recorded:
            torch.compiler.cudagraph_mark_step_begin()
        move(*held)
        if self.chains is not None:
            self.chains.x = self.x

    def _compile(self, *held: Tensor) -> Callable[..., None]:
        # Traced first: each machine has a program of its own, and none counts as another's recompilation.
        def move(*held: Tensor) -> None:
            self._move(*held)

        graph = make_fx(move, tracing_mode="fake", _allow_non_fake_inputs=True)(*held)
        if self.recorded:  # a recorded graph changes its tensors where they lie
            for tensor in (self.weight, self.b, self.c, self.h, self.x, self.noise):
                torch._dynamo.mark_static_address(tensor)
        mode = "reduce-overhead" if self.recorded else None
        return torch.compile(graph, fullgraph=True, dynamic=False, mode=mode)

    def _move(
        self,
        weight: Tensor,
        b: Tensor,
        c: Tensor,
        h: Tensor,
        chain: Tensor,
        x: Tensor,
        noise: Tensor,
        share: Tensor,
    ) -> None:
        draws = iter(noise.split(self.sizes))
        persistent = self.chains is not None
        data = _bits(x, next(draws)) if self.binarise else x
        below = mean = h
        if not persistent:
            mean = torch.addmm(c, data, weight).sigmoid_()
            below = _bits(mean, next(draws))
        for _ in range(self.k - 1):
            above = _bits(torch.addmm(b, below, weight.T).sigmoid_(), next(draws))
            below = _bits(torch.addmm(c, above, weight).sigmoid_(), next(draws))
        chain.copy_(_bits(torch.addmm(b, below, weight.T).sigmoid_(), next(draws)))
        both = torch.cat((data, chain))
        if persistent:  # one product for the hidden means of data and chains
            means = torch.addmm(c, both, weight).sigmoid_()
            h.copy_(_bits(means[self.rows :], next(draws)))
        else:
            means = torch.cat((mean, torch.addmm(c, chain, weight).sigmoid_()))
        means = means * share
        weight.addmm_(both.T, means)
        b.addmv_(both.T, share[:, 0])
        c.add_(means.sum(0))


def _bits(mean: Tensor, noise: Tensor) -> Tensor:
    # Not inside the step: a function defined there is made anew, and checked anew, at every call.
    return (noise.view_as(mean) < mean).to(mean.dtype)
