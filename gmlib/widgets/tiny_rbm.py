r"""A restricted Boltzmann machine of 4 + 3 units: its law by counting, its exact gradient beside that of CD-k."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_finite, check_number, check_tensor
from gmlib.energy.contrastive import cd_objective, expected_cd_gradient
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import log_z, reference_law, reference_rbm, visible_law
from gmlib.energy.rbm_gradient import RBMGradient, exact_gradient
from gmlib.energy.states import all_states
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, uniforms

F64 = torch.float64
D, D_H = 4, 3
LIMIT = 6.0
"""Largest weight or bias, either side."""
RATES = (0.01, 5.0)
STEPS = 10
"""Most steps of the chain in contrastive divergence."""
NAMES = (
    *(f"W{i}{j}" for i in range(1, D + 1) for j in range(1, D_H + 1)),
    *(f"b{i}" for i in range(1, D + 1)),
    *(f"c{j}" for j in range(1, D_H + 1)),
)
"""The 19 parameters, in the order of :meth:`gmlib.energy.rbm_gradient.RBMGradient.vector`."""


def _laws() -> dict[str, list[float]]:
    """The laws of the data, as probabilities of the 16 states."""

    def uniform(*states: int) -> list[float]:
        return [1 / len(states) if index in states else 0.0 for index in range(2**D)]

    lopsided = [0.0] * 2**D
    lopsided[0], lopsided[-1] = 0.8, 0.2
    return {
        "bars": uniform(0b0000, 0b0011, 0b1100, 0b0101, 0b1010, 0b1111),
        "one": uniform(0b1000, 0b0100, 0b0010, 0b0001),
        "lopsided": lopsided,
        "ramp": reference_law().tolist(),
        "reference": visible_law(reference_rbm()).tolist(),
    }


def _values(machine: RBM) -> dict[str, list]:
    return {name: value.double().tolist() for name, value in machine.state_dict().items()}


def _machines() -> dict[str, dict[str, Any]]:
    """Where the parameters may start, and the law of the data that a button chooses with them."""
    draws = Draws(0)
    small = [[round(0.2 * draws.normal(), 3) for _ in range(D_H)] for _ in range(D)]
    reference = reference_rbm()
    return {
        "reference": {**_values(reference), "data": "bars"},
        "small": {"weight": small, "b": [0.0] * D, "c": [0.0] * D_H, "data": "bars"},
        "stuck": {
            "weight": [[3.0] * D_H for _ in range(D)],
            "b": [-4.5] * D,
            "c": [-6.0] * D_H,
            "data": "lopsided",
        },
    }


LAWS = _laws()
MACHINES = _machines()


@dataclass(frozen=True)
class TinyRBMTerms:
    r"""What the widget counts, in nats but for the last two.

    Attributes:
        log_z: :math:`\log Z`.
        log_likelihood: :math:`\mathbb E_{p_0}\log p_\theta(x)`, of the data's law :math:`p_0`.
        kl: :math:`\mathrm{KL}(p_0\|p_\theta)`.
        left: :math:`\mathrm{KL}(p_k\|p_\theta)` of the law :math:`p_k` after k steps of the chain from the data.
        objective: :math:`\mathrm{CD}_k`, the difference of the last two.
        angle: degrees between the exact gradient and that of CD-k, over all 19 parameters; none where one is 0.
        error: length of their difference, as a share of the exact gradient's; none where that is 0.
    """

    log_z: float
    log_likelihood: float
    kl: float
    left: float
    objective: float
    angle: float | None
    error: float | None


class TinyRBM(Widget):
    r"""Four visible and three hidden units: 16 probabilities that are counted, whatever the weights are.

    .. math:: p_\theta(x) = \frac1Z\,e^{-\mathcal F(x)}, \qquad
        \mathcal F(x) = -b^\top x - \sum_{j=1}^3\log\big(1 + e^{c_j + (W^\top x)_j}\big), \qquad
        Z = \sum_{x\in\{0,1\}^4} e^{-\mathcal F(x)}

    The four visible units are the pixels of an image of two rows. Two parameters at a time are the axes of a plane, over
    which the likelihood is a landscape: the reader drags the machine across it, or lets it climb by the exact gradient or
    by the mean of CD-k, the gradient that contrastive divergence has on average over its chains. A block Gibbs chain
    counts its visits beside the exact law.

    Args:
        machine: ``"reference"`` (the book's machine of fixed random weights), ``"small"`` (weights near 0), ``"stuck"``
            (two states, all off and all on, and a chain that hardly ever goes from one to the other), or a machine of four
            visible and three hidden units with parameters from -6 to 6.
        data: law of the data: ``"bars"`` (six images of 2 x 2 pixels: each column filled or not, or each row), ``"one"``
            (exactly one unit is on), ``"lopsided"`` (all off with probability 0.8, else all on), ``"ramp"``
            (:func:`gmlib.energy.rbm_exact.reference_law`), ``"reference"`` (the law of the reference machine), or 16
            probabilities in the order of :func:`gmlib.energy.states.all_states`.
        k: steps of the chain in CD-k, 1 to 10.
        rule: which gradient is followed, ``"exact"`` or ``"cd"``.
        lr: length of a step η, 0.01 to 5.
        first: parameter on the plane's horizontal axis, ``"W11"`` to ``"W43"``, ``"b1"`` to ``"b4"`` or ``"c1"`` to
            ``"c3"``.
        second: parameter on its vertical axis.
        seed: seed of the chain.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        P. Smolensky, *Information processing in dynamical systems: foundations of harmony theory* (1986);
        G. E. Hinton, *Training products of experts by minimizing contrastive divergence* (2002);
        :func:`gmlib.energy.rbm_gradient.exact_gradient` and
        :func:`gmlib.energy.contrastive.expected_cd_gradient` compute the same in torch.

    Example:
        >>> from gmlib.widgets import TinyRBM
        >>> terms = TinyRBM("reference", data="reference").terms()
        >>> abs(terms.kl) < 1e-12 and abs(terms.objective) < 1e-12
        True
    """

    _esm = STATIC / "tiny_rbm.js"
    shown = ("data", "k", "rule", "lr")

    machines = traitlets.Dict(MACHINES, help="where the parameters may start").tag(sync=True)
    laws = traitlets.Dict(LAWS, help="laws of the data to choose from").tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), [*NAMES], help="the parameters").tag(sync=True)
    weight = traitlets.List(MACHINES["reference"]["weight"], help="weights, a visible unit a row").tag(
        sync=True
    )
    b = traitlets.List(MACHINES["reference"]["b"], help="biases of the visible units").tag(sync=True)
    c = traitlets.List(MACHINES["reference"]["c"], help="biases of the hidden units").tag(sync=True)
    data = traitlets.Unicode("bars", help="law of the data").tag(sync=True)
    k = traitlets.Int(1, min=1, max=STEPS, help="steps of the chain in CD-k").tag(sync=True)
    rule = traitlets.Enum(["exact", "cd"], "exact", help="which gradient is followed").tag(sync=True)
    lr = traitlets.Float(0.5, min=RATES[0], max=RATES[1], help="length of a step").tag(sync=True)
    first = traitlets.Enum([*NAMES], "W11", help="parameter on the horizontal axis").tag(sync=True)
    second = traitlets.Enum([*NAMES], "W22", help="parameter on the vertical axis").tag(sync=True)
    following = traitlets.Bool(False, help="whether the parameters are moving").tag(sync=True)
    running = traitlets.Bool(False, help="whether the chain is running").tag(sync=True)

    def __init__(
        self,
        machine: str | RBM = "reference",
        *,
        data: str | Float[Tensor, " states"] = "bars",
        k: int = 1,
        rule: str = "exact",
        lr: float = 0.5,
        first: str = "W11",
        second: str = "W22",
        seed: int = 0,
    ) -> None:
        check_count("k", k)
        if k > STEPS:
            raise ValueError(f"k must be at most {STEPS}, got {k}")
        check_choice("rule", rule, ("exact", "cd"))
        check_number("lr", lr, low=RATES[0], high=RATES[1])
        check_choice("first", first, NAMES)
        check_choice("second", second, NAMES)
        if first == second:
            raise ValueError(f"second must be another parameter than first, got {second!r} twice")
        check_seed(seed)
        laws = LAWS
        if isinstance(data, str):
            check_choice("data", data, tuple(LAWS))
        else:
            laws, data = {**LAWS, "own": _checked_law(data)}, "own"
        super().__init__(
            **_checked_machine(machine),
            laws=laws,
            data=data,
            k=k,
            rule=rule,
            lr=float(lr),
            first=first,
            second=second,
            seed=seed,
        )

    @property
    def machine(self) -> RBM:
        """The machine that is shown now, in float64.

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> TinyRBM().machine
            RBM(d=4, d_h=3)
        """
        return RBM.from_weights(*(torch.tensor(value, dtype=F64) for value in (self.weight, self.b, self.c)))

    @property
    def data_law(self) -> Float[Tensor, " states"]:
        """Probabilities of the 16 visible states under the law of the data, (16,).

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> int((TinyRBM(data="bars").data_law > 0).sum())
            6
        """
        return torch.tensor(self.laws[self.data], dtype=F64)

    @property
    def model_law(self) -> Float[Tensor, " states"]:
        """Probabilities of the 16 visible states under the machine, (16,).

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> law = TinyRBM("stuck").model_law
            >>> print(f"{law[0]:.3f} {law[15]:.3f}")  # all off, all on
            0.474 0.474
        """
        with torch.no_grad():
            return visible_law(self.machine)

    def gradients(self) -> tuple[RBMGradient, RBMGradient]:
        """The exact gradient of the mean log-likelihood, and that of CD-k in expectation.

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> exact, cd = TinyRBM("stuck", data="lopsided").gradients()
            >>> bool(cd.vector().norm() < 0.1 * exact.vector().norm())  # the chain does not leave where it starts
            True
        """
        return _gradients(self.machine, self.data_law, self.k)

    @torch.no_grad()
    def terms(self) -> TinyRBMTerms:
        """The numbers that the widget shows now, by gmlib in float64.

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> terms = TinyRBM().terms()
            >>> terms.kl >= terms.left >= 0  # a step of the chain never leads away from the machine's law
            True
        """
        machine, law = self.machine, self.data_law
        model = visible_law(machine)
        score = float((law * model.log()).sum())
        entropy = -float(torch.special.xlogy(law, law).sum())
        objective = float(cd_objective(machine, law, self.k))
        exact, cd = (way.vector() for way in self.gradients())
        size, other = float(exact.norm()), float(cd.norm())
        angle = None
        if size * other > 1e-24:
            cosine = float(exact @ cd)
            angle = math.degrees(math.atan2(math.sqrt(max(0.0, (size * other) ** 2 - cosine**2)), cosine))
        return TinyRBMTerms(
            log_z=float(log_z(machine)),
            log_likelihood=score,
            kl=-entropy - score,
            left=-entropy - score - objective,
            objective=objective,
            angle=angle,
            error=float((cd - exact).norm()) / size if size > 1e-12 else None,
        )

    def followed(self, steps: int) -> RBM:
        """The machine after that many steps by the rule that is chosen; parameters stay within -6 and 6.

        Args:
            steps: number of steps, 0 or more.

        Raises:
            ValueError: ``steps`` is negative.

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> better = TinyRBM(TinyRBM("small").followed(200))
            >>> better.terms().kl < TinyRBM("small").terms().kl
            True
        """
        check_count("steps", steps, low=0)
        machine, law = self.machine, self.data_law
        for _ in range(steps):
            exact, cd = _gradients(machine, law, self.k)
            (exact if self.rule == "exact" else cd).ascend(machine, self.lr)
            with torch.no_grad():
                for value in machine.parameters():
                    value.clamp_(-LIMIT, LIMIT)
        return machine

    def visits(self, steps: int) -> Float[Tensor, " states"]:
        """Frequencies of the 16 states among the first steps of the chain, which starts with every unit off, (16,).

        Args:
            steps: number of steps, at least 1.

        Raises:
            ValueError: ``steps`` is below 1.

        Example:
            >>> from gmlib.widgets import TinyRBM
            >>> TinyRBM("stuck").visits(20)[0] > 0.5  # it has not left the state where it began for long
            tensor(True)
        """
        check_count("steps", steps)
        machine, draws = self.machine, Draws(self.seed)
        x, count = torch.zeros(D, dtype=F64), torch.zeros(2**D, dtype=F64)
        powers = 2 ** torch.arange(D - 1, -1, -1)
        for _ in range(steps):
            h = machine.sample_hidden(x, noise=uniforms(draws, D_H))
            x = machine.sample_visible(h, noise=uniforms(draws, D))
            count[int((x * powers).sum())] += 1
        return count / steps


def _gradients(machine: RBM, law: Tensor, k: int) -> tuple[RBMGradient, RBMGradient]:
    return exact_gradient(machine, all_states(D, 0), law), expected_cd_gradient(machine, law, k)


def _checked_law(law: Tensor) -> list[float]:
    check_tensor("data", law)
    if tuple(law.shape) != (2**D,):
        raise ValueError(f"data must have shape ({2**D},), one probability a state, got {tuple(law.shape)}")
    check_finite("data", law)
    if bool((law < 0).any()) or abs(float(law.sum()) - 1) > 1e-6:
        raise ValueError(f"data must be probabilities that sum to 1, got a sum of {float(law.sum()):.6g}")
    return (law.double() / law.double().sum()).tolist()


def _checked_machine(machine: str | RBM) -> dict[str, list]:
    if isinstance(machine, str):
        check_choice("machine", machine, tuple(MACHINES))
        return {name: MACHINES[machine][name] for name in ("weight", "b", "c")}
    if not isinstance(machine, RBM):
        raise TypeError(
            f"machine must be an RBM or one of {', '.join(map(repr, MACHINES))}, got {type(machine).__name__}"
        )
    if (machine.d, machine.d_h) != (D, D_H):
        raise ValueError(
            f"machine must have {D} visible and {D_H} hidden units, got {machine.d} and {machine.d_h}"
        )
    for name, value in machine.state_dict().items():
        check_finite(f"machine.{name}", value)
        if float(value.abs().max()) > LIMIT:
            raise ValueError(
                f"machine must have parameters from -{LIMIT:g} to {LIMIT:g}, got {float(value.abs().max()):.4g} in {name}"
            )
    return _values(machine)
