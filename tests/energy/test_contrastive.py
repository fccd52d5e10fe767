"""Contrastive divergence by enumeration on the reference machine: its mean, its error, its objective, the dropped term."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gmlib.energy import (
    RBM,
    GaussianRBM,
    RBMGradient,
    all_states,
    cd_gradient,
    cd_objective,
    dropped_term,
    exact_gradient,
    expected_cd_gradient,
    field_jacobian,
    joint_table,
    law_after,
    reference_law,
    reference_rbm,
    second_eigenvalue,
    stationary_point,
    statistics,
    visible_law,
)

F64 = torch.float64
X, H = all_states(4, 0), all_states(3, 0)


def tables() -> tuple[Tensor, Tensor, Tensor]:
    """p(x), p(h | x) and p(x | h) (rows h) of the reference machine, from a fresh joint table."""
    rbm = reference_rbm()
    w, b, c = rbm.weight.detach(), rbm.b.detach(), rbm.c.detach()
    joint = torch.stack([torch.stack([torch.exp(x @ w @ h + x @ b + h @ c) for h in H]) for x in X])
    joint = joint / joint.sum()
    return joint.sum(1), joint / joint.sum(1, keepdim=True), (joint / joint.sum(0)).T


def differences(function: Callable[[RBM], Tensor], step: float = 1e-5) -> Tensor:
    """Central differences at the reference machine, in the order weight, b, c."""
    base = {name: value.detach() for name, value in reference_rbm().named_parameters()}
    out = []
    for name in ("weight", "b", "c"):
        for index in itertools.product(*map(range, base[name].shape)):
            both = []
            for sign in (1, -1):
                parts = {key: value.clone() for key, value in base.items()}
                parts[name][index] += sign * step
                both.append(function(RBM.from_weights(**parts)).item())
            out.append((both[0] - both[1]) / (2 * step))
    return torch.tensor(out, dtype=F64)


def test_contrastive_divergence() -> None:
    rbm, law = reference_rbm(), reference_law()
    p, up, down = tables()
    # The mean of the update against a sum over x0, h, x1 written out.
    mean = torch.einsum("x,xi,xh,hj->ij", law, X, up, H)
    mean = mean - torch.einsum("x,xg,gy,yi,yh,hj->ij", law, up, down, X, up, H)
    assert torch.allclose(expected_cd_gradient(rbm, law, 1).weight, mean, atol=1e-15)
    # Data = model: it stands still, whatever k.
    for k in (1, 2, 5):
        assert expected_cd_gradient(rbm, p, k).vector().abs().max() < 1e-15
    # The error to the likelihood gradient falls geometrically, at the chain's own rate.
    exact = exact_gradient(rbm, X, law).weight
    error = {
        k: ((expected_cd_gradient(rbm, law, k).weight - exact).norm() / exact.norm()).item()
        for k in range(1, 9)
    }
    assert (round(error[1], 4), round(error[2], 5), round(error[5], 7)) == (0.0404, 0.00818, 7.31e-5)
    assert error[8] / error[7] == pytest.approx(second_eigenvalue(rbm), rel=1e-3)
    assert error[8] / error[7] == pytest.approx(0.2076, abs=1e-4)


def test_the_usual_slips_move_at_data_from_the_model() -> None:
    # Largest entry of the W-update where the data's law is the model's; the right rule gives 0.
    rbm = reference_rbm()
    p, up, down = tables()
    mean = up @ H
    start = torch.einsum("x,xi,xj->ij", p, X, mean)
    # x paired with h' of the reconstruction.
    step = up @ down
    paired = start - torch.einsum("x,xy,xi,yj->ij", p, step, X, mean)
    assert paired.abs().max().item() == pytest.approx(0.058, abs=5e-4)
    # Hidden means go down in place of samples; the visible units are drawn.
    x1 = rbm.visible_mean(mean).detach()
    soft = torch.where(X == 1, x1[:, None], 1 - x1[:, None]).prod(-1)
    fed_down = start - torch.einsum("x,xi,xj->ij", p @ soft, X, mean)
    assert fed_down.abs().max().item() == pytest.approx(0.013, abs=5e-4)
    assert expected_cd_gradient(rbm, p, 1).weight.abs().max() < 1e-15


def test_cd_objective() -> None:
    rbm, law = reference_rbm(), reference_law()
    p, up, down = tables()
    kl = (law * (law / p).log()).sum()
    after = law @ up @ down
    truth = kl - (after * (after / p).log()).sum()
    values = torch.stack([cd_objective(rbm, law, k) for k in range(12)]).detach()
    assert values[1].item() == pytest.approx(truth.item(), abs=1e-14)
    assert values[0].abs() < 1e-15
    assert (values[:9].diff() > 0).all()  # up to rounding it rises to the KL and never passes it
    assert (values <= kl + 1e-14).all()
    assert values[-1].item() == pytest.approx(kl.item(), abs=1e-12)
    assert abs(cd_objective(rbm, p, 3).item()) < 1e-15
    # Never negative, for any law; and a law with zeros is a law.
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        drawn = torch.softmax(3 * torch.randn(16, generator=generator, dtype=F64), 0)
        assert cd_objective(rbm, drawn, 1) > 0
    point = torch.zeros(16, dtype=F64)
    point[5] = 1.0
    assert torch.isfinite(cd_objective(rbm, point, 1))


@pytest.mark.parametrize("k", [1, 2])
def test_three_terms_are_the_gradient_and_two_are_not(k: int) -> None:
    rbm, law = reference_rbm(), reference_law()
    slope = differences(lambda m: cd_objective(m, law, k))
    two, dropped = expected_cd_gradient(rbm, law, k).vector(), dropped_term(rbm, law, k).vector()
    assert torch.allclose(two + dropped, -slope, atol=1e-9)
    assert (two + slope).abs().max() > 1e-3
    # What is dropped, in parts of the update: 3.4 % of its length for one step, .78 % for two.
    assert (dropped.norm() / two.norm()).item() == pytest.approx({1: 0.0338, 2: 0.0078}[k], abs=5e-5)
    # The update was printed with the other sign as CD's gradient: that is the direction of descent.
    assert torch.dot(two, slope) < 0


def test_the_update_is_no_gradient() -> None:
    rbm, law = reference_rbm(), reference_law()

    def exact(m: RBM) -> RBMGradient:
        data = statistics(m, X, law, differentiable=True)
        return data - statistics(m, X, visible_law(m), differentiable=True)

    assert torch.allclose(exact(rbm).vector(), exact_gradient(rbm, X, law).vector(), atol=1e-15)
    symmetric = field_jacobian(rbm, exact)
    assert (symmetric - symmetric.T).abs().max() < 1e-14
    jacobian = field_jacobian(rbm, lambda m: expected_cd_gradient(m, law, 1, differentiable=True))
    numeric = torch.stack(
        [differences(lambda m, i=i: expected_cd_gradient(m, law, 1).vector()[i]) for i in (0, 7, 18)]
    )
    assert torch.allclose(jacobian[[0, 7, 18]], numeric, atol=1e-9)
    asymmetry = (jacobian - jacobian.T).abs().max().item()
    assert asymmetry == pytest.approx(0.0249, abs=1e-4)  # beside entries up to .243
    assert jacobian.abs().max().item() == pytest.approx(0.2427, abs=1e-4)


def test_one_hidden_unit_has_no_bias_at_rest() -> None:
    # Stationary in c: the two-state chain of h is at its own law, so p_1 is the model and the point is that of likelihood.
    generator = torch.Generator().manual_seed(1)
    weight = 2 * torch.tensor([[1.0], [1.2], [-0.8], [0.6]], dtype=F64)
    start = RBM.from_weights(weight, 0.2 - weight[:, 0] / 2, -weight.sum(0) / 2)
    law = 0.9 * visible_law(start).detach() + 0.1 * reference_law()
    rest = stationary_point(start, lambda m: expected_cd_gradient(m, law, 1, differentiable=True))
    assert exact_gradient(rest, X, law).vector().abs().max() < 1e-12
    # Away from rest the two directions differ.
    away = RBM.from_weights(
        torch.randn(4, 1, generator=generator, dtype=F64), rest.b.detach(), rest.c.detach()
    )
    gap = expected_cd_gradient(away, law, 1) - exact_gradient(away, X, law)
    assert gap.vector().abs().max() > 1e-3


@pytest.mark.parametrize("k", [1, 3])
def test_draws_have_the_expected_mean(k: int) -> None:
    rbm, law = reference_rbm(), reference_law()
    batches = 120
    x = X.repeat_interleave(
        (law * 360).round().long(), 0
    )  # in 360ths the law is whole: from 15 to 30 of each state
    assert len(x) == 360
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([cd_gradient(rbm, x, k, generator=generator).vector() for _ in range(batches)])
    truth = expected_cd_gradient(rbm, law, k).vector()
    error = draws.std(0) / batches**0.5
    assert ((draws.mean(0) - truth).abs() / error).max() < 4  # 19 entries, 120 batches of 360


def test_means_in_the_averages_only_take_out_noise() -> None:
    # The same chain, its last hidden layer drawn in place of its mean: the same mean, a larger variance.
    rbm = reference_rbm()
    n, generator = 20_000, torch.Generator().manual_seed(0)
    x = rbm.gibbs(X[5].expand(n, -1), 1, generator=generator)
    mean, drawn = rbm.hidden_mean(x).detach(), rbm.sample_hidden(x, generator=generator)
    by_mean, by_draw = x[:, :, None] * mean[:, None], x[:, :, None] * drawn[:, None]
    error = (by_draw - by_mean).std(0) / n**0.5
    assert ((by_mean - by_draw).mean(0).abs() < 4 * error).all()
    assert (by_mean.var(0) < by_draw.var(0)).all()


def test_law_after() -> None:
    rbm, law = reference_rbm(), reference_law()
    _, up, down = tables()
    assert torch.allclose(law_after(rbm, law, 2), law @ up @ down @ up @ down, atol=1e-15)
    assert torch.equal(law_after(rbm, law, 0), law)
    assert torch.allclose(joint_table(rbm).sum(1), law_after(rbm, law, 40), atol=1e-15)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    rbm = reference_rbm()
    far = RBM.from_weights(*(part.detach().float().cuda() for part in (rbm.weight, rbm.b, rbm.c)))
    law = reference_law()
    truth = expected_cd_gradient(rbm, law, 1).vector()
    found = expected_cd_gradient(far, law.float().cuda(), 1).vector()
    assert found.is_cuda
    assert torch.allclose(found.cpu().double(), truth, atol=1e-6)
    g = cd_gradient(far, X.float().cuda(), 1, generator=torch.Generator("cuda").manual_seed(0))
    assert g.weight.is_cuda


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm, law = reference_rbm(), reference_law()
    for error, words, call in (
        (ValueError, "k must be at least 1", lambda: cd_gradient(rbm, X, 0)),
        (ValueError, "k must be at least 1", lambda: expected_cd_gradient(rbm, law, 0)),
        (ValueError, "k must be at least 1", lambda: dropped_term(rbm, law, 0)),
        (ValueError, "k must be at least 0", lambda: cd_objective(rbm, law, -1)),
        (ValueError, r"law must have shape \(16,\)", lambda: cd_objective(rbm, torch.full((4,), 0.25), 1)),
        (ValueError, "law must sum to one", lambda: law_after(rbm, 2 * law, 1)),
        (ValueError, "law must not be negative", lambda: law_after(rbm, law - 0.05, 1)),
        (ValueError, "at most 12 visible units", lambda: law_after(RBM(13, 2), law, 1)),
        (
            ValueError,
            "at most 12 visible units here, got 20",
            lambda: expected_cd_gradient(RBM(20, 2), law, 1),
        ),
        (TypeError, "law must have the dtype of the machine", lambda: law_after(rbm, law.float(), 1)),
        (TypeError, "x must have the dtype of the machine", lambda: cd_gradient(rbm, X.float())),
        (TypeError, "rbm must be an RBM", lambda: cd_gradient(GaussianRBM(4, 3), X.float())),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: law_after(GaussianRBM(4, 3), law, 1)),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: field_jacobian(None, lambda m: m)),  # type: ignore[arg-type]
        (TypeError, "field must be callable", lambda: field_jacobian(rbm, 3)),  # type: ignore[arg-type]
        (ValueError, "keep its graph", lambda: field_jacobian(rbm, lambda m: statistics(m, X))),
        (TypeError, "field must be callable", lambda: stationary_point(rbm, None)),  # type: ignore[arg-type]
    ):
        with pytest.raises(error, match=words):
            call()
