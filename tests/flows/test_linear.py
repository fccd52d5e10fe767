"""Affine and linear layers: the closed-form fit, and what structure saves, counted and not timed."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gmlib.distributions import two_moons
from gmlib.flows import (
    PLU,
    Affine,
    AffineMap,
    Composition,
    Conv1x1,
    Elementwise,
    Flow,
    Permutation,
    StandardNormal,
    dense_log_det,
    fit_affine,
    reversal,
)

F64 = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


class Calls(TorchDispatchMode):
    """Names of the operations of torch that ran inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__.split(".")[0])
        return func(*args, **(kwargs or {}))

    def count(self, *names: str) -> int:
        return sum(name in names for name in self.names)


DECOMPOSITIONS = (
    "linalg_inv_ex",
    "_linalg_slogdet",
    "_linalg_det",
    "linalg_lu_factor_ex",
    "linalg_lu",
    "_linalg_solve_ex",
)


def moons_covariance(noise: float) -> Tensor:
    """Of the continuous two moons, by hand: variance within a moon, between the moons' means, and the noise."""
    gap = 4 / math.pi - 0.5  # between the mean heights 2/pi and 1/2 - 2/pi; the mean places are 0 and 1
    within = torch.diag(torch.tensor([0.5, 0.5 - 4 / math.pi**2], dtype=F64))
    between = torch.tensor([[1.0, -gap], [-gap, gap**2]], dtype=F64) / 4
    return within + between + noise**2 * torch.eye(2, dtype=F64)


@pytest.mark.parametrize(("noise", "best"), [(0.05, 1.8835), (0.1, 1.9083), (0.2, 1.9999)])
def test_affine_flow(noise: float, best: float) -> None:
    law = two_moons(noise, dtype=F64)
    # The best Gaussian's cross-entropy depends on the covariance alone.
    wanted = 0.5 * torch.logdet(2 * math.pi * math.e * moons_covariance(noise)).item()
    assert wanted == pytest.approx(best, abs=6e-5)
    n = 4000
    generator = torch.Generator().manual_seed(0)
    x, new = (law.sample((n,), generator=generator) for _ in range(2))
    layer = fit_affine(x)
    torch.testing.assert_close(layer.shift.detach(), x.mean(0), rtol=0, atol=1e-12)
    S = torch.cov(x.mT, correction=0)
    torch.testing.assert_close((layer.matrix() @ layer.matrix().mT).detach(), S, rtol=0, atol=1e-12)
    flow = Flow(StandardNormal((2,)).to(F64), layer)
    in_sample = -flow.log_prob(x).mean()
    closed = 0.5 * torch.logdet(2 * math.pi * math.e * S)
    torch.testing.assert_close(in_sample.detach(), closed, rtol=0, atol=1e-10)
    # A maximum: the gradient vanishes in every parameter that is used.
    in_sample.backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() < 1e-10
    # New points: the best Gaussian's, within 4 standard errors, and far above the law's own entropy.
    nll = -flow.log_prob(new).detach()
    error = nll.std().item() / math.sqrt(n)
    assert nll.mean().item() == pytest.approx(wanted, abs=4 * error)
    excess = nll[:500] + law.log_prob(new[:500])
    assert excess.mean() > 0.25


def test_no_stack_of_affine_layers_is_better_than_one() -> None:
    x = two_moons(0.1, 100, dtype=F64).sample((200,), generator=torch.Generator().manual_seed(0))
    best = 0.5 * torch.logdet(2 * math.pi * math.e * torch.cov(x.mT, correction=0))
    base = StandardNormal((2,)).to(F64)
    for seed in range(20):
        layers = [PLU(2, generator=torch.Generator().manual_seed(seed)), reversal(2), AffineMap(2)]
        stack = Composition([fit_affine(x), *layers, Elementwise(Affine(), (2,))]).to(F64)
        with torch.no_grad():
            for i, parameter in enumerate(stack.parameters()):
                parameter.add_(0.1 * normal(*parameter.shape, seed=100 * seed + i))
        log_prob = Flow(base, stack).log_prob(x).detach()
        assert -log_prob.mean() >= best
        # Whatever the layers, the law is normal, with the moments that the whole map gives it.
        shift = stack(torch.zeros(2, dtype=F64))[0].detach()
        A = stack(torch.eye(2, dtype=F64))[0].detach().mT - shift[:, None]
        torch.testing.assert_close(
            log_prob, torch.distributions.MultivariateNormal(shift, A @ A.mT).log_prob(x)
        )


