"""One step of training a game: players with their weights in one vector, rules that move it, and the step's compilation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from gmlib._compiler import compiler_found
from gmlib.gan.game import Game, PlayerTerms

EPS = 1e-8
"""What Adam adds to the root of its second moment: torch's default."""


class Player:
    """A network whose trained weights are views of one vector, so that a rule is a handful of operations.

    Args:
        name: of the player, for messages.
        module: the network; give it back its own storage with `release`.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        found = [(key, w) for key, w in module.named_parameters() if w.requires_grad]
        self.keys = [f"{name}.{key}" for key, _ in found]
        self.weights = [w for _, w in found]
        if not self.weights:
            raise ValueError(f"game.{name} must have weights that require gradients, got none")
        kinds = {(w.dtype, w.device) for w in self.weights}
        if len(kinds) > 1:
            raise ValueError(
                f"game.{name} must have weights of one dtype on one device, got {sorted(map(str, kinds))}"
            )
        self.flat = torch.cat([w.detach().reshape(-1) for w in self.weights])
        self.shapes = [w.shape for w in self.weights]
        for w, view in zip(self.weights, self.views(self.flat), strict=True):
            w.data = view

    def views(self, flat: Tensor) -> list[Tensor]:
        """The weights as views of such a vector."""
        sizes = [math.prod(shape) for shape in self.shapes]
        return [part.view(shape) for part, shape in zip(flat.split(sizes), self.shapes, strict=True)]

    def release(self) -> None:
        """Give every weight a storage of its own again."""
        for w in self.weights:
            w.data = w.data.clone()


@dataclass(frozen=True)
class Descent:
    """Gradient descent or Adam, in place, with its state in tensors: no number of a step is known to Python."""

    kind: str
    lr: float
    momentum: float
    beta1: float
    beta2: float
    clip: float | None = None

    def state(self, flat: Tensor) -> list[Tensor]:
        """What the rule remembers, before the first step."""
        if self.kind == "adam":
            wide = torch.promote_types(flat.dtype, torch.float32)
            return [torch.zeros_like(flat), torch.zeros_like(flat), flat.new_zeros((), dtype=wide)]
        return [torch.zeros_like(flat)] if self.momentum else []

    @torch.no_grad()
    def move(self, flat: Tensor, gradient: Tensor, state: Sequence[Tensor]) -> None:
        """Take one step."""
        if self.kind == "adam":
            first, second, count = state
            count += 1
            first.lerp_(gradient, 1 - self.beta1)
            second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
            # 1 - beta^t without cancellation, and without a synchronisation.
            late, wide = (-torch.expm1(count * math.log(b)) if b else 1.0 for b in (self.beta1, self.beta2))
            root = (second / wide).sqrt_().add_(EPS)
            flat.addcdiv_(first / late, root, value=-self.lr)
        elif self.momentum:
            (velocity,) = state
            velocity.mul_(self.momentum).add_(gradient)
            flat.add_(velocity, alpha=-self.lr)
        else:
            flat.add_(gradient, alpha=-self.lr)
        if self.clip is not None:
            flat.clamp_(-self.clip, self.clip)


@dataclass(frozen=True)
class Side:
    """A player in a step: the leaves that autograd differentiates, the vector under them, and the rule's state."""

    weights: Sequence[Tensor]
    flat: Tensor
    state: list[Tensor]
    rule: Descent

    def gradient(self, terms: PlayerTerms) -> Tensor:
        """The gradient of the player's total with respect to its own weights alone, as a vector."""
        parts = torch.autograd.grad(terms.total, list(self.weights), materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in parts])

    def move(self, gradient: Tensor) -> None:
        """Take a step."""
        self.rule.move(self.flat, gradient, self.state)


