"""Whose turn a step is: one player for most models, two for those that learn by comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gmlib.training._pieces import compiled
from gmlib.training.config import Loss, Task
from gmlib.training.processes import Process


class Objective(nn.Module):
    """The loss as a module, so that it can be compiled and shared among processes as a whole."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Any, noise: Any) -> dict[str, Tensor]:
        """The terms of the loss."""
        return self.loss(self.model, batch, noise)


@dataclass
class Turn:
    """What happens in one player's step.

    Attributes:
        label: put in front of the names of its terms: "" for a single player, "critic." for the critic.
        objective: its loss as a module, compiled and shared as the run wants it.
        others: the trainable weights of the other players.
    """

    label: str
    objective: nn.Module
    others: Sequence[nn.Parameter]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, the others' weights take no gradient: they stay, and none is computed for them.

        Example:
            >>> model = nn.ModuleDict({"critic": nn.Linear(1, 1), "generator": nn.Linear(1, 1)})
            >>> turn = Turn("critic.", nn.Identity(), list(model["generator"].parameters()))
            >>> with turn.alone():
            ...     [p.requires_grad for p in model.parameters()]
            [True, True, False, False]
        """
        for p in self.others:
            p.requires_grad_(False)
        try:
            yield
        finally:
            for p in self.others:
                p.requires_grad_(True)


def turns_of(task: Task, process: Process, *, compile: bool) -> list[Turn]:
    """The turns of a round, in order; a player who moves several times in a row with one loss is compiled once.

    Args:
        task: the task, its model on its device.
        process: shares the gradients.
        compile: compile the objectives.

    Raises:
        ValueError: a trainable weight belongs to no player, or to two: it would move in both turns.
    """
    model = task.model
    if not isinstance(task.loss, tuple):
        return [Turn("", process.wrap(compiled(Objective(model, task.loss), compile)), [])]
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    own = {name: set(model.get_submodule(name).parameters()) for name in task.players}
    if free := [name for name, p in trainable.items() if not any(p in weights for weights in own.values())]:
        raise ValueError(f"players must own every trainable weight, got {task.players} and {free[0]!r}")
    for name, p in trainable.items():
        if len(both := [player for player, weights in own.items() if p in weights]) > 1:
            raise ValueError(
                f"players must share no trainable weight, got {name!r} of {' and '.join(map(repr, both))}"
            )
    made: dict[tuple[str, Loss], Turn] = {}
    for player, loss in zip(task.players, task.loss, strict=True):
        if (player, loss) not in made:
            others = [p for p in trainable.values() if p not in own[player]]
            turn = Turn(f"{player}.", compiled(Objective(model, loss), compile), others)
            with turn.alone():  # several processes average the gradients of the weights that have one here
                turn.objective = process.wrap(turn.objective)
            made[player, loss] = turn
    return [made[key] for key in zip(task.players, task.loss, strict=True)]