def test_structured_linear() -> None:
    d = 6
    diagonal, triangular, plu = Elementwise(Affine(), (d,)), AffineMap(d), PLU(d)
    back, order = reversal(d), Permutation(torch.tensor([3, 0, 5, 1, 4, 2]))
    u = normal(40, d)
    for layer in (diagonal, triangular, plu):
        with torch.no_grad():
            for i, parameter in enumerate(layer.parameters()):
                parameter.add_(0.3 * normal(*parameter.shape, seed=i).float())
        layer.to(F64)
    # |det P| = 1, and reading backwards twice is reading.
    for permutation in (back, order):
        P = permutation(torch.eye(d, dtype=F64))[0]
        assert torch.linalg.det(P).abs() == 1
        assert (permutation(u)[1] == 0).all()
    assert torch.equal(back(back(u)[0])[0], u)
    assert torch.equal(order.inverse(order(u)[0])[0], u)
    # log|det| of PLU is that of its diagonal.
    W = plu.matrix().detach()
    torch.testing.assert_close(
        plu.log_diagonal.sum().detach(), torch.linalg.slogdet(W)[1], rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        plu.inverse_matrix() @ plu.matrix(), torch.eye(d, dtype=F64), rtol=0, atol=1e-12
    )
    # What the structure saves: no decomposition anywhere, no solve for a diagonal or a permutation, one for a
    # triangle and two for PLU, whatever the number of points.
    solves = {diagonal: 0, triangular: 1, plu: 2, back: 0, order: 0}
    for layer, wanted in solves.items():
        for batch in (u, u[:3]):
            with Calls() as calls, torch.no_grad():
                layer.inverse(layer(batch)[0])
            assert calls.count(*DECOMPOSITIONS) == 0
            assert calls.count("linalg_solve_triangular") == wanted
            if layer in (diagonal, back, order):
                assert calls.count("mm", "bmm", "addmm", "matmul") == 0


def test_affine_map_by_hand() -> None:
    # exp(a) = 3 and 2, entry 5 below: x = (3, 5 + 2) + b at u = (1, 1).
    layer = AffineMap(2).to(F64)
    with torch.no_grad():
        layer.log_diagonal.copy_(torch.tensor([3.0, 2.0]).log())
        layer.lower.copy_(torch.tensor([[9.0, 9.0], [5.0, 9.0]]))  # the 9s are not used
        layer.shift.copy_(torch.tensor([0.5, -1.0]))
    x, log_det = layer(torch.ones(1, 2, dtype=F64))
    torch.testing.assert_close(x, torch.tensor([[3.5, 6.0]], dtype=F64), rtol=1e-7, atol=0)
    assert log_det.item() == pytest.approx(math.log(6), rel=1e-6)


def test_plu_starts_where_it_says() -> None:
    for seed in range(5):
        W = PLU(5, generator=torch.Generator().manual_seed(seed)).double().matrix()
        torch.testing.assert_close(W @ W.mT, torch.eye(5, dtype=F64), rtol=0, atol=1e-5)
    assert torch.equal(PLU(3, start="identity").matrix(), torch.eye(3))


