"""A cascade of exact denoisers draws from the law of the whole picture; the small one can be read off the large one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gmlib.diffusion.guidance import cascade, enlarged, pooled
from gmlib.distributions import Gaussian
from gmlib.nn import Beside
from gmlib.noise import Denoiser, VPCosine, exact_denoiser
from gmlib.noise.samplers import dpm_solver_2m, snr_times

F64 = torch.float64
COSINE = VPCosine()


class Exact(torch.nn.Module):
    """The best guess of a normal field, told nothing or the means of its 2x2 blocks."""

    def __init__(self, mean: Tensor, covariance: Tensor, side: int, *, told: bool) -> None:
        super().__init__()
        self.side, self.told = side, told
        self.keeper = torch.nn.Parameter(torch.zeros((), dtype=F64))  # says dtype and device
        if told:
            eye = torch.eye(side * side, dtype=F64).reshape(-1, 1, side, side)
            pool = pooled(eye).flatten(1).mT
            self.gain = covariance @ pool.mT @ torch.linalg.inv(pool @ covariance @ pool.mT)
            self.mean, self.pooled_mean = mean, pool @ mean
            covariance = covariance - self.gain @ pool @ covariance
        else:
            self.mean = mean
        values, self.vectors = torch.linalg.eigh(covariance)
        self.values = values.clamp(min=0)

    def forward(self, x: Tensor, t: Tensor, image: Tensor | None = None) -> Tensor:
        alpha, sigma = COSINE.alpha(t)[:, None], COSINE.sigma(t)[:, None]
        mean = self.mean
        if self.told:
            assert image is not None
            mean = mean + (pooled(image).flatten(1) - self.pooled_mean) @ self.gain.mT
        along = (x.flatten(1) - alpha * mean) @ self.vectors
        shrunk = alpha * self.values / (alpha**2 * self.values + sigma**2) * along
        return (mean + shrunk @ self.vectors.mT).reshape_as(x)


def test_cascaded_diffusion() -> None:
    side, n = 4, 20_000
    place = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    covariance = torch.exp(-torch.cdist(place, place) / 2)
    mean = torch.linspace(-1, 1, side * side, dtype=F64)
    pool = pooled(torch.eye(16, dtype=F64).reshape(-1, 1, 4, 4)).flatten(1).mT
    stages = [
        Denoiser(Exact(pool @ mean, pool @ covariance @ pool.mT, 2, told=False), COSINE, "x0"),
        Denoiser(Exact(mean, covariance, 4, told=True), COSINE, "x0"),
    ]
    times = torch.cat([snr_times(COSINE, 25, low=-9.0, high=9.0), torch.zeros(1, dtype=F64)])
    small, large = cascade(
        stages,
        (1, 2, 2),
        n,
        lambda d, z, told: dpm_solver_2m(d, z, times, **told),
        generator=torch.Generator().manual_seed(0),
    )
    torch.testing.assert_close(pooled(large), small, rtol=0, atol=1e-9)
    found = large.flatten(1)
    # All variances are 1. Of n draws a mean has a standard error of 1 / sqrt(n) = .007, and a covariance c one of
    # sqrt((1 + c^2) / n), at most .01. The sampler's 25 steps are off by .008 and .0152 themselves: the map from noise is
    # affine, so that the noise 0 and the unit vectors tell.
    assert (found.mean(0) - mean).abs().max() < 4 / n**0.5 + 0.008
    assert (found.mT.cov() - covariance).abs().max() < 4 * (2 / n) ** 0.5 + 0.0153
    # The law of the small pictures, for comparison by the exact denoiser of gmlib.
    alone = exact_denoiser(Gaussian(pool @ mean, cov=pool @ covariance @ pool.mT), COSINE)
    z = torch.randn(5, 4, dtype=F64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(stages[0].x0(z.reshape(5, 1, 2, 2), 0.4).flatten(1), alone.x0(z, 0.4))


def test_pooling_and_its_inverse() -> None:
    x = torch.randn(3, 2, 6, 6, dtype=F64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(pooled(enlarged(x, 3), 3), x)
    block = x[1, 0, 2:4, 4:6]
    assert pooled(x)[1, 0, 1, 2].item() == pytest.approx(block.mean().item(), abs=1e-12)


def test_noise_is_added_to_what_the_next_stage_is_told() -> None:
    told: list[Tensor] = []

    def network(x: Tensor, t: Tensor, image: Tensor | None = None) -> Tensor:
        if image is not None:
            told.append(image)
        return torch.zeros_like(x)

    still = Denoiser(network, COSINE, "x0")
    times = [0.9, 0.5, 0.0]
    found = cascade([still, still], (1, 8, 8), 50, lambda d, z, c: dpm_solver_2m(d, z, times, **c), blur=0.5)
    assert found[0].abs().max() < 1e-6
    assert pooled(told[0]).std().item() == pytest.approx(0.5, rel=0.1)
    torch.testing.assert_close(enlarged(pooled(told[0])), told[0])


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="divisible by 2"):
        pooled(torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="stages must hold"):
        cascade([], (1, 2, 2), 1, lambda d, z, told: dpm_solver_2m(d, z, [0.9, 0.0]))
    beside = Beside(torch.nn.Identity())
    with pytest.raises(ValueError, match=r"image must have shape \(2, channels, 4, 4\)"):
        beside(torch.zeros(2, 1, 4, 4), torch.zeros(2), image=torch.zeros(2, 1, 2, 2))
    with pytest.raises(TypeError, match="network must be a Module"):
        Beside(1)  # pyright: ignore[reportArgumentType]
