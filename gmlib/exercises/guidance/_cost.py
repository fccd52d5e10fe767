"""Chapter 11, the price: how often the networks are asked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.guidance._cases import Cases, number

METHODS = ("none", "classifier", "free")


def _samplers(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for method, w in zip(
        (*METHODS, "free", "free", "classifier"), (1.0, 2.0, 2.0, 1.0, 0.0, 0.0), strict=True
    ):
        # Times end at 0, and lie apart from the ends of the interval.
        steps = int(torch.randint(8, 14, (), generator=generator))
        times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        low, high = number(generator, 0.12, 0.3), number(generator, 0.6, 0.85)
        cases.append({"method": method, "times": times, "w": w, "low": low, "high": high})
    # The first step begins where the interval ends.
    cases.append(cases[2] | {"high": 1.0})
    always = torch.linspace(1, 0, 21, dtype=torch.float64)
    return [*cases, {"method": "free", "times": always, "w": 3.0, "low": 0.0, "high": 1.0}]


def _asked_in_every_step(case: Any, found: Tensor) -> bool:
    steps = len(case["times"]) - 1
    return bool(found[0] >= steps) and bool(found[0] <= 2 * steps)


def _twice_the_plain(case: Any, found: Tensor) -> bool:
    always = case["method"] == "free" and (case["low"], case["high"]) == (0.0, 1.0)
    return not always or found.tolist() == [40, 0]


NETWORK_CALLS = Exercise(
    id="guidance.network-calls",
    title="What guidance costs",
    chapter="11_guidance",
    section="sec-11-cost",
    difficulty=1,
    minutes=20,
    statement=r"""
A sampler visits $T + 1$ falling times and asks for one guess of the noise in each step, at the time where the step
begins. Count for one sample how often the denoiser is asked (two rows of one batch count as two), and how often a
classifier is, forward and back, for three methods: no guidance, a classifier, and {eq}`eq-11-free`. Nothing is asked
whose answer has the factor 0.

Without a classifier, guide only at times in an interval; outside it the weight is 1. (a) Fill in the counts. (b) A text
says that {eq}`eq-11-free` takes twice as long as guidance by a classifier. Twice as long as what, really? (c) The two
rows of a batch are computed at once. When does the second cost nothing? (d) What does {eq}`eq-11-free` cost in
training?

Write `network_calls(method, times, w, low, high)`.
""",
    answer="network_calls",
    stub="""
def network_calls(method, times, w, low, high):
    # method: "none" (the conditional model as it is), "classifier" or "free";
    # times: (T + 1,), falling; w: the weight; low, high: the interval, for
    # "free" only. Returns two counts: denoiser, classifier.
    ...
""",
    reference="""
def network_calls(method, times, w, low, high):
    begins = times[:-1]
    steps = len(begins)
    if method == "none":
        return torch.tensor([steps, 0])
    if method == "classifier":
        return torch.tensor([steps, steps if w != 0 else 0])
    inside = int(((begins >= low) & (begins <= high)).sum())
    twice = inside if w not in (0, 1) else 0
    return torch.tensor([steps + twice, 0])
""",
    mistakes=(
        Mistake(
            "times-for-steps",
            (("begins = times[:-1]", "begins = times"),),
            "How many steps are there between two times?",
        ),
        Mistake(
            "ends-for-beginnings",
            (("begins = times[:-1]", "begins = times[1:]"),),
            "You look where the steps end. At which of its two times does a step ask for the noise?",
        ),
        Mistake(
            "interval-ignored",
            (("inside = int(((begins >= low) & (begins <= high)).sum())", "inside = steps"),),
            "You pay for guidance at every time. What is the weight outside the interval, and which answers does it need?",
        ),
        Mistake(
            "always-twice",
            (("twice = inside if w not in (0, 1) else 0", "twice = steps"),),
            "You always ask twice. In which steps does one of the two answers have the factor 0?",
        ),
        Mistake(
            "twice-at-the-ends",
            (("inside if w not in (0, 1) else 0", "inside"),),
            "With w = 0 or 1 you ask for an answer that is then multiplied by 0.",
        ),
        Mistake(
            "free-of-charge-outside",
            (("[steps + twice, 0]", "[inside + twice, 0]"),),
            "Outside the interval your sampler stands still. Which model is it there?",
        ),
        Mistake(
            "free-is-free",
            (("[steps + twice, 0]", "[steps, 0]"),),
            "Free of a classifier, not of charge: what is subtracted must be computed as well.",
        ),
        Mistake(
            "classifier-counts-double",
            (("[steps, steps if w != 0 else 0]", "[2 * steps, steps if w != 0 else 0]"),),
            "The classifier speaks of the condition. How many guesses of the noise does this method add up?",
        ),
        Mistake(
            "classifier-forgotten",
            (("[steps, steps if w != 0 else 0]", "[steps, 0]"),),
            "Where does the gradient come from? It is another network, and it is asked forward and back.",
        ),
        Mistake(
            "classifier-always-asked",
            (("steps if w != 0 else 0", "steps"),),
            "With the weight 0, what happens to the gradient that you asked for?",
        ),
    ),
    hints=(
        r"Which guesses have a factor other than 0 in $(1 - w)\,u + w\,c$, for $w = 0$, $w = 1$ and $w = 2$?",
        r"$T + 1$ times make $T$ steps.",
    ),
    solution=r"""
(a) No guidance: $T$ and 0. A classifier: $T$ and $T$, or 0 with $w = 0$. Without one: $T$, and one more for each step
that begins in the interval, unless $w$ is 0 or 1. With 40 steps and guidance always on that is 80; in the middle half
of the times, about 60.

(b) Twice as long as the same sampler without guidance. Against a classifier it is one more pass of the denoiser in each
step, against a pass of the classifier there *and back*, which costs two to three of its passes forward: two
in multiplications, since no gradient of the weights is needed. A classifier of a third to half the denoiser's size makes
them even; a smaller one is cheaper.

(c) While the processor has room: on a graphics card with a small batch, two rows take hardly more time than one. With a
batch that fills the card they take twice as long.

(d) Nothing: the condition is left out of some of the batch's rows. The network has two tasks to share its weights
between, though.
""",
    cases=_samplers,
    properties=(
        Property("the denoiser is asked once or twice in every step", _asked_in_every_step),
        Property(
            "in 20 steps, all guided without a classifier, the denoiser is asked 40 times", _twice_the_plain
        ),
    ),
)
