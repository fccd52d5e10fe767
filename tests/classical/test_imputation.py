"""Mean imputation: means stay, variances shrink by the observed share."""

from __future__ import annotations

import pytest
import torch

from gmlib.classical import impute_means

F64 = torch.float64
NAN = float("nan")


def test_mean_imputation() -> None:
    """Column means unchanged, column variances (divisor N) times the observed share, exactly; and a 6 x 3 table."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 5, generator=generator, dtype=F64)
    gaps = torch.rand(200, 5, generator=generator) < torch.tensor([0.0, 0.1, 0.3, 0.5, 0.9])
    x[gaps] = NAN
    filled = impute_means(x)
    assert torch.equal(filled[~gaps], x[~gaps])
    for j in range(5):
        seen = x[~gaps[:, j], j]
        assert filled[:, j].mean().item() == pytest.approx(seen.mean().item(), abs=1e-12)
        share = len(seen) / 200
        assert filled[:, j].var(correction=0).item() == pytest.approx(
            share * seen.var(correction=0).item(), abs=1e-12
        )
    table = torch.tensor([[6, 6, NAN], [NAN, 6, 0], [NAN, 6, NAN], [10, 10, 10]], dtype=F64)
    table = torch.cat([table, table[3:], table[3:]])
    assert impute_means(table)[2].tolist() == pytest.approx([9, 6, 7.5])
    assert impute_means(table).mean(0).tolist() == pytest.approx([9, 8, 7.5])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (torch.ones(3), ValueError, "x must be a matrix"),
        (torch.ones(0, 3), ValueError, "x must be a matrix"),
        (torch.ones(2, 2).long(), TypeError, "x"),
        (torch.tensor([[NAN, 1.0], [NAN, 2.0]]), ValueError, "column 0"),
        (torch.tensor([[float("inf"), 1.0]]), ValueError, "infinity"),
    ],
)
def test_bad_input(x: torch.Tensor, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        impute_means(x)
