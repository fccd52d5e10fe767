"""Per-example inference: optimise q for each data point, to see what the encoder's one-shot answer costs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.vae.posterior import DiagonalPosterior
from gmlib.vae.vae import VAE


def refine_posterior(
    model: VAE,
    x: Float[Tensor, "batch d"],
    noise: Float[Tensor, "samples batch k"],
    *,
    steps: int = 100,
    lr: float = 0.03,
) -> DiagonalPosterior:
    r"""Start from the encoder's :math:`q_\phi(z \mid x)` and climb the bound in its own mean and width.

    The difference of the two bounds, *on the same noise*, is the amortisation gap at x (Cremer et al. 2018, section 3).
    The best iterate of each data point is kept, the encoder's own included, so on that noise the gap is never negative.
    The objective is the sample average over ``noise``, which a narrow q can overfit: use ten or more samples, and judge
    the result on fresh noise too.

    Args:
        model: its weights are left as they are.
        x: data, (batch, d).
        noise: standard normal, (samples, batch, k); kept fixed through all steps.
        steps: gradient steps (Adam).
        lr: their learning rate.

    Returns:
        The best posterior found for each row, detached.

    Raises:
        ValueError: ``steps`` below 1, or ``lr`` not positive.

    Example:
        >>> import torch
        >>> from gmlib.nn import MLP
        >>> from gmlib.vae import VAE, Bernoulli, refine_posterior
        >>> model = VAE(MLP([6, 4]), MLP([2, 6]), Bernoulli(), latent_dim=2)
        >>> x, noise = torch.ones(3, 6), torch.randn(16, 3, 2)
        >>> better = model.elbo(x, noise, q=refine_posterior(model, x, noise, steps=20)).total
        >>> bool((better >= model.elbo(x, noise).total).all())
        True
    """
    check_count("steps", steps)
    check_number("lr", lr, low=0.0, low_open=True)
    with torch.no_grad():
        start = model.encode(x)
    mean = start.mean.detach().clone().requires_grad_()
    log_std = start.log_std.detach().clone().requires_grad_()
    best_mean, best_log_std = mean.detach().clone(), log_std.detach().clone()
    best = torch.full(mean.shape[:-1], -torch.inf, dtype=mean.dtype, device=mean.device)
    optimiser = torch.optim.Adam([mean, log_std], lr=lr)
    with torch.enable_grad():
        for step in range(steps + 1):
            bound = model.elbo(x, noise, q=DiagonalPosterior(mean, log_std)).total
            with torch.no_grad():
                improved = bound > best
                best = torch.where(improved, bound, best)
                best_mean = torch.where(improved[:, None], mean, best_mean)
                best_log_std = torch.where(improved[:, None], log_std, best_log_std)
            if step < steps:
                gradients = torch.autograd.grad(-bound.sum(), [mean, log_std])
                mean.grad, log_std.grad = gradients
                optimiser.step()
    return DiagonalPosterior(best_mean.detach(), best_log_std.detach())
