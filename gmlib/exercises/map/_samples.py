"""Chapter 01, two samples: whose ball a point lies in, and how well one can tell them apart."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import F64, Cases, law, normal


def _points(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, m, d, k, spread in (
        (23, 19, 2, 1, 1.3),
        (21, 25, 2, 3, 2.0),
        (25, 22, 3, 2, 1.6),
        (24, 23, 2, 4, 2.4),
    ):
        cases.append({"real": normal(generator, n, d), "fake": spread * normal(generator, m, d), "k": k})
    real = normal(generator, 17, 2)
    return [*cases, {"real": real, "fake": real[:6].clone(), "k": 2}]


def _share(case: Any, found: Tensor) -> bool:
    hits = found.item() * len(case["fake"])
    return -1e-4 <= hits <= len(case["fake"]) + 1e-4 and abs(hits - round(hits)) < 1e-4


def _copies(case: Any, found: Tensor) -> bool:
    copies = (case["fake"][:, None] == case["real"]).all(-1).any(1).all()
    return not copies or abs(found.item() - 1) < 1e-6


PRECISION = Exercise(
    id="map.precision",
    title="Inside a ball of the data",
    chapter="01_map",
    section="sec-01-precision",
    difficulty=1,
    minutes=20,
    statement=r"""
Put a ball around each real point, as large as the distance to its $k$-th nearest neighbour among the *other* real
points. The *precision* of a model is the share of its samples that lie in at least one of these balls. What is the
*recall*, with the roles exchanged? Which of the two sees that a model has dropped half of its modes? What precision
do copies of the training data have?

Write `knn_precision(real, fake, k)` with points in the rows. (What would $k = 1$ do if a point counted as a
neighbour of itself?)
""",
    answer="knn_precision",
    stub="""
def knn_precision(real, fake, k):
    # real: (n, d); fake: (m, d); k: an integer. Returns the share of the
    # fake points in the real points' balls, a number.
    ...
""",
    reference="""
def knn_precision(real, fake, k):
    among_real = torch.cdist(real, real)
    among_real.fill_diagonal_(math.inf)
    radius = among_real.kthvalue(k, dim=1).values
    inside = torch.cdist(fake, real) <= radius
    return inside.any(1).double().mean()
""",
    mistakes=(
        Mistake(
            "self-neighbour",
            (("    among_real.fill_diagonal_(math.inf)\n", ""),),
            "Your balls are too small, and at k = 1 they are single points. Who is nearest to a point if it "
            "may vote for itself?",
        ),
        Mistake(
            "recall",
            (("def knn_precision(real, fake, k):\n", "def knn_precision(fake, real, k):\n"),),
            "You put the balls around the samples and count real points. That is the other one of the two "
            "scores. Whose balls does a sample have to hit?",
        ),
        Mistake(
            "nearest-ball-only",
            (
                (
                    "inside.any(1)",
                    "inside.gather(1, torch.cdist(fake, real).argmin(1, keepdim=True))",
                ),
            ),
            "You only look into the ball of the nearest real point, which may be a small one. Can a sample "
            "lie in the ball of one that is further away?",
        ),
        Mistake(
            "density",
            (("inside.any(1).double().mean()", "inside.double().sum(1).mean() / k"),),
            "A sample that lies in many balls counts many times, and your share can exceed 1. How often may a "
            "sample count?",
        ),
        Mistake(
            "every-ball",
            (("inside.any(1)", "inside.all(1)"),),
            "A sample has to lie in all balls at once in yours. How many are needed?",
        ),
        Mistake(
            "one-radius",
            (("<= radius", "<= radius.max()"),),
            "You give all balls one size. Each real point has its own distance to its k-th neighbour; which one does "
            "its ball get?",
        ),
        Mistake(
            "off-by-one",
            (("kthvalue(k, dim=1)", "kthvalue(k + 1, dim=1)"),),
            "Your balls are too large. You have removed the point itself already; which neighbour do you then "
            "count as the k-th?",
        ),
        Mistake(
            "squared-radius",
            (("<= radius", "<= radius**2"),),
            "Measure in millimetres instead of metres, and your answer changes. Do both sides of your "
            "comparison have the same unit?",
        ),
    ),
    hints=(
        r"`torch.cdist(real, real)` has zeros on its diagonal. Which rank does a point itself have among its "
        r"neighbours?",
        r"Each column of `torch.cdist(fake, real)` belongs to one ball, and has its own radius.",
    ),
    solution=r"""
The distance of a point to itself is 0 and would be the smallest of its row; put it out of the way, then the $k$-th
smallest entry of the row is the radius. A sample counts once if *any* ball has it. With a point counted as its own
neighbour the balls for $k$ are those for $k - 1$: at $k = 1$ they are single points, and the precision of a model
with a density is 0.

