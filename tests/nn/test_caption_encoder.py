"""The reader of captions: order counts, the filling does not."""

from __future__ import annotations

import pytest
import torch

from gmlib.nn import CaptionEncoder


def test_order_counts_and_the_filling_does_not() -> None:
    torch.manual_seed(0)
    short, long = CaptionEncoder(6, 3, 4, width=8), CaptionEncoder(6, 5, 4, width=8)
    weights = short.state_dict()
    weights["place"] = torch.cat([weights["place"], torch.randn(2, 8)])
    long.load_state_dict(weights)
    captions = torch.tensor([[1, 2, 3], [2, 1, 3], [1, 2, 0], [0, 0, 0]])
    read = short(captions)
    assert torch.pdist(read).min() > 1e-3
    filled = torch.cat([captions, torch.zeros(4, 2, dtype=torch.long)], 1)
    torch.testing.assert_close(long(filled), read)
    # What the filling's own row of the table holds is never read.
    with torch.no_grad():
        short.word.weight[0] += 5.0
    torch.testing.assert_close(short(captions), read, rtol=0, atol=0)


@pytest.mark.bad_input
def test_what_cannot_be_read_is_refused() -> None:
    read = CaptionEncoder(6, 3, 4)
    with pytest.raises(TypeError, match="captions must have dtype int64 or int32"):
        read(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"captions must have shape \(batch, 3\), got \(2, 4\)"):
        read(torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"captions must hold words 0\.\.5, got 0 to 6"):
        read(torch.tensor([[0, 6, 1]]))
    with pytest.raises(ValueError, match="words must be at least 2"):
        CaptionEncoder(1, 3, 4)
