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
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise import ancestral, ddim, dpm_solver_2m, euler, euler_maruyama, heun
from torch._dynamo.utils import counters

torch.set_num_threads(1)
x, t = torch.randn(8, 2), torch.linspace(0.1, 0.9, 8)
net = torch.nn.Linear(2, 2)
ddpm, cosine = (Denoiser(lambda x, t: net(x) + t[:, None], s, "eps") for s in (DDPM.linear(), VPCosine()))
told = Denoiser(lambda x, t, label: net(x) + t[:, None] * label[:, None], VPCosine(), "eps")
label, each = torch.arange(8) % 3, torch.linspace(0, 3, 8)
free = ClassifierFree(told, 3.0, {"label": 0})
limited = ClassifierFree(told, each, {"label": torch.tensor(0)}, interval=(0.2, 0.6))
calls = [
    (toy("banana", n_components=21).score, (x,)),
    (exact_denoiser(toy("two_moons"), Rectified()).eps, (x, t)),
    (ddpm.velocity, (x, t)),
    (lambda x: cosine.velocity(x, 0.5), (x,)),
    (lambda x, label: free.velocity(x, 0.5, label=label), (x, label)),
    (lambda x, t, label: limited.x0(x, t, label=label), (x, t, label)),
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


@pytest.mark.weekly
def test_hot_paths_compile_as_one_graph() -> None:
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines() == ["compiled 6", "graphs 1"], run.stderr[-3000:]
