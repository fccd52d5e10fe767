"""Training of RBMs: each step against the gradients, the machines against enumeration."""

import math
import warnings
from functools import cache

import pytest
import torch

from gmlib.data import bars_and_stripes
from gmlib.energy import (
    RBM,
    GaussianRBM,
    PersistentChains,
    exact_gradient,
    log_odds,
    log_prob,
    pcd_gradient,
    reference_rbm,
    statistics,
    train_rbm,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vector(rbm: RBM) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in rbm.parameters()]).clone()


def moved(rbm: RBM, x: torch.Tensor, **options) -> torch.Tensor:
    """By how much one step moves the parameters, over the learning rate."""
    before = vector(rbm)
    train_rbm(rbm, x, steps=1, lr=0.5, **options)
    return (vector(rbm) - before) / 0.5


class Replay:
    """Hands out the uniform numbers of a step in the order in which the step takes them."""

    def __init__(self, seed: int, sizes: list[tuple[int, int]]) -> None:
        row = torch.empty(sum(a * b for a, b in sizes), dtype=torch.float64).uniform_(
            generator=generator(seed)
        )
        self.parts = [
            part.view(size) for part, size in zip(row.split([a * b for a, b in sizes]), sizes, strict=True)
        ]


def data(n: int = 5) -> torch.Tensor:
    return torch.bernoulli(torch.full((n, 4), 0.5, dtype=torch.float64), generator=generator(9))


@pytest.mark.parametrize("k", [1, 3])
def test_a_step_of_pcd_is_its_gradient(k: int) -> None:
    # The step's own random numbers, replayed through the machine's methods: same chains, same gradient.
    rbm, x = reference_rbm(), data()
    start = PersistentChains.start(rbm, 7, generator=generator(1))
    draws = Replay(2, [(7, 4), (7, 3)] * k).parts
    h, chain = start.h, x
    for i in range(k):
        chain = rbm.sample_visible(h, noise=draws[2 * i])
        h = rbm.sample_hidden(chain, noise=draws[2 * i + 1])
    expected = (statistics(rbm, x) - statistics(rbm, chain)).vector()
    found = moved(rbm, x, method="pcd", k=k, chains=start, generator=generator(2))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    assert torch.equal(start.h, h)
    assert start.x is not None
    assert torch.equal(start.x, chain)


