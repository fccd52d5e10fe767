"""KL along the heat flow against closed forms, differences and the integral over all noise levels."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian, GaussianMixture, Law, divergences_1d
from gmlib.score import heat_flow, kl_from_fisher

F64 = torch.float64
ZERO = torch.zeros(1, dtype=F64)


def mixtures() -> tuple[GaussianMixture, GaussianMixture]:
    means = torch.tensor([[-2.0], [1.5]], dtype=F64)
    q = GaussianMixture(
        means, weights=torch.tensor([0.3, 0.7], dtype=F64), var=torch.tensor([0.2, 0.6], dtype=F64)
    )
    return q, GaussianMixture(means + 0.4, weights=torch.tensor([0.6, 0.4], dtype=F64), var=0.8)


def test_de_bruijn() -> None:
    # N(0,1) against N(0,3), closed forms: KL_t = (r - 1 - log r)/2, r = (1+t)/(3+t), and its derivative.
    q, p = Gaussian(ZERO, var=1.0), Gaussian(ZERO, var=3.0)
    times = torch.tensor([0.0, 0.5, 2.0, 50.0], dtype=F64)
    flow = heat_flow(q, p, times)
    ratio = (1 + times) / (3 + times)
    assert torch.allclose(flow.kl, 0.5 * (ratio - 1 - ratio.log()), rtol=1e-10, atol=1e-14)
    fisher = 0.5 * (1 + times) * (1 / (1 + times) - 1 / (3 + times)).square()
    assert torch.allclose(flow.fisher, fisher, rtol=1e-10)
    assert -flow.fisher[1].item() == pytest.approx(-0.10884, abs=5e-6)
    # The slope of KL by central differences: minus D_F, not minus half of it.
    ends = heat_flow(q, p, torch.tensor([0.499, 0.501], dtype=F64)).kl
    assert (ends[1] - ends[0]).item() / 0.002 == pytest.approx(-flow.fisher[1].item(), rel=1e-5)
    assert kl_from_fisher(q, p).item() == pytest.approx(math.log(3) / 2 - 1 / 3, abs=1e-9)
    assert kl_from_fisher(q, p).item() == pytest.approx(0.21597, abs=5e-6)


def test_mixtures_and_shifts() -> None:
    pairs: list[tuple[Law, Law]] = [mixtures(), mixtures()[::-1]]
    pairs.append((Gaussian(ZERO, var=0.5), Gaussian(ZERO + 3, var=0.5)))  # D_F falls like 1/t^2 only
    for q, p in pairs:
        times = torch.tensor([0.0, 0.05, 0.3, 1.0, 4.0], dtype=F64)
        step = 1e-4

        def kl_at(times: Tensor, q: Law = q, p: Law = p) -> Tensor:
            return heat_flow(q, p, times).kl

        flow = heat_flow(q, p, times + step)
        slope = (kl_at(times + 2 * step) - kl_at(times)) / (2 * step)
        assert torch.allclose(slope, -flow.fisher, rtol=1e-5)
        exact = divergences_1d(q, p).kl  # other nodes, another module
        assert kl_at(ZERO).item() == pytest.approx(exact.item(), abs=1e-11)
        assert kl_from_fisher(q, p).item() == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.bad_input
def test_bad_input() -> None:
    law, times = Gaussian(ZERO, var=1.0), torch.ones(1, dtype=F64)
    with pytest.raises(TypeError, match="q must be"):
        heat_flow(law, torch.distributions.Normal(0.0, 1.0), times)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="p must be one law over one coordinate"):
        heat_flow(Gaussian(torch.zeros(2), var=1.0), law, times)
    for bad in (torch.tensor([-1.0]), torch.tensor(1.0), torch.ones(0), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match="times"):
            heat_flow(law, law, bad)
    # A law that the grid steps over has to be seen, not answered with 0; and one beyond the grid's ends.
    narrow = GaussianMixture(
        torch.tensor([[-5.0], [5.0]], dtype=F64), var=torch.tensor([1e-8, 1e-8], dtype=F64)
    )
    with pytest.raises(ValueError, match=r"points must be enough to see p, got 4001, .* at t = 0"):
        heat_flow(narrow, law, torch.tensor([1.0, 0.0], dtype=F64))
    far = GaussianMixture(
        torch.tensor([[0.0], [1e4]], dtype=F64), weights=torch.tensor([0.999, 0.001], dtype=F64), var=1e4
    )
    with pytest.raises(ValueError, match=r"integrates to 0\.999 at t = 0"):
        heat_flow(far, law, torch.zeros(1, dtype=F64))
    with pytest.raises(ValueError, match="points"):
        heat_flow(law, law, times, points=2)
    with pytest.raises(ValueError, match="scale"):
        kl_from_fisher(law, law, scale=0.0)
    with pytest.raises(ValueError, match="nodes"):
        kl_from_fisher(law, law, nodes=1)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers() -> None:
    q, p = mixtures()
    value = kl_from_fisher(q.to("cuda"), p.to("cuda"))
    assert value.is_cuda
    assert value.item() == pytest.approx(kl_from_fisher(q, p).item(), rel=1e-10)
