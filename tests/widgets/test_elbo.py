"""The browser's bound, estimators and networks against gmlib and against quadrature."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gmlib.nn import MLP
from gmlib.vae import detached_gradient, pathwise_gradient, score_function_gradient
from gmlib.widgets import PosteriorTug
from gmlib.widgets.arrays import Block, pack, quantise
from gmlib.widgets.posterior_tug import figure_of_eight

from .node import assert_same, evaluate

F64 = torch.float64
TERMS = "const law = new GridPosterior(data.z, data.joint);"


@pytest.mark.parametrize("observation", [0, 1, 2])
def test_terms_of_the_bound(observation: int) -> None:
    z, joint = figure_of_eight()
    g = torch.Generator().manual_seed(observation)
    low, high = PosteriorTug().std_range
    means = 7.2 * torch.rand(40, generator=g, dtype=F64) - 3.6
    stds = low * (high / low) ** torch.rand(40, generator=g, dtype=F64)
    got = evaluate(
        "GridPosterior from posterior",
        TERMS
        + "return { rows: data.q.map(([m, s]) => law.terms(m, s)), log: law.logEvidence, moments: law.moments() };",
        z=z,
        joint=joint[observation],
        q=torch.stack([means, stds], -1),
    )
    tug = PosteriorTug(observation=observation)
    for row, mean, std in zip(got["rows"], means.tolist(), stds.tolist(), strict=True):
        tug.mean, tug.std = mean, std
        truth = tug.terms()
        for name in ("energy", "entropy", "reverse", "forward"):
            assert_same(row[name], torch.tensor(getattr(truth, name), dtype=F64))
        assert_same(
            row["energy"] + row["entropy"] + row["reverse"], torch.tensor(truth.log_evidence, dtype=F64)
        )
    assert_same(got["log"], torch.tensor(tug.terms().log_evidence, dtype=F64))


def test_the_expected_log_joint_is_that_of_gauss_hermite() -> None:
    z, joint = figure_of_eight()
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    mean, std = 0.4, 0.7
    at = mean + std * nodes
    square = (2 * np.sin(1.6 * at) - 1.9) ** 2 + (np.sin(3.2 * at) - 0.55) ** 2
    log_joint = -square / 0.125 - math.log(2 * math.pi / 16) - at**2 / 2 - 0.5 * math.log(2 * math.pi)
    truth = float(weights @ log_joint) / math.sqrt(2 * math.pi)
    got = evaluate(
        "GridPosterior from posterior",
        TERMS + f"return law.terms({mean}, {std}).energy;",
        z=z,
        joint=joint[1],
    )
    assert_same(got, torch.tensor(truth, dtype=F64))


@pytest.mark.parametrize("observation", [0, 1, 2])
def test_the_marked_laws_are_the_best_ones(observation: int) -> None:
    z, joint = figure_of_eight()
    tug = PosteriorTug(observation=observation)
    got = evaluate(
        "GridPosterior from posterior",
        TERMS + "return { best: law.optimum(data.means, data.stds), moments: law.moments() };",
        z=z,
        joint=joint[observation],
        means=tug.mean_range,
        stds=tug.std_range,
    )
    posterior = torch.exp(joint[observation] - torch.logsumexp(joint[observation], 0))
    mean = (posterior * z).sum()
    std = (posterior * (z - mean) ** 2).sum().sqrt()
    assert_same([got["moments"]["mean"], got["moments"]["std"]], torch.stack([mean, std]))
    # No q of a fine grid has a larger bound.
    best = got["best"]["elbo"]
    means = torch.linspace(*tug.mean_range, 241, dtype=F64)[:, None, None]
    for std_ in torch.logspace(*(math.log10(v) for v in tug.std_range), 25, dtype=F64).tolist():
        log_q = torch.distributions.Normal(means, std_).log_prob(z)
        elbo = torch.trapezoid(log_q.exp() * (joint[observation] - log_q), z, dim=-1)
        assert float(elbo.max()) <= best + 1e-9
    # The gradient vanishes there, unless q has the least width that it may have.
    m, s = torch.tensor(got["best"]["mean"], dtype=F64), torch.tensor(got["best"]["std"], dtype=F64)
    m.requires_grad_(), s.requires_grad_()
    log_q = torch.distributions.Normal(m, s).log_prob(z)
    torch.trapezoid(log_q.exp() * (joint[observation] - log_q), z).backward()
    assert m.grad is not None
    assert s.grad is not None
    assert abs(float(m.grad)) < 1e-4
    narrowest = s.item() <= tug.std_range[0] * (1 + 1e-9)
    assert abs(float(s.grad)) < 1e-4 or (narrowest and float(s.grad) < 0)


def test_gradient_estimates_on_the_same_noise() -> None:
    noise = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=F64)
    oracles = {
        "pathwise": pathwise_gradient,
        "score": score_function_gradient,
        "detached": detached_gradient,
    }
    for mu in (-2.3, 0.0, 1.5):
        for name, oracle in oracles.items():
            got = evaluate(
                "estimates from estimators",
                "return [...estimates(data.name, data.mu, data.noise)];",
                name=name,
                mu=mu,
                noise=noise,
            )
            assert_same(got, oracle(torch.square, mu, noise))


@pytest.mark.parametrize("mu", [-3.0, 0.0, 0.7, 2.0])
def test_exact_means_and_variances(mu: float) -> None:
    # The estimates are polynomials in the noise: quadrature with 20 nodes is exact.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    for name in ("pathwise", "score", "detached"):
        got = evaluate(
            "ESTIMATORS, estimates, summary from estimators",
            "const e = ESTIMATORS[data.name];"
            "return [[...estimates(data.name, data.mu, data.noise)], e.mean(data.mu), e.variance(data.mu)];",
            name=name,
            mu=mu,
            noise=nodes.tolist(),
        )
        values = np.array(got[0])
        mean = float(weights @ values)
        assert_same(got[1], torch.tensor(mean, dtype=F64))
        assert_same(got[2], torch.tensor(float(weights @ (values - mean) ** 2), dtype=F64))


def test_sample_mean_and_variance() -> None:
    values = torch.randn(50, generator=torch.Generator().manual_seed(1), dtype=F64)
    got = evaluate("summary from estimators", "return summary(data.values);", values=values)
    assert_same([got["mean"], got["variance"]], torch.stack([values.mean(), values.var()]))


ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "tanh": nn.Tanh}
UNPACK = (
    "const block = Uint8Array.from(atob(data.block), (c) => c.charCodeAt(0));"
    "const arrays = unpack(data.arrays, new DataView(block.buffer));"
)


def sent(block: Block) -> dict[str, Any]:
    return {"arrays": block.arrays, "block": base64.b64encode(block.data).decode()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_from_its_packed_weights(activation: str) -> None:
    torch.manual_seed(0)
    net = MLP([3, 32, 32, 2], activation=ACTIVATIONS[activation])
    x = torch.randn(40, 3)
    got = evaluate(
        "mlp, layersOf from mlp; unpack from weights",
        UNPACK + "return [...mlp(data.x.flat(), layersOf(arrays), data.activation)];",
        x=x,
        activation=activation,
        **sent(pack(net.state_dict())),
    )
    assert_same(got, net.double()(x.double()))


def test_every_kind_of_stored_array_is_read_back() -> None:
    special = torch.tensor([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, 6.2e-5, 1 / 3], dtype=torch.float16)
    small, scale = quantise(torch.randn(5, 7, generator=torch.Generator().manual_seed(0)))
    full = torch.randn(3, 2, generator=torch.Generator().manual_seed(1))
    block = pack({"half": special, "small": small, "full": full}, scales={"small": scale})
    got = evaluate(
        "unpack from weights",
        UNPACK
        + "return Object.fromEntries(Object.entries(arrays).map(([k, v]) => [k, [v.shape, [...v.data]]]));",
        **sent(block),
    )
    for name, value in (("half", special.float()), ("small", small * scale), ("full", full)):
        assert got[name][0] == list(value.shape)
        assert torch.equal(torch.tensor(got[name][1], dtype=torch.float32), value.float().flatten())
