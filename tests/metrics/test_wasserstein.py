"""Wasserstein distances: scipy, POT, shifts and Gaussian maps whose distances are known exactly."""

import math

import pytest
import torch

from gmlib.metrics import exact_wasserstein, gaussian_frechet_distance, sliced_wasserstein, wasserstein_1d

F64 = torch.float64


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (12, 30), (1, 7)])
def test_line_agrees_with_scipy_and_pot(n: int, m: int) -> None:
    import ot
    from scipy.stats import wasserstein_distance

    x, y = normal(n, seed=0), 2 * normal(m, seed=1) + 1
    assert wasserstein_1d(x, y, p=1).item() == pytest.approx(wasserstein_distance(x, y), rel=1e-12)
    for p in (1, 2, 3):
        theirs = ot.wasserstein_1d(x.numpy()[:, None], y.numpy()[:, None], p=p).item() ** (1 / p)
        assert wasserstein_1d(x, y, p=p).item() == pytest.approx(theirs, rel=1e-10)


def test_line_of_repeated_points_is_the_same_law() -> None:
    # 4 points and 6 points: levels 1/4 and 1/6 meet at 1/2. Repeated to 12 each, the sorted points pair up.
    x, y = normal(5, 4, seed=2), normal(5, 6, seed=3)
    even = wasserstein_1d(x.repeat(1, 3), y.repeat(1, 2))
    torch.testing.assert_close(wasserstein_1d(x, y), even, rtol=1e-12, atol=0)
    assert even.shape == (5,)


def test_line_of_normals() -> None:
    # N(0, 1) and N(1, 4): (W_2)^2 = 1 + 1. At 20,000 exact quantiles each the tails are off by less than .001.
    u = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    z = torch.special.ndtri(u)
    assert wasserstein_1d(z, 1 + 2 * z).item() == pytest.approx(math.sqrt(2), abs=1e-3)


def test_line_has_a_gradient() -> None:
    x = torch.tensor([0.0, 1.0], dtype=F64, requires_grad=True)
    wasserstein_1d(x, torch.tensor([3.0, 4.0], dtype=F64), p=1).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5, -0.5]


def test_line_has_a_gradient_at_zero() -> None:
    # The root has none at 0, where 0 is a subgradient; the other row keeps its own.
    y = normal(2, 4, seed=27)
    x = (y + torch.tensor([[0.0], [3.0]], dtype=F64)).requires_grad_()
    for p in (1, 2, 3):
        value = wasserstein_1d(x, y, p=p)
        assert value.tolist() == pytest.approx([0.0, 3.0], abs=1e-12)
        (slope,) = torch.autograd.grad(value.sum(), x)
        assert slope[0].tolist() == [0.0] * 4
        assert slope[1].tolist() == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("m", [6, 9])
def test_line_promotes_dtypes(m: int) -> None:
    x, y = normal(6, seed=28).to(torch.float16), normal(m, seed=29).float()
    exact = wasserstein_1d(x.double(), y.double()).item()
    for a, b, dtype in ((x, y, torch.float32), (y, x, torch.float32), (x.float(), y.double(), F64)):
        assert wasserstein_1d(a, b).dtype == dtype
        assert wasserstein_1d(a, b).item() == pytest.approx(exact, rel=1e-6)
    both = wasserstein_1d(x, y.to(torch.float16))
    assert both.dtype == torch.float16
    assert both.item() == pytest.approx(exact, rel=2e-3)


def test_sliced_agrees_with_pot_on_the_same_directions() -> None:
    import ot

    x, y = normal(60, 5, seed=4), 1.5 * normal(45, 5, seed=5) + 0.2
    theta = normal(30, 5, seed=6)
    theta /= theta.norm(dim=1, keepdim=True)
    for p in (1, 2):
        for other in (y, y[:, [4, 3, 2, 1, 0]], normal(60, 5, seed=7)):
            theirs = ot.sliced_wasserstein_distance(
                x.numpy(), other.numpy(), p=p, projections=theta.T.numpy().copy()
            )
            ours = sliced_wasserstein(x, other, p=p, directions=theta)
            assert ours.value == pytest.approx(float(theirs), rel=1e-10)
            assert ours.n == 30


@pytest.mark.parametrize("d", [1, 2, 10])
def test_sliced_of_a_shift(d: int) -> None:
    # W_p along theta is |theta . a|, so that SW_2 = |a| / sqrt d and SW_1 = |a| E|theta_1|, here from 2000 directions.
    x, shift = normal(20, d, seed=8), normal(d, seed=9)
    length = shift.norm().item()
    first = math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))
    for p, truth in ((2, length / math.sqrt(d)), (1, length * first)):
        estimate = sliced_wasserstein(
            x, x + shift, p=p, directions=2000, generator=torch.Generator().manual_seed(10)
        )
        assert estimate.value == pytest.approx(truth, abs=4 * estimate.standard_error + 1e-12)
    assert estimate.standard_error == pytest.approx(0.0, abs=1e-12) if d == 1 else estimate.standard_error > 0


def test_sliced_standard_error_is_that_of_the_directions() -> None:
    x = normal(10, 3, seed=11)
    y = x + torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    generator = torch.Generator().manual_seed(12)
    repeats = [sliced_wasserstein(x, y, directions=100, generator=generator) for _ in range(400)]
    spread = torch.tensor([r.value for r in repeats]).std().item()
    told = torch.tensor([r.standard_error for r in repeats]).mean().item()
    # The standard deviation of 400 values is known to 1 / sqrt 800 = 3.5 %.
    assert told == pytest.approx(spread, rel=4 * 0.035)


