"""Score matching, Langevin dynamics and noise-conditional score networks (chapter 08)."""

from gmlib.score.de_bruijn import HeatFlow, heat_flow, kl_from_fisher
from gmlib.score.ncsn import NCSNLoss, exact_score, ncsn_loss, ncsn_minimum, noised_laws
from gmlib.score.network import ScoreNetwork, mlp_score
from gmlib.score.ratio_matching import RatioLoss, ratio_matching

__all__ = [
    "HeatFlow",
    "NCSNLoss",
    "RatioLoss",
    "ScoreNetwork",
    "exact_score",
    "heat_flow",
    "kl_from_fisher",
    "mlp_score",
    "ncsn_loss",
    "ncsn_minimum",
    "noised_laws",
    "ratio_matching",
]
