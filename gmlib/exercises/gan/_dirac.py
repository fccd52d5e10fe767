"""Chapter 14, DiracGAN: simultaneous play spirals out, alternating play keeps an invariant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, normal, uniform, with_slope


def _games(generator: torch.Generator) -> Cases:
    one = torch.tensor(1.0, dtype=F64)
    cases: Cases = [{"slope": "linear", "phi": one, "theta": one.clone(), "eta": 0.5, "steps": 3}]
    for name, eta, steps in (("logistic", 0.5, 4), ("logistic", 1.0, 3), ("linear", 0.3, 2)):
        phi, theta = 1 + uniform(generator), -1 - uniform(generator)
        cases.append({"slope": name, "phi": phi, "theta": theta, "eta": eta, "steps": steps})
    return cases


def _outwards(case: Any, found: Tensor) -> bool:
    radius = found.square().sum(-1)
    if case["slope"] == "linear":
        return torch.allclose(radius[1:], radius[:-1] * (1 + case["eta"] ** 2), rtol=1e-5)
    return bool((radius.diff() > 0).all())


PLAY = Exercise(
    id="gan.dirac",
    title="DiracGAN, both players at once",
    chapter="14_gans",
    section="sec-14-simultaneous",
    difficulty=2,
    minutes=25,
    statement=r"""
The data are one point, 0; the generator is one point, $\theta$; the critic is the line $D(x) = \varphi x$. The critic
ascends and the generator descends on $V(\varphi, \theta) = \psi(\varphi\theta) + \psi(0)$, the game
{eq}`eq-14-dirac`, with $\psi(u) = u$ or $\psi(u) = -\log(1 + e^{-u})$. Both take steps of size $\eta$, at the same time.

(a) Write one step as a formula. (b) Show that it multiplies $\varphi^2 + \theta^2$ by $1 + \eta^2\psi'(\varphi\theta)^2$.
What follows for small $\eta$? Write `simultaneous_path(slope, phi, theta, eta, steps)`, with `slope` the function
$\psi'$, which returns the path, start included.
""",
    answer="simultaneous_path",
    stub="""
def simultaneous_path(slope, phi, theta, eta, steps):
    # slope: the derivative of psi, a function of a tensor; phi, theta: tensors
    # of shape (); eta: the step. Returns (steps + 1, 2), rows (phi, theta).
    ...
""",
    reference="""
def simultaneous_path(slope, phi, theta, eta, steps):
    path = [torch.stack([phi, theta])]
    for _ in range(steps):
        push = slope(phi * theta)
        phi, theta = phi + eta * push * theta, theta - eta * push * phi
        path.append(torch.stack([phi, theta]))
    return torch.stack(path)
""",
    mistakes=(
        Mistake(
            "new-phi",
            (
                (
                    "phi, theta = phi + eta * push * theta, theta - eta * push * phi",
                    "phi = phi + eta * push * theta\n        theta = theta - eta * slope(phi * theta) * phi",
                ),
            ),
            "Your second player already knows the first one's move, and with linear ψ the path stays on an ellipse. "
            "Freeze both players, then move both.",
        ),
        Mistake(
            "half-new-phi",
            (
                (
                    "phi, theta = phi + eta * push * theta, theta - eta * push * phi",
                    "phi = phi + eta * push * theta\n        theta = theta - eta * push * phi",
                ),
            ),
            "Your slope is that of the start of the step, your φ that of its end. Freeze both players, then move both.",
        ),
        Mistake(
            "both-ascend",
            (("theta - eta", "theta + eta"),),
            "Your players agree and run away along a diagonal. Who of the two wants V to be small?",
        ),
        Mistake(
            "roles-exchanged",
            (
                (
                    "phi + eta * push * theta, theta - eta * push * phi",
                    "phi - eta * push * theta, theta + eta * push * phi",
                ),
            ),
            "Your path turns the other way round. Who of the two ascends?",
        ),
        Mistake(
            "own-letter",
            (("push * theta, theta - eta * push * phi", "push * phi, theta - eta * push * theta"),),
            "Each of your players is pushed by itself. What is the derivative of φθ with respect to φ?",
        ),
        Mistake(
            "slope-at-rest",
            (("slope(phi * theta)", "slope(0 * phi)"),),
            "Right for the linear ψ. Where is ψ′ to be taken when it is not constant?",
        ),
    ),
    hints=(
        r"$\partial_\varphi V = \psi'(\varphi\theta)\,\theta$ and $\partial_\theta V = \psi'(\varphi\theta)\,\varphi$.",
        r"The step is at right angles to $(\varphi, \theta)$. Pythagoras.",
    ),
    solution=r"""
