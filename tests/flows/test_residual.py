"""Contractive residual blocks: Banach's bound, the stretch of networks, gradients, and the three log-determinants."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from gmlib.distributions import two_moons
from gmlib.flows import (
    ContractiveResidual,
    DenseLogDet,
    LipschitzConv,
    LipschitzMLP,
    LipschitzNet,
    RouletteLogDet,
    SeriesLogDet,
    SpectralConv2d,
    SpectralLinear,
    circular_conv_norm,
    dense_log_det,
    fixed_point_bound,
    fixed_point_path,
    grid_integral,
    iterations_for,
    log_det_series_bound,
    log_det_terms,
    probed_log_det_terms,
    reference_matrix,
    residual_flow,
)
from gmlib.flows.lipschitz import lip_swish

F64 = torch.float64
A = reference_matrix()
U = torch.linspace(-2, 3, 6, dtype=F64)


def bend(u: Tensor) -> Tensor:
    """A residual of Lipschitz constant 0.6 that is not linear."""
    return torch.tanh(u) @ A.T


def grown(module: LipschitzNet | SpectralLinear | SpectralConv2d, size: float, seed: int = 0):
    """In double precision, with weights so large that the bound is at work, and vectors that know them."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator, dtype=F64))
    layers = module.layers if isinstance(module, LipschitzNet) else [module]
    for layer, _ in itertools.product(layers, range(100)):
        layer.norm()
    return module.eval()


def operator(layer: SpectralLinear | SpectralConv2d) -> Tensor:
    """The whole matrix of a layer, by its columns."""
    eye = torch.eye(layer.right.numel(), dtype=F64)
    return layer.apply_to(eye.reshape(-1, *layer.right.shape), layer.normalised()).flatten(1).T


def test_contractive_residual_flow() -> None:
    x = U + bend(U)
    for start in (None, torch.zeros(6, dtype=F64), 100 * U):
        path = fixed_point_path(bend, x, 60, start=start)
        first = (path[1] - path[0]).norm().item()
        for n, u in enumerate(path):
            assert (u - U).norm().item() <= fixed_point_bound(first, 0.6, n) + 1e-13
    # A contraction is enough for an inverse, and not necessary: x = 2.5 u has one, and the steps run away from it.
    x = 2.5 * U
    path = fixed_point_path(lambda u: 1.5 * u, x, 30)
    due = torch.stack([U + (-1.5) ** n * (x - U) for n in range(31)])
    torch.testing.assert_close(path, due)
    assert (path[-1] - U).norm() > 1e5 * U.norm()


def test_the_bound_is_reached_by_a_residual_that_turns_points_round() -> None:
    path = fixed_point_path(lambda u: -0.6 * u, 0.4 * U, 20, start=torch.zeros(6, dtype=F64))
    first = (path[1] - path[0]).norm().item()
    for n, u in enumerate(path):
        assert (u - U).norm().item() == pytest.approx(fixed_point_bound(first, 0.6, n))


def test_as_many_iterations_as_the_bound_asks_for_and_no_more() -> None:
    for lipschitz, error in itertools.product((0.1, 0.5, 0.9), (1e-3, 1e-7, 1e-16)):
        n = iterations_for(lipschitz, error)
        assert fixed_point_bound(1.0, lipschitz, n) <= error * (1 + 1e-9)
        assert fixed_point_bound(1.0, lipschitz, n - 1) > error


