"""What each player minimises, whose weights it reaches, and what a small critic returns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gmlib.gan import (
    GAN_LOSSES,
    R1,
    Consensus,
    Critic,
    Game,
    GradientPenalty,
    PlayerTerms,
    toy_critic,
    toy_generator,
)


def make_game(loss: str = "non_saturating", *regularisers: Any) -> Game:
    torch.manual_seed(0)
    return Game(toy_generator(latent_dim=3), toy_critic(), GAN_LOSSES[loss], regularisers, latent_dim=3)


def batch(n: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real, z = torch.randn(n, 2, generator=generator), torch.randn(n, 3, generator=generator)
    return real, z, torch.rand(n, generator=generator)


@pytest.mark.parametrize("loss", list(GAN_LOSSES))
def test_terms(loss: str) -> None:
    game, (real, z, u) = make_game(loss, R1(0.3), GradientPenalty(2.0)), batch()
    terms = game.critic_terms(real, z, u)
    a_real, a_fake, fake = game.critic(real), game.critic(game.generator(z)), game.generator(z)
    assert torch.equal(terms.loss, GAN_LOSSES[loss].critic_loss(a_real, a_fake))
    assert torch.equal(terms.penalties["r1"], R1(0.3)(game.critic, real, fake))
    assert torch.equal(terms.penalties["gradient_penalty"], GradientPenalty(2.0)(game.critic, real, fake, u))
    assert torch.allclose(terms.total, terms.loss + sum(terms.penalties.values()))
    assert list(terms.as_dict()) == ["total", "loss", "r1", "gradient_penalty"]
    of_generator = game.generator_terms(real, z)
    assert torch.equal(of_generator.loss, GAN_LOSSES[loss].generator_loss(a_real, a_fake))
    assert torch.equal(of_generator.total, of_generator.loss)
    assert not of_generator.penalties


def test_each_objective_reaches_its_own_player() -> None:
    # The critic's sends nothing to the generator: fakes are points there. The generator's passes through the critic.
    game, (real, z, _) = make_game("non_saturating", R1(0.1)), batch()
    theta = list(game.generator.parameters())
    reached = torch.autograd.grad(game.critic_terms(real, z).total, theta, allow_unused=True)
    assert all(g is None for g in reached)
    for gradient in torch.autograd.grad(game.generator_terms(None, z).total, theta):
        assert bool((gradient != 0).any())


def test_zero_sum() -> None:
    # In the minimax game the two objectives are minus each other on the fakes.
    game, (real, z, _) = make_game("minimax"), batch()
    fakes = softplus(game.critic(game.generator(z))).mean()
    assert torch.allclose(game.generator_terms(None, z).loss, -fakes)
    assert torch.allclose(game.critic_terms(real, z).loss - softplus(-game.critic(real)).mean(), fakes)


def test_consensus_is_on_both_players() -> None:
    game, (real, z, _) = make_game("minimax", Consensus(0.2)), batch()
    bare = make_game("minimax")
    bare.load_state_dict(game.state_dict())
    phi, theta = list(bare.critic.parameters()), list(bare.generator.parameters())
    squares = sum(g.square().sum() for g in torch.autograd.grad(bare.critic_terms(real, z).total, phi))
    squares = squares + sum(
        g.square().sum() for g in torch.autograd.grad(bare.generator_terms(real, z).total, theta)
    )
    for terms in (game.critic_terms(real, z), game.generator_terms(real, z)):
        assert torch.allclose(terms.penalties["consensus"], 0.1 * squares, rtol=1e-5)
        assert torch.allclose(terms.total, terms.loss + 0.1 * squares)
    (own,) = torch.autograd.grad(game.generator_terms(real, z).total, [next(game.generator.parameters())])
    (plain,) = torch.autograd.grad(bare.generator_terms(real, z).total, [theta[0]])
    assert not torch.allclose(own, plain)


def test_a_penalty_of_ones_own_and_a_loss_of_ones_own() -> None:
    class Squares:
        def critic_loss(self, a_real: Tensor, a_fake: Tensor) -> Tensor:
            return a_real.square().mean() + a_fake.square().mean()

        def generator_loss(self, a_real: Tensor | None, a_fake: Tensor) -> Tensor:
            assert a_real is not None  # a loss that does not say otherwise is given the data
            return a_fake.mean() - a_real.mean()

    def level(critic: nn.Module, real: Tensor, fake: Tensor, noise: Tensor | None) -> Tensor:
        return critic(real).mean().square()

    torch.manual_seed(0)
    game = Game(toy_generator(latent_dim=3), toy_critic(), Squares(), [level], latent_dim=3)
    real, z, _ = batch()
    assert torch.allclose(game.critic_terms(real, z).penalties["level"], game.critic(real).mean().square())
    assert bool(game.generator_terms(real, z).loss.isfinite())
    assert not game.draws
    assert make_game("hinge", GradientPenalty(1.0)).draws


def test_samples_and_shapes() -> None:
    game = make_game()
    one, two = (game.sample(9, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    assert one.shape == (9, 2)
    assert torch.equal(one, two)
    assert not one.requires_grad
    assert toy_critic(3, widths=(4,))(torch.zeros(5, 3)).shape == (5,)
    widths = [w.shape for w in toy_generator().parameters()]
    assert widths == [(25, 32), (25,), (25, 25), (25,), (2, 25), (2,)]
    images = Critic(nn.Sequential(nn.Flatten(), nn.Linear(12, 1)))
    assert images(torch.zeros(5, 3, 2, 2)).shape == (5,)
    assert sorted(PlayerTerms(torch.zeros(()), torch.zeros(())).as_dict()) == ["loss", "total"]


class Total:
    """A penalty whose name is taken."""

    name = "total"

    def __call__(self, critic: nn.Module, real: Tensor, fake: Tensor, noise: Tensor | None) -> Tensor:
        return critic(real).mean().square()


@pytest.mark.gpu
def test_samples_are_drawn_where_the_generator_is() -> None:
    game, one = make_game(), make_game().sample(9, generator=torch.Generator().manual_seed(2))
    two = game.cuda().sample(9, generator=torch.Generator().manual_seed(2))
    assert two.is_cuda
    torch.testing.assert_close(two.cpu(), one)
    assert game.sample(3, generator=torch.Generator("cuda")).is_cuda


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: Game(abs, toy_critic(), GAN_LOSSES["hinge"]),
            TypeError,
            "generator must be a torch.nn.Module",
        ),  # type: ignore[arg-type]
        (
            lambda: Game(toy_generator(), 3, GAN_LOSSES["hinge"]),
            TypeError,
            "critic must be a torch.nn.Module, got int",
        ),  # type: ignore[arg-type]
        (
            lambda: Game(toy_generator(), toy_critic(), "hinge"),
            TypeError,
            "loss must have a method critic_loss, got str",
        ),  # type: ignore[arg-type]
        (
            lambda: Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], [3]),
            TypeError,
            "regularisers must be callable, got int",
        ),
        (
            lambda: Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], R1(1.0)),
            TypeError,
            "regularisers must be a sequence, got R1",
        ),
        (
            lambda: make_game("hinge", R1(10.0), R1(0.0)),
            ValueError,
            "regularisers must have names of their own, beside 'total' and 'loss', got 'r1' again",
        ),
        (
            lambda: make_game("hinge", Total()),
            ValueError,
            "beside 'total' and 'loss', got 'total' again",
        ),
        (
            lambda: make_game().critic_terms(torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, 3)),
            ValueError,
            "real must have the dtype torch.float32 of the critic, got torch.float64",
        ),
        (
            lambda: make_game().generator_terms(None, torch.zeros(2, 3).half()),
            ValueError,
            "z must have the dtype torch.float32 of the generator, got torch.float16",
        ),
        (
            lambda: Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], latent_dim=0),
            ValueError,
            "latent_dim must be at least 1, got 0",
        ),
        (lambda: make_game().sample(0), ValueError, "n must be at least 1, got 0"),
        (
            lambda: make_game().critic_terms(torch.zeros(2, 2), torch.zeros(2, 4)),
            ValueError,
            r"z must have shape \(batch, 3\), got shape \(2, 4\)",
        ),
        (
            lambda: make_game().critic_terms(torch.zeros(2), torch.zeros(2, 3)),
            ValueError,
            r"real must have shape \(batch, \*event\)",
        ),
        (
            lambda: make_game("relativistic").generator_terms(None, torch.zeros(2, 3)),
            TypeError,
            "real must be a torch.Tensor, got NoneType",
        ),
        (
            lambda: make_game("hinge", GradientPenalty(1.0)).critic_terms(
                torch.zeros(2, 2), torch.zeros(2, 3)
            ),
            TypeError,
            "noise must be a torch.Tensor of uniform numbers",
        ),
        (
            lambda: Game(toy_generator(), nn.Linear(2, 1), GAN_LOSSES["hinge"], latent_dim=32).critic_terms(
                torch.zeros(3, 2), torch.zeros(3, 32)
            ),
            ValueError,
            r"critic\(x\) must have shape \(3,\), one number a point, got shape \(3, 1\)",
        ),
        (lambda: Critic(abs), TypeError, "net must be a torch.nn.Module"),  # type: ignore[arg-type]
        (
            lambda: Critic(nn.Linear(2, 2))(torch.zeros(3, 2)),
            ValueError,
            r"net\(x\) must have shape \(3, 1\), got shape \(3, 2\)",
        ),
        (lambda: toy_critic(2, widths=(0,)), ValueError, "sizes must be at least 1, got 0"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
