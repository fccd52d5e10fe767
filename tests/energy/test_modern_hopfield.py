"""Modern Hopfield memory: energy, update, attention and the bound on what a step misses."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from gmlib.energy import ModernHopfield, attend

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spins(k: int, d: int, generator: torch.Generator) -> torch.Tensor:
    return 2 * torch.randint(2, (k, d), generator=generator).double() - 1


def flipped(x: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
    places = torch.rand(x.shape, generator=generator).topk(n, -1).indices
    return x.scatter(-1, places, -x.gather(-1, places))


def test_modern_hopfield() -> None:
    # 64 bits, 20 patterns, 15 flipped, beta = 1: 400 draws, a memory each.
    # Beyond overlap 34 another pattern would win: 49 of 64 bits by chance, once in 11 such sets of draws.
    generator, sharp = seeded(0), 0
    for _ in range(400):
        memory = ModernHopfield(spins(20, 64, generator), inv_temp=1.0)
        x = flipped(memory.patterns[:1], 15, generator)
        assert (x != memory.patterns[:1]).sum() == 15
        y = memory.step(x)
        assert torch.equal(y.sign(), memory.patterns[:1])
        residual = (y - memory.patterns[0]).abs().max().item()
        # The bound again from its words: overlaps, the smallest lead, 2 (K - 1) exp(-beta Delta).
        overlaps = (memory.patterns * x).sum(1)
        bound = 2 * 19 * math.exp(-(overlaps[0] - overlaps[1:].max()).item())
        assert memory.residual_bound(x, 0).item() == pytest.approx(bound, rel=1e-12)
        assert residual <= bound
        sharp += bound < 0.01
    assert sharp > 350  # so the bound says something: the lead is 18 on average, and 38 exp(-8.3) = .01


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_step_is_attention(dtype: torch.dtype) -> None:
    generator = seeded(1)
    x, keys, values = (torch.randn(n, 48, generator=generator, dtype=F64).to(dtype) for n in (30, 50, 50))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    beta = 1 / math.sqrt(48)
    # Its default scale is 1/sqrt(d): K = V = X.
    truth = scaled_dot_product_attention(x, keys, keys)
    assert (ModernHopfield(keys, beta).step(x) - truth).abs().max() < tolerance
    assert (attend(x, keys, keys, beta) - truth).abs().max() < tolerance
    # Other values, as in a transformer.
    truth = scaled_dot_product_attention(x, keys, values)
    assert (attend(x, keys, values, beta) - truth).abs().max() < tolerance


@pytest.mark.parametrize("inv_temp", [0.03, 0.4, 1.0, 8.0])
def test_energy_falls(inv_temp: float) -> None:
    # E(x') <= E(x) - |x' - x|^2 / 2: 500 states, patterns of unequal length, five steps.
    generator = seeded(2)
    memory = ModernHopfield(torch.randn(15, 10, generator=generator, dtype=F64), inv_temp)
    x = 3 * torch.randn(500, 10, generator=generator, dtype=F64)
    for _ in range(5):
        y = memory.step(x)
        assert (memory.energy(y) <= memory.energy(x) - 0.5 * (y - x).square().sum(1) + 1e-12).all()
        x = y


def test_the_step_is_the_gradient() -> None:
    generator = seeded(3)
    memory = ModernHopfield(torch.randn(6, 9, generator=generator, dtype=F64), 0.8)
    x = torch.randn(20, 9, generator=generator, dtype=F64).requires_grad_()
    (gradient,) = torch.autograd.grad(memory.energy(x).sum(), x)
    assert torch.allclose(memory.step(x), x - gradient, atol=1e-13)
    # A single pattern: E = |x - x1|^2 / 2 - |x1|^2 / 2, and one step ends it.
    one = ModernHopfield(memory.patterns[:1], 0.8)
    r = memory.patterns[0]
    assert torch.allclose(one.energy(x), 0.5 * (x - r).square().sum(1) - 0.5 * r.square().sum(), atol=1e-12)
    assert torch.equal(one.step(x), r.expand(20, 9))


def test_energy_is_a_kernel_density_estimate() -> None:
    # Patterns of one length R: -beta (E + R^2/2) = log sum_k exp(-beta |x - x_k|^2 / 2), kernels of variance 1/beta.
    generator, beta = seeded(4), 0.6
    patterns = spins(7, 12, generator)
    x = torch.randn(30, 12, generator=generator, dtype=F64)
    kernels = torch.distributions.Independent(
        torch.distributions.Normal(patterns, torch.tensor(beta**-0.5, dtype=F64)), 1
    )
    log_sum = kernels.log_prob(x[:, None]).logsumexp(1) + 6 * math.log(2 * math.pi / beta)
    assert torch.allclose(-beta * (ModernHopfield(patterns, beta).energy(x) + 6), log_sum, atol=1e-11)


def test_effective_patterns() -> None:
    # Orthogonal patterns of length r: a state with equal overlaps shares them evenly, at any temperature.
    patterns = torch.eye(16, dtype=F64) * 3
    x = torch.zeros(3, 16, dtype=F64)
    x[1, :5], x[2, 3] = 10.0, 10.0
    cold = ModernHopfield(patterns, 5.0)
    assert torch.allclose(cold.effective_patterns(x), torch.tensor([16.0, 5.0, 1.0], dtype=F64))
    assert torch.allclose(cold.weights(x).sum(1), torch.ones(3, dtype=F64))
    # Towards beta = 0 every cue shares all, and the step gives their mean.
    warm = ModernHopfield(patterns, 1e-9)
    assert torch.allclose(warm.effective_patterns(x), torch.full((3,), 16.0, dtype=F64))
    assert torch.allclose(warm.step(x), patterns.mean(0).expand(3, 16), atol=1e-6)
    # exp entropy of one logit apart: p = 1/(1 + 15 e^{-beta r^2}).
    beta = 0.2
    p = 1 / (1 + 15 * math.exp(-9 * beta))
    q = (1 - p) / 15
    truth = math.exp(-p * math.log(p) - 15 * q * math.log(q))
    assert ModernHopfield(patterns, beta).effective_patterns(patterns[:1]).item() == pytest.approx(truth)


def test_alike_patterns_are_averaged() -> None:
    # Two patterns that differ in one of 20 bits: at beta = .3 the memory keeps their mean, at 5 either of them.
    generator = seeded(5)
    far = spins(3, 20, generator)
    twin = far[:1].clone()
    twin[0, 0] *= -1
    patterns = torch.cat((far, twin))
    warm = ModernHopfield(patterns, 0.3).recall(patterns[:1], 50)
    assert warm[0, 0].abs() < 0.05  # the two other patterns weigh a little
    assert torch.equal(warm[0, 1:].sign(), far[0, 1:])
    cold = ModernHopfield(patterns, 5.0)
    assert (cold.recall(patterns, 50) - patterns).abs().max() < 1e-3
    assert ModernHopfield(patterns, 0.3).effective_patterns(warm)[0] > 1.9
    assert (cold.effective_patterns(patterns) < 1.01).all()


def test_unknown_units_do_not_count() -> None:
    generator = seeded(6)
    memory = ModernHopfield(spins(30, 40, generator), 1.0)
    known = torch.rand(30, 40, generator=generator) < 0.6
    garbage = 100 * torch.randn(30, 40, generator=generator, dtype=F64)
    cue = torch.where(known, memory.patterns, garbage)
    cue[0, ~known[0]] = torch.nan
    y = memory.recall(cue, known=known)
    # By hand: keys cut to what is known, values whole.
    for row in range(30):
        part = known[row]
        p = torch.softmax(memory.patterns[:, part] @ memory.patterns[row, part], 0)
        assert torch.allclose(y[row], p @ memory.patterns, atol=1e-12)
    # One mask for all, and later steps compare every unit.
    one = memory.recall(cue[1:], 3, known=known[1])
    assert torch.equal(one, memory.step(memory.step(memory.step(cue[1:], known[1]))))
    trace = memory.trace(cue[1:], 3, known=known[1])
    assert torch.equal(trace.states[-1], one)
    assert trace.states[0, :, ~known[1]].abs().max() == 0
    assert torch.allclose(trace.energy[2], memory.energy(trace.states[2]))
    assert (trace.energy.diff(dim=0) <= 1e-12).all()
    # The bound holds with the gap of the known units.
    bound = memory.residual_bound(cue, torch.arange(30), known)
    assert ((y - memory.patterns).abs().amax(1) <= bound).all()
    assert (bound < 0.1).any()


def test_residual_bound_of_real_patterns() -> None:
    generator = seeded(7)
    patterns = torch.randn(8, 5, generator=generator, dtype=F64)
    memory = ModernHopfield(patterns, 2.0)
    x = patterns[[0, 3, 3]] + 0.1 * torch.randn(3, 5, generator=generator, dtype=F64)
    bound, target = memory.residual_bound(x, torch.tensor([0, 3, 5])), [0, 3, 5]
    for row, k in enumerate(target):
        overlaps = patterns @ x[row]
        others = [overlaps[j].item() for j in range(8) if j != k]
        width = max((patterns[j] - patterns[k]).abs().max().item() for j in range(8))
        gap = overlaps[k].item() - max(others)
        assert memory.gap(x, torch.tensor(target))[row].item() == pytest.approx(gap)
        assert bound[row].item() == pytest.approx(width * 7 * math.exp(-2 * gap))
        assert (memory.step(x)[row] - patterns[k]).abs().max() <= bound[row]
    assert memory.gap(x, 3)[1] == memory.gap(x, torch.tensor(target))[1]
    assert ModernHopfield(patterns[:1]).gap(x, 0).isposinf().all()
    assert (ModernHopfield(patterns[:1]).residual_bound(x, 0) == 0).all()


def test_large_memory() -> None:
    generator = seeded(8)
    memory = ModernHopfield(spins(10_000, 784, generator).float(), 0.5)
    x = flipped(memory.patterns[:50], 250, generator)
    assert torch.equal(memory.step(x).sign(), memory.patterns[:50])


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = seeded(9)
    patterns, x = spins(100, 64, generator).cuda(), torch.randn(40, 64, generator=generator, dtype=F64).cuda()
    gpu, cpu = ModernHopfield(patterns, 0.3), ModernHopfield(patterns.cpu(), 0.3)
    known = torch.arange(64, device="cuda") < 30
    assert torch.allclose(gpu.recall(x, 3, known).cpu(), cpu.recall(x.cpu(), 3, known.cpu()), atol=1e-12)
    assert torch.allclose(gpu.residual_bound(x, 3).cpu(), cpu.residual_bound(x.cpu(), 3))
    truth = scaled_dot_product_attention(x, patterns, patterns, scale=0.3)
    assert (gpu.step(x) - truth).abs().max() < 1e-12


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    patterns, x = torch.randn(4, 6), torch.randn(3, 6)
    memory = ModernHopfield(patterns)
    for error, words, call in (
        (TypeError, "patterns must be a torch.Tensor", lambda: ModernHopfield([[1.0]])),
        (TypeError, "patterns must have a floating dtype", lambda: ModernHopfield(patterns.int())),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: ModernHopfield(patterns[0])),
        (ValueError, "patterns must have shape", lambda: ModernHopfield(patterns[:0])),
        (ValueError, "patterns must be finite", lambda: ModernHopfield(patterns / 0)),
        (ValueError, "inv_temp must be", lambda: ModernHopfield(patterns, 0.0)),
        (TypeError, "inv_temp must be", lambda: ModernHopfield(patterns, "1")),
        (ValueError, "x must end in the event shape", lambda: memory.step(x[:, 1:])),
        (ValueError, r"x must have shape \(batch, 6\)", lambda: memory.energy(x[0])),
        (TypeError, "x must have the dtype of the patterns", lambda: memory.weights(x.double())),
        (TypeError, "known must be a torch.Tensor of dtype torch.bool", lambda: memory.step(x, known=x)),
        (ValueError, r"known must have shape \(6,\) or \(3, 6\)", lambda: memory.step(x, known=x[:2] > 0)),
        (ValueError, "steps must be at least 1", lambda: memory.recall(x, 0)),
        (ValueError, "steps must be at least 1", lambda: memory.trace(x, 0)),
        (ValueError, "target must be in 0 to 3", lambda: memory.gap(x, 4)),
        (ValueError, "target must be in 0 to 3", lambda: memory.residual_bound(x, -1)),
        (TypeError, "target must be an int", lambda: memory.gap(x, torch.ones(3))),
        (ValueError, "target must be one index", lambda: memory.gap(x, torch.zeros(2, dtype=torch.int64))),
        (ValueError, "keys must be a non-empty matrix", lambda: attend(x, x[0], x, 1.0)),
        (ValueError, "values must have a row for each", lambda: attend(x, x, x[:2], 1.0)),
        (TypeError, "values must have the dtype of the keys", lambda: attend(x, x, x.double(), 1.0)),
        (TypeError, "query must have the dtype of the keys", lambda: attend(x.double(), x, x, 1.0)),
        (ValueError, "query must end in", lambda: attend(x[:, :2], x, x, 1.0)),
        (ValueError, "inv_temp must be", lambda: attend(x, x, x, -1.0)),
    ):
        with pytest.raises(error, match=words):
            call()
