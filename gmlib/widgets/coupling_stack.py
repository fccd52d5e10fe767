r"""A trained stack of spline couplings, layer by layer: where points go, the Jacobian so far, the running log-density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
import traitlets
from torch import Tensor

from gmlib._checks import check_choice, check_number
from gmlib.checkpoints import load_weights
from gmlib.distributions.toys import TOYS
from gmlib.flows import Composition, Flow, half_mask, jacobian
from gmlib.recipes.flow_stack import LAWS, stack_flow
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import check_seed
from gmlib.widgets.toy_arrays import toy_arrays

F64 = torch.float64
CHECKPOINT = "flow-stack"
"""Name of the flows' weights in the manifest."""
LAYERS = 6
BOUND = 4.0
REACH = 6.0
"""Largest coordinate of the point that is followed, at the base."""

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CouplingTerms:
    r"""What the widget shows of the point that is followed, after the layers that are done; logarithms in nats.

    Attributes:
        place: where it is.
        log_base: :math:`\log p_u(u)` where it started.
        log_det: sum of the layers' log-determinants so far.
        log_prob: log-density of the samples there, ``log_base - log_det``.
        jacobian: of all layers so far; a row for each coordinate of the place.
        layer: of the last layer begun, as far as it has come.
        end: where all layers take the point.
        log_prob_end: the flow's log-density there.
        log_law: the true law's log-density there.
        zeros: structural zeros of the Jacobian of as many layers on four coordinates, of 16.
    """

    place: tuple[float, float]
    log_base: float
    log_det: float
    log_prob: float
    jacobian: Matrix
    layer: Matrix
    end: tuple[float, float]
    log_prob_end: float
    log_law: float
    zeros: int


@cache
def _flow(name: str) -> Flow:
    """The trained flow of a law, in float64."""
    prefix = f"{name}."
    stored = load_weights(CHECKPOINT)
    flow = stack_flow(layers=LAYERS, bound=BOUND)
    flow.load_state_dict({key.removeprefix(prefix): v for key, v in stored.items() if key.startswith(prefix)})
    return flow.double().eval()


def _offer(name: str) -> dict[str, Tensor]:
    """All that the browser needs for a law: the law itself, which coordinate each layer changes, the conditioners."""
    found = toy_arrays(name)
    found["bound"] = torch.tensor([BOUND])
    found["changed"] = torch.tensor([float(i % 2 == 0) for i in range(LAYERS)])
    start = f"{name}.bijection.layers."
    for key, value in load_weights(CHECKPOINT).items():
        if key.startswith(start):
            found[key.removeprefix(start).replace(".conditioner.", ".")] = value.contiguous()
    return found


