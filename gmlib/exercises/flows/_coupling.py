"""Chapter 05, coupling: the affine layer backwards, a stack of two backwards, and how many it takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.flows._cases import F64, Cases, normal, numbers


def _scaled(generator: torch.Generator) -> Cases:
    return [
        {
            "x": 2 * normal(generator, n, d),
            "scale": torch.exp(0.6 * normal(generator, n, d)),
            "shift": normal(generator, n, d),
        }
        for n, d in ((1, 1), (2, 3), (4, 2), (3, 1))
    ]


AFFINE_LAYER = Exercise(
    id="flows.affine-layer",
    title="The affine layer backwards",
    chapter="05_flows",
    section="sec-05-coupling",
    difficulty=1,
    minutes=15,
    statement=r"""
An affine coupling layer leaves one half of the coordinates as it is and changes the other to $x = u \odot e^a + \mu$,
where the log-scale $a$ and the shift $\mu$ are computed from the half that stays. (a) Invert it, and find the
log-determinant of the layer and that of its inverse. (b) A text computes the scale itself, and asks that it be
non-negative. Why is this not enough? What does $e^a$ settle? (c) Which derivatives of the networks that compute $a$ and
$\mu$ occur in the log-determinant?

Write `undo(x, scale, shift)`, with the scale $e^a$: for each row the coordinates of $u$, and behind them the
log-determinant of the *inverse*, in nats.
""",
    answer="undo",
    stub="""
def undo(x, scale, shift):
    # x, scale, shift: (n, d), the changed half and what was computed for it; scale > 0.
    # Returns (n, d + 1): u, then the log-determinant of the map from x to u.
    ...
""",
    reference="""
def undo(x, scale, shift):
    u = (x - shift) / scale
    log_det = -scale.log().sum(-1, keepdim=True)
    return torch.cat([u, log_det], -1)
""",
    mistakes=(
        Mistake(
            "multiplies",
            (("/ scale", "* scale"),),
            "Put your u through the layer: x comes back for a scale of 1 only. Which operation undoes a product?",
        ),
        Mistake(
            "first-operation-first",
            (("(x - shift) / scale", "x / scale - shift"),),
            "Put your u through the layer. Undo: first or last operation first?",
        ),
        Mistake(
            "log-det-of-the-layer",
            (("-scale.log()", "scale.log()"),),
            "That is the log-determinant of the layer itself. If the way there stretches, what does the way back do? "
            "Integrate a density over a grid if in doubt.",
        ),
        Mistake(
            "no-logarithm",
            (("-scale.log().sum", "-scale.sum"),),
            "At a scale of 1 nothing changes its volume. What does your last column say there?",
        ),
        Mistake(
            "summed-over-the-batch",
            (
                (
                    "-scale.log().sum(-1, keepdim=True)",
                    "-scale.log().sum().expand(len(x), 1)",
                ),
            ),
            "Your last column is the same in all rows. Two copies of a point should have the same log-density as one.",
        ),
        Mistake(
            "averaged-over-coordinates",
            ((".sum(-1, keepdim=True)", ".mean(-1, keepdim=True)"),),
            "Right for one coordinate. Doubling both sides of a square multiplies its area by what?",
        ),
    ),
    hints=(
        r"Given the half that stays, every coordinate is a straight line of its own.",
        r"The Jacobian is block triangular. The block with the derivatives of $a$ and $\mu$: where is it?",
    ),
    solution=r"""
(a) $u = (x - \mu)\odot e^{-a}$: the shift came last and goes first, and the scale divides. The half that stays gives the
identity block, the changed half the diagonal $e^a$, and the derivatives of $a$ and $\mu$ stand in the off-diagonal block
of a triangular matrix: the layer has $\sum_ia_i$, its inverse $-\sum_ia_i$. (b) Where a scale is 0, all $u_i$ go to the
same $x_i = \mu_i$, and the logarithm is minus infinity. Strictly positive is what is needed, and $e^a$ is just that, with
the log-determinant $\sum_ia_i$ for free. (c) None, which is why they may be any networks at all.
""",
    cases=_scaled,
    properties=(
        Property(
            "u goes to x",
            lambda case, found: torch.allclose(
                found[:, :-1] * case["scale"] + case["shift"], case["x"], rtol=1e-4, atol=1e-4
            ),
        ),
        Property(
            "the last column belongs to the Jacobian of the inverse",
            lambda case, found: torch.allclose(
                found[:, -1].exp() * case["scale"].prod(-1), torch.ones(len(found), dtype=F64), rtol=1e-3
            ),
        ),
    ),
)


def _stacks(generator: torch.Generator) -> Cases:
    return [
        {
            "x": normal(generator, n, 2 * k),
            "first": normal(generator, k, 2 * k),
            "second": normal(generator, k, 2 * k),
        }
        for n, k in ((2, 1), (3, 2), (1, 3))
    ]


def _there(case: Any, u: Tensor) -> Tensor:
    left, right = u.chunk(2, -1)
    log_scale, shift = torch.tanh(left @ case["first"]).chunk(2, -1)
    right = right * log_scale.exp() + shift
    log_scale, shift = torch.tanh(right @ case["second"]).chunk(2, -1)
    return torch.cat([left * log_scale.exp() + shift, right], -1)


_SECOND = """    log_scale, shift = torch.tanh(right @ second).chunk(2, -1)
    left = (left - shift) * torch.exp(-log_scale)
