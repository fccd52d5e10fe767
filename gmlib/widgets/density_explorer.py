"""A law in the plane at any noise level: its density, its score, its samples, and the numbers at a point."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import traitlets
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions.mixture import GaussianMixture
from gmlib.distributions.toys import TOYS
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.toy_arrays import toy_arrays

OWN = "mixture"
"""The name of the law whose components the reader may drag."""

THREE = {
    "weights": [0.4, 0.35, 0.25],
    "means": [[-1.2, -0.6], [1.3, -0.5], [0.2, 1.3]],
    "covariances": [[0.25, 0.1, 0.2], [0.16, -0.06, 0.3], [0.2, 0.0, 0.08]],
}


class DensityExplorer(Widget):
    r"""Look at a mixture and at its noised law :math:`p_\sigma = p * \mathcal N(0, \sigma^2 I)`, exactly.

    Choose one of gmlib's toys or drag the components of a mixture; see density, samples
    :math:`x_0 + \sigma\varepsilon`, score arrows, and :math:`\log p_\sigma` with its gradient at a probe. The samples
    can be set moving by Langevin steps :math:`x + \tfrac\delta2\nabla\log p_\sigma(x) + \sqrt\delta\,\varepsilon`
    (unadjusted, with :math:`\delta` small beside the finest component).

    Args:
        law: name of a toy (`gmlib.distributions.TOYS`), ``"mixture"`` for a mixture of three to drag, or a
            `GaussianMixture` in the plane with at most 12 components.
        sigma: noise level :math:`\sigma`, from 0 to 2.
        show: ``"heat"``, ``"contours"`` or ``"none"``.
        samples: whether samples are shown.
        arrows: whether score arrows are shown.
        n: number of samples, 1 to 5000.
        seed: seed of the samples.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or the mixture is batched, not in the plane or too large.

    References:
        Y. Song and S. Ermon, *Generative modeling by estimating gradients of the data distribution* (2019), figure 2;
        :class:`gmlib.distributions.GaussianMixture` computes the same in torch.

    Example:
        >>> from gmlib.widgets import DensityExplorer
        >>> DensityExplorer("ring", sigma=0.3)
        DensityExplorer(law='ring', sigma=0.3, probe=[0.0, 0.0])
    """

    _esm = STATIC / "density_explorer.js"
    offers = {name: partial(toy_arrays, name) for name in TOYS}  # noqa: RUF012 - a ClassVar of the base
    shown = ("law", "sigma", "probe")

    laws = traitlets.List(traitlets.Unicode(), [*TOYS, OWN], help="names to choose from").tag(sync=True)
    law = traitlets.Enum([*TOYS, OWN], help="the law that is shown").tag(sync=True)
    mixture = traitlets.Dict(help="weights, means and covariances (xx, xy, yy) of the reader's mixture").tag(
        sync=True
    )
    sigma = traitlets.Float(0.0, min=0.0, max=2.0, help="noise level").tag(sync=True)
    show = traitlets.Enum(["heat", "contours", "none"], "heat", help="how the density is drawn").tag(
        sync=True
    )
    samples = traitlets.Bool(True, help="whether samples are shown").tag(sync=True)
    arrows = traitlets.Bool(True, help="whether score arrows are shown").tag(sync=True)
    moving = traitlets.Bool(False, help="whether the samples move").tag(sync=True)
    n = traitlets.Int(1000, min=1, max=5000, help="number of samples").tag(sync=True)
    probe = traitlets.List(traitlets.Float(), [0.0, 0.0], help="where the numbers are read").tag(sync=True)
    selected_std = traitlets.Float(0.5, help="width of the component touched last").tag(sync=True)
    selected_weight = traitlets.Float(0.4, help="weight of the component touched last").tag(sync=True)

    def __init__(
        self,
        law: str | GaussianMixture = "two_moons",
        *,
        sigma: float = 0.0,
        show: str = "heat",
        samples: bool = True,
        arrows: bool = True,
        n: int = 1000,
        seed: int = 0,
    ) -> None:
        mixture = THREE
        if isinstance(law, GaussianMixture):
            law, mixture = OWN, _described(law)
        check_choice("law", law, (*TOYS, OWN))
        check_number("sigma", sigma, low=0.0, high=2.0)
        check_choice("show", show, ("heat", "contours", "none"))
        check_count("n", n)
        if n > 5000:
            raise ValueError(f"n must be at most 5000, got {n}")
        super().__init__(
            law=law,
            mixture=mixture,
            sigma=float(sigma),
            show=show,
            samples=samples,
            arrows=arrows,
            n=n,
            seed=seed,
        )

    @property
    def distribution(self) -> GaussianMixture:
        """The law that is shown now, noise included, in float64.

        Example:
            >>> from gmlib.widgets import DensityExplorer
            >>> DensityExplorer("cross", sigma=1.0).distribution
            GaussianMixture(batch_shape=(), K=2, d=2, covariance=diagonal)
        """
        if self.law == OWN:
            weights, means, triples = (
                _tensor(self.mixture[key]) for key in ("weights", "means", "covariances")
            )
            law = GaussianMixture(means, weights=weights, cov=triples[:, [0, 1, 1, 2]].reshape(-1, 2, 2))
        else:
            law = TOYS[self.law](dtype=torch.float64)
        return law.noised(1.0, self.sigma) if self.sigma > 0 else law


def _tensor(value: Any) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _described(law: GaussianMixture) -> dict[str, Any]:
    if law.batch_shape or tuple(law.event_shape) != (2,):
        raise ValueError(
            f"law must be one mixture in the plane, got batch shape {tuple(law.batch_shape)} "
            f"and event shape {tuple(law.event_shape)}"
        )
    if law.n_components > 12:
        raise ValueError(f"law must have at most 12 components, got {law.n_components}")
    cov = law.covariances.double().cpu()
    return {
        "weights": law.weights.double().cpu().tolist(),
        "means": law.means.double().cpu().tolist(),
        "covariances": torch.stack([cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]], -1).tolist(),
    }