@pytest.mark.parametrize("kind", ["plu", "dense"])
def test_conv_1x1_flow(kind: str) -> None:
    C, H, W = 3, 4, 5
    layer = Conv1x1((C, H, W), kind=kind, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            parameter.add_(0.3 * normal(*parameter.shape, seed=i).float())
    layer = layer.to(F64)
    u = normal(2, C, H, W)
    x, log_det = layer(u)
    M = layer.matrix().detach()
    wanted = H * W * torch.linalg.slogdet(M)[1]
    torch.testing.assert_close(log_det.detach(), wanted.expand(2), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(dense_log_det(layer, u), wanted.expand(2), rtol=1e-10, atol=1e-10)
    # The same matrix at each pixel.
    torch.testing.assert_close(x, torch.einsum("ij,njhw->nihw", M, u), rtol=1e-12, atol=1e-12)
    # Usual mistakes are far off: one pixel's log-determinant, and the diagonal alone.
    assert (torch.linalg.slogdet(M)[1] - wanted).abs() > 0.5
    assert (H * W * M.diagonal().abs().log().sum() - wanted).abs() > 0.5


def test_conv_1x1_of_a_permutation_keeps_volumes() -> None:
    layer = Conv1x1((3, 2, 2), kind="dense", start="identity").to(F64)
    with torch.no_grad():
        assert layer.weight is not None
        layer.weight.copy_(torch.eye(3)[[2, 0, 1]])
    u = normal(2, 3, 2, 2)
    x, log_det = layer(u)
    assert (log_det == 0).all()
    assert torch.equal(x, Permutation(torch.tensor([2, 0, 1]), (3, 2, 2))(u)[0])


def test_plu_convolution_needs_no_decomposition() -> None:
    u = normal(2, 8, 3, 3)
    counts = {}
    for kind in ("plu", "dense"):
        layer = Conv1x1((8, 3, 3), kind=kind).to(F64)
        with Calls() as calls, torch.no_grad():
            layer.inverse(layer(u)[0])
        counts[kind] = calls.count(*DECOMPOSITIONS)
    assert counts == {"plu": 0, "dense": 3}  # a determinant each way, and an inverse


@pytest.mark.parametrize(
    "make",
    [
        lambda: AffineMap(8),
        lambda: PLU(8),
        lambda: Conv1x1((8, 2, 2)),
        lambda: Conv1x1((8, 2, 2), kind="dense"),
    ],
)
def test_autocast_rounds_no_matrix(make) -> None:
    layer = make()
    with torch.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            parameter.add_(0.1 * normal(*parameter.shape, seed=i).float())
    u = normal(16, *layer.event_shape).float()
    plain = layer(u)
    with torch.autocast("cpu", torch.bfloat16):
        x, log_det = layer(u)
        back, back_log_det = layer.inverse(x)
        rounded = layer.inverse(layer(u.bfloat16())[0])[0]  # as another layer's network may give it
    for found, wanted in ((x, plain[0]), (log_det, plain[1]), (back, u), (back_log_det, -plain[1])):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, u.bfloat16().float(), rtol=0, atol=1e-4)


def test_matrices_are_made_where_they_are_used() -> None:
    plu, u = PLU(4).to(F64), normal(3, 4)
    with Calls() as calls, torch.no_grad():
        plu.inverse(plu(u)[0])
        plu.inverse_matrix()
    assert calls.count("_to_copy") == 0


def test_linear_layers_are_made_in_the_default_dtype() -> None:
    torch.set_default_dtype(F64)
    try:
        layers = [PLU(3), Conv1x1((3, 2, 2)), Conv1x1((3, 2, 2), kind="dense")]
    finally:
        torch.set_default_dtype(torch.float32)
    for layer in layers:
        assert all(value.dtype in (F64, torch.long) for value in layer.state_dict().values())
        u = normal(4, *layer.event_shape)
        torch.testing.assert_close(layer.inverse(layer(u)[0])[0], u, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_an_order_may_be_of_any_integers(dtype: torch.dtype) -> None:
    x = Permutation(torch.tensor([2, 0, 1], dtype=dtype))(torch.tensor([1.0, 2.0, 3.0]))[0]
    assert x.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="d must be at least 1, got 0"):
        AffineMap(0)
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, got list"):
        fit_affine([[1.0]])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\)"):
        fit_affine(torch.zeros(3))
    with pytest.raises(ValueError, match="x must be finite, got 1"):
        fit_affine(torch.tensor([[0.0, torch.nan]]))
    with pytest.raises(
        ValueError, match="x must have a covariance of full rank 2, got a singular one from 2"
    ):
        fit_affine(torch.tensor([[0.0, 1.0], [1.0, 3.0]]))
    line = normal(50, 1) * torch.tensor([[1.0, 0.1]], dtype=F64)
    with pytest.raises(ValueError, match="x must have a covariance of full rank 2"):
        fit_affine(line)
    with pytest.raises(TypeError, match=r"order must have an integer dtype, got torch\.float32"):
        Permutation(torch.tensor([0.0, 1.0]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"order must hold each of 0 \.\. d - 1 once, got \[0, 0\]"):
        Permutation(torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="event_shape must start with the length of order 2"):
        Permutation(torch.tensor([1, 0]), (3, 2))
    with pytest.raises(ValueError, match="start must be one of 'rotation', 'identity', got 'zero'"):
        PLU(2, start="zero")
    with pytest.raises(ValueError, match="kind must be one of 'plu', 'dense', got 'lu'"):
        Conv1x1((2, 2, 2), kind="lu")
    with pytest.raises(ValueError, match=r"event_shape must be \(channels, height, width\), got \(2, 2\)"):
        Conv1x1((2, 2))  # type: ignore[arg-type]
