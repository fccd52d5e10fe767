"""Chapter 06, memory: margins of Hebb's rule, an energy that falls, crosstalk, and attention as a step of recall."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.energy._cases import Cases, letters, normal, signs, symmetric
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _memories(generator: torch.Generator) -> Cases:
    four = letters()
    walsh = torch.ones(1, 1, dtype=four.dtype)
    for _ in range(4):
        walsh = torch.cat([torch.cat([walsh, walsh], 1), torch.cat([walsh, -walsh], 1)])
    orthogonal = walsh[[1, 2, 4]]
    mixture = torch.sign(orthogonal.sum(0, keepdim=True))
    kept, one = signs(generator, 3, 7), signs(generator, 1, 5)
    other = signs(generator, 2, 7)
    return [
        {"patterns": four, "x": torch.cat([four, -four])},
        {"patterns": orthogonal, "x": torch.cat([mixture, -mixture])},
        {"patterns": kept, "x": torch.cat([kept, other, -kept, -other])},
        {"patterns": one, "x": torch.cat([one, -one])},
    ]


def _mirrored(case: Any, found: Tensor) -> bool:
    n = len(found) // 2
    return torch.allclose(found[:n], found[n:], rtol=1e-5)


def _alone(case: Any, found: Tensor) -> bool:
    patterns = case["patterns"]
    return len(patterns) > 1 or torch.allclose(found, torch.full_like(found, patterns.shape[1] - 1.0))


MARGINS = Exercise(
    id="energy.margins",
    title="Letters, negatives and mixtures",
    chapter="06_hopfield_rbm",
    section="sec-06-letters",
    difficulty=2,
    minutes=25,
    statement=r"""
Hebb's rule {eq}`eq-06-hebb` stores $K$ patterns; a state $x$ stays as it is when all its margins {eq}`eq-06-margin`,
$x_ia_i$ with $a = Wx$, are positive. (a) Show that $-x$ is as stable as $x$. What would a bias change? (b) Let the
patterns be orthogonal, $x^{(k)}\cdot x^{(l)} = 0$ for $k \neq l$. What are the margins of a stored pattern? (c) Let
$m = \operatorname{sgn}(x^{(1)} + x^{(2)} + x^{(3)})$, and let the overlaps of $m$ with these three be $\frac12$ and
with all others 0. What is the smallest margin of $m$, a memory that nobody stored?

Write `smallest_margins(patterns, x)`: for each row of `x` its smallest margin under the weights that store `patterns`.
""",
    answer="smallest_margins",
    stub="""
def smallest_margins(patterns, x):
    # patterns: (K, d), entries +1 and -1; x: (n, d), states to be tried.
    # Returns the smallest margin of each state, (n,).
    ...
""",
    reference="""
def smallest_margins(patterns, x):
    weights = patterns.T @ patterns
    weights = weights - torch.diag(torch.diag(weights))
    return (x * (x @ weights)).min(-1).values
""",
    mistakes=(
        Mistake(
            "diagonal-kept",
            (("weights - torch.diag(torch.diag(weights))", "weights * 1.0"),),
            "All your margins are too large by the same number, and every state looks more stable than it is. A neuron "
            "that listens to itself always agrees. What is w_ii?",
        ),
        Mistake(
            "sign-forgotten",
            (("(x * (x @ weights))", "(x @ weights)"),),
            "Your x and −x differ. A positive activation is good news for a unit that is at +1; what is it for one at −1?",
        ),
        Mistake(
            "mean-margin",
            ((".min(-1).values", ".mean(-1)"),),
            "Your number is an average over the units. Is a state with one unstable unit stable?",
        ),
        Mistake(
            "size-of-the-activation",
            (("(x * (x @ weights))", "(x @ weights).abs()"),),
            "Your margins are never negative, so every state would be stable. Can a unit not disagree with its input?",
        ),
        Mistake(
            "averaged",
            (("patterns.T @ patterns", "patterns.T @ patterns / patterns.shape[1]"),),
            "Right up to one factor, the number of units. Does the rule of this chapter add, or average?",
        ),
    ),
    hints=(
        r"Write $a = \sum_k x^{(k)}\,(x^{(k)}\cdot x) - Kx$. Where does the last term come from?",
        r"In a unit where two of three patterns agree, what is $m_i(x^{(1)} + x^{(2)} + x^{(3)})_i$?",
    ),
    solution=r"""
