"""What to train and how: the task, the settings, and the learning rate of a step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number

Loss = Callable[[nn.Module, Any, Any], dict[str, Tensor]]
"""(model, batch, noise) -> named scalars, each a mean over the batch; the one called "loss" is minimised."""

Noise = Callable[[int, torch.Generator, torch.device], Any]
"""(batch size, generator, device) -> the random numbers of a batch: tensors, batch first, in any nesting."""


_BETA1 = 0.9


@dataclass
class Task:
    """A model, what it minimises, and on what.

    A tuple of n losses makes a game: step i minimises loss i mod n, and reaches only the weights of its player, a part
    of the model. ``(critic,) * 5 + (generator,)`` gives the critic five steps for one of the generator. Every step sees
    a batch and noise of its own. The weights of the other players take no gradient in it, and stay: no momentum, weight
    decay or clipping moves them.

    Attributes:
        model: the network to train; it is trained in place.
        loss: called as ``loss(model, batch, noise)``; returns scalar tensors by name, each a mean over the
            batch, of which ``"loss"`` is minimised and all are recorded. Or a tuple of such, for players who take turns.
        data: a tensor with N rows, or a tuple of such; ``batch`` is a selection of rows in the same form.
        noise: draws the random numbers of a batch, as ``noise(batch_size, generator, device)``: a tensor, or
            tensors nested in tuples, lists and dicts, each with the batch as first dimension. None: ``noise``
            is None.
        evaluate: called as ``evaluate(model)`` without gradients and in eval mode; returns numbers by name.
        players: for a tuple of losses, the player of each: the (dotted) name of a submodule of ``model``, such as
            ``("critic", "generator")``. Together they own every trainable weight.

    Raises:
        TypeError: model, loss, data or players are of another kind.
        ValueError: the data have no rows or not as many in each tensor; there is not one player for each loss, or a
            player is no submodule, or has nothing to train.

    Example:
        Two numbers that play for their product: the one raises it, the other lowers it.

        >>> model = nn.ModuleDict({"up": nn.Linear(1, 1, bias=False), "down": nn.Linear(1, 1, bias=False)})
        >>> def product(model, x, noise):
        ...     return model["up"](x).mean() * model["down"](x).mean()
        >>> up = lambda *a: {"loss": -product(*a)}
        >>> down = lambda *a: {"loss": product(*a)}
        >>> Task(model, (up, down), torch.ones(4, 1), players=("up", "down")).rows
        4
    """

    model: nn.Module
    loss: Loss | tuple[Loss, ...]
    data: Tensor | tuple[Tensor, ...]
    noise: Noise | None = None
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None
    players: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = self.data if isinstance(self.data, tuple) else (self.data,)
        if not isinstance(self.model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(self.model).__name__}")
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            raise TypeError("data must be a tensor or a tuple of tensors")
        if any(part.dim() == 0 or len(part) != len(parts[0]) for part in parts) or len(parts[0]) == 0:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise ValueError(
                f"data must have the same number of rows (at least 1) in each tensor, got {shapes}"
            )
        self._check_players()

    def _check_players(self) -> None:
        losses = self.loss if isinstance(self.loss, tuple) else (self.loss,)
        if not losses or not all(callable(loss) for loss in losses):
            raise TypeError(f"loss must be a function or a tuple of functions, got {self.loss!r}")
        if not isinstance(self.players, tuple) or not all(isinstance(name, str) for name in self.players):
            raise TypeError(f"players must be a tuple of names, got {self.players!r}")
        if len(self.players) != (len(losses) if isinstance(self.loss, tuple) else 0):
            wanted = (
                f"name one for each of the {len(losses)} losses" if isinstance(self.loss, tuple) else "be ()"
            )
            raise ValueError(f"players must {wanted}, got {self.players!r}")
        known = dict(self.model.named_modules())
        for name in self.players:
            if not name or name not in known:
                raise ValueError(f"players must be submodules of the model, got {name!r}")
            if not any(p.requires_grad for p in known[name].parameters()):
                raise ValueError(f"players must have weights to train, and {name!r} has none")

    @property
    def rows(self) -> int:
        """Number N of training examples."""
        return len(self.data[0] if isinstance(self.data, tuple) else self.data)


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Every field is a key of a recipe's ``[train]`` table.

    Attributes:
        steps: number of optimiser steps, those of all players counted.
        batch_size: examples a step, over all processes together.
        lr: learning rate at its highest.
        optimizer: ``"adam"``, ``"adamw"`` or ``"sgd"`` (plain gradient descent, without momentum).
        beta1: decay of Adam's running mean of the gradient, its momentum; players who take turns often do better with 0.
        weight_decay: the optimiser's weight decay.
        lr_schedule: ``"constant"``, or ``"cosine"``: down to 0 at the last step.
        warmup: number of steps over which the learning rate rises linearly from 0.
        grad_clip: highest norm of the gradient, 0 for any.
        ema_decay: decay a step (of any player) of the moving average of the weights, 0 for none.
        amp: compute the loss under bfloat16 autocast (the weights stay float32).
        compile: compile model and loss with ``torch.compile``.
        device: ``"auto"`` (CUDA, else MPS, else CPU) or the name of a torch device, such as ``"cuda:1"``.
        seed: seed of batches and noise.
        checkpoint_every: steps between checkpoints, 0 for the last step only.
        log_every: steps between entries in the history, each the mean since the one before.
        evaluate_every: steps between evaluations, 0 for none.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of its range.

    Example:
        >>> TrainConfig(steps=100, lr_schedule="cosine").batch_size
        128
    """

    steps: int
    batch_size: int = 128
    lr: float = 1e-3
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    beta1: float = _BETA1
    weight_decay: float = 0.0
    lr_schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    grad_clip: float = 0.0
    ema_decay: float = 0.0
    amp: bool = False
    compile: bool = False
    device: str = "auto"
    seed: int = 0
    checkpoint_every: int = 1000
    log_every: int = 100
    evaluate_every: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every"):
            check_count(name, getattr(self, name))
        for name in ("warmup", "seed", "checkpoint_every", "evaluate_every"):
            check_count(name, getattr(self, name), low=0)
        check_number("lr", self.lr, low=0.0, low_open=True)
        for name in ("weight_decay", "grad_clip"):
            check_number(name, getattr(self, name), low=0.0)
        for name in ("ema_decay", "beta1"):
            check_number(name, getattr(self, name), low=0.0, high=1.0, high_open=True)
        if not isinstance(self.device, str):  # a torch.device cannot be written to the checkpoint
            raise TypeError(f'device must be a str such as "cuda:1", got {type(self.device).__name__}')
        check_choice("optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        if self.optimizer == "sgd" and self.beta1 != _BETA1:
            raise ValueError(f"beta1 must be left out for sgd, which has no momentum, got {self.beta1!r}")
        check_choice("lr_schedule", self.lr_schedule, ("constant", "cosine"))
        for name in ("amp", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be true or false, got {getattr(self, name)!r}")

    def lr_at(self, step: int) -> float:
        r"""The learning rate of a step, counted from 0.

        .. math:: \eta_s = \eta \, \min\Big(1, \frac{s + 1}{w}\Big) \, c_s, \qquad
                  c_s = \tfrac12 \Big(1 + \cos \pi \frac{\max(0, s - w)}{S - w}\Big)

        with w warm-up steps of S, and :math:`c_s = 1` for the constant schedule.

        References:
            I. Loshchilov and F. Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017,
            equation 5 (without restarts).

        Example:
            >>> config = TrainConfig(steps=110, lr=1.0, lr_schedule="cosine", warmup=10)
            >>> [round(config.lr_at(s), 3) for s in (0, 4, 10, 60, 109)]
            [0.1, 0.5, 1.0, 0.5, 0.0]
        """
        lr = self.lr * min(1.0, (step + 1) / max(1, self.warmup))
        if self.lr_schedule == "cosine":
            lr *= 0.5 * (
                1 + math.cos(math.pi * max(0, step - self.warmup) / max(1, self.steps - self.warmup))
            )
        return lr

    def differences(self, other: dict[str, Any]) -> list[str]:
        """The fields in which ``other`` would train to other numbers, each as "name: theirs, not ours".

        A checkpoint from before there was a ``beta1`` was trained with its default.
        """
        free = {"checkpoint_every", "log_every", "evaluate_every", "device", "compile"}
        # More steps continue a constant schedule; a cosine one would have gone another way from the start.
        free |= {"steps"} if self.lr_schedule == "constant" else set()
        mine = dataclasses.asdict(self)
        other = {"beta1": _BETA1} | other
        return [
            f"{k}: {other.get(k)!r}, not {v!r}"
            for k, v in mine.items()
            if k not in free and other.get(k) != v
        ]
