"""The answers of chapter 06 against numbers from elsewhere: enumeration, autograd, loops over pairs, scipy, long runs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from gmlib.exercises import find
from gmlib.exercises.energy._cases import MODELS, letters, states, symmetric

F64 = torch.float64


def answer(slug: str) -> Any:
    exercise = find(f"energy.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"energy.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def small_rbm() -> tuple[Tensor, Tensor, Tensor]:
    """The 4 x 3 machine with which the chapter's errors are measured."""
    rng = np.random.default_rng(0)
    return tuple(torch.tensor(rng.normal(size=shape)) for shape in ((4, 3), 4, 3))  # pyright: ignore[reportReturnType]


def visible_law(weights: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """By brute force over both layers."""
    x, h = states(len(b)), states(len(c))
    joint = torch.exp(x @ weights @ h.T + (x @ b)[:, None] + h @ c)
    return joint.sum(1) / joint.sum()


def test_four_letters_have_the_smallest_margin_6_and_seem_to_have_10() -> None:
    x = letters()
    assert (x @ x.T).triu(1).flatten()[[1, 2, 3, 6, 7, 11]].tolist() == [-1, 1, -7, 7, -5, -3]
    assert answer("margins")(x, x).min().item() == 6
    assert wrong("margins", "diagonal-kept")(x, x).min().item() == 10


def test_a_mixture_of_three_orthogonal_patterns() -> None:
    case = find("energy.margins").inputs(0)[1]
    patterns, x = case["patterns"], case["x"]
    assert torch.equal(patterns @ patterns.T, 16 * torch.eye(3, dtype=F64))
    assert (patterns @ x[0] / 16).tolist() == [0.5, 0.5, 0.5]
    assert answer("margins")(patterns, x).tolist() == [16 / 2 - 3] * 2
    assert answer("margins")(patterns, patterns).tolist() == [16 - 3] * 3


def test_no_single_update_of_a_whole_small_network_raises_the_energy() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, bias = symmetric(generator, 6), 3 * torch.randn(6, generator=generator, dtype=F64)
    rises = {"": 0, "no-half": 0, "bias-not-heard": 0}
    for x, i in itertools.product(states(6, -1), range(6)):
        for name in rises:
            path = (wrong if name else lambda slug, _: answer(slug))("lyapunov", name)
            rises[name] += bool(path(weights, bias, x, torch.tensor([i])).diff().item() > 1e-9)
    assert rises[""] == 0
    assert rises["no-half"] > 0
    assert rises["bias-not-heard"] > 0


def test_an_update_costs_nothing_or_twice_the_activation() -> None:
    generator = torch.Generator().manual_seed(1)
    weights, bias = symmetric(generator, 5), torch.randn(5, generator=generator, dtype=F64)
    for x, i in itertools.product(states(5, -1), range(5)):
        activation = weights[i] @ x + bias[i]
        flips = bool(x[i] * activation < 0)
        fall = answer("lyapunov")(weights, bias, x, torch.tensor([i])).diff().item()
        assert fall == pytest.approx(-2 * abs(activation.item()) if flips else 0, abs=1e-12)


def test_the_crosstalk_of_every_choice_of_small_patterns() -> None:
    d, k = 4, 3
    margins = []
    for bits in itertools.product([-1.0, 1.0], repeat=d * k):
        x = numbers(*bits).reshape(k, d)
        weights = x.T @ x
        margins.append((x[0, 0] * (weights[0] @ x[0] - weights[0, 0] * x[0, 0])).item())
    mean, variance, unstable = answer("crosstalk")(numbers(d), numbers(k))[0].tolist()
    assert mean == pytest.approx(np.mean(margins))
    assert variance == pytest.approx(np.var(margins))
    assert unstable == pytest.approx(norm.cdf(-math.sqrt((d - 1) / (k - 1))))


def test_one_unstable_bit_among_a_thousand() -> None:
    load = 1 / norm.isf(1e-3) ** 2
    assert 1000 * load == pytest.approx(105, abs=0.5)
    assert 1000 * answer("crosstalk")(numbers(1000), numbers(105))[0, 2].item() == pytest.approx(1, abs=0.05)


def test_a_step_of_recall_is_scaled_dot_product_attention() -> None:
    generator = torch.Generator().manual_seed(2)
    patterns, queries = (torch.randn(n, 6, generator=generator, dtype=F64) for n in (5, 3))
    due = torch.nn.functional.scaled_dot_product_attention(queries, patterns, patterns)
    found = answer("attention")(patterns, queries, 1 / math.sqrt(6))
    torch.testing.assert_close(found[:, :-2], due)
    # The energy falls by at least half of the squared step, and its slope is the step.
    assert bool((found[:, -2] - found[:, -1] >= 0.5 * (queries - due).square().sum(-1)).all())
    at = queries.clone().requires_grad_()
    (slope,) = torch.autograd.grad(answer("attention")(patterns, at, 1 / math.sqrt(6))[:, -2].sum(), at)
    torch.testing.assert_close(slope, queries - due)


def test_the_factor_in_the_conditional_by_enumeration() -> None:
    generator = torch.Generator().manual_seed(3)
    weights = symmetric(generator, 4)
    x = states(4, -1)
    nothing = torch.zeros(4, dtype=F64)
    for name, counted in (("", 0.5), ("every-pair-twice", 1.0)):
        p = torch.exp(counted * ((x @ weights) * x).sum(-1))
        conditional = (wrong if name else lambda slug, _: answer(slug))("factor-two", name)
        for row, i in itertools.product(range(16), range(4)):
            same = (x[:, [j for j in range(4) if j != i]] == x[row, [j for j in range(4) if j != i]]).all(-1)
            due = (p * same * (x[:, i] > 0)).sum() / (p * same).sum()
            torch.testing.assert_close(conditional(weights, nothing, x[row : row + 1], 1.0)[0, i], due)


def test_a_sweep_is_invariant_and_not_reversible_and_its_halves_are() -> None:
    p = find("energy.gibbs").inputs(0)[1]["p"]
    flow = p.flatten()[:, None] * answer("gibbs")(p)
    half = p.flatten()[:, None] * wrong("gibbs", "only-the-first")(p)
    assert not torch.allclose(flow, flow.T, atol=1e-4)
    torch.testing.assert_close(half, half.T)
    at_once = wrong("gibbs", "both-from-the-old-state")(p)
    assert (p.flatten() @ at_once - p.flatten()).abs().sum() > 1e-3
    # Under p the new pair has the right marginals, though it does not fit together.
    after = (p.flatten() @ at_once).reshape(p.shape)
    for axis in (0, 1):
        torch.testing.assert_close(after.sum(axis), p.sum(axis))


def test_many_sweeps_forget_the_start() -> None:
    p = find("energy.gibbs").inputs(1)[2]["p"]
    ends = torch.linalg.matrix_power(answer("gibbs")(p), 200)
    torch.testing.assert_close(ends, p.flatten().expand(9, 9))


def test_the_parts_of_the_small_machine() -> None:
    weights, b, c = small_rbm()
    x, h = states(4), states(3)
    joint = torch.exp(x @ weights @ h.T + (x @ b)[:, None] + h @ c)
    for row, column in ((5, 3), (9, 6)):
        found = answer("rbm")(weights, b, c, x[row], h[column])
        torch.testing.assert_close(found[:3], (joint[row] @ h) / joint[row].sum())
        torch.testing.assert_close(found[3:7], (joint[:, column] @ x) / joint[:, column].sum())
        torch.testing.assert_close(torch.exp(-found[7]), joint[row].sum())


def test_the_printed_sign_turns_the_gradient_round() -> None:
    # One unit in each layer, no biases, datum 1: the derivative of log p, and the well-known formula.
    w = numbers(0.5).requires_grad_()
    zero = torch.zeros(1, dtype=F64)

    def log_p(name: str) -> Tensor:
        parts = wrong("rbm", name) if name else answer("rbm")
        minus_free = torch.stack([-parts(w[:, None], zero, zero, numbers(x), zero)[-1] for x in (0.0, 1.0)])
        return torch.log_softmax(minus_free, 0)[1]

    slopes = [torch.autograd.grad(log_p(name), w)[0].item() for name in ("energy-without-minus", "")]
    assert slopes[0] == pytest.approx(-0.209, abs=5e-4)
    h = 1 / (1 + math.exp(-0.5))
    assert slopes[1] == pytest.approx(h - math.exp(0.5) / (3 + math.exp(0.5)), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "due"), [("old-x-with-new-h", 0.0579), ("means-down", 0.0134), ("half-a-step", 0.0), ("", 0.0)]
)
def test_which_rule_stands_still_on_perfect_data(name: str, due: float) -> None:
    machine = small_rbm()
    rule = wrong("sampled", name) if name else answer("sampled")
    step = rule(*machine, states(4), states(3), visible_law(*machine))
    assert step.abs().max().item() == pytest.approx(due, abs=5e-5)


