"""Recipes: what to train and how, in a TOML file; the format is described in :mod:`gmlib.train`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gmlib._checks import check_choice
from gmlib.training import Task, TrainConfig

_TOP = {"name": str, "task": str, "data": str, "task_options": dict, "train": dict, "export": dict}
_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Recipe:
    """A recipe, read and checked.

    Attributes:
        name: name of the checkpoint that it makes.
        task: ``module:function`` that returns the task.
        options: keywords of that function.
        train: how to train it.
        file: file name of the exported weights.
        dtype: their dtype.
        data: what it trains on, in words.
    """

    name: str
    task: str
    options: dict[str, Any]
    train: TrainConfig
    file: str
    dtype: torch.dtype
    data: str

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another seed."""
        return dataclasses.replace(self, train=dataclasses.replace(self.train, seed=seed))

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The task's name and options, as a checkpoint keeps them."""
        # Through JSON, because TOML knows dates and JSON does not.
        return {"task": self.task, "task_options": json.loads(json.dumps(self.options, default=str))}

    def make_task(self) -> Task:
        """Call the task's function with the options.

        Raises:
            ValueError: there is no such module or function, it has no such option, or it returns no task.
        """
        module, _, function = self.task.partition(":")
        try:
            make = getattr(importlib.import_module(module), function)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there; something that it imports is not
            raise ValueError(f"task must be 'module:function', and there is no module {module!r}") from error
        except AttributeError as error:
            raise ValueError(f"task must be 'module:function', and {module!r} has no {function!r}") from error
        try:
            inspect.signature(make).bind(**self.options)
        except TypeError as error:
            raise ValueError(f"task_options do not fit {self.task}: {error}") from error
        task = make(**self.options)
        if not isinstance(task, Task):
            raise ValueError(
                f"task must return a gmlib.training.Task, got {type(task).__name__} from {self.task}"
            )
        return task


def load_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply changes such as ``"steps=10"`` or ``"task_options.latent=2"``.

    Args:
        path: the TOML file.
        changes: ``"key=value"`` each; a key without a dot is one of ``[train]``, a value is TOML or else a
            string.

    Raises:
        ValueError: the file is not TOML, a key is unknown or missing, or a value is out of range; the message
            names the file and the key.
        FileNotFoundError: there is no such file.

    Example:
        >>> import tempfile
        >>> text = 'name = "toy"\\ntask = "toy:make"\\n[train]\\nsteps = 100'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "toy.toml").write_text(text)
        ...     recipe = load_recipe(Path(folder, "toy.toml"), ["steps=10"])
        >>> recipe.name, recipe.train.steps, recipe.file
        ('toy', 10, 'toy.safetensors')
    """
    try:
        table = tomllib.loads(Path(path).read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    for change in changes:
        _apply(table, change, path)
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    _check_keys(f"{path}", table, set(_TOP), required={"name", "task", "train"})
    for key, kind in _TOP.items():
        if key in table and not isinstance(table[key], kind):
            raise ValueError(
                f"{path}: {key} must be a {'table' if kind is dict else 'string'}, got {table[key]!r}"
            )
    _check_keys(f"{path}: [train]", table["train"], fields, required={"steps"})
    export = table.get("export", {})
    _check_keys(f"{path}: [export]", export, {"file", "dtype"}, required=set())
    dtype = export.get("dtype", "float32")
    try:
        check_choice("dtype", dtype, _DTYPES)
        config = TrainConfig(**{key: _as_field(key, value) for key, value in table["train"].items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    file = export.get("file", f"{table['name']}.safetensors")
    if Path(file).name != file or not file.endswith(".safetensors"):
        raise ValueError(f"{path}: file must be a name that ends in .safetensors, got {file!r}")
    return Recipe(
        name=table["name"],
        task=table["task"],
        options=table.get("task_options", {}),
        train=config,
        file=file,
        dtype=getattr(torch, dtype),
        data=table.get("data", ""),
    )


def _as_field(key: str, value: Any) -> Any:
    # TOML's `lr = 1` is an integer; the field wants a real number.
    real = {field.name for field in dataclasses.fields(TrainConfig) if field.type == "float"}
    return float(value) if key in real and isinstance(value, int) and not isinstance(value, bool) else value


def _apply(table: dict[str, Any], change: str, path: Path) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ValueError(f"--set takes key=value, got {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.split(".") if "." in key else ("train", key)
    for depth, name in enumerate(tables, start=1):
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{path}: --set {change}: {'.'.join(tables[:depth])} is no table, got {table!r}")
    table[last] = value


def _check_keys(where: str, table: dict[str, Any], known: set[str], *, required: set[str]) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; known: {', '.join(sorted(known))}")
    for key in sorted(required):
        if key not in table:
            raise ValueError(f"{where}: the key {key!r} is missing")
