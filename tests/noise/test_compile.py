"""Laws, schedules, denoisers and networks inside samplers compile without a graph break.

In a process of its own, without the shape checker.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from gmlib.distributions import toy
from gmlib.noise import DDPM, Denoiser, Rectified, VPCosine, exact_denoiser
from gmlib.noise import ancestral, ddim, dpm_solver_2m, euler, euler_maruyama, heun
from torch._dynamo.utils import counters

torch.set_num_threads(1)
x, t = torch.randn(8, 2), torch.linspace(0.1, 0.9, 8)
net = torch.nn.Linear(2, 2)
ddpm, cosine = (Denoiser(lambda x, t: net(x) + t[:, None], s, "eps") for s in (DDPM.linear(), VPCosine()))
calls = [
    (toy("banana", n_components=21).score, (x,)),
    (exact_denoiser(toy("two_moons"), Rectified()).eps, (x, t)),
    (ddpm.velocity, (x, t)),
    (lambda x: cosine.velocity(x, 0.5), (x,)),
]
for fn, arguments in calls:
    # No code generation: whether the graph is whole does not depend on a C++ compiler.
    compiled = torch.compile(fn, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), fn(*arguments))
print("compiled", len(calls))

# One graph of the network serves every sampler and every step.
counters.clear()
times = [0.9, 0.6, 0.3, 0.0]
network = torch.compile(lambda x, t: net(x) + t[:, None], fullgraph=True, backend="aot_eager")
for sampler in (ancestral, ddim, euler, euler_maruyama, heun, dpm_solver_2m):
    drawn = []
    for candidate in (network, cosine.network):
        torch.manual_seed(0)
        drawn.append(sampler(Denoiser(candidate, VPCosine(), "eps"), x, times).x)
    torch.testing.assert_close(*drawn)
print("graphs", counters["stats"]["unique_graphs"])
"""


@pytest.mark.slow
def test_hot_paths_compile_as_one_graph() -> None:
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines() == ["compiled 4", "graphs 1"], run.stderr[-3000:]
