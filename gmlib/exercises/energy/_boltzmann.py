"""Chapter 06, chance: the factor 2 of units ±1, a sweep of Gibbs sampling as a matrix, and the parts of an RBM."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.energy._cases import F64, Cases, law, normal, signs, states, symmetric, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _machines(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for d, n, inv_temp in ((3, 2, 1.0), (4, 3, 0.6), (3, 4, 1.7)):
        weights, bias = 0.7 * symmetric(generator, d), 0.7 * normal(generator, d)
        cases.append({"weights": weights, "bias": bias, "x": signs(generator, n, d), "inv_temp": inv_temp})
    alone = torch.zeros(2, 2, dtype=F64)
    cases.append(
        {"weights": alone, "bias": normal(generator, 2), "x": signs(generator, 2, 2), "inv_temp": 0.9}
    )
    return cases


def _odds(case: Any, found: Tensor) -> bool:
    weights, bias, x = case["weights"], case["bias"], case["x"]

    def weight(state: Tensor) -> Tensor:
        pairs = sum(weights[i, j] * state[i] * state[j] for i in range(len(state)) for j in range(i))
        return torch.exp(case["inv_temp"] * (pairs + bias @ state))

    for row in range(len(x)):
        for i in range(len(bias)):
            up, down = x[row].clone(), x[row].clone()
            up[i], down[i] = 1.0, -1.0
            due = weight(up) / (weight(up) + weight(down))
            if not torch.isclose(found[row, i], due, rtol=1e-5, atol=1e-6):
                return False
    return True


FACTOR = Exercise(
    id="energy.factor-two",
    title="Where the 2 comes from",
    chapter="06_hopfield_rbm",
    section="sec-06-boltzmann",
    difficulty=1,
    minutes=15,
    statement=r"""
A Boltzmann machine has the law $p(x) \propto e^{-\beta E(x)}$, {eq}`eq-06-boltzmann`, over units $\pm1$, with
$E(x) = -\frac12x^\top Wx - b^\top x$. (a) From the ratio of $p$ at the two states that differ in unit $i$ only, derive
$P(x_i = +1 \mid \text{the rest})$. (b) Which factor would be there for units 0 and 1? (c) A text writes the energy as
$-\sum_{i,j}w_{ij}x_ix_j$ without the $\frac12$. What does its conditional become if the sum runs over all ordered
pairs?

Write `plus_probabilities(weights, bias, x, inv_temp)`: the probabilities of (a) for every unit of every row.
""",
    answer="plus_probabilities",
    stub="""
def plus_probabilities(weights, bias, x, inv_temp):
    # weights: (d, d), symmetric, diagonal 0; bias: (d,); x: (n, d), entries +1
    # and -1; inv_temp: beta. Returns P(x_i = +1 | the other units), (n, d).
    ...
""",
    reference="""
def plus_probabilities(weights, bias, x, inv_temp):
    activation = x @ weights + bias
    return torch.sigmoid(2 * inv_temp * activation)
""",
    mistakes=(
        Mistake(
            "zero-one-units",
            (("2 * inv_temp", "inv_temp"),),
            "Right for units that are 0 or 1. By how much does x_i change here, from one of its states to the other?",
        ),
        Mistake(
            "every-pair-twice",
            (("x @ weights + bias", "2 * x @ weights + bias"),),
            "Your network is colder than it should be, but a unit without neighbours is right. Count how often each pair "
            "occurs in your double sum.",
        ),
        Mistake(
            "towards-high-energy",
            (("(2 * inv_temp", "(-2 * inv_temp"),),
            "Your units prefer to disagree with their inputs. Is a low energy likely or unlikely?",
        ),
        Mistake(
            "bias-counted-once",
            (("x @ weights + bias", "x @ weights + bias / 2"),),
            "Set W to 0: a unit alone has the weights e^b and e^(−b). What are its odds?",
        ),
        Mistake(
            "chance-to-stay",
            (("activation)", "activation * x)"),),
            "You give the chance that a unit is what it is now. What is asked for must not depend on x_i.",
        ),
        Mistake(
            "temperature-for-its-inverse",
            (("2 * inv_temp * activation", "2 / inv_temp * activation"),),
            "Right at β = 1. Should a large β make the units more certain or less?",
        ),
    ),
    hints=(
        r"$\log\frac{p(x_i = +1, \text{rest})}{p(x_i = -1, \text{rest})}$: everything without $x_i$ cancels, $Z$ too.",
        r"In $\frac12x^\top Wx$ unit $i$ occurs in a row and in a column.",
    ),
    solution=r"""
