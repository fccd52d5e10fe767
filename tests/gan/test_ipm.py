"""Integral probability metrics on finite sets: their axioms, and each class against its own closed form or library."""

import itertools

import ot
import pytest
import torch
from torch import Tensor

from gmlib.gan import (
    BoundedFunctions,
    FiniteFunctions,
    FunctionClass,
    KernelBall,
    LinearFunctions,
    LipschitzFunctions,
    ipm_finite,
)
from gmlib.metrics import GaussianKernel, mmd2, wasserstein_1d

F64 = torch.float64
CLASSES: dict[str, FunctionClass] = {
    "finite": FiniteFunctions([lambda x: x[:, 0], lambda x: x.square().sum(1), lambda x: x[:, 1].sin()]),
    "linear": LinearFunctions(),
    "bounded": BoundedFunctions(),
    "lipschitz": LipschitzFunctions(),
    "kernel": KernelBall(GaussianKernel(1.0)),
}


def laws(n_laws: int, n: int, d: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tables = torch.softmax(2 * torch.randn(n_laws, n, dtype=F64, generator=generator), -1)
    return tables, torch.randn(n, d, dtype=F64, generator=generator)


def test_ipm() -> None:
    """Symmetry, the triangle inequality, zero at equality; and which classes call different laws equal."""
    tables, points = laws(4, 9)
    for family in CLASSES.values():
        distance = {
            (i, j): ipm_finite(tables[i], tables[j], points, family).value.item()
            for i in range(4)
            for j in range(4)
        }
        for i, j, k in itertools.product(range(4), repeat=3):
            assert distance[i, j] == pytest.approx(distance[j, i], abs=1e-9)
            assert distance[i, k] <= distance[i, j] + distance[j, k] + 1e-9
            assert (distance[i, j] > 1e-3) == (i != j)
            assert abs(distance[i, i]) < 1e-9

    # Two laws of the same mean: {0} and the linear functions cannot tell them apart, the others can.
    spread, centre = torch.tensor([0.5, 0.0, 0.5], dtype=F64), torch.tensor([0.0, 1.0, 0.0], dtype=F64)
    points = torch.tensor([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]], dtype=F64)
    zero = FiniteFunctions([lambda x: 0 * x[:, 0]])
    assert ipm_finite(spread, centre, points, zero).value == 0
    assert ipm_finite(spread, centre, points, CLASSES["linear"]).value == 0
    truth = {"finite": 4.0, "bounded": 2.0, "lipschitz": 2.0}
    kernel = 1.5 - 2 * torch.tensor(-2.0, dtype=F64).exp() + torch.tensor(-8.0, dtype=F64).exp() / 2
    truth["kernel"] = kernel.sqrt().item()
    for name, expected in truth.items():
        assert ipm_finite(spread, centre, points, CLASSES[name]).value.item() == pytest.approx(expected)


def test_the_witness_is_in_its_class_and_attains_the_value() -> None:
    (p, q), points = laws(2, 12, seed=1)
    for name, family in CLASSES.items():
        result = ipm_finite(p, q, points, family)
        assert (p @ result.witness - q @ result.witness).item() == pytest.approx(
            result.value.item(), abs=1e-12
        )
        f = result.witness
        if name == "bounded":
            assert f.abs().max() == 1
            assert result.value.item() == pytest.approx((p - q).abs().sum().item())
        elif name == "lipschitz":
            assert ((f[:, None] - f).abs() <= torch.cdist(points, points) + 1e-9).all()
        elif name == "linear":
            # Points minus the first times a slope of length 1, which is found by least squares.
            slope = torch.linalg.lstsq(points, f[:, None]).solution[:, 0]
            assert torch.allclose(points @ slope, f, atol=1e-12)
            assert slope.norm().item() == pytest.approx(1.0)
            assert result.value.item() == pytest.approx(((p - q) @ points).norm().item())
        elif name == "kernel":
            gram = GaussianKernel(1.0)(points, points)
            assert (f @ torch.linalg.solve(gram, f)).item() == pytest.approx(1.0, rel=1e-6)


def test_classes_against_other_sources() -> None:
    # W1 against the network simplex of POT and, on a line, sorted samples; MMD against gmlib.metrics.
    (p, q), points = laws(2, 15, seed=2)
    costs = torch.cdist(points, points)
    value = ipm_finite(p, q, points, LipschitzFunctions()).value.item()
    assert value == pytest.approx(ot.emd2(p.numpy(), q.numpy(), costs.numpy()), abs=1e-9)

    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(8, dtype=F64, generator=generator), torch.randn(5, dtype=F64, generator=generator)
    p = torch.cat([torch.full((8,), 1 / 8, dtype=F64), torch.zeros(5, dtype=F64)])
    q = torch.cat([torch.zeros(8, dtype=F64), torch.full((5,), 1 / 5, dtype=F64)])
    pooled = torch.cat([x, y])[:, None]
    lipschitz = ipm_finite(p, q, pooled, LipschitzFunctions()).value.item()
    assert lipschitz == pytest.approx(wasserstein_1d(x, y, p=1).item(), abs=1e-9)
    kernel = GaussianKernel(0.7)
    ball = ipm_finite(p, q, pooled, KernelBall(kernel)).value.item()
    assert ball**2 == pytest.approx(mmd2(x[:, None], y[:, None], kernel, biased=True).item(), abs=1e-12)
    # A larger class gives a larger distance: 1-Lipschitz and linear.
    assert ipm_finite(p, q, pooled, LinearFunctions()).value.item() <= lipschitz + 1e-9


def test_one_point_and_equal_laws() -> None:
    one = torch.ones(1, dtype=F64)
    for family in CLASSES.values():
        result = ipm_finite(one, one, torch.zeros(1, 2, dtype=F64), family)
        assert result.value == 0
        assert torch.isfinite(result.witness).all()


@pytest.mark.bad_input
def test_bad_input() -> None:
    (p, q), points = laws(2, 4)
    with pytest.raises(ValueError, match=r"p must have shape \(4,\)"):
        ipm_finite(p[:3], q, points, LinearFunctions())
    with pytest.raises(ValueError, match="q must sum to one"):
        ipm_finite(p, 2 * q, points, LinearFunctions())
    with pytest.raises(ValueError, match="points must be finite"):
        ipm_finite(p, q, points * torch.nan, LinearFunctions())
    with pytest.raises(ValueError, match="points must be a matrix"):
        ipm_finite(p, q, points[:, :, None], LinearFunctions())
    with pytest.raises(ValueError, match=r"p must have the dtype torch\.float64 of points"):
        ipm_finite(p.float(), q, points, LinearFunctions())
    with pytest.raises(TypeError, match="family must be a FunctionClass"):
        ipm_finite(p, q, points, LinearFunctions)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"functions\[1\] must be callable"):
        FiniteFunctions([lambda x: x[:, 0], 3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"functions\[0\]\(points\) must have shape \(4,\)"):
        ipm_finite(p, q, points, FiniteFunctions([lambda x: x]))
    with pytest.raises(ValueError, match="kernel must return the value of each pair"):
        ipm_finite(p, q, points, KernelBall(lambda x, y: (x - y)[:, 0]))
    with pytest.raises(ValueError, match="functions must hold at least one"):
        FiniteFunctions([])
    with pytest.raises(TypeError, match="kernel must be callable"):
        KernelBall(1.0)  # type: ignore[arg-type]
