"""The recipe of chapter 05's small stacks: what it minimises, what it measures, and the weights that were shipped."""

import math

import pytest
import torch
from torch import nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.distributions import cross, toy
from gmlib.recipes.flow_stack import LAWS, flow_stack, stack_evaluator, stack_flow


def test_the_loss_is_the_sum_of_the_negative_log_likelihoods() -> None:
    task = flow_stack(laws=["ring", "cross"], points=64, held_out=10)
    assert isinstance(task.data, torch.Tensor)
    assert callable(task.loss)
    terms = task.loss(task.model, task.data, None)
    # Untrained flows are the normal law.
    wanted = [math.log(2 * math.pi) + 0.5 * float(task.data[:, i].square().sum(-1).mean()) for i in (0, 1)]
    assert [float(terms[name].detach()) for name in ("ring", "cross")] == pytest.approx(wanted, rel=1e-5)
    assert float(terms["loss"].detach()) == pytest.approx(sum(wanted), rel=1e-5)


def test_layers_change_the_coordinates_in_turn_and_start_at_the_identity() -> None:
    flow = stack_flow(layers=2, hidden=(5,))
    with torch.no_grad():
        for weight in flow.parameters():
            weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape))
    u = torch.tensor([[0.3, -0.8]])
    first, second = flow.bijection.get_submodule("layers.0"), flow.bijection.get_submodule("layers.1")
    assert (first(u)[0] == u).tolist() == [[True, False]]
    assert (second(u)[0] == u).tolist() == [[False, True]]


def test_the_evaluation_measures_the_divergence_from_the_law() -> None:
    n = 20_000
    metrics = stack_evaluator({"cross": cross()}, n)(nn.ModuleDict({"cross": stack_flow(layers=1)}))
    # Against the normal law: log 2 pi + E|x|^2 / 2 less the entropy 1.4531, with E|x|^2 = 1.0225.
    assert metrics["excess_cross"] == pytest.approx(
        math.log(2 * math.pi) + 0.51125 - 1.4531, abs=4 * 1.0 / n**0.5
    )


@pytest.mark.slow
def test_the_shipped_weights_have_the_recorded_metrics() -> None:
    recorded = checkpoint("flow-stack").metrics["mean"]
    model = load_into(nn.ModuleDict({name: stack_flow() for name in LAWS}), "flow-stack").eval()
    found = stack_evaluator({name: toy(name) for name in LAWS}, 20_000)(model)
    assert found == pytest.approx(recorded, abs=1e-4)
    for name in LAWS:
        assert 0 < found[f"excess_{name}"] < 0.02
