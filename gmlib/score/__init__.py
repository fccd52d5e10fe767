"""Score matching, Langevin dynamics and noise-conditional score networks (chapter 08)."""

__all__: list[str] = []
