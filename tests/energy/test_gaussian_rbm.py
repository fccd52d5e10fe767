"""The RBM with Gaussian visible units against its mixture of normal laws, and fitted to clouds whose law it can have."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.distributions import GaussianMixture
from gmlib.energy import GaussianRBM, all_states, two_phase_gradient

F64 = torch.float64


def shaped(d: int, d_h: int, seed: int = 0) -> GaussianRBM:
    generator = torch.Generator().manual_seed(seed)
    weight, b, c, v = (
        torch.randn(shape, generator=generator, dtype=F64) for shape in ((d, d_h), (d,), (d_h,), (d,))
    )
    return GaussianRBM.from_weights(1.5 * weight, b, c, (0.5 * v).exp())


def points(d: int, n: int = 50) -> Tensor:
    return 3 * torch.randn(n, d, generator=torch.Generator().manual_seed(9), dtype=F64)


def joint(rbm: GaussianRBM, x: Tensor) -> Tensor:
    """exp(-E) of every point with every hidden state, by loops over the energy's three sums."""
    w, b, c, v = (t.detach() for t in (rbm.weight, rbm.b, rbm.c, rbm.var))
    h = all_states(rbm.d_h, 0)
    out = torch.zeros(len(x), len(h), dtype=F64)
    for i in range(rbm.d):
        out += ((x[:, i] - b[i]).square() / (2 * v[i]))[:, None]
        for j in range(rbm.d_h):
            out -= x[:, i, None] / v[i] * w[i, j] * h[:, j]
    return torch.exp(-(out - h @ c))


@pytest.mark.parametrize("rbm", [shaped(2, 3), shaped(1, 1), shaped(3, 5)], ids=["2x3", "1x1", "3x5"])
def test_energy_conditionals_and_free_energy(rbm: GaussianRBM) -> None:
    x, h = points(rbm.d), all_states(rbm.d_h, 0)
    table = joint(rbm, x)
    pairs = rbm.energy(x[:, None].expand(-1, len(h), -1), h.expand(len(x), -1, -1))
    assert torch.allclose(torch.exp(-pairs), table, rtol=1e-12)
    assert torch.allclose(torch.exp(-rbm.free_energy(x)), table.sum(1), rtol=1e-12)
    assert torch.allclose(rbm.hidden_mean(x), table @ h / table.sum(1, keepdim=True), atol=1e-12)
    # Given h the energy is a parabola of x with its lowest point at b + W h and curvature 1 / v.
    x0 = rbm.visible_mean(h[-1:]).detach().requires_grad_()
    slope = torch.autograd.grad(rbm.energy(x0, h[-1:]).sum(), x0, create_graph=True)[0]
    assert slope.abs().max() < 1e-12
    curvature = torch.autograd.grad(slope.sum(), x0)[0]
    assert torch.allclose(curvature[0], 1 / rbm.var, rtol=1e-12)


@pytest.mark.parametrize("rbm", [shaped(2, 3), shaped(1, 1), shaped(3, 5)], ids=["2x3", "1x1", "3x5"])
def test_the_visible_law_is_a_mixture(rbm: GaussianRBM) -> None:
    x, law = points(rbm.d), rbm.mixture()
    assert law.n_components == 2**rbm.d_h
    assert torch.allclose(rbm.log_prob(x), law.log_prob(x), atol=1e-11)
    assert torch.allclose(rbm.score(x), law.score(x), atol=1e-11)
    # The same covariance in every component; the means are sums of columns of W.
    assert (law.covariances - torch.diag(rbm.var)).abs().max() < 1e-12
    columns = rbm.weight.detach()
    assert torch.allclose(law.means[-1] - law.means[0], columns.sum(1), atol=1e-12)
    # Its responsibilities are the law of h given x.
    table = joint(rbm, x)
    assert torch.allclose(law.responsibilities(x), table / table.sum(1, keepdim=True), atol=1e-12)


def test_equal_weights_need_columns_at_right_angles() -> None:
    # A product of coins over h: the squares of b + W h have no cross term only if w_1 . w_2 / v is 0.
    b, v = torch.tensor([0.5, -1.0], dtype=F64), torch.tensor([0.25, 0.25], dtype=F64)
    for second, equal in (((-1.0, 4.0), True), ((-1.0, 3.0), False)):
        weight = torch.tensor([[4.0, second[0]], [1.0, second[1]]], dtype=F64)
        c = -((weight * (b / v)[:, None]).sum(0) + (weight.square() / v[:, None]).sum(0) / 2)
        weights = GaussianRBM.from_weights(weight, b, c, v).mixture().weights
        cross = (weight[:, 0] * weight[:, 1] / v).sum()
        assert (weights[0] * weights[3] / (weights[1] * weights[2])).log().item() == pytest.approx(
            cross.item()
        )
        assert torch.allclose(weights, torch.full((4,), 0.25, dtype=F64), atol=1e-12) is equal


