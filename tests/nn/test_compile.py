"""The denoising networks compile as one graph. In a process of its own, without the shape checker."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from gmlib.nn import DiT, PixelUNet

torch.set_num_threads(1)
x, t, label = torch.randn(2, 1, 8, 8), torch.rand(2), torch.tensor([0, 3])
networks = [
    PixelUNet(1, [4, 8], groups=2, classes=3, attention=[0]),
    DiT(1, size=8, patch=4, width=8, depth=1, heads=2, classes=3),
]
for network in networks:
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    # No code generation: whether the graph is whole does not depend on a C++ compiler.
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, t, label), network(x, t, label))
print("compiled", len(networks))
"""


@pytest.mark.slow
def test_networks_compile_as_one_graph() -> None:
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines() == ["compiled 2"], run.stderr[-3000:]
