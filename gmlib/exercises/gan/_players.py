"""Chapter 14, two players: the slopes of the generator's losses, and one round of alternating training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, normal


def _scores(generator: torch.Generator) -> Cases:
    return [
        {"logit": torch.tensor([-5.0, 0.0, 5.0], dtype=F64)},
        *({"logit": 2 * normal(generator, n)} for n in (3, 5)),
    ]


SATURATION = Exercise(
    id="gan.saturation",
    title="Where a generator's gradient goes to sleep",
    chapter="14_gans",
    section="sec-14-saturation",
    difficulty=1,
    minutes=15,
    statement=r"""
A fake point has the logit $a$, and $D = \sigma(a)$. The generator minimises $\log(1 - D)$, the term of the minimax game,
or $-\log D$. Differentiate both with respect to $a$. Which of the two moves a point that the critic rejects with
certainty, and which a point that already passes for real? Do they vanish at the same place?

Write `logit_slopes(logit)`: for each $a$, the slope of $\log(1 - D)$ and that of $-\log D$.
""",
    answer="logit_slopes",
    stub="""
def logit_slopes(logit):
    # logit: (n,). Returns (n, 2): the derivatives with respect to the logit
    # of log(1 - D) and of -log D.
    ...
""",
    reference="""
def logit_slopes(logit):
    real = torch.sigmoid(logit)
    minimax = -real
    non_saturating = -(1 - real)
    return torch.stack([minimax, non_saturating], -1)
""",
    mistakes=(
        Mistake(
            "exchanged",
            (("[minimax, non_saturating]", "[non_saturating, minimax]"),),
            "Right numbers in the other order. For D close to 0, is log(1 − D) steep or flat?",
        ),
        Mistake(
            "with-respect-to-d",
            (("= -real", "= -1 / (1 - real)"), ("-(1 - real)", "-1 / real")),
            "You differentiated with respect to D. The network gives the logit: which factor does the chain rule add?",
        ),
        Mistake(
            "uphill",
            (("= -real", "= real"), ("= -(1 - real)", "= 1 - real")),
            "Both losses fall when the critic is fooled more. Which sign have their slopes?",
        ),
        Mistake(
            "values-for-slopes",
            (("= -real", "= torch.log(1 - real)"), ("= -(1 - real)", "= -torch.log(real)")),
            "These are the losses themselves. What reaches the generator when it takes a step?",
        ),
        Mistake(
            "inner-derivative-only",
            (("= -real", "= -real * (1 - real)"), ("= -(1 - real)", "= -real * (1 - real)")),
            "You differentiated −D, which is neither of the two losses. What does the logarithm add?",
        ),
    ),
    hints=(
        r"$\log(1 - \sigma(a)) = -\log(1 + e^a)$ and $-\log\sigma(a) = \log(1 + e^{-a})$.",
        r"Every answer can be written with $D$ alone.",
    ),
    solution=r"""
$\frac{d}{da}\log(1 - \sigma(a)) = -\sigma(a) = -D$ and $\frac{d}{da}\big({-\log\sigma(a)}\big) = -(1 - \sigma(a)) =
-(1 - D)$. At $a = -5$, a point that the critic rejects, they are $-0.0067$ and $-0.9933$: the minimax loss gives such a
point a hundred and fifty times less, and it is the point that needs it most. At $a = 5$ the roles are exchanged. The
sum is $-1$ everywhere, and at $D = \frac12$ both are $-\frac12$: the two losses push in the same direction, so that they
have the same fixed points, and differ in the weights of the points.
""",
    cases=_scores,
    properties=(
        Property("no slope is positive", lambda case, found: bool((found <= 0).all())),
        Property(
            "the two slopes add up to −1",
            lambda case, found: torch.allclose(found.sum(-1), -torch.ones_like(found[:, 0]), atol=1e-6),
        ),
    ),
)


def _rounds(generator: torch.Generator) -> Cases:
    return [
        {
            "real": 1 + normal(generator, n),
            "z": normal(generator, m),
            "phi": normal(generator, 3),
            "theta": torch.tensor([-0.5, 0.7], dtype=F64) + 0.3 * normal(generator, 2),
            "lr": lr,
        }
        for n, m, lr in ((4, 4, 0.5), (3, 5, 0.2), (6, 4, 1.0))
    ]


def _softplus(a: Tensor) -> Tensor:
    return torch.nn.functional.softplus(a)


def _critic(x: Tensor, phi: Tensor) -> Tensor:
    return phi[0] + phi[1] * x + phi[2] * x**2


def _critic_improves(case: Any, found: Tensor) -> bool:
    fake = case["theta"][0] + case["theta"][1] * case["z"]
    phi = case["phi"].clone().requires_grad_()
    loss = _softplus(-_critic(case["real"], phi)).mean() + _softplus(_critic(fake, phi)).mean()
    (slope,) = torch.autograd.grad(loss, phi)
    return bool((slope * (found[:3] - case["phi"])).sum() < 0)


def _generator_moves(case: Any, found: Tensor) -> bool:
    return bool((found[3:] - case["theta"]).abs().max() > 1e-9)


ROUND = Exercise(
    id="gan.round",
    title="One round of alternating training",
    chapter="14_gans",
    section="sec-14-training",
    difficulty=2,
    minutes=30,
    statement=r"""