(a) $a(-x) = -a(x)$ without biases, so $(-x_i)\,a_i(-x) = x_ia_i(x)$: the same margins. A bias adds $b_ix_i$ to the one
and takes it off the other. (b) The diagonal of $\sum_k x^{(k)}x^{(k)\top}$ is $K$ in every place, so
$a = \sum_k x^{(k)}\,(x^{(k)}\cdot x) - Kx$. For a stored pattern only its own term is left, and all margins are
$d - K$. (c) For $m$ the three products are $\frac d2$ each, so

$$
m_ia_i = \tfrac d2\, m_i\big(x^{(1)} + x^{(2)} + x^{(3)}\big)_i - K .
$$

Where all three agree the sum is 3, where two do it is 1. The smallest margin is $\frac d2 - K$: the mixture is stable
as long as $K < \frac d2$. The rule cannot store three valleys without making another between them. On the four letters,
which are not orthogonal, the smallest margin of a letter is 6; with the diagonal left in it would seem to be 10.
""",
    cases=_memories,
    properties=(
        Property("a state and its negative have the same smallest margin", _mirrored),
        Property("when one pattern is stored, its margins are d − 1", _alone),
    ),
)


def _walks(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for d in (4, 5, 6):
        order = torch.cat([torch.randperm(d, generator=generator) for _ in range(2)])
        bias = 1.5 * normal(generator, d)
        cases.append(
            {"weights": symmetric(generator, d), "bias": bias, "x": signs(generator, d), "order": order}
        )
    return cases


def _starts(case: Any, found: Tensor) -> bool:
    weights, bias, x = case["weights"], case["bias"], case["x"]
    pairs = sum(weights[i, j] * x[i] * x[j] for i in range(len(x)) for j in range(i))
    return torch.allclose(found[0], -pairs - bias @ x, rtol=1e-5)


LYAPUNOV = Exercise(
    id="energy.lyapunov",
    title="The energy falls, one unit at a time",
    chapter="06_hopfield_rbm",
    section="sec-06-descent",
    difficulty=2,
    minutes=25,
    statement=r"""
Let $E(x) = -\frac12x^\top Wx - b^\top x$, {eq}`eq-06-energy`, with $W$ symmetric and 0 on its diagonal, and let unit
$i$ be updated to $\operatorname{sgn}(a_i)$, $a_i = \sum_jw_{ij}x_j + b_i$, with $\operatorname{sgn}(0) = +1$. (a)
Derive $\Delta E = -\Delta x_i\,a_i$, {eq}`eq-06-descent`, and show that it is never positive. Where did you use the
$\frac12$, the symmetry, the diagonal, and that one unit moves? (b) Why does the network come to rest after finitely
many changes, in spite of ties? (c) What does a diagonal $w_{ii} \neq 0$ do to $\Delta E$?

Write `energies_on_the_way(weights, bias, x, order)`: the energy at the start and after each update, when the units of
`order` are updated one after the other.
""",
    answer="energies_on_the_way",
    stub="""
def energies_on_the_way(weights, bias, x, order):
    # weights: (d, d), symmetric, diagonal 0; bias: (d,); x: (d,), entries +1
    # and -1; order: (m,), numbers of units. Returns m + 1 energies.
    ...
""",
    reference="""
def energies_on_the_way(weights, bias, x, order):
    def energy(state):
        return -0.5 * state @ weights @ state - bias @ state

    path = [energy(x)]
    for i in order.tolist():
        activation = weights[i] @ x + bias[i]
        x = x.clone()
        x[i] = 1.0 if activation >= 0 else -1.0
        path.append(energy(x))
    return torch.stack(path)
""",
    mistakes=(
        Mistake(
            "no-half",
            (("-0.5 * state @", "-state @"),),
            "This is not the energy of the sum over pairs, and with biases it can rise. Count how often each pair occurs "
            "in your double sum.",
        ),
        Mistake(
            "bias-not-heard",
            (("weights[i] @ x + bias[i]", "weights[i] @ x"),),
            "Your units do not hear their biases, but the energy does, and so it can rise. What is a_i the slope of?",
        ),
        Mistake(
            "all-at-once",
            (
                (
                    "x = x.clone()\n        x[i] = 1.0 if activation >= 0 else -1.0",
                    "x = 1 - 2 * (weights @ x + bias < 0).to(x)",
                ),
            ),
            "You update every unit at each step. The proof moves one unit. Where did it use that?",
        ),
        Mistake(
            "start-remembered",
            (
                ("path = [energy(x)]", "path, start = [energy(x)], x"),
                ("weights[i] @ x", "weights[i] @ start"),
            ),
            "All your units look at the state of the start. Who has moved in the meantime?",
        ),
        Mistake(
            "upside-down",
            (
                (
                    "-0.5 * state @ weights @ state - bias @ state",
                    "0.5 * state @ weights @ state + bias @ state",
                ),
            ),
            "Your numbers never fall. Should a state whose units agree with their inputs lie in a valley or on a hill?",
        ),
        Mistake(
            "bias-sign",
            (("- bias @ state", "+ bias @ state"),),
            "Set W to 0: every unit goes to the sign of its bias, and your energy rises. With which sign does the bias "
            "enter?",
        ),
    ),
    hints=(
        r"Collect the terms of $E$ that contain $x_i$. There are two sums with $w_{ij}x_ix_j$, one for each order of "
        r"the indices.",
        r"$\Delta x_i$ is 0 or twice the new state. Which sign has the new state?",
    ),
    solution=r"""
