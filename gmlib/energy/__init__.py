"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""

from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import RBMGradient, statistics
from gmlib.energy.states import all_states, state_chunks, state_index

__all__ = [
    "RBM",
    "Hopfield",
    "RBMGradient",
    "all_states",
    "hebb",
    "state_chunks",
    "state_index",
    "statistics",
]
