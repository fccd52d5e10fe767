"""Chapter 02: variational autoencoders on the 8x8 digits and on MNIST, in grey levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.data import digits, mnist
from gmlib.metrics import bits_per_dim
from gmlib.nn import MLP, ConvDecoder, ConvEncoder
from gmlib.training import Task
from gmlib.vae import VAE, DiscretisedLogistic, importance_weighted_bound, standard_normal_log_prob


def digits_vae(
    *,
    latent_dim: int = 24,
    hidden: int = 256,
    components: int = 3,
    dropout: float = 0.3,
    evaluate_on: str = "test",
) -> Task:
    """A VAE on scikit-learn's 8x8 digits (17 grey levels), trained on the first 1,000.

    Args:
        latent_dim: number of latents.
        hidden: width of the two hidden layers of encoder and decoder.
        components: logistic laws a pixel.
        dropout: in the hidden layers of both nets.
        evaluate_on: the split to evaluate on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation gives ``neg_elbo``, ``neg_iw_bound`` (64 samples) and ``rate`` in nats an image, and
        ``bits_per_dim``, the first of them in bits a pixel.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.vae import digits_vae
        >>> digits_vae().data.shape
        torch.Size([1000, 64])
    """
    likelihood = DiscretisedLogistic(levels=17, components=components)
    model = mlp_vae(64, latent_dim, hidden, likelihood, dropout=dropout)
    train, held_out = (digits(split).images.flatten(1).float() for split in ("train", evaluate_on))  # pyright: ignore
    return vae_task(model, train, held_out)


def mnist_vae(
    *,
    latent_dim: int = 32,
    widths: Sequence[int] = (8, 16, 32),
    components: int = 3,
    full: bool = False,
    eval_images: int = 1000,
) -> Task:
    """A convolutional VAE on 28x28 MNIST in 256 grey levels, trained on the embedded 10,000 images (or all 60,000).

    Args:
        latent_dim: number of latents.
        widths: channels of the three levels (28, 14 and 7 pixels wide) of encoder and decoder.
        components: logistic laws a pixel.
        full: train and evaluate on the full set instead (see ``gmlib.data.mnist``).
        eval_images: evaluate on the first so many test images.

    Returns:
        The task, with the evaluation of :func:`digits_vae`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.vae import mnist_vae
        >>> mnist_vae(widths=(2, 2, 2)).model.latent_dim
        32
    """
    check_count("eval_images", eval_images)
    likelihood = DiscretisedLogistic(levels=256, components=components)
    encoder = VectorEncoder(ConvEncoder(1, 28, widths, 2 * latent_dim))
    decoder = VectorDecoder(ConvDecoder(latent_dim, widths, 28, likelihood.num_params))
    train, test = (mnist(split, full=full).images.flatten(1).float() for split in ("train", "test"))
    return vae_task(VAE(encoder, decoder, likelihood, latent_dim), train, test[:eval_images])


class VectorEncoder(nn.Module):
    """An image encoder that reads flattened images.

    Args:
        net: maps images (batch, channels, height, width) to (batch, outputs).

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvEncoder
        >>> from gmlib.recipes.vae import VectorEncoder
        >>> VectorEncoder(ConvEncoder(1, 4, [2], 3))(torch.zeros(5, 16)).shape
        torch.Size([5, 3])
    """

    def __init__(self, net: ConvEncoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch outputs"]:
        """Encode flattened images (batch, d)."""
        return self.net(x.unflatten(1, self.net.event_shape))


class VectorDecoder(nn.Module):
    """An image decoder that returns flattened images and accepts several samples a data point.

    Args:
        net: maps vectors (batch, inputs) to images (batch, channels, height, width).

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvDecoder
        >>> from gmlib.recipes.vae import VectorDecoder
        >>> VectorDecoder(ConvDecoder(3, [2], 4, 1))(torch.zeros(7, 5, 3)).shape
        torch.Size([7, 5, 16])
    """

    def __init__(self, net: ConvDecoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch d"]:
        r"""Decode latents (\*batch, inputs); channels come first in the flattened result."""
        return self.net(z.flatten(0, -2)).flatten(1).unflatten(0, z.shape[:-1])


def mlp_vae(d: int, latent_dim: int, hidden: int, likelihood: DiscretisedLogistic, *, dropout: float) -> VAE:
    """A VAE of two MLPs with two hidden layers each.

    Args:
        d: dimension of the data.
        latent_dim: number of latents.
        hidden: width of the hidden layers.
        likelihood: the decoder's.
        dropout: in the hidden layers.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.vae import mlp_vae
        >>> from gmlib.vae import DiscretisedLogistic
        >>> sum(p.numel() for p in mlp_vae(4, 2, 8, DiscretisedLogistic(2), dropout=0.0).parameters())
        352
    """
    encoder = MLP([d, hidden, hidden, 2 * latent_dim], dropout=dropout)
    decoder = MLP([latent_dim, hidden, hidden, likelihood.num_params * d], dropout=dropout)
    return VAE(encoder, decoder, likelihood, latent_dim)


def vae_task(model: VAE, train: Float[Tensor, "n d"], held_out: Float[Tensor, "m d"]) -> Task:
    """The training task of a VAE: minimise the negative bound with one latent sample a step.

    Args:
        model: the model.
        train: training data, (n, d).
        held_out: data to evaluate on, (m, d).

    Example:
        >>> import torch
        >>> from gmlib.recipes.vae import mlp_vae, vae_task
        >>> from gmlib.vae import DiscretisedLogistic
        >>> x = torch.zeros(6, 4)
        >>> task = vae_task(mlp_vae(4, 2, 8, DiscretisedLogistic(2), dropout=0.0), x, x)
        >>> sorted(task.loss(task.model, x, torch.zeros(6, 2)))
        ['loss', 'rate', 'reconstruction']
    """

    def loss(model: nn.Module, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        assert isinstance(model, VAE)
        bound = model.elbo(x, noise[None]).mean()
        return {"loss": -bound.total, "reconstruction": -bound.reconstruction, "rate": bound.kl}

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(n, model.latent_dim, generator=generator, device=device)

    return Task(model, loss, train, noise, evaluator(held_out))


def evaluator(
    x: Float[Tensor, "m d"], *, samples: int = 64, batch: int = 100
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that evaluates a VAE on held-out data, with noise from a fixed seed.

    Args:
        x: held-out data, (m, d).
        samples: latent samples for each data point.
        batch: data points at a time.

    Returns:
        A function of the model that returns means over the data: ``neg_elbo`` (averaged over the latent samples),
        ``neg_iw_bound`` (the same samples, importance-weighted), ``rate``, all in nats a data point, and ``bits_per_dim``.

    Example:
        >>> import torch
        >>> from gmlib.recipes.vae import evaluator, mlp_vae
        >>> from gmlib.vae import DiscretisedLogistic
        >>> model = mlp_vae(4, 2, 8, DiscretisedLogistic(2), dropout=0.0)
        >>> metrics = evaluator(torch.zeros(5, 4), samples=8)(model)
        >>> sorted(metrics)
        ['bits_per_dim', 'neg_elbo', 'neg_iw_bound', 'rate']
    """
    check_count("samples", samples)
    check_count("batch", batch)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, VAE)
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(0)
        sums = torch.zeros(3, dtype=torch.float64)
        for part in x.split(batch):
            part = part.to(device)
            noise = torch.randn(samples, len(part), model.latent_dim, generator=generator).to(device)
            q = model.encode(part)
            z = q.rsample(noise)
            # One pass of the decoder serves both bounds.
            reconstruction = model.likelihood.log_prob(model.decode(z), part)
            log_w = reconstruction + standard_normal_log_prob(z) - q.log_prob(z)
            terms = (q.kl() - reconstruction.mean(0), -importance_weighted_bound(log_w), q.kl())
            sums += torch.stack([t.sum().double().cpu() for t in terms])
        neg_elbo, neg_iw, rate = (sums / len(x)).tolist()
        bits = bits_per_dim(neg_elbo, x.shape[1])
        return {"neg_elbo": neg_elbo, "neg_iw_bound": neg_iw, "rate": rate, "bits_per_dim": bits}

    return evaluate