(a) The terms of $E$ with $x_i$ in them are $-\frac12\sum_{j\neq i}(w_{ij} + w_{ji})x_ix_j - b_ix_i$. Symmetry makes the
bracket $2w_{ij}$, the $\frac12$ takes the 2 away, the diagonal adds no $x_i^2$, and since only unit $i$ moves,
$\Delta E = -\Delta x_i\big(\sum_jw_{ij}x_j + b_i\big)$. If the unit changes, the new $x_i$ has the sign of $a_i$ and
$\Delta x_i = 2x_i$, so $\Delta E = -2\lvert a_i\rvert \le 0$. (b) There are $2^d$ states. A change with $a_i \neq 0$
lowers the energy, and a change with $a_i = 0$ goes from $-1$ to $+1$ at the same energy: the pair (energy, number of
units at $-1$) falls in the order of a dictionary with every change, and can do so only finitely often. (c) $E$ gets the
constant $-\frac12\sum_iw_{ii}$, but the activation gets $w_{ii}x_i$, and
$\Delta E = -\Delta x_i\,a_i - \frac12w_{ii}(\Delta x_i)^2$ if both are computed with the diagonal. A positive one makes
units stubborn and adds fixed points; a negative one can make the energy rise.
""",
    cases=_walks,
    properties=(
        Property("the energy never rises", lambda case, found: bool((found.diff() <= 1e-5).all())),
        Property("at the start it is minus the sum over pairs, minus that of the biases", _starts),
    ),
)


def _loads(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, low in ((3, 30), (4, 100), (3, 400)):
        d = torch.randint(low, 2 * low, (n,), generator=generator).to(torch.float64)
        share = 0.12 + 0.4 * torch.rand(n, generator=generator, dtype=d.dtype)
        cases.append({"d": d, "number": (share * d).round()})
    return cases


CROSSTALK = Exercise(
    id="energy.crosstalk",
    title="How many memories?",
    chapter="06_hopfield_rbm",
    section="sec-06-capacity",
    difficulty=2,
    minutes=30,
    statement=r"""
Store $K$ patterns of $d$ independent signs by Hebb's rule {eq}`eq-06-hebb` and look at the margin $x_ia_i$ of one unit
in one of them. (a) Split it into a part from the pattern itself and the crosstalk from the $K - 1$ others. How many
terms has the crosstalk, and what are their law and their correlations? (b) Find mean and variance of the margin,
exactly. (c) Take the crosstalk for normal: what is the chance that the unit is unstable? Compare with
{eq}`eq-06-crosstalk`. (d) For $d = 1000$, how many patterns until one bit of a pattern is unstable, on average?

Write `crosstalk_law(d, number)`: for each pair, the mean, the variance and the chance of (c).
""",
    answer="crosstalk_law",
    stub="""
def crosstalk_law(d, number):
    # d, number: (n,), units and stored patterns (at least two) of n networks.
    # Returns (n, 3): mean and variance of a margin, chance that it is negative.
    ...
""",
    reference="""
def crosstalk_law(d, number):
    mean = d - 1
    variance = (number - 1) * (d - 1)
    unstable = 0.5 * torch.erfc(mean / torch.sqrt(2 * variance))
    return torch.stack([mean, variance, unstable], -1)
