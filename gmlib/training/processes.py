"""One process or several: device, rank, and the few places where they meet.

``torchrun`` and ``accelerate launch`` describe the run to each process in the same environment variables,
which are all that is read here. Gradients are averaged by torch's DistributedDataParallel.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Process:
    """This process among those that train together.

    Attributes:
        rank: its number; process 0 writes the files.
        world: how many there are.
        device: where it computes.
    """

    rank: int
    world: int
    device: torch.device

    def wrap(self, objective: nn.Module) -> nn.Module:
        """``objective`` with gradients averaged over the processes, and the weights of process 0 in all."""
        if self.world == 1:
            return objective
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(objective, device_ids=devices)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of ``values`` over the processes."""
        if self.world > 1:
            values = values.clone()
            distributed.all_reduce(values)
            values = values / self.world
        return values

    def wait(self) -> None:
        """Wait for the other processes, for example until process 0 has written a file."""
        if self.world > 1:
            distributed.barrier()


def resolve_device(name: str) -> torch.device:
    """The device called ``name``; ``"auto"`` is CUDA where there is one, else MPS, else the CPU.

    Raises:
        ValueError: torch knows no such device, or the machine has none.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda', 'cuda:1', 'mps', ..., got {name!r}"
        ) from error
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not available.get(device.type, lambda: True)():
        raise ValueError(f"device must exist on this machine, got {name!r}; 'auto' takes what there is")
    return device


def join(device: str) -> Process:
    """This process, joined to the others when a launcher has set WORLD_SIZE.

    Args:
        device: ``"auto"`` or a torch device; with several CUDA processes each takes the device of its local
            rank.

    Raises:
        ValueError: there is no such device.

    Example:
        >>> join("cpu")
        Process(rank=0, world=1, device=device(type='cpu'))
    """
    chosen = resolve_device(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Process(0, 1, chosen)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        # Joined once and left at exit: a second run in the same processes (another seed) uses the same group.
        atexit.register(distributed.destroy_process_group)
    return Process(distributed.get_rank(), distributed.get_world_size(), chosen)