def test_log_z_by_a_grid() -> None:
    rbm = shaped(1, 3)
    grid = torch.linspace(-40, 40, 80_001, dtype=F64)[:, None]
    z = torch.exp(-rbm.free_energy(grid)).sum() * 1e-3
    assert rbm.log_z().item() == pytest.approx(math.log(z.item()), abs=1e-10)


def test_score_is_the_gradient() -> None:
    rbm = shaped(3, 5)
    x = points(3).requires_grad_()
    truth = torch.autograd.grad(-rbm.free_energy(x).sum(), x)[0]
    assert torch.allclose(rbm.score(x), truth, atol=1e-12)


def test_block_gibbs_leaves_the_law() -> None:
    rbm, n = shaped(2, 3), 40_000
    law = rbm.mixture()
    generator = torch.Generator().manual_seed(0)
    x = rbm.gibbs(law.sample((n,), generator=generator), 3, generator=generator)
    assert ((x.mean(0) - law.mean).abs() < 4 * (law.variance / n).sqrt()).all()
    square = (x - law.mean).square()
    assert ((square.mean(0) - law.variance).abs() < 4 * square.std(0) / n**0.5).all()
    # One step from a point: x given h given x, whose mean is b + W E[h | x].
    start = torch.tensor([1.0, -2.0], dtype=F64)
    x = rbm.gibbs(start.expand(n, -1), 1, generator=generator)
    mean = rbm.visible_mean(rbm.hidden_mean(start)).detach()
    assert ((x.mean(0) - mean).abs() < 4 * x.std(0) / n**0.5).all()


def test_both_layers_can_be_drawn() -> None:
    rbm, x = shaped(2, 3), points(2)
    mean = rbm.hidden_mean(x).detach()
    assert torch.equal(rbm.sample_hidden(x, noise=mean - 1e-9), torch.ones_like(mean))
    assert torch.equal(rbm.sample_hidden(x, noise=mean), torch.zeros_like(mean))
    h = torch.ones(5, 3, dtype=F64)
    centre = rbm.visible_mean(h).detach()
    assert torch.equal(rbm.sample_visible(h, noise=torch.zeros(5, 2, dtype=F64)), centre)
    up = rbm.sample_visible(h, noise=torch.ones(5, 2, dtype=F64)) - centre
    assert torch.allclose(up.square(), rbm.var.expand_as(up), atol=1e-12)
    # A step of the chain is one draw of each, h first.
    one, two = (torch.Generator().manual_seed(5) for _ in range(2))
    step = rbm.sample_visible(rbm.sample_hidden(x, generator=one), generator=one)
    assert torch.equal(rbm.gibbs(x, 1, generator=two), step)


def test_the_machine_is_an_energy_of_two_phases() -> None:
    # With one hidden unit and one visible, the model's phase by quadrature: the two phases are the likelihood's gradient.
    rbm = shaped(1, 1)
    grid = torch.linspace(-30, 30, 6001, dtype=F64)[:, None]
    law = torch.softmax(rbm.log_prob(grid).detach(), 0)
    found = two_phase_gradient(rbm, points(1), grid, model_weights=law)
    truth = torch.autograd.grad(rbm.log_prob(points(1)).mean(), list(rbm.parameters()))
    for value, (name, _) in zip(truth, rbm.named_parameters(), strict=True):
        assert torch.allclose(found[name], value, atol=1e-8)