def test_the_expected_step_by_simulation() -> None:
    weights, b, c = small_rbm()
    data = (torch.linspace(1, 2, 16, dtype=F64) / 24).contiguous()
    generator = torch.Generator().manual_seed(4)
    n = 50_000
    x = states(4)[torch.multinomial(data, n, replacement=True, generator=generator)]

    def draw(p: Tensor) -> Tensor:
        return (torch.rand(p.shape, generator=generator, dtype=F64) < p).to(F64)

    h = draw(torch.sigmoid(x @ weights + c))
    y = draw(torch.sigmoid(h @ weights.T + b))
    g = draw(torch.sigmoid(y @ weights + c))
    each = x[:, :, None] * h[:, None, :] - y[:, :, None] * g[:, None, :]
    error = each.std(0) / math.sqrt(n)
    due = answer("sampled")(weights, b, c, states(4), states(3), data)
    assert bool(((each.mean(0) - due).abs() < 4.5 * error).all())


def test_the_three_terms_and_the_two() -> None:
    case = find("energy.cd-gradient").inputs(0)[1]
    theta, data, k = case["theta"].clone().requires_grad_(), case["data"], 2
    energy, chain = MODELS["triangle"](theta)
    log_p = torch.log_softmax(-energy, 0)
    after = data @ torch.linalg.matrix_power(chain, k)
    cd = (data * (data.log() - log_p)).sum() - (after * (after.log() - log_p)).sum()
    (due,) = torch.autograd.grad(cd, theta)
    terms = answer("cd-gradient")(MODELS["triangle"], case["theta"], data, k)
    torch.testing.assert_close(terms.sum(0), due)
    assert (terms[:2].sum(0) - due).norm() > 1e-3 * due.norm()


