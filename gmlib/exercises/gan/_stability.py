"""Chapter 14, stability: how much damping is best, and what each update rule does to a rotation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, uniform


def _strengths(generator: torch.Generator) -> Cases:
    cases: Cases = [{"gamma": torch.tensor([0.0, 0.1, 1.0, 3.0], dtype=F64), "slope": 0.5}]
    for slope in (1.0, 0.7):
        weak, strong = 2 * slope * uniform(generator, 2), 2 * slope * (1 + uniform(generator, 3))
        cases.append({"gamma": torch.cat([weak, strong]), "slope": slope})
    return cases


def _never_faster(case: Any, found: Tensor) -> bool:
    return bool(((found[:, 0] >= 0) & (found[:, 0] <= case["slope"] + 1e-6)).all())


DAMPING = Exercise(
    id="gan.damping",
    title="The best damping",
    chapter="14_gans",
    section="sec-14-regularised",
    difficulty=2,
    minutes=25,
    statement=r"""
R1 adds $\frac\gamma2\mathbb E_p\lVert\nabla_x D\rVert^2$ to the critic's loss, {eq}`eq-14-r1`. In DiracGAN that is
$\frac\gamma2\varphi^2$, and near the equilibrium the flow becomes

$$
\dot\varphi = \psi'(0)\,\theta - \gamma\varphi, \qquad \dot\theta = -\psi'(0)\,\varphi .
$$

Find the eigenvalues $\xi$. From a start in general position the distance to the equilibrium falls like $e^{-\rho t}$ in
the long run: what is $\rho$, and with which angular frequency $\omega$ does the path turn? Which $\gamma$ makes $\rho$
largest? Write `rate_and_frequency(gamma, slope)`: $\rho$ and $\omega$ for each $\gamma$, with $\psi'(0)$ in `slope`.
""",
    answer="rate_and_frequency",
    stub="""
def rate_and_frequency(gamma, slope):
    # gamma: (n,), strengths of the penalty; slope: the number psi'(0) > 0.
    # Returns (n, 2): the rate of decay in the long run, and the frequency.
    ...
""",
    reference="""
def rate_and_frequency(gamma, slope):
    inside = gamma**2 - 4 * slope**2
    root = torch.sqrt(inside.clamp(min=0))
    rate = (gamma - root) / 2
    frequency = torch.sqrt((-inside).clamp(min=0)) / 2
    return torch.stack([rate, frequency], -1)
""",
    mistakes=(
        Mistake(
            "the-faster-one",
            (("gamma - root", "gamma + root"),),
            "You took the eigenvalue that dies first. Which of the two is seen in the long run?",
        ),
        Mistake(
            "more-is-better",
            (("(gamma - root) / 2", "gamma / 2"),),
            "Your rate grows with γ for ever. When the root is real, what does it do to the two eigenvalues?",
        ),
        Mistake(
            "penalty-without-half",
            (("gamma**2 - 4", "4 * gamma**2 - 4"), ("(gamma - root)", "(2 * gamma - root)")),
            "That is the penalty γφ². What stands in front of the square, and what is its derivative?",
        ),
        Mistake(
            "both-players-damped",
            (
                ("rate = (gamma - root) / 2", "rate = gamma + 0 * root"),
                ("torch.sqrt((-inside).clamp(min=0)) / 2", "slope + 0 * gamma"),
            ),
            "You damped the generator too. Whose loss has the penalty, and which of the two letters does it contain?",
        ),
        Mistake(
            "no-4-in-the-root",
            (("4 * slope**2", "slope**2"),),
            "Put γ = 0: the path should turn with the frequency ψ′(0). What stands under the root of a quadratic "
            "equation?",
        ),
        Mistake(
            "frequency-of-the-free-game",
            (("torch.sqrt((-inside).clamp(min=0)) / 2", "slope + 0 * gamma"),),
            "Your frequency is that of the game without penalty. Does a strongly damped path turn at all?",
        ),
    ),
    hints=(
        r"The matrix is $\begin{pmatrix}-\gamma & \psi' \\ -\psi' & 0\end{pmatrix}$: trace and determinant give the "
        r"quadratic equation.",
        r"A door with a weak closer swings, one with a strong closer creeps. Where is the border?",
    ),
    solution=r"""
