r"""What a wrong guess of the noise costs at each step."""

from __future__ import annotations

from gmlib._checks import check_choice, check_instance
from gmlib.noise.samplers import Step


def kl_weight(step: Step, variance: str = "beta") -> float:
    r"""Nats a unit of squared noise error in the step's KL divergence.

    .. math:: \frac{\lVert\tilde\mu - \mu_\theta\rVert^2}{2\tilde\sigma^2}
        = \omega\,\lVert\varepsilon - \hat\varepsilon\rVert^2, \qquad
        \omega = \frac{\beta^2}{2\tilde\sigma^2\,(\alpha_t/\alpha_s)^2\,\sigma_t^2}
        = \frac{\beta_t^2}{2\tilde\sigma^2(1-\beta_t)(1-\bar\alpha_t)}

    the right side on DDPM's grid. DDPM's simple loss puts 1 in its place.

    (:eq:`eq-09-weight` in the book.)

    Args:
        step: the step from t to s.
        variance: :math:`\tilde\sigma^2`: "beta" or "beta_tilde".

    Returns:
        The weight.

    Raises:
        TypeError: ``step`` is no Step.
        ValueError: ``step`` starts where alpha is 0, and the noise is all there is; or ``variance`` is unknown, or is
            "beta_tilde" for a step into the data, where it is 0.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 12.

    Example:
        >>> from gmlib.diffusion import kl_weight
        >>> from gmlib.noise import DDPM
        >>> from gmlib.noise.samplers import ddpm_times, steps_of
        >>> schedule = DDPM.linear()
        >>> steps = steps_of(schedule, ddpm_times(schedule, 1000))
        >>> [round(kl_weight(step), 4) for step in (steps[0], steps[500], steps[-1])]
        [0.0102, 0.0055, 0.5001]
    """
    check_instance("step", step, Step)
    check_choice("variance", variance, ("beta", "beta_tilde"))
    if step.alpha_t == 0:
        raise ValueError(f"step must start where alpha is positive, got alpha = 0 at t = {step.t:g}")
    var = getattr(step, variance)
    if var == 0:
        raise ValueError(
            f"variance must not be 'beta_tilde' for a step into the data, t = {step.t:g}: it is 0"
        )
    return step.beta**2 / (2 * var * (step.shrink * step.sigma_t) ** 2)