"""
_FIRST = """    log_scale, shift = torch.tanh(left @ first).chunk(2, -1)
    right = (right - shift) * torch.exp(-log_scale)
"""

COUPLING_INVERSE = Exercise(
    id="flows.coupling-inverse",
    title="Two coupling layers backwards",
    chapter="05_flows",
    section="sec-05-coupling",
    difficulty=1,
    minutes=20,
    statement=r"""
A flow of two affine coupling layers splits $u$ into a left and a right half of the same size. Layer 1 keeps the left
half and changes the right one, layer 2 keeps the right half and changes the left one, each to
$(\text{half}) \odot e^a + \mu$. The conditioners are $(a, \mu) = \tanh(\text{kept half} \cdot W)$, cut in the middle,
with the matrices $W_1$ and $W_2$. Neither of them is invertible. (a) Why can the flow be inverted all the same? (b) In
which order are the layers undone, and what does each conditioner see on the way back? (c) How many evaluations of the
conditioners does the inverse take, and how many does an autoregressive flow?

Write `invert(x, first, second)`.
""",
    answer="invert",
    stub="""
def invert(x, first, second):
    # x: (n, 2k), data; first, second: (k, 2k), the matrices of layers 1 and 2;
    # the first k columns make the log-scales a, the last k the shifts mu.
    # Returns u, (n, 2k).
    ...
""",
    reference=f"""
def invert(x, first, second):
    left, right = x.chunk(2, -1)
{_SECOND}{_FIRST}    return torch.cat([left, right], -1)
""",
    mistakes=(
        Mistake(
            "changed-half-to-the-conditioner",
            (("right @ second", "left @ second"), ("left @ first", "right @ first")),
            "Your conditioners see the half that their layer has changed. Which half is the same before and after?",
        ),
        Mistake(
            "layers-in-the-same-order",
            ((_SECOND + _FIRST, _FIRST + _SECOND),),
            "You undo layer 1 while layer 2 is still on top of it. Undo: first or last operation first?",
        ),
        Mistake(
            "multiplies-by-the-scale",
            (
                ("(left - shift) * torch.exp(-log_scale)", "(left - shift) * torch.exp(log_scale)"),
                ("(right - shift) * torch.exp(-log_scale)", "(right - shift) * torch.exp(log_scale)"),
            ),
            "The round trip fails unless the scales are 1. Which operation undoes a product?",
        ),
        Mistake(
            "scale-before-shift",
            (
                ("(left - shift) * torch.exp(-log_scale)", "left * torch.exp(-log_scale) - shift"),
                ("(right - shift) * torch.exp(-log_scale)", "right * torch.exp(-log_scale) - shift"),
            ),
            "Within a layer, too: which of its two operations came last?",
        ),
        Mistake(
            "left-half-of-the-data",
            (("left @ first", "x.chunk(2, -1)[0] @ first"),),
            "Layer 2 comes back well, layer 1 does not. When layer 1 was applied, what did its conditioner see?",
        ),
        Mistake(
            "there-again",
            (
                ("(left - shift) * torch.exp(-log_scale)", "left * torch.exp(log_scale) + shift"),
                ("(right - shift) * torch.exp(-log_scale)", "right * torch.exp(log_scale) + shift"),
            ),
            "You have found the right numbers and applied the layers once more. What takes them back?",
        ),
    ),
    hints=(
        r"After layer 2, which half is the one that its conditioner saw?",
        r"Once the left half is what it was between the layers, layer 1 can be undone in the same way.",
    ),
    solution=r"""
(a) Each layer keeps what its conditioner saw, so on the way back the same $a$ and $\mu$ can be computed again, and an
affine map with known coefficients is easily undone. The conditioner is only ever evaluated, never inverted. (b) The last
layer first: from the right half of $x$, which layer 2 kept, come its $a$ and $\mu$, and the left half goes back to
$(\text{left} - \mu)\,e^{-a}$. This left half is the one that layer 1 kept, and the right half follows. (c) As many as
there are layers, in either direction; an autoregressive flow needs one evaluation a layer in one direction and $d$ in
the other.
""",
    cases=_stacks,
    properties=(
        Property(
            "both layers take u to x",
            lambda case, found: torch.allclose(_there(case, found), case["x"], rtol=1e-4, atol=1e-4),
        ),
    ),
)


def _splits(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"kept": numbers(1.0, 1.0, 0.0, 0.0), "layers": 4},
        {"kept": numbers(1.0, 0.0), "layers": 3},
    ]
    for d, ones in ((5, 1), (6, 4), (7, 3)):
        kept = torch.zeros(d, dtype=F64)
        kept[torch.randperm(d, generator=generator)[:ones]] = 1
        cases.append({"kept": kept, "layers": 4})
    return cases


ZEROS = Exercise(
    id="flows.zeros",
    title="How many coupling layers?",
    chapter="05_flows",
    section="sec-05-coupling",
    difficulty=2,
    minutes=25,
    statement=r"""