@pytest.mark.parametrize("k", [1, 3])
def test_a_step_of_cd_is_its_gradient(k: int) -> None:
    rbm, x = reference_rbm(), data()
    draws = Replay(2, ([(5, 3), (5, 4)] * k)).parts
    chain = x
    for i in range(k):
        h = rbm.sample_hidden(chain, noise=draws[2 * i])
        chain = rbm.sample_visible(h, noise=draws[2 * i + 1])
    expected = (statistics(rbm, x) - statistics(rbm, chain)).vector()
    found = moved(rbm, x, method="cd", k=k, generator=generator(2))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_steps_agree_with_the_readable_gradient_on_average() -> None:
    # Independent draws on either side: 20,000 chains, entries in [-1, 1].
    rbm, x, n = reference_rbm(), data(), 20_000
    rows = x.repeat(n // 5, 1)
    chains = [PersistentChains(torch.ones(n, 3, dtype=torch.float64)) for _ in range(2)]
    expected = pcd_gradient(rbm, rows, chains[0], 2, generator=generator(1)).vector()
    found = moved(rbm, rows, k=2, chains=chains[1], generator=generator(2))
    assert (found - expected).abs().max() < 5 * (2 / (4 * n)) ** 0.5


def test_an_exact_step_is_the_exact_gradient() -> None:
    rbm, x = reference_rbm(), data()
    expected = exact_gradient(rbm, x).vector()
    torch.testing.assert_close(moved(rbm, x, method="exact"), expected, rtol=0, atol=1e-13)


def test_bits_are_drawn_anew() -> None:
    # Without weights and hidden biases: data of grey values g are bits of mean g, the chain's bits have mean 1/2.
    n = 40_000
    rbm, grey = RBM(2, 1, std=0.0), torch.tensor([[0.2, 0.9]]).expand(n, 2).contiguous()
    found = moved(rbm, grey, binarise=True, chains=n, generator=generator())[2:4]
    assert (found - torch.tensor([-0.3, 0.4])).abs().max() < 5 * (0.25 * 2 / n) ** 0.5
    # A bit that is on is on whole: the data's x h has mean .5 sigmoid(2), where a grey .5 would give .5 sigmoid(1).
    one = torch.full((n, 1), 0.5)
    tall = RBM.from_weights(torch.tensor([[2.0]]), torch.zeros(1), torch.zeros(1))
    chains = PersistentChains(torch.zeros(n, 1))
    options = {"binarise": True, "chains": chains, "generator": generator(4)}
    change = moved(tall, one, **options)[0].item()
    assert chains.x is not None
    sigma = torch.sigmoid(torch.tensor(2.0)).item()
    model = (
        sigma * chains.x.mean().item()
    )  # the chains showed these x, whose hidden mean was sigmoid(2) where on
    assert abs(change + model - 0.5 * sigma) < 5 * sigma * 0.5 / n**0.5
    assert abs(change + model - 0.5 * torch.sigmoid(torch.tensor(1.0)).item()) > 10 * sigma * 0.5 / n**0.5


def test_the_learning_rate_falls_in_a_line() -> None:
    # A machine whose data and model never change: hidden bias c far away, so that c's gradient is constant.
    rbm = RBM.from_weights(torch.zeros(1, 1), torch.tensor([-50.0]), torch.zeros(1))
    train_rbm(rbm, torch.ones(1, 1), method="cd", steps=4, lr=1.0, lr_end=0.0, generator=generator())
    # b rises by 1 - 0 times 1, .75, .5, .25.
    assert rbm.b.item() == pytest.approx(-50 + 2.5)
    # In float64 the rates are of float64: .1 and not .1 rounded to float32, which is 1.5e-9 more.
    rbm = RBM.from_weights(*(torch.zeros(s, dtype=torch.float64) for s in ((1, 1), (1,), (1,))))
    rbm.b.data.fill_(-50.0)
    train_rbm(rbm, torch.ones(1, 1).double(), method="cd", steps=1, lr=0.1, generator=generator())
    assert rbm.b.item() + 50 == pytest.approx(0.1, abs=1e-13)


def test_every_epoch_takes_every_row_once() -> None:
    # Each row has a visible unit of its own, all biases far below 0: b_i counts how often row i was taken.
    n, lr = 12, 1e-3
    rbm = RBM.from_weights(
        torch.zeros(n, 1).double(), torch.full((n,), -50.0).double(), torch.zeros(1).double()
    )
    train_rbm(rbm, torch.eye(n).double(), method="cd", steps=9, batch_size=4, lr=lr, generator=generator())
    taken = (rbm.b + 50) / (lr / 4)
    assert torch.allclose(taken, torch.full((n,), 3.0).double())
    # Seven rows in batches of three: one row is left out of each epoch.
    rbm = RBM.from_weights(
        torch.zeros(7, 1).double(), torch.full((7,), -50.0).double(), torch.zeros(1).double()
    )
    train_rbm(rbm, torch.eye(7).double(), method="cd", steps=2, batch_size=3, lr=lr, generator=generator())
    assert sorted(((rbm.b + 50) / (lr / 3)).round().tolist()) == [0.0, *[1.0] * 6]


def test_watching_changes_nothing() -> None:
    runs = []
    for every, watch in ((0, None), (2, lambda step, rbm: {"b": rbm.b.detach().clone()})):
        rbm = reference_rbm()
        history = train_rbm(rbm, data(), steps=6, lr=0.1, every=every, watch=watch, generator=generator())
        runs.append(vector(rbm))
    assert torch.equal(runs[0], runs[1])
    assert history.step == [0, 2, 4, 6]
    assert history.watched["b"].shape == (4, 4)
    assert torch.equal(history.watched["b"][-1], rbm.b)
    assert not torch.equal(history.watched["b"][0], rbm.b)


def test_a_run_can_go_on_with_its_chains() -> None:
    whole, parts, source = reference_rbm(), reference_rbm(), generator()
    train_rbm(whole, data(), steps=6, lr=0.1, generator=generator())
    first = train_rbm(parts, data(), steps=2, lr=0.1, generator=source)
    train_rbm(parts, data(), steps=4, lr=0.1, chains=first.chains, generator=source)
    assert torch.equal(vector(whole), vector(parts))


def test_log_odds_are_the_best_independent_bits() -> None:
    x = data(400)
    with torch.no_grad():
        rbm = RBM.from_weights(
            torch.zeros(4, 1).double(), log_odds(x, pseudo_count=1e-9), torch.zeros(1).double()
        )
    gradient = exact_gradient(rbm, x)
    assert gradient.b.abs().max() < 1e-10


def bars(
    method: str, seed: int, *, steps: int = 1000, lr_end: float | None = 0.0, k: int = 1
) -> torch.Tensor:
    """Exact negative log-likelihood, nats an image, along the training of 8 hidden units on the 4x4 images."""
    x = bars_and_stripes(4)
    rbm = RBM(16, 8, std=0.1, generator=generator(seed))
    return train_rbm(
        rbm,
        x,
        method=method,
        k=k,
        steps=steps,
        lr=0.5,
        lr_end=lr_end,
        chains=100 if method == "pcd" else None,
        generator=generator(seed),
        every=steps // 10,
        watch=lambda step, rbm: {"nll": -log_prob(rbm, x).mean()},
    ).watched["nll"]


@cache
def finals(method: str, k: int = 1) -> torch.Tensor:
    """The last value of each of four seeds."""
    return torch.stack([bars(method, seed, k=k)[-1] for seed in range(4)])


def larger(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether a exceeds b, seed by seed, by more than 3 standard errors of the mean difference."""
    gap = a - b
    return bool(gap.mean() > 3 * gap.std() / len(gap) ** 0.5)


@pytest.mark.parametrize(("method", "k"), [("cd", 1), ("pcd", 1), ("exact", 1)])
def test_bars_and_stripes(method: str, k: int) -> None:
    # Below independent pixels, which are fair coins here; above the entropy of 30 images.
    assert (finals(method, k) < 16 * math.log(2)).all()
    assert (finals(method, k) > math.log(30)).all()


def test_the_exact_gradient_learns_more_than_cd() -> None:
    assert larger(finals("cd"), finals("exact"))


def test_chains_lag_behind_fast_learning() -> None:
    # A constant rate of .5, averages over the last five of ten looks: the chains are not where the model is, which costs
    # likelihood against the exact gradient at the same rate, and against a rate that falls to 0.
    exact, lagging = (
        torch.stack([bars(method, seed, steps=steps, lr_end=None)[-5:].mean() for seed in range(4)])
        for method, steps in (("exact", 1000), ("pcd", 2000))
    )
    assert larger(lagging, exact)
    assert larger(lagging, finals("pcd"))


def test_without_a_compiler_it_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    rbm, eager = reference_rbm(), reference_rbm()
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler") as warned:
        history = train_rbm(rbm, data(), steps=3, lr=0.1, compile=True, generator=generator())
    assert len(warned) == 1
    assert history.compiled is False
    train_rbm(eager, data(), steps=3, lr=0.1, generator=generator())
    assert torch.equal(vector(rbm), vector(eager))


@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_compiled_step(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The step as torch.compile sees it, in one graph without breaks, run by the interpreter: the same numbers.
    graphs = []

    def interpreter(graph, example_inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, **options: compile_(f, backend=interpreter, fullgraph=True)
    )
    runs = []
    for compiled in (False, True):
        rbm = reference_rbm()
        train_rbm(
            rbm,
            data(),
            method=method,
            k=2,
            steps=4,
            lr=0.3,
            lr_end=0.1,
            compile=compiled,
            generator=generator(),
        )
        runs.append(vector(rbm))
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=1e-13)
    assert len(graphs) == 1


@pytest.mark.gpu
def test_no_synchronisation_between_looks() -> None:
    """With CUDA's sync debugging on, 40 more steps add no synchronising call."""
    counts = []
    for steps in (5, 45):
        rbm = RBM(16, 8).cuda()
        x = bars_and_stripes(4).cuda()
        source = torch.Generator("cuda").manual_seed(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            train_rbm(rbm, x, steps=steps, batch_size=10, lr=0.1, generator=source)
            torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchroniz" in str(w.message) for w in caught))
    assert counts[0] == counts[1]


@pytest.mark.gpu
def test_recorded_step_on_a_gpu() -> None:
    runs = []
    for compile in (False, True):
        rbm = reference_rbm().cuda()
        source = torch.Generator("cuda").manual_seed(0)
        history = train_rbm(
            rbm, data().cuda(), steps=20, k=2, lr=0.3, lr_end=0.0, chains=7, compile=compile, generator=source
        )
        assert history.compiled is compile
        runs.append(vector(rbm))
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=1e-9)


GOOD = {"steps": 1, "lr": 0.1}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"method": "best"}, ValueError, "method must be one of 'cd', 'pcd', 'exact', got 'best'"),
        ({"k": 0}, ValueError, "k must be at least 1, got 0"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"lr": 0.0}, ValueError, r"lr must be a finite number in \(0"),
        ({"lr_end": -0.1}, ValueError, r"lr_end must be a finite number in \[0"),
        ({"batch_size": 6}, ValueError, "batch_size must be at most the 5 rows of data, got 6"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"method": "cd", "chains": 5}, ValueError, 'chains must be None for "cd"'),
        ({"chains": 0}, ValueError, "chains must be at least 1"),
        ({"method": "exact", "k": 7}, ValueError, 'k and compile must be left alone for "exact"'),
        ({"method": "exact", "compile": True}, ValueError, 'k and compile must be left alone for "exact"'),
        (
            {"chains": PersistentChains(torch.zeros(2, 5).double())},
            ValueError,
            r"the h of chains must end in the event shape \(3,\), got shape \(2, 5\)",
        ),
        (
            {"chains": PersistentChains(torch.zeros(2, 3))},
            TypeError,
            "the h of chains must have the dtype of the machine, torch.float64, got torch.float32",
        ),
        ({"rbm": GaussianRBM(4, 3)}, TypeError, "rbm must be an RBM, got GaussianRBM"),
        ({"every": 1}, ValueError, "every and watch must be given together"),
        ({"every": 1, "watch": 3}, TypeError, "watch must be callable"),
        ({"data": torch.full((2, 4), 2.0).double()}, ValueError, r"data must lie in \[0, 1\], got 2 to 2"),
        ({"data": torch.zeros(2, 4)}, ValueError, "data must have 4 columns, torch.float64"),
        ({"data": torch.zeros(2, 3).double()}, ValueError, "data must have 4 columns"),
        ({"data": torch.zeros(0, 4).double()}, ValueError, r"data must have shape \(n, d\)"),
        ({"data": torch.full((2, 4), math.nan).double()}, ValueError, "data must be finite"),
    ],
)
def test_bad_input(changes, error, said) -> None:
    with pytest.raises(error, match=said):
        train_rbm(**({"rbm": reference_rbm(), "data": data()} | GOOD | changes))


@pytest.mark.bad_input
def test_a_run_that_diverges_says_so() -> None:
    rbm = RBM.from_weights(torch.full((1, 1), 3e38), torch.zeros(1), torch.zeros(1))
    with pytest.raises(RuntimeError, match="a parameter is NaN or infinite"):
        train_rbm(rbm, torch.ones(1, 1), steps=30, lr=3e38, generator=generator())


@pytest.mark.bad_input
def test_log_odds_bad_input() -> None:
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        log_odds(torch.full((2, 2), -1.0))
    with pytest.raises(ValueError, match="pseudo_count must be a finite number"):
        log_odds(torch.zeros(2, 2), pseudo_count=0.0)
