"""Checks of what the functions of an RBM are given: the machine, rows of visible states, and their law."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gmlib._checks import check_table, check_tensor
from gmlib.energy._layers import check_layer
from gmlib.energy._spins import check_like
from gmlib.energy.rbm import RBM

MAX_MATRIX = 12
"""Visible units of the largest chain whose transition matrix, (2^d, 2^d), is written out."""


def check_rbm(name: str, value: Any) -> None:
    """Raise ``TypeError`` unless ``value`` is an RBM with binary units in both layers."""
    if not isinstance(value, RBM):
        raise TypeError(f"{name} must be an RBM, got {type(value).__name__}")


def check_rows(rbm: RBM, x: Any, name: str = "x") -> None:
    """Raise unless ``rbm`` is an RBM and ``x`` holds one or more rows of its visible units, (n, d)."""
    check_rbm("rbm", rbm)
    check_layer(name, x, rbm.d, rbm.weight)
    if x.dim() != 2 or x.shape[0] == 0:
        raise ValueError(f"{name} must have shape (n, {rbm.d}) with n >= 1, got {tuple(x.shape)}")


def check_law(law: Any, n: int, like: Tensor, what: str = "one probability a state") -> None:
    """Raise unless ``law`` holds n probabilities of sum 1, of the kind of ``like``. Synchronises with the device."""
    check_tensor("law", law)
    if tuple(law.shape) != (n,):
        raise ValueError(f"law must have shape ({n},), {what}, got {tuple(law.shape)}")
    check_table("law", law)
    check_like("law", law, like, "the machine")


def check_matrix(rbm: RBM) -> None:
    """Raise unless ``rbm`` is an RBM small enough for a matrix over its states."""
    check_rbm("rbm", rbm)
    if max(rbm.d, rbm.d_h) > MAX_MATRIX:
        raise ValueError(
            f"rbm must have at most {MAX_MATRIX} units a layer for a matrix over its states, got {rbm.d} and {rbm.d_h}"
        )
