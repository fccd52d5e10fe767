"""A network that is told the log-SNR."""

import pytest
import torch
from torch import nn

from gmlib.noise import DDPM, Denoiser, LogSNRClock, VPCosine, VPLinear


class Told(nn.Module):
    """Says what it was told, in the shape of the points."""

    def forward(self, x, tau, shift=0.0):
        return x * 0 + tau[:, None] + shift


@pytest.mark.parametrize("schedule", [VPCosine(), VPLinear(), DDPM.linear()])
def test_told_the_log_snr_on_a_scale_from_zero_to_one(schedule):
    levels = torch.tensor([6.0, 2.0, -4.0])
    t = schedule.t_of_log_snr(levels)
    told = LogSNRClock(Told(), schedule, -4.0, 6.0)(torch.zeros(3, 1), t)
    torch.testing.assert_close(told[:, 0], torch.tensor([0.0, 0.4, 1.0]), atol=1e-4, rtol=0)


def test_beyond_the_ends_it_is_told_the_end():
    clock = LogSNRClock(Told(), VPCosine(), -1.0, 1.0)
    assert clock(torch.zeros(2, 1), torch.tensor([0.0, 0.999])).flatten().tolist() == [0.0, 1.0]


def test_conditions_pass_through_a_denoiser():
    denoiser = Denoiser(LogSNRClock(Told(), VPCosine(), -1.0, 1.0), VPCosine(), "eps")
    gap = denoiser(torch.zeros(1, 1), 0.5, shift=2.0) - denoiser(torch.zeros(1, 1), 0.5)
    torch.testing.assert_close(gap, torch.full((1, 1), 2.0))


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(TypeError, match="network must be"):
        LogSNRClock(torch.sin, VPCosine(), -1.0, 1.0)
    with pytest.raises(TypeError, match="schedule must be"):
        LogSNRClock(Told(), 3, -1.0, 1.0)
    with pytest.raises(ValueError, match="low must be"):
        LogSNRClock(Told(), VPCosine(), 1.0, 1.0)