(a) The terms of $-\beta E$ with unit $i$ in them are $\beta x_i\big(\sum_jw_{ij}x_j + b_i\big) = \beta x_ia_i$: the
$\frac12$ has cancelled against the two places, row and column, where a pair stands. Between $x_i = -1$ and $x_i = +1$
this changes by $2\beta a_i$, the log-odds, so

$$
P(x_i = +1 \mid \text{the rest}) = \operatorname{sigmoid}(2\beta a_i) .
$$

(b) Units 0 and 1 are a distance 1 apart, not 2: $\operatorname{sigmoid}(\beta a_i)$. (c) Without the $\frac12$ each
pair counts twice, and without biases the conditional is $\operatorname{sigmoid}(4\beta a_i)$. A sum that is meant over
pairs needs no $\frac12$: the formula alone does not say which one is meant.
""",
    cases=_machines,
    properties=(Property("the odds of a unit are those of the two states that differ in it", _odds),),
)


def _tables(generator: torch.Generator) -> Cases:
    return [{"p": law(generator, m * n).reshape(m, n)} for m, n in ((2, 2), (2, 3), (3, 3))]


GIBBS = Exercise(
    id="energy.gibbs",
    title="A sweep leaves the law as it is",
    chapter="06_hopfield_rbm",
    section="sec-06-gibbs",
    difficulty=2,
    minutes=30,
    statement=r"""
