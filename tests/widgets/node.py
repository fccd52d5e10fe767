"""Run the widgets' JavaScript in Node, for comparison with torch."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from functools import cache
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


SERVER = """
import { createInterface } from "node:readline";
console.log = console.error;  // stdout is for answers
const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { modules, body, data } = JSON.parse(line);
    const known = { data };
    for (const [module, names] of modules) {
      const all = await import(module);
      for (const name of names) {
        if (!(name in all)) throw new SyntaxError(`${module} has no ${name}`);
        known[name] = all[name];
      }
    }
    answer = { value: await new AsyncFunction(...Object.keys(known), body)(...Object.values(known)) };
  } catch (error) {
    answer = { error: String(error.stack) };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
}
"""


@cache
def server() -> subprocess.Popen[str]:
    """One Node for all tests of this process: it takes an eighth of a second to start."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*node(), "--input-type=module", "--eval", SERVER], stdin=pipe, stdout=pipe, text=True
    )
    atexit.register(process.communicate)  # the end of its input is its own
    return process


def evaluate(imports: str, body: str, **data: Any) -> Any:
    """What ``body``, the inside of a function of ``data``, returns; ``imports`` as ``"name, name from module; ..."``."""
    parts = [part.strip().partition(" from ") for part in imports.split(";")]
    question = {
        "modules": [
            [(SOURCE / module).as_uri() + ".js", [name.strip() for name in names.split(",")]]
            for names, _, module in parts
        ],
        "body": body,
        "data": {key: value.tolist() if isinstance(value, Tensor) else value for key, value in data.items()},
    }
    process = server()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline() or '{"error": "Node has ended"}')
    assert "error" not in answer, answer["error"]
    return answer.get("value")


def assert_same(js: Any, torch_value: Tensor) -> None:
    """The book's bound for widgets: |difference| <= 1e-5 (1 + |x|)."""
    got = torch.tensor(js, dtype=torch.float64).reshape(torch_value.shape)
    excess = (got - torch_value).abs() - 1e-5 * (1 + torch_value.abs())
    assert bool((excess <= 0).all()), f"off by {float((got - torch_value).abs().max()):.3g}"