def one_step(
    game: Game, critic: Side, generator: Side, draws: Sequence[Tensor], simultaneous: bool, names: list[str]
) -> Tensor:
    """Move both players, and return the terms of the last critic step and of the generator's, named in ``names``.

    ``draws`` are data (k, batch, *event), latents (k + 1, batch, latent) or, simultaneously, (k, ...), and uniform
    numbers (k, batch) where the game asks for them.
    """
    real, z = draws[0], draws[1]
    k = real.shape[0]
    noise = list(draws[2]) if len(draws) > 2 else [None] * k
    for j in range(k - 1):
        critic.move(critic.gradient(game.critic_terms(real[j], z[j], noise[j])))
    of_critic = game.critic_terms(real[-1], z[k - 1], noise[-1])
    step = critic.gradient(of_critic)
    if simultaneous:  # both gradients before either move
        of_generator = game.generator_terms(real[-1], z[-1])
        other = generator.gradient(of_generator)
        critic.move(step)
    else:
        critic.move(step)
        of_generator = game.generator_terms(real[-1], z[-1])
        other = generator.gradient(of_generator)
    generator.move(other)
    terms: dict[str, Tensor] = {}
    for player, found in (("critic", of_critic), ("generator", of_generator)):
        terms |= {f"{player}.{key}": t for key, t in found.as_dict().items() if key != "total"}
    names[:] = terms
    return torch.stack([t.detach() for t in terms.values()])


class _Within(nn.Module):
    """Calls a function while the game's tensors are replaced."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game

    def forward(self, work: Callable[[], Tensor]) -> Tensor:
        return work()


def stepper(
    game: Game,
    players: tuple[Player, Player],
    rules: tuple[Descent, Descent],
    simultaneous: bool,
    compile: bool,
) -> tuple[Callable[[Sequence[Tensor]], Tensor], list[str], bool]:
    """A function of a step's draws that moves both players, the names of the terms it returns, and whether it is compiled.

    Compiled, the whole step is one graph: losses, gradients (also of gradients), and both players' moves.
    """
    names: list[str] = []
    critic, generator = players
    states = [rule.state(player.flat) for rule, player in zip(rules, players, strict=True)]

    def eager(draws: Sequence[Tensor]) -> Tensor:
        sides = [
            Side(player.weights, player.flat, state, rule)
            for player, state, rule in zip(players, states, rules, strict=True)
        ]
        return one_step(game, sides[0], sides[1], draws, simultaneous, names)

    if not compile or not compiler_found():
        return eager, names, False

    # torch.compile does not differentiate twice, so the step is traced through autograd first, as a function of everything
    # that it reads or changes; what is left to compile has no gradients in it.
    buffers = dict(game.named_buffers())
    held = [critic.flat, generator.flat, *states[0], *states[1], *buffers.values()]
    within = _Within(game)

    def pure(*arguments: Tensor) -> Tensor:
        flats, rest, draws = arguments[:2], list(arguments[2 : len(held)]), arguments[len(held) :]
        own = rest[: len(states[0])], rest[len(states[0]) : len(states[0]) + len(states[1])]
        swapped = {
            f"game.{key}": b for key, b in zip(buffers, rest[len(own[0]) + len(own[1]) :], strict=True)
        }
        sides = []
        for player, flat, state, rule in zip(players, flats, own, rules, strict=True):
            leaves = [view.requires_grad_() for view in player.views(flat.detach())]
            swapped |= {f"game.{key}": leaf for key, leaf in zip(player.keys, leaves, strict=True)}
            sides.append(Side(leaves, flat, state, rule))
        return functional_call(
            within, swapped, (lambda: one_step(game, sides[0], sides[1], draws, simultaneous, names),)
        )

    made: list[Callable[..., Tensor]] = []
    recorded = critic.flat.is_cuda

    def run(draws: Sequence[Tensor]) -> Tensor:
        if not made:
            graph = make_fx(pure, tracing_mode="fake", _allow_non_fake_inputs=True)(*held, *draws)
            if recorded:  # a recorded graph changes its weights where they lie
                for tensor in held:
                    torch._dynamo.mark_static_address(tensor)
            mode = "reduce-overhead" if recorded else None
            made.append(torch.compile(graph, fullgraph=True, dynamic=False, mode=mode))
        with torch.no_grad():
            if recorded:
                torch.compiler.cudagraph_mark_step_begin()
                return made[0](*held, *draws).clone()
            return made[0](*held, *draws)

    return run, names, True
