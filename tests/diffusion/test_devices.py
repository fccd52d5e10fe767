"""A model on an accelerator and times on the host: each part works where it is, and nothing is copied on every call."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from gmlib.diffusion import GaussianOracle, LearnedSchedule, MonotoneLogSNR, level_cost
from gmlib.noise import Denoiser, Rectified, ddim, even_times

FUNCTIONS = ("log_snr", "alpha", "sigma", "beta", "d_alpha", "d_sigma", "f", "g")


@pytest.mark.parametrize("name", [*FUNCTIONS, "t_of_log_snr"])
def test_a_learned_schedule_answers_where_it_is_asked(name: str) -> None:
    """Weights elsewhere ("meta", for tensors that know their device only), times here: answers here."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("meta"):
            curve = MonotoneLogSNR(-6.0, 6.0)
        assert curve.centre.device.type == "meta"
        function: Callable[[Tensor], Tensor] = getattr(LearnedSchedule(curve), name)
        for dtype in (torch.float32, torch.float64):
            found = function(torch.rand(3, dtype=dtype))
            assert (found.device.type, found.dtype, found.shape) == ("cpu", dtype, (3,))
        assert function(torch.rand(3, device="meta")).device.type == "meta"


@pytest.mark.gpu
def test_a_learned_schedule_on_the_gpu_takes_times_of_the_host() -> None:
    here = LearnedSchedule(MonotoneLogSNR(-6.0, 6.0))
    there = LearnedSchedule(MonotoneLogSNR(-6.0, 6.0)).cuda()
    t = torch.linspace(0.1, 0.9, 5)
    for name in FUNCTIONS:
        found = getattr(there, name)(t)
        assert found.device == t.device
        torch.testing.assert_close(found, getattr(here, name)(t), rtol=1e-5, atol=1e-6)
        assert getattr(there, name)(0.5).device.type == "cpu"
        assert getattr(there, name)(t.cuda()).device.type == "cuda"
    torch.testing.assert_close(there.t_of_log_snr(here.log_snr(t)), t, rtol=0, atol=1e-5)
    times = even_times(here, 4)
    start = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    mine, theirs = (
        ddim(Denoiser(lambda x, t: 0.1 * x, schedule, "v"), x, times).x
        for schedule, x in ((here, start), (there, start.cuda()))
    )
    torch.testing.assert_close(theirs.cpu(), mine, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_exact_costs_do_not_make_the_host_wait() -> None:
    oracle, x = GaussianOracle(0.7, 0.3, Rectified()), torch.ones(4, 1, device="cuda")
    t, levels = torch.full((4,), 0.5, device="cuda"), torch.tensor([0.0, 1.0], device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = oracle.eps(x, t), oracle.x0(x, t), level_cost(x, x, levels, 1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    exact = oracle.eps(x.cpu(), 0.5), oracle.x0(x.cpu(), 0.5), level_cost(x.cpu(), x.cpu(), levels.cpu(), 1.0)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one.cpu(), other)
