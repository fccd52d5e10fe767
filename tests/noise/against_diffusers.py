"""How far gmlib's samplers are from the schedulers of diffusers, step by step on the same noise, in float64.

A program of its own, because the import of diffusers takes seconds and more. It prints the largest difference of each
comparison on the path from t = 1 to 0, in units of the largest number there. The schedulers count steps of the chain
from 0: their timestep k is our time (k + 1)/T. Their tables are float32, and are replaced by the same numbers in float64.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from gmlib.noise import DDPM, Denoiser, LearnedVariance, ancestral, ddim, ddpm_times, dpm_solver_2m

F64 = torch.float64
CHAIN = DDPM.linear(1000)
COMMON: dict[str, Any] = {
    "num_train_timesteps": CHAIN.T,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "timestep_spacing": "trailing",
}


def network(x: Tensor, t: Tensor) -> Tensor:
    """Any function that is not linear will do."""
    return torch.tanh(1.3 * x + 0.4 * x.flip(1) - t[:, None])


def two_headed(x: Tensor, t: Tensor) -> Tensor:
    return torch.cat([network(x, t), torch.sin(3 * x)], 1)


def start() -> Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=F64)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def path_of(scheduler: Any, steps: int, predict: Any = network, **options: Any) -> Tensor:
    """Where diffusers goes."""
    scheduler.set_timesteps(steps)
    scheduler.alphas_cumprod = CHAIN.alpha_bar[1:].clone()
    scheduler.one = torch.ones((), dtype=F64)
    if isinstance(scheduler, DDIMScheduler):
        first = scheduler.alphas_cumprod[0]
        scheduler.final_alpha_cumprod = scheduler.one if scheduler.config.set_alpha_to_one else first
    if isinstance(scheduler, DPMSolverMultistepScheduler):
        bar = scheduler.alphas_cumprod[scheduler.timesteps]
        scheduler.sigmas = torch.cat([((1 - bar) / bar).sqrt(), torch.zeros(1, dtype=F64)])
    x = start()
    points = [x]
    for k in scheduler.timesteps:
        t = (k.to(F64) + 1).div(CHAIN.T).expand(len(x))
        x = scheduler.step(predict(x, t), k, x, **options).prev_sample.to(F64)
        points.append(x)
    return torch.stack(points)


def largest(ours: Tensor | None, theirs: Tensor) -> float:
    assert ours is not None
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def ancestral_of_ddpm(steps: int, theirs: str, ours: Any) -> float:
    """Their last step adds noise unless it starts at timestep 0, so on a respaced grid it does."""
    scheduler = DDPMScheduler(**COMMON, variance_type=theirs, clip_sample=False)
    model = (
        LearnedVariance(two_headed, CHAIN, "eps") if ours == "learned" else Denoiser(network, CHAIN, "eps")
    )
    found = ancestral(
        model,
        start(),
        ddpm_times(CHAIN, steps),
        variance=ours,
        last_noise=steps < CHAIN.T,
        generator=seeded(),
        path=True,
    )
    theirs_path = path_of(scheduler, steps, two_headed if ours == "learned" else network, generator=seeded())
    if ours == "learned" and found.path is not None:  # at sigma = 0 they interpolate from 1e-20, not from 0
        return largest(found.path[:-1], theirs_path[:-1])
    return largest(found.path, theirs_path)


def ddim_of_ddim(eta: float, to_one: bool = True) -> float:
    """Without `set_alpha_to_one` their last step ends at the first noise level of the chain, our time 1/T."""
    scheduler = DDIMScheduler(**COMMON, clip_sample=False, set_alpha_to_one=to_one)
    times = ddpm_times(CHAIN, 50)
    if not to_one:
        times[-1] = 1 / CHAIN.T
    found = ddim(Denoiser(network, CHAIN, "eps"), start(), times, eta=eta, generator=seeded(), path=True)
    return largest(found.path, path_of(scheduler, 50, eta=eta, generator=seeded()))


def solver_of_dpm(steps: int, parameterisation: Any = "eps") -> float:
    """Their second-order multistep solver, whose last step, to sigma = 0, is of first order."""
    kinds = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}
    scheduler = DPMSolverMultistepScheduler(
        **COMMON,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        prediction_type=kinds[parameterisation],
    )
    model = Denoiser(network, CHAIN, parameterisation)
    found = dpm_solver_2m(model, start(), ddpm_times(CHAIN, steps), path=True)
    return largest(found.path, path_of(scheduler, steps))


if __name__ == "__main__":
    torch.set_num_threads(1)
    table = DDPMScheduler(**COMMON).alphas_cumprod.to(F64)
    comparisons = {
        "table": float((table / CHAIN.alpha_bar[1:] - 1).abs().max()),
        "ancestral, beta, whole chain": ancestral_of_ddpm(1000, "fixed_large", "beta"),
        "ancestral, beta": ancestral_of_ddpm(50, "fixed_large", "beta"),
        "ancestral, beta tilde": ancestral_of_ddpm(50, "fixed_small", "beta_tilde"),
        "ancestral, learned": ancestral_of_ddpm(50, "learned_range", "learned"),
        "ddim": ddim_of_ddim(0.0),
        "ddim, eta 1": ddim_of_ddim(1.0),
        "ddim, to the first level": ddim_of_ddim(0.5, to_one=False),
        "dpm-solver++, 8 steps": solver_of_dpm(8),
        "dpm-solver++, 50 steps": solver_of_dpm(50),
        "dpm-solver++, v": solver_of_dpm(20, "v"),
        "dpm-solver++, x0": solver_of_dpm(20, "x0"),
    }
    print(json.dumps(comparisons))