def test_an_early_stop_errs_as_banach_says() -> None:
    net = grown(LipschitzMLP(3, (8,), lipschitz=0.6), 2.0)
    u = torch.randn(50, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    x, _ = ContractiveResidual(net)(u)
    first = net(x).norm(dim=-1)
    for n in (1, 3, 8):
        with torch.no_grad():
            miss = (ContractiveResidual(net, iterations=n).inverse(x)[0] - u).norm(dim=-1)
        assert bool((miss <= 0.6**n / 0.4 * first * (1 + 1e-9)).all())
        assert miss.max() > 1e-12


def test_the_activation_is_smooth_and_its_slope_below_1() -> None:
    z = torch.linspace(-30, 30, 60_001, dtype=F64, requires_grad=True)
    value, slope = lip_swish(z)
    torch.testing.assert_close(torch.autograd.grad(value.sum(), z)[0], slope)
    assert 0.9998 < slope.abs().max().item() < 1
    assert slope.diff().abs().max().item() < 1e-3


def test_iresnet() -> None:
    generator = torch.Generator().manual_seed(1)
    for net, shape in (
        (LipschitzMLP(4, (32, 32), lipschitz=0.7), (4,)),
        (LipschitzConv(2, (4, 5), (6, 6), lipschitz=0.7), (2, 4, 5)),
    ):
        net = grown(net, 3.0)
        assert net.lipschitz == pytest.approx(0.7)
        for scale in (1e-3, 1.0, 30.0):
            a, b = scale * torch.randn(2, 500, *shape, dtype=F64, generator=generator)
            ratio = (net(a) - net(b)).flatten(1).norm(dim=-1) / (a - b).flatten(1).norm(dim=-1)
            assert ratio.max().item() <= 0.7 * (1 + 1e-6)
            assert ratio.max().item() > 0.001
        for layer in net.layers:
            assert torch.linalg.matrix_norm(operator(layer), 2).item() == pytest.approx(layer.bound, rel=1e-4)
    # Normalising the kernel as a matrix is not enough: this one has norm 1, and its operator 3.
    box = torch.ones(1, 1, 3, 3, dtype=F64) / 3
    assert torch.linalg.matrix_norm(box.flatten(1), 2).item() == pytest.approx(1)
    assert circular_conv_norm(box, 16, 16).item() == pytest.approx(3)


@pytest.mark.parametrize("side", [4, 9, 16])
def test_power_iteration_finds_the_norm_of_a_convolution_with_zero_padding(side: int) -> None:
    layer = SpectralConv2d(1, 1, (side, side), bound=1.0).double()
    torch.nn.init.constant_(layer.weight, 1 / 3)
    for _ in range(200):
        layer.norm()
    # A box is a product of two tridiagonal matrices of ones, whose largest eigenvalue is known.
    due = (1 + 2 * math.cos(math.pi / (side + 1))) ** 2 / 3
    assert layer.norm().item() == pytest.approx(due, rel=1e-9)
    assert due <= circular_conv_norm(layer.weight, side + 2, side + 2).item()
    assert torch.linalg.matrix_norm(operator(layer), 2).item() == pytest.approx(1, rel=1e-9)


def test_the_fourier_norm_is_that_of_the_whole_matrix() -> None:
    kernel = torch.randn(3, 2, 3, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    eye = torch.eye(2 * 4 * 5, dtype=F64).reshape(-1, 2, 4, 5)
    padded = torch.nn.functional.pad(eye, (1, 1, 1, 1), mode="circular")
    dense = torch.nn.functional.conv2d(padded, kernel).flatten(1)
    torch.testing.assert_close(circular_conv_norm(kernel, 4, 5), torch.linalg.matrix_norm(dense, 2))


def test_the_adjoint_of_a_layer_is_its_transposed_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    for layer, out in ((SpectralLinear(4, 3), (3,)), (SpectralConv2d(2, 3, (4, 5)), (3, 4, 5))):
        layer = layer.double()
        v = torch.randn(6, *layer.right.shape, dtype=F64, generator=generator)
        y = torch.randn(6, *out, dtype=F64, generator=generator)
        left = (layer.apply_to(v, layer.weight) * y).flatten(1).sum(1)
        right = (v * layer.adjoint(y, layer.weight)).flatten(1).sum(1)
        torch.testing.assert_close(left, right)


def test_small_weights_are_left_alone_and_the_norm_learns() -> None:
    layer = SpectralLinear(3, 3, bound=1.0).double()
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([0.5, 0.2, 0.1])))
    for _ in range(50):
        layer.norm()
    assert torch.equal(layer.normalised(), layer.weight)
    (slope,) = torch.autograd.grad(layer.norm(), layer.weight)
    # The gradient of the largest singular value is the product of its two singular vectors.
    due = torch.zeros(3, 3, dtype=F64)
    due[0, 0] = 1
    torch.testing.assert_close(slope, due, rtol=1e-9, atol=1e-9)


def test_the_vectors_are_kept_in_training_only_and_survive_a_map_to_zero() -> None:
    layer = SpectralLinear(4, 4).double()
    torch.nn.init.normal_(layer.weight)
    before = layer.right.clone()
    layer.eval().norm()
    assert torch.equal(layer.right, before)
    layer.train().norm()
    assert not torch.equal(layer.right, before)
    torch.nn.init.zeros_(layer.weight)
    layer.norm()
    assert layer.right.norm().item() == pytest.approx(1)
    assert torch.isfinite(layer(torch.ones(4, dtype=F64))).all()


