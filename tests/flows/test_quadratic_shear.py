"""The flow of four coordinates that can be written out: its density and its moments, by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from gmlib.flows import Affine, Coupling, Flow, QuadraticShear, StandardNormal, half_mask

F64 = torch.float64
A, B = (0.3, 0.5, -0.2), (-0.4, 0.1, 0.6)


def points(n: int) -> Tensor:
    return 1.5 * torch.randn(n, 4, dtype=F64, generator=torch.Generator().manual_seed(0))


def hermite(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss and Hermite for N(0, I) in four dimensions: exact up to degree 2n - 1 a coordinate."""
    # The nodes are the eigenvalues of the Jacobi matrix of the probabilists' polynomials.
    off = torch.arange(1, n, dtype=F64).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    weights = vectors[0].square()
    grid = torch.tensor(list(itertools.product(range(n), repeat=4)))
    return nodes[grid], weights[grid].prod(-1)


def test_quadratic_shear_flow() -> None:
    (a0, a1, a2), (b0, b1, b2) = A, B
    shear = QuadraticShear(*A, *B).double()
    y = points(100)
    y1, y2, y3, y4 = y.unbind(-1)
    squares = (
        y1**2
        + y2**2
        + math.exp(-2 * a0) * (y3 - a1 * y1**2 - a2 * y2**2) ** 2
        + math.exp(-2 * b0) * (y4 - b1 * y1**2 - b2 * y2**2) ** 2
    )
    wanted = -a0 - b0 - 2 * math.log(2 * math.pi) - squares / 2
    found = Flow(StandardNormal((4,)).to(F64), shear).log_prob(y)
    # The parameters were float32 once.
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-5)
    # Moments of degree 4 in each coordinate: three nodes integrate them exactly.
    u, weights = hermite(3)
    with torch.no_grad():
        x = shear(u)[0]
    mean = weights @ x
    covariance = (x - mean).T @ (weights[:, None] * (x - mean))
    assert mean.tolist() == pytest.approx([0, 0, a1 + a2, b1 + b2], abs=1e-6)
    assert float(covariance[2, 2]) == pytest.approx(math.exp(2 * a0) + 2 * a1**2 + 2 * a2**2, rel=1e-6)
    assert float(covariance[3, 3]) == pytest.approx(math.exp(2 * b0) + 2 * b1**2 + 2 * b2**2, rel=1e-6)
    assert float(covariance[2, 3]) == pytest.approx(2 * a1 * b1 + 2 * a2 * b2, rel=1e-6)
    # The first two stay standard normal, and are uncorrelated with what they bend.
    torch.testing.assert_close(covariance[:2], torch.eye(4, dtype=F64)[:2], rtol=0, atol=1e-12)


def test_quadratic_shear_flow_is_one_affine_coupling() -> None:
    shear = QuadraticShear(*A, *B).double()
    scale, bend = shear.coefficients.detach().split([1, 2], -1)

    def quadratic(kept: Tensor) -> Tensor:
        shift = kept.square() @ bend.T
        return torch.stack([scale.squeeze(-1).expand_as(shift), shift], -1).flatten(-2)

    coupling = Coupling(half_mask(4), Affine(), quadratic)
    for ours, theirs in zip(
        shear(points(50)) + shear.inverse(points(50)),
        coupling(points(50)) + coupling.inverse(points(50)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.bad_input
def test_bad_coefficients_are_named() -> None:
    with pytest.raises(ValueError, match=r"^a2 must be a finite number"):
        QuadraticShear(0.0, 0.0, math.inf, 0.0, 0.0, 0.0)
    with pytest.raises(TypeError, match=r"^b0 must be a real number, got str"):
        QuadraticShear(0.0, 0.0, 0.0, "1", 0.0, 0.0)  # type: ignore[arg-type]
