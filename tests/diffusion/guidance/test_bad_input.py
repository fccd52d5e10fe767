"""What the parts of the guidance refuse, beyond what is tested beside each of them."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion.guidance import (
    GaussianGuidance,
    LabelledLaw,
    Repairer,
    cascade,
    completions,
    enlarged,
    grainy,
    guided_particles,
    hole,
    masked,
    mean_shifted,
    pooled,
    told_or_not,
)
from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, VPCosine, exact_denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured, weight_from
from gmlib.noise.samplers import dpm_solver_2m

COSINE = VPCosine()
LAW = Gaussian(torch.zeros(2), var=1.0)
PRIOR = exact_denoiser(LAW, COSINE)
CASE = GaussianGuidance(1.0, 0.25, 0.0, 1.25)
PICTURES = torch.zeros(2, 1, 4, 4)

pytestmark = pytest.mark.bad_input


def uphill(x: torch.Tensor, t: object) -> torch.Tensor:
    return x.sum(1)


def test_pictures_whose_sizes_do_not_divide() -> None:
    for call in (pooled, enlarged):
        with pytest.raises(TypeError, match="x must have a floating dtype"):
            call(PICTURES.long())
        with pytest.raises(ValueError, match="factor must be at least 1, got 0"):
            call(PICTURES, 0)


def test_a_cascade_that_cannot_be() -> None:
    def sampler(denoiser, z, told):
        return dpm_solver_2m(denoiser, z, [0.9, 0.0], **told)

    with pytest.raises(TypeError, match="stages must be a Denoiser, got int"):
        cascade([1], (1, 2, 2), 1, sampler)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        cascade([PRIOR], (1, 2, 2), 0, sampler)
    with pytest.raises(ValueError, match="blur must be a finite number"):
        cascade([PRIOR], (1, 2, 2), 1, sampler, blur=-1.0)
    with pytest.raises(ValueError, match=r"size must be channels, height and width, got \(2, 2\)"):
        cascade([PRIOR], (2, 2), 1, sampler)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="height of size must be at least 1, got 0"):
        cascade([PRIOR], (1, 0, 2), 1, sampler)
    with pytest.raises(TypeError, match="width of size must be an int, got float"):
        cascade([PRIOR], (1, 2, 2.0), 1, sampler)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="sampler must be callable"):
        cascade([PRIOR], (1, 2, 2), 1, 3)  # pyright: ignore[reportArgumentType]


def test_a_cascade_is_looked_at_before_it_is_run() -> None:
    def never(denoiser: Denoiser, z: torch.Tensor, told: dict[str, torch.Tensor]) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="stages must be a Denoiser, got int"):
        cascade([PRIOR, 1], (1, 2, 2), 1, never)  # pyright: ignore[reportArgumentType]


def test_what_cannot_be_repaired() -> None:
    with pytest.raises(TypeError, match="denoiser must be a Denoiser, got int"):
        Repairer(1)  # pyright: ignore[reportArgumentType]
    seen = hole(PICTURES, 1)
    still = Denoiser(lambda x, t, image: torch.zeros_like(x), COSINE, "x0")
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        completions(still, seen, 0, lambda d, z, told: dpm_solver_2m(d, z, [0.9, 0.0], **told))
    with pytest.raises(ValueError, match="std must be a finite number"):
        grainy(PICTURES, -0.1)
    for shape in ((3, 4), (2, 2, 4, 4), (3, 1, 4, 4), (1, 2, 1, 4, 4)):
        with pytest.raises(ValueError, match=r"known must expand to shape \(2, 1, 4, 4\), got \("):
            masked(PICTURES, torch.ones(shape, dtype=torch.bool))
    with pytest.raises(TypeError, match="known must have dtype bool"):
        masked(PICTURES, torch.ones(4, 4))  # pyright: ignore[reportArgumentType]


def test_conditions_that_cannot_be_dropped() -> None:
    label = torch.zeros(3, dtype=torch.long)
    with pytest.raises(TypeError, match="told must have dtype bool, got"):
        told_or_not(label, label, 1)
    for wrong in (torch.ones(2, dtype=torch.bool), torch.ones(3, 1, dtype=torch.bool)):
        with pytest.raises(ValueError, match=r"told must have shape \(3,\), got \("):
            told_or_not(label, wrong, 1)
    with pytest.raises(TypeError, match=r"condition must be a torch\.Tensor, got int"):
        told_or_not(1, label == 0, 1)  # pyright: ignore[reportArgumentType]


def test_laws_and_weights_that_are_none() -> None:
    with pytest.raises(TypeError, match="weights must have a floating dtype"):
        LabelledLaw([LAW, LAW], torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="weights must be 2 probabilities"):
        LabelledLaw([LAW, LAW], torch.tensor([1.5, -0.5]))
    with pytest.raises(ValueError, match="no batch dimensions"):
        LabelledLaw([Gaussian(torch.zeros(3, 2), var=1.0)])
    with pytest.raises(TypeError, match="mean must be a real number"):
        GaussianGuidance("1", 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        CASE.sampled(1.0, 3, [0.9, 0.1])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="variance must be one of"):
        CASE.sampled(1.0, COSINE, [0.9, 0.1], variance="gamma")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="w must be a finite number"):
        CASE.flow_limit(float("inf"))
    with pytest.raises(TypeError, match="strength must be a real number, got str"):
        weight_from("3", "excess")  # pyright: ignore[reportArgumentType]


def test_chains_that_cannot_be() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        mean_shifted(1, uphill, x, [0.5, 0.4])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        mean_shifted(PRIOR, uphill, x.long(), [0.5, 0.4])
    with pytest.raises(ValueError, match="w must be a finite number"):
        mean_shifted(PRIOR, uphill, x, [0.5, 0.4], w=float("nan"))
    with pytest.raises(ValueError, match="times"):
        mean_shifted(PRIOR, uphill, x, [0.4, 0.5])
    model, nothing, label = CASE.denoiser(VPCosine(t_max=1.0)), {"label": 1}, torch.zeros(3, dtype=torch.long)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        guided_particles(1, x, [0.9, 0.1], 2.0, nothing)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        guided_particles(model, x.long(), [0.9, 0.1], 2.0, nothing)
    with pytest.raises(ValueError, match="times must lie where f and g are finite, got 1"):
        guided_particles(model, x[:, :1], [1.0, 0.5], 2.0, nothing, label=label)


def test_guidance_that_cannot_be() -> None:
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        ClassifierGuided(1, uphill)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="w must be a real number"):
        ClassifierGuided(PRIOR, uphill, "2")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="w must have a floating dtype"):
        ClassifierGuided(PRIOR, uphill, torch.ones(2, dtype=torch.long))
    for guided in (
        ClassifierGuided,
        lambda d, f, w, interval: ClassifierFree(d, w, {"c": 0}, interval=interval),
    ):
        for wrong in ((0.1, 0.2, 0.3), 0.5):
            with pytest.raises(TypeError, match="interval must be a pair of times"):
                guided(PRIOR, uphill, 1.0, interval=wrong)  # pyright: ignore[reportArgumentType]
    # A weight for each point must be one for each: also for a single point, which would be repeated without a word.
    for n in (1, 2):
        with pytest.raises(
            ValueError, match=rf"w must have shape \({n},\), one weight for each point, got \(3,\)"
        ):
            ClassifierGuided(PRIOR, uphill, torch.ones(3))(torch.zeros(n, 2), 0.5)


def test_measurements_that_cannot_be() -> None:
    a, y = torch.ones(1, 2), torch.ones(1)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        Measured(1, a, y, 0.1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="matrix must have a floating dtype"):
        Measured(PRIOR, a.long(), y, 0.1)
    with pytest.raises(TypeError, match="y must have a floating dtype"):
        Measured(PRIOR, a, y.long(), 0.1)
    with pytest.raises(ValueError, match="var must be a finite number"):
        Measured(PRIOR, a, y, 0.1, var=0.0)
    with pytest.raises(ValueError, match="w must be a finite number"):
        Measured(PRIOR, a, y, 0.1, w=float("nan"))