The recall is the share of *real* points in the balls around the samples. A model without half of its modes can have
precision 1; its recall shows the loss. Copies of the training data lie in the balls' centres and have precision 1:
no score of this kind sees memorising.
""",
    cases=_points,
    properties=(
        Property("the result is a share: a whole number of samples, divided by how many there are", _share),
        Property("copies of real points have precision 1", _copies),
    ),
)


def _pairs(generator: torch.Generator) -> Cases:
    cases: Cases = [{"p": law(generator, k), "q": law(generator, k)} for k in (3, 4, 6, 5)]
    apart = torch.tensor([0.3, 0.7, 0.0, 0.0], dtype=F64)
    return [*cases, {"p": cases[1]["p"], "q": cases[1]["p"]}, {"p": apart, "q": apart.flip(0)}]


def _best_rule(case: Any, found: Tensor) -> bool:
    rules = torch.tensor(list(itertools.product((0.0, 1.0), repeat=len(case["p"]))), dtype=F64)
    right = 0.5 * (rules @ case["p"] + (1 - rules) @ case["q"])
    return abs(found.item() - right.max().item()) < 1e-6


TWO_SAMPLES = Exercise(
    id="map.best-accuracy",
    title="The best judge of real and fake",
    chapter="01_map",
    section="sec-01-mmd",
    difficulty=2,
    minutes=20,
    statement=r"""
A judge sees one example, with equal chances a data point from $p$ or a sample from the model's law $q$, and says
which. Show that no judge is right more often than with probability $\tfrac12\big(1 + \mathrm{TV}(p, q)\big)$, where
$\mathrm{TV}(p, q) = \tfrac12\int\lvert p(x) - q(x)\rvert\,dx$ is the total variation, and that one judge reaches
it. What is this for $\mathcal N(0, 1)$ against $\mathcal N(\delta, 1)$? How far must $\delta$ be for 95 %?

Then write `best_accuracy(p, q)` for two laws over the same finite set.
""",
    answer="best_accuracy",
    stub="""
def best_accuracy(p, q):
    # p, q: (k,), two laws over k symbols. Returns the best judge's share of
    # right answers, a number.
    ...
""",
    reference="""
def best_accuracy(p, q):
    total_variation = 0.5 * (p - q).abs().sum()
    return 0.5 * (1 + total_variation)
""",
    mistakes=(
        Mistake(
            "tv-without-half",
            (("0.5 * (p - q)", "(p - q)"),),
            "Two laws without a symbol in common would give an accuracy of 1.5. How large is Σ|p − q| for "
            "them?",
        ),
        Mistake(
            "no-chance-level",
            (("0.5 * (1 + total_variation)", "total_variation"),),
            "For equal laws your judge is never right. What does a coin achieve?",
        ),
        Mistake(
            "error-for-accuracy",
            (("(1 + total_variation)", "(1 - total_variation)"),),
            "Your judge does worse than a coin. Is this how often it is right, or how often it is wrong?",
        ),
        Mistake(
            "matching",
            (("0.5 * (1 + total_variation)", "0.5 * ((p**2 + q**2) / (p + q)).sum()"),),
            "Your judge says 'real' as often as the symbol is real. If 70 % of the examples with this symbol "
            "are real, what should one always say?",
        ),
        Mistake(
            "one-symbol",
            ((".abs().sum()", ".abs().max()"),),
            "Your judge uses the most telling symbol and no other. What does it do with the rest?",
        ),
    ),
    hints=(
        r"Describe a judge by $a(x) \in [0, 1]$, the probability with which it says 'data' at $x$, and write "
        r"down how often it is right.",
        r"$\tfrac12\int [a\,p + (1 - a)\,q] = \tfrac12 + \tfrac12\int a\,(p - q)$. Which $a$ makes that large?",
    ),
    solution=r"""
A judge that says 'data' with probability $a(x)$ is right with probability
$\tfrac12\int a\,p + \tfrac12\int(1 - a)\,q = \tfrac12 + \tfrac12\int a\,(p - q)$. With $0 \le a \le 1$ the integral
is largest for $a = 1$ where $p > q$ and $a = 0$ where $p < q$, and is then $\int (p - q)_+ = \mathrm{TV}(p, q)$,
since the positive and the negative part of $p - q$ have the same integral, half of $\int\lvert p - q\rvert$. For
the two normal laws with $\delta > 0$ the best judge looks on which side of $\delta/2$ the point lies and is right
with probability $\Phi(\delta/2)$: 0.691 at $\delta = 1$, and 95 % needs $\delta = 3.29$.

So a trained classifier's accuracy on held-out data is, up to its standard error, a *lower* bound on
$\tfrac12(1 + \mathrm{TV})$. An accuracy of $\tfrac12$ may mean that the laws are equal, or that the classifier is
poor.
""",
    cases=_pairs,
    properties=(
        Property(
            "no rule that calls each symbol real or fake is right more often, and one is as often", _best_rule
        ),
    ),
)
