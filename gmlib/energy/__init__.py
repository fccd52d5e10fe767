"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""

from gmlib.energy.base_rates import log_odds
from gmlib.energy.boltzmann import BoltzmannMachine, Moments, free_weights
from gmlib.energy.boltzmann_gibbs import boltzmann_gibbs, second_modulus, sweep_matrix
from gmlib.energy.completion import StringTrial, complete, complete_strings, repair_strings
from gmlib.energy.continuous_hopfield import ContinuousHopfield, ContinuousPath
from gmlib.energy.gaussian_gibbs import GaussianSweep, gaussian_gibbs, gaussian_sweep
from gmlib.energy.gibbs import gibbs_chain
from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.hopfield_learning import (
    LearntWeights,
    learn_hopfield,
    learning_gradient,
    learning_objective,
)
from gmlib.energy.modern_hopfield import ModernHopfield, ModernRecall, attend
from gmlib.energy.persistent import PersistentChains, pcd_gradient
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
from gmlib.energy.rbm_training import RBMHistory, train_rbm
from gmlib.energy.recall import Recall, recall
from gmlib.energy.states import all_states, state_chunks, state_index

__all__ = [
    "RBM",
    "BoltzmannMachine",
    "ContinuousHopfield",
    "ContinuousPath",
    "GaussianSweep",
    "Hopfield",
    "LearntWeights",
    "ModernHopfield",
    "ModernRecall",
    "Moments",
    "PersistentChains",
    "RBMGradient",
    "RBMHistory",
    "Recall",
    "StringTrial",
    "all_states",
    "attend",
    "boltzmann_gibbs",
    "complete",
    "complete_strings",
    "exact_gradient",
    "free_weights",
    "gaussian_gibbs",
    "gaussian_sweep",
    "gibbs_chain",
    "gibbs_eigenvalues",
    "hebb",
    "joint_table",
    "learn_hopfield",
    "learning_gradient",
    "learning_objective",
    "log_odds",
    "log_prob",
    "log_z",
    "model_statistics",
    "pcd_gradient",
    "recall",
    "reference_law",
    "reference_rbm",
    "repair_strings",
    "second_eigenvalue",
    "second_modulus",
    "smaller_layer",
    "state_chunks",
    "state_index",
    "statistics",
    "sweep_matrix",
    "train_rbm",
    "transition_matrix",
    "visible_law",
]
