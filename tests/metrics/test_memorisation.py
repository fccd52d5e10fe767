"""Memorisation: the memoriser, whose Frechet distance is perfect, and the ratio of nearest distances that catches it."""

import math

import pytest
import torch

from gmlib.classical import KernelDensity
from gmlib.distributions import GaussianMixture
from gmlib.metrics import frechet_distance, gaussian_frechet_distance, k_nearest, memorisation_ratio
from gmlib.metrics.memorisation import nearest_median

F64 = torch.float64


def law() -> GaussianMixture:
    """Data of two correlated bumps in four dimensions."""
    means = torch.tensor([[-2.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, 0.0]], dtype=F64)
    cov = 0.5 * torch.eye(4, dtype=F64) + 0.5
    return GaussianMixture(means, cov=cov)


def draw(n: int, seed: int) -> torch.Tensor:
    return law().sample((n,), generator=torch.Generator().manual_seed(seed))


def test_memoriser() -> None:
    n, d = 500, 4
    train, test = draw(n, 0), draw(n, 1)
    nearest = k_nearest(test, train, 1).distances[:, 0]
    train_nll, test_nll = [], []
    for bandwidth in (1e-2, 1e-4, 1e-6):
        memoriser = KernelDensity(train, bandwidth)
        train_nll.append(-memoriser.log_prob(train).mean().item())
        test_nll.append(-memoriser.log_prob(test).mean().item())
        # On the training set only a point's own bump is left: log n + d log(bandwidth sqrt(2 pi)), down to -infinity.
        bump = d * math.log(bandwidth * math.sqrt(math.tau))
        assert train_nll[-1] == pytest.approx(math.log(n) + bump, abs=0.05 if bandwidth == 1e-2 else 1e-9)
        # On the test set the nearest bump decides, up to log n: r^2 / 2 bandwidth^2, up to +infinity.
        tail = (nearest.square().mean() / (2 * bandwidth**2)).item() + bump
        assert tail * (1 - 1e-12) <= test_nll[-1] <= (tail + math.log(n)) * (1 + 1e-12)
        # Mean and covariance are those of the training set, up to bandwidth^2: the Frechet distance is 0.
        mean, cov = train.mean(0), torch.cov(train.T, correction=0)
        distance = gaussian_frechet_distance(mean, cov, memoriser.mean, memoriser.covariance).item()
        assert distance == pytest.approx(0.0, abs=bandwidth**2)
    assert train_nll[0] > train_nll[1] > train_nll[2]
    assert test_nll[0] < test_nll[1] < test_nll[2]
    assert train_nll[-1] < -40
    assert test_nll[-1] > 1e9


def test_memoriser_beats_real_data_in_frechet_distance_and_is_caught() -> None:
    # 40 repeats at n = 300: the memoriser's sample is nearer to the training set than fresh data are, and rho tells.
    n, memorised, honest, caught, cleared = 300, [], [], [], []
    generator = torch.Generator().manual_seed(2)
    for _ in range(40):
        train, test, fresh = law().sample((3, n), generator=generator)
        copies = KernelDensity(train, 1e-3).sample((n,), generator=generator)
        memorised.append(frechet_distance(copies, train))
        honest.append(frechet_distance(fresh, train))
        caught.append(memorisation_ratio(copies, train, test).value)
        cleared.append(memorisation_ratio(fresh, train, test).value)
    difference = torch.stack(honest) - torch.stack(memorised)
    assert difference.mean() > 4 * difference.std() / 40**0.5
    # A distance of about 1e-3 sqrt 4 against one of about .5.
    assert max(caught) < 0.01
    ratios = torch.tensor(cleared, dtype=F64)
    assert ratios.mean().item() == pytest.approx(1.0, abs=4 * ratios.std().item() / 40**0.5)


def test_nn_memorisation() -> None:
    # An honest model, the law itself, with different sizes of sample and test set; the memoriser; and samples off the data.
    train, test, fresh = draw(2000, 3), draw(1500, 4), draw(1000, 5)
    honest = memorisation_ratio(fresh, train, test)
    assert honest.value == pytest.approx(1.0, abs=4 * honest.standard_error)
    assert honest.standard_error < 0.05
    assert honest.n == 1000
    copies = KernelDensity(train, 1e-3).sample((1000,), generator=torch.Generator().manual_seed(6))
    copied = memorisation_ratio(copies, train, test)
    # The sample is one bandwidth from its source: the median of a chi of 4 degrees is 1.8320.
    distances = k_nearest(test, train, 1).distances
    expected = 1e-3 * 1.8320 / distances.median().item()
    assert copied.value == pytest.approx(expected, abs=4 * copied.standard_error)
    assert copied.value < 0.02
    assert memorisation_ratio(fresh + 20, train, test).value > 10
    # A model that copies every second time: the median is still that of copies.
    half = torch.cat([copies, fresh[:900]])
    assert memorisation_ratio(half, train, test).value < 0.3


def test_ratio_is_that_of_the_medians() -> None:
    train = torch.tensor([[0.0], [10.0]], dtype=F64)
    sample = torch.tensor([[0.5], [1.0], [12.0]], dtype=F64)
    test = torch.tensor([[4.0], [-2.0], [11.0], [3.0]], dtype=F64)
    # Distances .5, 1, 2 against 1, 2, 3, 4: medians 1 and 2.5.
    assert memorisation_ratio(sample, train, test).value == pytest.approx(0.4, rel=1e-14)
    # Units of the data do not matter, nor does a shift.
    again = memorisation_ratio(7 * sample + 3, 7 * train + 3, 7 * test + 3)
    assert again.value == pytest.approx(0.4, rel=1e-12)


def test_standard_error_covers_the_truth() -> None:
    # Given one training set, 400 repeats at 150 and 150 points: the deviation told and the one found agree to 15 %.
    generator = torch.Generator().manual_seed(7)
    train = law().sample((300,), generator=generator)
    results = [
        memorisation_ratio(sample, train, test)
        for sample, test in law().sample((400, 2, 150), generator=generator)
    ]
    values = torch.tensor([r.value for r in results], dtype=F64)
    told = torch.tensor([r.standard_error for r in results], dtype=F64)
    assert told.square().mean().sqrt().item() == pytest.approx(values.std().item(), rel=0.15)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    sample, train, test = (draw(300, seed).float() for seed in (8, 9, 10))
    here = memorisation_ratio(sample, train, test)
    there = memorisation_ratio(sample.cuda(), train.cuda(), test.cuda())
    assert there.value == pytest.approx(here.value, rel=1e-12)
    assert there.standard_error == pytest.approx(here.standard_error, rel=1e-9)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, y = torch.randn(5, 2), torch.randn(4, 2)
    with pytest.raises(TypeError, match="sample must be a torch"):
        memorisation_ratio([[0.0]], x, y)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="test must have 2 columns as sample has"):
        memorisation_ratio(x, x, torch.randn(4, 3))
    with pytest.raises(ValueError, match="sample must be a matrix of at least 2 rows"):
        memorisation_ratio(x[:1], x, y)
    with pytest.raises(ValueError, match="test must be a matrix of at least 2 rows"):
        memorisation_ratio(x, x, y[:1])
    with pytest.raises(ValueError, match="train must be finite"):
        memorisation_ratio(x, x / 0, y)
    with pytest.raises(ValueError, match="test must not be in train"):
        memorisation_ratio(y, x, x)
    with pytest.raises(ValueError, match="x must be a matrix of at least 2 rows"):
        nearest_median(x[:1], y)
