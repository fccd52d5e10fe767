"""The dequantisation bound against the exact mass of a cell under normal laws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gmlib.data import digits
from gmlib.data.dequantise import dequantise, log_mass
from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.metrics import dequantisation_bound, gaussian_log_mass, gaussian_proposal

F64 = torch.float64
THREE = torch.tensor([3])


def midpoints(n: int = 4000) -> torch.Tensor:
    return ((torch.arange(n, dtype=F64) + 0.5) / n)[:, None]


def normal(mean: float, std: float) -> Gaussian:
    return Gaussian(torch.tensor([mean], dtype=F64), var=std**2)


def phi(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def test_uniform_dequantisation(generator: torch.Generator) -> None:
    """mu = 3.2, sigma = 1.1, x = 3, rounding: exactly -1.0636, bound -1.0652; no gap for q proportional to p."""
    model = normal(3.2, 1.1)
    exact = math.log(phi(0.3 / 1.1) - phi(-0.7 / 1.1))
    assert f"{exact:.4f}" == "-1.0636"
    assert gaussian_log_mass(THREE, 3.2, 1.1, offset=-0.5).item() == pytest.approx(exact, abs=1e-14)
    bound = dequantisation_bound(model.log_prob, THREE, midpoints(), offset=-0.5).item()
    # By hand: E (z - 3.2)^2 over the cell is .2^2 + 1/12.
    by_hand = -0.5 * math.log(2 * math.pi * 1.21) - (0.04 + 1 / 12) / 2.42
    assert bound == pytest.approx(by_hand, abs=1e-8)
    assert f"{bound:.4f}" == "-1.0652"
    # 20,000 uniform draws, five standard errors.
    noise = torch.rand(20_000, 1, dtype=F64, generator=generator)
    draws = model.log_prob(THREE - 0.5 + noise)
    drawn = dequantisation_bound(model.log_prob, THREE, noise, offset=-0.5).item()
    assert abs(drawn - bound) < 5 * draws.std().item() / math.sqrt(20_000)
    # q proportional to p: every single draw gives the exact number.
    own = gaussian_proposal(3.2, 1.1, offset=-0.5)
    for one in noise[:5]:
        value = dequantisation_bound(model.log_prob, THREE, one[None], proposal=own, offset=-0.5)
        assert value.item() == pytest.approx(exact, abs=1e-12)
    # Any other q leaves a gap: that of its KL from p within the cell.
    for mean, std in ((3.2, 1.3), (3.0, 1.1), (3.4, 0.5)):
        other = gaussian_proposal(mean, std, offset=-0.5)
        value = dequantisation_bound(model.log_prob, THREE, midpoints(), proposal=other, offset=-0.5)
        u, log_q = other(midpoints(), THREE)
        log_p_cell = model.log_prob(THREE - 0.5 + u) - exact
        gap = (log_q - log_p_cell).mean().item()
        assert gap > 1e-7
        assert value.item() == pytest.approx(exact - gap, abs=1e-12)


def test_the_gap_closes_as_the_model_grows_wide() -> None:
    gaps = []
    for std in (0.5, 1.0, 2.0, 4.0, 8.0):
        bound = dequantisation_bound(normal(3.2, std).log_prob, THREE, midpoints(), offset=-0.5)
        gaps.append((gaussian_log_mass(THREE, 3.2, std, offset=-0.5) - bound).item())
    assert all(a > 2 * b > 0 for a, b in itertools.pairwise(gaps))


def test_the_noise_must_belong_to_the_rule() -> None:
    """N(4, .09), x = 3: noise on [0, 1) "bounds" the rounded mass from above; it belongs to the floor's."""
    model = normal(4.0, 0.3)
    rounded, floored = (gaussian_log_mass(THREE, 4.0, 0.3, offset=o).item() for o in (-0.5, 0.0))
    up, centred = (
        dequantisation_bound(model.log_prob, THREE, midpoints(), offset=o).item() for o in (0.0, -0.5)
    )
    assert [f"{v:.2f}" for v in (rounded, up)] == ["-3.04", "-1.57"]
    assert up > rounded  # no bound
    assert up < floored
    assert centred < rounded


