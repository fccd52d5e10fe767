"""Trained weights by name, each checked against the manifest that is packaged with gmlib.

The manifest, ``gmlib/manifest.json``, says for every set of weights which file it is (below
``assets/checkpoints/``), its SHA-256, and how it was made: recipe, seed, data, device, time, and the metrics
of every seed that was trained. The files are safetensors only. A clone reads them from disk, an installed
gmlib downloads them once by their hash.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gmlib._files import replacing, sha256_of
from gmlib.data.files import asset, assets_folder

MANIFEST = Path(__file__).parent / "manifest.json"
"""The manifest's place."""


@dataclass(frozen=True)
class Checkpoint:
    """What the manifest says of one set of weights.

    Attributes:
        file: name of the file below ``assets/checkpoints/``.
        sha256: hash of its content.
        recipe: the recipe that trains it, as a path in the repository.
        seed: seed of these weights.
        data: what they were trained on.
        device: what they were trained on, in hardware and torch version.
        time: seconds that this took.
        metrics: ``{"seeds": {seed: {name: value}}, "mean": {...}, "spread": {...}}`` over all seeds trained;
            the spread is the standard deviation, with n - 1.
    """

    file: str
    sha256: str
    recipe: str
    seed: int
    data: str
    device: str
    time: float
    metrics: dict[str, Any]


def checkpoints() -> dict[str, Checkpoint]:
    """Every checkpoint of the manifest, by name.

    Raises:
        ValueError: the manifest is not what it should be.

    Example:
        >>> sorted(checkpoints()) == sorted(set(checkpoints()))
        True
    """
    try:
        return {name: Checkpoint(**entry) for name, entry in json.loads(MANIFEST.read_text()).items()}
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{MANIFEST} is damaged ({error}): reinstall gmlib, or restore it from git"
        ) from error


def checkpoint(name: str) -> Checkpoint:
    """The manifest's entry for ``name``.

    Raises:
        ValueError: there is none; the message names the closest ones.

    Example:
        >>> all(checkpoint(name).file.endswith(".safetensors") for name in checkpoints())
        True
    """
    known = checkpoints()
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4) or sorted(known)
        listed = ", ".join(map(repr, close)) if known else "none: the manifest is empty"
        raise ValueError(f"name must be a checkpoint of the manifest, got {name!r}; closest: {listed}")
    return known[name]


def load_weights(name: str) -> dict[str, Tensor]:
    """The weights called ``name``, as they are stored (often in half precision), on the CPU.

    Args:
        name: a name in the manifest.

    Returns:
        Tensors by the names that the model's ``state_dict`` gives them.

    Raises:
        ValueError: no such name, or the file is no safetensors file.
        AssetError: the file is missing, damaged or out of reach; the message names it and says what to do.
        ImportError: a download is needed and pooch is not installed.

    Example:
        >>> for name in checkpoints():
        ...     assert all(isinstance(tensor, Tensor) for tensor in load_weights(name).values())
    """
    entry = checkpoint(name)
    path = asset(f"checkpoints/{entry.file}", entry.sha256)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def load_into(model: nn.Module, name: str) -> nn.Module:
    """Copy the weights called ``name`` into ``model``, whose dtypes and device stay.

    Args:
        model: a model of the same architecture.
        name: a name in the manifest.

    Returns:
        ``model``, in eval mode.

    Raises:
        ValueError: no such name, or the weights do not fit; the message lists what is missing, superfluous or
            of another shape, and names the recipe. The model is then as it was.
        AssetError: the file is missing, damaged or out of reach.

    Example:
        >>> load_into(nn.Linear(2, 2), "no such weights")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ValueError: name must be a checkpoint of the manifest, got 'no such weights'
    """
    weights, wanted = load_weights(name), model.state_dict()
    faults = [f"{key} is missing" for key in wanted if key not in weights]
    faults += [f"{key} is not the model's" for key in weights if key not in wanted]
    faults += [
        f"{key} has shape {tuple(weights[key].shape)}, the model's {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in weights and weights[key].shape != tensor.shape
    ]
    if faults:
        more = f", and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ValueError(
            f"model does not fit the checkpoint {name!r}: {'; '.join(faults[:5])}{more}. Build it as the recipe "
            f"{checkpoint(name).recipe} does"
        )
    model.load_state_dict(weights)
    return model.eval()


def register(name: str, weights: Path, entry: dict[str, Any]) -> Checkpoint:
    """Copy a file of weights to ``assets/checkpoints/`` of this clone and write its entry in the manifest.

    Args:
        name: the checkpoint's name; an entry of that name is replaced.
        weights: a safetensors file; keeps its file name.
        entry: the fields of :class:`Checkpoint` but ``file`` and ``sha256``.

    Returns:
        The entry as written.

    Raises:
        ValueError: this gmlib is not a clone, the file is no safetensors file, it is over 4 MB, or another
            checkpoint uses its name.
        TypeError: a field of the entry is missing or unknown.
        OSError: there is no room, or no right to write in the assets folder; weights and manifest stay.

    Example:
        Every entry that was written can be read back; ``python -m gmlib.train RECIPE.toml --register`` writes
        them:

        >>> sorted(checkpoints()) == list(checkpoints())
        True
    """
    folder = assets_folder()
    if folder is None:
        raise ValueError("register works in a clone of the repository only, not in an installed gmlib")
    if weights.suffix != ".safetensors":
        raise ValueError(f"weights must be a .safetensors file, got {weights.name}")
    if weights.stat().st_size > 4 * 2**20:
        raise ValueError(
            f"weights must be at most 4 MB, got {weights.stat().st_size / 2**20:.1f} MB: {weights.name}"
        )
    try:
        load_file(weights)
    except SafetensorError as error:
        raise ValueError(
            f"weights must be a safetensors file, got {weights}, which is none: {error}"
        ) from error
    known = checkpoints()
    if any(other != name and c.file == weights.name for other, c in known.items()):
        raise ValueError(
            f"weights must have a file name of its own, got {weights.name}, which another name uses"
        )
    written = Checkpoint(file=weights.name, sha256=sha256_of(weights), **entry)
    entries = {key: dataclasses.asdict(value) for key, value in sorted((known | {name: written}).items())}
    # Both are written before either is renamed: a disk that is full half-way leaves the old pair, which fits together.
    with replacing(MANIFEST) as manifest:
        manifest.write_text(json.dumps(entries, indent=2) + "\n", "utf8")
        with replacing(folder / "checkpoints" / weights.name) as beside:
            shutil.copyfile(weights, beside)
    return written
