r"""Moments from a trained classifier: as many statistics as it has weights, chosen by what told data from samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_tensor
from gmlib.gan._points import check_batch


def learned_moments(classifier: nn.Module, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n k"]:
    r"""The statistics of a trained classifier: its gradient in its own weights, and its hidden layers.

    .. math:: s_\phi(x) = \big[\nabla_\phi D_\phi(x),\, h_1(x), \dots, h_L(x)\big]

    (:eq:`eq-14b-learned` in the book; Ravuri et al. 2018, "Learning implicit generative models with the method of learned
    moments".) Hidden layers are the inputs of all linear layers but the first. The gradient in the last weights
    is the last hidden layer once more. The weights stay fixed: a generator that matches the means needs no opponent, until
    its samples have moved so far that another classifier would see more.

    Args:
        classifier: a module with weights, (batch, \*event) -> (batch,) or (batch, 1), which treats each point alone (no
            batch normalisation), in evaluation mode if it has dropout.
        x: (n, \*event).

    Returns:
        (n, k), differentiable in ``x``. The classifier's weights get no gradient.

    Raises:
        TypeError: ``classifier`` is not a module, or ``x`` is not a floating tensor.
        ValueError: the classifier has no weights or returns more than one number a point, or ``x`` is empty.

    Example:
        >>> import torch
        >>> from gmlib.gan import learned_moments
        >>> from gmlib.nn import MLP
        >>> learned_moments(MLP([2, 3, 1]), torch.zeros(5, 2)).shape  # 9 + 4 weights, 3 hidden units
        torch.Size([5, 16])
    """
    if not isinstance(classifier, nn.Module):
        raise TypeError(f"classifier must be a torch.nn.Module, got {type(classifier).__name__}")
    check_batch("x", x)
    weights = {name: weight.detach() for name, weight in classifier.named_parameters()}
    if not weights:
        raise ValueError(f"classifier must have weights, got {type(classifier).__name__} without any")
    linear = [module for module in classifier.modules() if isinstance(module, nn.Linear)]

    def value(weights: dict[str, Tensor], point: Tensor) -> tuple[Tensor, list[Tensor]]:
        hidden: list[Tensor] = []
        hooks = [
            m.register_forward_pre_hook(lambda _, inputs: hidden.append(inputs[0][0])) for m in linear[1:]
        ]
        try:
            output = torch.func.functional_call(classifier, weights, (point[None],))
        finally:
            for hook in hooks:
                hook.remove()
        if output.numel() != 1:
            raise ValueError(f"classifier must return one number a point, got shape {tuple(output.shape)}")
        return output.squeeze(), hidden

    gradient, hidden = torch.func.vmap(torch.func.grad(value, has_aux=True), in_dims=(None, 0))(weights, x)
    return torch.cat([part.flatten(1) for part in [*gradient.values(), *hidden]], dim=1)


def generator_moments(
    statistic: Callable[[Tensor], Tensor],
    generator: Callable[[Tensor, Tensor], Tensor],
    z: Float[Tensor, "n dz"],
) -> Callable[[Tensor], Tensor]:
    r"""The moments of a generator as a function of its parameters, :math:`\theta \mapsto \mathbb E_z\, s(G_\theta(z))`.

    The latents are fixed, so that the function is smooth and its Jacobian says what the moments can see
    (:eq:`eq-14b-learned` in the book): give it to :func:`~gmlib.gan.moments.match_moments`, or
    ``torch.func.jacrev`` of it to :func:`~gmlib.gan.moments.moment_rank`.

    Args:
        statistic: s, (batch, \*event) -> (batch, k), such as :func:`learned_moments` of a classifier.
        generator: :math:`G`, (parameters (p,), latents (n, d_z)) -> (n, \*event).
        z: latents, (n, d_z).

    Returns:
        A callable, (p,) -> (k,).

    Raises:
        TypeError: one of the first two is not callable, or ``z`` is not a floating tensor.
        ValueError: ``z`` is empty.

    Example:
        >>> import torch
        >>> from gmlib.gan import generator_moments
        >>> m = generator_moments(lambda x: torch.cat([x, x**2], 1), lambda theta, z: theta * z, torch.ones(4, 1))
        >>> m(torch.tensor([3.0])).tolist()
        [3.0, 9.0]
    """
    check_callable("statistic", statistic)
    check_callable("generator", generator)
    check_batch("z", z)

    def moments(parameters: Float[Tensor, " p"]) -> Float[Tensor, " k"]:
        check_tensor("parameters", parameters)
        return statistic(generator(parameters, z)).mean(0)

    return moments