def test_sliced_keeps_its_digits_far_from_the_origin() -> None:
    x, y = normal(50, 4, seed=13).float(), normal(50, 4, seed=14).float()
    theta = torch.eye(4)
    near = sliced_wasserstein(x, y, directions=theta).value
    # Multiples of 1/64 stay exact in float32 after a shift by 4096: the distance may not move.
    x, y = (64 * x).round() / 64, (64 * y).round() / 64
    rounded = sliced_wasserstein(x, y, directions=theta).value
    assert sliced_wasserstein(x + 4096, y + 4096, directions=theta).value == pytest.approx(rounded, rel=1e-5)
    assert near == pytest.approx(rounded, abs=0.02)


def test_exact_agrees_with_pot_and_the_line() -> None:
    import ot

    x, y = normal(50, 3, seed=15), 2 * normal(50, 3, seed=16)
    for p in (1, 2):
        costs = torch.cdist(x, y).numpy() ** p
        theirs = ot.emd2([], [], costs) ** (1 / p)
        assert exact_wasserstein(x, y, p=p).item() == pytest.approx(theirs, rel=1e-9)
    line = exact_wasserstein(x[:, :1], y[:, :1], p=2)
    assert line.item() == pytest.approx(wasserstein_1d(x[:, 0], y[:, 0]).item(), rel=1e-12)
    assert sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(0)).value < exact_wasserstein(
        x, y
    )


def test_exact_of_a_shift_and_of_copies() -> None:
    x, shift = normal(40, 6, seed=17), normal(6, seed=18)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(19))
    for p in (1, 2, 4):
        assert exact_wasserstein(x, x[order] + shift, p=p).item() == pytest.approx(
            shift.norm().item(), rel=1e-12
        )
    assert exact_wasserstein(x + 1e3, x[order] + 1e3).item() == 0.0


def test_exact_of_gaussians() -> None:
    # x -> A x with A symmetric positive definite is the gradient of a convex function: the best matching of the sample
    # with its image is the identity, and its mean cost tends to the Bures distance tr (I - A)^2. n = 400 points.
    d, n = 3, 400
    root = normal(d, d, seed=20)
    a = root @ root.T / d + 0.2 * torch.eye(d, dtype=F64)
    x = normal(n, d, seed=21)
    costs = (x - x @ a).square().sum(1)
    found = exact_wasserstein(x, (x @ a).flip(0)).square().item()
    assert found == pytest.approx(costs.mean().item(), rel=1e-12)
    zero, one = torch.zeros(d, dtype=F64), torch.eye(d, dtype=F64)
    bures = gaussian_frechet_distance(zero, one, zero, a @ a).item()
    assert bures == pytest.approx((one - a).square().sum().item(), rel=1e-10)
    assert found == pytest.approx(bures, abs=4 * costs.std().item() / n**0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_dtypes(dtype: torch.dtype) -> None:
    x, y = normal(30, 4, seed=22).to(dtype), normal(30, 4, seed=23).to(dtype)
    exact = exact_wasserstein(x, y)
    assert exact.dtype == dtype
    assert exact.item() == pytest.approx(
        exact_wasserstein(x.double(), y.double()).item(), rel=torch.finfo(dtype).eps
    )
    theta = torch.eye(4)
    near = sliced_wasserstein(x, y, directions=theta).value
    assert near == pytest.approx(
        sliced_wasserstein(x.double(), y.double(), directions=theta.double()).value, rel=1e-5
    )


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    x, y, theta = normal(200, 6, seed=24), normal(150, 6, seed=25), normal(20, 6, seed=26)
    theta /= theta.norm(dim=1, keepdim=True)
    here = sliced_wasserstein(x, y, directions=theta)
    there = sliced_wasserstein(x.cuda(), y.cuda(), directions=theta.cuda())
    assert there.value == pytest.approx(here.value, rel=1e-10)
    assert there.standard_error == pytest.approx(here.standard_error, rel=1e-8)
    exact = exact_wasserstein(x[:150].cuda(), y.cuda())
    assert exact.device.type == "cuda"
    assert exact.item() == pytest.approx(exact_wasserstein(x[:150], y).item(), rel=1e-12)
    drawn = sliced_wasserstein(x.cuda(), y.cuda(), generator=torch.Generator("cuda").manual_seed(0))
    error = 4 * math.hypot(drawn.standard_error, here.standard_error)  # two draws of the directions
    assert drawn.value == pytest.approx(here.value, abs=error)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, y = torch.zeros(5, 2), torch.zeros(4, 2)
    with pytest.raises(ValueError, match="y must have the shape"):
        exact_wasserstein(x, y)
    with pytest.raises(ValueError, match="p must be a finite number in"):
        exact_wasserstein(x, x, p=0.5)
    with pytest.raises(ValueError, match="y must have 2 columns as x has"):
        sliced_wasserstein(x, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="directions must be at least 2, got 1"):
        sliced_wasserstein(x, y, directions=1)
    with pytest.raises(TypeError, match="directions must be an int"):
        sliced_wasserstein(x, y, directions=2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="directions must have 2 columns as x has"):
        sliced_wasserstein(x, y, directions=torch.eye(3))
    with pytest.raises(ValueError, match="directions must be at least 2, got shape"):
        sliced_wasserstein(x, y, directions=torch.eye(2)[:1])
    with pytest.raises(ValueError, match=r"directions must have length 1, got lengths from 0 to 2"):
        sliced_wasserstein(x, y, directions=torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]))
    with pytest.raises(ValueError, match="x must have at least one point on its last axis"):
        wasserstein_1d(torch.zeros(0), torch.zeros(3))
    with pytest.raises(ValueError, match="y must have the batch shape"):
        wasserstein_1d(x, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="y must be finite"):
        wasserstein_1d(x, x / 0)
    with pytest.raises(TypeError, match="p must be a real number"):
        wasserstein_1d(x, x, p="2")  # pyright: ignore[reportArgumentType]
