"""What a run is about, in a few lines of JSON: a checkpoint carries it, and another run is told what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gmlib.training.config import Task

_ROWS = 64
"""Rows of each tensor of the data that are hashed, the first and the last among them."""
_SHOWN = 5
_ABSENT = object()


def fingerprint(task: Task, told: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names and plain values: shape, dtype and a hashed sample of the data, the weights, players, and what is told.

    Loss, noise and evaluation are code, which leaves no trace here.

    Args:
        task: the task.
        told: what else the run depends on, in values that JSON knows, nested or not.

    Raises:
        TypeError: ``told`` is no mapping, or holds what JSON does not know.
        ValueError: ``told`` has a key "data", "model" or "players", which are filled in here.

    Example:
        >>> task = Task(torch.nn.Linear(2, 1, bias=False), lambda m, x, n: {"loss": m(x).mean()}, torch.ones(8, 2))
        >>> kept = fingerprint(task, {"task_options": {"p": 0.1}})
        >>> kept["task_options.p"], kept["data.0.shape"], kept["model.weight"]
        (0.1, [8, 2], 'float32 [1, 2]')
    """
    if not isinstance(told, Mapping):
        raise TypeError(f"fingerprint must be a mapping, got {type(told).__name__}")
    if taken := sorted({"data", "model", "players"} & told.keys()):
        raise ValueError(f"fingerprint must not have the key {taken[0]!r}, which train fills in")
    try:
        result = _flat(json.loads(json.dumps(dict(told))))
    except (TypeError, ValueError) as error:
        raise TypeError(f"fingerprint must hold what JSON can, got {dict(told)!r} ({error})") from error
    if task.players:
        result["players"] = list(task.players)
    count = min(_ROWS, task.rows)
    rows = torch.arange(count) * (task.rows - 1) // max(1, count - 1)
    for i, part in enumerate(task.data if isinstance(task.data, tuple) else (task.data,)):
        result[f"data.{i}.shape"] = list(part.shape)
        result[f"data.{i}.dtype"] = _name(part.dtype)
        result[f"data.{i}.sample"] = _hash(part.detach()[rows.to(part.device)])
    for name, p in task.model.named_parameters():
        frozen = "" if p.requires_grad else " frozen"
        result[f"model.{name}"] = f"{_name(p.dtype)} {list(p.shape)}{frozen}"
    return result


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Each as "name: theirs, not ours", the first few of them and how many more.

    Args:
        theirs: a fingerprint.
        ours: another.

    Example:
        >>> differences({"task_options.p": 0.1}, {"task_options.p": 0.5})
        ['task_options.p: 0.1, not 0.5']
    """

    def shown(values: Mapping[str, Any], name: str) -> str:
        return repr(values[name]) if name in values else "absent"

    found = [
        f"{name}: {shown(theirs, name)}, not {shown(ours, name)}"
        for name in dict.fromkeys((*ours, *theirs))
        # == takes 0 for 0.0, and the text NaN for NaN
        if theirs.get(name, _ABSENT) != ours.get(name, _ABSENT) and shown(theirs, name) != shown(ours, name)
    ]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return found[:_SHOWN] + more


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in nested.items():
        result |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _hash(rows: Tensor) -> str:
    content = rows.cpu().resolve_conj().resolve_neg().contiguous().flatten().view(torch.uint8)
    return hashlib.blake2b(content.numpy().tobytes(), digest_size=8).hexdigest()
