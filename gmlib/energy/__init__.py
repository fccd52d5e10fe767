"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""

from gmlib.energy.states import all_states, state_chunks, state_index

__all__ = [
    "all_states",
    "state_chunks",
    "state_index",
]
