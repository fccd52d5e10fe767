"""Completion by an RBM against the enumerated conditional law."""

import pytest
import torch

from gmlib.energy import RBM, all_states, clamped_gibbs, reference_rbm, visible_law


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_rest_follows_its_conditional_law() -> None:
    # x_0 = 1 and x_2 = 0 held: 20,000 chains after 40 steps against p(x_1, x_3 | x_0, x_2).
    rbm, n = reference_rbm(), 20_000
    known = torch.tensor([True, False, True, False])
    start = torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64).expand(n, 4)
    x = clamped_gibbs(rbm, start, known, 40, generator=generator())
    assert (x[:, known] == start[:, known]).all()
    states, law = all_states(4, 0, dtype=torch.float64), visible_law(rbm)
    fits = (states[:, known] == start[0, known]).all(1)
    law = law[fits] / law[fits].sum()
    seen = (x[:, None] == states[fits]).all(-1).double().mean(0)
    assert ((seen - law).abs() < 5 * (law * (1 - law) / n).sqrt()).all()


def test_everything_or_nothing_known() -> None:
    rbm = reference_rbm()
    x = torch.ones(50, 4, dtype=torch.float64)
    all_known = torch.ones(50, 4, dtype=torch.bool)
    assert torch.equal(clamped_gibbs(rbm, x, all_known, 5, generator=generator()), x)
    free = clamped_gibbs(rbm, x, ~all_known, 5, generator=generator(1))
    assert torch.equal(free, rbm.gibbs(x, 5, generator=generator(1)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"x": torch.zeros(3, 5)}, ValueError, "x must end in the event shape"),
        (
            {"known": torch.zeros(4)},
            TypeError,
            "known must be a torch.Tensor of dtype torch.bool, got torch.float32",
        ),
        ({"known": [True] * 4}, TypeError, "known must be a torch.Tensor of dtype torch.bool, got list"),
        (
            {"known": torch.zeros(2, 4, dtype=torch.bool)},
            ValueError,
            r"known must have shape \(4,\) or \(3, 4\)",
        ),
        ({"sweeps": -1}, ValueError, "sweeps must be at least 0"),
    ],
)
def test_bad_input(changes, error, said) -> None:
    good = {"rbm": RBM(4, 2), "x": torch.zeros(3, 4), "known": torch.ones(4, dtype=torch.bool), "sweeps": 1}
    with pytest.raises(error, match=said):
        clamped_gibbs(**(good | changes))
