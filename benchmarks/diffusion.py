"""A U-Net's training step and forward pass beside diffusers' UNet2DModel, and what a sampler costs over its network.

* `U-Net` (CPU): 28x28, batch 64, widths 32, 64, 64, one block a level, one head of attention at 7x7, the time as scale and
  shift in both; float32, not compiled (a compiler for CPUs takes minutes a network). On a GPU: 32x32x3, batch 256, widths
  128, 256, 256, 256, two blocks a level, attention at 16x16, bfloat16 autocast, channels last, a step of AdamW included,
  eager and compiled.
* `sampling`: 50 steps of DDIM, gmlib's sampler and diffusers' scheduler, each over its own U-Net, and the 50 bare calls.

`parameters` and `gflop` (of a forward pass) say how equal the work is; `peak` is the memory in MB that a step holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Row, compare, peak_mb
from gmlib.nn import UNet
from gmlib.noise import DDPM, Denoiser
from gmlib.noise.samplers import ddim, ddpm_times

Work = Callable[[], None]
Network = Callable[[Tensor, Tensor], Tensor]


def gmlib_unet(
    channels: int, widths: tuple[int, ...], blocks: int, attention: int
) -> tuple[nn.Module, Network]:
    """gmlib's, called with times in [0, 1]."""
    network = UNet(channels, widths, blocks=blocks, attention=(attention,), groups=32)
    return network, network


def diffusers_unet(
    channels: int, widths: tuple[int, ...], blocks: int, attention: int
) -> tuple[nn.Module, Network]:
    """The same in diffusers, called with times in [0, 1]."""
    from diffusers.models.unets.unet_2d import UNet2DModel

    levels = range(len(widths))
    network = UNet2DModel(
        in_channels=channels,
        out_channels=channels,
        layers_per_block=blocks,
        block_out_channels=widths,
        down_block_types=tuple("AttnDownBlock2D" if i == attention else "DownBlock2D" for i in levels),
        up_block_types=tuple("AttnUpBlock2D" if i == attention else "UpBlock2D" for i in reversed(levels)),
        attention_head_dim=widths[attention],  # one head
        norm_num_groups=32,
        resnet_time_scale_shift="scale_shift",
    )
    return network, lambda x, t: network(x, 1000 * t).sample


BUILDERS = {"diffusers": diffusers_unet, "gmlib": gmlib_unet}


def training(network: nn.Module, call: Network, x: Tensor, t: Tensor, target: Tensor) -> Work:
    """A training step: forward and backward; on a GPU under autocast, and with the optimiser."""
    gpu = x.device.type == "cuda"
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=gpu)

    def work() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=gpu):
            prediction = call(x, t)
        (prediction.float() - target).square().mean().backward()
        if gpu:
            optimiser.step()

    return work


def forward(call: Network, x: Tensor, t: Tensor) -> Work:
    """A pass without gradients."""

    def work() -> None:
        with torch.no_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
            call(x, t)

    return work


def networks(
    sizes: dict[str, Any], batch: int, shape: tuple[int, int, int], device: torch.device, **how: Any
) -> list[Row]:
    """Both networks, training and forward; on a GPU eager and compiled."""
    generator = torch.Generator(device).manual_seed(0)
    x, target = torch.randn(2, batch, *shape, generator=generator, device=device)
    t = torch.rand(batch, generator=generator, device=device)
    if device.type == "cuda":
        x = x.contiguous(memory_format=torch.channels_last)
    built: dict[str, tuple[nn.Module, Network]] = {}
    facts: dict[str, dict[str, float]] = {}
    for name, build in BUILDERS.items():
        torch.manual_seed(0)
        network, call = build(**sizes)
        network.to(device)
        if device.type == "cuda":
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            call(x, t)
        facts[name] = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "gflop": round(counter.get_total_flops() / 1e9, 2),
        }
        built[name] = network, call
        if device.type == "cuda":
            built[f"{name}, compiled"] = network, torch.compile(call, dynamic=False)
    steps = {name: training(network, call, x, t, target) for name, (network, call) in built.items()}
    rows = compare("U-Net, training step", steps, **how)
    rows += compare("U-Net, forward", {name: forward(call, x, t) for name, (_, call) in built.items()}, **how)
    for row in rows:
        row.extra |= facts[row.contender.removesuffix(", compiled")]
        if row.case.endswith("step"):
            row.extra["peak"] = round(peak_mb(steps[row.contender]), 1)
    return rows


def sampling(
    sizes: dict[str, Any], batch: int, shape: tuple[int, int, int], device: torch.device, **how: Any
) -> list[Row]:
    """Fifty steps of DDIM, and the fifty calls of the network alone."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    schedule = DDPM.linear()
    times = ddpm_times(schedule, 50)
    torch.manual_seed(0)
    theirs = diffusers_unet(**sizes)[0].to(device).eval()
    ours = gmlib_unet(**sizes)[0].to(device).eval()
    denoiser = Denoiser(ours, schedule, "eps")
    x = torch.randn(batch, *shape, device=device)
    t = times[:-1].to(x).expand(batch, -1).T.contiguous()

    def bare() -> None:
        with torch.no_grad():
            for time in t:
                ours(x, time)

    def ours_ddim() -> None:
        ddim(denoiser, x, times)

    def theirs_ddim() -> None:
        scheduler = DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
        scheduler.set_timesteps(50, device=device)
        point = x
        with torch.no_grad():
            for time in scheduler.timesteps:
                point = scheduler.step(theirs(point, time).sample, int(time), point, return_dict=False)[0]

    works = {"gmlib, the network alone": bare, "gmlib DDIM": ours_ddim, "diffusers DDIM": theirs_ddim}
    return compare(f"sampling, 50 steps of {batch}", works, **how)


def run(*, rounds: int, clock: str) -> list[Row]:
    """The GPU's sizes where there is one, otherwise the CPU's."""
    how = {"rounds": rounds, "clock": clock}
    if torch.cuda.is_available():
        device = torch.device("cuda")
        large = {"channels": 3, "widths": (128, 256, 256, 256), "blocks": 2, "attention": 1}
        small = {"channels": 1, "widths": (64, 128, 128, 128), "blocks": 2, "attention": 1}
        rows = networks(large, 256, (3, 32, 32), device, **how)
        return rows + [
            row for batch in (16, 256) for row in sampling(small, batch, (1, 32, 32), device, **how)
        ]
    device = torch.device("cpu")
    sizes = {"channels": 1, "widths": (32, 64, 64), "blocks": 1, "attention": 2}
    return networks(sizes, 64, (1, 28, 28), device, **how) + sampling(sizes, 16, (1, 28, 28), device, **how)
