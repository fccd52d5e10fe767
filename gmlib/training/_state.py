"""Checkpoints of a run: all that a resumed run needs, in one safetensors file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gmlib._files import write_tensors
from gmlib.training._fingerprint import differences
from gmlib.training.config import TrainConfig

_KEY, _SUM = "gmlib.training", "sha256"


def save(
    path: Path,
    *,
    step: int,
    config: TrainConfig,
    fingerprint: dict[str, Any],
    history: dict[str, list[float | int]],
    window: list[dict[str, float]],
    seconds: float,
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state after ``step`` steps beside ``path``, then rename it.

    Tensors are called ``model/NAME``, ``ema/NAME`` and ``optimizer/INDEX/NAME``; the rest is JSON in the
    header, with a hash of all.

    Args:
        path: the checkpoint's place.
        step: number of steps done.
        config: the run's settings.
        fingerprint: what the run is about.
        history: what has been logged.
        window: terms of the steps since the last log entry.
        seconds: time that the steps took.
        model: the model.
        ema: the model with averaged weights, or None.
        optimizer: the optimiser, with its moments.

    Raises:
        OSError: there is no room for it, or no right to write it.
    """
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema/{name}": tensor for name, tensor in ema.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": tensor for name, tensor in entries.items()}
    meta = {
        "step": step,
        "config": dataclasses.asdict(config),
        "fingerprint": fingerprint,
        "history": history,
        "window": window,
        "seconds": seconds,
    }
    # A clone each: safetensors refuses tensors that share memory, as tied weights do.
    whole = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    about = json.dumps(meta)
    write_tensors(path, whole, {_KEY: about, _SUM: _sha256(about, whole)})


def load(
    path: Path,
    *,
    config: TrainConfig,
    fingerprint: dict[str, Any],
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Put the state of a checkpoint into model, average and optimiser.

    Args:
        path: the checkpoint.
        config: settings of the run that goes on; must train to the same numbers as those of the checkpoint.
        fingerprint: what that run is about; must be the same.
        model: receives the weights.
        ema: receives the averaged weights, or None.
        optimizer: receives the moments.

    Returns:
        The header: ``step``, ``history``, ``window`` and ``seconds`` as they were saved.

    Raises:
        ValueError: the file is damaged, or belongs to another run; the message names it and the differences.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            meta = json.loads(header[_KEY])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # safetensors itself sees what is cut off, but no flipped byte. A checkpoint from before there were sums has none.
        if header.get(_SUM, now := _sha256(header[_KEY], tensors)) != now:
            raise ValueError("its content is not what was written")
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint ({error}): remove it to start over") from error
    # A checkpoint from before there were fingerprints has none, and cannot be told from one of another task.
    found = config.differences(meta["config"]) + differences(meta.get("fingerprint", {}), fingerprint)
    if meta["step"] > config.steps:
        found.append(f"steps done: {meta['step']}, more than {config.steps}")
    if found:
        raise ValueError(
            f"{path} is of another run ({'; '.join(found)}): choose another folder, or resume=False"
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    try:
        model.load_state_dict(part("model/"))
        if ema is not None:
            ema.load_state_dict(part("ema/"))
    except RuntimeError as error:
        raise ValueError(f"{path} is of another model: {error}") from error
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part("optimizer/").items():
        index, key = name.split("/")
        like = parameters[int(index)]
        if tensor.shape == like.shape:
            # Files are contiguous. A fused optimiser walks weights and moments side by side in memory and does not ask for
            # strides: the moments of a weight with its channels last must lie as it does.
            tensor = torch.empty_like(like, device="cpu", dtype=tensor.dtype).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return meta


def _sha256(about: str, tensors: dict[str, Tensor]) -> str:
    """A hash of the header's text and of all tensors with their names."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
