"""One sheet that every bijection passes: a new one lists itself in a `cases_*.py` and gets all of this."""

from __future__ import annotations

import copy
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sheet import Case, build
from torch import Tensor

import gmlib.flows
from gmlib.flows import (
    Bijection,
    ContinuousFlow,
    ContractiveResidual,
    Flow,
    FullPrecision,
    Planar,
    StandardNormal,
    Sylvester,
    dense_log_det,
    grid_integral,
)

HERE = Path(__file__).parent
EVERY: list[Case] = [
    case for path in sorted(HERE.glob("cases_*.py")) for case in importlib.import_module(path.stem).CASES
]
F64 = torch.float64
every = pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)


def points(
    case: Case, bijection: Bijection, batch: tuple[int, ...], seed: int = 1
) -> tuple[Tensor, Tensor | None]:
    """Noise and condition for a case, float64."""
    generator = torch.Generator().manual_seed(seed)
    u = case.points((*batch, *bijection.noise_shape), generator)
    c = torch.randn(*batch, bijection.context, dtype=F64, generator=generator) if bijection.context else None
    return u, c


def test_names_are_unique_and_every_bijection_has_a_case() -> None:
    names = [case.name for case in EVERY]
    assert len(set(names)) == len(names)
    kinds = {
        kind
        for _, kind in inspect.getmembers(gmlib.flows, inspect.isclass)
        if issubclass(kind, Bijection) and not inspect.isabstract(kind)
    }
    covered = {type(module) for case in EVERY for module in build(case).modules()}
    assert kinds <= covered, (
        f"no case in tests/flows/cases_*.py for {sorted(k.__name__ for k in kinds - covered)}"
    )


@every
def test_round_trip_and_log_det_of_the_inverse(case: Case) -> None:
    for dtype, tolerance in ((F64, case.inverse_error), (torch.float32, 1e-5)):
        bijection = build(case, dtype=dtype).eval()
        u64, c64 = points(case, bijection, (50,))
        u, c = u64.to(dtype), None if c64 is None else c64.to(dtype)
        with torch.no_grad():
            x, log_det = bijection(u, c)
            back, inverse_log_det = bijection.inverse(x, c)
        # A map that squeezes by k multiplies the rounding of x by up to k on the way back.
        slack = 1 + u.abs() + x.reshape(u.shape).abs()
        assert ((back - u).abs() <= _spread(tolerance, dtype, bijection, u, c) * slack).all()
        if case.exact_log_det:
            loose = 100 * tolerance if dtype is F64 else 1e-3
            torch.testing.assert_close(inverse_log_det, -log_det, rtol=loose, atol=loose)


def _spread(tolerance: float, dtype: torch.dtype, bijection: Bijection, u: Tensor, c: Tensor | None) -> float:
    """Rounding of x, in units of ``tolerance``, as the inverse's Jacobian may enlarge it."""
    if dtype is F64:
        return tolerance
    with torch.no_grad():
        x, _ = bijection(u, c)
        step = 1e-3
        moved = bijection.inverse(x + step * torch.ones_like(x), c)[0]
        steep = float(((moved - bijection.inverse(x, c)[0]).abs() / step).max())
    return tolerance * max(1.0, 10 * steep)


# Under autocast their own products are rounded to 8 bits, at points that differ from one way to the other by a step of a
# solver or of Newton's method; their docstrings say so, and that `FullPrecision` is the remedy.
ROUNDED = (ContinuousFlow, ContractiveResidual, Planar, Sylvester)


@every
def test_round_trip_under_autocast(case: Case) -> None:
    """`amp = true` of a recipe: networks answer in bfloat16, and the map is as invertible as in float32."""
    bijection = build(case, dtype=torch.float32).eval()
    if any(isinstance(module, ROUNDED) for module in bijection.modules()):
        bijection = FullPrecision(bijection)
    u64, c64 = points(case, bijection, (50,))
    u, c = u64.float(), None if c64 is None else c64.float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        x, log_det = bijection(u, c)
        back, inverse_log_det = bijection.inverse(x, c)
        slack = 1 + u.abs() + x.reshape(u.shape).abs()
        assert x.dtype == log_det.dtype == back.dtype == inverse_log_det.dtype == torch.float32
        assert ((back - u).abs() <= _spread(1e-5, torch.float32, bijection, u, c) * slack).all()
    if case.exact_log_det:
        torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-3, atol=1e-3)


