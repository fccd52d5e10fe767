"""What several tests do to a network before they look at it."""

import torch
from torch import nn


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Fill what starts at zero, as a training does."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return network
