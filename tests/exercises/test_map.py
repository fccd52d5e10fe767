"""The answers of chapter 01 against numbers that come from elsewhere: torch's laws, quadrature, scipy, simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch.distributions import Independent, Normal

from gmlib.exercises import find

F64 = torch.float64


def answer(slug: str) -> Any:
    exercise = find(f"map.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"map.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def cases(slug: str) -> list[dict[str, Any]]:
    return find(f"map.{slug}").inputs(11)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def test_bits_of_a_byte_and_of_a_digit() -> None:
    assert answer("bits-per-dim")(torch.zeros(3, dtype=F64), 5, 256).item() == pytest.approx(8.0, abs=1e-12)
    printed = wrong("bits-per-dim", "multiplied-by-ln-2")(torch.zeros(3, dtype=F64), 5, 256)
    assert printed.item() == pytest.approx(3.8436, abs=5e-5)
    # A law over one level has no scale to account for: 1500 nats for 784 pixels.
    assert answer("bits-per-dim")(numbers(-1500.0), 784, 1).item() == pytest.approx(2.76, abs=5e-3)


def test_bits_are_those_of_the_density_in_pixel_units() -> None:
    levels, spread = 16, 2.5
    x = torch.tensor([[3.2, 7.9], [11.0, 0.4]], dtype=F64)
    in_pixels = Normal(8.0, spread).log_prob(x).sum(-1)
    in_cube = Normal(8.0 / levels, spread / levels).log_prob(x / levels).sum(-1)
    due = -in_pixels.mean() / (2 * math.log(2))
    torch.testing.assert_close(answer("bits-per-dim")(in_cube, 2, levels), due)


def test_the_dequantised_bound_on_a_law_that_can_be_integrated() -> None:
    # For a normal law the expectation of log p over a cell is elementary.
    u = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    x = numbers(2.0, 3.0, 4.0)
    found = answer("dequantised-bound")(x, 3.2, 1.1, u)
    second_moment = (x - 3.2) ** 2 + 1 / 12
    due = -0.5 * second_moment / 1.1**2 - math.log(1.1) - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(found, due, rtol=1e-8, atol=1e-8)
    exact = (Normal(3.2, 1.1).cdf(x + 0.5) - Normal(3.2, 1.1).cdf(x - 0.5)).log()
    assert (found < exact).all()
    assert exact[1].item() == pytest.approx(-1.0636, abs=5e-5)
    assert found[1].item() == pytest.approx(-1.0652, abs=5e-5)


def test_noise_of_the_wrong_cell_gives_no_bound() -> None:
    u = (torch.arange(2_000, dtype=F64) + 0.5) / 2_000
    law = Normal(torch.tensor(4.0, dtype=F64), 0.3)
    exact = (law.cdf(numbers(3.5)) - law.cdf(numbers(2.5))).log().item()
    assert exact == pytest.approx(-3.041, abs=5e-4)
    assert answer("dequantised-bound")(numbers(3.0), 4.0, 0.3, u).item() == pytest.approx(-5.733, abs=1e-3)
    no_bound = wrong("dequantised-bound", "noise-for-floor")(numbers(3.0), 4.0, 0.3, u).item()
    assert no_bound == pytest.approx(-1.567, abs=1e-3)


def test_the_gap_has_its_expectation() -> None:
    m, d, repeats, held_out = 8, 3, 4000, 40
    generator = torch.Generator().manual_seed(0)
    train = 2.0 + 1.7 * torch.randn(repeats, m, d, generator=generator, dtype=F64)
    test = 2.0 + 1.7 * torch.randn(repeats, held_out, d, generator=generator, dtype=F64)
    gaps = torch.stack([answer("held-out-gap")(a, b) for a, b in zip(train, test, strict=True)])
    due = d * (d + 1) / (d * (m - 1) - 2)
    assert abs(gaps.mean().item() - due) < 4 * gaps.std().item() / math.sqrt(repeats)


def test_the_gap_is_torch_s() -> None:
    for case in cases("held-out-gap"):
        mean = case["train"].mean(0)
        law = Independent(Normal(mean, (case["train"] - mean).square().mean().sqrt()), 1)
        due = law.log_prob(case["train"]).mean() - law.log_prob(case["test"]).mean()
        torch.testing.assert_close(answer("held-out-gap")(**case), due)


def test_both_kls_of_two_normal_laws() -> None:
    x = torch.arange(-24, 24, 0.01, dtype=F64)
    p, q = (Normal(numbers(mean), numbers(std)) for mean, std in ((0.0, 1.0), (1.0, 2.0)))
    found = answer("both-kls")(p.log_prob(x).exp(), q.log_prob(x).exp(), 0.01)
    due = [torch.distributions.kl_divergence(a, b).item() for a, b in ((p, q), (q, p))]
    assert found.tolist() == pytest.approx(due, abs=1e-9)


def test_both_kls_where_one_law_rules_out_what_the_other_does() -> None:
    uniform, half = torch.full((10,), 1.0, dtype=F64), numbers(*[2.0] * 5, *[0.0] * 5)
    found = answer("both-kls")(uniform, half, 0.1)
    assert found[0].item() == math.inf
    assert found[1].item() == pytest.approx(math.log(2), abs=1e-12)


def test_the_nearest_normal_law_of_two_bumps() -> None:
    ones = torch.ones(2, dtype=F64)
    assert answer("best-gaussian")(ones / 2, numbers(-3.0, 3.0), ones).tolist() == pytest.approx([0.0, 10.0])


def test_the_nearest_normal_law_is_what_samples_give() -> None:
    weights, means, variances = numbers(0.2, 0.8), numbers(-1.0, 2.0), numbers(0.5, 1.5)
    n, generator = 200_000, torch.Generator().manual_seed(1)
    which = torch.multinomial(weights, n, replacement=True, generator=generator)
    noise = torch.randn(n, generator=generator, dtype=F64)
    x = means[which] + variances[which].sqrt() * noise
    mean, variance = answer("best-gaussian")(weights, means, variances).tolist()
    assert abs(x.mean().item() - mean) < 4 * math.sqrt(variance / n)
    assert abs(x.var().item() - variance) < 4 * (x - x.mean()).square().std().item() / math.sqrt(n)


def test_the_kernel_density_is_scipy_s() -> None:
    stats = pytest.importorskip("scipy.stats")
    for case in cases("kernel-density")[:4]:
        n, d = case["data"].shape
        parts = [
            stats.multivariate_normal(row.numpy(), case["bandwidth"] ** 2).pdf(case["points"].numpy())
            for row in case["data"]
        ]
        due = torch.tensor(sum(parts) / n, dtype=F64).reshape(-1).log()
        torch.testing.assert_close(answer("kernel-density")(**case), due)
        assert d <= 5


def test_the_kernel_density_has_mass_1_in_the_plane_and_the_usual_mistake_has_not() -> None:
    data = numbers(0.0, 1.0, -0.5).reshape(3, 1) * numbers(1.0, 0.4)
    axis = torch.linspace(-3, 3, 241, dtype=F64)
    points = torch.cartesian_prod(axis, axis)
    cell = (axis[1] - axis[0]) ** 2
    assert (answer("kernel-density")(points, data, 0.25).exp().sum() * cell).item() == pytest.approx(
        1.0, abs=1e-9
    )
    mass = (wrong("kernel-density", "bandwidth-once")(points, data, 0.25).exp().sum() * cell).item()
    assert mass == pytest.approx(0.25, abs=1e-9)


def test_the_mixture_is_torch_s() -> None:
    log_model, log_noise = numbers(-0.3, -1400.0), numbers(-2.0, -1402.0)
    due = torch.log(0.01 * numbers(-0.3).exp() + 0.99 * numbers(-2.0).exp())
    found = answer("one-per-cent")(log_model, log_noise, 0.01)
    assert found[0].item() == pytest.approx(due.item(), abs=1e-12)
    assert found[1].item() == pytest.approx(-1400 + math.log(0.01 + 0.99 * math.exp(-2)), abs=1e-9)


def test_what_one_per_cent_costs_at_most() -> None:
    here = numbers(0.0)
    far = Normal(100.0, 1.0).log_prob(here)
    loss = Normal(0.0, 1.0).log_prob(here) - answer("one-per-cent")(
        Normal(0.0, 1.0).log_prob(here), far, 0.01
    )
    assert loss.item() == pytest.approx(math.log(100), abs=1e-12)
    assert math.log(100) == pytest.approx(4.605, abs=5e-4)
    assert math.log(100) / (784 * math.log(2)) == pytest.approx(0.0085, abs=5e-5)


def test_the_log_inception_score_is_a_mutual_information() -> None:
    for case in cases("inception-score"):
        joint = case["probs"] / len(case["probs"])
        outer = joint.sum(1, keepdim=True) * joint.sum(0)
        due = torch.special.xlogy(joint, joint / outer).sum()
        torch.testing.assert_close(answer("inception-score")(**case), due, rtol=1e-9, atol=1e-12)
    assert answer("inception-score")(torch.eye(7, dtype=F64)).item() == pytest.approx(math.log(7), abs=1e-12)


@pytest.mark.parametrize(("dim", "n", "m"), [(1, 500, 500), (3, 400, 800)])
def test_the_bias_is_what_two_samples_of_one_law_show(dim: int, n: int, m: int) -> None:
    repeats, generator = 600, torch.Generator().manual_seed(dim)
    a = torch.randn(repeats, n, dim, generator=generator, dtype=F64)
    b = torch.randn(repeats, m, dim, generator=generator, dtype=F64)

    def covariance(x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(1, keepdim=True)
        return x.mT @ x / (x.shape[1] - 1)

    means = (a.mean(1) - b.mean(1)).square().sum(-1)
    one, two = covariance(a), covariance(b)
    roots = torch.linalg.eigvals(one @ two).real.sqrt().sum(-1)
    covariances = (one + two).diagonal(dim1=1, dim2=2).sum(-1) - 2 * roots
    for measured, due in zip((means, covariances), answer("frechet-bias")(dim, n, m).tolist(), strict=True):
        error = measured.std().item() / math.sqrt(repeats)
        # The next order is smaller by about dim / n.
        assert abs(measured.mean().item() - due) < 4 * error + due * dim / n


def test_the_bias_of_the_chapter() -> None:
    assert answer("frechet-bias")(4, 200, 200).sum().item() == pytest.approx(0.09, abs=1e-12)
    assert answer("frechet-bias")(64, 2000, 2000).tolist() == pytest.approx([0.064, 1.040], abs=1e-12)


def test_precision_by_hand() -> None:
    real = numbers(0.0, 1.0, 3.0, 10.0).reshape(4, 1)
    # At k = 1 the balls are [-1, 1], [0, 2], [1, 5] and [3, 17].
    fake = numbers(-1.5, -0.5, 2.5, 6.0, 18.0).reshape(5, 1)
    assert answer("precision")(real, fake, 1).item() == pytest.approx(3 / 5)
    assert wrong("precision", "self-neighbour")(real, fake, 1).item() == 0
    # At k = 2 they are [-3, 3], [-1, 3], [0, 6] and [1, 19].
    assert answer("precision")(real, fake, 2).item() == pytest.approx(1.0)
    assert answer("precision")(fake, real, 1).item() == wrong("precision", "recall")(real, fake, 1).item()


def test_precision_is_prdc_s() -> None:
    prdc = pytest.importorskip("prdc")
    for case in cases("precision"):
        due = prdc.compute_prdc(case["real"].numpy(), case["fake"].numpy(), nearest_k=case["k"])["precision"]
        assert answer("precision")(**case).item() == pytest.approx(due, abs=1e-12)


def test_mmd_of_two_normal_laws_has_its_closed_form_as_mean() -> None:
    n, repeats, generator = 6, 4000, torch.Generator().manual_seed(2)
    x = torch.randn(repeats, n, 1, generator=generator, dtype=F64)
    y = 1 + torch.randn(repeats, n, 1, generator=generator, dtype=F64)
    found = torch.stack([answer("unbiased-mmd")(a, b, 1.0) for a, b in zip(x, y, strict=True)])
    # E k = sqrt(1/3) exp(-d^2 / 6) for means that differ by d.
    due = 2 * math.sqrt(1 / 3) * (1 - math.exp(-1 / 6))
    assert due == pytest.approx(0.17727, abs=5e-6)
    error = found.std().item() / math.sqrt(repeats)
    assert abs(found.mean().item() - due) < 4 * error
    kept = torch.stack(
        [wrong("unbiased-mmd", "diagonal-left-in")(a, b, 1.0) for a, b in zip(x, y, strict=True)]
    )
    assert abs(kept.mean().item() - due - 2 / n * (1 - math.sqrt(1 / 3))) < 4 * error
    assert found.min() < 0 <= kept.min()


def test_mmd_by_pairs() -> None:
    for case in cases("unbiased-mmd"):
        x, y, scale = case["x"].tolist(), case["y"].tolist(), 2 * case["bandwidth"] ** 2

        def mean(pairs: Any, scale: float = scale) -> float:
            found = [math.exp(-(math.dist(a, b) ** 2) / scale) for a, b in pairs]
            return sum(found) / len(found)

        due = mean(itertools.permutations(x, 2)) + mean(itertools.permutations(y, 2))
        due -= 2 * mean(itertools.product(x, y))
        assert answer("unbiased-mmd")(**case).item() == pytest.approx(due, abs=1e-12)


def test_the_best_judge_of_two_normal_laws() -> None:
    x = torch.arange(-9, 13, 0.001, dtype=F64)
    p = Normal(0.0, 1.0).log_prob(x).exp() * 0.001
    for shift, due in ((1.0, 0.6915), (3.29, 0.95)):
        q = Normal(shift, 1.0).log_prob(x).exp() * 0.001
        assert answer("best-accuracy")(p, q).item() == pytest.approx(due, abs=5e-5)


def test_even_odds_of_a_repetition() -> None:
    def repeated(s: int) -> float:
        return 1 - math.prod(1 - i / 10_000 for i in range(s))

    assert repeated(118) == pytest.approx(0.4999, abs=5e-5)
    assert repeated(119) == pytest.approx(0.506, abs=5e-4)
    assert 118**2 / (2 * math.log(2)) == pytest.approx(10_000, rel=5e-3)
    assert repeated(10_001) == 1


def test_equal_pairs_estimate_the_inverse_sum_of_squares() -> None:
    generator = torch.Generator().manual_seed(3)
    law = torch.cat([numbers(0.1), torch.full((90,), 0.01, dtype=F64)])
    pools = torch.multinomial(law.expand(2000, -1), 60, replacement=True, generator=generator)
    shares = torch.stack([1 / answer("birthday")(pool) for pool in pools])
    due = law.square().sum().item()
    assert abs(shares.mean().item() - due) < 4 * shares.std().item() / math.sqrt(2000)
