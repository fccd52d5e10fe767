r"""Learning an energy: push it down at the data, up where the model is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_finite, check_table, check_tensor


def mean_energy_gradient(
    energy: nn.Module | Callable[[Tensor], Tensor],
    x: Float[Tensor, "N *event"],
    *,
    weights: Float[Tensor, " N"] | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    r"""The mean of :math:`\partial_\theta E_\theta(x)`: under the model, minus that of :math:`\log Z`.

    .. math:: \partial_\theta \log Z_\theta = -\mathbb E_{p_\theta}\big[\partial_\theta E_\theta(x)\big]

    (:eq:`eq-06-log-z` in the book.)

    Args:
        energy: :math:`E_\theta`, a module (or a function, with ``parameters``) from (N, \*event) to (N,), with
            :math:`p \propto e^{-E}`.
        x: N states of one law.
        weights: their probabilities, (N,), for a table or a quadrature; equal if None.
        parameters: the tensors to differentiate by, with their names; those of the module that require a gradient if None.

    Returns:
        A gradient for each parameter, under its name; zeros where the energy does not depend on it.

    Raises:
        TypeError: ``energy`` is not callable, or a tensor is not floating.
        ValueError: a shape does not fit, the weights do not sum to one, an energy is not finite, or there is nothing to
            differentiate by.

    Example:
        >>> import torch
        >>> from gmlib.energy import BoltzmannMachine, all_states, mean_energy_gradient
        >>> machine = BoltzmannMachine(torch.zeros(1, 1), torch.tensor([1.0]))
        >>> law = machine.probabilities()
        >>> bias = mean_energy_gradient(machine, all_states(1, dtype=law.dtype), weights=law)["bias"]
        >>> round(bias.item(), 4)  # minus tanh b
        -0.7616
    """
    by = _parameters(energy, parameters)
    with torch.enable_grad():
        return _gradient(_mean("x", "weights", energy, x, weights), by)


def two_phase_gradient(
    energy: nn.Module | Callable[[Tensor], Tensor],
    data: Float[Tensor, "N *event"],
    model: Float[Tensor, "M *event"],
    *,
    data_weights: Float[Tensor, " N"] | None = None,
    model_weights: Float[Tensor, " M"] | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    r"""The gradient of the mean log-likelihood of any energy model: data phase minus model phase.

    .. math:: \partial_\theta\, \mathbb E_{p_0} \log p_\theta(x) = -\mathbb E_{p_0}\big[\partial_\theta E_\theta(x)\big]
              + \mathbb E_{p_\theta}\big[\partial_\theta E_\theta(x)\big]

    (:eq:`eq-06-two-phase` in the book; Ackley, Hinton and Sejnowski 1985.) It points uphill: add it. It is exact when
    ``model`` and ``model_weights`` are the model's law, and an estimate when ``model`` are samples.

    Args:
        energy: :math:`E_\theta`, a module (or a function, with ``parameters``) from (N, \*event) to (N,), with
            :math:`p \propto e^{-E}`. Of a model with hidden units, the free energy.
        data: N states of the data.
        model: M states of the model.
        data_weights: probabilities of the data's states, (N,); equal if None.
        model_weights: probabilities of the model's states, (M,); equal if None.
        parameters: the tensors to differentiate by, with their names; those of the module that require a gradient if None.

    Returns:
        A gradient for each parameter, under its name, in nats per unit of the parameter; zeros where the energy does not
        depend on it.

    Raises:
        TypeError: ``energy`` is not callable, or a tensor is not floating.
        ValueError: a shape does not fit, weights do not sum to one, an energy is not finite, or there is nothing to
            differentiate by.

    Example:
        >>> import torch
        >>> from gmlib.energy import two_phase_gradient
        >>> theta = torch.tensor(0.5, requires_grad=True)
        >>> energy = lambda x: theta * x.square() / 2
        >>> data, model = torch.tensor([1.0, -1.0]), torch.tensor([2.0, -2.0])  # variances 1 and 4
        >>> two_phase_gradient(energy, data, model, parameters={"theta": theta})["theta"].item()
        1.5
    """
    by = _parameters(energy, parameters)
    with torch.enable_grad():
        down = _mean("data", "data_weights", energy, data, data_weights)
        up = _mean("model", "model_weights", energy, model, model_weights)
        return _gradient(up - down, by)


def statistic_covariance(
    statistics: Float[Tensor, "N k"], weights: Float[Tensor, " N"] | None = None
) -> Float[Tensor, "k k"]:
    r"""The covariance of the statistics of an exponential family: the Hessian of its :math:`\log Z`.

    .. math:: p_\theta(x) \propto e^{\theta^\top t(x)} \quad\Rightarrow\quad
              \partial^2_\theta \log Z_\theta = \operatorname{Cov}_{p_\theta} t(x)

    A covariance has no negative eigenvalue, so :math:`\log Z` is convex and the log-likelihood concave.

    Args:
        statistics: t(x) of N states, (N, k).
        weights: probabilities of the states, (N,); equal if None.

    Returns:
        The covariance, (k, k).

    Raises:
        TypeError: a tensor is not floating.
        ValueError: a shape does not fit, or the weights do not sum to one.

    Example:
        >>> import torch
        >>> from gmlib.energy import statistic_covariance
        >>> statistic_covariance(torch.tensor([[1.0], [-1.0]])).tolist()  # a fair unit of +-1
        [[1.0]]
    """
    check_tensor("statistics", statistics)
    if statistics.dim() != 2 or not len(statistics):
        raise ValueError(
            f"statistics must have shape (N, k) with N >= 1, got shape {tuple(statistics.shape)}"
        )
    if weights is None:
        weights = statistics.new_full((len(statistics),), 1 / len(statistics))
    _check_weights("weights", weights, "statistics", len(statistics))
    centred = statistics - weights @ statistics
    return centred.T @ (weights[:, None] * centred)


def _mean(name: str, weights_name: str, energy: Callable, x: Tensor, weights: Tensor | None) -> Tensor:
    check_tensor(name, x)
    if x.dim() < 1 or not len(x):
        raise ValueError(f"{name} must have shape (N, *event) with N >= 1, got shape {tuple(x.shape)}")
    value = energy(x.detach())  # a sample's own history is no part of the gradient
    check_tensor(f"energy({name})", value)
    if tuple(value.shape) != (len(x),):
        raise ValueError(f"energy({name}) must have shape ({len(x)},), got shape {tuple(value.shape)}")
    if weights is None:
        return value.mean()
    _check_weights(weights_name, weights, name, len(x))
    return weights @ value


def _check_weights(name: str, weights: Tensor, of: str, n: int) -> None:
    check_tensor(name, weights)
    if tuple(weights.shape) != (n,):
        raise ValueError(
            f"{name} must have shape ({n},), one for each row of {of}, got {tuple(weights.shape)}"
        )
    check_table(name, weights)


def _parameters(energy: Callable, parameters: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    check_callable("energy", energy)
    if parameters is None and not isinstance(energy, nn.Module):
        raise ValueError("parameters must be given when energy is a function, got None")
    named = energy.named_parameters() if isinstance(energy, nn.Module) else ()
    by = {name: p for name, p in (named if parameters is None else parameters.items()) if p.requires_grad}
    if not by:
        raise ValueError("parameters must hold a tensor that requires a gradient, got none")
    return by


def _gradient(value: Tensor, by: dict[str, Tensor]) -> dict[str, Tensor]:
    check_finite("the mean energy", value.detach())
    if not value.requires_grad:
        return {name: torch.zeros_like(p) for name, p in by.items()}
    grads = torch.autograd.grad(value, list(by.values()), materialize_grads=True, allow_unused=True)
    return dict(zip(by, grads, strict=True))
