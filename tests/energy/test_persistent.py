"""Persistent contrastive divergence against exact sums."""

from typing import Any

import pytest
import torch

from gmlib.energy import (
    RBM,
    GaussianRBM,
    PersistentChains,
    all_states,
    exact_gradient,
    mean_energy_gradient,
    pcd_gradient,
    reference_law,
    reference_rbm,
    statistics,
    two_phase_gradient,
    visible_law,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(law: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    """n visible states of a law over all of them."""
    return all_states(4, 0, dtype=law.dtype)[
        torch.multinomial(law, n, replacement=True, generator=generator(seed))
    ]


def in_equilibrium(rbm: RBM, n: int, seed: int) -> PersistentChains:
    """Chains drawn from the model itself."""
    x = drawn(visible_law(rbm), n, seed)
    return PersistentChains(rbm.sample_hidden(x, generator=generator(seed + 1)))


def test_persistent_cd() -> None:
    # Data from the model, chains in equilibrium: the likelihood's maximum is stationary in expectation. Each entry of the
    # gradient is a difference of two means of n numbers in [0, 1]: standard error at most sqrt(2 / 4n).
    rbm, n = reference_rbm(), 40_000
    x = drawn(visible_law(rbm), n, 0)
    gradient = pcd_gradient(rbm, x, in_equilibrium(rbm, n, 1), 3, generator=generator(3)).vector()
    assert gradient.abs().max() < 5 * (2 / (4 * n)) ** 0.5
    # Both terms with a minus would push every bias down by the sum of the two means.
    printed = (
        -statistics(rbm, x).vector()
        - statistics(rbm, in_equilibrium(rbm, n, 1).advance(rbm, generator=generator(2))).vector()
    )
    assert printed.max() < 0
    assert printed.abs().max() > 1
    # The same for the energy t x^2 / 2 of a normal law with 1/t = E x^2 = 2: at rest, where two minus signs say -2.
    t = torch.tensor(0.5, requires_grad=True)
    data, model = torch.tensor([2.0, -2.0, 0.0, 0.0]), torch.tensor([2.0, -2.0]) / 2**0.5

    def energy(x: torch.Tensor) -> torch.Tensor:
        return t * x.square() / 2

    rest = two_phase_gradient(energy, data, model, parameters={"t": t})["t"]
    slopes = [mean_energy_gradient(energy, x, parameters={"t": t})["t"].item() for x in (data, model)]
    assert rest.item() == pytest.approx(0.0, abs=1e-6)
    assert -slopes[0] - slopes[1] == pytest.approx(-2.0)


def test_pcd_is_unbiased_while_the_machine_rests() -> None:
    # Chains in equilibrium and any data: the expectation is the exact gradient of the likelihood.
    rbm, n, law = reference_rbm(), 40_000, reference_law()
    exact = exact_gradient(rbm, all_states(4, 0, dtype=torch.float64), law).vector()
    found = pcd_gradient(rbm, drawn(law, n, 5), in_equilibrium(rbm, n, 6), generator=generator(8)).vector()
    assert (found - exact).abs().max() < 5 * (2 / (4 * n)) ** 0.5
    assert exact.abs().max() > 10 * (2 / (4 * n)) ** 0.5


def test_chains_reach_the_model_from_anywhere() -> None:
    rbm, n = reference_rbm(), 20_000
    chains = PersistentChains(torch.zeros(n, 3, dtype=torch.float64))
    x = chains.advance(rbm, 30, generator=generator())
    place = (x @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long()
    seen = torch.bincount(place, minlength=16) / n
    law = visible_law(rbm)
    index = (
        all_states(4, 0, dtype=torch.float64) @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)
    ).long()
    assert ((seen[index] - law).abs() < 5 * (law * (1 - law) / n).sqrt()).all()


def test_chains_are_carried_over() -> None:
    rbm = reference_rbm()
    whole, parts = (PersistentChains(torch.ones(7, 3, dtype=torch.float64)) for _ in range(2))
    source = generator(1)
    once = whole.advance(rbm, 5, generator=generator(1))
    parts.advance(rbm, 2, generator=source)
    assert torch.equal(parts.advance(rbm, 3, generator=source), once)
    assert torch.equal(parts.h, whole.h)
    assert set(once.unique().tolist()) == {0.0, 1.0}


def test_chains_start_at_random() -> None:
    h = PersistentChains.start(RBM(2, 5), 4000, generator=generator()).h
    assert h.shape == (4000, 5)
    assert abs(h.mean().item() - 0.5) < 5 * 0.5 / 20_000**0.5


def wrong(value: Any) -> Any:
    """A value of the wrong kind, past the type checker."""
    return value


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: PersistentChains(wrong([[0.0]])), TypeError, "h must be a torch.Tensor, got list"),
        (lambda: PersistentChains(torch.zeros(3)), ValueError, r"h must have shape \(chains, d_h\)"),
        (lambda: PersistentChains(torch.full((1, 1), float("nan"))), ValueError, "h must be finite"),
        (lambda: PersistentChains(torch.full((1, 1), 0.3)), ValueError, "h must hold 0 and 1 only, got 0.3"),
        (
            lambda: PersistentChains.start(GaussianRBM(2, 2), 3),  # type: ignore[arg-type]
            TypeError,
            "rbm must be an RBM, got GaussianRBM",
        ),
        (
            lambda: PersistentChains(torch.zeros(3, 2).double()).advance(RBM(2, 2)),
            TypeError,
            "h must have the dtype of the machine, torch.float32, got torch.float64",
        ),
        (
            lambda: pcd_gradient(RBM(2, 2), torch.zeros(3, 2), torch.zeros(3, 2)),  # type: ignore[arg-type]
            TypeError,
            "chains must be PersistentChains, got Tensor",
        ),
        (lambda: PersistentChains.start(RBM(2, 2), 0), ValueError, "chains must be at least 1, got 0"),
        (
            lambda: PersistentChains(torch.zeros(3, 5)).advance(RBM(2, 2)),
            ValueError,
            "h must end in the event shape",
        ),
        (
            lambda: PersistentChains(torch.zeros(3, 2)).advance(RBM(2, 2), 0),
            ValueError,
            "k must be at least 1",
        ),
        (
            lambda: pcd_gradient(RBM(2, 2), torch.zeros(3, 3), PersistentChains(torch.zeros(3, 2))),
            ValueError,
            "x must end in the event shape",
        ),
    ],
)
def test_bad_input(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
