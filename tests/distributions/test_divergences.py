"""Divergences of tables, of normal laws in closed form, and of laws on the line by quadrature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from gmlib.distributions import (
    Gaussian,
    GaussianMixture,
    chi2_gaussians,
    cross_entropy,
    divergences_1d,
    entropy,
    hellinger2_gaussians,
    kl,
    kl_gaussians,
    tv_gaussians,
)

F64 = torch.float64


def tables(n: int, V: int, seed: int = 0) -> Tensor:
    x = torch.rand(n, V, dtype=F64, generator=torch.Generator().manual_seed(seed))
    return x / x.sum(-1, keepdim=True)


def normal(mean: float, var: float) -> Gaussian:
    return Gaussian(torch.tensor([mean], dtype=F64), var=var)


def test_kl_cross_entropy_nll(generator: torch.Generator) -> None:
    """KL = cross entropy - entropy to the last digits; the average cost of data is the cross entropy, at least H(p)."""
    p, q = tables(50, 7), tables(50, 7, seed=1)
    torch.testing.assert_close(kl(p, q), cross_entropy(p, q) - entropy(p), rtol=0, atol=2e-15)
    assert bool((kl(p, q) > 0).all())
    assert bool((cross_entropy(p, q) >= entropy(p)).all())
    torch.testing.assert_close(kl(p, p), torch.zeros(50, dtype=F64), rtol=0, atol=0)
    # 20,000 symbols from p: their mean NLL under q is the cross entropy within five standard errors.
    n = 20_000
    x = torch.multinomial(p[0], n, replacement=True, generator=generator)
    nll = -q[0].log()[x]
    assert abs(nll.mean() - cross_entropy(p[0], q[0])) < 5 * nll.std() / math.sqrt(n)
    # With the data's own frequencies it is an identity.
    frequencies = torch.bincount(x, minlength=7).double() / n
    assert nll.mean().item() == pytest.approx(cross_entropy(frequencies, q[0]).item(), rel=1e-12)


def test_zeros_of_a_table() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0], dtype=F64), torch.tensor([0.25, 0.25, 0.5], dtype=F64)
    assert entropy(p).item() == pytest.approx(math.log(2), rel=1e-15)
    assert kl(p, q).item() == pytest.approx(math.log(2), rel=1e-15)
    assert kl(q, p).item() == cross_entropy(q, p).item() == math.inf
    assert entropy(torch.tensor([1.0, 0.0])).item() == 0.0
    # The gradient at an entry of 0 is no NaN.
    logits = torch.tensor([0.0, 1.0, 2.0], dtype=F64, requires_grad=True)
    kl(p, logits.softmax(-1)).backward()
    torch.testing.assert_close(logits.grad, logits.detach().softmax(-1) - p)


def test_a_masked_softmax_has_gradients() -> None:
    mask, g = torch.tensor([0.0, 0.0, -math.inf], dtype=F64), torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, dtype=F64, generator=g).requires_grad_() for _ in range(2))
    for measure in (kl, cross_entropy, lambda p, q: entropy(p) + entropy(q)):
        got = torch.autograd.grad(measure((a + mask).softmax(-1), (b + mask).softmax(-1)), (a, b))
        want = torch.autograd.grad(measure(a[:2].softmax(-1), b[:2].softmax(-1)), (a, b))
        for one, other in zip(got, want, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tables_of_16_bits(dtype: torch.dtype) -> None:
    flat = torch.full((1000,), 1e-3, dtype=dtype)
    assert entropy(flat).item() == pytest.approx(math.log(1000), rel=0.02)
    with pytest.raises(ValueError, match="p must sum to one"):
        entropy(0.9 * flat)


def test_close_tables_do_not_cancel() -> None:
    """Second order: KL of p (1 + e) from p is half the chi-square; a difference of entropies would lose every digit."""
    p = tables(1, 5)[0]
    step = 1e-7 * torch.tensor([1.0, -1.0, 0.0, 0.0, 0.0], dtype=F64)
    assert kl(p + step, p).item() == pytest.approx(0.5 * (step**2 / p).sum().item(), rel=0.02)


def test_gaussian_divergences(generator: torch.Generator) -> None:
    """Unit normal laws one apart: .5, .111421, .382925, 1.718282 and .235006, by formula, by quadrature, by sampling."""
    p, q = normal(0.0, 1.0), normal(1.0, 1.0)
    grid = divergences_1d(p, q)
    assert kl_gaussians(p, q).item() == pytest.approx(0.5, abs=1e-15)
    assert chi2_gaussians(p, q).item() == pytest.approx(math.e - 1, rel=1e-14)
    assert hellinger2_gaussians(p, q).item() == pytest.approx(2 - 2 * math.exp(-1 / 8), rel=1e-14)
    assert tv_gaussians(p, q).item() == pytest.approx(math.erf(0.5 / math.sqrt(2)), rel=1e-14)
    assert [f"{v:.6f}" for v in (grid.kl, grid.jsd, grid.tv, grid.hellinger2)] == [
        "0.500000", "0.111421", "0.382925", "0.235006",
    ]  # fmt: skip
    # 200,000 draws from p, five standard errors each.
    n = 200_000
    x = p.sample((n,), generator=generator)
    log_ratio = p.log_prob(x) - q.log_prob(x)
    back = torch.randn(n, 1, dtype=F64, generator=generator) + 1
    log_back = q.log_prob(back) - p.log_prob(back)
    jsd_terms = (
        math.log(2) - torch.log1p(torch.exp(-log_ratio)),
        math.log(2) - torch.log1p(torch.exp(-log_back)),
    )
    for values, truth in (
        (log_ratio, 0.5),
        (torch.expm1(log_ratio), math.e - 1),
        ((1 - torch.exp(-log_ratio)).abs() / 2, 0.382925),
        ((1 - torch.exp(-log_ratio / 2)).square(), 0.235006),
        ((jsd_terms[0] + jsd_terms[1]) / 2, 0.111421),
    ):
        assert abs(values.mean().item() - truth) < 5 * values.std().item() / math.sqrt(n)


@pytest.mark.parametrize(("mean", "var"), [(0.7, 1.0), (0.0, 1.9), (-1.3, 0.6), (0.2, 1.001), (3.0, 1.0001)])
def test_closed_forms_agree_with_quadrature(mean: float, var: float) -> None:
    p, q = normal(0.5, 2.0), normal(0.5 + mean * math.sqrt(2), 2.0 * var)
    grid = divergences_1d(p, q)
    assert kl_gaussians(p, q).item() == pytest.approx(grid.kl.item(), abs=1e-12)
    assert kl_gaussians(q, p).item() == pytest.approx(grid.reverse_kl.item(), abs=1e-12)
    assert hellinger2_gaussians(p, q).item() == pytest.approx(grid.hellinger2.item(), abs=1e-12)
    assert tv_gaussians(p, q).item() == pytest.approx(grid.tv.item(), abs=3e-7)
    assert tv_gaussians(p, q).item() == pytest.approx(tv_gaussians(q, p).item(), abs=1e-14)
    x = torch.linspace(-120, 120, 40_001, dtype=F64)[:, None]
    integral = torch.trapezoid((2 * q.log_prob(x) - p.log_prob(x)).exp(), x[:, 0])
    assert chi2_gaussians(q, p).item() == pytest.approx(integral.item() - 1, rel=1e-9)


def test_limits_and_bounds() -> None:
    same, near, far = normal(0.0, 1.0), normal(1e-8, 1.0), normal(60.0, 1.0)
    for measure in (kl_gaussians, chi2_gaussians, hellinger2_gaussians, tv_gaussians):
        assert measure(same, same).item() == 0.0
    # Small shifts: KL d^2 / 2, TV d / sqrt(2 pi); nothing cancels.
    assert kl_gaussians(same, near).item() == pytest.approx(0.5e-16, rel=1e-7)
    assert chi2_gaussians(same, near).item() == pytest.approx(1e-16, rel=1e-7)
    assert tv_gaussians(same, near).item() == pytest.approx(1e-8 / math.sqrt(2 * math.pi), rel=1e-6)
    apart = divergences_1d(same, far)
    assert apart.jsd.item() == pytest.approx(math.log(2), rel=1e-12)
    assert apart.tv.item() == pytest.approx(1.0, rel=1e-12)
    assert hellinger2_gaussians(same, far).item() == pytest.approx(2.0, rel=1e-12)
    # Pearson's divergence is infinite from twice the variance on, and not before.
    assert chi2_gaussians(normal(0.0, 1.999), same).isfinite().item()
    assert chi2_gaussians(normal(0.0, 2.0), same).item() == math.inf
    assert chi2_gaussians(same, normal(0.0, 2.0)).isfinite().item()


def test_jsd_is_symmetric_and_bounded() -> None:
    p = GaussianMixture(torch.tensor([[-2.0], [2.0]], dtype=F64), var=0.25)
    q = GaussianMixture(torch.tensor([[-1.0], [0.5], [4.0]], dtype=F64), var=torch.tensor([1.0, 0.3, 2.0]))
    there, back = divergences_1d(p, q), divergences_1d(q, p)
    assert there.jsd.item() == pytest.approx(back.jsd.item(), abs=1e-14)
    assert 0 < there.jsd.item() < math.log(2)
    assert there.reverse_kl.item() == pytest.approx(back.kl.item(), abs=1e-14)
    # Lin's bounds by the total variation.
    assert there.tv**2 / 2 <= there.jsd <= math.log(2) * there.tv


def test_several_dimensions_and_batches_agree_with_torch() -> None:
    g = torch.Generator().manual_seed(3)
    a = torch.randn(5, 3, 3, dtype=F64, generator=g)
    cov = a @ a.mT / 3 + 0.5 * torch.eye(3, dtype=F64)
    mean = torch.randn(5, 3, dtype=F64, generator=g)
    p, q = Gaussian(mean, cov=cov), Gaussian(torch.zeros(3, dtype=F64), var=1.3)
    peer = torch.distributions.MultivariateNormal
    truth = torch.distributions.kl_divergence(
        peer(mean, cov), peer(torch.zeros(3, dtype=F64), 1.3 * torch.eye(3, dtype=F64))
    )
    torch.testing.assert_close(kl_gaussians(p, q), truth, rtol=1e-12, atol=1e-12)
    # Independent coordinates: 1 + chi-square and the overlap are products over them.
    p2, q2 = (
        Gaussian(torch.zeros(2, dtype=F64), var=1.0),
        Gaussian(torch.tensor([1.0, -0.5], dtype=F64), var=torch.tensor([1.5, 2.0], dtype=F64)),
    )
    one = [(normal(0.0, 1.0), normal(1.0, 1.5)), (normal(0.0, 1.0), normal(-0.5, 2.0))]
    chi2 = math.prod(1 + chi2_gaussians(*pair).item() for pair in one) - 1
    overlap = math.prod(1 - hellinger2_gaussians(*pair).item() / 2 for pair in one)
    assert chi2_gaussians(p2, q2).item() == pytest.approx(chi2, rel=1e-12)
    assert hellinger2_gaussians(p2, q2).item() == pytest.approx(2 - 2 * overlap, rel=1e-12)
    # A batch whose members fall on either side of the infinite case.
    wide = Gaussian(torch.zeros(2, 1, dtype=F64), var=torch.tensor([[1.5], [2.5]], dtype=F64))
    assert chi2_gaussians(wide, normal(0.0, 1.0)).isfinite().tolist() == [True, False]
    grid = divergences_1d(wide, normal(0.3, 1.0))
    torch.testing.assert_close(grid.kl, kl_gaussians(wide, normal(0.3, 1.0)), rtol=0, atol=1e-12)


def batch_of(kind: str, lead: tuple[int, ...], seed: int) -> Gaussian:
    """Five normal laws of three coordinates."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.randn(5, 3, dtype=F64, generator=g)
    if kind == "full":
        a = torch.randn(*lead, 3, 3, dtype=F64, generator=g)
        return Gaussian(mean, cov=a @ a.mT / 3 + torch.eye(3, dtype=F64))
    return Gaussian(mean, var=1 + torch.rand(*lead, 1 if kind == "one" else 3, dtype=F64, generator=g))


