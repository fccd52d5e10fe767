"""Run the widgets' JavaScript in Node, for comparison with torch."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from gmbook.bundle import NODE, SOURCE, BundleError, install, node
from torch import Tensor


def packages() -> Path:
    """The folder of the npm packages that the bundles are made of; without a network skipped, in CI a failure."""
    try:
        install()
    except BundleError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the widgets' packages could not be installed: {error}")
    return NODE / "node_modules"


def evaluate(imports: str, body: str, **data: Any) -> Any:
    """What ``body``, the inside of a function of ``data``, returns; ``imports`` as ``"name, name from module; ..."``."""
    parts = [part.strip().partition(" from ") for part in imports.split(";")]
    code = (
        "".join(
            f'import {{ {names} }} from "{(SOURCE / module).as_uri()}.js";\n' for names, _, module in parts
        )
        + 'import { readFileSync } from "node:fs";\n'
        f"const act = async (data) => {{ {body} }};\n"
        'console.log(JSON.stringify(await act(JSON.parse(readFileSync(0, "utf8")))));\n'
    )
    given = json.dumps(
        {key: value.tolist() if isinstance(value, Tensor) else value for key, value in data.items()}
    )
    command = [*node(), "--input-type=module", "--eval", code]
    result = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_same(js: Any, torch_value: Tensor) -> None:
    """The book's bound for widgets: |difference| <= 1e-5 (1 + |x|)."""
    got = torch.tensor(js, dtype=torch.float64).reshape(torch_value.shape)
    excess = (got - torch_value).abs() - 1e-5 * (1 + torch_value.abs())
    assert bool((excess <= 0).all()), f"off by {float((got - torch_value).abs().max()):.3g}"
