"""Chapter 05: small spline-coupling flows for toy laws of the plane, all in one file of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.distributions import TOYS, Law
from gmlib.flows import Coupling, Flow, RationalQuadratic, StandardNormal, conditioner, half_mask
from gmlib.training import Task

LAWS = ("two_moons", "eight_gaussians", "checkerboard")
"""The laws of the recipe, by their names in ``gmlib.distributions.TOYS``."""


def stack_flow(
    *, layers: int = 6, bins: int = 8, bound: float = 4.0, hidden: Sequence[int] = (32, 32)
) -> Flow:
    """Spline couplings of the plane, smooth in both coordinates, which they change in turn: the second one first.

    The conditioners have SiLU instead of `spline_coupling`'s ReLU, so that the images of straight lines have no kinks.

    Args:
        layers: number of couplings.
        bins: pieces of each spline.
        bound: the splines bend [-bound, bound].
        hidden: widths of the hidden layers of each conditioner.

    Returns:
        A flow that starts as the standard normal law.

    Raises:
        ValueError: a number out of range.

    Example:
        >>> from gmlib.recipes.flow_stack import stack_flow
        >>> stack_flow(layers=2).log_prob(torch.zeros(2))
        tensor(-1.8379, grad_fn=<AddBackward0>)
    """
    check_count("layers", layers)
    rule = RationalQuadratic(bins, bound)
    stack = [
        Coupling(
            half_mask(2, flip=i % 2 == 1),
            rule,
            conditioner(1, 1, rule, hidden=hidden, activation=nn.SiLU),
        )
        for i in range(layers)
    ]
    return Flow(StandardNormal((2,)), stack)


def flow_stack(
    *,
    laws: Sequence[str] = LAWS,
    layers: int = 6,
    bins: int = 8,
    bound: float = 4.0,
    hidden: Sequence[int] = (32, 32),
    points: int = 100_000,
    held_out: int = 20_000,
) -> Task:
    """One flow for each law, trained side by side by maximum likelihood; they share nothing but the file.

    Args:
        laws: names in ``gmlib.distributions.TOYS``.
        layers: couplings of each flow.
        bins: pieces of each spline.
        bound: the splines bend [-bound, bound].
        hidden: widths of the hidden layers of each conditioner.
        points: training points of each law, drawn once with a fixed seed.
        held_out: points of each law that the evaluation draws.

    Returns:
        The task. Its model is a ``ModuleDict`` of flows by the names of the laws, its loss the sum of their negative
        log-likelihoods, and its evaluation that of :func:`stack_evaluator`.

    Raises:
        ValueError: there is no such law, or a number is out of its range.

    Example:
        >>> from gmlib.recipes.flow_stack import flow_stack
        >>> task = flow_stack(laws=["ring"], points=100, held_out=100)
        >>> task.data.shape, list(task.model)
        (torch.Size([100, 1, 2]), ['ring'])
    """
    for name in laws:
        check_choice("laws", name, tuple(TOYS))
    check_count("points", points)
    exact = {name: TOYS[name](dtype=torch.float32) for name in laws}
    generator = torch.Generator().manual_seed(1)
    data = torch.stack([law.sample((points,), generator=generator) for law in exact.values()], 1)
    model = nn.ModuleDict(
        {name: stack_flow(layers=layers, bins=bins, bound=bound, hidden=hidden) for name in laws}
    )

    def loss(model: nn.Module, x: Tensor, noise: None) -> dict[str, Tensor]:
        terms = {name: -model.get_submodule(name)(x[:, i]).mean() for i, name in enumerate(laws)}
        return {"loss": torch.stack([*terms.values()]).sum(), **terms}

    return Task(model, loss, data, evaluate=stack_evaluator(exact, held_out))


def stack_evaluator(laws: Mapping[str, Law], held_out: int) -> Callable[[nn.Module], dict[str, float]]:
    r"""A function that measures flows on fresh points of their laws, drawn from a fixed seed.

    Args:
        laws: the exact laws by name.
        held_out: points of each.

    Returns:
        A function of the model that returns for each law

        - ``nll_NAME``: the mean of :math:`-\log p(x)`, nats;
        - ``excess_NAME``: the mean of :math:`\log p_*(x) - \log p(x)` over the same points, an estimate of
          :math:`\mathrm{KL}(p_* \| p)`, which is by how much the NLL exceeds the law's entropy.

    Raises:
        ValueError: ``held_out`` is below 1.

    Example:
        >>> from torch import nn
        >>> from gmlib.distributions import cross
        >>> from gmlib.recipes.flow_stack import stack_evaluator, stack_flow
        >>> metrics = stack_evaluator({"cross": cross()}, 4000)(nn.ModuleDict({"cross": stack_flow()}))
        >>> round(metrics["excess_cross"], 1)  # the normal law's: log 2 pi + E|x|^2 / 2 - 1.4531
        0.9
    """
    check_count("held_out", held_out)
    generator = torch.Generator().manual_seed(0)
    fresh = {name: law.sample((held_out,), generator=generator) for name, law in laws.items()}

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        found: dict[str, float] = {}
        for name, law in laws.items():
            log_prob = model.get_submodule(name)(fresh[name].to(device)).cpu()
            found[f"nll_{name}"] = -log_prob.mean().item()
            found[f"excess_{name}"] = (law.log_prob(fresh[name]) - log_prob).mean().item()
        return found

    return evaluate
