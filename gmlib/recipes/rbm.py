"""Chapter 06: a restricted Boltzmann machine on binarised MNIST, by persistent contrastive divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gmlib._checks import check_choice, check_count
from gmlib.data import binarise, mnist
from gmlib.energy import RBM, log_odds, rbm_log_likelihood, rbm_log_z, rbm_path
from gmlib.training import Task

HELD_BACK = 5000
"""Images of the full training set, the last ones, that are kept to choose settings with."""
CHAINS = 100
"""Persistent chains, as many as rows in a batch; also the runs of annealed importance sampling."""
SPLITS = ("train", "validation", "test")


def mnist_rbm(
    *,
    d_h: int = 500,
    k: int = 1,
    method: str = "pcd",
    chains: int = CHAINS,
    full: bool = False,
    evaluate_on: str = "test",
    temperatures: int = 10_000,
) -> Task:
    """An RBM on binarised 28x28 MNIST; every batch draws its bits anew from the grey values.

    The visible biases start at the log odds of the training images, the weights at draws of standard deviation .01.

    Args:
        d_h: number of hidden units.
        k: steps of block Gibbs sampling a step of learning.
        method: "pcd" carries chains over; "cd" starts them at the batch.
        chains: rows of a batch and persistent chains.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.
        temperatures: of annealed importance sampling in the evaluation.

    Returns:
        The task; its evaluation is that of :func:`likelihood_evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.rbm import mnist_rbm
        >>> mnist_rbm(d_h=8, evaluate_on="validation").data.shape
        torch.Size([9000, 784])
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    train = grey_digits("train", full=full)
    if evaluate_on == "validation":
        train = train[: len(train) - len(grey_digits("validation", full=full))]
    base = log_odds(train)
    rbm = RBM(train.shape[1], d_h)
    with torch.no_grad():
        rbm.b.copy_(base)
    model = PersistentRBM(rbm, chains=chains, k=k, method=method)
    held_out = {
        evaluate_on: binary_digits(evaluate_on, full=full),
        "train": binary_digits("train", full=full)[:10_000],
    }
    if full and evaluate_on == "test":
        held_out["subset"] = binary_digits("test")

    def loss(model: nn.Module, grey: Tensor, noise: Tensor) -> dict[str, Tensor]:
        assert isinstance(model, PersistentRBM)
        return {"loss": model.loss(grey, noise)}

    return Task(
        model, loss, train, model.noise, likelihood_evaluator(held_out, base, temperatures=temperatures)
    )


@lru_cache(maxsize=6)
def grey_digits(split: str, *, full: bool = False) -> Float[Tensor, "n 784"]:
    """MNIST with entries in [0, 1], flattened.

    Args:
        split: "train", "validation" (its last 5,000, or 1,000 of the embedded ones) or "test".
        full: the whole set.

    Example:
        >>> from gmlib.recipes.rbm import grey_digits
        >>> grey_digits("validation").shape
        torch.Size([1000, 784])
    """
    check_choice("split", split, SPLITS)
    if split == "validation":
        return grey_digits("train", full=full)[-(HELD_BACK if full else 1000) :]
    return mnist(split, full=full).images.flatten(1).float() / 255  # pyright: ignore[reportArgumentType]


def binary_digits(split: str, *, full: bool = False) -> Float[Tensor, "n 784"]:
    """MNIST as bits, drawn once from the grey values with a fixed seed: what likelihoods are quoted on.

    Args:
        split: as for :func:`grey_digits`.
        full: the whole set.

    Example:
        >>> from gmlib.recipes.rbm import binary_digits
        >>> binary_digits("test").unique().tolist()
        [0.0, 1.0]
    """
    seed = SPLITS.index(split) if split in SPLITS else 0
    return binarise(grey_digits(split, full=full), generator=torch.Generator().manual_seed(seed))


class PersistentRBM(nn.Module):
    """An RBM together with its persistent chains, so that a checkpoint holds both.

    Args:
        rbm: the machine.
        chains: number of chains; their hidden units start on with probability 1/2.
        k: steps of block Gibbs sampling a step of learning.
        method: "pcd" carries the chains over; "cd" starts them at the data in each step.

    Attributes:
        rbm: the machine.
        h: hidden states of the chains, (chains, d_h), bytes of 0 or 1.

    Example:
        >>> from gmlib.energy import RBM
        >>> from gmlib.recipes.rbm import PersistentRBM
        >>> PersistentRBM(RBM(4, 3), chains=10).h.shape
        torch.Size([10, 3])
    """

    h: Tensor

    def __init__(self, rbm: RBM, *, chains: int = CHAINS, k: int = 1, method: str = "pcd") -> None:
        super().__init__()
        check_count("chains", chains)
        check_count("k", k)
        check_choice("method", method, ("pcd", "cd"))
        self.rbm, self.k, self.method = rbm, k, method
        self.register_buffer("h", torch.bernoulli(torch.full((chains, rbm.d_h), 0.5)).to(torch.uint8))

    def noise(self, n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        """Uniform numbers of a step: the data's bits, and k rounds of x and h, (n, d + k (d + d_h))."""
        width = self.rbm.d + self.k * (self.rbm.d + self.rbm.d_h)
        return torch.rand(n, width, generator=generator, device=device)

    def loss(self, grey: Float[Tensor, "n d"], noise: Float[Tensor, "n draws"]) -> Tensor:
        r"""The free energy of a batch minus that of the chains, whose gradient is that of contrastive divergence.

        .. math:: \frac1B\sum_b\mathcal F(x_b) - \frac1S\sum_s\mathcal F(\tilde x_s)

        It is no objective: its value says by how much the chains lie below the data. The bits of the batch are drawn
        here, and the chains are moved.

        Args:
            grey: probabilities of the bits, (n, d).
            noise: see :meth:`noise`; as many rows as chains.

        Raises:
            ValueError: there are not as many rows as chains.
        """
        rbm = self.rbm
        if grey.shape[0] != self.h.shape[0]:
            raise ValueError(
                f"the batch of each process must have {self.h.shape[0]} rows, one a chain, got {grey.shape[0]}"
            )
        bits, *draws = noise.split([rbm.d] + [rbm.d, rbm.d_h] * self.k, dim=1)
        x = (bits < grey).to(grey.dtype)
        # The last round's draw for h carries PCD's chains over, and starts those of CD.
        h = self.h.to(x.dtype) if self.method == "pcd" else rbm.sample_hidden(x, noise=draws[-1])
        chain = rbm.sample_visible(h, noise=draws[0])
        for i in range(1, self.k):
            chain = rbm.sample_visible(rbm.sample_hidden(chain, noise=draws[2 * i - 1]), noise=draws[2 * i])
        both = torch.cat((x, chain))  # one product for the two
        logits = rbm.hidden_logits(both)
        if self.method == "pcd":
            with torch.no_grad():
                self.h.copy_(draws[-1] < logits[len(x) :].sigmoid())
        free_energy = -(both @ rbm.b) - functional.softplus(logits).sum(-1)
        return free_energy[: len(x)].mean() - free_energy[len(x) :].mean()


def likelihood_evaluator(
    images: dict[str, Float[Tensor, "n d"]],
    base: Float[Tensor, " d"],
    *,
    temperatures: int,
    runs: int = CHAINS,
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures an RBM by annealed importance sampling, with a fixed seed.

    Args:
        images: bits to evaluate on, by name.
        base: visible biases of the machine that annealing starts from.
        temperatures: of the path.
        runs: of annealed importance sampling.

    Returns:
        A function of the model that returns ``log_z`` and its ``log_z_error`` (standard error), ``effective_runs``, and for
        every name ``NAME_log_likelihood`` (nats an image), ``NAME_error`` (standard error over the images, without that of
        log Z) and ``NAME_reconstruction`` (mean absolute error a pixel of the mean-field reconstruction).

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM
        >>> from gmlib.recipes.rbm import PersistentRBM, likelihood_evaluator
        >>> model = PersistentRBM(RBM(4, 3, std=0.0))
        >>> measures = likelihood_evaluator({"test": torch.ones(5, 4)}, torch.zeros(4), temperatures=30)(model)
        >>> round(measures["test_log_likelihood"], 4)  # four fair bits
        -2.7726
    """
    path = rbm_path(temperatures)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, PersistentRBM)
        rbm = model.rbm
        device = rbm.weight.device
        generator = torch.Generator(device).manual_seed(0)
        found = rbm_log_z(rbm, base.to(device), runs=runs, path=path, generator=generator)
        measures = {
            "log_z": found.log_z,
            "log_z_error": found.standard_error,
            "effective_runs": found.effective_size,
        }
        for name, x in images.items():
            x = x.to(device)
            values = rbm_log_likelihood(rbm, x, found.log_z)
            measures[f"{name}_log_likelihood"] = values.mean().item()
            measures[f"{name}_error"] = (values.std() / len(values) ** 0.5).item()
            wrong = [(rbm.visible_mean(rbm.hidden_mean(part)) - part).abs().mean(1) for part in x.split(2000)]
            measures[f"{name}_reconstruction"] = torch.cat(wrong).mean().item()
        return measures

    return evaluate
