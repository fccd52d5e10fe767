"""Learning by comparison: density ratios, divergences, adversarial losses and the dynamics of games (chapter 14)."""

__all__: list[str] = []
