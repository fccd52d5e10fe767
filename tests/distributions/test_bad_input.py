"""Wrong arguments are refused by name, as a user without the shape checker meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gmlib.distributions import (
    Gaussian,
    GaussianMixture,
    banana,
    checkerboard,
    crab_table,
    pinwheel,
    ring,
    toy,
    two_moons,
)

pytestmark = pytest.mark.bad_input

Z = torch.zeros
LAW = Gaussian(Z(2), var=1.0)
MIX = GaussianMixture(Z(3, 2), var=1.0)
NAN = torch.tensor([float("nan"), 0.0])

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Gaussian([0.0], var=1.0), TypeError, "mean must be a torch.Tensor"),  # type: ignore[arg-type]
    (
        lambda: Gaussian(torch.zeros(2, dtype=torch.int64), var=1.0),
        TypeError,
        "mean must have a floating dtype",
    ),
    (lambda: Gaussian(Z(()), var=1.0), ValueError, "mean must have shape"),
    (lambda: Gaussian(NAN, var=1.0), ValueError, "mean must be finite"),
    (lambda: Gaussian(Z(2)), ValueError, "exactly one of var"),
    (lambda: Gaussian(Z(2), var=1.0, cov=torch.eye(2)), ValueError, "exactly one of var"),
    (lambda: Gaussian(Z(2), var=0.0), ValueError, "var must be"),
    (lambda: Gaussian(Z(2), var=-torch.ones(2)), ValueError, "var must be positive"),
    (lambda: Gaussian(Z(2), var=NAN), ValueError, "var must be positive"),
    (lambda: Gaussian(Z(2), var="1"), TypeError, "var must be a real number"),  # type: ignore[arg-type]
    (lambda: Gaussian(Z(2), var=torch.ones(3)), ValueError, "var must end in 1 .* or 2"),
    (lambda: Gaussian(Z(4, 2), var=torch.ones(3, 2)), ValueError, "leading dimensions of var"),
    (lambda: Gaussian(Z(2), cov=torch.eye(3)), ValueError, "cov must end in the shape"),
    (lambda: Gaussian(Z(2), cov=torch.tensor([[1.0, 0.5], [0.0, 1.0]])), ValueError, "cov must be symmetric"),
    (lambda: Gaussian(Z(2), cov=torch.tensor([[1.0, 2.0], [2.0, 1.0]])), ValueError, "positive definite"),
    (
        lambda: Gaussian(Z(2), cov=torch.full((2, 2), float("nan"))),
        ValueError,
        "cov must be symmetric and finite",
    ),
    (lambda: LAW.log_prob(Z(5, 3)), ValueError, "value must end in the event shape"),
    (lambda: LAW.score(0.0), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: LAW.score(torch.zeros(2, dtype=torch.int64)), TypeError, "x must have a floating dtype"),
    (lambda: LAW.score(torch.zeros(2, device="meta")), ValueError, "x must be on the law's device"),
    (lambda: LAW.noised(1.0, -1.0), ValueError, "sigma must be"),
    (lambda: LAW.noised(float("inf"), 1.0), ValueError, "alpha must be"),
    (lambda: LAW.noised("1", 1.0), TypeError, "alpha must be a real number"),  # type: ignore[arg-type]
    (
        lambda: LAW.noised(torch.ones(2, dtype=torch.int64), 1.0),
        TypeError,
        "alpha must have a floating dtype",
    ),
    (lambda: LAW.noised(0.0, 0.0), ValueError, "alpha and sigma must not both be 0"),
    (lambda: LAW.noised(torch.ones(2), torch.ones(3)), ValueError, "leading dimensions of sigma"),
    (lambda: MIX.posterior_mean(Z(3, 2), torch.ones(4), 1.0), ValueError, "leading dimensions of alpha"),
    (lambda: LAW.posterior(Z(2), 1.0, 0.0), ValueError, "sigma must be positive"),
    (lambda: MIX.posterior(Z(2), 1.0, 0.0), ValueError, "sigma must be positive"),
    (lambda: MIX.posterior_mean(Z(2), 0.0, 0.0), ValueError, "alpha and sigma must not both be 0"),
    (lambda: MIX.posterior_mean(Z(3), 0.5, 0.5), ValueError, "x must end in the event shape"),
    (lambda: MIX.responsibilities(Z(3)), ValueError, "x must end in the event shape"),
    (lambda: GaussianMixture(Z(3), var=1.0), ValueError, "means must have shape"),
    (lambda: GaussianMixture(Z(0, 2), var=1.0), ValueError, "means must have shape"),
    (lambda: GaussianMixture(NAN.expand(3, 2), var=1.0), ValueError, "means must be finite"),
    (
        lambda: GaussianMixture(Z(3, 2), var=torch.ones(2)),
        ValueError,
        "one variance for each of the 3 components",
    ),
    (lambda: GaussianMixture(Z(3, 2), var=torch.ones(2, 2)), ValueError, "leading dimensions of var"),
    (
        lambda: GaussianMixture(Z(3, 2), cov=torch.eye(2).expand(4, 2, 2)),
        ValueError,
        "leading dimensions of cov",
    ),
    (
        lambda: GaussianMixture(Z(3, 2), weights=torch.ones(2), var=1.0),
        ValueError,
        "weights must end in the number",
    ),
    (lambda: GaussianMixture(Z(3, 2), weights=Z(3), var=1.0), ValueError, "weights must be positive"),
    (lambda: GaussianMixture(Z(2, 2), weights=NAN, var=1.0), ValueError, "weights must be finite"),
    (lambda: GaussianMixture(Z(2, 2), weights=[1, 1], var=1.0), TypeError, "weights must be a"),  # type: ignore[arg-type]
    (
        lambda: GaussianMixture(Z(2, 2), weights=torch.ones(2), log_weights=Z(2), var=1.0),
        ValueError,
        "weights or log_weights, not both",
    ),
    (lambda: toy("three_moons"), ValueError, "name must be one of 'two_moons'"),
    (lambda: two_moons(0.0), ValueError, "noise must be"),
    (lambda: two_moons(0.1, 7), ValueError, "n_components must be even"),
    (lambda: ring(-1.0), ValueError, "noise must be"),
    (lambda: banana(5), ValueError, "n_components must be at least 21"),
    (lambda: banana(500), ValueError, "n_components must be at most 400"),
    (lambda: pinwheel(57), ValueError, "n_components must be a multiple of 5"),
    (lambda: checkerboard(8), ValueError, "n_cell must be at most 7"),
    (lambda: crab_table(dtype=torch.int64), TypeError, "dtype must be a floating dtype"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=range(len(CASES)))
def test_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
