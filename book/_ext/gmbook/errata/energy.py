"""Checks of the errata of chapter 06. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from gmbook.errata import Form, Outcome

Array = np.ndarray
# An RBM of four visible and three hidden units, and a network of six units ±1 with biases.
_RNG = np.random.default_rng(0)
W, B, C = _RNG.normal(size=(4, 3)), _RNG.normal(size=4), _RNG.normal(size=3)
H = _RNG.normal(size=(6, 6))
H = H + H.T
np.fill_diagonal(H, 0)
HB = 3 * _RNG.normal(size=6)
DATA = np.linspace(1, 2, 16) / 24
MACHINE = "on an RBM of four visible and three hidden units"


def _states(n: int, low: float = 0.0) -> Array:
    return np.array(list(itertools.product([low, 1.0], repeat=n)))


def _sigmoid(a: Array | float) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.asarray(a))))


def _joint(weights: Array) -> Array:
    """The law of (x, h), rows x."""
    x, h = _states(4), _states(3)
    p = np.exp(x @ weights @ h.T + (x @ B)[:, None] + h @ C)
    return p / p.sum()


def _step(weights: Array) -> Array:
    """The matrix of one step of block Gibbs sampling on x."""
    joint = _joint(weights)
    return (joint / joint.sum(1, keepdims=True)) @ (joint / joint.sum(0)).T


def _products(law: Array) -> Array:
    """E[x h^T] for a law of x, with h given x from the machine."""
    x = _states(4)
    return (law[:, None] * x).T @ _sigmoid(x @ W + C)


def _slopes(function: Callable[[Array], float]) -> Array:
    """The gradient of a function of W by central differences."""
    found = np.zeros_like(W)
    for place in np.ndindex(*W.shape):
        nudge = np.zeros_like(W)
        nudge[place] = 1e-5
        found[place] = (function(W + nudge) - function(W - nudge)) / 2e-5
    return found


def _cd(weights: Array) -> float:
    p = _joint(weights).sum(1)
    after = DATA @ _step(weights)
    return float((DATA * np.log(DATA / p)).sum() - (after * np.log(after / p)).sum())


def _apart(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def _rises(energy: Callable[[Array], float], activation: Callable[[Array], Array]) -> int:
    """How many of the 384 single updates of the network of six units raise an energy."""
    count = 0
    for x, i in itertools.product(_states(6, -1.0), range(6)):
        y = x.copy()
        y[i] = 1.0 if activation(x)[i] >= 0 else -1.0
        count += energy(y) > energy(x) + 1e-9
    return count


def rbm_sign(form: Form) -> Outcome:
    """(24.21) is the derivative of the log-likelihood under the energy of the row: one unit in each layer, datum 1."""
    w, sign = 0.5, 1 if form == "printed" else -1

    def log_p(w: float) -> float:
        there = math.exp(-sign * w)
        return math.log((1 + there) / (3 + there))

    slope = (log_p(w + 1e-6) - log_p(w - 1e-6)) / 2e-6
    there = math.exp(-sign * w)
    formula = there / (1 + there) - there / (3 + there)
    says = (
        f"for one visible and one hidden unit, no biases, $W = 0.5$ and the datum $x = 1$, the derivative of $\\log p$ is "
        f"${slope:+.3f}$, and (24.21) gives ${formula:+.3f}$"
    )
    return Outcome(abs(slope - formula) < 1e-6, says)


def products_of_one_moment(form: Form) -> Outcome:
    """The expected update is 0 when the data have the law of the model."""
    p = _joint(W).sum(1)
    x = _states(4)
    mean = _sigmoid(x @ W + C)
    later = (p @ _step(W))[:, None] * x if form == "right" else None
    negative = later.T @ mean if later is not None else x.T @ (p[:, None] * _step(W)) @ mean
    found = np.abs(_products(p) - negative).max()
    says = f"{MACHINE} with data of its own law, the largest entry of the expected update is ${found:.3f}$"
    return Outcome(bool(found < 1e-9), says)


def cd_objective(form: Form) -> Outcome:
    """The update is minus the gradient of (24.19), for CD-1; the mended form adds the term in which p_1 moves."""
    after = DATA @ _step(W)
    update = _products(DATA) - _products(after)
    if form == "right":
        p = _joint(W).sum(1)
        frozen = np.log(after / p)
        update = update + _slopes(lambda w: float((DATA @ _step(w)) @ frozen))
    found = _apart(update, -_slopes(_cd))
    name = "the update" if form == "printed" else "the update with the dropped term"
    says = (
        f"{MACHINE}, {name} differs from minus the gradient of $\\mathrm{{CD}}_1$ "
        f"by ${100 * found:.1f}$ per cent in norm"
    )
    return Outcome(found < 1e-6, says)


def persistent_sign(form: Form) -> Outcome:
    """The update is 0 at the point of maximum likelihood, with chains that have the law of the model."""
    precision, variance = 0.5, 2.0
    sign = -1 if form == "printed" else 1
    found = -0.5 * variance + sign * 0.5 / precision
    says = (
        "for $\\mathcal E = \\frac12 \\lambda x^2$, data of variance $2$ and $\\lambda = \\frac12$, which fits them, the "
        f"expected $g_t$ is ${found:.1f}$"
    )
    return Outcome(abs(found) < 1e-12, says)


def minimised(form: Form) -> Outcome:
    """What is called minimised never rises in an update of one unit; the one half is set, to look at the sign alone."""
    sign = 1 if form == "printed" else -1
    found = _rises(lambda x: sign * float(x @ H @ x / 2 + HB @ x), lambda x: H @ x + HB)
    says = f"on six units, of all 384 updates of one unit ${found}$ raise the function"
    return Outcome(found == 0, says)


def which_sum(form: Form) -> Outcome:
    """The chance of +1 that belongs to the energy of the row, with the sum over all i and j, is the one of the slide."""
    x = _states(6, -1.0)[5]
    up, down = x.copy(), x.copy()
    up[2], down[2] = 1.0, -1.0
    factor = 1.0 if form == "printed" else 0.5
    gap = factor * (up @ H @ up - down @ H @ down)
    found, due = float(_sigmoid(gap)), float(_sigmoid(2 * H[2] @ x))
    count = gap / (H[2] @ x)
    says = (
        f"without biases the energy gives the chance $1 / (1 + e^{{-{count:.0f} a_i}})$, on one state of six units "
        f"${found:.3f}$, and the slide ${due:.3f}$"
    )
    return Outcome(abs(found - due) < 1e-9, says)


def bias_unheard(form: Form) -> Outcome:
    """The energy, with its biases and the one half, never rises under updates with this activation."""
    heard = 0.0 if form == "printed" else 1.0
    found = _rises(lambda x: -float(x @ H @ x / 2 + HB @ x), lambda x: H @ x + heard * HB)
    says = f"on six units, of all 384 updates of one unit ${found}$ raise the energy"
    return Outcome(found == 0, says)


def till_convergence(form: Form) -> Outcome:
    """Two units that copy each other come to rest, from every start."""
    weights, rests = np.array([[0.0, 1.0], [1.0, 0.0]]), 0
    for x in _states(2, -1.0):
        for step in range(20):
            if form == "printed":
                x = np.where(weights @ x >= 0, 1.0, -1.0)
            else:
                x[step % 2] = 1.0 if weights[step % 2] @ x >= 0 else -1.0
        rests += bool((np.where(weights @ x >= 0, 1.0, -1.0) == x).all())
    how = "at once" if form == "printed" else "one by one"
    says = f"two units with $w_{{12}} = 1$, updated {how}, have come to rest after 20 updates from ${rests}$ of $4$ starts"
    return Outcome(rests == 4, says)


def diagonal_returned(form: Form) -> Outcome:
    """The weights that the loop leaves behind have no self-connections."""
    x = _states(6, -1.0)[[3, 21, 44]]
    target, weights = (x + 1) / 2, x.T @ x
    for _ in range(30):
        np.fill_diagonal(weights, 0)
        gradient = x.T @ (target - _sigmoid(x @ weights))
        weights = weights + 0.1 * (gradient + gradient.T - 0.01 * weights)
    if form == "right":
        np.fill_diagonal(weights, 0)
    found = np.abs(np.diag(weights)).max()
    says = (
        "for three patterns of six units and 30 rounds with $\\eta = 0.1$, $\\alpha = 0.01$, the largest "
        f"self-connection is ${found:.4f}$"
    )
    return Outcome(bool(found == 0), says)


def latent_index(form: Form) -> Outcome:
    """The free energy can be computed for every x, and its exponentials sum to Z."""
    x, h = _states(4), _states(3)
    z = np.exp(x @ W @ h.T + (x @ B)[:, None] + h @ C).sum()
    columns = W if form == "right" else W.T
    if len(columns) != 4:
        says = f"with $4$ visible and $3$ hidden units a row $W_i$ has ${W.shape[1]}$ entries and $x$ has $4$"
        return Outcome(False, says)
    found = np.exp(x @ B + np.log1p(np.exp(x @ columns + C)).sum(1)).sum()
    says = f"{MACHINE}, $\\sum_x e^{{-F(x)}} = {found:.3f}$ and $\\sum_{{x, v}} e^{{-E(x, v)}} = {z:.3f}$"
    return Outcome(bool(np.isclose(found, z)), says)


def bipartite(form: Form) -> Outcome:
    """No two visible units are coupled in the function: its mixed difference in the first two is 0."""
    rest, v = np.array([0.0, 0.0]), np.array([1.0, 0.0, 1.0])

    def value(*first: float) -> float:
        x = np.concatenate([np.array(first), rest])
        if form == "printed":
            return float(-B @ x - np.log1p(np.exp(x @ W + C)).sum())
        return float(-x @ W @ v - B @ x - C @ v)

    found = value(1, 1) - value(1, 0) - value(0, 1) + value(0, 0)
    name = "F(x)" if form == "printed" else "E(x, v)"
    says = (
        f"{MACHINE}, the difference of ${name}$ in $x_1$ and $x_2$ together is ${round(found, 9) + 0.0:.3f}$"
    )
    return Outcome(abs(found) < 1e-9, says)


def biases_swapped(form: Form) -> Outcome:
    """The chance that the second hidden unit is on, given x, is that of an enumeration."""
    x = _states(4)[5]
    joint = _joint(W)[5]
    due = joint @ _states(3)[:, 1] / joint.sum()
    bias = B if form == "printed" else C
    found = float(_sigmoid(x @ W[:, 1] + bias[1]))
    says = f"{MACHINE} and $x = (0, 1, 0, 1)$, $P(v_2 = 1 \\mid x)$ is ${due:.3f}$, and the formula gives ${found:.3f}$"
    return Outcome(bool(np.isclose(found, due)), says)


def plus_minus_one(form: Form) -> Outcome:
    """The chance that a hidden unit ±1 is at +1, given visible units ±1, is that of an enumeration."""
    x, v = _states(4, -1.0)[5], _states(3, -1.0)
    p = np.exp(v @ (W.T @ x + C))
    due = p[v[:, 1] > 0].sum() / p.sum()
    factor = 1 if form == "printed" else 2
    found = float(_sigmoid(factor * (W[:, 1] @ x + C[1])))
    says = f"{MACHINE}, now $\\pm 1$, the chance that $v_2 = +1$ is ${due:.3f}$, and the formula gives ${found:.3f}$"
    return Outcome(bool(np.isclose(found, due)), says)


def order_of_the_loop(form: Form) -> Outcome:
    """Every draw of the loop needs only what has been drawn before."""
    needs = {"v1": "x0", "x1": "v2" if form == "printed" else "v1", "v2": "x1"}
    known, made = {"x0"}, 0
    for new, old in needs.items():
        if old in known:
            known.add(new)
            made += 1
    says = f"from $x^{{(0)}}$, of the three draws ${made}$ can be made in the order of the slide"
    return Outcome(made == 3, says)


def transposed(form: Form) -> Outcome:
    """The derivative of the energy in W_ij is -x_i v_j, on a machine with as many hidden as visible units."""
    x, v = np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0])
    weights = W[:3]

    def energy(w: Array) -> float:
        return float(-(v @ w @ x) if form == "printed" else -(x @ w @ v))

    nudge = np.zeros((3, 3))
    nudge[0, 2] = 1e-5
    found = (energy(weights + nudge) - energy(weights - nudge)) / 2e-5
    says = (
        "for $x = (1, 1, 0)$ and $v = (0, 1, 1)$, $\\partial E / \\partial W_{13}$ is "
        f"${found + 0.0:.1f}$, and $-x_1 v_3 = -1.0$"
    )
    return Outcome(abs(found + 1) < 1e-6, says)


def terms_of_z(form: Form) -> Outcome:
    """So many terms are needed for Z: no shorter sum gives it."""
    x, h = _states(4), _states(3)
    z = np.exp(x @ W @ h.T + (x @ B)[:, None] + h @ C).sum()
    short = np.exp(h @ C + np.log1p(np.exp(h @ W.T + B)).sum(1))
    claimed = 2 ** (4 + 3) if form == "printed" else 2 ** min(4, 3)
    says = (
        f"{MACHINE}, the sum over both layers is ${z:.3f}$, and ${len(short)}$ terms give ${short.sum():.3f}$; "
        f"claimed are ${claimed}$"
    )
    return Outcome(bool(np.isclose(short.sum(), z)) and claimed <= len(short), says)


def cd_sign(form: Form) -> Outcome:
    """The first two terms of the gradient of CD_1 point along it, and the third, in its turn, makes them equal."""
    after = DATA @ _step(W)
    # E_0 of the derivative of E is minus E_0 of the products.
    two = -_products(DATA) + _products(after)
    found = -two if form == "printed" else two
    due = _slopes(_cd)
    cosine = float((found * due).sum() / np.linalg.norm(found) / np.linalg.norm(due))
    says = f"{MACHINE}, the cosine between the two terms and the gradient of $\\mathrm{{CD}}_1$ is ${cosine:+.4f}$"
    return Outcome(cosine > 0.9, says)


def second_phase(form: Form) -> Outcome:
    """For long chains the estimate has the mean of the derivative of log p, here in all weights and for one x."""
    one = np.zeros(16)
    one[9] = 1.0
    model = _joint(W).sum(1)
    # Minus the derivative of E in W_ij is x_i v_j.
    found = _products(one) + (1 if form == "printed" else -1) * _products(model)
    due = _slopes(lambda w: float(np.log(_joint(w).sum(1)[9])))
    apart = _apart(found, due)
    says = f"{MACHINE} with chains run to the end, the mean differs from the gradient by ${100 * apart:.0f}$ per cent"
    return Outcome(apart < 1e-6, says)