@pytest.mark.parametrize("name", ["rbm", "triangle"])
def test_the_chains_keep_the_laws_of_their_models(name: str) -> None:
    energy, chain = MODELS[name](torch.randn(6 if name == "rbm" else 3, dtype=F64))
    p = torch.softmax(-energy, 0)
    torch.testing.assert_close(chain.sum(1), torch.ones(8, dtype=F64))
    torch.testing.assert_close(p @ chain, p)


def test_where_cd_rests_is_where_the_chain_says_so() -> None:
    case = find("energy.cd-elsewhere").inputs(3)[1]
    precision, direction, mean, k = case.values()
    likelihood, contrastive = answer("cd-elsewhere")(precision, direction, mean, k).tolist()

    def pull(theta: float, sweeps: int | None) -> float:
        x, centre = mean.clone(), theta * direction
        for _ in range(sweeps or 0):
            for i in range(len(x)):
                rest = precision[i] @ (x - centre) - precision[i, i] * (x[i] - centre[i])
                x[i] = centre[i] - rest / precision[i, i]
        end = centre if sweeps is None else x
        return float(direction @ precision @ (mean - end))

    assert pull(likelihood, None) == pytest.approx(0, abs=1e-10)
    assert pull(contrastive, k) == pytest.approx(0, abs=1e-10)
    assert abs(likelihood - contrastive) > 1e-2


def test_persistent_chains_end_at_maximum_likelihood_and_the_printed_sign_does_not() -> None:
    start = numbers(1.0)[0], numbers(0.3)[0]
    path = answer("pcd")(*start, 2.0, 0.7, 0.05, 2000)
    assert path[-1].tolist() == pytest.approx([0.5, 2.0])
    best = numbers(0.5)[0], numbers(2.0)[0]
    step = wrong("pcd", "minus-twice")(*best, 2.0, 0.7, 1.0, 1)[1, 0] - best[0]
    assert step.item() == pytest.approx(-2)


@pytest.mark.parametrize(("share", "spirals"), [(0.9, False), (1.1, True)])
def test_slow_chains_make_a_fast_learner_spiral(share: float, spirals: bool) -> None:
    keep, var = 0.8, 2.0
    lr = share * 2 / var**2 * (1 - keep) / (1 + keep)
    round_ = answer("pcd")

    def after(state: Tensor) -> Tensor:
        return round_(state[0], state[1], var, keep, lr, 1)[1]

    jacobian = torch.autograd.functional.jacobian(after, numbers(1 / var, var))
    values = torch.linalg.eigvals(torch.as_tensor(jacobian))
    assert bool((values.imag.abs() > 1e-6).all()) is spirals
    assert values.prod().real.item() == pytest.approx(keep**2)


def test_two_units_alternate_and_no_network_has_a_longer_period() -> None:
    swap, nothing = numbers(0, 1, 1, 0).reshape(2, 2), numbers(0, 0)
    assert answer("two-cycle")(swap, nothing, numbers(1, -1), 3).tolist() == [[1.0, -2.0]] * 3
    generator = torch.Generator().manual_seed(5)
    periods = set()
    for _ in range(6):
        weights, bias = symmetric(generator, 5), 0.5 * torch.randn(5, generator=generator, dtype=F64)
        for start in states(5, -1):
            x = start
            seen = [x]
            while not any(torch.equal(x, old) for old in seen[:-1]):
                x = 1 - 2 * (weights @ x + bias < 0).to(x)
                seen.append(x)
            periods.add(len(seen) - 1 - next(i for i, old in enumerate(seen) if torch.equal(x, old)))
    assert periods == {1, 2}


def test_the_slope_in_a_shared_weight_by_small_differences() -> None:
    generator = torch.Generator().manual_seed(6)
    weights, patterns = symmetric(generator, 4), states(4, -1)[[1, 6, 11]]
    found = answer("learning")(weights, patterns)

    def fit(w: Tensor) -> float:
        chance = torch.sigmoid(patterns @ w)
        return torch.where(patterns > 0, chance, 1 - chance).log().sum().item()

    for i, j in itertools.combinations(range(4), 2):
        nudge = torch.zeros(4, 4, dtype=F64)
        nudge[i, j] = nudge[j, i] = 1e-5
        assert found[i, j].item() == pytest.approx((fit(weights + nudge) - fit(weights - nudge)) / 2e-5)
    # Hebb's rule is the first step from no weights at all.
    hebb = patterns.T @ patterns - 3 * torch.eye(4, dtype=F64)
    torch.testing.assert_close(answer("learning")(0 * weights, patterns), hebb)
