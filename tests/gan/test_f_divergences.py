"""The table of f-divergences against quadrature, numerical suprema, autograd and closed forms."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from gmlib.distributions import Gaussian, chi2_gaussians, divergences_1d
from gmlib.gan import (
    F_DIVERGENCES,
    BetaLaw,
    CorrelatedGaussians,
    f_bound_1d,
    f_divergence_1d,
    f_divergence_bound,
)

F64 = torch.float64
ZERO = torch.zeros(1, dtype=F64)
P, Q = Gaussian(ZERO, var=1.0), Gaussian(ZERO + 1, var=1.0)
NAMES = list(F_DIVERGENCES)
VALUES = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "js": 0.222843,
    "pearson": 1.718282,
    "hellinger": 0.235006,
    "neyman": 1.718282,
    "total_variation": 0.382925,
}
# The functions once more, as the literature has them, in numpy.
F_NUMPY = {
    "kl": lambda u: u * np.log(u),
    "reverse_kl": lambda u: -np.log(u),
    "js": lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
    "pearson": lambda u: (u - 1) ** 2,
    "hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "neyman": lambda u: (1 - u) ** 2 / u,
    "total_variation": lambda u: abs(u - 1) / 2,
}
# Values of c inside the domain of each conjugate.
INSIDE = {
    "kl": [-3.0, 0.2, 2.5],
    "reverse_kl": [-6.0, -1.0, -0.1],
    "js": [-4.0, 0.0, 0.6],
    "pearson": [-5.0, -3.0, -2.0, -1.0, 4.0],
    "hellinger": [-7.0, 0.0, 0.8],
    "neyman": [-8.0, 0.0, 0.9, 1.0],
    "total_variation": [-2.0, -0.3, 0.4, 0.5],
}
U = torch.tensor([1e-6, 0.03, 0.4, 0.999, 1.001, 2.7, 40.0, 1e5], dtype=F64)


def normal(x: float, mean: float = 0.0) -> float:
    return math.exp(-((x - mean) ** 2) / 2) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("name", NAMES)
def test_f_divergence_table(name: str) -> None:
    row = F_DIVERGENCES[name]
    # The number: adaptive quadrature of q f(p / q) with numpy's f, the row's integrand, the row's f, and the bound at f'.
    exact = quad(
        lambda x: normal(x, 1.0) * F_NUMPY[name](math.exp(0.5 - x)), -9, 10, points=[0.5], limit=200
    )[0]
    assert exact == pytest.approx(VALUES[name], abs=1e-6)
    tolerance = 1e-6 if name == "total_variation" else 1e-9  # its integrand has a kink
    assert f_divergence_1d(P, Q, row).item() == pytest.approx(exact, abs=tolerance)
    assert f_divergence_1d(P, Q, row.f).item() == pytest.approx(exact, abs=tolerance)
    jump = 2e-4 if name == "total_variation" else 1e-9  # and its critic a jump
    assert f_bound_1d(P, Q, row).total.item() == pytest.approx(exact, abs=jump)
    bound = f_bound_1d(P, Q, row, lambda x: row.critic(0.5 - x[:, 0])).total.item()
    # The conjugate of a value rounded to the end of its domain is infinite; not so in the range where this matters.
    narrow = {"low": -6.0, "high": 7.0}
    inside = f_bound_1d(P, Q, row, lambda x: row.critic(0.5 - x[:, 0]), **narrow).total.item()
    assert bound <= exact + jump
    assert inside == pytest.approx(f_bound_1d(P, Q, row, **narrow).total.item(), abs=1e-9)

    # Fenchel: f(u) + f*(f'(u)) = u f'(u), with f' that of autograd; and f(1) = 0.
    u = U.clone().requires_grad_()
    slope = torch.autograd.grad(row.f(u).sum(), u)[0]
    assert torch.allclose(row.derivative(U), slope, rtol=1e-9)
    v = row.output(U.log())
    assert torch.allclose(row.f(U) + row.conjugate_of_output(v), U * slope, rtol=1e-7, atol=1e-9)
    assert torch.allclose(row.f(U) + row.conjugate(slope), U * slope, rtol=1e-4, atol=1e-6)
    assert row.f(torch.ones(1, dtype=F64)).item() == 0.0

    # The conjugate is the supremum over u >= 0, found numerically on log u and at u = 0.
    for c in INSIDE[name]:
        found = minimize_scalar(
            lambda s, c=c: F_NUMPY[name](math.exp(s)) - c * math.exp(s), bounds=(-40, 12), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        at = row.conjugate(torch.tensor(c, dtype=F64)).item()
        assert -found.fun == pytest.approx(at, abs=1e-5), c

    # Every output of the activation is in the domain, and the two ways to the conjugate agree there.
    v = torch.linspace(-9, 9, 181, dtype=F64)
    c = row.activation(v)
    assert (c.diff() > 0).all()
    assert (c < row.highest).all()
    assert torch.allclose(row.conjugate(c), row.conjugate_of_output(v), rtol=1e-9, atol=1e-9)
    if math.isfinite(row.highest):
        assert row.conjugate(torch.tensor(row.highest + 0.01)).item() == math.inf


def test_closed_forms_of_normal_laws() -> None:
    exact = divergences_1d(P, Q)
    found = {name: f_divergence_1d(P, Q, row).item() for name, row in F_DIVERGENCES.items()}
    assert found["js"] == pytest.approx(2 * exact.jsd.item(), abs=1e-12)  # twice: its f carries no halves
    assert found["pearson"] == pytest.approx(math.e - 1, abs=1e-9)
    assert found["pearson"] == pytest.approx(chi2_gaussians(P, Q).item(), abs=1e-9)
    assert found["hellinger"] == pytest.approx(2 - 2 * math.exp(-1 / 8), abs=1e-12)
    assert found["total_variation"] == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_far_out(name: str) -> None:
    # No NaN at log r = -800, 0, 800 nor where a density is 0; and laws whose densities underflow.
    row, log_r = F_DIVERGENCES[name], torch.tensor([-800.0, 0.0, 800.0], dtype=F64)
    v = row.output(log_r)
    gone = torch.full_like(log_r, -torch.inf)
    for values in (row.critic(log_r), row.conjugate_of_output(v), row.integrand(log_r, -log_r)):
        assert not values.isnan().any()
    for a, b in ((gone, gone), (gone, log_r * 0), (log_r * 0, gone)):
        assert not row.integrand(a, b).isnan().any()
    far = f_divergence_1d(P, Gaussian(ZERO + 60, var=1.0), row).item()
    ends = {
        "kl": 1800.0,
        "reverse_kl": 1800.0,
        "js": 2 * math.log(2),
        "hellinger": 2.0,
        "total_variation": 1.0,
    }
    assert far == pytest.approx(ends.get(name, math.inf), rel=1e-6)


def test_printed_critics() -> None:
    # The critics of a draft: 2 / (1 + 1/r) for JS leaves the domain, Hellinger's critic in Pearson's row is weak.
    js, pearson = F_DIVERGENCES["js"], F_DIVERGENCES["pearson"]
    printed = f_bound_1d(P, Q, js, lambda x: 2 * torch.sigmoid(0.5 - x[:, 0]))
    assert printed.total.item() == -math.inf
    critic = F_DIVERGENCES["hellinger"].critic
    weak = f_bound_1d(P, Q, pearson, lambda x: critic(0.5 - x[:, 0]))
    assert weak.total.item() == pytest.approx(0.3840, abs=1e-4)  # of 1.7183
    x = torch.linspace(-12, 13, 20_001, dtype=F64)[:, None]
    p, q, c = P.log_prob(x).exp(), Q.log_prob(x).exp(), critic(0.5 - x[:, 0])
    parabola = torch.trapezoid(p * c - q * (c + c.square() / 4), x[:, 0]).item()
    assert parabola == pytest.approx(0.3704, abs=1e-4)  # printed with it, for all c
    assert parabola < weak.total.item()
    # Below -2 the parabola is no conjugate on u >= 0: it asks for more than f allows.
    assert pearson.conjugate(torch.tensor(-3.0)).item() == -1.0


def test_f_divergence_bound() -> None:
    kl, pearson = F_DIVERGENCES["kl"], F_DIVERGENCES["pearson"]
    # A straight line is already the best critic for KL; every other line stays below.
    assert f_bound_1d(P, Q, kl, lambda x: 1.5 - x[:, 0]).total.item() == pytest.approx(0.5, abs=1e-12)
    for slope, level in ((-0.8, 1.5), (-1.0, 1.2), (0.0, 1.0), (-1.3, 1.7)):
        assert f_bound_1d(P, Q, kl, lambda x, s=slope, b=level: b + s * x[:, 0]).total.item() < 0.49
    # Pearson: r - 1 in Hermite polynomials of x - 1 under q, so that degree K reaches sum_1^K 1/k!, from below to e - 1.
    reached = []
    for degree in (1, 2, 3, 4, 6, 8):
        coefficients = [0.0] + [2 * (-1) ** k / math.factorial(k) for k in range(1, degree + 1)]

        def critic(x: torch.Tensor, coefficients: list[float] = coefficients) -> torch.Tensor:
            value = np.polynomial.hermite_e.hermeval((x[:, 0] - 1).numpy(), coefficients)
            return torch.from_numpy(value)

        terms = f_bound_1d(P, Q, pearson, critic)
        partial = sum(1 / math.factorial(k) for k in range(1, degree + 1))
        # c + c^2/4 lies above the conjugate where c < -2: what it would give is the partial sum.
        x = torch.linspace(-12, 13, 20_001, dtype=F64)[:, None]
        c, q = critic(x), Q.log_prob(x).exp()
        parabola = torch.trapezoid(P.log_prob(x).exp() * c - q * (c + c.square() / 4), x[:, 0])
        assert parabola.item() == pytest.approx(partial, abs=1e-9)
        assert partial - 1e-9 <= terms.total.item() <= math.e - 1 + 1e-9
        reached.append(terms.total.item())
    assert reached == sorted(reached)
    assert reached[-1] == pytest.approx(math.e - 1, abs=1e-4)
    # Mutual information is a KL: n = 50,000 pairs at rho = .5, within 5 of the exact standard errors.
    pairs, n, generator = CorrelatedGaussians(0.5), 50_000, torch.Generator().manual_seed(0)
    joint = pairs.log_ratio(*pairs.sample(n, generator=generator))
    product = pairs.log_ratio(*pairs.sample(n, joint=False, generator=generator))
    found = f_divergence_bound(1 + joint, 1 + product, kl).total.item()
    assert found == pytest.approx(-0.5 * math.log(0.75), abs=5 * math.sqrt(pairs.bound_variance(n)))


@pytest.mark.parametrize("name", NAMES)
def test_bound_on_samples(name: str) -> None:
    # n = 50,000 each, at a critic that is not the best: its exact bound within 5 standard errors.
    row, n = F_DIVERGENCES[name], 50_000
    generator = torch.Generator().manual_seed(3)
    real, fake = P.sample((n,), generator=generator), Q.sample((n,), generator=generator)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return row.activation(0.2 - 0.3 * x[:, 0])

    terms = f_divergence_bound(critic(real), critic(fake), row)
    exact = f_bound_1d(P, Q, row, critic).total.item()
    error = math.sqrt((critic(real).var() + row.conjugate(critic(fake)).var()).item() / n)
    assert terms.total.item() == pytest.approx(exact, abs=5 * error)
    assert exact < VALUES[name]
    assert torch.equal(terms.total, terms.real - terms.fake)


@pytest.mark.parametrize("name", NAMES)
def test_losses(name: str) -> None:
    row, generator = F_DIVERGENCES[name], torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 9, dtype=F64, generator=generator)
    loss = row.losses()
    bound = f_divergence_bound(row.activation(a), row.activation(b), row)
    assert torch.allclose(loss.critic_loss(a, b), -bound.total)
    assert torch.allclose(loss.generator_loss(a, b), -bound.fake)  # zero-sum in what the generator can change
    other = row.losses(non_saturating=True)
    assert torch.allclose(other.generator_loss(a, b), -row.activation(b).mean())
    assert torch.allclose(other.critic_loss(a, b), -bound.total)


def test_the_js_row_is_the_original_gan() -> None:
    # With D = sigmoid(v): c = log 2 + log D, f*(c) = -log 2 - log(1 - D).
    row, v = F_DIVERGENCES["js"], torch.linspace(-30, 30, 121, dtype=F64)
    log_d, log_rest = torch.nn.functional.logsigmoid(v), torch.nn.functional.logsigmoid(-v)
    loss = row.losses()
    assert torch.allclose(loss.real(v), -math.log(2) - log_d, rtol=1e-12, atol=1e-12)
    assert torch.allclose(loss.fake(v), -math.log(2) - log_rest, rtol=1e-12, atol=1e-12)
    assert torch.allclose(loss.generator(v), math.log(2) + log_rest, rtol=1e-12, atol=1e-12)


def test_signs() -> None:
    # A critic's loss of E_p c - E_q f*(c), the signs turned round, is unbounded below for KL; the row's is not.
    c = torch.tensor([1.0, 3.0, 6.0], dtype=F64)
    kl = F_DIVERGENCES["kl"]
    turned = c - kl.conjugate(c)
    assert turned.tolist() == pytest.approx([0.0, -4.389, -142.41], abs=5e-3)
    right = torch.stack([kl.losses().critic_loss(x.expand(2), x.expand(2)) for x in c])
    assert torch.allclose(right, -turned)
    assert (right >= -1e-12).all()  # a constant critic cannot claim a divergence


@pytest.mark.bad_input
def test_bad_input() -> None:
    row, x = F_DIVERGENCES["kl"], torch.zeros(3)
    with pytest.raises(TypeError, match="divergence must be an FDivergence"):
        f_divergence_bound(x, x, "kl")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="divergence must be an FDivergence or a function"):
        f_divergence_1d(P, Q, "kl")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="q must have mass wherever p has"):
        f_divergence_1d(BetaLaw(2, 2), BetaLaw(2, 2, shift=0.5), lambda u: (u - 1).square())
    with pytest.raises(ValueError, match="c_fake must have shape"):
        f_divergence_bound(x, torch.zeros(3, 1), row)
    with pytest.raises(TypeError, match="c_real must have a floating dtype"):
        f_divergence_bound(torch.arange(3), x, row)
    with pytest.raises(TypeError, match="q has no mean and variance"):
        f_divergence_1d(P, SimpleNamespace(log_prob=P.log_prob), row)
    with pytest.raises(ValueError, match="points must be at least 3"):
        f_bound_1d(P, Q, row, points=2)
    with pytest.raises(ValueError, match="critic must map points"):
        f_bound_1d(P, Q, row, lambda x: x)
    with pytest.raises(TypeError, match="p must have a method log_prob"):
        f_bound_1d(None, Q, row)
