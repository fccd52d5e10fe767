"""Chapter 06, contrastive divergence: what must be sampled, the dropped term, where it rests, chains that persist."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.energy._cases import (
    F64,
    MODELS,
    Cases,
    law,
    normal,
    states,
    uniform,
    with_model,
)
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _visible_law(weights: Tensor, b: Tensor, c: Tensor) -> Tensor:
    visible = states(len(b))
    return torch.softmax(visible @ b + torch.nn.functional.softplus(visible @ weights + c).sum(-1), 0)


def _chains(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for d, d_h in ((3, 2), (2, 3), (4, 2), (3, 3)):
        weights, b, c = 1.5 * normal(generator, d, d_h), normal(generator, d), normal(generator, d_h)
        data = _visible_law(weights, b, c) if len(cases) == 1 else law(generator, 2**d)
        case = {"weights": weights, "b": b, "c": c, "visible": states(d), "hidden": states(d_h), "data": data}
        cases.append(case)
    return cases


def _stands_still(case: Any, found: Tensor) -> bool:
    perfect = torch.allclose(case["data"], _visible_law(case["weights"], case["b"], case["c"]))
    return not perfect or bool((found.abs() < 1e-6).all())


SAMPLED = Exercise(
    id="energy.sampled",
    title="What must be sampled, and what may be a mean",
    chapter="06_hopfield_rbm",
    section="sec-06-cd",
    difficulty=2,
    minutes=35,
    statement=r"""
CD-1 goes $x \to h \to x' \to h'$, {eq}`eq-06-cd-update`, and changes $W$ by the mean of $xh^\top - x'h'^\top$. (a) In
the products $h$ and $h'$ may be replaced by their means $\mu(x)$, $\mu(x')$ with
$\mu(x) = \operatorname{sigmoid}(W^\top x + c)$: why does that leave the expectation alone? (b) On the way down it is
not allowed to draw $x'$ given $\mu(x)$ in place of a sampled $h$. How many bits does a sampled $h$ carry at most, and
$\mu(x)$? Show that CD-1 must stand still when the data have the law of the model, and that this rule does not.

Write `expected_cd_step(weights, b, c, visible, hidden, data)`: the expectation of CD-1's change of $W$, by summing over
all states.
""",
    answer="expected_cd_step",
    stub="""
def expected_cd_step(weights, b, c, visible, hidden, data):
    # weights: (d, d_h); b: (d,); c: (d_h,); visible: (n, d) and hidden: (m, d_h),
    # all states of 0 and 1; data: (n,), the law of x. Returns (d, d_h).
    ...
""",
    reference="""
def expected_cd_step(weights, b, c, visible, hidden, data):
    def chances(logits, units):
        on = torch.sigmoid(logits)[:, None, :]
        return torch.where(units > 0, on, 1 - on).prod(-1)

    mean = torch.sigmoid(visible @ weights + c)
    up = chances(visible @ weights + c, hidden)
    down = chances(hidden @ weights.T + b, visible)
    after = data @ up @ down
    positive = (data[:, None] * visible).T @ mean
    negative = (after[:, None] * visible).T @ mean
    return positive - negative
""",
    mistakes=(
        Mistake(
            "old-x-with-new-h",
            (("(after[:, None] * visible).T @ mean", "visible.T @ (data[:, None] * (up @ down)) @ mean"),),
            "Your last product has the x of the start and the h of the end. Give your rule perfect data: it must stand "
            "still. Which two must come from the same moment?",
        ),
        Mistake(
            "means-down",
            (("data @ up @ down", "data @ chances(mean @ weights.T + b, visible)"),),
            "Give your rule perfect data: it must stand still. You send means down, numbers between 0 and 1; how much more "
            "than a bit can each of them carry?",
        ),
        Mistake(
            "half-a-step",
            (
                (
                    "(after[:, None] * visible).T @ mean",
                    "(down @ visible).T @ ((data @ up)[:, None] * hidden)",
                ),
            ),
            "It stands still on perfect data, yet x′ is multiplied with the h that it was drawn from. Which h belongs to "
            "x′?",
        ),
        Mistake(
            "unlearning",
            (("return positive - negative", "return negative - positive"),),
            "Your step makes the data less likely. Which of the two products is Hebb's?",
        ),
        Mistake(
            "reconstruction-as-a-mean",
            (
                ("after = data @ up @ down", "soft = torch.sigmoid(mean @ weights.T + b)"),
                (
                    "(after[:, None] * visible).T @ mean",
                    "(data[:, None] * soft).T @ torch.sigmoid(soft @ weights + c)",
                ),
            ),
            "No number of yours is random any more: that is mean-field contrastive divergence, and it does not stand still "
            "on perfect data. What is drawn in a step of Gibbs sampling?",
        ),
    ),
    hints=(
        r"$\mathbb E[xh^\top] = \mathbb E\big[x\,\mathbb E[h \mid x]^\top\big]$.",
        r"If $x$ has the law of the model and $h$ is drawn from $p(h \mid x)$, what is the law of $(x, h)$, and then "
        r"of $(x', h')$?",
        r"The law of $x'$ is a product of a row vector and two matrices of conditional probabilities.",
    ),
    solution=r"""