The critic is $a(x) = \varphi_0 + \varphi_1x + \varphi_2x^2$, the generator $G(z) = \theta_0 + \theta_1z$. Write
`one_round(real, z, phi, theta, lr)`: one gradient step of the critic on the mean of $-\log D(x)$ over the real points
plus the mean of $-\log(1 - D(G(z)))$ over the fake ones; then one step of the generator on the mean of
$-\log D(G(z))$ against the *new* critic, with the same $z$. Use autograd (or differentiate by hand), and return the new
$\varphi$ followed by the new $\theta$.

Which of the two losses depends on $\varphi$, which on $\theta$, and which may move what?
""",
    answer="one_round",
    stub="""
def one_round(real, z, phi, theta, lr):
    # real: (n,); z: (m,); phi: (3,); theta: (2,); lr: the learning rate of
    # both. Returns the new phi and the new theta in one tensor, (5,).
    ...
""",
    reference="""
def one_round(real, z, phi, theta, lr):
    loss_of = torch.nn.functional.softplus

    def critic(x, phi):
        return phi[0] + phi[1] * x + phi[2] * x**2

    phi, theta = phi.clone().requires_grad_(), theta.clone().requires_grad_()
    fake = theta[0] + theta[1] * z
    loss = loss_of(-critic(real, phi)).mean() + loss_of(critic(fake.detach(), phi)).mean()
    new_phi = phi - lr * torch.autograd.grad(loss, phi)[0]

    gain = loss_of(-critic(fake, new_phi.detach())).mean()
    new_theta = theta - lr * torch.autograd.grad(gain, theta)[0]
    return torch.cat([new_phi, new_theta]).detach()
""",
    mistakes=(
        Mistake(
            "detached-samples",
            (("lr * torch.autograd.grad(gain, theta)[0]", "0 * theta"),),
            "Your generator stands still: its gradient is exactly 0. Which parameters may this loss move, and does the "
            "path reach them?",
        ),
        Mistake(
            "critic-moved-by-the-generator",
            (
                ("critic(fake, new_phi.detach())", "critic(fake, new_phi)"),
                ("grad(gain, theta)[0]\n", "grad(gain, theta, retain_graph=True)[0]\n"),
                (
                    "torch.cat([new_phi, new_theta])",
                    "torch.cat([new_phi - lr * torch.autograd.grad(gain, new_phi)[0], new_theta])",
                ),
                (
                    "new_phi = phi - lr * torch.autograd.grad(loss, phi)[0]",
                    "new_phi = phi - lr * torch.autograd.grad(loss, phi)[0]\n"
                    "    new_phi = new_phi.detach().requires_grad_()",
                ),
            ),
            "Your critic also moved in the generator's step, towards being fooled. Which parameters may this loss move?",
        ),
        Mistake(
            "old-critic",
            (("critic(fake, new_phi.detach())", "critic(fake, phi.detach())"),),
            "Your generator answered the critic of a moment ago: that is simultaneous training. In which order do "
            "the players move?",
        ),
        Mistake(
            "one-loss-for-both",
            (("loss_of(-critic(fake, new_phi.detach()))", "loss_of(critic(fake, new_phi.detach()))"),),
            "Your generator makes the critic's loss smaller: it helps to expose its own points. What should D say of "
            "them, if it has its way?",
        ),
        Mistake(
            "minimax",
            (
                (
                    "gain = loss_of(-critic(fake, new_phi.detach()))",
                    "gain = -loss_of(critic(fake, new_phi.detach()))",
                ),
            ),
            "Your generator descends on log(1 − D): the same direction for every point, with other weights. Which loss "
            "is asked for?",
        ),
        Mistake(
            "labels-exchanged",
            (
                ("loss_of(-critic(real, phi))", "loss_of(critic(real, phi))"),
                ("loss_of(critic(fake.detach(), phi))", "loss_of(-critic(fake.detach(), phi))"),
            ),
            "Your critic learns to call the real points fake. What should a 'real' detector say of them?",
        ),
    ),
    hints=(
        r"$-\log\sigma(a) = \log(1 + e^{-a})$, the softplus of $-a$, and $-\log(1 - \sigma(a))$ is the softplus of $a$.",
        r"`torch.autograd.grad(loss, phi)` returns the gradient with respect to `phi` and touches nothing else.",
        r"`x.detach()` cuts the path from a loss back through `x`. In which of the two steps must the path through the "
        r"fake points stay whole?",
    ),
    solution=r"""
Both losses depend on both players: the critic's loss contains $G_\theta(z)$, and the generator's contains $a_\varphi$. What
makes it a game is that each loss may move one of them. In the critic's step the fake points are data, so they are
detached (or the gradient with respect to $\theta$ is thrown away). In the generator's step they are not: the gradient
runs from the loss through the critic, whose weights stay as they are, to $x = G_\theta(z)$ and on to $\theta$,

$$
\nabla_\theta\big({-\log D(G_\theta(z))}\big) = -(1 - D)\,\frac{da}{dx}\,\nabla_\theta G_\theta(z) .
$$

Detach the samples there and the gradient is 0, and nothing complains; let an optimiser of all weights take the step and
the critic learns to be fooled.
""",
    cases=_rounds,
    properties=(
        Property("the critic moved downhill on its own loss", _critic_improves),
        Property("the generator moved", _generator_moves),
    ),
)
