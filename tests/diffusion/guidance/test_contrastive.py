"""The contrastive loss where it is known, the floor that repeated captions leave, and classes by their captions."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.diffusion.guidance import contrastive_loss, similarities, zero_shot

F64 = torch.float64


def test_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    # By hand: cosines ((1, r), (0, r)) with r = 1/sqrt(2); rows and columns choose.
    images = torch.tensor([[2.0, 0.0], [0.0, 0.5]], dtype=F64)
    texts = torch.tensor([[3.0, 0.0], [1.0, 1.0]], dtype=F64)
    for kappa in (0.5, 1.0, 7.0):
        r = math.sqrt(0.5)
        rows = math.log1p(math.exp(kappa * (r - 1))) + math.log1p(math.exp(-kappa * r))
        columns = math.log1p(math.exp(-kappa)) + math.log(2)
        assert contrastive_loss(images, texts, kappa).item() == pytest.approx((rows + columns) / 4, abs=1e-12)
    # Equal similarities: log B exactly, at any scale.
    for n in (1, 2, 50):
        same = torch.ones(n, 3, dtype=F64)
        assert contrastive_loss(same, 2 * same, 30.0).item() == pytest.approx(math.log(n), abs=1e-12)
    # Unrelated embeddings, as a fresh model's: log B + kappa^2/(2d) + O(1/sqrt(B d)). Never below 0.
    n, d = 256, 64
    u, v = torch.randn(2, n, d, dtype=F64, generator=generator)
    assert contrastive_loss(u, v, 1.0).item() == pytest.approx(math.log(n) + 1 / (2 * d), abs=0.03)
    assert 0 <= contrastive_loss(u, u, 100.0).item() < 1e-3
    # The gradient pulls a pair together, and what does not belong together apart.
    u = torch.randn(4, 6, dtype=F64, generator=generator).requires_grad_()
    v = torch.randn(4, 6, dtype=F64, generator=generator)
    contrastive_loss(u, v, 2.0).backward()
    assert u.grad is not None
    moved = similarities(u.detach() - 1e-4 * u.grad, v) - similarities(u.detach(), v)
    assert (moved.diag() > 0).all()
    assert moved.sum() - moved.diag().sum() < 0
    # Only directions count: the gradient is orthogonal to the embedding.
    torch.testing.assert_close((u.grad * u).sum(1), torch.zeros(4, dtype=F64), rtol=0, atol=1e-12)
    # A class by the nearest caption, whatever the lengths.
    names = torch.tensor([[1.0, 0.0], [0.0, 9.0], [-1.0, -1.0]])
    assert zero_shot(torch.tensor([[0.1, 5.0], [5.0, 0.1], [-3.0, -2.0]]), names).tolist() == [1, 0, 2]


def test_repeated_captions_leave_a_floor() -> None:
    """Captions 0 0 0 1 1 2: the best is the mean of log 3, log 2 and log 1, by number; orthogonal encoders reach it."""
    which = torch.tensor([0, 0, 0, 1, 1, 2])
    floor = (3 * math.log(3) + 2 * math.log(2)) / 6
    perfect = torch.eye(3, dtype=F64)[which]
    assert contrastive_loss(perfect, perfect, 200.0).item() == pytest.approx(floor, abs=1e-12)
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):  # pictures of one caption may differ, and it helps nobody
        images = torch.randn(6, 3, dtype=F64, generator=generator)
        texts = torch.randn(3, 3, dtype=F64, generator=generator)[which]
        assert contrastive_loss(images, texts, 20.0).item() > floor


def test_what_is_learnt_of_the_mutual_information() -> None:
    """Of K equally likely pairs, log K nats, a batch of B shows E[log B - log N], which is less than either log."""
    kinds, batch = 4, 3
    every = torch.cartesian_prod(*[torch.arange(kinds)] * batch)  # all batches there are, equally likely
    eye = torch.eye(kinds, dtype=F64)
    mean = torch.stack([contrastive_loss(eye[row], eye[row], 200.0) for row in every]).mean().item()
    others = [
        math.comb(batch - 1, k) * (1 / kinds) ** k * (1 - 1 / kinds) ** (batch - 1 - k) for k in range(batch)
    ]
    expected = sum(p * math.log(1 + k) for k, p in enumerate(others))
    assert mean == pytest.approx(expected, abs=1e-12)
    assert math.log(batch) - mean < min(math.log(batch), math.log(kinds))


@pytest.mark.bad_input
def test_what_cannot_be_compared_is_refused() -> None:
    u = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="texts must be as many as images, 3, got 4"):
        contrastive_loss(u, torch.zeros(4, 2), 1.0)
    with pytest.raises(ValueError, match="texts must have d = 2, as images, got 5"):
        zero_shot(u, torch.zeros(4, 5))
    with pytest.raises(ValueError, match=r"images must have shape \(n, d\), got \(2,\)"):
        similarities(u[0], u)
    with pytest.raises(TypeError, match="images must have a floating dtype"):
        contrastive_loss(u.long(), u, 1.0)
    with pytest.raises(ValueError, match="scale must be a finite number"):
        contrastive_loss(u, u, 0.0)
