"""Score matching, Langevin dynamics and noise-conditional score networks (chapter 08)."""

from gmlib.score.ncsn import NCSNLoss, exact_score, ncsn_loss, ncsn_minimum, noised_laws
from gmlib.score.network import ScoreNetwork, mlp_score

__all__ = [
    "NCSNLoss",
    "ScoreNetwork",
    "exact_score",
    "mlp_score",
    "ncsn_loss",
    "ncsn_minimum",
    "noised_laws",
]
