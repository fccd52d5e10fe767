r"""The variational bound of Gaussian data to the last digit, without a draw."""

from __future__ import annotations

import math

import torch

from gmlib._checks import check_choice, check_number
from gmlib.diffusion.bound import DiffusionBound, chain_variance, steps_to_data
from gmlib.noise import DDPM, Schedule
from gmlib.noise.samplers import ddpm_times
from gmlib.noise.samplers.steps import Times


def exact_gaussian_bound(
    mean: float,
    var: float,
    schedule: Schedule,
    variance: str = "beta",
    *,
    times: Times | None = None,
    x0: float | None = None,
) -> DiffusionBound:
    r"""The bound for data :math:`\mathcal N(m, v)` with the exact denoiser, averaged over noise and data.

    As `diffusion_bound`, with the mean of the squared error in its place. Written with :math:`d^2 = \mathbb E(x_0 - m)^2`,

    .. math:: \mathbb E(x_0 - \hat x_0)^2 = \frac{\sigma_t^4d^2 + \alpha_t^2v^2\sigma_t^2}{V_t^2}, \qquad
        V_t = \alpha_t^2v + \sigma_t^2

    which is :math:`v\sigma_t^2/V_t` for :math:`d^2 = v`. For v = 1 and m = 0 on a variance-preserving path the reverse
    steps *are* normal with variance :math:`\beta`: the bound is the entropy :math:`\tfrac12\log2\pi e`, whatever the
    grid. Otherwise the total is higher, with :math:`\beta` by an excess that falls as the number of steps grows: for the
    same data on the straight path .25, .057 and .0057 nats for 2, 10 and 100 even steps.

    With :math:`\tilde\beta` an excess stays. Near the data the steps have the variance :math:`\beta`, and in equal steps
    of :math:`\sigma^2` the k-th out of the data is given :math:`\tilde\beta = \beta(k-1)/k`, which costs
    :math:`\tfrac12\big(\tfrac1{k-1} - \log\tfrac k{k-1}\big)`. From k = 2 on, for the last step takes :math:`\beta`,
    this sums to half of Euler's constant, .2886 nats a coordinate, however fine the steps.

    Args:
        mean: m.
        var: v, positive.
        schedule: the schedule.
        variance: of the model's steps, "beta" or "beta_tilde"; the step into the data has :math:`\beta` either way.
        times: the grid, falling, to where sigma is 0; None: all steps of a DDPM schedule.
        x0: one data point, for its own bound; None: the mean over the data.

    Returns:
        The costs of one coordinate, float64: two numbers, and ``steps`` of shape (steps - 1,).

    Raises:
        TypeError: a number is not one.
        ValueError: ``var`` is not positive, ``variance`` unknown, ``times`` do not end where sigma is 0, or are None for a
            schedule that has no grid of its own.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 5, with Gaussian integrals.

    Example:
        >>> from gmlib.diffusion import exact_gaussian_bound
        >>> from gmlib.noise import DDPM
        >>> print(f"{exact_gaussian_bound(0.0, 1.0, DDPM.linear()).total:.10f}")  # half the logarithm of 2 pi e
        1.4189385332
    """
    check_number("mean", mean)
    check_number("var", var, low=0.0, low_open=True)
    check_choice("variance", variance, ("beta", "beta_tilde"))
    if x0 is not None:
        check_number("x0", x0)
    if times is None:
        if not isinstance(schedule, DDPM):
            raise ValueError(
                f"times must be given for {type(schedule).__name__}, which has no grid of its own"
            )
        times = ddpm_times(schedule, schedule.T)
    steps = steps_to_data(schedule, times)
    square = var if x0 is None else (x0 - mean) ** 2
    second = var + mean**2 if x0 is None else x0**2
    alpha, sigma = steps[0].alpha_t, steps[0].sigma_t
    prior = 0.5 * (alpha**2 * second + sigma**2 - 1 - 2 * math.log(sigma))
    costs = []
    for step in steps:
        alpha, noise_var = step.alpha_t, step.sigma_t**2
        V = alpha**2 * var + noise_var
        error = noise_var * (noise_var * square + (alpha * var) ** 2) / V**2
        model_var = chain_variance(step, variance)
        if step is steps[-1]:
            costs.append(0.5 * (error / model_var + math.log(2 * math.pi * model_var)))
        else:
            ratio = step.beta_tilde / model_var
            costs.append(0.5 * (ratio - 1 - math.log(ratio) + step.pull**2 * error / model_var))
    terms = torch.tensor([prior, *costs], dtype=torch.float64)
    return DiffusionBound(terms[0], terms[1:-1], terms[-1])
