"""Six scoring rules on N(0, 1) against N(1, 1): best logit, best value, proper or not."""

import math

import pytest
import torch

from gmlib.distributions import Gaussian, divergences_1d
from gmlib.gan import SCORING_RULES, expected_score, jsd_from_value, score_value

F64 = torch.float64
ZERO = torch.zeros(1, dtype=F64)
P, Q = Gaussian(ZERO, var=1.0), Gaussian(ZERO + 1, var=1.0)
EXACT = divergences_1d(P, Q)
LOGITS = torch.linspace(-6, 6, 12_001, dtype=F64)
LOG_R = torch.linspace(-5, 5, 41, dtype=F64)


def best_logit(name: str, prob: float) -> float:
    """The logit of the highest expected score on a grid."""
    return LOGITS[expected_score(SCORING_RULES[name], LOGITS, prob).argmax()].item()


def triangular() -> float:
    """Integral of (p - q)^2 / (p + q), by its own rule."""
    x = torch.linspace(-12, 13, 20_001, dtype=F64)[:, None]
    p, q = P.log_prob(x).exp(), Q.log_prob(x).exp()
    return torch.trapezoid((p - q).square() / (p + q), x[:, 0]).item()


def check_rule(name: str, value: float) -> None:
    """The closed form of the best value, the value at the best logit and the number agree; no other critic gets more."""
    rule = SCORING_RULES[name]

    def best(x: torch.Tensor) -> torch.Tensor:
        return rule.optimal(0.5 - x[:, 0])

    closed = score_value(rule, P, Q).item()
    assert closed == pytest.approx(value, abs=2e-6)
    assert score_value(rule, P, Q, critic=best).item() == pytest.approx(closed, abs=2e-4)
    for other in (lambda x: 0.3 - x[:, 0], lambda x: 0.5 - 0.8 * x[:, 0], lambda x: x[:, 0] - 0.5):
        assert score_value(rule, P, Q, critic=other).item() < closed - 1e-4 or not rule.strictly
        assert score_value(rule, P, Q, critic=other).item() <= closed + 2e-4
    if rule.strictly:
        for prob in (0.8, 0.5, 0.1):
            assert best_logit(name, prob) == pytest.approx(math.log(prob / (1 - prob)), abs=6e-4)


def test_log_score_js() -> None:
    check_rule("log", 2 * EXACT.jsd.item() - math.log(4))
    value = score_value(SCORING_RULES["log"], P, Q)
    assert value.item() == pytest.approx(2 * EXACT.jsd.item() - math.log(4), abs=1e-12)
    assert value.item() == pytest.approx(-1.16345, abs=5e-6)
    assert jsd_from_value(value).item() == pytest.approx(EXACT.jsd.item(), abs=1e-12)
    assert score_value(SCORING_RULES["log"], P, P).item() == pytest.approx(-math.log(4), abs=1e-12)
    far = score_value(SCORING_RULES["log"], P, Gaussian(ZERO + 60, var=1.0))  # no overlap left in float64
    assert far.item() == pytest.approx(0.0, abs=1e-12)
    assert jsd_from_value(far).item() == pytest.approx(math.log(2), abs=1e-12)


def test_brier_score() -> None:
    check_rule("brier", triangular() / 4 - 0.5)
    assert score_value(SCORING_RULES["brier"], P, Q).item() == pytest.approx(-0.39797, abs=5e-6)


def test_exponential_score() -> None:
    check_rule("exponential", 2 - 2 * math.exp(-1 / 8) - 2)  # affinity of two unit normal laws at distance 1
    value = score_value(SCORING_RULES["exponential"], P, Q).item()
    assert value == pytest.approx(EXACT.hellinger2.item() - 2, abs=1e-12)
    assert value == pytest.approx(-1.76499, abs=1e-5)


def test_misclassification_score() -> None:
    tv = math.erf(0.5 / math.sqrt(2))  # 2 Phi(1/2) - 1
    check_rule("misclassification", tv - 1)
    # Every answer on the right side of 1/2 is best; on the wrong side it is not.
    rule = SCORING_RULES["misclassification"]
    paid = expected_score(rule, LOGITS, 0.8)
    assert torch.equal(paid == paid.max(), LOGITS > 0)
    steep = score_value(rule, P, Q, critic=lambda x: 7 * (0.5 - x[:, 0])).item()
    assert steep == pytest.approx(score_value(rule, P, Q, critic=lambda x: 0.5 - x[:, 0]).item(), abs=1e-15)
    assert rule.proper
    assert not rule.strictly