""",
    mistakes=(
        Mistake(
            "amplitudes-added",
            (("variance = (number - 1) * (d - 1)", "variance = (number - 1) ** 2 * (d - 1)"),),
            "Your other patterns all push the same way. What is the variance of a sum of independent signs?",
        ),
        Mistake(
            "own-pattern-as-noise",
            (("(number - 1) *", "number *"),),
            "With one pattern stored your margin would still be random. How many patterns are there besides the own one?",
        ),
        Mistake(
            "diagonal-kept",
            (("mean = d - 1", "mean = d - 1 + number"),),
            "Your mean grows with the number of patterns: storing more would make each safer. Which entry of W grows so, "
            "and is it kept?",
        ),
        Mistake(
            "variance-for-deviation",
            (("torch.sqrt(2 * variance)", "(2**0.5 * variance)"),),
            "Mean and variance are right, the chance is near one half. How many standard deviations away is 0?",
        ),
        Mistake(
            "both-tails",
            (("0.5 * torch.erfc", "torch.erfc"),),
            "Twice the chance. On how many sides of the mean does a unit go wrong?",
        ),
        Mistake(
            "other-side",
            (("torch.erfc(mean", "torch.erfc(-mean"),),
            "Your last number is the chance that the unit is stable. Which one is asked for?",
        ),
    ),
    hints=(
        r"$x_ia_i = \sum_k\sum_{j\neq i}x_ix^{(k)}_ix^{(k)}_jx_j$. What is each term for the pattern itself?",
        r"For another pattern, fix $x$: the signs $x_ix^{(k)}_i$ and $x_jx^{(k)}_j$ are independent and fair. Are two "
        r"of their products correlated?",
        r"A normal variable of mean $\mu$ and variance $\tau^2$ is negative with the chance "
        r"$\Phi(-\mu/\tau) = \frac12\operatorname{erfc}(\mu/\sqrt{2\tau^2})$.",
    ),
    solution=r"""
(a) The pattern itself gives $\sum_{j\neq i}1 = d - 1$. Each of the $(K - 1)(d - 1)$ other terms is a product of fair
independent signs, hence itself a fair sign, and any two of them are uncorrelated, because at least one sign occurs in
only one of them. (b) So the mean is $d - 1$ and the variance exactly $(K - 1)(d - 1)$. (c)

$$
P(x_ia_i < 0) \approx \Phi\Big(-\sqrt{\tfrac{d - 1}{K - 1}}\Big) \approx \Phi\big(-\sqrt{d/K}\big),
$$

which depends on the load $K/d$ only. (d) $1000\,\Phi(-\sqrt{d/K}) = 1$ where $\sqrt{d/K} = 3.09$, so $K \approx 105$. A
thousandth of the bits is unstable at first. It is another question what becomes of the pattern when these flip and pull
others with them: in large networks, above the load 0.138, they take the whole pattern along, see {eq}`eq-06-overlap`.
""",
    cases=_loads,
    properties=(
        Property(
            "a margin is more often positive than negative",
            lambda case, found: bool(((found[:, 2] > 0) & (found[:, 2] < 0.5)).all()),
        ),
        Property(
            "mean² / variance is (d − 1) / (K − 1), whatever the sizes are",
            lambda case, found: torch.allclose(
                found[:, 0] ** 2 / found[:, 1], (case["d"] - 1) / (case["number"] - 1), rtol=1e-5
            ),
        ),
    ),
)


def _queries(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for number, d, n, inv_temp in ((3, 4, 2, 0.5), (4, 3, 4, 1.3), (2, 5, 3, 0.8)):
        patterns = normal(generator, number, d)
        cases.append({"patterns": patterns, "queries": normal(generator, n, d), "inv_temp": inv_temp})
    return cases


def _within(case: Any, found: Tensor) -> bool:
    d = case["patterns"].shape[1]
    low, high = case["patterns"].min(0).values, case["patterns"].max(0).values
    return bool(((found[:, :d] >= low - 1e-6) & (found[:, :d] <= high + 1e-6)).all())


ATTENTION = Exercise(
    id="energy.attention",
    title="Attention is a step of recall",
    chapter="06_hopfield_rbm",
    section="sec-06-modern",
    difficulty=3,
    minutes=35,
    statement=r"""
Let $x^{(1)}, \dots, x^{(K)}$ be the rows of $X$, and

$$
E(x) = -\frac1\beta\log\sum_k e^{\beta\,x^{(k)}\cdot x} + \frac12\,x\cdot x .
$$

(a) Show that $E$ stands still exactly where $x = X^\top\operatorname{softmax}(\beta Xx)$, and compare one application
of the right side, {eq}`eq-06-modern-update`, with {eq}`eq-06-attention`: what are queries, keys, values, and $\beta$?
(b) Show that this step never raises $E$. The first term is concave: replace it by its tangent plane at the old point.