def test_spikes_on_the_integers_gain_nothing() -> None:
    """Without noise the density at the data grows beyond all bounds; the bound stays below the log of a mass."""
    for std, density in ((1e-2, 1.0), (1e-4, 6.0)):
        spikes = GaussianMixture(torch.arange(4, dtype=F64)[:, None], var=std**2)
        assert spikes.log_prob(torch.tensor([2.0], dtype=F64)).item() > density
        assert dequantisation_bound(
            spikes.log_prob, torch.tensor([2]), midpoints(), offset=-0.5
        ).item() < math.log(1 / 4)


def test_masses_sum_to_one_and_keep_the_tails() -> None:
    x = torch.arange(-12, 13)[:, None]
    assert gaussian_log_mass(x, 0.3, 1.7).exp().sum().item() == pytest.approx(1.0, abs=1e-11)
    # log Phi(-39) by its asymptotic series, and the mirror image is bit-equal.
    tail = gaussian_log_mass(torch.tensor([-40]), 0.0, 1.0).item()
    assert tail == pytest.approx(
        -(39**2) / 2 - math.log(39 * math.sqrt(2 * math.pi)) + math.log1p(-1 / 39**2), abs=1e-5
    )
    assert gaussian_log_mass(torch.tensor([39]), 0.0, 1.0).item() == tail
    q = gaussian_proposal(0.0, 1.0)
    for k in (-7, 6):
        u, log_q = q(midpoints(50), torch.tensor([k]))
        assert bool(((u > 0) & (u < 1)).all())
        value = normal(0.0, 1.0).log_prob(torch.tensor([k]) + u) - log_q
        torch.testing.assert_close(
            value, gaussian_log_mass(torch.tensor([k]), 0.0, 1.0).expand(50), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize(
    ("dtype", "far", "atol"), [(torch.float32, 9, 1e-4), (F64, 20, 1e-9), (F64, 60, 1e-7)]
)
def test_the_proposal_far_from_the_mean(dtype: torch.dtype, far: int, atol: float) -> None:
    """Where the normal law's distribution function is 0 or 1 in the arithmetic, any draw still gives the exact mass."""
    noise = torch.tensor([[0.0], [1e-6], [0.3], [0.999999]], dtype=dtype)
    mean = torch.zeros(1, dtype=dtype)
    model, own = Gaussian(mean, var=1.0), gaussian_proposal(mean, 1.0)
    for k in (-far - 1, far):  # mirror images: the cells of both end at far
        x = torch.tensor([k])
        bounds = [dequantisation_bound(model.log_prob, x, one[None], proposal=own).item() for one in noise]
        assert bounds == pytest.approx([gaussian_log_mass(x, 0.0, 1.0).item()] * 4, rel=0, abs=atol)
        u = own(noise, x)[0][:, 0].tolist()
        assert u == sorted(u)
        # Almost exponential with rate far from the edge nearer to the mean: u there is - log(1 - v) / far.
        assert u[2] == pytest.approx(
            -math.log(0.7) / far if k > 0 else 1 + math.log(0.3) / far, abs=3 / far**2
        )


def test_the_proposal_of_a_narrow_law_never_leaves_the_numbers() -> None:
    x, noise = torch.tensor([[3]]), torch.tensor([0.0, 1e-7, 0.5, 1 - 2**-24])[:, None, None]
    # In the cell, on either side of its middle, and 500 standard deviations off.
    for mean in (3.3, 3.5, 3.7, 9.0):
        u, log_q = gaussian_proposal(torch.tensor(mean), 0.01)(noise, x)
        assert bool(((u >= 0) & (u <= 1)).all())
        assert bool(log_q.isfinite().all())


def test_the_data_convention_of_levels(generator: torch.Generator) -> None:
    """On [0, 1)^D with L levels it is `log_mass` of the dequantised data; the uniform law costs exactly D log L."""
    x = digits("train").images.flatten(1)[:20]
    flat = dequantisation_bound(lambda y: torch.zeros(y.shape[:-1]), x, torch.rand(3, 20, 64), levels=17)
    torch.testing.assert_close(flat, torch.full((20,), -64 * math.log(17)))
    law = Gaussian(torch.full((64,), 0.3), var=0.1)
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    by_hand = log_mass(law.log_prob(dequantise(x, 17, generator=seeds[0])), 17, 64)
    noise = torch.rand(1, 20, 64, generator=seeds[1])
    got = dequantisation_bound(law.log_prob, x, noise, levels=17)
    torch.testing.assert_close(got, by_hand, rtol=1e-4, atol=1e-3)


def test_several_dimensions_add_and_gradients_flow() -> None:
    x = torch.tensor([[3, 1], [0, 2]])
    mean, std = torch.tensor([2.0, 1.5], dtype=F64), torch.tensor([1.0, 0.7], dtype=F64)
    parts = [gaussian_log_mass(x[:, d : d + 1], mean[d], std[d]) for d in (0, 1)]
    torch.testing.assert_close(gaussian_log_mass(x, mean, std), parts[0] + parts[1])
    law = Gaussian(mean, var=std**2)
    noise = torch.rand(4, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    exact = dequantisation_bound(law.log_prob, x, noise, proposal=gaussian_proposal(mean, std))
    torch.testing.assert_close(exact, parts[0] + parts[1], rtol=0, atol=1e-10)
    # Variational dequantisation is trained through the draws: the gradient in the proposal's width vanishes at the optimum.
    for width, flat in ((1.0, True), (0.6, False)):
        scale = torch.tensor(width, dtype=F64, requires_grad=True)
        grid = midpoints(500)[:, None].expand(-1, 2, 2)
        bound = dequantisation_bound(law.log_prob, x, grid, proposal=gaussian_proposal(mean, std * scale))
        bound.sum().backward()
        assert scale.grad is not None
        assert (abs(scale.grad.item()) < 1e-4) is flat  # the midpoint rule's error is about 1e-5


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    law = normal(3.2, 1.1).to("cuda")
    value = dequantisation_bound(law.log_prob, THREE.to("cuda"), midpoints().to("cuda"), offset=-0.5)
    assert value.item() == pytest.approx(-1.0652, abs=1e-4)
    assert gaussian_log_mass(THREE.to("cuda"), 3.2, 1.1, offset=-0.5).item() == pytest.approx(
        -1.0636, abs=1e-4
    )


LAW = Gaussian(torch.zeros(1), var=1.0).log_prob


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: dequantisation_bound(LAW, 3, torch.rand(4, 1)), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: dequantisation_bound(LAW, THREE, [0.5]), TypeError, "noise must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: dequantisation_bound(LAW, THREE, torch.ones(4, 1).int()), TypeError, "noise must have a floating"),
        (lambda: dequantisation_bound(LAW, THREE, torch.rand(1)), ValueError, "noise must have shape"),
        (lambda: dequantisation_bound(LAW, THREE, torch.rand(0, 1)), ValueError, "noise must have shape"),
        (lambda: dequantisation_bound(LAW, THREE, torch.rand(4, 2)), ValueError, "noise must have shape"),
        (lambda: dequantisation_bound(LAW, THREE, torch.rand(4, 1), levels=0), ValueError, "levels must be at least"),
        (lambda: dequantisation_bound(LAW, THREE, torch.rand(4, 1), offset=math.nan), ValueError, "offset must be"),
        (
            lambda: dequantisation_bound(lambda y: y, THREE, torch.rand(4, 1)),
            ValueError,
            "log_density must give one number a point",
        ),
        (lambda: dequantisation_bound(LAW, THREE, torch.ones(4, 1)), ValueError, r"noise must lie in \[0, 1\), got 1"),
        (lambda: dequantisation_bound(LAW, THREE, torch.randn(9, 1)), ValueError, r"noise must lie in \[0, 1\), got"),
        (lambda: dequantisation_bound(LAW, THREE, torch.full((4, 1), math.nan)), ValueError, "noise must lie in .* nan"),
        (
            lambda: dequantisation_bound(LAW, THREE, torch.rand(4, 1), proposal=lambda v, _: (v[:1], v[:, 0])),
            ValueError,
            r"proposal must give u of shape \(4, 1\) and log q of shape \(4,\), got \(1, 1\) and \(4,\)",
        ),
        (
            lambda: dequantisation_bound(LAW, THREE, torch.rand(4, 1), proposal=lambda v, _: (v, v)),
            ValueError,
            r"proposal must give u of shape .* got \(4, 1\) and \(4, 1\)",
        ),
        (lambda: gaussian_log_mass(THREE, 0.0, 0.0), ValueError, "std must be a finite number in"),
        (lambda: gaussian_log_mass(3, 0.0, 1.0), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: gaussian_proposal(0.0, -1.0), ValueError, "std must be"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()