def test_directions_are_pushed_forward_by_the_jacobian() -> None:
    generator = torch.Generator().manual_seed(0)
    for net, shape in (
        (LipschitzMLP(3, (5, 4), context=2), (3,)),
        (LipschitzConv(2, (3, 3), (3,), context=2), (2, 3, 3)),
    ):
        net = grown(net, 1.0)
        u = torch.randn(4, *shape, dtype=F64, generator=generator)
        c = torch.randn(4, 2, dtype=F64, generator=generator)
        v = torch.randn(7, 4, *shape, dtype=F64, generator=generator)
        value, along = net.linearised(u, net.prepared(c))
        torch.testing.assert_close(value, net(u, c))
        for direction, pushed in zip(v, along(v), strict=True):
            due = torch.func.jvp(lambda p, net=net, c=c: net(p, c), (u,), (direction,))[1]
            torch.testing.assert_close(pushed, due)


def test_the_gradient_of_the_inverse_is_that_of_the_implicit_function() -> None:
    net = grown(LipschitzMLP(2, (4,), lipschitz=0.5, context=1), 1.0)
    block = ContractiveResidual(net)
    x = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=F64, requires_grad=True)
    c = torch.tensor([[0.2], [-1.0]], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, c: block.inverse(x, c), (x, c))
    # In the parameters: against the gradient through all iterations.
    u = x.detach()
    for _ in range(80):
        u = x.detach() - net(u, c.detach())
    weights = torch.linspace(1, 2, 4, dtype=F64).reshape(2, 2)
    due = torch.autograd.grad((weights * u).sum(), list(net.parameters()))
    found, _ = block.inverse(x.detach(), c.detach())
    found = torch.autograd.grad((weights * found).sum(), list(net.parameters()))
    torch.testing.assert_close(found, due, rtol=1e-9, atol=1e-11)


def test_without_gradients_the_point_is_the_same() -> None:
    block = ContractiveResidual(grown(LipschitzMLP(3, (8,), lipschitz=0.6), 2.0))
    x = torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = block.inverse(x)
    torch.testing.assert_close(plain, block.inverse(x), rtol=1e-13, atol=1e-13)


def test_a_truncated_series_is_as_near_as_its_bound_says() -> None:
    net = grown(LipschitzConv(1, (2, 2), (3,), lipschitz=0.5), 2.0)
    block = ContractiveResidual(net)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)), dtype=F64).reshape(16, 1, 2, 2)
    u = torch.tensor([0.5, -1.0, 2.0, 0.1], dtype=F64).reshape(1, 2, 2).expand(16, -1, -1, -1)
    exact = dense_log_det(block, u)[0]
    for n in (1, 2, 5, 20):
        along = net.linearised(u, net.prepared(None))[1]
        mean = probed_log_det_terms(along, signs, n, event_dims=3).sum(-1).mean()
        assert abs(mean - exact) <= log_det_series_bound(4, 0.5, n)


def test_the_estimates_of_a_block_against_its_determinant() -> None:
    net = grown(LipschitzMLP(2, (6,), lipschitz=0.6), 2.0)
    u = torch.tensor([0.3, -0.4], dtype=F64)
    exact = ContractiveResidual(net)(u)[1].item()
    matrix = torch.as_tensor(torch.autograd.functional.jacobian(net, u))
    assert exact == pytest.approx(torch.linalg.slogdet(torch.eye(2, dtype=F64) + matrix)[1].item(), abs=1e-12)
    torch.manual_seed(0)
    with torch.no_grad():
        # 4000 independent probes: signs cannot be off by more than the standard error says.
        found = ContractiveResidual(net, log_det=SeriesLogDet(3))(u.expand(4000, 2))[1]
        due = log_det_terms(matrix, 3).sum().item()
        assert found.mean().item() == pytest.approx(
            due, abs=4.5 * found.std().item() / math.sqrt(4000) + 1e-12
        )
        # 400 independent lengths of the series, 20 probes each.
        block = ContractiveResidual(net, log_det=RouletteLogDet(0.5, kept=1))
        means = torch.stack([block(u.expand(20, 2))[1].mean() for _ in range(400)])
    assert means.mean().item() == pytest.approx(exact, abs=4.5 * means.std().item() / math.sqrt(400))


