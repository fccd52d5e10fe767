r"""Two small networks trained on the page: a generator that learns a law in the plane from a critic alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.gan import GAN_LOSSES, R1, R2, Critic, Game, GradientPenalty, clip_weights, grid_coverage
from gmlib.nn import MLP
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, normals
from gmlib.widgets.gan_laws import FACE, LAWS, RADIUS, STD

F64 = torch.float64
BATCH = 128
LATENT = 8
WIDTHS = (32, 32)
SEEN = 500  # generated points that are shown and counted
EDGE = 2.1  # of the picture, either side of 0
MOST_DRAWN = 200
MOST_STEPS = 1_000_000

LOSSES = ("non_saturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic")
REGULARISERS = ("none", "r1", "r2", "gradient_penalty", "clip")

_PLAIN = {
    "law": "eight_gaussians",
    "loss": "non_saturating",
    "regulariser": "none",
    "critic_steps": 1,
    "lr_critic": 0.2,
    "lr_generator": 0.1,
    "optimizer": "sgd",
    "simultaneous": False,
}
_ADAM = {
    "law": "sixteen_gaussians",
    "optimizer": "adam",
    "beta1": 0.5,
    "lr_critic": 0.01,
    "lr_generator": 0.005,
}
PRESETS: dict[str, dict[str, Any]] = {
    "collapse": {"label": "Collapse", **_PLAIN},
    "cured": {"label": "Cure: R1", **_PLAIN, "regulariser": "r1", "gamma": 0.3},
    "sixteen": {"label": "16 modes", **_PLAIN, **_ADAM, "regulariser": "r1", "gamma": 0.05},
}
"""Settings to start from. The first two differ in the penalty alone."""


@dataclass(frozen=True)
class BrowserGanTerms:
    r"""What the widget shows after a run.

    Attributes:
        modes: centres that have one of the 500 shown samples within 0.1 of them.
        share: share of these samples that are so near to a centre.
        critic_loss: :math:`\mathcal L_D` at the critic's last step, on its batch of 128, without the penalty; NaN before
            the first.
        penalty: what the regulariser added there, 0 without one.
        generator_loss: :math:`\mathcal L_G` at the generator's last step; NaN before the first.
    """

    modes: int
    share: float
    critic_loss: float
    penalty: float
    generator_loss: float


class BrowserGan(Widget):
    r"""A generator and a critic, two networks of two hidden layers of 32, trained in the browser on a law in the plane.

    .. math:: \min_\varphi\, \mathbb E L_+(a_\varphi(x)) + \mathbb E L_-(a_\varphi(G_\theta(z))) + R(\varphi), \qquad
        \min_\theta\, \mathbb E L_G(a_\varphi(G_\theta(z))), \qquad z \sim \mathcal N(0, I_8)

    with losses and penalties by the names and in the units of ``gmlib.gan`` (:math:`\tfrac\gamma2 \mathbb E(\dots)^2`), on
    128 points a step. The picture shows what the critic says everywhere, 500 generated points, and where the critic sends
    them; curves show the losses, and how many modes have generated points within 0.1 of them. Settings may be changed
    while it trains; the law may also be drawn by hand. `terms` makes the same steps in torch.

    Args:
        law: ``"eight_gaussians"``, ``"sixteen_gaussians"``, ``"nine_gaussians"``, ``"two_modes"``, ``"two_moons"``,
            ``"swiss_roll"`` or ``"drawn"``: equal Gaussians of standard deviation 0.05 around centres. The sixteen stand
            where `gmlib.distributions.sixteen_gaussians` has them, the eight on a circle of radius 1.5 instead of 2.
        loss: ``"non_saturating"``, ``"minimax"``, ``"least_squares"``, ``"hinge"``, ``"wasserstein"`` or
            ``"relativistic"`` (paired).
        regulariser: ``"none"``, ``"r1"``, ``"r2"``, ``"gradient_penalty"`` (towards slope 1) or ``"clip"``.
        gamma: :math:`\gamma` of a penalty, from 0.001 to 100.
        limit: bound of each of the critic's weights for ``"clip"``, from 0.01 to 1.
        critic_steps: k, steps of the critic for each of the generator, 1 to 10.
        lr_critic: the critic's learning rate, from 0.0001 to 1.
        lr_generator: the generator's, in the same range.
        optimizer: ``"adam"`` or ``"sgd"``.
        beta1: decay of Adam's first moment, from 0 to 0.95.
        simultaneous: whether both players move from the same point; else the generator meets the critic that has moved.
        steps: steps made from the seed.
        drawn: centres of ``"drawn"``, at most 200 pairs within 2.1 of 0.
        seed: seed of the weights and of all noise.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        L. Metz et al., *Unrolled generative adversarial networks* (2017), where a ring of eight Gaussians shows what is
        lost; L. Mescheder et al., *Which training methods for GANs do actually converge?* (2018), for the penalty R1.
        :class:`gmlib.gan.Game` has the two objectives in torch.

    Example:
        >>> from gmlib.widgets import BrowserGan
        >>> gan = BrowserGan("eight_gaussians", regulariser="r1", gamma=0.1, steps=3)
        >>> terms = gan.terms()
        >>> terms.modes <= 8 and terms.penalty > 0
        True
    """

    _esm = STATIC / "browser_gan.js"
    shown = ("law", "loss", "regulariser", "steps", "seed")

    laws = traitlets.Dict(LAWS, help="the laws to choose from, by their centres").tag(sync=True)
    sizes = traitlets.Dict(
        {
            "batch": BATCH,
            "latent": LATENT,
            "widths": list(WIDTHS),
            "std": STD,
            "radius": RADIUS,
            "edge": EDGE,
        },
        help="sizes of the networks, the batch, the law and the picture",
    ).tag(sync=True)
    presets = traitlets.Dict(PRESETS, help="settings to start from").tag(sync=True)
    law = traitlets.Enum([*LAWS, "drawn"], "eight_gaussians", help="what the data come from").tag(sync=True)
    loss = traitlets.Enum([*LOSSES], "non_saturating", help="what the players minimise").tag(sync=True)
    regulariser = traitlets.Enum([*REGULARISERS], "none", help="what holds the critic back").tag(sync=True)
    gamma = traitlets.Float(0.3, min=0.001, max=100.0, help="strength of a penalty").tag(sync=True)
    limit = traitlets.Float(0.1, min=0.01, max=1.0, help="bound of clipped weights").tag(sync=True)
    critic_steps = traitlets.Int(1, min=1, max=10, help="critic steps a generator step").tag(sync=True)
    lr_critic = traitlets.Float(0.2, min=1e-4, max=1.0, help="critic's learning rate").tag(sync=True)
    lr_generator = traitlets.Float(0.1, min=1e-4, max=1.0, help="generator's learning rate").tag(sync=True)
    optimizer = traitlets.Enum(["adam", "sgd"], "sgd", help="how a step is made of a gradient").tag(sync=True)
    beta1 = traitlets.Float(0.5, min=0.0, max=0.95, help="decay of Adam's first moment").tag(sync=True)
    simultaneous = traitlets.Bool(False, help="whether both players move from the same point").tag(sync=True)
    steps = traitlets.Int(0, min=0, max=MOST_STEPS, help="steps made").tag(sync=True)
    drawn = traitlets.List(
        [list(place) for place in FACE], maxlen=MOST_DRAWN, help="centres drawn by hand"
    ).tag(sync=True)
    brush = traitlets.List([0.0, 0.0], minlen=2, maxlen=2, help="where the next centre would go").tag(
        sync=True
    )
    erase = traitlets.Bool(False, help="whether the brush takes centres away").tag(sync=True)
    arrows = traitlets.Bool(True, help="whether arrows show where the critic sends the points").tag(sync=True)
    pace = traitlets.Enum(["slow", "fast"], "fast", help="one step a frame, or as many as fit").tag(sync=True)
    playing = traitlets.Bool(False, help="whether it trains by itself").tag(sync=True)

    def __init__(
        self,
        law: str = "eight_gaussians",
        *,
        loss: str = "non_saturating",
        regulariser: str = "none",
        gamma: float = 0.3,
        limit: float = 0.1,
        critic_steps: int = 1,
        lr_critic: float = 0.2,
        lr_generator: float = 0.1,
        optimizer: str = "sgd",
        beta1: float = 0.5,
        simultaneous: bool = False,
        steps: int = 0,
        drawn: Sequence[Sequence[float]] = FACE,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, (*LAWS, "drawn"))
        check_choice("loss", loss, LOSSES)
        check_choice("regulariser", regulariser, REGULARISERS)
        check_number("gamma", gamma, low=0.001, high=100.0)
        check_number("limit", limit, low=0.01, high=1.0)
        for name, rate in (("lr_critic", lr_critic), ("lr_generator", lr_generator)):
            check_number(name, rate, low=1e-4, high=1.0)
        check_choice("optimizer", optimizer, ("adam", "sgd"))
        check_number("beta1", beta1, low=0.0, high=0.95)
        for name, value, low, most in (
            ("critic_steps", critic_steps, 1, 10),
            ("steps", steps, 0, MOST_STEPS),
        ):
            check_count(name, value, low=low)
            if value > most:
                raise ValueError(f"{name} must be at most {most}, got {value}")
        if not isinstance(simultaneous, bool):
            raise TypeError(f"simultaneous must be True or False, got {simultaneous!r}")
        check_seed(seed)
        super().__init__(
            law=law,
            loss=loss,
            regulariser=regulariser,
            gamma=float(gamma),
            limit=float(limit),
            critic_steps=critic_steps,
            lr_critic=float(lr_critic),
            lr_generator=float(lr_generator),
            optimizer=optimizer,
            beta1=float(beta1),
            simultaneous=simultaneous,
            steps=steps,
            drawn=_checked(drawn),
            seed=seed,
        )

    @property
    def centres(self) -> Float[Tensor, "modes 2"]:
        """Where the law has its Gaussians, in float64.

        Example:
            >>> from gmlib.widgets import BrowserGan
            >>> BrowserGan("two_modes").centres.tolist()
            [[-1.0, 0.0], [1.0, 0.0]]
        """
        places = self.drawn if self.law == "drawn" else LAWS[self.law]["centres"]
        return torch.tensor([list(place) for place in places], dtype=F64)

    def train(self) -> tuple[BrowserGanTerms, Float[Tensor, "seen 2"]]:
        """The run of ``steps`` steps from the seed, made by torch in float64 with the noise that the browser draws.

        The settings are today's, so that a run in which they were changed on the way cannot be had again. It draws in plain
        Python: about a second for a hundred steps.

        Returns:
            The numbers that the widget shows, and its generated points, (500, 2).

        Example:
            >>> from gmlib.widgets import BrowserGan
            >>> BrowserGan(steps=2).train()[1].shape
            torch.Size([500, 2])
        """
        draws = Draws(self.seed)
        game = self._game(draws)
        latents = normals(draws, SEEN, LATENT)
        centres, k = self.centres, self.critic_steps
        movers = [self._mover(game.critic, self.lr_critic), self._mover(game.generator, self.lr_generator)]
        critic, own = (math.nan, 0.0), math.nan
        for _ in range(self.steps):
            real, z, terms = torch.empty(0), torch.empty(0), None
            for i in range(k):
                real, z = _points(draws, centres), normals(draws, BATCH, LATENT)
                mix = [draws.uniform() for _ in range(BATCH)] if game.draws else []
                terms = game.critic_terms(real, z, torch.tensor(mix, dtype=F64) if mix else None)
                critic = (float(terms.loss.detach()), float((terms.total - terms.loss).detach()))
                ahead = i == k - 1 and self.simultaneous
                if ahead:
                    own = self._lower(game.generator, game.generator_terms(real, z).total)
                self._lower(game.critic, terms.total)
                movers[0].step()
                if self.regulariser == "clip":
                    clip_weights(game.critic, self.limit)
            if not self.simultaneous:
                z = normals(draws, BATCH, LATENT)
                own = self._lower(game.generator, game.generator_terms(real, z).total)
            movers[1].step()
        with torch.no_grad():
            points = game.generator(latents)
        seen = grid_coverage(points, centres, RADIUS)
        return BrowserGanTerms(seen.modes, seen.share, *critic, own), points

    def terms(self) -> BrowserGanTerms:
        """The numbers that the widget shows after ``steps`` steps from the seed.

        Example:
            >>> from gmlib.widgets import BrowserGan
            >>> terms = BrowserGan(loss="wasserstein", regulariser="clip", steps=1).terms()
            >>> -1 < terms.critic_loss < 1
            True
        """
        return self.train()[0]

    def _game(self, draws: Draws) -> Game:
        """The players as the browser starts them: uniform weights up to one over the root of the inputs."""
        generator = MLP([LATENT, *WIDTHS, 2], activation=nn.ReLU).to(F64)
        critic = Critic(MLP([2, *WIDTHS, 1], activation=nn.ReLU)).to(F64)
        for player in (generator, critic):
            for layer in player.modules():
                if not isinstance(layer, nn.Linear):
                    continue
                for weight in (layer.weight, layer.bias):
                    drawn = [2 * draws.uniform() - 1 for _ in range(weight.numel())]
                    values = torch.tensor(drawn, dtype=F64).reshape(weight.shape)
                    weight.data = values / math.sqrt(layer.in_features)
        penalties = {"r1": R1, "r2": R2, "gradient_penalty": GradientPenalty}
        chosen = [penalties[self.regulariser](self.gamma)] if self.regulariser in penalties else []
        return Game(generator, critic, GAN_LOSSES[self.loss], chosen, LATENT)

    def _mover(self, player: nn.Module, rate: float) -> torch.optim.Optimizer:
        if self.optimizer == "sgd":
            return torch.optim.SGD(player.parameters(), lr=rate)
        return torch.optim.Adam(player.parameters(), lr=rate, betas=(self.beta1, 0.999))

    @staticmethod
    def _lower(player: nn.Module, total: Tensor) -> float:
        """Give the player, and it alone, the gradient of what it minimises."""
        weights = list(player.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(total, weights), strict=True):
            weight.grad = slope
        return float(total.detach())


def _points(draws: Draws, centres: Tensor) -> Tensor:
    """A batch of data."""
    rows = []
    for _ in range(BATCH):
        x, y = centres[int(draws.uniform() * len(centres))].tolist()
        rows.append((x + STD * draws.normal(), y + STD * draws.normal()))
    return torch.tensor(rows, dtype=F64)


def _checked(drawn: Sequence[Sequence[float]]) -> list[list[float]]:
    """The drawn centres as lists, or an error."""
    want = f"drawn must be 1 to {MOST_DRAWN} pairs of numbers from {-EDGE} to {EDGE}"
    if isinstance(drawn, str) or not isinstance(drawn, Sequence):
        raise TypeError(f"{want}, got {type(drawn).__name__}")
    if not 1 <= len(drawn) <= MOST_DRAWN:
        raise ValueError(f"{want}, got {len(drawn)}")
    for place in drawn:
        if not isinstance(place, Sequence) or len(place) != 2:
            raise ValueError(f"{want}, got {place!r} among them")
        for value in place:
            check_number("drawn", value, low=-EDGE, high=EDGE)
    return [[float(x), float(y)] for x, y in drawn]