With $\psi' = \psi'(\varphi\theta)$ at the old point, $\varphi \leftarrow \varphi + \eta\psi'\theta$ and
$\theta \leftarrow \theta - \eta\psi'\varphi$. The step is $\eta\psi'\,(\theta, -\varphi)$, at right angles to the position
and of the length $\eta\lvert\psi'\rvert$ times the radius, so the squared radius is multiplied by
$1 + \eta^2\psi'(\varphi\theta)^2$. That is more than 1 for *every* $\eta > 0$: the players move away from the only
equilibrium, small steps only make it slower. With linear $\psi$ and $\eta = \frac12$ each step multiplies the radius by
$\sqrt{1.25} = 1.118$. Over a fixed time $T = K\eta$ the radius grows by about the factor $e^{T\eta/2}$, which tends to 1.
In code the pitfall is the order of two assignments: the second must not see the result of the first.
""",
    cases=_games,
    call=with_slope,
    properties=(
        Property(
            "no step brings the players nearer to 0, and with linear ψ each multiplies the squared radius by 1 + η²",
            _outwards,
        ),
        Property(
            "the first row is the start",
            lambda case, found: torch.allclose(found[0], torch.stack([case["phi"], case["theta"]])),
        ),
    ),
)


def _points(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, fast, slow in ((1, 0.5, 0.5), (2, 0.8, 0.2), (3, 0.3, 1.1)):
        phi = normal(generator, n) if cases else torch.ones(1, dtype=F64)
        theta = normal(generator, n) if cases else torch.ones(1, dtype=F64)
        # The second half of the states is the first half, a round later.
        after = phi + fast * theta
        both = torch.cat([phi, after]), torch.cat([theta, theta - slow * after])
        cases.append({"phi": both[0], "theta": both[1], "eta_phi": fast, "eta_theta": slow})
    return cases


def _same_a_round_later(case: Any, found: Tensor) -> bool:
    n = len(found) // 2
    return torch.allclose(found[:n], found[n:], rtol=1e-5, atol=1e-6)


INVARIANT = Exercise(
    id="gan.invariant",
    title="What alternating play conserves",
    chapter="14_gans",
    section="sec-14-alternating",
    difficulty=3,
    minutes=35,
    statement=r"""
DiracGAN with $\psi(u) = u$, players with their own steps ($\eta$ times their rates), and the critic first:

$$
\varphi \leftarrow \varphi + \eta_\varphi\,\theta, \qquad \theta \leftarrow \theta - \eta_\theta\,\varphi \quad
\text{with the new } \varphi .
$$

(a) What does the flow $\dot\varphi = \eta_\varphi\theta$, $\dot\theta = -\eta_\theta\varphi$ conserve? (b) Find a quadratic
form $\varphi^2 + B\varphi\theta + C\theta^2$ that a round of play leaves as it is. (c) For which steps is it positive
definite, and what happens otherwise? Write `conserved_form(phi, theta, eta_phi, eta_theta)`, the form at each pair.
""",
    answer="conserved_form",
    stub="""
def conserved_form(phi, theta, eta_phi, eta_theta):
    # phi, theta: (n,), states of n games; eta_phi, eta_theta: the steps of the
    # critic and of the generator. Returns the form (1 for phi^2) there, (n,).
    ...
""",
    reference="""
def conserved_form(phi, theta, eta_phi, eta_theta):
    return phi**2 + eta_phi * phi * theta + (eta_phi / eta_theta) * theta**2
""",
    mistakes=(
        Mistake(
            "generator-first",
            (("phi**2 + eta_phi", "phi**2 - eta_phi"),),
            "That is conserved when the generator moves first. Play one round by hand from (1, 1).",
        ),
        Mistake(
            "that-of-the-flow",
            (("eta_phi * phi * theta + ", "0 * phi + "),),
            "The flow conserves this; a round of steps moves it back and forth. Which mixed term makes up for it?",
        ),
        Mistake(
            "equal-steps",
            (("(eta_phi / eta_theta) * theta**2", "theta**2"),),
            "Right for two equal steps. The faster player swings further: which axis of the ellipse is the long one?",
        ),
        Mistake(
            "axes-exchanged",
            (("(eta_phi / eta_theta)", "(eta_theta / eta_phi)"),),
            "Your ellipse is long where it should be short. For a fast critic, which of the two letters swings further?",
        ),
        Mistake(
            "the-other-step",
            (("phi**2 + eta_phi * phi", "phi**2 + eta_theta * phi"),),
            "Right for two equal steps. Let the generator's step go to 0: which of the two steps is left in a round?",
        ),
        Mistake(
            "mixed-term-doubled",
            (("phi**2 + eta_phi * phi", "phi**2 + 2 * eta_phi * phi"),),
            "Your mixed term is too strong: the form moves the other way than that of the flow does. How often does φθ "
            "stand in the square of a round?",
        ),
    ),
    hints=(
        r"Put the new state into $\varphi^2 + B\varphi\theta + C\theta^2$ and compare coefficients.",
        r"A round has a state in the middle, $(\varphi', \theta)$, where only the critic has moved. Write the start "
        r"and the end of the round with it.",
    ),
    solution=r"""
(a) $\frac{\varphi^2}{\eta_\varphi} + \frac{\theta^2}{\eta_\theta}$, whose derivative is
$2\varphi\theta - 2\theta\varphi = 0$.

(b) Write the round from the state in its middle, $(\varphi', \theta)$, where only the critic has moved: its start is
$(\varphi' - \eta_\varphi\theta, \theta)$ and its end $(\varphi', \theta - \eta_\theta\varphi')$. Put both into
$Q = \varphi^2 + B\varphi\theta + C\theta^2$. With $B = \eta_\varphi$ and $C = \eta_\varphi/\eta_\theta$ both give

$$
Q = \varphi'^2 - \eta_\varphi\varphi'\theta + \frac{\eta_\varphi}{\eta_\theta}\theta^2 ,
$$

one line of algebra each. Divided by $\eta_\varphi$ it is $\frac{\varphi^2}{\eta_\varphi} +
\frac{\theta^2}{\eta_\theta} + \varphi\theta$: the invariant of the flow and a mixed term. For equal steps it is
$\varphi^2 + \theta^2 + \eta\varphi\theta$.

(c) The discriminant $B^2 - 4C = \eta_\varphi(\eta_\varphi - 4/\eta_\theta)$ is negative for $\eta_\varphi\eta_\theta < 4$.
Then the states stay on an ellipse for ever, neither converging nor leaving; beyond, the curve is a hyperbola and the
players run away. With another $\psi$ the form is only nearly conserved, and the path drifts.
""",
    cases=_points,
    properties=(Property("one round of play leaves it as it is", _same_a_round_later),),
)
