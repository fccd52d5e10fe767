"""The answers of chapter 05 against numbers from elsewhere: quadrature, autograd, gmlib's own layers, simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import norm
from torch import Tensor

from gmlib.exercises import check, find
from gmlib.exercises.flows._cases import MaskedNet, table_of_banana, table_of_cross
from gmlib.flows import Affine, QuadraticShear, log_det_terms, reference_matrix

F64 = torch.float64


def answer(slug: str) -> Any:
    exercise = find(f"flows.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"flows.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize(
    ("name", "integral"),
    [("", 1.0), ("all-at-x", 0.606), ("all-at-u", 1.381), ("no-jacobian", None), ("wrong-sign", None)],
)
def test_what_the_density_of_the_composition_integrates_to(name: str, integral: float | None) -> None:
    density = wrong("composition", name) if name else answer("composition")
    u = torch.linspace(-6, 6, 4001, dtype=F64)
    x = u.sinh() + u.sinh() ** 3 / 3
    stretch = u.cosh() * (1 + u.sinh() ** 2)
    found = torch.trapezoid(density(x).exp() * stretch, u).item()
    if integral is None:
        assert found > 10
    else:
        assert found == pytest.approx(integral, abs=6e-4)


def test_the_density_of_the_composition_is_the_slope_of_its_distribution() -> None:
    x = numbers(-20.0, -1.3, 0.0, 0.4, 7.0)

    def below(x: np.ndarray) -> np.ndarray:
        roots = [next(r.real for r in np.roots([1 / 3, 0, 1, -v]) if abs(r.imag) < 1e-9) for v in x]
        return norm.cdf(np.arcsinh(roots))

    step = 1e-5
    slope = (below(x.numpy() + step) - below(x.numpy() - step)) / (2 * step)
    assert answer("composition")(x).exp().tolist() == pytest.approx(slope.tolist(), rel=1e-5)


def test_twice_as_wide_is_half_as_high() -> None:
    """What is said in the chapter of x = 2u: a density without its log-determinant, and with the wrong sign."""
    for name, factor in (("", 1), ("no-determinant", 2), ("wrong-sign", 4)):
        density = wrong("quadratic-shear", name) if name else answer("quadratic-shear")
        x = torch.zeros(4001, 4, dtype=F64)
        x[:, 2] = torch.linspace(-20, 20, 4001, dtype=F64)
        found = density(x, numbers(math.log(2), 0.0, 0.0), numbers(0.0, 0.0, 0.0)).exp().sum() * 0.01
        assert found.item() == pytest.approx(factor * (2 * math.pi) ** -1.5)


def test_the_affine_layer_is_the_package_s() -> None:
    case = find("flows.affine-layer").inputs(3)[1]
    params = torch.stack([case["scale"].log(), case["shift"]], -1)
    u, log_slope = Affine().inverse(case["x"], params)
    found = answer("affine-layer")(*case.values())
    torch.testing.assert_close(found[:, :-1], u)
    torch.testing.assert_close(found[:, -1], log_slope.sum(-1))


def test_the_two_layers_come_back_for_many_points() -> None:
    first, second, u = random(3, 6, seed=1), random(3, 6, seed=2), random(200, 6, seed=3)
    left, right = u[:, :3], u[:, 3:]
    a = torch.tanh(left @ first)
    right = right * a[:, :3].exp() + a[:, 3:]
    a = torch.tanh(right @ second)
    x = torch.cat([left * a[:, :3].exp() + a[:, 3:], right], -1)
    torch.testing.assert_close(answer("coupling-inverse")(x, first, second), u)
    # With conditioners that are constant, also the wrong half does.
    assert torch.equal(
        wrong("coupling-inverse", "changed-half-to-the-conditioner")(x, 0 * first, 0 * second), x
    )


def test_problem_15_2_1() -> None:
    a, b = numbers(0.3, 0.5, -0.2), numbers(-0.4, 0.7, 0.1)
    layer = QuadraticShear(*a.tolist(), *b.tolist()).double()
    x, log_det = layer(random(50, 4))
    assert log_det[0].item() == pytest.approx(-0.1)
    u, back = layer.inverse(x)
    due = norm.logpdf(u.detach().numpy()).sum(-1) + back.detach().numpy()
    assert answer("quadratic-shear")(x.detach(), a, b).tolist() == pytest.approx(due.tolist())
    # Moments by a rule that is exact for polynomials of this degree.
    axis, weight = np.polynomial.hermite_e.hermegauss(5)
    points = torch.cartesian_prod(*[torch.tensor(axis)] * 4)
    mass = torch.cartesian_prod(*[torch.tensor(weight / weight.sum())] * 4).prod(-1)
    third, fourth = layer(points)[0].detach()[:, 2:].unbind(-1)
    mean = (mass * third).sum()
    assert mean.item() == pytest.approx((a[1] + a[2]).item())
    variance = (2 * a[0]).exp() + 2 * a[1] ** 2 + 2 * a[2] ** 2
    assert (mass * (third - mean) ** 2).sum().item() == pytest.approx(variance.item())
    # The kurtosis of (e), for a log-scale that depends on u1, by the same rule on more points.
    axis, weight = np.polynomial.hermite_e.hermegauss(60)
    weight /= weight.sum()
    spread = [(weight * np.exp(0.3 * n * axis)).sum() * (weight * axis**n).sum() for n in (2, 4)]
    assert spread[0] == pytest.approx(math.exp(2 * 0.09))
    assert spread[1] / spread[0] ** 2 == pytest.approx(3 * math.exp(4 * 0.09))
    covariance = (mass * (third - mean) * (fourth - (mass * fourth).sum())).sum()
    assert covariance.item() == pytest.approx((2 * a[1] * b[1] + 2 * a[2] * b[2]).item())


@pytest.mark.parametrize(("d", "ones"), [(4, 2), (2, 1), (5, 1), (6, 4)])
def test_structural_zeros_are_the_zeros_of_jacobians_by_autograd(d: int, ones: int) -> None:
    kept = (torch.arange(d) < ones).to(F64)

    def flow(u: Tensor, layers: int) -> Tensor:
        for layer in range(layers):
            stays = kept if layer % 2 == 0 else 1 - kept
            a, mu = (torch.sin((stays * u) @ random(d, d, seed=9 * layer + i) + 0.3) for i in range(2))
            u = stays * u + (1 - stays) * (u * a.exp() + mu)
        return u

    found = []
    for layers in (1, 2, 3):
        jacobian = torch.autograd.functional.jacobian(lambda u, n=layers: flow(u, n), random(d, seed=5))
        found.append(int((torch.as_tensor(jacobian) == 0).sum()))
    assert answer("zeros")(kept, 3).tolist() == found
    if d == 4:
        assert found == [8, 2, 0]


@pytest.mark.parametrize(
    ("name", "cross", "banana"),
    [("", 0.3283, 0.3354), ("full-gaussian", 0.7139, None), ("first-coordinate-free", 0.3283 - 0.2517, None)],
)
def test_floors_of_cross_and_banana(name: str, cross: float, banana: float | None) -> None:
    floor = wrong("floors", name) if name else answer("floors")
    assert floor(*table_of_cross()).item() == pytest.approx(cross, abs=1e-4)
    p, x1, x2 = table_of_banana()
    if banana is not None:
        assert floor(p, x1, x2).item() == pytest.approx(banana, abs=1e-4)
        assert floor(p.T, x2, x1).item() == pytest.approx(0, abs=1e-6)


def test_the_floor_as_two_divergences_is_accepted() -> None:
    """The formula of (a) as it stands, with sums, is the one of (b) on every input."""

    def normal(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return -0.5 * (x - mean) ** 2 / var - 0.5 * (2 * math.pi * var).log()

    def floor(p: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        step1, step2 = x1[1] - x1[0], x2[1] - x2[0]
        first = p.sum(1) * step2
        given = p / first[:, None]
        mean1 = (first * x1).sum() * step1
        var1 = (first * (x1 - mean1) ** 2).sum() * step1
        mean2 = given @ x2 * step2
        var2 = (given * (x2 - mean2[:, None]) ** 2).sum(1) * step2
        of_first = (first * (first.log() - normal(x1, mean1, var1))).sum() * step1
        ratio = given.log() - normal(x2, mean2[:, None], var2[:, None])
        return of_first + (first[:, None] * given * ratio).sum() * step1 * step2

    assert check("flows.floors", floor, record=False)


def test_the_grids_hold_the_two_laws() -> None:
    for (p, x1, x2), entropy in (
        (table_of_cross(), 1.4531),
        (table_of_banana(), math.log(2 * math.pi * math.e * 2)),
    ):
        cell = (x1[1] - x1[0]) * (x2[1] - x2[0])
        assert (p.sum() * cell).item() == pytest.approx(1, abs=1e-6)
        assert -(p * p.log()).sum().item() * cell.item() == pytest.approx(entropy, abs=1e-4)


def test_maf_and_iaf_undo_each_other_and_the_passes_are_counted() -> None:
    weights = random(2, 5, 5)
    v = random(7, 5, seed=1)
    net = MaskedNet(weights)
    maf, iaf = answer("maf-and-iaf")(v, net)
    assert net.calls == 5
    again, _ = answer("maf-and-iaf")(iaf, MaskedNet(weights))
    torch.testing.assert_close(again, v)
    _, back = answer("maf-and-iaf")(maf, MaskedNet(weights))
    torch.testing.assert_close(back, v)
    jacobian = torch.autograd.functional.jacobian(lambda y: torch.stack(MaskedNet(weights)(y)), v[0])
    for slopes in torch.as_tensor(jacobian):
        assert torch.equal(slopes, slopes.tril(-1))


@pytest.mark.parametrize(("needless", "passed"), [(0, True), (1, True), (2, False)])
def test_one_call_of_the_net_more_than_needed_is_accepted(needless: int, passed: bool) -> None:
    def slower(v: Tensor, net: Any) -> Tensor:
        for _ in range(needless):
            net(v)
        return answer("maf-and-iaf")(v, net)

    assert bool(check("flows.maf-and-iaf", slower, record=False)) is passed


def test_the_linear_field_against_scipy() -> None:
    a, x = 1.5 * random(3, 3), random(4, 3, seed=1)
    u = x.numpy() @ expm(0.7 * a.numpy()).T
    due = norm.logpdf(u).sum(-1) + 0.7 * np.trace(a.numpy())
    assert answer("linear-field")(x, a, 0.7).tolist() == pytest.approx(due.tolist())


def test_how_far_eulers_log_determinant_is_from_the_trace() -> None:
    a, step = reference_matrix(), 1 / 80
    steps = 80 * torch.linalg.slogdet(torch.eye(6, dtype=F64) + step * a)[1] - a.trace()
    assert steps.item() == pytest.approx(7.526e-4, abs=1e-7)
    assert -step / 2 * (a @ a).trace().item() == pytest.approx(7.639e-4, abs=1e-7)
    for b, sign in ((a + a.T, -1), (a - a.T, 1)):
        one = torch.linalg.slogdet(torch.eye(6, dtype=F64) + step * b)[1] - step * b.trace()
        assert torch.sign(one).item() == sign


def test_the_convolution_against_the_jacobian_by_autograd() -> None:
    x, weight = random(2, 3, 2, 4), random(3, 3, seed=1)
    found = answer("conv-1x1")(x, weight)
    jacobian = torch.autograd.functional.jacobian(
        lambda image: torch.nn.functional.conv2d(image, weight[:, :, None, None]), x[0]
    )
    due = torch.linalg.slogdet(torch.as_tensor(jacobian).reshape(24, 24))[1]
    torch.testing.assert_close(found, due.expand(2))
    mirror = torch.diag(numbers(1.0, -1.0, 1.0))
    assert answer("conv-1x1")(x, mirror).tolist() == [0.0, 0.0]
    assert wrong("conv-1x1", "no-absolute-value")(x, mirror).isnan().all()


def test_roulette_on_the_matrix_of_the_chapter() -> None:
    terms = log_det_terms(reference_matrix(), 60)
    mean, variance = answer("roulette")(terms, 0.5).tolist()
    assert mean == pytest.approx(-0.2712624, abs=1e-7)
    assert variance == pytest.approx(0.02222, abs=5e-6)
    # The formula of (b), term by term.
    chance = [0.5 ** (k - 1) for k in range(1, 61)]
    values = terms.tolist()
    square = sum(t * t / c for t, c in zip(values, chance, strict=True))
    square += 2 * sum(values[j] * values[k] / chance[j] for j, k in itertools.combinations(range(60), 2))
    assert variance == pytest.approx(square - mean**2)


def test_roulette_by_simulation() -> None:
    terms, r, n = numbers(1.0, -0.5, 0.4), 0.6, 200_000
    generator = torch.Generator().manual_seed(0)
    on = torch.rand(n, 2, generator=generator, dtype=F64) < r
    reached = torch.cat([torch.ones(n, 1, dtype=F64), on.to(F64).cumprod(-1)], -1)
    draws = (reached * terms / numbers(1.0, r, r * r)).sum(-1)
    mean, variance = answer("roulette")(terms, r).tolist()
    assert draws.mean().item() == pytest.approx(mean, abs=4.5 * math.sqrt(variance / n))
    # Standard error of a variance, from the fourth moment of the draws.
    error = (((draws - mean) ** 2).var() / n).sqrt().item()
    assert draws.var().item() == pytest.approx(variance, abs=4.5 * error)


@pytest.mark.parametrize(("r", "finite"), [(0.3, False), (0.5, True)])
def test_the_variance_of_the_worst_block_grows_without_end_below_the_squared_constant(
    r: float, finite: bool
) -> None:
    k = torch.arange(1, 401, dtype=F64)
    terms = -(0.6**k) / k
    short, long = (answer("roulette")(terms[:n], r)[1].item() for n in (200, 400))
    assert (long / short < 1.001) is finite


def test_the_variance_of_the_worst_block_is_finite_at_the_squared_constant() -> None:
    k = torch.arange(1, 4001, dtype=F64)
    terms = -(0.6**k) / k
    # The terms left fall like 1/k^2, so that each doubling adds half as much as the one before.
    ends = [answer("roulette")(terms[:n], 0.36)[1].item() for n in (50, 100, 200)]
    assert (ends[2] - ends[1]) / (ends[1] - ends[0]) == pytest.approx(0.5, abs=0.03)