Write `attend_and_energies(patterns, queries, inv_temp)`: for each query the new state, then the energy before and the
energy after.
""",
    answer="attend_and_energies",
    stub="""
def attend_and_energies(patterns, queries, inv_temp):
    # patterns: (K, d), the stored rows; queries: (n, d); inv_temp: beta.
    # Returns (n, d + 2): the new state, energy before, energy after.
    ...
""",
    reference="""
def attend_and_energies(patterns, queries, inv_temp):
    def energy(x):
        fit = torch.logsumexp(inv_temp * x @ patterns.T, -1) / inv_temp
        return -fit + 0.5 * x.square().sum(-1)

    attention = torch.softmax(inv_temp * queries @ patterns.T, -1)
    recalled = attention @ patterns
    energies = torch.stack([energy(queries), energy(recalled)], -1)
    return torch.cat([recalled, energies], -1)
""",
    mistakes=(
        Mistake(
            "softmax-over-queries",
            (("patterns.T, -1)\n    recalled", "patterns.T, 0)\n    recalled"),),
            "What one query recalls depends on the other queries. Over which index must the weights sum to 1?",
        ),
        Mistake(
            "temperature-in-the-energy-only",
            (("torch.softmax(inv_temp * queries", "torch.softmax(queries"),),
            "Your energy knows the temperature and your step does not. What should a very large β recall?",
        ),
        Mistake(
            "scaled-twice",
            (
                (
                    "torch.softmax(inv_temp * queries",
                    "torch.softmax(inv_temp / len(patterns[0]) ** 0.5 * queries",
                ),
            ),
            "Your step is softer than asked. Attention has the factor 1/√d: which letter stands for it here?",
        ),
        Mistake(
            "not-divided-by-beta",
            (("patterns.T, -1) / inv_temp", "patterns.T, -1)"),),
            "The new state is right. Where does your energy stand still: compare the gradients of its two terms.",
        ),
        Mistake(
            "no-half",
            (("0.5 * x.square()", "x.square()"),),
            "The new state is right. What is the gradient of your second term, and which equation should it give?",
        ),
        Mistake(
            "best-pattern-only",
            (
                (
                    "torch.softmax(inv_temp * queries @ patterns.T, -1)",
                    "torch.nn.functional.one_hot((queries @ patterns.T).argmax(-1), len(patterns)).to(queries)",
                ),
            ),
            "That is the step at temperature 0, the nearest memory by overlap. What do the others contribute at this β?",
        ),
    ),
    hints=(
        r"$\nabla\log\sum_ke^{\beta x^{(k)}\cdot x} = \beta\sum_kp_kx^{(k)}$ with "
        r"$p = \operatorname{softmax}(\beta Xx)$.",
        r"A concave function lies below its tangent planes. What is the minimum of a plane plus $\frac12x\cdot x$?",
    ),
    solution=r"""
(a) $\nabla E(x) = -X^\top\operatorname{softmax}(\beta Xx) + x$. The step replaces $x$ by
$X^\top\operatorname{softmax}(\beta Xx)$: for several states at once, as rows of $Q$, it is
$\operatorname{softmax}(\beta QX^\top)X$, attention with the stored patterns as keys and as values, and with
$\beta = 1/\sqrt d$. (b) Call the first term $-f(x)$; $f$ is a log-sum of exponentials of linear functions, hence
convex, so $-f$ is concave and

$$
E(x) \le G(x) := -f(x_\mathrm{old}) - \nabla f(x_\mathrm{old})\cdot(x - x_\mathrm{old}) + \tfrac12\,x\cdot x ,
$$

with equality at $x_\mathrm{old}$. The right side is a parabola whose minimum is at
$x = \nabla f(x_\mathrm{old}) = X^\top\operatorname{softmax}(\beta Xx_\mathrm{old})$, which is the step. Hence
$E(x_\mathrm{new}) \le G(x_\mathrm{new}) \le G(x_\mathrm{old}) = E(x_\mathrm{old})$, and the parabola says by how much
at least: $\frac12\lVert x_\mathrm{new} - x_\mathrm{old}\rVert^2$. This is the concave–convex procedure; it needs no
step size and no order of the units.
""",
    cases=_queries,
    properties=(
        Property(
            "the energy does not rise",
            lambda case, found: bool((found[:, -1] <= found[:, -2] + 1e-6).all()),
        ),
        Property("what is recalled lies between the stored patterns, unit by unit", _within),
    ),
)
