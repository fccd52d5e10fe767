r"""A law whose points have classes, and all that guidance asks of it, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_instance, check_tensor
from gmlib.distributions import Law
from gmlib.noise import Denoiser, Schedule
from gmlib.noise.schedule import Time


class LabelledLaw:
    r"""Classes 0..K-1, drawn with given probabilities, and for each class the law of its points.

    Args:
        laws: the law of each class, without batch dimensions, all of the same dimension.
        weights: probabilities of the classes, (K,); None makes them equal.

    Raises:
        TypeError: ``laws`` are no laws or ``weights`` no floating tensor.
        ValueError: there is no law, dimensions differ, or ``weights`` are no probabilities of K classes.

    Example:
        >>> import torch
        >>> from gmlib.diffusion.guidance import LabelledLaw
        >>> from gmlib.distributions import Gaussian
        >>> two = LabelledLaw([Gaussian(torch.tensor([m]), var=0.25) for m in (-1.0, 1.0)])
        >>> two.class_log_prob(torch.zeros(1, 1), torch.tensor(1.0), torch.tensor(0.0)).exp()
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, laws: Sequence[Law], weights: Float[Tensor, " K"] | None = None) -> None:
        laws = list(laws)
        if not laws:
            raise ValueError("laws must hold at least one law")
        for law in laws:
            check_instance("laws", law, Law)
            if law.batch_shape or law.event_shape != laws[0].event_shape:
                raise ValueError("laws must have no batch dimensions and the same dimension")
        if weights is None:
            weights = torch.full((len(laws),), 1 / len(laws), dtype=torch.float64)
        check_tensor("weights", weights)
        if weights.shape != (len(laws),) or (weights < 0).any() or (weights.sum() - 1).abs() > 1e-5:
            raise ValueError(f"weights must be {len(laws)} probabilities, got {weights.tolist()}")
        self.laws, self.weights = laws, weights

    def __len__(self) -> int:
        return len(self.laws)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"]]:
        """Points (n, d) and their classes (n,)."""
        label = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        each = torch.stack([law.sample((n,), generator=generator) for law in self.laws])
        return each[label, torch.arange(n)], label

    def log_probs(
        self, x: Float[Tensor, "batch d"], alpha: Tensor, sigma: Tensor
    ) -> Float[Tensor, "batch K"]:
        r""":math:`\log p(c)\,q(x \mid c)` of points noised with :math:`\alpha, \sigma`, shape () or (batch,)."""
        each = [law.noised(alpha, sigma).log_prob(x) for law in self.laws]
        return torch.stack(each, -1) + self.weights.log().to(x)

    def class_log_prob(
        self, x: Float[Tensor, "batch d"], alpha: Tensor, sigma: Tensor
    ) -> Float[Tensor, "batch K"]:
        r""":math:`\log p(c \mid x_t)` for all classes: the best classifier that has seen this noise."""
        return self.log_probs(x, alpha, sigma).log_softmax(-1)

    def denoiser(self, schedule: Schedule) -> Denoiser:
        r"""The best conditional denoiser, which also does without: what a perfectly trained network would say.

        It predicts :math:`x_0` and is called with ``label`` (batch,), classes from 0 to K, where K stands for none.

        .. math:: \mathbb E[x_0 \mid x_t, c], \qquad
            \mathbb E[x_0 \mid x_t] = \sum_c p(c \mid x_t)\,\mathbb E[x_0 \mid x_t, c]
        """

        def network(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
            alpha, sigma = schedule.alpha(t), schedule.sigma(t)
            each = torch.stack([law.posterior_mean(x, alpha, sigma) for law in self.laws], 1)
            asked = torch.nn.functional.one_hot(label, len(self) + 1)[:, :-1].to(x)
            anyone = self.class_log_prob(x, alpha, sigma).exp()
            share = torch.where((label == len(self))[:, None], anyone, asked)
            return (share.unsqueeze(-1) * each).sum(1)

        return Denoiser(network, schedule, "x0")

    def classifier(self, schedule: Schedule) -> Callable[..., Tensor]:
        """The best noise-aware classifier: called with noised points, a time and ``label``, says log p(label | x_t)."""

        def log_prob(x: Tensor, t: Time, label: Tensor) -> Tensor:
            time = torch.as_tensor(t, dtype=x.dtype, device=x.device)
            found = self.class_log_prob(x, schedule.alpha(time), schedule.sigma(time))
            return found.gather(1, label[:, None])[:, 0]

        return log_prob
