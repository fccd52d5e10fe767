"""The nearest normal law, forward (moments) and reverse (one bump)."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.distributions import (
    Gaussian,
    GaussianMixture,
    banana,
    divergences_1d,
    moment_projection,
    reverse_projection,
)
from gmlib.distributions.projections import _reverse_kl

F64 = torch.float64


def bumps(weights: tuple[float, float] = (0.5, 0.5), var: float = 0.25) -> GaussianMixture:
    means = torch.tensor([[-2.0], [2.0]], dtype=F64)
    return GaussianMixture(means, weights=torch.tensor(weights, dtype=F64), var=var)


def normal(mean: float, var: float) -> Gaussian:
    return Gaussian(torch.tensor([mean], dtype=F64), var=var)


def test_forward_kl_projection(generator: torch.Generator) -> None:
    """Forward: exactly the mixture's moments. Reverse: one bump. Mean log-likelihoods differ as the KLs do."""
    for weights in ((0.5, 0.5), (0.7, 0.3)):
        p = bumps(weights)
        forward = moment_projection(p)
        mean = 2 * (weights[1] - weights[0])
        assert forward.mean.item() == pytest.approx(mean, abs=1e-15)
        assert forward.variance.item() == pytest.approx(0.25 + 4 - mean**2, rel=1e-14)
        best = divergences_1d(p, forward).kl.item()
        for m, s in ((1e-2, 1.0), (-1e-2, 1.0), (0.0, 1.01), (0.0, 0.99)):
            other = normal(forward.mean.item() + m, s * forward.variance.item())
            assert divergences_1d(p, other).kl.item() > best + 1e-6
        for start in (-1.0, 1.0):
            q = reverse_projection(p, normal(start, 1.0))
            assert q.mean.item() == pytest.approx(math.copysign(2, start), abs=1e-3)
            assert q.variance.item() == pytest.approx(0.25, rel=5e-3)
            # All of q's mass under one bump of weight w: KL(q || p) = -log w, a little less for the other's tail.
            share = -math.log(weights[int(start > 0)])
            assert share - 1e-3 < divergences_1d(q, p).kl.item() < share
            # E_p log q1 - E_p log q2 = KL(p || q2) - KL(p || q1), by quadrature and on 50,000 draws.
            x = torch.linspace(-8, 8, 4001, dtype=F64)[:, None]
            difference = forward.log_prob(x) - q.log_prob(x)
            mean_ll = torch.trapezoid(p.log_prob(x).exp() * difference, x[:, 0]).item()
            of_kl = divergences_1d(p, q).kl.item() - best
            assert mean_ll == pytest.approx(of_kl, abs=1e-10)
            draws = p.sample((50_000,), generator=generator)
            values = forward.log_prob(draws) - q.log_prob(draws)
            assert abs(values.mean().item() - of_kl) < 5 * values.std().item() / math.sqrt(50_000)


def test_forward_projection_in_several_dimensions() -> None:
    law = banana(dtype=F64)
    q = moment_projection(law)
    torch.testing.assert_close(q.mean, law.mean)
    torch.testing.assert_close(q.covariance, law.covariance)


def test_reverse_projection_is_a_minimum_by_brute_force() -> None:
    p = bumps((0.6, 0.4), var=0.8)
    q = reverse_projection(p, normal(-1.0, 1.0))
    m = q.mean.item() + torch.linspace(-0.02, 0.02, 5, dtype=F64)
    s = q.variance.sqrt().item() * (1 + torch.linspace(-0.02, 0.02, 5, dtype=F64))
    mm, ss = torch.meshgrid(m, s, indexing="ij")
    around = divergences_1d(
        Gaussian(mm[..., None], var=ss[..., None] ** 2), p, low=-14.0, high=14.0, points=4001
    )
    assert around.kl.argmin().item() == 12  # the middle of 5 x 5
    # And to the tenth digit: the derivatives vanish in a finite difference of the quadrature.
    step = 1e-4
    pairs = [normal(q.mean.item() + d, q.variance.item()) for d in (-step, step)]
    slope = (divergences_1d(pairs[1], p).kl - divergences_1d(pairs[0], p).kl) / (2 * step)
    assert abs(slope.item()) < 1e-9


def test_reverse_projection_of_a_normal_law_is_that_law() -> None:
    q = reverse_projection(normal(3.0, 0.04), normal(-5.0, 9.0))
    assert q.mean.item() == pytest.approx(3.0, abs=1e-12)
    assert q.variance.item() == pytest.approx(0.04, rel=1e-9)


def test_equal_bumps_have_a_third_minimum_in_the_middle() -> None:
    """From the centre the search ends on the axis of symmetry: a wide q over both bumps, worse than either bump."""
    wide = reverse_projection(bumps(), normal(0.0, 1.0))
    assert wide.mean.item() == pytest.approx(0.0, abs=1e-8)
    assert (
        divergences_1d(wide, bumps()).kl
        > 2 * divergences_1d(reverse_projection(bumps(), normal(1.0, 1.0)), bumps()).kl
    )


def test_derivatives_by_parts_are_those_of_the_quadrature() -> None:
    p = bumps((0.7, 0.3), var=0.6)
    noise = torch.linspace(-12, 12, 2401, dtype=F64)
    weight = torch.softmax(-0.5 * noise.square(), 0)
    at = torch.tensor([0.4, -0.3], dtype=F64)

    def value(at: torch.Tensor) -> torch.Tensor:
        return -at[1] - weight @ p.log_prob((at[0] + at[1].exp() * noise)[:, None])

    got = _reverse_kl(p, at, noise, weight)
    torch.testing.assert_close(got[0], value(at))
    torch.testing.assert_close(got[1], torch.autograd.functional.jacobian(value, at), rtol=0, atol=1e-12)
    torch.testing.assert_close(got[2], torch.autograd.functional.hessian(value, at), rtol=0, atol=1e-10)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    q = reverse_projection(bumps().to("cuda"), normal(1.0, 1.0).to("cuda"))
    assert q.device.type == "cuda"
    assert q.mean.item() == pytest.approx(2.0, abs=1e-3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: moment_projection(3), TypeError, "law must be a Law"),  # type: ignore[arg-type]
        (lambda: reverse_projection(3, normal(0, 1)), TypeError, "law must be a Law"),  # type: ignore[arg-type]
        (lambda: reverse_projection(bumps(), bumps()), TypeError, "start must be a Gaussian"),  # type: ignore[arg-type]
        (lambda: reverse_projection(banana(dtype=F64), normal(0, 1)), ValueError, "law must have one coordinate"),
        (
            lambda: reverse_projection(bumps(), Gaussian(torch.zeros(2, 1), var=1.0)),
            ValueError,
            "start must have one coordinate",
        ),
        (
            lambda: reverse_projection(bumps(), normal(0, 1).to(torch.float32)),
            ValueError,
            r"start must have the law's dtype torch.float64, got torch.float32",
        ),
        (lambda: reverse_projection(bumps(), normal(-40.0, 1.0), max_steps=2), ValueError, "max_steps = 2"),
        (lambda: reverse_projection(bumps(), normal(0, 1), max_steps=0), ValueError, "max_steps must be at least"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()