@every
def test_push_is_forward_without_the_log_det(case: Case) -> None:
    bijection = build(case).eval()
    u, c = points(case, bijection, (9,))
    # A solver whose steps no longer keep the log-determinant in mind may take others.
    tolerance = 10 * case.inverse_error
    torch.testing.assert_close(bijection.push(u, c), bijection(u, c)[0], rtol=tolerance, atol=tolerance)


@every
def test_log_det_is_that_of_the_dense_jacobian(case: Case) -> None:
    if not case.exact_log_det:
        pytest.skip("an estimate or a truncated series; its own test bounds the error")
    bijection = build(case).eval()
    u, c = points(case, bijection, (7,))
    x, log_det = bijection(u, c)
    torch.testing.assert_close(log_det, dense_log_det(bijection, u, c), rtol=1e-8, atol=1e-8)
    _, inverse_log_det = bijection.inverse(x.detach(), c)
    wanted = dense_log_det(bijection, x.detach(), c, inverse=True)
    torch.testing.assert_close(inverse_log_det, wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", [case for case in EVERY if case.plane], ids=lambda case: case.name)
def test_density_integrates_to_one(case: Case) -> None:
    bijection = build(case).eval()
    flow = Flow(StandardNormal((2,)).to(F64), bijection)
    c = points(case, bijection, (1,))[1]

    def log_prob(x: Tensor) -> Tensor:
        x = x.to(F64)
        return flow.log_prob(x, None if c is None else c.expand(len(x), -1))

    assert grid_integral(log_prob, low=-15.0, high=15.0, n=400) == pytest.approx(1, abs=1e-3)


@every
def test_batch_and_event_shapes(case: Case) -> None:
    bijection = build(case).eval()
    results = []
    for batch in ((), (6,), (2, 3), (0,)):
        u, c = points(case, bijection, batch)
        x = u.reshape((*batch, *bijection.event_shape))
        for move, point, shape in (
            (bijection.forward, u, bijection.event_shape),
            (bijection.inverse, x, bijection.noise_shape),
        ):
            out, log_det = move(point, c)
            assert out.shape == (*batch, *shape)
            assert log_det.shape == batch
            assert out.dtype == log_det.dtype == F64
            results.append((out, log_det))
    # The same points, arranged otherwise.
    assert torch.allclose(results[2][0].flatten(), results[4][0].flatten(), rtol=1e-9, atol=1e-9)


@every
def test_each_point_has_its_own_log_det(case: Case) -> None:
    bijection = build(case).eval()
    u, c = points(case, bijection, (5,))
    alone = [bijection(u[i : i + 1], None if c is None else c[i : i + 1]) for i in range(5)]
    x, log_det = bijection(u, c)
    torch.testing.assert_close(torch.cat([a[0] for a in alone]), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(torch.cat([a[1] for a in alone]), log_det, rtol=1e-8, atol=1e-8)


@every
def test_gradients_are_finite_everywhere(case: Case) -> None:
    bijection = build(case)
    u, c = points(case, bijection, (4,))
    edge = torch.stack([torch.full(bijection.noise_shape, e, dtype=F64) for e in case.edges])
    for place, condition in ((u, c), (edge, None if c is None else c[:1].expand(len(edge), -1))):
        for move, shape in (
            (bijection.forward, bijection.noise_shape),
            (bijection.inverse, bijection.event_shape),
        ):
            point = place.reshape((-1, *shape)).clone().requires_grad_(True)
            bijection.zero_grad()
            out, log_det = move(point, condition)
            assert torch.isfinite(out).all()
            assert torch.isfinite(log_det).all()
            (out.sum() + log_det.sum()).backward()
            assert point.grad is not None
            assert torch.isfinite(point.grad).all()
            assert all(p.grad is None or torch.isfinite(p.grad).all() for p in bijection.parameters())


@every
def test_every_parameter_learns(case: Case) -> None:
    bijection = build(case)
    if not list(bijection.parameters()):
        pytest.skip("nothing to learn")
    u, c = points(case, bijection, (20,))
    x, log_det = bijection(u, c)
    weights = torch.linspace(0.5, 2, x.numel(), dtype=F64).reshape(x.shape)
    ((weights * x).sum() + log_det.square().sum()).backward()
    for name, parameter in bijection.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient"
        assert bool((parameter.grad != 0).any()), f"the gradient of {name} is 0"


@every
def test_the_condition_matters_and_is_asked_for(case: Case) -> None:
    bijection = build(case).eval()
    u, c = points(case, bijection, (6,))
    if c is None:
        return
    other = bijection(u, c.flip(0))[0]
    assert not torch.allclose(bijection(u, c)[0], other)


@pytest.mark.bad_input
@every
def test_bad_input_is_named(case: Case) -> None:
    bijection = build(case).eval()
    u, c = points(case, bijection, (6,))
    x = u.reshape((6, *bijection.event_shape))
    for name, move, point in (("u", bijection.forward, u), ("x", bijection.inverse, x)):
        with pytest.raises(TypeError, match=f"^{name} must have a floating dtype"):
            move(point.long(), c)
        with pytest.raises(TypeError, match=f"^{name} must be a torch.Tensor, got list"):
            move([1.0], c)  # type: ignore[arg-type]
        if bijection.event_shape:
            with pytest.raises(ValueError, match=f"^{name} must end in the event shape"):
                move(torch.cat([point, point], -1), c)
        wrong = torch.zeros(6, bijection.context + 1, dtype=F64)
        with pytest.raises(ValueError, match=r"^c must"):
            move(point, wrong)
        if c is not None:
            with pytest.raises(ValueError, match=r"^c must have shape"):
                move(point, None)
            with pytest.raises(ValueError, match=r"^c must have shape"):
                move(point, c[:2])


@every
def test_state_dict_round_trip(case: Case, tmp_path: Path) -> None:
    bijection = build(case).eval()
    u, c = points(case, bijection, (5,))
    before = bijection(u, c)
    torch.save(bijection.state_dict(), tmp_path / "state.pt")
    fresh = case.make().to(F64).eval()
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for a, b in zip(before, fresh(u, c), strict=True):
        assert torch.equal(a, b)
    copied = copy.deepcopy(bijection)
    assert torch.equal(copied(u, c)[0], before[0])


def compiled_cases(all_of_them: bool) -> list[tuple[Case, str]]:
    """All ways that compile; or a way each, in turn one and the other, of those that bring in a bijection that none
    before them has: tracing takes a second each."""
    seen: set[type] = set()
    chosen: list[tuple[Case, str]] = []
    for case in EVERY:
        kinds = {type(module) for module in build(case).modules() if isinstance(module, Bijection)}
        if all_of_them:
            chosen += [(case, way) for way in case.compiles]
        elif case.compiles and not kinds <= seen:
            seen |= kinds
            chosen.append((case, case.compiles[len(chosen) % len(case.compiles)]))
    return chosen


PROGRAM = """
import sys, torch
sys.path.insert(0, {here!r})
from test_sheet import build, compiled_cases, points

torch.set_num_threads(1)
done = 0
for case, way in compiled_cases({all_of_them}):
    bijection = build(case, dtype=torch.float32).eval()
    u, c = points(case, bijection, (8,))
    u, c = u.float(), None if c is None else c.float()
    point = u if way == "forward" else bijection(u, c)[0].detach()
    torch.compiler.reset()
    move = getattr(bijection, way)
    try:
        # No code generation: whether the graph is whole does not depend on a C++ compiler.
        found = torch.compile(move, fullgraph=True, backend="eager", dynamic=False)(point, c)
    except Exception as error:
        raise SystemExit(f"{{case.name}}.{{way}}: {{str(error)[:1500]}}")
    for a, b in zip(found, move(point, c)):
        torch.testing.assert_close(a, b)
    done += 1
print("compiled", done)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "all_of_them",
    [pytest.param(False, id="one of a kind"), pytest.param(True, id="all", marks=pytest.mark.weekly)],
)
def test_compiles_as_one_graph(all_of_them: bool) -> None:
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    program = PROGRAM.format(here=str(HERE), all_of_them=all_of_them)
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == f"compiled {len(compiled_cases(all_of_them))}", run.stderr[-3000:]
