"""The table of all states: every one once, in the order of binary numbers, whole or in pieces."""

import itertools

import pytest
import torch

from gmlib.energy import all_states, state_chunks, state_index


@pytest.mark.parametrize("low", [-1, 0])
def test_every_state_once_in_binary_order(low: int) -> None:
    truth = torch.tensor(list(itertools.product([low, 1], repeat=6)), dtype=torch.float64)
    assert torch.equal(all_states(6, low), truth)
    assert all_states(6, low, dtype=torch.float32).dtype == torch.float32


def test_chunks_are_the_table() -> None:
    for size in (1, 5, 32, 1000):
        pieces = list(state_chunks(5, 0, size=size))
        assert max(map(len, pieces)) == min(size, 32)
        assert torch.equal(torch.cat(pieces), all_states(5, 0))


def test_index_is_the_row() -> None:
    for low in (-1, 0):
        assert torch.equal(state_index(all_states(7, low)), torch.arange(128))
    assert state_index(all_states(4).reshape(4, 4, 4))[2, 3] == 11


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    for error, words, call in (
        (ValueError, "n must be at most 24 to enumerate", lambda: all_states(25)),
        (ValueError, "n must be at least 1", lambda: all_states(0)),
        (TypeError, "n must be an int", lambda: all_states(3.0)),
        (ValueError, "low must be -1 or 0, got 2", lambda: all_states(3, 2)),
        (TypeError, "low must be an int", lambda: all_states(3, -1.0)),
        (TypeError, "dtype must be floating", lambda: all_states(3, dtype=torch.int64)),
        (ValueError, "size must be at least 1", lambda: state_chunks(3, size=0)),
        (TypeError, "x must have a floating dtype", lambda: state_index(torch.ones(3, dtype=torch.int64))),
        (
            ValueError,
            r"x must have shape \(\*batch, n\) with n from 1 to 24",
            lambda: state_index(torch.ones(2, 25)),
        ),
        (
            ValueError,
            r"x must have shape \(\*batch, n\) with n from 1 to 24",
            lambda: state_index(torch.ones(2, 0)),
        ),
        (ValueError, "got a scalar", lambda: state_index(torch.ones(()))),
    ):
        with pytest.raises(error, match=words):
            call()