Coupling layers with elementwise maps and conditioners as general as you like are stacked; the halves exchange their
roles after every layer. (a) Draw the pattern of the Jacobian of one layer: which entries are 0 whatever the networks
are? (b) For $d = 4$, split two and two, count the zeros of the Jacobian of one, two and three layers. How many layers
does it take until every output depends on every input? (c) Two layers suffice for $d = 2$. Why not for $d = 4$: which
entries are left?

Write `structural_zeros(kept, layers)`: the number of entries that are 0 whatever the networks are, after 1, 2, ...,
`layers` layers. The first layer keeps the coordinates with `kept == 1` and changes the others, the second one the other
way round, and so on.
""",
    answer="structural_zeros",
    stub="""
def structural_zeros(kept, layers):
    # kept: (d,), entries 1 and 0; layers: how many. Returns (layers,).
    ...
""",
    reference="""
def structural_zeros(kept, layers):
    eye = torch.eye(len(kept), dtype=kept.dtype)
    total = eye
    counts = []
    for layer in range(layers):
        stays = kept if layer % 2 == 0 else 1 - kept
        pattern = eye + (1 - stays)[:, None] * stays
        total = (pattern @ total > 0).to(kept.dtype)
        counts.append((total == 0).sum().to(kept.dtype))
    return torch.stack(counts)
""",
    mistakes=(
        Mistake(
            "same-half-kept",
            (("kept if layer % 2 == 0 else 1 - kept", "kept"),),
            "Your counts stop falling after the first layer: the same half is kept every time. What has to happen between "
            "the layers?",
        ),
        Mistake(
            "changed-half-mixes-itself",
            (("eye + (1 - stays)[:, None] * stays", "torch.maximum(eye, (1 - stays)[:, None] + 0 * eye)"),),
            "In your layer the changed coordinates also depend on each other. How does an elementwise map act on them?",
        ),
        Mistake(
            "not-on-themselves",
            (("eye + (1 - stays)[:, None] * stays", "torch.diag(stays) + (1 - stays)[:, None] * stays"),),
            "In your pattern a changed coordinate does not depend on itself. What becomes of the u in u exp(a) + mu?",
        ),
        Mistake(
            "conditioned-the-other-way",
            (("(1 - stays)[:, None] * stays", "stays[:, None] * (1 - stays)"),),
            "You count as if the kept half changed. Rows are outputs and columns are inputs: in which rows does a layer "
            "put something?",
        ),
        Mistake(
            "patterns-added",
            (("(pattern @ total > 0)", "(pattern + total > 0)"),),
            "You add the patterns of the layers. What does the chain rule do with the Jacobians?",
        ),
        Mistake(
            "entries-that-are-not-zero",
            (("(total == 0).sum()", "(total > 0).sum()"),),
            "You count the entries that may differ from 0.",
        ),
    ),
    hints=(
        r"In blocks, with the kept half first, one layer is $\begin{pmatrix}I & 0\\ * & D\end{pmatrix}$ with a diagonal "
        r"$D$.",
        r"Multiply the patterns: an entry of the product is 0 for sure if no chain of entries leads there.",
    ),
    solution=r"""
(a) With the kept half first, $J = \begin{pmatrix}I & 0\\ C & D\end{pmatrix}$, where $D$ is diagonal since the map acts on
each coordinate by itself, and $C$ is anything. For $d = 4$ these are 8 zeros. (b) The second layer has the blocks the
other way round, and

$$
\begin{pmatrix}D' & C'\\ 0 & I\end{pmatrix}\begin{pmatrix}I & 0\\ C & D\end{pmatrix}
= \begin{pmatrix}D' + C'C & C'D\\ C & D\end{pmatrix} .
$$

Three blocks are full; $D$ is not, and 2 zeros are left. A third layer adds $C''$ times a full block to it, and no zero
remains: 8, 2, 0. (c) $x_3$ and $x_4$ were changed once, in layer 1, each without seeing the other: the zeros are
$\partial x_3/\partial u_4$ and $\partial x_4/\partial u_3$. For $d = 2$ a half has one
coordinate and no companions. No zeros does not mean that every law can be had; that takes more layers, or richer
elementwise maps.
""",
    cases=_splits,
    properties=(
        Property(
            "three layers leave no zero",
            lambda case, found: len(found) < 3 or bool((found[2:] == 0).all()),
        ),
        Property(
            "a single layer leaves the zeros of a block triangle, and those off a diagonal and an identity",
            lambda case, found: (
                found[0].item()
                == len(case["kept"]) * (len(case["kept"]) - 1)
                - case["kept"].sum().item() * (1 - case["kept"]).sum().item()
            ),
        ),
    ),
)