@pytest.mark.parametrize(
    "leads", [((), ()), ((5,), ()), ((), (5,)), ((5,), (5,)), ((1,), (5,)), ((5,), (1,))]
)
@pytest.mark.parametrize("first", ["one", "diagonal", "full"])
@pytest.mark.parametrize("second", ["one", "diagonal", "full"])
def test_every_kind_of_covariance(first: str, second: str, leads: tuple[tuple[int, ...], ...]) -> None:
    """Against the same laws with a full matrix each: shared and diagonal ones are used as they are."""
    p, q = batch_of(first, leads[0], 0), batch_of(second, leads[1], 1)
    peers = [torch.distributions.MultivariateNormal(law.mean, law.covariance) for law in (p, q)]
    truth = torch.distributions.kl_divergence(*peers)
    torch.testing.assert_close(kl_gaussians(p, q), truth, rtol=1e-12, atol=1e-12)
    full = [Gaussian(law.mean, cov=law.covariance) for law in (p, q)]
    for measure in (chi2_gaussians, hellinger2_gaussians):
        torch.testing.assert_close(measure(p, q), measure(*full), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pair", ["full", "diagonal", "mixed"])
def test_laws_that_share_a_covariance_get_no_copies_of_it(pair: str) -> None:
    d, n = 60, 300
    mean, eye = torch.zeros(n, d, dtype=F64), torch.eye(d, dtype=F64)
    full, diagonal = Gaussian(mean, cov=eye), Gaussian(mean, var=torch.ones(n, d, dtype=F64))
    p, q = {"full": (full, full), "diagonal": (diagonal, diagonal), "mixed": (diagonal, full)}[pair]
    measures = (kl_gaussians,) if pair == "mixed" else (kl_gaussians, hellinger2_gaussians, chi2_gaussians)
    for measure in measures:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            measure(p, q)
        bytes_at_once = max(event.self_cpu_memory_usage for event in seen.events() or [])
        assert 8 * n * d <= bytes_at_once <= 3 * 8 * n * d  # a copy a law would be 8 n d d


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    p, q = (law.to("cuda") for law in (normal(0.0, 1.0), normal(1.0, 1.0)))
    assert kl_gaussians(p, q).device.type == divergences_1d(p, q).jsd.device.type == "cuda"
    assert divergences_1d(p, q).jsd.item() == pytest.approx(0.111421, abs=1e-6)
    assert tv_gaussians(p, q).item() == pytest.approx(0.382925, abs=1e-6)


P2 = torch.tensor([0.5, 0.5])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: entropy([0.5, 0.5]), TypeError, "p must be a torch.Tensor"),
        (lambda: entropy(torch.tensor(1.0)), ValueError, "p must have shape"),
        (lambda: entropy(torch.tensor([0.5, 0.6])), ValueError, "p must sum to one"),
        (lambda: entropy(torch.tensor([1.5, -0.5])), ValueError, "p must not be negative"),
        (lambda: kl(P2, torch.tensor([math.nan, 0.5])), ValueError, "q must be finite"),
        (lambda: kl(P2, torch.full((3,), 1 / 3)), ValueError, "q must have the 2 symbols"),
        (lambda: cross_entropy(P2, torch.tensor([1, 0])), TypeError, "q must have a floating dtype"),
        (lambda: kl_gaussians(normal(0, 1), 3.0), TypeError, "q must be a Gaussian"),  # type: ignore[arg-type]
        (lambda: kl_gaussians(normal(0, 1), Gaussian(torch.zeros(2), var=1.0)), ValueError, "event shape"),
        (lambda: kl_gaussians(normal(0, 1), Gaussian(torch.zeros(1), var=1.0)), ValueError, "q must have the dtype"),
        (lambda: tv_gaussians(*[Gaussian(torch.zeros(2), var=1.0)] * 2), ValueError, "p must be a law over one"),
        (
            lambda: chi2_gaussians(Gaussian(torch.zeros(2, 1), var=1.0), Gaussian(torch.zeros(3, 1), var=1.0)),
            ValueError,
            "batch of q",
        ),
        (lambda: divergences_1d(normal(0, 1), object()), TypeError, "q must have a method log_prob"),
        (lambda: divergences_1d(Gaussian(torch.zeros(2), var=1.0), normal(0, 1)), ValueError, "p must be a law"),
        (lambda: divergences_1d(normal(0, 1), normal(0, 1), low=2.0, high=1.0), ValueError, "low must be below"),
        (lambda: divergences_1d(normal(0, 1), normal(0, 1), points=2), ValueError, "points must be at least 3"),
        (
            lambda: divergences_1d(torch.distributions.Cauchy(0.0, 1.0), normal(0, 1)),
            ValueError,
            "p must be a law over one",
        ),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()
