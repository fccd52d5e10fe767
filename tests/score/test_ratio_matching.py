"""Ratio matching on binary laws small enough to enumerate."""

import importlib
import itertools

import pytest
import torch
from torch import Tensor

from gmlib.score import ratio_matching

F64 = torch.float64


def states(d: int, low: float = 0.0) -> Tensor:
    return torch.tensor(list(itertools.product((low, 1.0), repeat=d)), dtype=F64)


def boltzmann(theta: Tensor, d: int):
    """The energy of a Boltzmann machine with d(d-1)/2 couplings and d biases."""
    rows, columns = torch.triu_indices(d, d, 1)
    pairs = len(rows)

    def energy(x: Tensor) -> Tensor:
        return -(x[:, rows] * x[:, columns]) @ theta[:pairs] - x @ theta[pairs:]

    return energy


def table(energy, x: Tensor) -> Tensor:
    return (-energy(x)).softmax(0)


def test_ratio_matching_is_the_distance_of_the_ratios(generator: torch.Generator) -> None:
    # The definition, with the data's own ratios, bit by bit from the table: equal up to a constant.
    d, x = 4, states(4)
    p = torch.rand(16, dtype=F64, generator=generator).add(0.1)
    p = p / p.sum()
    neighbour = torch.tensor([[s ^ (1 << (d - 1 - i)) for i in range(d)] for s in range(16)])

    def g(law: Tensor) -> Tensor:
        return 1 / (1 + law[:, None] / law[neighbour])

    # P(bit i = 1 | the others) of the data, for the constant: the mean variance of a bit given the others.
    one = torch.where(x == 1, 1 - g(p), g(p))
    constant = (p[:, None] * one * (1 - one)).sum()
    for _ in range(5):
        theta = torch.randn(10, dtype=F64, generator=generator)
        energy = boltzmann(theta, d)
        distance = (p[:, None] * (g(p) - g(table(energy, x))).square()).sum()
        loss = (p * ratio_matching(energy, x).total).sum()
        assert (loss - distance).item() == pytest.approx(constant.item(), abs=1e-14)


def test_generalised_score_matching_of_binary_data(generator: torch.Generator) -> None:
    # Population objective of a law in the family: its gradient vanishes at the truth, and Newton's method returns there.
    d, x = 4, states(4)
    truth = torch.randn(10, dtype=F64, generator=generator)
    p = table(boltzmann(truth, d), x)

    def objective(theta: Tensor) -> Tensor:
        return (p * ratio_matching(boltzmann(theta, d), x).total).sum()

    at_truth = torch.autograd.functional.jacobian(objective, truth)
    assert float(at_truth.abs().max()) < 1e-15
    theta = truth + 0.1 * torch.randn(10, dtype=F64, generator=generator)
    assert objective(theta) > objective(truth)
    for _ in range(8):
        gradient = torch.autograd.functional.jacobian(objective, theta)
        theta = theta - torch.linalg.solve(torch.autograd.functional.hessian(objective, theta), gradient)
    assert torch.allclose(theta, truth, atol=1e-9)


def test_spins_chunks_and_images(generator: torch.Generator) -> None:
    # Spins s = 2x - 1 are the same law, a few bits at a time is the same sum, and the event's shape does not matter.
    x = torch.randint(0, 2, (6, 2, 3), generator=generator).to(F64)
    weight = torch.randn(6, 6, dtype=F64, generator=generator)

    def energy(x: Tensor) -> Tensor:
        return ((x.flatten(1) @ weight) * x.flatten(1)).sum(1)

    whole = ratio_matching(energy, x)
    assert whole.bits.shape == (6, 2, 3)
    assert torch.allclose(whole.bits.sum((1, 2)), whole.total)
    for other in (
        ratio_matching(energy, x, chunk=4),
        ratio_matching(lambda s: energy((s + 1) / 2), 2 * x - 1, values=(-1.0, 1.0)),
    ):
        assert torch.allclose(other.bits, whole.bits, atol=1e-14)
        assert torch.allclose(other.mean().total, whole.total.mean())


def test_neighbours_come_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(4, 10)
    sizes = []

    def energy(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x.square().sum(1)

    whole = ratio_matching(energy, x).total
    assert sizes == [40, 400]
    sizes.clear()
    module = importlib.import_module("gmlib.score.ratio_matching")
    monkeypatch.setattr(module, "BLOCK", 120)
    assert torch.equal(ratio_matching(energy, x).total, whole)
    assert sizes == [40, 120, 120, 120, 40]
    sizes.clear()
    monkeypatch.setattr(module, "BLOCK", 1)  # one bit at least
    assert torch.equal(ratio_matching(energy, x).total, whole)
    assert sizes == [40] * 11


@pytest.mark.bad_input
def test_bad_input() -> None:
    def energy(x: Tensor) -> Tensor:
        return x.sum(1)

    with pytest.raises(ValueError, match="no other entries"):
        ratio_matching(energy, torch.tensor([[0.5, 1.0]]))
    with pytest.raises(TypeError, match="floating"):
        ratio_matching(energy, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one bit"):
        ratio_matching(energy, torch.zeros(0, 2))
    with pytest.raises(ValueError, match=r"energy\(x\) must have shape \(2,\)"):
        ratio_matching(lambda x: x, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="different"):
        ratio_matching(energy, torch.zeros(2, 3), values=(1.0, 1.0))
    with pytest.raises(ValueError, match="chunk"):
        ratio_matching(energy, torch.zeros(2, 3), chunk=0)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers(generator: torch.Generator) -> None:
    x = torch.randint(0, 2, (8, 5), generator=generator).float()
    weight = torch.randn(5, 5, generator=generator)
    here = ratio_matching(lambda x: ((x @ weight) * x).sum(1), x, chunk=2)
    there = ratio_matching(lambda x: ((x @ weight.cuda()) * x).sum(1), x.cuda(), chunk=2)
    assert torch.allclose(there.bits.cpu(), here.bits, rtol=1e-3, atol=1e-5)
