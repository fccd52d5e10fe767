"""Mean-field CD: the same answer every time, and another one than likelihood's, on machines small enough to solve."""

import pytest
import torch

from gmlib.energy import (
    RBM,
    GaussianRBM,
    RBMGradient,
    all_states,
    cd_gradient,
    exact_gradient,
    expected_cd_gradient,
    field_jacobian,
    log_prob,
    mean_field_gradient,
    mean_field_reconstruction,
    reference_law,
    reference_rbm,
    stationary_point,
    statistics,
    visible_law,
)

F64 = torch.float64
X = all_states(4, 0)
DECAY = 0.005


def toy() -> tuple[RBM, torch.Tensor]:
    """Two hidden units, and a law near that of the machine: four parts of it to one of the reference law."""
    weight = torch.tensor([[4.0, 0.0], [4.8, 0.8], [0.4, 3.2], [-0.8, 3.6]], dtype=F64)
    rbm = RBM.from_weights(weight, 0.2 - weight.sum(1) / 2, -weight.sum(0) / 2)
    return rbm, 0.8 * visible_law(rbm).detach() + 0.2 * reference_law()


def decayed(rbm: RBM, g: RBMGradient) -> RBMGradient:
    return g - RBMGradient(DECAY * rbm.weight, 0 * rbm.b, 0 * rbm.c)


def test_mean_field_cd() -> None:
    # Where three rules come to rest, with the same weight decay: likelihood, CD-1, mean-field CD-1.
    start, law = toy()

    def likelihood(m: RBM) -> RBMGradient:
        data = statistics(m, X, law, differentiable=True)
        return decayed(m, data - statistics(m, X, visible_law(m), differentiable=True))

    def cd(m: RBM) -> RBMGradient:
        return decayed(m, expected_cd_gradient(m, law, 1, differentiable=True))

    def mean_field(m: RBM) -> RBMGradient:
        return decayed(m, mean_field_gradient(m, X, law, differentiable=True))

    rest = []
    for field in (likelihood, cd, mean_field):
        near = RBM.from_weights(start.weight.detach(), start.b.detach(), start.c.detach())
        for _ in range(100):
            with torch.no_grad():
                field(near).ascend(near, 3.0)
        rest.append(stationary_point(near, field))
        assert field(rest[-1]).vector().abs().max() < 1e-12
        assert torch.linalg.eigvals(field_jacobian(rest[-1], field)).real.max() < 0  # it attracts
    points = [torch.cat([value.detach().flatten() for value in m.parameters()]) for m in rest]
    to_cd, to_mean_field = ((point - points[0]).norm().item() for point in points[1:])
    # CD-1 rests beside the likelihood's point, mean-field CD far from it.
    assert 1e-3 < to_cd < 0.05
    assert to_mean_field > 3
    kl = [(law * (law.log() - log_prob(m, X))).sum().item() for m in rest]
    assert kl == pytest.approx([0.0193, 0.0193, 0.0549], abs=1e-4)
    objective = [k + DECAY / 2 * m.weight.square().sum().item() for k, m in zip(kl, rest, strict=True)]
    assert objective[0] < objective[1] < objective[2]


def test_zero_sampling_variance() -> None:
    rbm, law = toy()
    x = X[torch.multinomial(law, 64, replacement=True, generator=torch.Generator().manual_seed(0))]
    drawn = torch.stack(
        [cd_gradient(rbm, x, 1, generator=torch.Generator().manual_seed(seed)).vector() for seed in range(20)]
    )
    fixed = torch.stack([mean_field_gradient(rbm, x).vector() for _ in range(20)])
    assert fixed.var(0).max() == 0
    assert drawn.var(0).min() > 0


def test_it_moves_at_data_from_the_model() -> None:
    # The mean of a product of sigmoids is not the sigmoid's product at the mean: data = model is no rest.
    rbm = reference_rbm()
    p = visible_law(rbm).detach()
    off = mean_field_gradient(rbm, X, p)
    h = torch.sigmoid(X @ rbm.weight + rbm.c).detach()
    mu = torch.sigmoid(h @ rbm.weight.T + rbm.b).detach()
    up = torch.sigmoid(mu @ rbm.weight + rbm.c).detach()
    assert torch.allclose(
        off.weight, torch.einsum("x,xi,xj->ij", p, X, h) - torch.einsum("x,xi,xj->ij", p, mu, up)
    )
    assert torch.allclose(mean_field_reconstruction(rbm, X), mu)
    assert off.weight.abs().max().item() == pytest.approx(0.0804, abs=1e-4)
    assert exact_gradient(rbm, X, p).vector().abs().max() < 1e-15
    # Without weights nothing is non-linear, and the means are right.
    flat = RBM.from_weights(torch.zeros(4, 3, dtype=F64), rbm.b.detach(), rbm.c.detach())
    law = visible_law(flat).detach()
    assert mean_field_gradient(flat, X, law).vector().abs().max() < 1e-15


def test_more_steps_find_the_fixed_point_of_the_means() -> None:
    rbm = reference_rbm()
    settled = mean_field_reconstruction(rbm, X, 200)
    assert torch.allclose(rbm.visible_mean(rbm.hidden_mean(settled)), settled, atol=1e-12)
    two = mean_field_reconstruction(rbm, X, 2)
    assert torch.allclose(mean_field_reconstruction(rbm, two, 3), mean_field_reconstruction(rbm, X, 5))


def test_stationary_point_gives_up() -> None:
    rbm = reference_rbm()
    shift = RBMGradient(torch.ones(4, 3, dtype=F64), torch.zeros(4, dtype=F64), torch.zeros(3, dtype=F64))
    with pytest.raises(RuntimeError, match="no stationary point within 3 steps"):  # E[x h] is below 1
        stationary_point(rbm, lambda m: statistics(m, X, differentiable=True) - shift - shift, steps=3)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm = reference_rbm()
    for error, words, call in (
        (ValueError, "k must be at least 1", lambda: mean_field_gradient(rbm, X, k=0)),
        (ValueError, "k must be at least 1", lambda: mean_field_reconstruction(rbm, X, 0)),
        (ValueError, r"x must end in the event shape \(4,\)", lambda: mean_field_gradient(rbm, X[:, :3])),
        (
            ValueError,
            r"law must have shape \(16,\)",
            lambda: mean_field_gradient(rbm, X, reference_law()[:4]),
        ),
        (ValueError, "law must sum to one", lambda: mean_field_gradient(rbm, X, 2 * reference_law())),
        (ValueError, r"x must have shape \(n, 4\)", lambda: mean_field_gradient(rbm, X[0])),
        (TypeError, "x must have the dtype", lambda: mean_field_reconstruction(rbm, X.float())),
        (TypeError, "rbm must be an RBM", lambda: mean_field_gradient(GaussianRBM(4, 3), X.float())),  # type: ignore[arg-type]
        (ValueError, "steps must be at least 1", lambda: stationary_point(rbm, lambda m: m, steps=0)),  # type: ignore[arg-type, return-value]
        (ValueError, "tolerance must be", lambda: stationary_point(rbm, lambda m: m, tolerance=0.0)),  # type: ignore[arg-type, return-value]
    ):
        with pytest.raises(error, match=words):
            call()
