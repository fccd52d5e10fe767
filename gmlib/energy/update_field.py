r"""The field of an update rule: is it a gradient, and where does it stand still?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_number
from gmlib.energy._rbm_checks import check_rbm
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import RBMGradient


def field_jacobian(rbm: RBM, field: Callable[[RBM], RBMGradient]) -> Float[Tensor, "size size"]:
    r"""How an update direction changes with the parameters: the matrix of its derivatives.

    .. math:: J_{ij} = \frac{\partial g_i}{\partial \theta_j}, \qquad J = J^\top \iff g \text{ is, near there, a gradient}

    Args:
        rbm: the machine, of a few dozen parameters.
        field: takes the machine to a direction, with the graph kept (``differentiable=True``).

    Returns:
        The matrix, in the order weight, b, c.

    Raises:
        TypeError: ``field`` cannot be called, or ``rbm`` is no RBM.
        ValueError: the direction carries no graph.

    Example:
        >>> from gmlib.energy import expected_cd_gradient, field_jacobian, reference_law, reference_rbm
        >>> law = reference_law()
        >>> field = lambda rbm: expected_cd_gradient(rbm, law, 1, differentiable=True)
        >>> jacobian = field_jacobian(reference_rbm(), field)
        >>> jacobian.shape, bool((jacobian - jacobian.T).abs().max() > 0.01)
        (torch.Size([19, 19]), True)
    """
    check_rbm("rbm", rbm)
    check_callable("field", field)
    with torch.enable_grad():
        value = field(rbm).vector()
        if not value.requires_grad:
            raise ValueError("field must keep its graph: pass differentiable=True to the function it calls")
        parameters = (rbm.weight, rbm.b, rbm.c)
        rows = [
            torch.cat(
                [
                    part.flatten()
                    for part in torch.autograd.grad(
                        entry, parameters, retain_graph=True, materialize_grads=True
                    )
                ]
            )
            for entry in value
        ]
    return torch.stack(rows)


def stationary_point(
    rbm: RBM, field: Callable[[RBM], RBMGradient], *, steps: int = 50, tolerance: float = 1e-12
) -> RBM:
    r"""Return the machine at which an update direction vanishes, by Newton's method from ``rbm``.

    .. math:: \theta \leftarrow \theta - J^+ g(\theta)

    with the pseudo-inverse of the field's Jacobian and steps halved until the direction shrinks.

    Args:
        rbm: where to start; not changed.
        field: takes a machine to a direction, with the graph kept.
        steps: at most so many steps.
        tolerance: the largest entry of the direction at which it stops.

    Returns:
        A new machine.

    Raises:
        TypeError: ``field`` cannot be called, or ``rbm`` is no RBM.
        ValueError: ``steps`` or ``tolerance`` is out of range, or the direction carries no graph.
        RuntimeError: no such point was reached.

    Example:
        >>> from gmlib.energy import reference_rbm, stationary_point, statistics, states_of
        >>> rbm = reference_rbm()
        >>> x = states_of(rbm, 4)
        >>> target = statistics(rbm, x)  # hidden means that the machine has already
        >>> found = stationary_point(rbm, lambda m: statistics(m, x, differentiable=True) - target)
        >>> bool((found.weight - rbm.weight).abs().max() < 1e-12)
        True
    """
    check_rbm("rbm", rbm)
    check_callable("field", field)
    check_count("steps", steps)
    check_number("tolerance", tolerance, low=0.0, low_open=True)
    here = RBM.from_weights(rbm.weight.detach(), rbm.b.detach(), rbm.c.detach())
    for _ in range(steps):
        value = field(here).vector().detach()
        if value.abs().max() <= tolerance:
            return here
        move = -torch.linalg.pinv(field_jacobian(here, field), rtol=1e-10) @ value
        there, halvings = _moved_by(here, move), 0
        while field(there).vector().norm() >= value.norm() and halvings < 20:
            halvings += 1
            there = _moved_by(here, move / 2**halvings)
        here = there
    if field(here).vector().abs().max() <= tolerance:
        return here
    raise RuntimeError(
        f"no stationary point within {steps} steps: start nearer to one, or raise tolerance ({tolerance:g})"
    )


def _moved_by(rbm: RBM, move: Tensor) -> RBM:
    """Return the machine whose parameters, in the order weight, b, c, are those of ``rbm`` plus ``move``."""
    weight, b, c = move.split((rbm.d * rbm.d_h, rbm.d, rbm.d_h))
    with torch.no_grad():
        return RBM.from_weights(rbm.weight + weight.view_as(rbm.weight), rbm.b + b, rbm.c + c)
