"""The losses against closed forms and quadrature on two unit Gaussians a distance 1 apart."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib.gan import F_DIVERGENCES, GAN_LOSSES, R1, Game, PairLoss, RelativisticLoss, train_gan

F64 = torch.float64
N = 200_000
# The batches are the laws' quantiles, so that a batch mean is an integral: p = N(0, 1), q = N(1, 1).
REAL = torch.special.ndtri((torch.arange(N, dtype=F64) + 0.5) / N)
FAKE = REAL + 1
JSD, TV, TRIANGLE, HELLINGER = 0.111421, 0.382925, 0.40811, 0.235006


def log_ratio(x: Tensor) -> Tensor:
    return 0.5 - x


def critic_loss(name: str, critic: Any) -> float:
    return GAN_LOSSES[name].critic_loss(critic(REAL), critic(FAKE)).item()


def is_a_minimum(name: str, best: Any) -> bool:
    """No critic nearby does better."""
    least = critic_loss(name, best)
    bumps = (torch.sin, torch.cos, lambda x: torch.exp(-x * x), torch.ones_like)
    return all(
        critic_loss(name, lambda x, b=b, e=e: best(x) + e * b(x)) > least for b in bumps for e in (-0.1, 0.1)
    )


def test_two_player_losses() -> None:
    # L_D is a sum of two means without the weights 1/2, and minimised: at the best critic it is minus
    # the divergence's value.
    for name in ("minimax", "non_saturating"):
        assert critic_loss(name, log_ratio) == pytest.approx(math.log(4) - 2 * JSD, abs=1e-4)
        assert is_a_minimum(name, log_ratio)
    # W1 = 1, by the critic of slope -1; a steeper one would do better, which is what the constraint is for.
    assert critic_loss("wasserstein", lambda x: -x) == pytest.approx(-1.0, abs=1e-4)
    assert critic_loss("wasserstein", lambda x: -2 * x) == pytest.approx(-2.0, abs=1e-4)
    # The zero-sum rows: the generator's part is minus the critic's on fakes, at every output.
    a = torch.linspace(-6, 6, 25, dtype=F64)
    for name in ("minimax", "wasserstein"):
        loss = GAN_LOSSES[name]
        assert isinstance(loss, PairLoss)
        assert torch.allclose(loss.generator(a), -loss.fake(a))

    # f-divergences: (-t, f*, -f*), whose best value is minus the divergence.
    truth = {"kl": 0.5, "reverse_kl": 0.5, "js": 2 * JSD, "pearson": math.e - 1, "hellinger": HELLINGER}
    for name, value in truth.items():
        row = F_DIVERGENCES[name]
        loss = PairLoss(name, lambda c: -c, row.conjugate, lambda c, f=row.conjugate: -f(c))
        found = loss.critic_loss(row.critic(log_ratio(REAL)), row.critic(log_ratio(FAKE))).item()
        assert found == pytest.approx(-value, rel=4e-3)
    # With the printed signs (t, -f*, f*) a critic that says c everywhere sends L_D to minus infinity; with these it stays
    # above 0, the divergence of a law from itself.
    printed = PairLoss("printed", lambda t: t, lambda t: -torch.exp(t - 1), lambda t: torch.exp(t - 1))
    right = F_DIVERGENCES["kl"].losses()
    for c, value in ((1.0, 0.0), (3.0, -4.389056), (6.0, -142.413159)):
        outputs = torch.full((5,), c, dtype=F64)
        assert printed.critic_loss(outputs, outputs).item() == pytest.approx(value, abs=1e-6)
        assert right.critic_loss(outputs, outputs).item() == pytest.approx(-value, abs=1e-6)
        assert right.generator_loss(None, outputs).item() == pytest.approx(-math.exp(c - 1), rel=1e-9)


def test_non_saturating_loss() -> None:
    # The generator's gradient in the logit, -sigma(a) against -(1 - sigma(a)).
    a = torch.tensor([-5.0, 0.0, 5.0], dtype=F64, requires_grad=True)
    gradients = {}
    for name in ("minimax", "non_saturating"):
        loss = GAN_LOSSES[name]
        assert isinstance(loss, PairLoss)
        (gradients[name],) = torch.autograd.grad(loss.generator(a).sum(), a)
    assert torch.allclose(gradients["minimax"], -a.detach().sigmoid(), rtol=1e-12)
    assert torch.allclose(gradients["non_saturating"], a.detach().sigmoid() - 1, rtol=1e-12)
    assert gradients["minimax"][0].item() == pytest.approx(-0.0067, abs=5e-5)
    assert gradients["non_saturating"][0].item() == pytest.approx(-0.993, abs=5e-4)
    assert gradients["minimax"][1].item() == gradients["non_saturating"][1].item() == -0.5
    # In float32 neither loss nor gradient overflows, where log(1 - D) would be log 0.
    for name in ("minimax", "non_saturating"):
        far = torch.tensor([-1e4, -100.0, 100.0, 1e4], requires_grad=True)
        loss = GAN_LOSSES[name].critic_loss(far, far) + GAN_LOSSES[name].generator_loss(None, far)
        (gradient,) = torch.autograd.grad(loss, far)
        assert bool(loss.isfinite())
        assert bool(gradient.isfinite().all())
    assert GAN_LOSSES["minimax"].generator_loss(None, torch.tensor([-30.0])).item() == pytest.approx(
        -math.exp(-30)
    )


def test_minimax_gan() -> None:
    # At the solution every critic's best answer is D = 1/2, worth -log 4; the generator's gradient is then 0.
    zero = torch.zeros(10, dtype=F64)
    assert GAN_LOSSES["minimax"].critic_loss(zero, zero).item() == pytest.approx(math.log(4), rel=1e-12)
    x = REAL.clone()
    for bump in (torch.sin, torch.cos, lambda x: x, lambda x: x * x):
        for size in (-0.1, 0.1):
            a = size * bump(x)
            assert GAN_LOSSES["minimax"].critic_loss(a, a).item() > math.log(4) + 1e-4

    # A generator m + s z against a quadratic critic (in which the log-ratio of two normal laws lies) recovers mean and
    # standard deviation: the average over 4 seeds and the last looks lies within 5 standard errors of the truth. R1 keeps
    # the two from circling.
    class Affine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean, self.std = (torch.nn.Parameter(torch.full((1,), 0.7)) for _ in range(2))

        def forward(self, z: Tensor) -> Tensor:
            return self.mean + self.std * z

    class Quadratic(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.Parameter(torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([torch.ones_like(x), x, x * x], 1) @ self.weights

    ends = []
    for seed in range(4):
        game = Game(Affine(), Quadratic(), GAN_LOSSES["minimax"], [R1(0.1)], latent_dim=1)
        history = train_gan(
            game,
            lambda n, generator: 1.0 + 0.5 * torch.randn(n, 1, generator=generator),
            steps=200,
            batch_size=256,
            lr_critic=0.5,
            lr_generator=0.2,
            critic_steps=2,
            generator=torch.Generator().manual_seed(seed),
            every=10,
            watch=lambda step, game: {
                "end": torch.stack([w.detach().clone()[0] for w in game.generator.parameters()])
            },
        )
        ends.append(torch.stack(history.watched["end"][-8:]).mean(0))
    found = torch.stack(ends)
    error = found.std(0) / 4**0.5
    assert bool((error < 0.01).all())
    assert bool(((found.mean(0) - torch.tensor([1.0, 0.5])).abs() < 5 * error).all())


def test_ls_gan() -> None:
    # Targets 1, -1 and 0: a* = (p - q)/(p + q) = tanh(log r / 2). The critic's least loss is 2 - .40811; .40811, the
    # triangular divergence, is what the generator sees, on both samples.
    def best(x: Tensor) -> Tensor:
        return torch.tanh(log_ratio(x) / 2)

    assert critic_loss("least_squares", best) == pytest.approx(2 - TRIANGLE, abs=1e-4)
    assert is_a_minimum("least_squares", best)
    loss = GAN_LOSSES["least_squares"]
    both = loss.generator_loss(None, best(REAL)) + loss.generator_loss(None, best(FAKE))
    assert both.item() == pytest.approx(TRIANGLE, abs=1e-4)


def test_hinge_gan() -> None:
    # The best critic saturates: the sign of the log-ratio, worth 2 - 2 TV. Beyond +-1 no gradient is left.
    assert critic_loss("hinge", lambda x: log_ratio(x).sign()) == pytest.approx(2 - 2 * TV, abs=1e-4)
    assert critic_loss("hinge", lambda x: 3 * log_ratio(x)) > 2 - 2 * TV
    assert is_a_minimum("hinge", lambda x: log_ratio(x).sign())
    for shift in (0.0, 0.5, 2.0, 4.0):
        tv = math.erf(shift / 2 / 2**0.5)
        a = GAN_LOSSES["hinge"].critic_loss((shift / 2 - REAL).sign(), (shift / 2 - REAL - shift).sign())
        assert 1 - a.item() / 2 == pytest.approx(tv, abs=1e-4)
    # Trained on the grid without constraint, point by point, every output ends at +-1.
    x = torch.linspace(-3, 4, 40, dtype=F64)
    p, q = torch.exp(-x * x / 2), torch.exp(-((x - 1) ** 2) / 2)
    a = torch.zeros(40, dtype=F64, requires_grad=True)
    loss = GAN_LOSSES["hinge"]
    assert isinstance(loss, PairLoss)
    for _ in range(1500):
        (gradient,) = torch.autograd.grad((p * loss.real(a) + q * loss.fake(a)).sum(), a)
        with torch.no_grad():
            a -= 0.1 * gradient
    clear = (p - q).abs() > 0.01
    assert torch.allclose(a.detach()[clear], (p - q).sign()[clear], atol=0.11)


def test_relativistic_losses() -> None:
    paired, average = GAN_LOSSES["relativistic"], GAN_LOSSES["relativistic_average"]
    a_real, a_fake = torch.randn(2, 7, dtype=F64, generator=torch.Generator().manual_seed(0))
    for loss in (paired, average):
        # A constant changes nothing; data and fakes exchanged are the other player's loss; equal outputs are worth as much
        # as a critic that cannot tell.
        for part in (loss.critic_loss, loss.generator_loss):
            assert torch.allclose(part(a_real + 9, a_fake + 9), part(a_real, a_fake), rtol=1e-12)
        assert torch.equal(loss.generator_loss(a_real, a_fake), loss.critic_loss(a_fake, a_real))
    zero = torch.zeros(3, dtype=F64)
    assert paired.critic_loss(zero, zero).item() == pytest.approx(math.log(2), rel=1e-12)
    assert average.critic_loss(zero, zero).item() == pytest.approx(2 * math.log(2), rel=1e-12)
    assert average.critic_loss(a_real, a_fake).item() == pytest.approx(
        (softplus(a_fake.mean() - a_real).mean() + softplus(a_fake - a_real.mean()).mean()).item(), rel=1e-12
    )

    # Over all pairs (quantiles against quantiles): the best paired critic is the log-ratio, worth log 2 minus the JSD of
    # p x q from q x p. For unit normal laws these are unit normal laws a distance sqrt 2 apart.
    n = 600
    x = torch.special.ndtri((torch.arange(n, dtype=F64) + 0.5) / n)

    def over_pairs(critic: Any) -> float:
        real, fake = torch.cartesian_prod(critic(x), critic(x + 1)).unbind(1)
        return paired.critic_loss(real, fake).item()

    u = torch.linspace(-12, 14, 20_001, dtype=F64)
    p, q = (torch.exp(-((u - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0.0, 2**0.5))
    middle = (p + q) / 2
    jsd = 0.5 * torch.trapezoid(p * (p / middle).log() + q * (q / middle).log(), u).item()
    assert over_pairs(log_ratio) == pytest.approx(math.log(2) - jsd, abs=1e-3)
    for scale in (0.8, 1.2):
        assert over_pairs(lambda x, s=scale: s * log_ratio(x)) > over_pairs(log_ratio)
    # The average loss at the critic s (1/2 - x): by quadrature over each law, with means s/2 and -s/2.
    for s in (0.5, 1.0, 2.0):
        z = torch.linspace(-10, 10, 4001, dtype=F64)
        weight = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        expected = 2 * torch.trapezoid(weight * softplus(-s * (1 - z)), z).item()
        found = critic_loss("relativistic_average", lambda x, s=s: s * log_ratio(x))
        assert found == pytest.approx(expected, abs=1e-4)


def test_both_kinds_move_both_players() -> None:
    for loss in GAN_LOSSES.values():
        a_real, a_fake = (
            torch.tensor([0.3, -0.2], requires_grad=True),
            torch.tensor([0.1, 0.4], requires_grad=True),
        )
        for a in torch.autograd.grad(loss.critic_loss(a_real, a_fake), [a_real, a_fake]):
            assert bool((a != 0).all())
        # The critic raises its output on data; so does the generator on fakes (towards 0 for least squares).
        down = torch.autograd.grad(loss.critic_loss(a_real, a_fake), [a_real, a_fake])
        assert bool((down[0] < 0).all())
        assert bool((down[1] > 0).all())
        (up,) = torch.autograd.grad(loss.generator_loss(a_real if loss.uses_real else None, a_fake), a_fake)
        assert bool((up > 0).all() if loss.name == "least_squares" else (up < 0).all())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: PairLoss(3, abs, abs, abs), TypeError, "name must be a str, got int"),  # type: ignore[arg-type]
        (lambda: PairLoss("x", abs, 1.0, abs), TypeError, "fake must be callable, got float"),  # type: ignore[arg-type]
        (lambda: RelativisticLoss("x", average=1), TypeError, "average must be a bool, got int"),  # type: ignore[arg-type]
        (
            lambda: GAN_LOSSES["hinge"].critic_loss(torch.zeros(2, 1), torch.zeros(2)),
            ValueError,
            r"a_real must have shape \(batch,\) .* got shape \(2, 1\)",
        ),
        (
            lambda: GAN_LOSSES["hinge"].generator_loss(None, torch.zeros(0)),
            ValueError,
            r"a_fake must have shape \(batch,\) with at least one point",
        ),
        (
            lambda: GAN_LOSSES["hinge"].critic_loss(torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
            TypeError,
            "a_fake must have a floating dtype",
        ),
        (
            lambda: GAN_LOSSES["relativistic"].critic_loss(torch.zeros(2), torch.zeros(3)),
            ValueError,
            r"a_fake must have the shape \(2,\) of a_real, one fake a datum, got \(3,\)",
        ),
        (
            lambda: GAN_LOSSES["relativistic"].generator_loss(None, torch.zeros(3)),
            TypeError,
            "a_real must be a torch.Tensor, got NoneType",
        ),
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
