"""Energies: Hopfield memories, Boltzmann machines, restricted Boltzmann machines, and what samples them (chapter 06)."""

from gmlib.energy.ais_rbm import rbm_log_likelihood, rbm_log_z, rbm_path
from gmlib.energy.annealing import AISResult, ais
from gmlib.energy.attractors import Attractors, find_attractors, fixed_points, kinds_of
from gmlib.energy.base_rates import log_odds
from gmlib.energy.boltzmann import BoltzmannMachine, Moments, free_weights
from gmlib.energy.boltzmann_gibbs import boltzmann_gibbs, second_modulus, sweep_matrix
from gmlib.energy.boltzmann_learning import BoltzmannFit, learn_boltzmann, pair_statistics
from gmlib.energy.capacity import bit_error, critical_load, finite_bit_error, overlap_theory, recall_overlap
from gmlib.energy.completion import complete
from gmlib.energy.continuous_hopfield import ContinuousHopfield, ContinuousPath
from gmlib.energy.contrastive import cd_gradient, cd_objective, dropped_term, expected_cd_gradient, law_after
from gmlib.energy.coupled_chains import CoupledEstimate, coupled_estimate, coupled_step, unbiased_gradient
from gmlib.energy.dbn import DeepBeliefNetwork, hidden_law, tied_top
from gmlib.energy.gaussian_gibbs import GaussianSweep, gaussian_gibbs, gaussian_sweep
from gmlib.energy.gaussian_rbm import GaussianRBM
from gmlib.energy.gibbs import gibbs_chain
from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.hopfield_learning import (
    LearntWeights,
    learn_hopfield,
    learning_gradient,
    learning_objective,
)
from gmlib.energy.ising import ising_energy, ising_gibbs, lattice_sweep, lattice_weights, neighbour_sum
from gmlib.energy.ising_coupling import fit_coupling
from gmlib.energy.ising_denoising import denoise_marginals, denoise_mode, evidence
from gmlib.energy.ising_transition import IsingRun, ising_transition
from gmlib.energy.mean_field_cd import mean_field_gradient, mean_field_reconstruction
from gmlib.energy.modern_hopfield import ModernHopfield, ModernRecall, attend
from gmlib.energy.onsager import (
    critical_inv_temp,
    onsager_energy,
    spontaneous_magnetisation,
    torus_energy,
    torus_log_z,
)
from gmlib.energy.persistent import PersistentChains, pcd_gradient
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_completion import clamped_gibbs
from gmlib.energy.rbm_exact import (
    joint_table,
    log_prob,
    log_z,
    reference_law,
    reference_rbm,
    smaller_layer,
    states_of,
    transition_matrix,
    visible_law,
)
from gmlib.energy.rbm_gradient import RBMGradient, exact_gradient, model_statistics, statistics
from gmlib.energy.rbm_mixing import gibbs_eigenvalues, second_eigenvalue
from gmlib.energy.rbm_training import RBMHistory, train_rbm
from gmlib.energy.recall import Recall, recall
from gmlib.energy.states import all_states, state_chunks, state_index
from gmlib.energy.string_recall import StringTrial, complete_strings, repair_strings
from gmlib.energy.synchronous import doubled, synchronous_path, two_step_energy
from gmlib.energy.two_phase import mean_energy_gradient, statistic_covariance, two_phase_gradient
from gmlib.energy.update_field import field_jacobian, stationary_point

__all__ = [
    "RBM",
    "AISResult",
    "Attractors",
    "BoltzmannFit",
    "BoltzmannMachine",
    "ContinuousHopfield",
    "ContinuousPath",
    "CoupledEstimate",
    "DeepBeliefNetwork",
    "GaussianRBM",
    "GaussianSweep",
    "Hopfield",
    "IsingRun",
    "LearntWeights",
    "ModernHopfield",
    "ModernRecall",
    "Moments",
    "PersistentChains",
    "RBMGradient",
    "RBMHistory",
    "Recall",
    "StringTrial",
    "ais",
    "all_states",
    "attend",
    "bit_error",
    "boltzmann_gibbs",
    "cd_gradient",
    "cd_objective",
    "clamped_gibbs",
    "complete",
    "complete_strings",
    "coupled_estimate",
    "coupled_step",
    "critical_inv_temp",
    "critical_load",
    "denoise_marginals",
    "denoise_mode",
    "doubled",
    "dropped_term",
    "evidence",
    "exact_gradient",
    "expected_cd_gradient",
    "field_jacobian",
    "find_attractors",
    "finite_bit_error",
    "fit_coupling",
    "fixed_points",
    "free_weights",
    "gaussian_gibbs",
    "gaussian_sweep",
    "gibbs_chain",
    "gibbs_eigenvalues",
    "hebb",
    "hidden_law",
    "ising_energy",
    "ising_gibbs",
    "ising_transition",
    "joint_table",
    "kinds_of",
    "lattice_sweep",
    "lattice_weights",
    "law_after",
    "learn_boltzmann",
    "learn_hopfield",
    "learning_gradient",
    "learning_objective",
    "log_odds",
    "log_prob",
    "log_z",
    "mean_energy_gradient",
    "mean_field_gradient",
    "mean_field_reconstruction",
    "model_statistics",
    "neighbour_sum",
    "onsager_energy",
    "overlap_theory",
    "pair_statistics",
    "pcd_gradient",
    "rbm_log_likelihood",
    "rbm_log_z",
    "rbm_path",
    "recall",
    "recall_overlap",
    "reference_law",
    "reference_rbm",
    "repair_strings",
    "second_eigenvalue",
    "second_modulus",
    "smaller_layer",
    "spontaneous_magnetisation",
    "state_chunks",
    "state_index",
    "states_of",
    "stationary_point",
    "statistic_covariance",
    "statistics",
    "sweep_matrix",
    "synchronous_path",
    "tied_top",
    "torus_energy",
    "torus_log_z",
    "train_rbm",
    "transition_matrix",
    "two_phase_gradient",
    "two_step_energy",
    "unbiased_gradient",
    "visible_law",
]