def test_estimates_teach_what_the_determinant_teaches() -> None:
    net = grown(LipschitzMLP(2, (6,), lipschitz=0.3), 1.0)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=2)), dtype=F64)
    u = torch.tensor([[0.3, -0.4]], dtype=F64).expand(4, 2)
    along = net.linearised(u, net.prepared(None))[1]
    estimate = probed_log_det_terms(along, signs, 40).sum(-1).mean()
    exact = DenseLogDet()(along, u, event_dims=1)[0]
    found, due = (
        torch.autograd.grad(
            value, list(net.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for value in (estimate, exact)
    )
    torch.testing.assert_close(found, due, rtol=1e-8, atol=1e-10)


def test_a_flow_of_blocks_has_densities_without_iteration_that_integrate_to_one() -> None:
    torch.manual_seed(0)
    flow = residual_flow(2, blocks=3, hidden=(16,), lipschitz=0.8).double()
    with torch.no_grad():
        for block in flow.bijection.modules():
            if isinstance(block, LipschitzNet):
                for parameter in block.parameters():
                    parameter.add_(torch.randn_like(parameter))
    flow.train()
    for _ in range(20):
        flow.log_prob(torch.zeros(1, 2, dtype=F64))
    flow.eval()
    assert grid_integral(lambda x: flow.log_prob(x.double()), low=-20.0, high=20.0, n=300) == pytest.approx(
        1, abs=1e-6
    )
    x = flow.sample((50,))
    u, log_det = flow.bijection.inverse(x)
    again, back = flow.bijection.forward(u)
    torch.testing.assert_close(again, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(back, -log_det, rtol=1e-9, atol=1e-9)


def test_blocks_start_near_the_identity() -> None:
    u = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    x, log_det = ContractiveResidual(LipschitzMLP(2))(u)
    assert (x - u).abs().max() < 0.05
    assert log_det.abs().max() < 0.05


@pytest.mark.bad_input
def test_bad_input_is_named() -> None:
    for make, message in (
        (lambda: LipschitzMLP(2, ()), r"^hidden must name at least one hidden layer, got none"),
        (lambda: LipschitzMLP(2, lipschitz=1.0), r"^lipschitz must be a finite number in \(0, 1\), got 1.0"),
        (lambda: LipschitzConv(1, (4, 4), (3,), kernel=2), r"^kernel must be odd"),
        (lambda: SpectralLinear(2, 0), r"^outputs must be at least 1, got 0"),
        (lambda: SpectralLinear(2, 2, bound=0.0), r"^bound must be a finite number"),
        (lambda: SpectralConv2d(1, 1, (0, 4)), r"^size must be at least 1, got 0"),
        (lambda: circular_conv_norm(torch.ones(1, 1, 5, 5), 4, 8), r"^kernel must have shape"),
        (
            lambda: ContractiveResidual(LipschitzMLP(2), iterations=0),
            r"^iterations must be at least 1, got 0",
        ),
        (
            lambda: ContractiveResidual(LipschitzNet([SpectralLinear(2, 2, bound=1.0)], (2,))),
            r"^net must have a Lipschitz constant below 1, got 1",
        ),
        (lambda: SeriesLogDet(0), r"^n must be at least 1, got 0"),
        (
            lambda: residual_flow(2, blocks=1, log_det=RouletteLogDet(0.5)),
            r"^log_det must survive with a chance above 0.81, the square",
        ),
        (lambda: RouletteLogDet(1.0), r"^survive must be a finite number"),
        (lambda: RouletteLogDet(kept=0), r"^kept must be at least 1, got 0"),
        (lambda: residual_flow(2, blocks=0), r"^blocks must be at least 1, got 0"),
        (lambda: residual_flow(2, zoom=0.0), r"^zoom must be a finite number"),
        (lambda: fixed_point_path(bend, U, 0), r"^n must be at least 1, got 0"),
        (lambda: fixed_point_bound(-1.0, 0.5, 2), r"^first_step must be a finite number"),
        (lambda: iterations_for(1.0, 1e-3), r"^lipschitz must be a finite number"),
        (lambda: LipschitzMLP(2)(torch.ones(3)), r"^u must end in the event shape"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match=r"^net must be a LipschitzNet, got Linear"):
        ContractiveResidual(torch.nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^log_det must be a ResidualLogDet or None, got str"):
        ContractiveResidual(LipschitzMLP(2), log_det="dense")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^residual must be callable, got Tensor"):
        fixed_point_path(A, U, 3)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_few_blocks_soon_do_better_on_two_moons_than_any_normal_law() -> None:
    law = two_moons(dtype=F64)
    held_out = law.sample((2000,), generator=torch.Generator().manual_seed(99)).float()
    for seed in range(3):
        torch.manual_seed(seed)
        flow = residual_flow(2, blocks=2, hidden=(32, 32))
        optimiser = torch.optim.Adam(flow.parameters(), 1e-2)
        x = law.sample((80, 256), generator=torch.Generator().manual_seed(seed)).float()
        for batch in x:
            loss = -flow.log_prob(batch).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            nll = -flow.eval().log_prob(held_out)
        # The entropy of the law, the best normal law's cross entropy, and the standard error of the mean.
        error = nll.std().item() / math.sqrt(len(nll))
        assert 1.0076 - 4.5 * error < nll.mean().item() < 1.9083 - 4.5 * error
