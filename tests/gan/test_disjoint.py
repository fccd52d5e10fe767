"""Point masses and compact laws that do not meet: KL, JSD, W1 and MMD as functions of the shift, and their gradients."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import beta

from gmlib.gan import F_DIVERGENCES, BetaLaw, f_divergence_1d, point_mass_distances, shifted_distances
from gmlib.metrics import GaussianKernel

F64 = torch.float64
P, Q, KERNEL = BetaLaw(3, 5), BetaLaw(2, 3), GaussianKernel(1.0)


def gradient(value: torch.Tensor, shift: torch.Tensor) -> list[float]:
    return torch.autograd.grad(value.sum(), shift, retain_graph=True)[0].tolist()


def test_disjoint_supports() -> None:
    # Point masses at 0 and the shift.
    shift = torch.tensor([-30.0, -1.0, 0.0, 0.01, 2.0, 30.0], dtype=F64, requires_grad=True)
    d = point_mass_distances(shift, KERNEL)
    assert d.kl.tolist() == [math.inf, math.inf, 0.0, math.inf, math.inf, math.inf]
    assert d.jsd.tolist() == pytest.approx([math.log(2)] * 2 + [0.0] + [math.log(2)] * 3, abs=1e-15)
    assert torch.equal(d.w1, shift.abs())
    assert torch.allclose(d.mmd2, 2 - 2 * (-shift.square() / 2).exp(), atol=1e-12)
    assert gradient(d.jsd, shift) == [0.0] * 6
    assert gradient(d.w1, shift) == [-1.0, -1.0, 0.0, 1.0, 1.0, 1.0]
    slope = (2 * shift * (-shift.square() / 2).exp()).tolist()
    assert gradient(d.mmd2, shift) == pytest.approx(slope, abs=1e-12)
    assert slope[4] == pytest.approx(0.541, abs=1e-3)
    assert slope[5] < 1e-100  # beyond the kernel's reach

    # Beta(3, 5) against Beta(2, 3) moved by 1, 1.5, 2 and 40.
    shift = torch.tensor([1.0, 1.5, 2.0, 40.0], dtype=F64, requires_grad=True)
    d = shifted_distances(P, Q, shift, KERNEL)
    assert d.kl.tolist() == [math.inf] * 4
    assert d.jsd.tolist() == pytest.approx([math.log(2)] * 4, abs=1e-12)
    assert d.w1.tolist() == pytest.approx([1.025, 1.525, 2.025, 40.025], abs=1e-12)  # 1 + 2/5 - 3/8, ...
    assert gradient(d.jsd, shift) == [0.0] * 4
    assert gradient(d.w1, shift) == pytest.approx([1.0] * 4, abs=1e-12)
    assert d.mmd2[:3].diff().min() > 0.1
    x = torch.linspace(0, 1, 2001, dtype=F64)
    own = [
        (law.density(x)[:, None] * KERNEL(x[:, None], x[:, None]) * law.density(x)).sum().item() / 2000**2
        for law in (P, Q)
    ]
    assert d.mmd2[3].item() == pytest.approx(sum(own), abs=1e-5)  # only what each law says of itself is left
    assert gradient(d.mmd2, shift)[3] == pytest.approx(0.0, abs=1e-12)
    assert gradient(d.mmd2, shift)[0] > 0.1


def test_laws_that_meet() -> None:
    shift = torch.tensor([0.0, 0.3, 0.7, -0.6], dtype=F64, requires_grad=True)
    d = shifted_distances(P, Q, shift, GaussianKernel(0.5))
    for i, s in enumerate(shift.tolist()):

        def half(x: float, s: float = s) -> float:
            p, q = beta.pdf(x, 3, 5), beta.pdf(x - s, 2, 3)
            return sum(v * math.log(2 * v / (p + q)) for v in (p, q) if v > 0) / 2

        ends = sorted([0.0, 1.0, s, 1 + s])
        exact = sum(quad(half, a, b, limit=200)[0] for a, b in pairwise(ends) if a < b)
        assert d.jsd[i].item() == pytest.approx(exact, abs=5e-6)
        u = (np.arange(20_000) + 0.5) / 20_000  # W1 is the mean gap of the quantiles
        gap = np.abs(beta.ppf(u, 3, 5) - beta.ppf(u, 2, 3) - s).mean()
        assert d.w1[i].item() == pytest.approx(gap, abs=2e-5)
    slope = gradient(d.jsd, shift)
    step = torch.tensor([1e-4, -1e-4], dtype=F64)
    around = shifted_distances(P, Q, 0.3 + step, KERNEL).jsd
    assert slope[1] == pytest.approx(((around[0] - around[1]) / 2e-4).item(), rel=1e-3)
    assert slope[1] > 0.5 > 0 > -0.5 > slope[3]  # while they meet, the JSD does pull
    kl = d.kl.tolist()
    assert kl[1:] == [math.inf] * 3
    exact = quad(lambda x: beta.pdf(x, 3, 5) * (beta.logpdf(x, 3, 5) - beta.logpdf(x, 2, 3)), 0, 1)[0]
    assert kl[0] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [(3, 5), (2, 3), (1, 1), (1, 4)])
def test_beta_law(a: int, b: int, generator: torch.Generator) -> None:
    law, x = BetaLaw(a, b, shift=-2.0), torch.linspace(-2.5, -0.5, 101, dtype=F64)
    y = x.numpy() + 2
    assert np.allclose(law.density(x).numpy(), beta.pdf(y, a, b), atol=1e-9)
    assert np.allclose(law.cdf(x).numpy(), beta.cdf(y, a, b), atol=1e-12)
    assert torch.allclose(law.log_prob(x[:, None]).exp(), law.density(x), atol=1e-12)
    assert law.mean.item() == pytest.approx(beta.mean(a, b) - 2)
    assert law.variance.item() == pytest.approx(beta.var(a, b))
    n = 100_000  # mean and mean square within 5 standard errors
    draw = law.sample((n,), generator=generator)
    assert draw.shape == (n, 1)
    assert draw.mean().item() == pytest.approx(law.mean.item(), abs=5 * math.sqrt(law.variance.item() / n))
    square = (draw + 2).square()
    exact = beta.var(a, b) + beta.mean(a, b) ** 2
    assert square.mean().item() == pytest.approx(exact, abs=5 * square.std().item() / math.sqrt(n))


def test_divergences_of_the_table_are_flat_or_infinite() -> None:
    far = BetaLaw(2, 3, shift=1.5)
    found = {
        name: f_divergence_1d(P, far, row, low=-0.5, high=3.0).item() for name, row in F_DIVERGENCES.items()
    }
    assert found["js"] == pytest.approx(2 * math.log(2), abs=1e-6)
    assert found["hellinger"] == pytest.approx(2.0, abs=1e-6)
    assert found["total_variation"] == pytest.approx(1.0, abs=1e-6)
    assert all(found[name] == math.inf for name in ("kl", "reverse_kl", "pearson", "neyman"))


@pytest.mark.bad_input
def test_bad_input() -> None:
    shift = torch.ones(2)
    with pytest.raises(ValueError, match="shift must have shape \\(n,\\)"):
        point_mass_distances(torch.ones(2, 1), KERNEL)
    with pytest.raises(ValueError, match="shift must be finite"):
        point_mass_distances(shift / 0, KERNEL)
    with pytest.raises(TypeError, match="kernel must be callable"):
        point_mass_distances(shift, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kernel must return the value of each pair"):
        shifted_distances(P, Q, shift, lambda x, y: x)
    with pytest.raises(TypeError, match="q must be a BetaLaw"):
        shifted_distances(P, None, shift, KERNEL)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a must be an int"):
        BetaLaw(2.5, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a and b must add up to at most 100"):
        BetaLaw(600, 600)
    with pytest.raises(ValueError, match="b must be at least 1"):
        BetaLaw(2, 0)
    with pytest.raises(ValueError, match="shift must be a finite number"):
        BetaLaw(2, 3, shift=math.nan)
    with pytest.raises(ValueError, match="value must end in the event shape"):
        P.log_prob(torch.zeros(4, 2))
