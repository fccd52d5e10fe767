r"""Training of a binary RBM by contrastive divergence, by persistent chains, or by the exact gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_choice, check_count, check_number
from gmlib.energy._layers import check_layer
from gmlib.energy._rbm_checks import check_rbm
from gmlib.energy._rbm_step import RBMStep
from gmlib.energy.base_rates import check_data
from gmlib.energy.persistent import PersistentChains
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import exact_gradient

METHODS = ("cd", "pcd", "exact")

Watch = Callable[[int, RBM], Mapping[str, Tensor]]


@dataclass
class RBMHistory:
    """How an RBM was trained.

    Attributes:
        step: the number of steps done at each look.
        watched: what ``watch`` returned then, by name, stacked over the looks (the first dimension), on the CPU.
        chains: the persistent chains as the last step left them; None for the other methods.
        compiled: whether the step was compiled.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBMHistory
        >>> history = RBMHistory([0, 10], {"nll": torch.tensor([3.5, 3.25])})
        >>> dict(zip(history.step, history.watched["nll"].tolist()))
        {0: 3.5, 10: 3.25}
    """

    step: list[int]
    watched: dict[str, Tensor] = field(default_factory=dict, repr=False)
    chains: PersistentChains | None = field(default=None, repr=False)
    compiled: bool = False


@torch.no_grad()
def train_rbm(
    rbm: RBM,
    data: Float[Tensor, "n d"],
    *,
    method: str = "pcd",
    k: int = 1,
    steps: int,
    batch_size: int | None = None,
    lr: float | int,
    lr_end: float | int | None = None,
    chains: int | PersistentChains | None = None,
    binarise: bool = False,
    compile: bool = False,
    generator: torch.Generator | None = None,
    every: int = 0,
    watch: Watch | None = None,
) -> RBMHistory:
    r"""Climb the log-likelihood of the data: a step along the gradient's estimate for each batch, in place.

    .. math:: \theta \leftarrow \theta + \eta\,\Big(-\frac1B\sum_b\nabla\mathcal F(x_b)
              + \frac1S\sum_s\nabla\mathcal F(\tilde x_s)\Big)

    The states :math:`\tilde x_s` are k steps of block Gibbs sampling away from the batch ("cd", Hinton 2002) or from where
    the chains were at the last step ("pcd", Tieleman 2008); "exact" replaces them by the sum over all states, for small
    machines. Hidden units enter the gradient by their means, and the chains by draws.

    Each epoch takes the rows in a new random order, and leaves out those at its end that fill no batch. Everything stays
    on the data's device: nothing in the loop waits for it, and what ``watch`` returns is read at the end. The same seed
    gives the same numbers, whatever is watched. A step of "pcd" is :func:`gmlib.energy.persistent.pcd_gradient` times
    the learning rate, a step of "cd" :func:`gmlib.energy.contrastive.cd_gradient`; here without intermediate copies.

    Args:
        rbm: the machine, trained in place; its visible bias may start at :func:`gmlib.energy.base_rates.log_odds`.
        data: visible states, (n, d), in [0, 1], on the machine's device.
        method: "cd", "pcd" or "exact".
        k: steps of block Gibbs sampling a step of learning; not for "exact".
        steps: steps of learning.
        batch_size: rows a step; None is all.
        lr: learning rate :math:`\eta > 0`.
        lr_end: falls linearly from ``lr`` towards this value, reached after the last step; None keeps it constant.
        chains: for "pcd" their number (None: as many as rows in a batch; hidden units start on with probability 1/2), or
            chains to go on with, which are moved.
        binarise: ``data`` are probabilities (grey values): draw the bits anew for every batch.
        compile: compile the whole step; without a C++ compiler it warns and runs eagerly. Not for "exact".
        generator: source of all random numbers, on the machine's device; None takes a seed from torch's default one.
        every: call ``watch`` before the first step and every so many steps; 0 is never.
        watch: ``watch(step, rbm)`` returns tensors by name, always of the same shapes.

    Returns:
        What was watched, and the chains.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of range, or the data do not fit the machine.
        RuntimeError: a parameter turned NaN or infinite.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, train_rbm
        >>> generator = torch.Generator().manual_seed(0)
        >>> rbm = RBM(2, 1, generator=generator)
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])  # two units that always agree
        >>> history = train_rbm(rbm, x, method="exact", steps=300, lr=1.0)
        >>> rbm.free_energy(torch.tensor([[1.0, 1.0], [1.0, 0.0]])).diff().item() > 2  # one of them alone is rare
        True
    """
    check_rbm("rbm", rbm)
    check_choice("method", method, METHODS)
    for name, value in (("k", k), ("steps", steps)):
        check_count(name, value)
    check_data("data", data)
    if data.shape[1] != rbm.d or data.dtype != rbm.weight.dtype or data.device != rbm.weight.device:
        raise ValueError(
            f"data must have {rbm.d} columns, {rbm.weight.dtype} on {rbm.weight.device} like rbm, "
            f"got {data.shape[1]}, {data.dtype} on {data.device}"
        )
    n = data.shape[0]
    rows = n if batch_size is None else batch_size
    check_count("batch_size", rows)
    if rows > n:
        raise ValueError(f"batch_size must be at most the {n} rows of data, got {rows}")
    check_number("lr", lr, low=0.0, low_open=True)
    if lr_end is not None:
        check_number("lr_end", lr_end, low=0.0)
    check_count("every", every, low=0)
    if watch is not None:
        check_callable("watch", watch)
    if (watch is None) != (every == 0):
        raise ValueError(f"every and watch must be given together, got every={every} and watch={watch}")
    if chains is not None and method != "pcd":
        raise ValueError(f'chains must be None for "{method}", which carries none over, got {chains!r}')
    if method == "exact" and (k != 1 or compile):
        raise ValueError(
            f'k and compile must be left alone for "exact", which takes no Gibbs steps, got k={k} and compile={compile}'
        )
    if isinstance(chains, PersistentChains):
        check_layer("the h of chains", chains.h, rbm.d_h, rbm.weight)
    if generator is None:
        generator = torch.Generator(data.device).manual_seed(int(torch.randint(2**62, ())))
    if method == "pcd" and not isinstance(chains, PersistentChains):
        chains = PersistentChains.start(rbm, rows if chains is None else chains, generator=generator)
    carried = chains if isinstance(chains, PersistentChains) else None

    kind = torch.promote_types(rbm.weight.dtype, torch.float32)
    last = lr if lr_end is None else lr_end
    rates = torch.linspace(lr, last, steps + 1, dtype=kind)[:-1].tolist()
    step = None if method == "exact" else RBMStep(rbm, rows, k, carried, binarise, compile, generator)
    looks: list[tuple[int, dict[str, Tensor]]] = []
    if watch is not None:
        looks.append((0, dict(watch(0, rbm))))
    for done, index in enumerate(_batches(n, rows, steps, generator), start=1):
        x = data if index is None else data.index_select(0, index)
        if step is not None:
            step(x, rates[done - 1])
        else:
            if binarise:
                x = torch.bernoulli(x, generator=generator)
            exact_gradient(rbm, x).ascend(rbm, rates[done - 1])
        if watch is not None and done % every == 0:
            looks.append((done, dict(watch(done, rbm))))
    if not all(bool(p.isfinite().all()) for p in rbm.parameters()):
        raise RuntimeError(
            "training diverged: a parameter is NaN or infinite. The usual cure is a smaller lr"
        )
    watched = {
        name: torch.stack([seen[name] for _, seen in looks]).cpu() for name in (looks[0][1] if looks else ())
    }
    return RBMHistory([at for at, _ in looks], watched, carried, step is not None and step.compiled)


def _batches(n: int, rows: int, steps: int, generator: torch.Generator) -> Iterator[Tensor | None]:
    """Each step's rows; None is all of them, in their order."""
    per_epoch = n // rows
    order = torch.empty(0)
    for step in range(steps):
        if rows == n:
            yield None
            continue
        at = step % per_epoch
        if at == 0:
            order = torch.randperm(n, generator=generator, device=generator.device)
        yield order[at * rows : (at + 1) * rows]
