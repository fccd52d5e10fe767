r"""Three clouds around :math:`2\mu`: the gradient estimators of chapter 02 at work."""

from __future__ import annotations

import traitlets

from gmlib._checks import check_count, check_number
from gmlib.widgets.base import STATIC, Widget


class GradientEstimators(Widget):
    r"""Estimates of :math:`\nabla_\mu \mathbb E_{z\sim\mathcal N(\mu,1)}[z^2] = 2\mu`, every draw a dot.

    Pathwise, score-function and detached estimates of the same draws, with their means and exact variances

    .. math:: 4, \qquad \mu^4 + 14\mu^2 + 15, \qquad 0.

    Args:
        mu: the mean :math:`\mu`, from -3 to 3.
        n: number of draws, 1 to 2000.
        seed: seed of the draws.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        S. Mohamed et al., *Monte Carlo gradient estimation in machine learning* (2020), sections 4 and 5;
        :mod:`gmlib.vae.gradients` computes the same in torch.

    Example:
        >>> from gmlib.widgets import GradientEstimators
        >>> GradientEstimators(mu=-1.0, n=100).mu
        -1.0
    """

    _esm = STATIC / "gradient_estimators.js"
    shown = ("mu", "n", "seed")

    mu = traitlets.Float(1.0, min=-3.0, max=3.0, help="mean of z").tag(sync=True)
    n = traitlets.Int(400, min=1, max=2000, help="number of draws").tag(sync=True)

    def __init__(self, mu: float = 1.0, *, n: int = 400, seed: int = 0) -> None:
        check_number("mu", mu, low=-3.0, high=3.0)
        check_count("n", n)
        if n > 2000:
            raise ValueError(f"n must be at most 2000, got {n}")
        super().__init__(mu=float(mu), n=n, seed=seed)
