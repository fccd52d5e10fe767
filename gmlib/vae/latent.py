"""Moving about in a latent space: straight and spherical paths, attribute vectors, a linear probe."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gmlib._checks import check_event, check_number


def lerp(
    a: Float[Tensor, "*batch k"], b: Float[Tensor, "*batch k"], fractions: Float[Tensor, " steps"]
) -> Float[Tensor, "steps *batch k"]:
    r"""The straight path :math:`(1 - \kappa) a + \kappa b`.

    Half-way between two draws from :math:`\mathcal N(0, I_k)` its root mean square length is exactly :math:`1/\sqrt2`
    of a draw's: in many dimensions it cuts through a region that the prior never visits.

    Args:
        a: start, (\*batch, k).
        b: end, (\*batch, k).
        fractions: :math:`\kappa`, (steps,).

    Raises:
        ValueError: ``b`` has not the shape of ``a``.

    Example:
        >>> import torch
        >>> from gmlib.vae import lerp
        >>> lerp(torch.tensor([0.0, 2.0]), torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.5, 1.0])).tolist()
        [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """
    check_event("b", b, tuple(a.shape))
    t = fractions.reshape(-1, *[1] * a.dim())
    return (1 - t) * a + t * b


def slerp(
    a: Float[Tensor, "*batch k"], b: Float[Tensor, "*batch k"], fractions: Float[Tensor, " steps"]
) -> Float[Tensor, "steps *batch k"]:
    r"""The path along the great circle; the length goes from one end's to the other's in a straight line.

    .. math:: \frac{\sin((1-\kappa)\vartheta)}{\sin\vartheta}\, \hat a
              + \frac{\sin(\kappa\vartheta)}{\sin\vartheta}\, \hat b,
              \qquad \cos\vartheta = \langle \hat a, \hat b \rangle,

    for the normalised ends, times the length :math:`(1-\kappa)\lVert a\rVert + \kappa\lVert b\rVert` (Shoemake 1985,
    for unit vectors; White 2016 for latents). Applied to ends of unequal length without normalising, the bare formula
    does not keep the length in between.

    Args:
        a: start, (\*batch, k), not zero.
        b: end, (\*batch, k), not zero and not opposite to ``a``.
        fractions: :math:`\kappa`, (steps,).

    Raises:
        ValueError: ``b`` has not the shape of ``a``.

    Example:
        >>> import torch
        >>> from gmlib.vae import slerp
        >>> path = slerp(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.5]))
        >>> [round(v, 4) for v in path[0].tolist()]
        [0.7071, 0.7071]
    """
    check_event("b", b, tuple(a.shape))
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    ua, ub = a / length_a, b / length_b
    # atan2 keeps its digits for nearly parallel ends, where acos loses half of them.
    angle = torch.atan2(
        (ub - (ua * ub).sum(-1, keepdim=True) * ua).norm(dim=-1, keepdim=True),
        (ua * ub).sum(-1, keepdim=True),
    )
    t = fractions.reshape(-1, *[1] * a.dim())
    # sin(x) / sin(angle) as a ratio of sincs: defined for angle = 0, where the path is the straight one.
    sinc = torch.sinc(angle / torch.pi)
    direction = (1 - t) * torch.sinc((1 - t) * angle / torch.pi) / sinc * ua + t * torch.sinc(
        t * angle / torch.pi
    ) / sinc * ub
    return ((1 - t) * length_a + t * length_b) * direction


def attribute_vector(z: Float[Tensor, "n k"], has: Bool[Tensor, " n"]) -> Float[Tensor, " k"]:
    r"""The mean code with an attribute minus the mean code without, :math:`\bar z^+ - \bar z^-`.

    Adding multiples of it to a code moves the attribute, and everything that goes along with it in the data: in a
    linear model with two equally common attributes of correlation :math:`\rho`, one's vector moves the other by the
    factor :math:`\rho`.

    Args:
        z: codes, (n, k).
        has: which of them have the attribute, (n,).

    Raises:
        TypeError: ``has`` does not hold a bool for each code (whole numbers would pick rows).
        ValueError: all codes have the attribute, or none has.

    Example:
        >>> import torch
        >>> from gmlib.vae import attribute_vector
        >>> attribute_vector(torch.tensor([[1.0], [3.0], [0.0]]), torch.tensor([True, True, False])).tolist()
        [2.0]
    """
    if has.dtype != torch.bool or has.shape != z.shape[:1]:
        raise TypeError(
            f"has must be a bool for each of the {len(z)} codes, got {has.dtype} of shape {tuple(has.shape)}"
        )
    if not 0 < int(has.sum()) < len(has):
        raise ValueError(
            f"has must be true for some codes and false for some, got {int(has.sum())} of {len(has)}"
        )
    return z[has].mean(0) - z[~has].mean(0)


def linear_probe(
    z: Float[Tensor, "n k"],
    labels: Int[Tensor, " n"],
    z_test: Float[Tensor, "m k"],
    labels_test: Int[Tensor, " m"],
    *,
    ridge: float = 1e-2,
) -> float:
    r"""Accuracy of a linear classifier on frozen codes: what a representation makes easy.

    Multinomial logistic regression on centred codes, scaled by *one* number (their root mean square: a latent that the
    encoder does not use stays small), to convergence: mean cross-entropy plus the penalty
    :math:`\tfrac12\,\mathtt{ridge}\,\lVert W\rVert^2`.

    Args:
        z: training codes, (n, k).
        labels: their classes, whole numbers from 0, (n,).
        z_test: test codes, (m, k).
        labels_test: their classes, (m,).
        ridge: strength of the penalty, positive (it makes the optimum unique).

    Returns:
        The share of test codes that are classified rightly.

    Raises:
        ValueError: ``ridge`` is not positive, or test codes have another size.

    Example:
        >>> import torch
        >>> from gmlib.vae import linear_probe
        >>> z = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]])
        >>> linear_probe(z, torch.tensor([0, 0, 1, 1]), z, torch.tensor([0, 0, 1, 1]))
        1.0
    """
    check_number("ridge", ridge, low=0.0, low_open=True)
    check_event("z_test", z_test, tuple(z.shape[1:]))
    z, z_test, labels, labels_test = z.detach(), z_test.detach(), labels.long(), labels_test.long()
    centre = z.mean(0)
    scale = (z - centre).square().mean().sqrt().clamp_min(1e-12)
    x, x_test = ((v - centre) / scale for v in (z, z_test))
    classes = int(torch.maximum(labels.max(), labels_test.max())) + 1
    weight = torch.zeros(x.shape[1], classes, dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ weight + bias, labels) + 0.5 * ridge * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    right = (x_test @ weight + bias).argmax(-1) == labels_test
    return right.float().mean().item()