class CouplingStack(Widget):
    r"""A normalizing flow of six spline couplings on a law in the plane, to be stepped through.

    .. math:: x_0 = u \sim \mathcal N(0, I), \qquad x_i = F_i(x_{i-1}), \qquad
        \log p(x_6) = \log p_u(u) - \sum_{i=1}^{6} \log\lvert\det J_{F_i}(x_{i-1})\rvert

    Each layer keeps one coordinate and moves the other along a rational-quadratic spline that the kept one chooses. The
    level may be a fraction: at the share t of layer i a point is at :math:`(1-t)\,x_{i-1} + t\,F_i(x_{i-1})`, a map that is
    one-to-one as well, so that every number is exact on the way.

    A point can be dragged at any level, and is followed to the base and to the data, with its log-density as a running
    sum and the Jacobian of the map so far. The pattern beside it shows which entries of a Jacobian are zero whatever is
    learnt, for four coordinates in two halves. Law and weights, about 30 kB, are fetched when the widget comes into view.

    Args:
        law: ``"two_moons"``, ``"eight_gaussians"`` or ``"checkerboard"``, each with a flow of its own.
        level: how many layers are done, 0 (the base) to 6 (the data).
        u: the point that is followed, at the base; each coordinate from -6 to 6.
        density: whether the density is shown.
        grid: whether the image of a grid of the base is shown.
        samples: whether samples of the flow are shown.
        data: whether draws of the law are shown as well.
        seed: seed of both.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, *Neural spline flows* (2019);
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP* (2017);
        :class:`gmlib.flows.Coupling` and :class:`gmlib.flows.RationalQuadratic` compute the same in torch.

    Example:
        >>> from gmlib.widgets import CouplingStack
        >>> CouplingStack("two_moons", level=3)
        CouplingStack(law='two_moons', level=3.0, u=[0.6, -0.9])
    """

    _esm = STATIC / "coupling_stack.js"
    offers = {name: partial(_offer, name) for name in LAWS}  # noqa: RUF012 - a ClassVar of the base
    shown = ("law", "level", "u")

    laws = traitlets.List(traitlets.Unicode(), [*LAWS], help="names to choose from").tag(sync=True)
    law = traitlets.Enum([*LAWS], LAWS[0], help="the law that the flow has learnt").tag(sync=True)
    level = traitlets.Float(0.0, min=0.0, max=float(LAYERS), help="how many layers are done").tag(sync=True)
    u = traitlets.List(
        traitlets.Float(min=-REACH, max=REACH), [0.6, -0.9], minlen=2, maxlen=2, help="the point at the base"
    ).tag(sync=True)
    density = traitlets.Bool(True, help="whether the density is shown").tag(sync=True)
    grid = traitlets.Bool(True, help="whether the image of a grid is shown").tag(sync=True)
    samples = traitlets.Bool(True, help="whether samples are shown").tag(sync=True)
    data = traitlets.Bool(False, help="whether draws of the law are shown").tag(sync=True)
    playing = traitlets.Enum(["no", "data", "base"], "no", help="which way the layers are played").tag(
        sync=True
    )

    def __init__(
        self,
        law: str = LAWS[0],
        *,
        level: float = 0.0,
        u: Sequence[float] = (0.6, -0.9),
        density: bool = True,
        grid: bool = True,
        samples: bool = True,
        data: bool = False,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, LAWS)
        check_number("level", level, low=0.0, high=float(LAYERS))
        if not isinstance(u, Sequence) or isinstance(u, str) or len(u) != 2:
            raise ValueError(f"u must hold two numbers, got {u!r}")
        for value in u:
            check_number("u", value, low=-REACH, high=REACH)
        flags = {"density": density, "grid": grid, "samples": samples, "data": data}
        for name, value in flags.items():
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, got {value!r}")
        check_seed(seed)
        super().__init__(law=law, level=float(level), u=[float(v) for v in u], seed=seed, **flags)

    @property
    def flow(self) -> Flow:
        """The trained flow of the law that is shown, in float64.

        Raises:
            AssetError: the file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import CouplingStack
            >>> CouplingStack().flow.event_shape
            (2,)
        """
        return _flow(self.law)

    @property
    def layers(self) -> Composition:
        """The flow's couplings, the first one next to the base.

        Raises:
            AssetError: the file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import CouplingStack
            >>> len(CouplingStack().layers)
            6
        """
        stack = self.flow.bijection
        assert isinstance(stack, Composition)
        return stack

    @torch.no_grad()
    def terms(self) -> CouplingTerms:
        """The numbers that the widget shows now, computed by gmlib in float64.

        Raises:
            AssetError: the file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import CouplingStack
            >>> terms = CouplingStack(level=6).terms()
            >>> terms.place == terms.end, abs(terms.log_prob - terms.log_prob_end) < 1e-12
            (True, True)
        """
        u = torch.tensor(self.u, dtype=F64)
        stack = self.layers
        points, log_dets = stack.path(u)
        layers = [*stack]
        whole = min(int(self.level), LAYERS - 1)
        shares = [1.0] * whole + [self.level - whole]
        identity = torch.eye(2, dtype=F64)
        so_far, layer, log_det = identity, identity, torch.zeros((), dtype=F64)
        for i, share in enumerate(shares):
            if share:
                own = jacobian(layers[i], points[i])
                layer = torch.lerp(identity, own, share)
                so_far = layer @ so_far
                # One coordinate moves, so that the determinant of the layer's share is a mixture as well.
                log_det = log_det + torch.log1p(share * torch.expm1(log_dets[i]))
        place = torch.lerp(points[whole], points[whole + 1], shares[-1])
        log_base = self.flow.base.log_prob(u)
        end = points[-1]
        return CouplingTerms(
            place=_pair(place),
            log_base=float(log_base),
            log_det=float(log_det),
            log_prob=float(log_base - log_det),
            jacobian=_rows(so_far),
            layer=_rows(layer),
            end=_pair(end),
            log_prob_end=float(log_base - torch.stack(log_dets).sum()),
            log_law=float(TOYS[self.law](dtype=F64).log_prob(end)),
            zeros=int((~pattern(len([s for s in shares if s]), 4)).sum()),
        )


def pattern(layers: int, d: int) -> Tensor:
    r"""Which entries of the Jacobian of a stack of half-split couplings can be other than zero, True for those, (d, d).

    A layer adds to the row of each coordinate that it changes the rows of those that it keeps.

    Args:
        layers: number of couplings, 0 or more; the first keeps the first half.
        d: number of coordinates, at least 2.

    Example:
        >>> from gmlib.widgets.coupling_stack import pattern
        >>> [int((~pattern(n, 4)).sum()) for n in range(4)]
        [12, 8, 2, 0]
    """
    found = torch.eye(d, dtype=torch.bool)
    for i in range(layers):
        kept = half_mask(d, flip=i % 2 == 1)
        found[~kept] |= found[kept].any(0)
    return found


def _pair(point: Tensor) -> tuple[float, float]:
    x, y = point.tolist()
    return x, y


def _rows(matrix: Tensor) -> Matrix:
    return tuple(tuple(row) for row in matrix.tolist())
