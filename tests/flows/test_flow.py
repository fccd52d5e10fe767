"""What the parts of a flow promise: bases, compositions, draws with and without conditions, the slow truth of `dense`."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.distributions import Gaussian
from gmlib.flows import (
    PLU,
    ActNorm,
    Additive,
    Affine,
    AffineMap,
    Bijection,
    Composition,
    Conditioned,
    Elementwise,
    Flow,
    FullPrecision,
    GreyLevels,
    Inverse,
    Permutation,
    Scale,
    StandardNormal,
    StandardUniform,
    dense_log_det,
    grid_integral,
    jacobian,
    maf,
    spline_coupling,
    sum_event,
)

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Towards(Bijection):
    """x = u + c for a condition as long as the point; remembers how it was called."""

    def __init__(self) -> None:
        super().__init__((2,), context=2)
        self.called = 0

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        assert c is not None
        self.called += 1
        return u + c, u.new_zeros(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        assert c is not None
        return x - c, x.new_zeros(x.shape[:-1])


class Rotation(Bijection):
    """A pair of pairs, the first turned by the second's length: no coordinate is spared."""

    def __init__(self) -> None:
        super().__init__((2, 2))

    def _turn(self, point: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        a, b = point.unbind(-2)
        angle = sign * b.square().sum(-1, keepdim=True)
        quarter = torch.stack([-a[..., 1], a[..., 0]], -1)
        return torch.stack([angle.cos() * a + angle.sin() * quarter, b], -2), angle[..., 0] * 0

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._turn(u, 1)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._turn(x, -1)


def affine(log_scale: float, shift: float, d: int = 2) -> Elementwise:
    layer = Elementwise(Affine(), (d,))
    with torch.no_grad():
        layer.params.copy_(torch.tensor([log_scale, shift]))
    return layer


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_bases_are_torchs_laws(shape: tuple[int, ...]) -> None:
    u = torch.rand(5, *shape, generator=generator())
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(u).reshape(5, -1).sum(-1)
    torch.testing.assert_close(StandardNormal(shape).log_prob(u), normal)
    assert torch.equal(StandardUniform(shape).log_prob(u), torch.zeros(5))
    assert (StandardUniform(shape).log_prob(u + 1.01) == -math.inf).all()
    for base in (StandardNormal(shape), StandardUniform(shape)):
        assert base.sample((4, 2)).shape == (4, 2, *shape)
        assert torch.equal(
            base.sample((4,), generator=generator(3)), base.sample((4,), generator=generator(3))
        )


def test_a_base_moves_with_its_flow_and_weighs_nothing() -> None:
    flow = Flow(StandardNormal((2,)), affine(0.1, 0.2)).double()
    assert flow.sample((3,)).dtype == F64
    assert list(flow.state_dict()) == ["bijection.params"]
    n = 20_000
    draws = StandardNormal((1,)).sample((n,), generator=generator())
    assert abs(draws.mean().item()) < 4 / n**0.5
    assert abs(draws.var().item() - 1) < 4 * (2 / n) ** 0.5


def test_a_law_of_gmlib_can_be_the_base() -> None:
    base = Gaussian(torch.tensor([1.0, -1.0]), var=4.0)
    flow = Flow(base, affine(math.log(0.5), 3.0))
    x = torch.randn(6, 2, generator=generator())
    wanted = Gaussian(torch.tensor([3.5, 2.5]), var=1.0)
    torch.testing.assert_close(flow.log_prob(x), wanted.log_prob(x))
    assert flow.sample((4,)).shape == (4, 2)


def test_draws_know_their_density_and_carry_gradients() -> None:
    flow = Flow(StandardNormal((2,)), [affine(0.3, 1.0), affine(-0.5, 0.2)])
    x, log_prob = flow.rsample_and_log_prob((5, 3), generator=generator())
    assert x.shape == (5, 3, 2)
    torch.testing.assert_close(log_prob, flow.log_prob(x))
    torch.testing.assert_close(flow(x), log_prob)
    assert torch.equal(flow.rsample((5, 3), generator=generator()), x)
    assert not flow.sample((2,)).requires_grad
    # x = e^{a2} (e^{a1} u + m1) + m2: the mean draw moves with m1 by e^{a2}.
    (slope,) = torch.autograd.grad(x.mean(), flow.bijection.layers[0].params)  # type: ignore[union-attr,arg-type]
    assert slope[:, 1].sum().item() == pytest.approx(math.exp(-0.5), abs=1e-6)


def test_draws_for_each_condition() -> None:
    flow = Flow(StandardNormal((2,)), [affine(0.0, 0.0), Towards()])
    c = torch.tensor([[10.0, 0.0], [0.0, -10.0], [5.0, 5.0]])
    x, log_prob = flow.rsample_and_log_prob((7,), c, generator=generator())
    assert x.shape == (7, 3, 2)
    assert log_prob.shape == (7, 3)
    u = StandardNormal((2,)).sample((7, 3), generator=generator())
    torch.testing.assert_close(x, u + c)
    torch.testing.assert_close(log_prob, flow.log_prob(x, c.expand(7, 3, 2)))


def test_composition_gives_the_condition_only_to_those_that_want_it() -> None:
    towards = Towards()
    flow = Composition([affine(0.2, 0.1), towards, Elementwise(Additive(), (2,))])
    assert flow.context == 2
    assert len(flow) == 3
    u, c = torch.randn(4, 2, generator=generator()), torch.ones(4, 2)
    x, log_det = flow(u, c)
    torch.testing.assert_close(x, math.exp(0.2) * u + 0.1 + c)
    torch.testing.assert_close(log_det, torch.full((4,), 0.4))
    points, log_dets = flow.path(u, c)
    assert torch.equal(points[0], u)
    assert torch.equal(points[-1], x)
    torch.testing.assert_close(sum(log_dets), log_det)
    assert towards.called == 2
    back = Inverse(flow)
    torch.testing.assert_close(back(x, c)[0], u)
    torch.testing.assert_close(back.inverse(u, c)[0], x)


def test_dense_jacobian_is_the_matrix_row_by_row() -> None:
    u = torch.randn(3, 2, 2, dtype=F64, generator=generator())
    layer = Rotation()
    matrices = jacobian(layer, u)
    assert matrices.shape == (3, 4, 4)
    # By central differences, column by column.
    step = 1e-5
    for j in range(4):
        move = torch.zeros(4, dtype=F64)
        move[j] = step
        move = move.reshape(2, 2)
        column = (layer(u + move)[0] - layer(u - move)[0]).reshape(3, 4) / (2 * step)
        torch.testing.assert_close(matrices[..., j], column, rtol=0, atol=1e-8)
    torch.testing.assert_close(dense_log_det(layer, u), torch.zeros(3, dtype=F64), rtol=0, atol=1e-12)
    x = layer(u)[0]
    eye = torch.eye(4, dtype=F64).expand(3, 4, 4)
    torch.testing.assert_close(jacobian(layer, x, inverse=True) @ matrices, eye, rtol=0, atol=1e-12)


def test_grid_integral() -> None:
    # A wide cell puts the midpoint rule's sum at its definition: four cells of area 1, at (+-1/2, +-1/2).
    assert grid_integral(lambda x: x.sum(-1), low=-1.0, high=1.0, n=2) == pytest.approx(
        math.e + 2 + math.exp(-1), abs=1e-5
    )
    # A law that leaves the square is seen: N(0, I) on [-1, 1]^2 has mass (2 Phi(1) - 1)^2.
    inside = grid_integral(StandardNormal((2,)).log_prob, low=-1.0, high=1.0)
    assert inside == pytest.approx(0.6826895**2, abs=1e-5)


def test_sum_event() -> None:
    value = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(sum_event(value, 0), value)
    assert torch.equal(sum_event(value, 1), value.sum(-1))
    assert torch.equal(sum_event(value, 2), value.sum((1, 2)))


def test_wrappers_pass_the_start_from_data_on() -> None:
    x = 3 + 2 * torch.randn(50, 2, generator=generator())
    wrapped = FullPrecision(ActNorm((2,)))
    u = wrapped.initialise(x)
    torch.testing.assert_close(u.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(u.std(0, correction=0), torch.ones(2))
    # An inverse of an inverse is the map; where nothing starts from data there is nothing to pass on.
    twice = Inverse(Inverse(Composition([ActNorm((2,)), affine(0.1, 0.2)])))
    torch.testing.assert_close(twice.initialise(x).mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    plain = Inverse(Composition([affine(0.1, 0.2), affine(0.3, 0.4)]))
    torch.testing.assert_close(plain.initialise(x), plain.inverse(x)[0])


def test_full_precision_draws_the_cheap_way() -> None:
    class Cheap(Towards):
        def _push(self, u: Tensor, c: Tensor | None) -> Tensor:
            assert c is not None
            return u + c

    layer = Cheap()
    assert FullPrecision(layer).push(torch.zeros(2), torch.ones(2)).tolist() == [1.0, 1.0]
    assert layer.called == 0


def test_points_of_another_dtype_than_the_parameters() -> None:
    # Nothing to learn: any dtype. Under autocast: any dtype. A map of several dtypes takes each of them.
    assert Permutation(torch.tensor([1, 0])).half()(torch.ones(2, dtype=F64))[0].dtype == F64
    with torch.autocast("cpu", torch.bfloat16):
        assert affine(0.1, 0.2)(torch.ones(2, dtype=torch.bfloat16))[0].dtype == torch.float32
    mixed = Elementwise(Affine(), (2,))
    mixed.register_parameter("other", nn.Parameter(torch.zeros((), dtype=F64)))
    for dtype in (F64, torch.float32):
        assert mixed(torch.ones(2, dtype=dtype))[0].dtype == dtype


def test_place_is_where_a_flow_computes() -> None:
    normal = Gaussian(torch.zeros(2), var=1.0)
    assert Flow(normal, affine(0.1, 0.2).double()).place.dtype == F64
    assert Flow(StandardNormal((2,)), Permutation(torch.tensor([1, 0]))).double().place.dtype == F64
    assert Flow(normal, Permutation(torch.tensor([1, 0]))).place.dtype == torch.float32


@pytest.mark.bad_input
def test_bad_arguments_of_wrappers_and_scalar_maps() -> None:
    for kind in (Inverse, FullPrecision):
        with pytest.raises(TypeError, match=r"^bijection must be a Bijection, got NoneType"):
            kind(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^scalar_map must be a ScalarMap, got the class Affine"):
        Elementwise(Affine, (2,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^scalar_map must be a ScalarMap, got the class Affine"):
        Conditioned((2,), Affine, nn.Identity(), context=2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^inner must be a ScalarMap, got NoneType"):
        GreyLevels(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^bound must be a finite number in \(0, inf\], got inf"):
        Affine(bound=math.inf)
    with pytest.raises(TypeError, match=r"^bound must be a real number, got str"):
        Affine(bound="3")  # type: ignore[arg-type]
    for rule in (Affine(), Additive(), Scale()):
        wrong = torch.ones(2, rule.n_params + 1)
        with pytest.raises(ValueError, match=rf"^params must have shape \(\*u.shape, {rule.n_params}\)"):
            rule.forward(torch.zeros(2), wrong)
        with pytest.raises(ValueError, match=rf"^params must have shape \(\*x.shape, {rule.n_params}\)"):
            rule.inverse(torch.zeros(2), wrong)


@pytest.mark.bad_input
def test_bad_parts_of_a_flow() -> None:
    layer = affine(0.0, 0.0)
    with pytest.raises(
        TypeError, match=r"^base must be a law with log_prob, sample, event_shape, got Linear"
    ):
        Flow(nn.Linear(2, 2), layer)
    with pytest.raises(TypeError, match=r"^base must be a law .* got the class StandardNormal"):
        Flow(StandardNormal, layer)
    with pytest.raises(TypeError, match=r"^bijections must be Bijection objects, got Linear"):
        Flow(StandardNormal((2,)), nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^bijections must be Bijection objects, got the class Linear"):
        Flow(StandardNormal((2,)), nn.Linear)  # type: ignore[arg-type]


@pytest.mark.bad_input
def test_bad_dtype() -> None:
    flow = Flow(StandardNormal((2,)), [affine(0.0, 0.0), Permutation(torch.tensor([1, 0]))])
    wanted = r"must have the dtype torch.float32 of the parameters, got torch.float64; convert it with"
    with pytest.raises(TypeError, match=rf"^x {wanted} x.to\(torch.float32\)"):
        flow.log_prob(torch.zeros(3, 2, dtype=F64))
    with pytest.raises(TypeError, match=rf"^u {wanted}"):
        flow.bijection(torch.zeros(3, 2, dtype=F64))
    with pytest.raises(TypeError, match=rf"^u {wanted}"):
        flow.bijection.push(torch.zeros(3, 2, dtype=F64))
    for layer in (AffineMap(2), PLU(2)):
        with pytest.raises(TypeError, match=rf"^x {wanted}"):
            layer.inverse(torch.zeros(3, 2, dtype=F64))
    conditional = maf(2, layers=1, context=1)
    with pytest.raises(TypeError, match=rf"^c {wanted}"):
        conditional.log_prob(torch.zeros(3, 2), torch.zeros(3, 1, dtype=F64))


@pytest.mark.bad_input
def test_bad_condition() -> None:
    flow = Flow(StandardNormal((2,)), maf(2, layers=1, context=3).bijection)
    with pytest.raises(TypeError, match=r"^c must be a torch.Tensor, got list"):
        flow.sample((3,), [1.0, 2.0, 3.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^c must end in the event shape \(3,\), got shape \(5, 2\)"):
        flow.sample((3,), torch.randn(5, 2))
    with pytest.raises(TypeError, match=r"^sample_shape must be a sequence of integers, got int"):
        flow.sample(3, torch.randn(5, 3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^c must be None for a map without a condition, got list"):
        Flow(StandardNormal((2,)), affine(0.0, 0.0)).sample((3,), [1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^context must be at least 0, got -1"):
        spline_coupling(2, context=-1)


@pytest.mark.bad_input
def test_bad_input() -> None:
    layer = affine(0.0, 0.0)
    with pytest.raises(ValueError, match=r"^bijections must hold at least one layer, got none"):
        Composition([])
    with pytest.raises(TypeError, match=r"^bijections must hold Bijection objects, got Linear"):
        Composition([layer, nn.Linear(2, 2)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"^bijections must fit each other, got layer 0"):
        Composition([layer, affine(0.0, 0.0, d=3)])
    with pytest.raises(
        ValueError, match=r"^base must have the shape of the bijections' noise, \(2,\), got \(3,\)"
    ):
        Flow(StandardNormal((3,)), layer)
    for base in (StandardNormal, StandardUniform):
        with pytest.raises(ValueError, match=r"^event_shape must be at least 1, got 0"):
            base((2, 0))
        with pytest.raises(ValueError, match=r"^u must end in the event shape \(2,\)"):
            base((2,)).log_prob(torch.zeros(3))
        with pytest.raises(TypeError, match=r"^u must have a floating dtype"):
            base((2,)).log_prob(torch.zeros(2, dtype=torch.long))
    with pytest.raises(
        ValueError, match=r"^bijection must start from no data to be initialised backwards, got ActNorm"
    ):
        Inverse(Composition([layer, ActNorm((2,))])).initialise(torch.zeros(3, 2))
    flow = Flow(StandardNormal((2,)), Towards())
    with pytest.raises(ValueError, match=r"^c must have shape \(\*batch, 2\) for this map, got None"):
        flow.sample((3,))
    with pytest.raises(ValueError, match=r"^c must be None for a map without a condition"):
        Flow(StandardNormal((2,)), layer).sample((3,), torch.zeros(2))
    with pytest.raises(ValueError, match=r"^c must end in the event shape \(2,\)"):
        flow.sample((3,), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"^x must end in the event shape \(2,\)"):
        flow.log_prob(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"^u must end in the event shape \(2,\)"):
        jacobian(layer, torch.zeros(3))
    with pytest.raises(TypeError, match=r"^log_prob must be callable"):
        grid_integral(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^high must be"):
        grid_integral(StandardNormal((2,)).log_prob, low=1.0, high=1.0)
    with pytest.raises(ValueError, match=r"^n must be at least 1, got 0"):
        grid_integral(StandardNormal((2,)).log_prob, n=0)
    with pytest.raises(ValueError, match=r"^u must end in the event shape"):
        Composition([layer]).path(torch.zeros(3))