Trace $-\gamma$, determinant $\psi'^2$: $\xi^2 + \gamma\xi + \psi'^2 = 0$ and
$\xi = \frac{-\gamma \pm \sqrt{\gamma^2 - 4\psi'^2}}2$. For $\gamma < 2\psi'$ the two are complex, with the real part
$-\frac\gamma2$ and the frequency $\omega = \frac12\sqrt{4\psi'^2 - \gamma^2}$. For $\gamma > 2\psi'$ they are real, and
the slower one, with the root added, decides: $\rho = \frac{\gamma - \sqrt{\gamma^2 - 4\psi'^2}}2 =
\frac{2\psi'^2}{\gamma + \sqrt{\gamma^2 - 4\psi'^2}}$, which *falls* in $\gamma$ and goes to 0 like $\psi'^2/\gamma$.
The best is the border, $\gamma = 2\psi'(0)$, with $\rho = \psi'(0)$: for the logistic loss $\gamma = 1$ and a double
eigenvalue $-\frac12$. A strong penalty keeps the critic so flat that the generator hardly learns where to go.
""",
    cases=_strengths,
    properties=(
        Property("the rate is never negative and never exceeds ψ′(0)", _never_faster),
        Property(
            "without a penalty nothing decays",
            lambda case, found: bool((found[case["gamma"] == 0, 0].abs() < 1e-9).all()),
        ),
    ),
)


def _steps(generator: torch.Generator) -> Cases:
    return [
        {"eta": torch.tensor([0.5, 0.1], dtype=F64)},
        {"eta": 0.2 + 0.7 * uniform(generator, 3)},
        {"eta": 1.1 + uniform(generator, 2)},
    ]


def _sides(case: Any, found: Tensor) -> bool:
    return bool((found[:, 0] > 1).all() and (found[:, 2] < 1).all())


MODULI = Exercise(
    id="gan.moduli",
    title="Four rules on a rotation",
    chapter="14_gans",
    section="sec-14b-extragradient",
    difficulty=3,
    minutes=35,
    statement=r"""
The linear DiracGAN is a rotation: with $w = \theta + i\varphi$ its flow is $\dot w = iw$, so every rule that is linear
multiplies $w$ by a number $R(i\eta)$ in each step of size $\eta$. Find $\lvert R\rvert$ for

1. simultaneous steps,
2. extragradient: take a trial step, and then move from the *old* point with the field of the trial point,
3. competitive gradient descent, which here solves $w' = w + i\eta w'$ (both players answer each other's new move),
4. the Runge–Kutta method of order 4.

Which converge, and for which $\eta$? Write `moduli_of_rules(eta)`, the four numbers for each step.
""",
    answer="moduli_of_rules",
    stub="""
def moduli_of_rules(eta):
    # eta: (n,), step sizes. Returns (n, 4): the moduli of simultaneous steps,
    # extragradient, competitive gradient descent, Runge-Kutta.
    ...
""",
    reference="""
def moduli_of_rules(eta):
    turn = 1j * eta
    simultaneous = 1 + turn
    extragradient = 1 + turn * (1 + turn)
    competitive = 1 / (1 - turn)
    runge_kutta = 1 + turn + turn**2 / 2 + turn**3 / 6 + turn**4 / 24
    return torch.stack([simultaneous, extragradient, competitive, runge_kutta], -1).abs()
""",
    mistakes=(
        Mistake(
            "squares",
            (("-1).abs()", "-1).abs() ** 2"),),
            "Your numbers are the factors of the squared radius. What is asked for?",
        ),
        Mistake(
            "real-field",
            (("turn = 1j * eta", "turn = eta + 0j"),),
            "Your field points away from 0, as if the players agreed. At which angle to the position does it stand in a "
            "zero-sum game?",
        ),
        Mistake(
            "from-the-trial-point",
            (("1 + turn * (1 + turn)", "(1 + turn) * (1 + turn)"),),
            "Two steps instead of one: you moved on from the trial point. From where does extragradient start its "
            "second move?",
        ),
        Mistake(
            "midpoint",
            (("1 + turn * (1 + turn)", "1 + turn * (1 + turn / 2)"),),
            "Your trial step goes half the way. That rule follows the circle more closely, and leaves it outwards. How "
            "long is the trial step of extragradient?",
        ),
        Mistake(
            "answers-the-old-move",
            (("competitive = 1 / (1 - turn)", "competitive = 1 + turn"),),
            "Your competitive players answer each other's old moves: that is the first rule. Solve for w′.",
        ),
        Mistake(
            "order-2",
            ((" + turn**3 / 6 + turn**4 / 24", ""),),
            "Your Runge–Kutta method is of order 2. How far does the series of the exponential go in order 4?",
        ),
    ),
    hints=(
        r"Put $\dot w = iw$ into each rule and collect the factor of $w$.",
        r"For a linear field a Runge–Kutta method of order 4 with four stages is the exponential series up to the fourth "
        r"power.",
    ),
    solution=r"""
With $i\eta$ for the step: $R = 1 + i\eta$; $R = 1 + i\eta(1 + i\eta)$; $R = \frac1{1 - i\eta}$; $R = \sum_{k \le 4}
\frac{(i\eta)^k}{k!}$. So

$$
\sqrt{1 + \eta^2}, \qquad \sqrt{1 - \eta^2 + \eta^4}, \qquad \frac1{\sqrt{1 + \eta^2}}, \qquad
\sqrt{1 - \frac{\eta^6}{72} + \frac{\eta^8}{576}} .
$$

The first is above 1 for every step. Extragradient converges for $0 < \eta < 1$, and fastest at $\eta^2 = \frac12$, with
the factor $\sqrt{3/4}$; competitive gradient descent for every $\eta$, at the price of solving a linear system; on this
game it is the implicit Euler method. Runge–Kutta converges for $\eta < 2\sqrt2$, but slowly: at $\eta = \frac12$ a
step takes a ten-thousandth off the radius. It follows the flow, and the flow does not converge.
""",
    cases=_steps,
    properties=(Property("the first rule moves outwards, the third inwards, for every step", _sides),),
)
