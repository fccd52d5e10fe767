"""Chapter 05: a continuous flow for a toy law of the plane, small enough for a page to follow its field."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gmlib._checks import check_choice
from gmlib.distributions import TOYS, GaussianMixture
from gmlib.flows import ContinuousFlow, Flow, StandardNormal, VelocityMLP
from gmlib.recipes.flow import ROWS, likelihood_loss, planar_law, plane_evaluator, plane_grid, standardised
from gmlib.training import Task


def ode_flow(*, law: str = "two_moons", hidden: Sequence[int] = (64, 64), solver_steps: int = 8) -> Flow:
    """A velocity field of the plane and time, and an affine map of each coordinate that starts at the law's scale.

    The field goes from the standard normal law at t = 1 to standardised data at t = 0: with data of another scale it would
    spend its time, and the solver's, on stretching.

    Args:
        law: a name in ``gmlib.distributions.TOYS``.
        hidden: widths of the hidden layers of the field's network.
        solver_steps: steps of the Runge-Kutta solver from one end to the other.

    Returns:
        A flow that starts as the normal law with the mean and the variances of the law.

    Raises:
        ValueError: there is no such law, or a number is out of its range.

    Example:
        >>> import torch
        >>> from gmlib.recipes.flow_ode import ode_flow
        >>> flow = ode_flow()
        >>> [round(v, 2) for v in flow.bijection(torch.zeros(2))[0].tolist()], sum(p.numel() for p in flow.parameters())
        ([0.5, 0.25], 4550)
    """
    check_choice("law", law, tuple(TOYS))
    ode = ContinuousFlow(VelocityMLP(2, hidden), (2,), method="rk4", steps=solver_steps)
    return standardised(Flow(StandardNormal((2,)), ode), planar_law(law))


def plane_ode(*, law: str = "two_moons", hidden: Sequence[int] = (64, 64), solver_steps: int = 8) -> Task:
    """A continuous flow on a toy law of the plane, trained on points that are drawn anew in every step.

    Args:
        law: a name in ``gmlib.distributions.TOYS``, with its own noise.
        hidden: widths of the hidden layers of the field's network.
        solver_steps: steps of the solver in training. With too few, training finds fields on which the solver errs in its
            favour.

    Returns:
        The task; its evaluation is that of :func:`ode_evaluator`.

    Raises:
        ValueError: there is no such law, or a number is out of its range.

    Example:
        >>> from gmlib.recipes.flow_ode import plane_ode
        >>> task = plane_ode(law="cross", solver_steps=1)
        >>> points = task.noise(5, torch.Generator().manual_seed(0), torch.device("cpu"))
        >>> points.shape, sorted(task.loss(task.model, None, points))
        (torch.Size([5, 2]), ['loss'])
    """
    check_choice("law", law, tuple(TOYS))
    exact = planar_law(law)
    single = exact.to(dtype=torch.float32)

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return single.to(device=device).sample((n,), generator=generator)

    model = ode_flow(law=law, hidden=hidden, solver_steps=solver_steps)
    return Task(model, likelihood_loss, torch.empty(ROWS, 0), noise, ode_evaluator(exact))


def ode_evaluator(
    law: GaussianMixture, *, tolerance: float = 1e-5, samples: int = 20_000
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a flow with continuous layers against its law, by a solver that chooses its steps.

    Args:
        law: the law of the data, in float64.
        tolerance: of that solver.
        samples: points of the held-out sample, drawn with a fixed seed.

    Returns:
        A function of the flow that returns what that of ``plane_evaluator`` does, in nats, and ``kl_own_steps``: the
        divergence as the steps of training see it. Far from ``kl``, or even negative, it says that they were too few.

    Example:
        >>> from gmlib.recipes.flow import planar_law
        >>> from gmlib.recipes.flow_ode import ode_evaluator, ode_flow
        >>> measure = ode_evaluator(planar_law("cross"), tolerance=0.01, samples=100)
        >>> measures = measure(ode_flow(law="cross", solver_steps=1))
        >>> round(measures["kl"], 3), round(measures["kl_own_steps"], 3)  # the normal law's: .714
        (0.714, 0.714)
    """
    measure = plane_evaluator(law, samples=samples)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        place = next(model.parameters())
        own = plane_grid(law).kl(lambda x: model(x.to(place)).cpu())
        careful = copy.deepcopy(model)
        for layer in careful.modules():
            if isinstance(layer, ContinuousFlow):
                layer.solver = {"method": "dopri5", "rtol": tolerance, "atol": tolerance}
        return {**measure(careful), "kl_own_steps": own}

    return evaluate
