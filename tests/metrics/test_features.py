"""Feature maps: what they rank, how they mislead, and the ceiling that stands beside a number."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gmlib.classical import KernelDensity
from gmlib.data import add_noise, blur, digits, drop_classes, mnist
from gmlib.metrics import (
    NETWORKS,
    Estimate,
    feature_network,
    frechet_distance,
    image_features,
    mean_estimate,
    random_network,
    with_ceiling,
)
from gmlib.nn import ConvClassifier

F64 = torch.float64


def grey(split: str) -> tuple[Tensor, Tensor]:
    images, labels = mnist(split)  # pyright: ignore[reportArgumentType]
    return images.float() / 255, labels


def distance(real: Tensor, fake: Tensor, network: str | ConvClassifier) -> float:
    a, b = (image_features(x, network).double() for x in (real, fake))
    return frechet_distance(a, b).item()


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS)
def test_metric_features(seed: int) -> None:
    """Three corruptions of the test images: pixels, untrained and trained features each order them in another way."""
    generator = torch.Generator().manual_seed(seed)
    train, (test, labels) = grey("train")[0], grey("test")
    order = torch.randperm(len(train), generator=generator)
    real, other = train[order[:2000]], train[order[2000:4000]]
    fakes = {
        "none": other,
        "noise": add_noise(test, 0.2, generator=generator),
        "blur": blur(test, 0.75),
        "dropped": drop_classes(test, labels, [6, 7, 8, 9]),
    }
    maps: dict[str, str | ConvClassifier] = {
        "pixels": "pixels",
        "random": random_network("features-mnist", seed=seed),
        "trained": "features-mnist",
    }
    values = {
        name: {kind: distance(real, fake, network) for kind, fake in fakes.items()}
        for name, network in maps.items()
    }
    for row in values.values():
        assert min(row, key=row.__getitem__) == "none"
    pixels, untrained, trained = (values[name] for name in ("pixels", "random", "trained"))
    assert pixels["noise"] > 1.3 * pixels["blur"]
    assert pixels["blur"] > 1.1 * pixels["dropped"]
    assert trained["noise"] > 1.3 * trained["dropped"]
    assert (
        trained["dropped"] > 1.3 * trained["blur"]
    )  # what was the least of the three in pixels is no longer
    # Which of the two others comes second depends on the random weights; that blur comes first does not.
    assert untrained["blur"] > 1.3 * max(untrained["noise"], untrained["dropped"])


def test_every_map_notices_more_of_the_same() -> None:
    train, (test, labels) = grey("train")[0][:2000], grey("test")
    g = torch.Generator().manual_seed(0)
    ladders = [
        [add_noise(test, s, generator=g) for s in (0.05, 0.2)],
        [blur(test, s) for s in (0.5, 1.0)],
        [drop_classes(test, labels, range(10 - k, 10)) for k in (1, 4)],
    ]
    for network in ("features-mnist", "features-letters", random_network("features-mnist")):
        clean = distance(train, test, network)
        for steps in ladders:
            values = [distance(train, x, network) for x in steps]
            assert clean < values[0] < values[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_misleading_features(seed: int) -> None:
    """A writes every digit with a faint grain, B writes clean ones but never a 3 or an 8: letters prefer B."""
    generator = torch.Generator().manual_seed(seed)
    train, labels = grey("train")
    test, test_labels = grey("test")
    chosen = torch.randperm(len(train), generator=generator)[:5000]
    centres = {
        "A": train[chosen],
        "B": drop_classes(train[chosen], labels[chosen], [3, 8]),
    }
    models = {
        name: KernelDensity(x.flatten(1), bandwidth)
        for (name, x), bandwidth in zip(centres.items(), (0.06, 0.02), strict=True)
    }
    # Held-out likelihood, exact for both: A is better, on the digits that B has never seen and on the others.
    some = torch.arange(300)
    gain = models["A"].log_prob(test[some].flatten(1)) - models["B"].log_prob(test[some].flatten(1))
    unseen = torch.isin(test_labels[some], torch.tensor([3, 8]))
    for group in (unseen, ~unseen):
        estimate = mean_estimate(gain[group])
        assert estimate.value > 10 * estimate.standard_error
    samples = {
        name: law.sample((2000,), generator=generator).reshape(-1, 1, 28, 28).clamp(0, 1)
        for name, law in models.items()
    }
    # The second network, which shares nothing with the first but the digits, finds the missing classes itself.
    judge = feature_network("judge-mnist")
    shares = {name: judge(x).argmax(1).bincount(minlength=10) / len(x) for name, x in samples.items()}
    assert float(shares["A"].min()) > 0.07
    assert float(shares["B"][[3, 8]].max()) < 0.02
    values = {
        network: {name: distance(test, x, network) for name, x in samples.items()}
        for network in ("features-mnist", "judge-mnist", "features-letters")
    }
    for right in ("features-mnist", "judge-mnist"):
        assert values[right]["A"] < 0.75 * values[right]["B"]
    assert values["features-letters"]["A"] > 1.25 * values["features-letters"]["B"]


def test_letters_are_sure_of_what_they_see_in_digits() -> None:
    # No digit is a letter (but for the likeness of 0 and O, 1 and I, ...), and one letter in 26 would be chance.
    test, labels = grey("test")
    others = drop_classes(test, labels, [0, 1, 2, 5, 8])
    sure = feature_network("features-letters")(others).softmax(1).amax(1)
    assert float(sure.median()) > 0.5


@pytest.mark.parametrize("name", NETWORKS)
def test_features_in_batches_are_those_of_the_network(name: str) -> None:
    network = feature_network(name)
    x = torch.rand(23, *network.event_shape)
    expected = network.features(x)
    for batch_size in (1, 7, 100):
        phi = image_features(x, name, batch_size=batch_size)
        assert phi.dtype == torch.float32
        torch.testing.assert_close(phi, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(image_features(x.double(), network), image_features(x, network))
    assert not image_features(x, name).requires_grad
    assert not any(p.requires_grad for p in network.parameters())


def test_pixels() -> None:
    x = torch.rand(4, 1, 8, 8, dtype=F64)
    assert torch.equal(image_features(x, "pixels"), x.flatten(1).float())


def test_a_network_in_training_comes_back_in_training() -> None:
    network = ConvClassifier(8, [2], 3).train()
    image_features(torch.rand(2, 1, 8, 8), network)
    assert network.training

    class Failing(ConvClassifier):
        def features(self, x: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

    network = Failing(8, [2], 3).train()
    with pytest.raises(RuntimeError, match="out of memory"):
        image_features(torch.rand(2, 1, 8, 8), network)
    assert network.training


def test_networks_draw_on_nobodys_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    feature_network("features-digits")
    random_network("features-digits", seed=5)
    assert torch.equal(torch.rand(2), expected)


def test_random_networks_depend_on_their_seed_alone() -> None:
    x = torch.rand(500, 1, 28, 28)
    a, again, b = (image_features(x, random_network("features-mnist", seed=s)) for s in (0, 0, 1))
    assert torch.equal(a, again)
    assert not torch.allclose(a, b)
    # He's law keeps the scale: neither 1e-6 nor 1e6.
    assert 0.01 < float(a.square().mean()) < 100


def test_with_ceiling() -> None:
    # Real N(0, I), model N(1, I) in four dimensions: both numbers carry the same bias, and n is what the data allow.
    g = torch.Generator().manual_seed(0)
    real, fake = (
        torch.randn(1000, 4, generator=g, dtype=F64),
        torch.randn(800, 4, generator=g, dtype=F64) + 0.5,
    )
    results = [with_ceiling(frechet_distance, real, fake, generator=g) for _ in range(20)]
    assert {r.n for r in results} == {500}
    ceiling = mean_estimate(torch.tensor([r.ceiling for r in results], dtype=F64))
    value = mean_estimate(torch.tensor([r.value for r in results], dtype=F64))
    bias = 2 * 4 / 500 + 4 * 5 / (2 * 500)
    # The splits share their points: the spread of one real sample of 500 (0.01) stands beside that over splits.
    assert abs(ceiling.value - bias) < 4 * ceiling.standard_error + 0.01
    assert abs(value.value - 1.0 - bias) < 4 * value.standard_error + 4 * (2 * 4 * 0.25 / 500) ** 0.5
    assert value.value > 10 * ceiling.value
    small = with_ceiling(frechet_distance, real, fake[:100])
    assert small.n == 100


def test_with_ceiling_uses_disjoint_halves_and_keeps_what_the_metric_returns() -> None:
    real, fake = torch.arange(10.0)[:, None], -torch.arange(1.0, 8.0)[:, None]
    seen: list[tuple[set[float], set[float]]] = []

    def metric(a: Tensor, b: Tensor) -> Estimate:
        seen.append((set(a.flatten().tolist()), set(b.flatten().tolist())))
        return Estimate(float(len(a)), 0.5, len(b))

    result = with_ceiling(metric, real, fake)
    (a, f), (same, b) = seen
    assert a == same
    assert a | b == set(range(10))
    assert not a & b
    assert len(f) == 5
    assert f <= set(fake.flatten().tolist())
    assert isinstance(result.value, Estimate)
    assert str(result) == "5.0 ± 0.5 (real against real 5.0 ± 0.5, N = 5)"


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    x = torch.rand(50, 1, 28, 28)
    there = image_features(x.cuda(), "features-mnist", batch_size=20)
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), image_features(x, "features-mnist"), rtol=1e-2, atol=0.05)
    result = with_ceiling(frechet_distance, there.double(), there.double())
    assert result.n == 25


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.rand(3, 1, 28, 28)
    with pytest.raises(ValueError, match="name must be one of 'features-mnist'"):
        feature_network("mnist")
    with pytest.raises(ValueError, match="name must be one of"):
        random_network("mnist")
    with pytest.raises(ValueError, match="seed must be at least 0"):
        random_network("features-mnist", seed=-1)
    with pytest.raises(ValueError, match=r"network must be one of 'features-mnist'.*'pixels'"):
        image_features(x, "inception")
    with pytest.raises(TypeError, match="network must be a name or"):
        image_features(x, torch.nn.Linear(2, 2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"images must have shape \(n, 1, 8, 8\) for this network"):
        image_features(x, "features-digits")
    with pytest.raises(ValueError, match="images must lie in"):
        image_features(255 * x, "features-mnist")
    with pytest.raises(ValueError, match="images must lie in"):
        image_features(x * float("nan"), "pixels")
    with pytest.raises(TypeError, match="images must have a floating dtype"):
        image_features(digits("test").images, "features-digits")
    with pytest.raises(ValueError, match="images must have shape"):
        image_features(x[:0], "features-mnist")
    with pytest.raises(ValueError, match="images must be on the network's device"):
        image_features(x, feature_network("features-mnist").to("meta"))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        image_features(x, "features-mnist", batch_size=0)
    real = torch.zeros(10, 2)
    with pytest.raises(ValueError, match="real must be a matrix of at least 4 rows"):
        with_ceiling(frechet_distance, real[:3], real)
    with pytest.raises(ValueError, match="fake must be a matrix of at least 2 rows"):
        with_ceiling(frechet_distance, real, real[:1])
    with pytest.raises(ValueError, match="fake must end in the event shape"):
        with_ceiling(frechet_distance, real, real[:, :1])
    with pytest.raises(TypeError, match="real must have a floating dtype"):
        with_ceiling(frechet_distance, real.long(), real)
