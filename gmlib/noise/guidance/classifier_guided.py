r"""Classifier guidance: the score of what a classifier takes for the class, added to the score of the data.

.. math:: \nabla\log q(x_t) + w\,\nabla_{x_t}\log p(c \mid x_t)

At w = 1 this is Bayes' rule, :math:`\nabla\log q(x_t \mid c)`, if the classifier is right *about noised points*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.guidance.guided import Guided, tracked
from gmlib.noise.guidance.rows import ordinary
from gmlib.noise.guidance.weight import Weight
from gmlib.noise.schedule import Time

Point = Float[Tensor, "batch *event"]


class ClassifierGuided(Guided):
    r"""A denoiser steered by the gradient of a log-probability; it predicts what the denoiser does.

    (:eq:`eq-11-bayes` in the book.)

    .. math:: \hat\varepsilon_w = \hat\varepsilon - w\,\sigma_t\,\nabla_{x_t}\log p(c \mid x_t)

    and likewise in the other parameterisations, where the gradient is multiplied by

    ========  =================================================
    score     1
    eps       :math:`-\sigma`
    x0        :math:`\sigma^2/\alpha`
    v         :math:`-\sigma(\alpha^2 + \sigma^2)/\alpha`
    velocity  :math:`-\tfrac12g^2 = \alpha'\sigma^2/\alpha - \sigma\sigma'`
    ========  =================================================

    The condition is the classifier's: the denoiser is not told. The result can be differentiated in ``x`` where ``x`` asks
    for it; otherwise the gradient of the classifier is a constant. In ``torch.compile`` that gradient breaks the graph.

    Args:
        denoiser: an unconditional model.
        log_prob: called as ``log_prob(x, t, **condition)`` with ``t`` as the denoiser is asked; returns
            :math:`\log p(c \mid x_t)` of each point, (batch,), and can be differentiated in ``x``.
        w: the weight: a number, a tensor (batch,), or a function of the time; 1 is Bayes' rule, 0 asks no classifier
            and is the denoiser, bit for bit.
        interval: use w at times from the first to the second only; at others it is 1. None is always.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``log_prob`` cannot be called, ``w`` is no weight, or ``interval`` no pair.
        ValueError: ``interval`` ends before it begins.

    References:
        P. Dhariwal and A. Nichol, *Diffusion models beat GANs on image synthesis* (2021), algorithm 2;
        Y. Song et al. (2021), eq. 14.

    Example:
        >>> import torch
        >>> from gmlib.noise.guidance import ClassifierGuided
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> still = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "eps")
        >>> guided = ClassifierGuided(still, lambda x, t, c: -(x - c).square().sum(1) / 2, 2.0)
        >>> round(guided.score(torch.zeros(1, 1), 0.5, c=torch.ones(1, 1)).item(), 4)
        2.0
    """

    def __init__(
        self,
        denoiser: Denoiser,
        log_prob: Callable[..., Tensor],
        w: Weight = 1.0,
        *,
        interval: tuple[float, float] | None = None,
    ) -> None:
        check_callable("log_prob", log_prob)
        super().__init__(denoiser, w, interval)
        self.log_prob = log_prob

    def forward(self, x: Point, t: Time, **condition: Any) -> Point:
        """The guided prediction; arguments as `Denoiser.forward`, the condition for the classifier.

        Raises:
            TypeError: ``log_prob`` returns no tensor.
            ValueError: ``log_prob`` does not return one number for each point or cannot be differentiated, a tensor ``w``
                is not as long as the batch, or the gradient is divided by :math:`\\alpha = 0`.
        """
        out = self.network(x, t)
        w = self.weight(t, x)
        if not isinstance(w, Tensor) and w == 0:
            return out
        gradient = log_prob_gradient(self.log_prob, x, t, **condition)
        return out + w * self._of_score(x, t) * gradient  # of the noise: -sigma w times the gradient

    def _of_score(self, x: Tensor, t: Time) -> Tensor | float:
        """What a change of the score by one changes in the prediction."""
        alpha, sigma = self._at(t, x, "alpha", "sigma")
        match self.parameterisation:
            case "score":
                return 1.0
            case "eps":
                return -sigma
        alpha = self._divisor("guidance", "alpha", alpha, t)
        match self.parameterisation:
            case "x0":
                return sigma * sigma / alpha
            case "v":
                return -sigma * (alpha * alpha + sigma * sigma) / alpha
        d_alpha, d_sigma = self._at(t, x, "d_alpha", "d_sigma")
        return sigma * (d_alpha * sigma / alpha - self._finite("guidance", d_sigma, t))


def log_prob_gradient(log_prob: Callable[..., Tensor], x: Point, t: Time, **condition: Any) -> Point:
    r""":math:`\nabla_x \log p(c \mid x)` of every point, also where gradients are switched off, or in inference mode.

    Where gradients are on and ``x`` requires one, the result can be differentiated in ``x`` once more.

    Args:
        log_prob: as in `ClassifierGuided`.
        x: points, (batch, ``*event``).
        t: the time.
        condition: passed on.

    Raises:
        TypeError: ``log_prob`` returns no tensor.
        ValueError: ``log_prob`` does not return one number for each point, or cannot be differentiated in ``x``.

    Example:
        >>> log_prob_gradient(lambda x, t: -x.square().sum(1), torch.ones(1, 2), 0.5)
        tensor([[-2., -2.]])
    """
    again = tracked(x)
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x if again else ordinary(x).detach().requires_grad_()
        told = {name: ordinary(value) for name, value in condition.items()}
        value = log_prob(leaf, ordinary(t), **told)
        if not isinstance(value, Tensor):
            raise TypeError(f"log_prob must return a torch.Tensor, got {type(value).__name__}")
        if value.shape != x.shape[:1]:
            raise ValueError(
                f"log_prob must return shape ({x.shape[0]},), one number a point, got {tuple(value.shape)}"
            )
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), leaf, create_graph=again, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "log_prob must be differentiable in x, but its value does not depend on x, or was made without gradients"
        )
    return gradient
