"""A vector field and its divergence, the trace of its Jacobian: exactly, or by one random probe."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_tensor
from gmlib.flows.bijection import sum_event

VectorField = Callable[[Tensor], Tensor]


def exact_divergence(
    field: VectorField, x: Float[Tensor, "..."], *, event_dims: int = 1
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    r"""A field and the trace of its Jacobian, from d products with the Jacobian.

    .. math:: b(x), \qquad \operatorname{div} b(x) = \operatorname{tr}\frac{\partial b}{\partial x}
        = \sum_{i=1}^{d} e_i^\top \frac{\partial b}{\partial x} e_i

    Reverse mode: one evaluation of the field and d backward passes, side by side with d times the memory of one; on a
    processor they come one after the other if no gradients are recorded, which is faster there. Both results can be
    differentiated again, as the likelihood of a continuous flow needs it.

    Args:
        field: b, each point on its own: shape ``(*batch, *event)`` to the same.
        x: points, shape ``(*batch, *event)``.
        event_dims: number of dimensions of the event, the last ones of ``x``.

    Returns:
        b(x) of the shape of ``x``, and the divergence, shape ``(*batch)``.

    Raises:
        TypeError: ``field`` cannot be called, or ``x`` is no floating tensor.
        ValueError: ``event_dims`` is negative.

    References:
        W. Grathwohl et al., *FFJORD: free-form continuous dynamics for scalable reversible generative models*, 2019,
        section 3.1, for the cost of d products.

    Example:
        >>> with torch.no_grad():
        ...     exact_divergence(lambda x: x**3, torch.tensor([[1.0, 2.0]]))
        (tensor([[1., 8.]]), tensor([15.]))
    """
    _check(field, x, event_dims)
    event = x.shape[x.dim() - event_dims :]
    d = event.numel()
    batch = x.shape[: x.dim() - event_dims]
    ones = [1] * len(batch)
    units = torch.eye(d, dtype=x.dtype, device=x.device).reshape(d, *ones, *event).expand(d, *batch, *event)
    b, rows = _pull(field, x, units, many=True)
    diagonal = rows.reshape(d, *batch, d).diagonal(dim1=0, dim2=-1)
    return b, diagonal.sum(-1)


def probed_divergence(
    field: VectorField, x: Float[Tensor, "..."], probe: Float[Tensor, "..."], *, event_dims: int = 1
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    r"""A field and Hutchinson's estimate of its divergence, from one product with the Jacobian.

    .. math:: b(x), \qquad v^\top \frac{\partial b}{\partial x}\, v, \qquad
        \mathbb E\, v v^\top = I \;\Rightarrow\;
        \mathbb E\, v^\top \frac{\partial b}{\partial x}\, v = \operatorname{div} b(x)

    Args:
        field: b, each point on its own: shape ``(*batch, *event)`` to the same.
        x: points, shape ``(*batch, *event)``.
        probe: v, of the shape of ``x``: random signs, or a standard normal draw.
        event_dims: number of dimensions of the event, the last ones of ``x``.

    Returns:
        b(x) of the shape of ``x``, and the estimate, shape ``(*batch)``.

    Raises:
        TypeError: ``field`` cannot be called, or ``x`` or ``probe`` is no floating tensor.
        ValueError: ``event_dims`` is negative, or ``probe`` has another shape than ``x``.

    References:
        M. Hutchinson, *A stochastic estimator of the trace of the influence matrix*, 1990; W. Grathwohl et al.,
        *FFJORD*, 2019, equation 7.

    Example:
        For a diagonal Jacobian signs are exact:

        >>> probed_divergence(lambda x: x**3, torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0]))[1].item()
        15.0
    """
    _check(field, x, event_dims)
    check_tensor("probe", probe)
    if probe.shape != x.shape:
        raise ValueError(f"probe must have the shape of x, {tuple(x.shape)}, got {tuple(probe.shape)}")
    b, product = _pull(field, x, probe, many=False)
    return b, sum_event(product * probe, event_dims)


def _pull(field: VectorField, x: Tensor, v: Tensor, *, many: bool) -> tuple[Tensor, Tensor]:
    """The field, and v^T J; with ``many`` for each slice of v."""
    if torch.compiler.is_compiling() or torch.is_inference_mode_enabled():
        # What Dynamo follows, and what works without autograd's records. Eagerly it is the slower of the two.
        b, pull, *_ = torch.func.vjp(field, x)
        return b, (torch.func.vmap(pull)(v) if many else pull(v))[0]
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        point = x if x.requires_grad else x.detach().requires_grad_()
        b = field(point)
        if not b.requires_grad:  # a constant field
            return b, torch.zeros_like(v)
        if many and not recording and point.device.type == "cpu":
            product = torch.stack([_product(b, point, part) for part in v])
        else:
            product = _product(b, point, v, create_graph=recording, is_grads_batched=many)
        product = product.expand_as(v)  # where b does not depend on x, torch's zeros are those of one product
    return (b, product) if recording else (b.detach(), product)


def _product(b: Tensor, point: Tensor, v: Tensor, **options: bool) -> Tensor:
    return torch.autograd.grad(
        b, point, v, retain_graph=True, allow_unused=True, materialize_grads=True, **options
    )[0]


def _check(field: VectorField, x: Tensor, event_dims: int) -> None:
    check_callable("field", field)
    check_tensor("x", x)
    check_count("event_dims", event_dims, low=0)
