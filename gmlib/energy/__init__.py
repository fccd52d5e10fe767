"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""
