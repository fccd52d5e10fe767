r"""The game on a finite set of points, where the generator may choose any law: there it is convex."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.special import xlogy

from gmlib._checks import check_choice, check_count, check_number, check_table, check_tensor
from gmlib.gan._points import check_kind

CERTAIN = 0.999
"""The most certain that a critic is in a Euclidean step."""
Table = Float[Tensor, "*#batch points"]


def critic_value(p_data: Table, p_model: Table, d: Table) -> Float[Tensor, "*_"]:
    r"""Value of a fixed critic on a finite set: affine in the model's law.

    .. math:: V(D, p_\theta) = \sum_x p_{\mathrm{data}}(x) \log D(x) + p_\theta(x) \log\big(1 - D(x)\big)

    (Goodfellow et al. 2014, equation 3.)

    Args:
        p_data: the data's law, (\*batch, points).
        p_model: the model's law, (\*batch, points).
        d: the critic's probabilities, in [0, 1], (\*batch, points).

    Returns:
        (\*batch,), in nats, at most 0; minus infinity for a critic that is certain and wrong.

    Raises:
        TypeError: not floating tensors.
        ValueError: a law does not sum to one, ``d`` is outside [0, 1], the shapes do not broadcast, or dtypes differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import critic_value
        >>> half = torch.tensor([0.5, 0.5])
        >>> round(critic_value(half, half, half).item(), 4)  # -log 4
        -1.3863
    """
    _check_laws(p_data, p_model)
    check_tensor("d", d)
    _check_together("d", d, p_data, p_model)
    if not bool(((d >= 0) & (d <= 1)).all()):
        raise ValueError(
            f"d must hold probabilities in [0, 1], got numbers from {float(d.min()):g} to {float(d.max()):g}"
        )
    return (xlogy(p_data, d) + torch.special.xlog1py(p_model, -d)).sum(-1)


def best_critic_value(p_data: Table, p_model: Table) -> Float[Tensor, "*_"]:
    r"""Value of the best critic on a finite set: convex in the model's law, with its least value at the data's.

    .. math:: V(p_\theta) = \max_D V(D, p_\theta) = \sum_x p_{\mathrm{data}} \log\frac{p_{\mathrm{data}}}{p_{\mathrm{data}}
              + p_\theta} + p_\theta \log\frac{p_\theta}{p_{\mathrm{data}} + p_\theta}

    (:eq:`eq-14b-convexity` in the book; Goodfellow et al. 2014, proposition 2.) It is a largest value of affine functions,
    hence convex in the *law*; as a function of a generator's parameters it need not be, and the steps of a game are not
    taken at the largest value.

    Args:
        p_data: the data's law, (\*batch, points).
        p_model: the model's law, (\*batch, points).

    Returns:
        (\*batch,), in nats, from -log 4 (equal laws) to 0 (laws that share no point).

    Raises:
        TypeError: not floating tensors.
        ValueError: a law does not sum to one, the shapes do not broadcast, or dtypes differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import best_critic_value
        >>> best_critic_value(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item()
        0.0
    """
    _check_laws(p_data, p_model)
    both = p_data + p_model
    real = torch.where(p_data > 0, p_data / both, 1.0)
    fake = torch.where(p_model > 0, p_model / both, 1.0)
    return (xlogy(p_data, real) + xlogy(p_model, fake)).sum(-1)


def value_subgradient(p_data: Table, p_model: Table) -> Float[Tensor, "*_ points"]:
    r"""A subgradient of the best critic's value in the model's law: the slope of the affine function that touches it.

    .. math:: g(x) = \log\big(1 - D^*(x)\big) = \log\frac{p_\theta(x)}{p_{\mathrm{data}}(x) + p_\theta(x)}

    Args:
        p_data: the data's law, (\*batch, points).
        p_model: the model's law, (\*batch, points).

    Returns:
        (\*batch, points), in nats; minus infinity where the model has no mass and the data have some, and -log 2, that of a
        critic that cannot tell, where neither has.

    Raises:
        TypeError: not floating tensors.
        ValueError: a law does not sum to one, the shapes do not broadcast, or dtypes differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import value_subgradient
        >>> value_subgradient(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5]))
        tensor([-0.6931, -0.6931])
    """
    _check_laws(p_data, p_model)
    both = p_data + p_model
    return torch.where(both > 0, p_model / both, 0.5).log()


def simplex_descent(
    p_data: Float[Tensor, " points"],
    p_model: Float[Tensor, " points"],
    *,
    eta: float,
    steps: int,
    geometry: str = "euclidean",
) -> Float[Tensor, "steps points"]:
    r"""Lower the best critic's value by subgradient steps on the simplex.

    .. math:: p \leftarrow \Pi\big(p - \eta\, g\big) \quad \text{("euclidean")}, \qquad
              p \leftarrow \frac{p\, e^{-\eta g}}{\sum p\, e^{-\eta g}} \quad \text{("entropic")}

    :math:`\Pi` is the nearest point of the simplex. At :math:`\eta = 1` the entropic step is
    :math:`p \leftarrow (p + p_{\mathrm{data}})/2`: the distance halves at each step. Near the solution the
    Euclidean one converges for :math:`\eta < 4 \min p_{\mathrm{data}}`, as the curvature there is
    :math:`1/(2 p_{\mathrm{data}})`. There is no subgradient where the model has no mass and the data have some; the
    Euclidean steps keep the critic at :math:`D \le 0.999`, which bounds the slope and changes nothing near the solution.

    Args:
        p_data: the data's law, (points,).
        p_model: where to start, (points,).
        eta: step :math:`\eta`, positive.
        steps: how many.
        geometry: "euclidean" or "entropic".

    Returns:
        The path with its start, (steps + 1, points).

    Raises:
        TypeError: not floating tensors, or a number of the wrong kind.
        ValueError: a law is not (points,) or does not sum to one, dtypes differ, or an argument is out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import simplex_descent
        >>> path = simplex_descent(
        ...     torch.tensor([0.75, 0.25]), torch.tensor([0.25, 0.75]), eta=1.0, steps=2, geometry="entropic"
        ... )
        >>> path[:, 0]
        tensor([0.2500, 0.5000, 0.6250])
    """
    _check_laws(p_data, p_model)
    if p_data.dim() != 1 or p_data.shape != p_model.shape:
        raise ValueError(
            f"p_data and p_model must have one shape (points,), got {tuple(p_data.shape)} and {tuple(p_model.shape)}"
        )
    check_number("eta", eta, low=0.0, low_open=True)
    check_count("steps", steps)
    check_choice("geometry", geometry, ("euclidean", "entropic"))
    tiny = torch.finfo(p_model.dtype).tiny
    path = [p_model]
    for _ in range(steps):
        p = path[-1]
        if geometry == "entropic":
            # p e^{-eta g} = p^(1 - eta) (p + p_data)^eta, without the infinite slope at p = 0.
            logits = (1 - eta) * p.clamp_min(tiny).log() + eta * (p + p_data).clamp_min(tiny).log()
            path.append(torch.where(p + p_data > 0, logits, -torch.inf).softmax(-1))
        else:
            slope = torch.where(p + p_data > 0, p / (p + p_data), 0.5).clamp_min(1 - CERTAIN).log()
            path.append(_project(p - eta * slope))
    return torch.stack(path)


def _project(v: Tensor) -> Tensor:
    """The nearest point of the simplex."""
    ordered = v.sort(descending=True).values
    counts = torch.arange(1, len(v) + 1, dtype=v.dtype, device=v.device)
    excess = (ordered.cumsum(0) - 1) / counts
    kept = (ordered > excess).sum()
    return (v - excess[kept - 1]).clamp_min(0)


def _check_laws(p_data: Tensor, p_model: Tensor) -> None:
    check_table("p_data", p_data)
    check_table("p_model", p_model)
    _check_together("p_model", p_model, p_data)


def _check_together(name: str, given: Tensor, *laws: Tensor) -> None:
    """Raise unless a table is on as many points as the laws, with batch shapes that broadcast, and of their dtype."""
    shapes = [tuple(law.shape) for law in laws]
    try:
        fits = given.dim() > 0 and all(given.shape[-1] == shape[-1] for shape in shapes)
        torch.broadcast_shapes(tuple(given.shape), *shapes)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must have the points of p_data and a batch shape that broadcasts with the laws' "
            f"{' and '.join(map(str, shapes))}, got shape {tuple(given.shape)}"
        )
    check_kind(name, given, "p_data", laws[0])