(a) Given $x$, the mean of $xh^\top$ is $x\mu(x)^\top$; given $x'$, that of $x'h'^\top$ is $x'\mu(x')^\top$. Averaging
over the last draw takes out its noise and nothing else. (b) $h$ is one of $2^{d_h}$ states, so it tells at most $d_h$
bits about $x$. $\mu(x)$ is a row of real numbers, in general a different one for each $x$: it can tell everything, the
bottleneck is gone, and $x'$ given $\mu(x)$ is not a step of the Gibbs chain. When $x$ has the law of the model,
$(x, h)$ has the joint law, $x'$ drawn from $p(x \mid h)$ has that of the model again, and so has $(x', h')$: the two
expectations are equal and the step is 0. With means sent down, $x'$ has another law, and the rule goes away from the
right answer. In matrices: with $U_{xh} = p(h \mid x)$ and $V_{hx'} = p(x' \mid h)$ the law of $x'$ is $p_1 = p_0UV$,
and the step is $\sum_x\big(p_0(x) - p_1(x)\big)\,x\mu(x)^\top$.
""",
    cases=_chains,
    properties=(Property("the step is 0 when the data have the law of the model", _stands_still),),
)


def _chained(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for name, n, k in (("rbm", 6, 1), ("triangle", 3, 1), ("rbm", 6, 2), ("triangle", 3, 3)):
        cases.append({"model": name, "theta": normal(generator, n), "data": law(generator, 8), "k": k})
    perfect = normal(generator, 3)
    energy, _ = MODELS["triangle"](perfect)
    cases.append({"model": "triangle", "theta": perfect, "data": torch.softmax(-energy, 0), "k": 1})
    return cases


def _objective(model: str, theta: Tensor, data: Tensor, k: int) -> Tensor:
    energy, chain = MODELS[model](theta)
    log_p = torch.log_softmax(-energy, 0)
    after = data @ torch.linalg.matrix_power(chain, k)
    return (data * (data.log() - log_p)).sum() - (after * (after.log() - log_p)).sum()


def _adds_up(case: Any, found: Tensor) -> bool:
    for i in range(len(case["theta"])):
        nudge = torch.zeros_like(case["theta"])
        nudge[i] = 1e-5
        up, down = (_objective(**{**case, "theta": case["theta"] + s * nudge}) for s in (1, -1))
        if not torch.isclose(found[:, i].sum(), (up - down) / 2e-5, rtol=1e-4, atol=1e-6):
            return False
    return True


TERMS = Exercise(
    id="energy.cd-gradient",
    title="The term that contrastive divergence drops",
    chapter="06_hopfield_rbm",
    section="sec-06-cd",
    difficulty=3,
    minutes=45,
    statement=r"""
Let $p_0$ be the law of the data, $p_k = p_0T^k$ that after $k$ steps of a chain $T$ which leaves
$p_\infty = p_\theta \propto e^{-E}$ as it is, and
$\mathrm{CD}_k = \mathrm{KL}(p_0 \,\|\, p_\infty) - \mathrm{KL}(p_k \,\|\, p_\infty)$, {eq}`eq-06-cd`. Derive

$$
\nabla_\theta\mathrm{CD}_k = \mathbb E_{p_0}[\nabla_\theta E] - \mathbb E_{p_k}[\nabla_\theta E]
  {} - \sum_x\nabla_\theta p_k(x)\,\log\frac{p_k(x)}{p_\infty(x)} ,
$$

{eq}`eq-06-cd-gradient`. What became of $\nabla_\theta\log Z$? Which sign has a step of learning, and which term does it
leave out? Why could the last term not be estimated from samples in the same way?

Write `cd_terms(model, theta, data, k)`: the three terms, with their signs, as rows. `torch.autograd.grad` may do the
derivatives; think about what it must not see.
""",
    answer="cd_terms",
    stub="""
def cd_terms(model, theta, data, k):
    # model: a function of theta, (p,), that gives the energies of all states, (n,),
    # and the matrix T of a step (rows: from), (n, n); data: (n,), the law p_0;
    # k: how many steps. Returns (3, p).
    ...
""",
    reference="""
def cd_terms(model, theta, data, k):
    theta = theta.clone().requires_grad_()
    energy, chain = model(theta)
    after = data @ torch.linalg.matrix_power(chain, k)
    log_ratio = (after.log() - torch.log_softmax(-energy, 0)).detach()

    def slope(value):
        return torch.autograd.grad(value, theta, retain_graph=True)[0]

    first = slope(data @ energy)
    second = -slope(after.detach() @ energy)
    third = -slope(after @ log_ratio)
    return torch.stack([first, second, third])
""",
    mistakes=(
        Mistake(
            "step-for-gradient",
            (("first = slope", "first = -slope"), ("second = -slope", "second = slope")),
            "Your first two terms are what learning adds to θ. You were asked for the gradient of what it brings down: "
            "with which sign does E stand in −log p?",
        ),
        Mistake(
            "same-sign-twice",
            (("second = -slope", "second = slope"),),
            "Both of your phases push the same way, and the energy of everything would go down. Let p_k be p_0: what "
            "should the first two terms give?",
        ),
        Mistake(
            "third-sign",
            (("third = -slope", "third = slope"),),
            "The first two terms are right. The second KL enters with a minus: does your third term?",
        ),
        Mistake(
            "third-dropped",
            (("third = -slope(after @ log_ratio)", "third = 0 * first"),),
            "The first two terms are right. The chain has θ in it as well: what does p_k do when θ moves?",
        ),
        Mistake(
            "chain-seen-twice",
            (("after.detach() @ energy", "after @ energy"),),
            "Your second term is the derivative of a mean. Asked for is the mean of a derivative: which factor must stand "
            "still?",
        ),
        Mistake(
            "equilibrium",
            (("after.detach() @ energy", "torch.softmax(-energy, 0).detach() @ energy"),),
            "That is the gradient of maximum likelihood: your model's mean is over p_∞. Where does the chain stop?",
        ),
        Mistake(
            "ratio-to-the-data",
            (("(after.log() - torch.log_softmax(-energy, 0))", "(after.log() - data.log())"),),
            "Your third term compares p_k with the data. With which law does the second KL compare it?",
        ),
    ),
    hints=(
        r"$\nabla_\theta\mathrm{KL}(p_0 \,\|\, p_\infty) = -\mathbb E_{p_0}[\nabla_\theta\log p_\infty]$, since $p_0$ "
        r"does not know $\theta$.",
        r"In the second divergence three things depend on $\theta$: $p_k$ in front, $p_k$ in the logarithm, and "
        r"$p_\infty$. One of them gives 0, because probabilities sum to 1.",
        r"`.detach()` makes a number of something that depends on $\theta$.",
    ),
    solution=r"""
With $\nabla\log p_\infty = -\nabla E - \nabla\log Z$, the first divergence gives
$\mathbb E_{p_0}[\nabla E] + \nabla\log Z$. In the second,

$$
\nabla\,\mathrm{KL}(p_k \,\|\, p_\infty) = \sum_x\nabla p_k\,\log\frac{p_k}{p_\infty} + \sum_x\nabla p_k
  {} + \mathbb E_{p_k}[\nabla E] + \nabla\log Z ,
$$

where $\sum_x\nabla p_k = \nabla1 = 0$. In the difference $\nabla\log Z$ cancels, which is the point of the
construction, and the formula is left. Learning goes *against* it: it adds
$-\mathbb E_{p_0}[\nabla E] + \mathbb E_{p_k}[\nabla E]$ and drops the sum. In the sum $Z$ would do no harm, because
$\sum_x\nabla p_k\,\log Z = 0$. But it asks for $\log p_k(x)$ and $\nabla p_k(x)$ at every sample, and $p_k$ is a sum
over all data and all paths of the chain, which nobody writes down. The dropped term is often small, and it is not 0.
Without it the field of steps is, in general, the gradient of no function.
""",
    cases=_chained,
    call=with_model,
    properties=(
        Property("the three terms add up to the slope of CD_k, taken by small differences", _adds_up),
    ),
)


def _misfits(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for d, k in ((2, 1), (3, 1), (3, 2), (2, 400)):
        root = normal(generator, d, d)
        precision = root @ root.T / d + 0.5 * torch.eye(d, dtype=F64)
        direction, mean = 0.5 + uniform(generator, d), 2 * normal(generator, d)
        cases.append({"precision": precision, "direction": direction, "mean": mean, "k": k})
    return [*cases, {**cases[1], "mean": 1.7 * cases[1]["direction"]}]


def _when_it_fits(case: Any, found: Tensor) -> bool:
    share = case["mean"] / case["direction"]
    return not torch.allclose(share, share[:1]) or torch.allclose(found, share[:2], rtol=1e-5)


def _after_many(case: Any, found: Tensor) -> bool:
    return case["k"] < 100 or torch.allclose(found[0], found[1], rtol=1e-4)


ELSEWHERE = Exercise(
    id="energy.cd-elsewhere",
    title="Where CD comes to rest",
    chapter="06_hopfield_rbm",
    section="sec-06-cd",
    difficulty=3,
    minutes=40,
    statement=r"""
The model is $\mathcal N(\theta e, \Lambda^{-1})$ with a known precision $\Lambda$, a known vector $e$ and one unknown
number $\theta$, so $E(x) = \frac12(x - \theta e)^\top\Lambda(x - \theta e)$. The data have the mean $m$, which need not
be a multiple of $e$. The chain is Gibbs sampling, one sweep over the coordinates $1, \dots, d$ a step. (a) Where is the
likelihood largest? (b) Show that a sweep takes the mean from $\theta e + r$ to $\theta e + Br$ with
$B = I - L^{-1}\Lambda$, where $L$ is the lower triangle of $\Lambda$ with its diagonal. (c) Where does the expected
update of CD-$k$ stand still? When is this the point of (a)?

Write `resting_points(precision, direction, mean, k)`: the $\theta$ of maximum likelihood and that of CD-$k$.
""",
    answer="resting_points",
    stub="""
def resting_points(precision, direction, mean, k):
    # precision: (d, d), positive definite; direction: (d,), the vector e; mean:
    # (d,), of the data; k: sweeps. Returns two numbers: theta of ML, of CD-k.
    ...
""",
    reference="""
def resting_points(precision, direction, mean, k):
    whole = torch.eye(len(mean), dtype=mean.dtype)
    back = whole - torch.linalg.solve(torch.tril(precision), precision)
    moved = whole - torch.linalg.matrix_power(back, k)
    pull = precision @ direction
    likelihood = (pull @ mean) / (pull @ direction)
    contrastive = (pull @ moved @ mean) / (pull @ moved @ direction)
    return torch.stack([likelihood, contrastive])
""",
    mistakes=(
        Mistake(
            "same-point-twice",
            (("(pull @ moved @ mean) / (pull @ moved @ direction)", "1.0 * likelihood"),),
            "Your two points are always the same. That holds when the model can match the mean of the data; what if not?",
        ),
        Mistake(
            "all-at-once",
            (("torch.tril(precision)", "torch.diag(torch.diag(precision))"),),
            "Your coordinates are all redrawn from the old state. What does the second coordinate of a sweep see of the "
            "first?",
        ),
        Mistake(
            "other-order",
            (("torch.tril(precision)", "torch.triu(precision)"),),
            "Your sweep begins at the last coordinate. Whose new value is known when the first one is redrawn?",
        ),
        Mistake(
            "what-is-left",
            (("whole - torch.linalg.matrix_power(back, k)", "torch.linalg.matrix_power(back, k)"),),
            "With many sweeps your second point is a ratio of two vanishing numbers. CD compares the data with the chain: "
            "is it what is left of the distance that counts, or what was walked?",
        ),
        Mistake(
            "one-sweep",
            (("torch.linalg.matrix_power(back, k)", "back"),),
            "Right for one sweep. What does each further one do to the distance that is left?",
        ),
        Mistake(
            "distance-unweighted",
            (("pull = precision @ direction", "pull = 1.0 * direction"),),
            "Right for independent coordinates with equal variances. What is the derivative of E with respect to θ?",
        ),
    ),
    hints=(
        r"$\partial_\theta E = -e^\top\Lambda(x - \theta e)$ is linear in $x$: means are all that matters.",
        r"Redrawing coordinate $i$ makes the $i$-th entry of $\Lambda(x - \theta e)$ equal to 0, on average. Write "
        r"this for all $i$ with new entries up to $i$ and old ones after.",
        r"The update of CD-$k$ is $e^\top\Lambda$ times the difference of the mean of the data and that of the chain.",
    ),
    solution=r"""
(a) $\mathbb E_{p_0}[\partial_\theta E] = -e^\top\Lambda(m - \theta e)$, and under the model it is 0, so
$\theta_\mathrm{ML} = \frac{e^\top\Lambda m}{e^\top\Lambda e}$. (b) With $r = x - \theta e$, the conditional mean of
coordinate $i$ solves $\sum_{j\le i}\Lambda_{ij}r'_j + \sum_{j > i}\Lambda_{ij}r_j = 0$: that is $Lr' = (L - \Lambda)r$,
so $r' = (I - L^{-1}\Lambda)r$, which numerical analysts know as Gauss–Seidel. (c) After $k$ sweeps the mean is
$\theta e + B^k(m - \theta e)$, and the update is $e^\top\Lambda(I - B^k)(m - \theta e)$. It stands still at

$$
\theta_{\mathrm{CD}\text-k} = \frac{e^\top\Lambda(I - B^k)\,m}{e^\top\Lambda(I - B^k)\,e} .
$$

If $m = \theta e$ for some $\theta$, the model can match what it is asked about, and both agree for every $k$. Otherwise
they differ in general, since the chain walks far along some directions and hardly along others, and CD weighs a misfit
by how far it walks. As $B^k \to 0$ the two points meet. No noise and no step size is involved: more data or a smaller
$\eta$ do not help.
""",
    cases=_misfits,
    properties=(
        Property("the two points are equal when the mean of the data is a multiple of e", _when_it_fits),
        Property("after hundreds of sweeps the two points are equal", _after_many),
    ),
)


def _games(generator: torch.Generator) -> Cases:
    one = torch.tensor(1.0, dtype=F64)
    cases: Cases = [
        {"precision": 0.5 * one, "chain_var": 2 * one, "data_var": 2.0, "keep": 0.6, "lr": 0.2, "steps": 3}
    ]
    for keep, lr, steps in ((0.5, 0.3, 3), (0.8, 0.1, 4), (0.3, 0.05, 2)):
        precision, chain = 1 + uniform(generator), 0.5 + uniform(generator)
        cases.append(
            {
                "precision": precision,
                "chain_var": chain,
                "data_var": round(1.5 + float(uniform(generator)), 2),
                "keep": keep,
                "lr": lr,
                "steps": steps,
            }
        )
    return cases


def _rests(case: Any, found: Tensor) -> bool:
    start = torch.stack([case["precision"], case["chain_var"]])
    best = torch.tensor([1 / case["data_var"], case["data_var"]], dtype=F64)
    return not torch.allclose(start, best) or torch.allclose(found, best.expand_as(found), rtol=1e-5)


PERSISTENT = Exercise(
    id="energy.pcd",
    title="Chains that persist, and the sign between the phases",
    chapter="06_hopfield_rbm",
    section="sec-06-pcd",
    difficulty=2,
    minutes=30,
    statement=r"""
The smallest model for persistent contrastive divergence, {eq}`eq-06-pcd`: $E(x) = \frac12\lambda x^2$, so
$p_\lambda = \mathcal N(0, 1/\lambda)$, and data of mean 0 and variance $v$. The chains move by
$x \leftarrow \rho x + \sqrt{(1 - \rho^2)/\lambda}\;\varepsilon$, and there are so many of them that only their variance
$q$ matters. A round is: the chains move once, then $\lambda$ goes up the gradient with the chains in place of the
model, at the rate $\eta$. (a) Which law does the chain leave as it is? (b) Write a round as a map of $(\lambda, q)$.
Where does it stand still? (c) A text has a minus in front of *both* phases. What does its $\lambda$ do at the point of
maximum likelihood, with chains in equilibrium? (d) Linearise the round there. For which $\eta$ does it spiral?

Write `persistent_path(precision, chain_var, data_var, keep, lr, steps)` with `keep` for $\rho$: the path of
$(\lambda, q)$, start included.
""",
    answer="persistent_path",
    stub="""
def persistent_path(precision, chain_var, data_var, keep, lr, steps):
    # precision, chain_var: tensors of shape (), the start; data_var: v; keep: rho;
    # lr: eta. Returns (steps + 1, 2), rows (precision, chain_var).
    ...
""",
    reference="""
def persistent_path(precision, chain_var, data_var, keep, lr, steps):
    path = [torch.stack([precision, chain_var])]
    for _ in range(steps):
        chain_var = keep**2 * chain_var + (1 - keep**2) / precision
        precision = precision + lr * 0.5 * (chain_var - data_var)
        path.append(torch.stack([precision, chain_var]))
    return torch.stack(path)
""",
    mistakes=(
        Mistake(
            "minus-twice",
            (("(chain_var - data_var)", "(-chain_var - data_var)"),),
            "Begin at the point of maximum likelihood with chains in equilibrium: your λ moves. Data and chains must pull "
            "against each other. Which of the two should lift the energy where it lives?",
        ),
        Mistake(
            "downhill",
            (("(chain_var - data_var)", "(data_var - chain_var)"),),
            "Your λ runs away from the best one. If the chains spread wider than the data, should the well become steeper "
            "or flatter?",
        ),
        Mistake(
            "half-forgotten",
            (("lr * 0.5 *", "lr *"),),
            "Right up to one factor in the step. What is the derivative of E with respect to λ?",
        ),
        Mistake(
            "restarted-at-the-data",
            (("keep**2 * chain_var +", "keep**2 * data_var +"),),
            "Your chains begin at the data in every round: that is CD-1. Where does a persistent chain begin?",
        ),
        Mistake(
            "learns-before-the-chains-move",
            (
                (
                    "        chain_var = keep**2 * chain_var + (1 - keep**2) / precision\n",
                    "        moved = keep**2 * chain_var + (1 - keep**2) / precision\n",
                ),
                (
                    "(chain_var - data_var)\n",
                    "(chain_var - data_var)\n        chain_var = moved\n",
                ),
            ),
            "Your λ learns from where the chains were before they moved. What is the order of a round?",
        ),
        Mistake(
            "noise-too-strong",
            (("(1 - keep**2) / precision", "(1 - keep) / precision"),),
            "Your chain does not keep the variance 1/λ. What is the variance of ρx plus independent noise?",
        ),
    ),
    hints=(
        r"$\partial_\lambda\log p_\lambda(x) = -\frac12x^2 + \frac1{2\lambda}$, and $\frac1\lambda$ is the variance "
        r"that the chains estimate.",
        r"For (d) put $\lambda = \frac1v + \delta$, $q = v + \gamma$. The product of the two eigenvalues is simpler "
        r"than they are.",
    ),
    solution=r"""
(a) Variance $\rho^2/\lambda + (1 - \rho^2)/\lambda = 1/\lambda$: the model. (b)
$q \leftarrow \rho^2q + (1 - \rho^2)/\lambda$, then $\lambda \leftarrow \lambda + \frac\eta2(q - v)$ with the new $q$.
It stands still only for $q = v = 1/\lambda$, the point of maximum likelihood, whatever $\rho$ is. (c)
$-\frac\eta2(v + q) = -\eta v$ there; at $v = 2$ the gradient is $-2$ where 0 is due, it is negative everywhere, and
$\lambda$ falls until there is no model. (d) With $A = (1 - \rho^2)v^2$ the linearised round is

$$
\begin{pmatrix}\gamma'\\ \delta'\end{pmatrix} = \begin{pmatrix}\rho^2 & -A\\ \frac\eta2\rho^2 & 1 - \frac\eta2A\end{pmatrix}
\begin{pmatrix}\gamma\\ \delta\end{pmatrix}.
$$

Its determinant is $\rho^2$, its trace $1 + \rho^2 - \frac\eta2A$. The eigenvalues are complex where the trace lies
between $-2\rho$ and $2\rho$, so from $\frac\eta2A > (1 - \rho)^2$ on, that is

$$
\eta > \frac2{v^2}\cdot\frac{1 - \rho}{1 + \rho} .
$$

Chains that forget quickly ($\rho \to 0$) allow $\eta$ up to $2/v^2$ without a spiral; slow ones ($\rho \to 1$) hardly
any: they still report the model of a while ago, and $\lambda$ overshoots. While it spirals the modulus is $\rho$, so it
converges, at the pace of the chain.
""",
    cases=_games,
    properties=(
        Property("from the point of maximum likelihood, with chains in equilibrium, nothing moves", _rests),
        Property(
            "the first row is the start",
            lambda case, found: torch.allclose(
                found[0], torch.stack([case["precision"], case["chain_var"]]), rtol=1e-5
            ),
        ),
    ),
)
