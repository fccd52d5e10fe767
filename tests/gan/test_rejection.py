"""Inference by rejection on a normal mean: the share that is kept, and the law that it follows, against exact ones."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from gmlib.gan import gaussian_mean_acceptance, rejection_abc

F64 = torch.float64
PRIOR, NOISE, SEEN = 1.0, 0.25, 1.2  # four observations of unit variance, with mean 1.2


def kept_moments(tolerance: float) -> tuple[float, float]:
    """Mean and variance of the law that rejection samples: the prior times the chance to be kept, by quadrature."""

    def weight(t: float) -> float:
        ends = (SEEN + tolerance - t) / math.sqrt(NOISE), (SEEN - tolerance - t) / math.sqrt(NOISE)
        return norm.pdf(t, 0, math.sqrt(PRIOR)) * (norm.cdf(ends[0]) - norm.cdf(ends[1]))

    z, m, s = (quad(lambda t, k=k: t**k * weight(t), -9, 9, points=[SEEN])[0] for k in range(3))
    return m / z, s / z - (m / z) ** 2


def test_abc() -> None:
    posterior_var = PRIOR * NOISE / (PRIOR + NOISE)
    posterior_mean = SEEN * PRIOR / (PRIOR + NOISE)
    n, generator = 400_000, torch.Generator().manual_seed(0)
    theta = math.sqrt(PRIOR) * torch.randn(n, 1, dtype=F64, generator=generator)
    noise = math.sqrt(NOISE) * torch.randn(n, 1, dtype=F64, generator=generator)
    off = []
    for tolerance in (2.0, 0.4, 0.1):
        kept = rejection_abc(torch.tensor([SEEN], dtype=F64), theta, lambda t: t + noise, tolerance)
        rate = gaussian_mean_acceptance(SEEN, PRIOR, NOISE, tolerance)
        assert kept.rate == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / n))  # 5 standard errors
        mean, variance = kept_moments(tolerance)
        m = kept.theta.shape[0]
        assert kept.theta.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / m))
        assert kept.theta.var().item() == pytest.approx(variance, abs=5 * variance * math.sqrt(2 / m))
        off.append((abs(mean - posterior_mean), abs(variance - posterior_var), m))
    # Towards the posterior, by the square of the tolerance; and the share by its first power.
    tiny = kept_moments(0.01)
    assert tiny == pytest.approx((posterior_mean, posterior_var), abs=1e-4)
    assert [o[0] for o in off] == sorted((o[0] for o in off), reverse=True)
    far, near = kept_moments(0.2)[1] - posterior_var, kept_moments(0.1)[1] - posterior_var
    assert far / near == pytest.approx(4.0, rel=0.05)
    shares = [gaussian_mean_acceptance(SEEN, PRIOR, NOISE, e) / e for e in (0.1, 0.05, 0.01)]
    density = norm.pdf(SEEN, 0, math.sqrt(PRIOR + NOISE))
    assert shares == pytest.approx([2 * density] * 3, rel=2e-3)


def test_several_statistics() -> None:
    theta = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.3, -0.3]])
    kept = rejection_abc(torch.zeros(3), theta, lambda t: torch.cat([t, t[:, :1]], 1), tolerance=0.6)
    assert torch.equal(kept.theta, theta[[0, 2]])  # distances 0, 1.73 and .52
    assert kept.rate == pytest.approx(2 / 3)


@pytest.mark.bad_input
def test_bad_input() -> None:
    seen, theta = torch.zeros(1), torch.zeros(5, 1)
    with pytest.raises(ValueError, match="observed must have shape \\(n,\\)"):
        rejection_abc(torch.zeros(()), theta, lambda t: t, 0.1)
    with pytest.raises(ValueError, match="theta must be a matrix"):
        rejection_abc(seen, torch.zeros(0, 1), lambda t: t, 0.1)
    with pytest.raises(TypeError, match="simulate must be callable"):
        rejection_abc(seen, theta, 3, 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="simulate\\(theta\\) must have shape"):
        rejection_abc(seen, theta, lambda t: t[:2], 0.1)
    with pytest.raises(ValueError, match="tolerance must be"):
        rejection_abc(seen, theta, lambda t: t, 0.0)
    with pytest.raises(ValueError, match="noise_var must be"):
        gaussian_mean_acceptance(0.0, 1.0, 0.0, 0.1)