def test_gaussian_rbm() -> None:
    # Four equal clouds at the corners of a rectangle, a law that two hidden units can have, fitted by exact likelihood.
    corners = torch.tensor([[0.0, 0.0], [4.0, 1.0], [-1.0, 4.0], [3.0, 5.0]], dtype=F64)
    generator = torch.Generator().manual_seed(0)
    data = GaussianMixture(corners, var=0.25).sample((400,), generator=generator)
    start, mean = 2 * torch.eye(2, dtype=F64), data.mean(0)
    var = torch.full((2,), 0.5, dtype=F64)
    rbm = GaussianRBM.from_weights(start, mean - start.sum(1) / 2, -start.T @ (mean / var), var)
    optimiser = torch.optim.LBFGS(rbm.parameters(), lr=1.0, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -rbm.log_prob(data).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    # A maximum of the likelihood is at least as good on its data as the law they came from.
    truth = GaussianMixture(corners, var=0.25).log_prob(data).mean().item()
    fitted = rbm.log_prob(data).mean().item()
    assert truth < fitted < truth + 0.03
    order = torch.cdist(corners, rbm.mixture().means).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert (
        rbm.mixture().means[order] - corners
    ).abs().max() < 0.15  # 3 to 4 standard errors of a cloud's mean
    assert torch.allclose(rbm.mixture().weights, torch.full((4,), 0.25, dtype=F64), atol=0.08)


def test_cd_loss_has_the_update_as_its_gradient() -> None:
    # Downhill on the loss: data minus chain in x h' / v, h and (x - b) / v.
    rbm, x = shaped(2, 3), points(2)
    loss = rbm.cd_loss(x, 2, generator=torch.Generator().manual_seed(3))
    w, b, c = torch.autograd.grad(loss, (rbm.weight, rbm.b, rbm.c))
    end = rbm.gibbs(x, 2, generator=torch.Generator().manual_seed(3))
    v = rbm.var.detach()

    def terms(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = rbm.hidden_mean(y).detach()
        return (y / v).T @ h / len(y), ((y - rbm.b.detach()) / v).mean(0), h.mean(0)

    for found, data, chain in zip((w, b, c), terms(x), terms(end), strict=True):
        assert torch.allclose(-found, data - chain, atol=1e-12)
    # In the mean it vanishes at data from the model: here over 40,000 draws of it.
    law, n = rbm.mixture(), 40_000
    generator = torch.Generator().manual_seed(4)
    x = law.sample((n,), generator=generator)
    end = rbm.gibbs(x, 1, generator=generator)
    change = rbm.hidden_mean(x).detach() - rbm.hidden_mean(end).detach()
    assert (change.mean(0).abs() < 4 * change.std(0) / n**0.5).all()


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm = shaped(2, 3)
    w, b, c, v = torch.zeros(2, 3), torch.zeros(2), torch.zeros(3), torch.ones(2)
    h = torch.zeros(4, 3, dtype=F64)
    for error, words, call in (
        (ValueError, "d must be at least 1", lambda: GaussianRBM(0, 3)),
        (ValueError, "var must be", lambda: GaussianRBM(2, 3, var=0.0)),
        (ValueError, "std must be", lambda: GaussianRBM(2, 3, std=-1.0)),
        (ValueError, r"weight must have shape \(d, d_h\)", lambda: GaussianRBM.from_weights(b, b, c, v)),
        (ValueError, r"b must have shape \(2,\)", lambda: GaussianRBM.from_weights(w, c, c, v)),
        (ValueError, "var must be positive", lambda: GaussianRBM.from_weights(w, b, c, -v)),
        (TypeError, "b must have the dtype of weight", lambda: GaussianRBM.from_weights(w, b.double(), c, v)),
        (TypeError, "x must have the dtype of the machine", lambda: rbm.free_energy(torch.zeros(4, 2))),
        (TypeError, "h must have the dtype of the machine", lambda: rbm.sample_visible(torch.zeros(4, 3))),
        (ValueError, "with n >= 1", lambda: rbm.cd_loss(torch.zeros(0, 2, dtype=F64))),
        (ValueError, "noise must have shape", lambda: rbm.sample_visible(h, noise=h)),
        (ValueError, "c must be finite", lambda: GaussianRBM.from_weights(w, b, c / 0, v)),
        (ValueError, r"x must end in the event shape \(2,\)", lambda: rbm.free_energy(torch.zeros(4, 3))),
        (ValueError, r"h must end in the event shape \(3,\)", lambda: rbm.visible_mean(torch.zeros(4, 2))),
        (ValueError, "k must be at least 0", lambda: rbm.gibbs(torch.zeros(4, 2), -1)),
        (ValueError, "k must be at least 1", lambda: rbm.cd_loss(torch.zeros(4, 2), 0)),
        (ValueError, "at most 16 hidden units", lambda: GaussianRBM(2, 17).log_z()),
    ):
        with pytest.raises(error, match=words):
            call()
