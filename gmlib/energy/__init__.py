"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""

from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.hopfield_learning import (
    LearntWeights,
    learn_hopfield,
    learning_gradient,
    learning_objective,
)
from gmlib.energy.modern_hopfield import ModernHopfield, ModernRecall, attend
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import (
    gibbs_eigenvalues,
    joint_table,
    log_prob,
    log_z,
    reference_law,
    reference_rbm,
    second_eigenvalue,
    smaller_layer,
    transition_matrix,
    visible_law,
)
from gmlib.energy.rbm_gradient import RBMGradient, exact_gradient, model_statistics, statistics
from gmlib.energy.recall import Recall, recall
from gmlib.energy.states import all_states, state_chunks, state_index

__all__ = [
    "RBM",
    "Hopfield",
    "LearntWeights",
    "ModernHopfield",
    "ModernRecall",
    "RBMGradient",
    "Recall",
    "all_states",
    "attend",
    "exact_gradient",
    "gibbs_eigenvalues",
    "hebb",
    "joint_table",
    "learn_hopfield",
    "learning_gradient",
    "learning_objective",
    "log_prob",
    "log_z",
    "model_statistics",
    "recall",
    "reference_law",
    "reference_rbm",
    "second_eigenvalue",
    "smaller_layer",
    "state_chunks",
    "state_index",
    "statistics",
    "transition_matrix",
    "visible_law",
]