Two variables have the joint law $p(x_1, x_2) > 0$, a table. One sweep of Gibbs sampling redraws $x_1$ from
$p(x_1 \mid x_2)$ and then $x_2$ from $p(x_2 \mid x_1)$ with the new $x_1$, {eq}`eq-06-gibbs`. (a) Show that redrawing
one variable leaves $p$ as it is, by detailed balance: $p(x)\,T(x \to x') = p(x')\,T(x' \to x)$. (b) Conclude that the
sweep leaves $p$ as it is. Is the sweep in detailed balance? (c) What goes wrong when both are redrawn at once, each
from the *old* value of the other?

Write `sweep_matrix(p)`, the matrix of one sweep: the entry in row $x$ and column $x'$ is the chance to go from $x$ to
$x'$, with the states in the order of `p.flatten()`.
""",
    answer="sweep_matrix",
    stub="""
def sweep_matrix(p):
    # p: (m, n), probabilities of the pairs (x1, x2), all positive.
    # Returns (m * n, m * n), rows: from, columns: to.
    ...
""",
    reference="""
def sweep_matrix(p):
    m, n = p.shape
    first = p / p.sum(0, keepdim=True)
    second = p / p.sum(1, keepdim=True)
    chance = torch.zeros(m, n, m, n, dtype=p.dtype)
    for old in range(n):
        for new in range(m):
            chance[:, old, new, :] = first[new, old] * second[new]
    return chance.reshape(m * n, m * n)
""",
    mistakes=(
        Mistake(
            "both-from-the-old-state",
            (("first[new, old] * second[new]", "first[new, old] * second"),),
            "Both of your draws look at the old state. Multiply p by your matrix: does it come back? Which value of x1 "
            "must the second draw see?",
        ),
        Mistake(
            "conditionals-exchanged",
            (
                ("p.sum(0, keepdim=True)", "p.sum(1, keepdim=True)"),
                ("second = p / p.sum(1", "second = p / p.sum(0"),
            ),
            "Your rows do not sum to 1. A conditional law of x1 is a column of the table, made to sum to 1: along which "
            "axis?",
        ),
        Mistake(
            "second-first",
            (("first[new, old] * second[new]", "second * first[new]"),),
            "Your chain leaves p as it is, but it redraws x2 first. Which order is asked for?",
        ),
        Mistake(
            "columns-for-rows",
            (("reshape(m * n, m * n)", "reshape(m * n, m * n).T"),),
            "Your columns sum to 1. Where you come from is the row, where you go is the column.",
        ),
        Mistake(
            "only-the-first",
            (("first[new, old] * second[new]", "first[new, old] * torch.eye(n, dtype=p.dtype)[old]"),),
            "Your chain leaves p as it is and never moves x2. From how many states can it reach the others?",
        ),
        Mistake(
            "no-memory",
            (("first[new, old] * second[new]", "p[new]"),),
            "All your rows are p itself: this sampler needs the joint law, which is what one does not have. What does a "
            "sweep know of the old state?",
        ),
    ),
    hints=(
        r"When $x_1$ is redrawn, $T(x \to x') = p(x_1' \mid x_2)$ for $x_2' = x_2$, else 0.",
        r"After a whole sweep the chance is $p(x_1' \mid x_2)\,p(x_2' \mid x_1')$. Which of the four letters is "
        r"missing?",
    ),
    solution=r"""
(a) $p(x_1, x_2)\,p(x_1' \mid x_2) = p(x_2)\,p(x_1 \mid x_2)\,p(x_1' \mid x_2)$ is symmetric in $x_1$ and $x_1'$. Summed
over $x$, detailed balance says $\sum_xp(x)\,T(x \to x') = p(x')$. (b) If $pT_1 = p$ and $pT_2 = p$, then $pT_1T_2 = p$,
but the sweep goes back in the other order, $T_2T_1$: it is not in detailed balance, unless the two commute. A sweep in
random order, or there and back, is. (c) At once, $p(x_1' \mid x_2)\,p(x_2' \mid x_1)$: under $p$ the new pair has the
marginals of $p$, yet $x_1'$ and $x_2'$ were never made to fit each other. Two units that all but always agree, started
apart, would exchange their states for ever: the two-cycle of a synchronous network, with chance in place of the sign.
In an RBM the hidden units may be redrawn at once, since given $x$ they are independent.
""",
    cases=_tables,
    properties=(
        Property(
            "the entries of each row are a law",
            lambda case, found: (
                bool((found >= -1e-6).all())
                and torch.allclose(found.sum(1), torch.ones_like(found[0]), atol=1e-5)
            ),
        ),
        Property(
            "p is left as it is",
            lambda case, found: torch.allclose(case["p"].flatten() @ found, case["p"].flatten(), atol=1e-6),
        ),
    ),
)


def _rbms(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for _ in range(4):
        weights, b, c = normal(generator, 3, 3), normal(generator, 3), normal(generator, 3)
        x, h = ((uniform(generator, 3) < 0.6).to(F64) for _ in range(2))
        x[len(cases) % 3] = h[0] = 1.0
        cases.append({"weights": weights, "b": b, "c": c, "x": x, "h": h})
    return cases


def _summed(case: Any, found: Tensor) -> bool:
    hidden = states(3)
    minus_energy = case["x"] @ case["weights"] @ hidden.T + case["b"] @ case["x"] + hidden @ case["c"]
    return torch.allclose(torch.exp(-found[-1]), minus_energy.exp().sum(), rtol=1e-5)


def _share(case: Any, found: Tensor) -> bool:
    hidden = states(3)
    posterior = torch.softmax(case["x"] @ case["weights"] @ hidden.T + hidden @ case["c"], 0)
    return torch.allclose(found[:3], posterior @ hidden, atol=1e-6)


PARTS = Exercise(
    id="energy.rbm",
    title="Two conditionals and a free energy",
    chapter="06_hopfield_rbm",
    section="sec-06-rbm",
    difficulty=1,
    minutes=20,
    statement=r"""
A restricted Boltzmann machine has the energy $E(x, h) = -x^\top Wh - b^\top x - c^\top h$, {eq}`eq-06-rbm`, units 0 and
1, and $p \propto e^{-E}$. Derive $P(h_j = 1 \mid x)$, $P(x_i = 1 \mid h)$ and the free energy $\mathcal F(x)$, for
which $e^{-\mathcal F(x)} = \sum_he^{-E(x, h)}$. Which bias goes where, and which of $W$ and $W^\top$? One text prints
the energy without the minus signs. What happens to the three formulas, and to a gradient that was derived for the
others?

Write `conditionals_and_free_energy(weights, b, c, x, h)`: the probabilities of the hidden units given $x$, then those
of the visible units given $h$, then $\mathcal F(x)$, in one row.
""",
    answer="conditionals_and_free_energy",
    stub="""
def conditionals_and_free_energy(weights, b, c, x, h):
    # weights: (d, d_h); b, x: (d,); c, h: (d_h,); x and h have entries 0 and 1.
    # Returns d_h + d + 1 numbers.
    ...
""",
    reference="""
def conditionals_and_free_energy(weights, b, c, x, h):
    hidden = torch.sigmoid(x @ weights + c)
    visible = torch.sigmoid(weights @ h + b)
    free = -b @ x - torch.nn.functional.softplus(x @ weights + c).sum()
    return torch.cat([hidden, visible, free[None]])
""",
    mistakes=(
        Mistake(
            "biases-swapped",
            (
                ("torch.sigmoid(x @ weights + c)", "torch.sigmoid(x @ weights + b)"),
                ("torch.sigmoid(weights @ h + b)", "torch.sigmoid(weights @ h + c)"),
            ),
            "Your free energy is right, your conditionals are not. Clamp W to 0: which bias should decide x_i?",
        ),
        Mistake(
            "biases-swapped-everywhere",
            (
                ("torch.sigmoid(x @ weights + c)", "torch.sigmoid(x @ weights + b)"),
                ("torch.sigmoid(weights @ h + b)", "torch.sigmoid(weights @ h + c)"),
                (
                    "-b @ x - torch.nn.functional.softplus(x @ weights + c)",
                    "-c @ x - torch.nn.functional.softplus(x @ weights + b)",
                ),
            ),
            "All three of your answers belong to a machine with b and c exchanged. Clamp W to 0: which bias should decide "
            "x_i?",
        ),
        Mistake(
            "sigmoid-for-softplus",
            (("torch.nn.functional.softplus", "torch.sigmoid"),),
            "Your conditionals are right, but e^(−F) is not the sum over h. What is the log of 1 + e^a?",
        ),
        Mistake(
            "energy-without-minus",
            (
                ("torch.sigmoid(x @ weights + c)", "torch.sigmoid(-x @ weights - c)"),
                ("torch.sigmoid(weights @ h + b)", "torch.sigmoid(-weights @ h - b)"),
                (
                    "-b @ x - torch.nn.functional.softplus(x @ weights + c)",
                    "b @ x - torch.nn.functional.softplus(-x @ weights - c)",
                ),
            ),
            "In your machine a large weight keeps two units from being on together. With which sign does the energy enter "
            "the exponent?",
        ),
        Mistake(
            "weights-transposed",
            (
                ("torch.sigmoid(x @ weights + c)", "torch.sigmoid(weights @ x + c)"),
                ("torch.sigmoid(weights @ h + b)", "torch.sigmoid(h @ weights + b)"),
            ),
            "It only runs because there are as many hidden units as visible ones. Does a hidden unit own a row or a column "
            "of W?",
        ),
        Mistake(
            "units-of-plus-minus-one",
            (
                ("torch.sigmoid(x @ weights + c)", "torch.sigmoid(2 * (x @ weights + c))"),
                ("torch.sigmoid(weights @ h + b)", "torch.sigmoid(2 * (weights @ h + b))"),
            ),
            "The 2 belongs to units ±1. By how much does a unit of this machine change when it is switched on?",
        ),
        Mistake(
            "visible-bias-forgotten",
            (("-b @ x - torch.nn", "-torch.nn"),),
            "The sum over h leaves one term of the energy alone. Which one has no h in it?",
        ),
    ),
    hints=(
        r"Given $x$, the energy is a sum of terms with one $h_j$ each. What is the law of a sum of independent "
        r"energies?",
        r"$\sum_{h_j\in\{0, 1\}}e^{h_ja} = 1 + e^a$, and a sum over all $h$ of a product is a product of such sums.",
    ),
    solution=r"""
$-E = b^\top x + \sum_jh_j\big(c_j + \sum_ix_iw_{ij}\big)$. Given $x$ the hidden units are independent, each with the
log-odds in its bracket: $P(h_j = 1 \mid x) = \operatorname{sigmoid}\big((W^\top x)_j + c_j\big)$, and in the same way
$P(x_i = 1 \mid h) = \operatorname{sigmoid}\big((Wh)_i + b_i\big)$. Each unit hears its own bias. The sum over $h$ is a
product, $e^{b^\top x}\prod_j\big(1 + e^{c_j + (W^\top x)_j}\big)$, so

$$
\mathcal F(x) = -b^\top x - \sum_j\log\big(1 + e^{c_j + (W^\top x)_j}\big).
$$

Without the minus signs, and still with $p \propto e^{-E}$, every parameter changes its sign: the conditionals become
$\operatorname{sigmoid}(-\dots)$. The well-known gradient, data term minus model term of $x_ih_j$, is then minus the
gradient of the likelihood, and a training loop written for ascent goes down. For the smallest machine, one visible and
one hidden unit, no biases, $w = \frac12$ and the datum 1, the formula says $+0.209$ and small differences say $-0.209$.
""",
    cases=_rbms,
    properties=(
        Property("e^(−F) is the sum of e^(−E) over all hidden states", _summed),
        Property("the first probabilities are those of an enumeration of all hidden states", _share),
    ),
)
