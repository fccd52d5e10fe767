"""Log-likelihoods in units that mean something: choices a token, bits a dimension, nats lost on new data."""

from __future__ import annotations

import math
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.metrics.estimate import Estimate, mean_estimate

Nats = TypeVar("Nats", float, Tensor)


def perplexity(nll: Nats) -> Nats:
    r"""Perplexity: the number of equally likely symbols among which the model might as well be choosing.

    .. math:: \mathrm{PPL} = e^{\mathrm{NLL}} = 2^{\mathrm{NLL}/\log 2}

    (:eq:`eq-01-perplexity` in the book.) Base and units go together: 2 to the power of nats gives 4.93 where ten symbols
    are equally likely.

    Args:
        nll: average negative log-likelihood in *nats a token*; a number or a tensor.

    Returns:
        A number of at least 1 for a law over symbols, of the type and shape of ``nll``; inf beyond its range.

    Raises:
        TypeError: ``nll`` is neither a number nor a floating tensor.
        ValueError: ``nll`` is a number that is not finite.

    References:
        F. Jelinek, R. L. Mercer, L. R. Bahl and J. K. Baker, *Perplexity: a measure of the difficulty of speech recognition
        tasks* (1977).

    Example:
        >>> import math
        >>> from gmlib.metrics import perplexity
        >>> round(perplexity(math.log(10)), 6)
        10.0
    """
    _check_nats(nll)
    if isinstance(nll, Tensor):
        return nll.exp()
    try:
        return math.exp(nll)
    except OverflowError:
        return math.inf


def bits_per_dim(nll: Nats, dim: int) -> Nats:
    r"""Bits a dimension from nats an example.

    .. math:: \mathrm{bpd} = \frac{\mathrm{NLL}}{D \log 2}

    (:eq:`eq-01-bits` in the book.) *Divided* by :math:`\log 2`: a nat is more than a bit, so there are more bits. Only
    masses of integers can be compared with an uncompressed file, which costs :math:`\log_2 L` bits a dimension; a density
    in other units must be turned into one first (`gmlib.data.dequantise.log_mass`).

    Args:
        nll: average negative log-likelihood in nats an example, summed over its D dimensions; a number or a tensor.
        dim: the number of dimensions D (values: 3 for each pixel in colour).

    Returns:
        Bits, of the type and shape of ``nll``.

    Raises:
        TypeError: ``nll`` is neither a number nor a floating tensor.
        ValueError: ``nll`` is a number that is not finite, or ``dim`` is below 1.

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models* (2016), section 3.1.

    Example:
        >>> import math
        >>> from gmlib.metrics import bits_per_dim
        >>> bits_per_dim(784 * math.log(256), 784)  # 256 equally likely levels a pixel
        8.0
    """
    _check_nats(nll)
    check_count("dim", dim)
    return nll / (dim * math.log(2))


def generalisation_gap(train_log_prob: Float[Tensor, " n"], test_log_prob: Float[Tensor, " m"]) -> Estimate:
    r"""How many nats a data point a model does worse on new data than on the data it was fitted to.

    .. math:: \frac1n\sum_i\log p_\theta(x_i^{\text{train}}) - \frac1m\sum_j\log p_\theta(x_j^{\text{test}})

    (:eq:`eq-01b-gap` in the book.) A maximum-likelihood fit of k parameters to n points, whose family holds the truth, has
    an expected gap of about :math:`k/n`: half of it is how much the fit flatters itself on its own data, half what it
    loses on others. For the unknown mean of a normal law of known covariance it is :math:`k/n` exactly.

    Args:
        train_log_prob: log-likelihood of each training point, nats, (n,), n >= 2.
        test_log_prob: log-likelihood of each new point, nats, (m,), m >= 2.

    Returns:
        The gap in nats, with the standard error of a difference of two independent means and ``n`` the smaller of the two
        numbers. The error is of this pair of data sets for a given model; that of refitting is not in it.

    Raises:
        TypeError: an argument is not a floating tensor.
        ValueError: it is not a vector of at least two finite entries.

    References:
        H. Akaike, *Information theory and an extension of the maximum likelihood principle* (1973).

    Example:
        >>> import torch
        >>> from gmlib.metrics import generalisation_gap
        >>> generalisation_gap(torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -2.0, -4.0])).value
        1.5
    """
    for name, values in (("train_log_prob", train_log_prob), ("test_log_prob", test_log_prob)):
        check_tensor(name, values)
        if values.dim() != 1 or values.shape[0] < 2:
            raise ValueError(
                f"{name} must be a vector of at least two entries, got shape {tuple(values.shape)}"
            )
        check_finite(name, values)
    train, test = mean_estimate(train_log_prob), mean_estimate(test_log_prob)
    error = math.hypot(train.standard_error, test.standard_error)
    return Estimate(train.value - test.value, error, min(train.n, test.n))


def _check_nats(nll: object) -> None:
    if isinstance(nll, Tensor):
        check_tensor("nll", nll)
    else:
        check_number("nll", nll)