def test_hinge_score() -> None:
    check_rule("hinge", 2 * math.erf(0.5 / math.sqrt(2)) - 2)
    assert best_logit("hinge", 0.8) == pytest.approx(1.0, abs=1e-9)
    assert best_logit("hinge", 0.2) == pytest.approx(-1.0, abs=1e-9)
    d = torch.sigmoid(SCORING_RULES["hinge"].optimal(torch.tensor([4.0, -4.0])))
    assert d.tolist() == pytest.approx([0.731, 0.269], abs=5e-4)
    at = expected_score(SCORING_RULES["hinge"], torch.tensor([1.0, math.log(4)], dtype=F64), 0.8)
    assert at.tolist() == pytest.approx([-0.4, -0.2 * (1 + math.log(4))], abs=1e-12)
    assert at[1].item() == pytest.approx(-0.477, abs=5e-4)  # what a proper rule would answer is paid less
    assert not SCORING_RULES["hinge"].proper


def test_spherical_score() -> None:
    x = torch.linspace(-12, 13, 20_001, dtype=F64)[:, None]
    p, q = P.log_prob(x).exp(), Q.log_prob(x).exp()
    check_rule("spherical", torch.trapezoid(torch.hypot(p, q), x[:, 0]).item())
    assert score_value(SCORING_RULES["spherical"], P, Q).item() == pytest.approx(1.54647, abs=5e-6)
    # The definition with D and N, where it is safe.
    d = torch.sigmoid(LOG_R)
    n = (1 - 2 * d + 2 * d * d).sqrt()
    assert torch.allclose(SCORING_RULES["spherical"].real(LOG_R), d / n, rtol=1e-12)
    assert torch.allclose(SCORING_RULES["spherical"].fake(LOG_R), (1 - d) / n, rtol=1e-12)


@pytest.mark.parametrize("name", SCORING_RULES)
def test_far_out(name: str) -> None:
    # No NaN at ratios of e^800 (the exponential rule may be infinite there: such an answer costs so much).
    rule, a = SCORING_RULES[name], torch.tensor([-800.0, 0.0, 800.0], dtype=F64)
    assert not rule.optimal(a).isnan().any()
    for pay in (
        rule.real(a),
        rule.fake(a),
        rule.value(a - 800, -a - 800),
        rule.value(a * 0 - torch.inf, a * 0 - torch.inf),
    ):
        assert not pay.isnan().any()
    value = score_value(rule, P, Gaussian(ZERO + 60, var=1.0)).item()  # disjoint, to float64
    expected = {
        "log": 0.0,
        "brier": 0.0,
        "exponential": 0.0,
        "misclassification": 0.0,
        "hinge": 0.0,
        "spherical": 2,
    }
    assert value == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.parametrize("name", SCORING_RULES)
def test_losses_of_two_players(name: str) -> None:
    # The critic's loss is minus the value, and the game is zero-sum in what the generator can change.
    rule, generator = SCORING_RULES[name], torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 7, dtype=F64, generator=generator)
    loss = rule.losses()
    value = rule.real(real).mean() + rule.fake(fake).mean()
    assert torch.allclose(loss.critic_loss(real, fake), -value)
    assert torch.allclose(loss.generator_loss(real, fake), rule.fake(fake).mean())


@pytest.mark.bad_input
def test_bad_input() -> None:
    rule = SCORING_RULES["log"]
    with pytest.raises(TypeError, match="rule must be a ScoringRule"):
        expected_score("log", LOGITS, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prob must be a finite number in \\[0, 1\\]"):
        expected_score(rule, LOGITS, 1.5)
    with pytest.raises(TypeError, match="a must have a floating dtype"):
        expected_score(rule, torch.arange(3), 0.5)
    with pytest.raises(TypeError, match="p must have a method log_prob"):
        score_value(rule, 0.0, Q)
    with pytest.raises(ValueError, match="q must be one law over one coordinate"):
        score_value(rule, P, Gaussian(torch.zeros(2), var=1.0))
    with pytest.raises(ValueError, match="critic must map points"):
        score_value(rule, P, Q, critic=lambda x: x)
    with pytest.raises(TypeError, match="critic must be callable"):
        score_value(rule, P, Q, critic=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="low must be below high"):
        score_value(rule, P, Q, low=1.0, high=0.0)
