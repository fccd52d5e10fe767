r"""The bound on finite alphabets, where every term is a sum and every identity can be held to the last digit.

The laws are tables of probabilities. A joint law of one observed x with a latent z is a vector of :math:`p(x, z)`
over z; a family over all x is a matrix with one row for each x.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor


@dataclass(frozen=True)
class EvidenceDecomposition:
    r"""The three parts of the evidence, in nats: :math:`\log p(x)` = expected_log_joint + entropy + kl.

    Attributes:
        expected_log_joint: :math:`\mathbb E_q \log p(x, z)`, (\*batch,).
        entropy: :math:`H(q)`, (\*batch,).
        kl: :math:`\mathrm{KL}(q \,\|\, p(z \mid x))`, the gap, (\*batch,).
        log_evidence: :math:`\log p(x)`, computed on its own as the log of a sum, (\*batch,).
    """

    expected_log_joint: Tensor
    entropy: Tensor
    kl: Tensor
    log_evidence: Tensor

    @property
    def elbo(self) -> Tensor:
        """The bound, expected log joint plus entropy."""
        return self.expected_log_joint + self.entropy


def evidence_decomposition(
    joint: Float[Tensor, "*batch z"], q: Float[Tensor, "*#batch z"]
) -> EvidenceDecomposition:
    r"""Split the log-evidence into expected log joint, entropy and gap, for a latent variable with finitely many
    values.

    .. math:: \log p(x) = \mathbb E_q \log p(x, z) + H(q) + \mathrm{KL}\big(q \,\|\, p(z \mid x)\big)

    True for *every* q with the support of the posterior or a smaller one (Neal & Hinton 1998, section 2). The KL is
    non-negative, so the first two terms bound the evidence from below, and they reach it at
    :math:`q = p(z \mid x)` alone.

    Args:
        joint: :math:`p(x, z)` for the observed x, positive, (\*batch, z).
        q: any law over z, (\*batch, z); zeros are allowed (:math:`0 \log 0 = 0`).

    Returns:
        The four numbers, each (\*batch,).

    Raises:
        ValueError: ``joint`` has an entry that is not positive, or ``q`` is negative or does not sum to 1.

    Example:
        >>> import torch
        >>> from gmlib.vae import evidence_decomposition
        >>> joint = torch.tensor([0.1, 0.3], dtype=torch.float64)
        >>> parts = evidence_decomposition(joint, joint / joint.sum())  # the posterior: no gap
        >>> abs(parts.kl.item()) < 1e-15, abs((parts.elbo - parts.log_evidence).item()) < 1e-15
        (True, True)
    """
    check_probabilities("q", q)
    check_tensor("joint", joint)
    if not bool((joint > 0).all()):
        raise ValueError("joint must be positive everywhere, got an entry of 0 or less")
    evidence = joint.sum(-1, keepdim=True)
    entropy = -torch.special.xlogy(q, q).sum(-1)
    expected = (q * joint.log()).sum(-1)
    # Not from the other terms: the identity is a claim to be checked, not a definition.
    kl = torch.special.xlogy(q, q / (joint / evidence)).sum(-1)
    return EvidenceDecomposition(expected, entropy, kl, evidence.log().squeeze(-1))


@dataclass(frozen=True)
class FourFaces:
    """The average *negative* bound over a data law, split in four ways; scalars, in nats, none of them negative.

    Attributes:
        distortion: minus the expected log-likelihood of x given its code.
        rate: the expected KL of the encoder's law from the prior.
        joint_kl: KL between the joint laws that encoder and decoder define.
        data_kl: KL of the data law from the model's.
        posterior_gap: the expected KL of the encoder's law from the true posterior.
        code_kl: KL of the aggregated posterior from the prior.
        decoder_gap: the expected KL of q(x | z) from the decoder's p(x | z).
        data_entropy: entropy of the data law, which no model can remove.
    """

    distortion: Tensor
    rate: Tensor
    joint_kl: Tensor
    data_kl: Tensor
    posterior_gap: Tensor
    code_kl: Tensor
    decoder_gap: Tensor
    data_entropy: Tensor

    def totals(self) -> Tensor:
        """The average negative bound computed in each of the four ways, shape (4,); the entries agree."""
        return torch.stack(
            [
                self.distortion + self.rate,
                self.joint_kl + self.data_entropy,
                self.data_kl + self.posterior_gap + self.data_entropy,
                self.code_kl + self.decoder_gap + self.data_entropy,
            ]
        )


def four_faces(
    data: Float[Tensor, " x"],
    encoder: Float[Tensor, "x z"],
    prior: Float[Tensor, " z"],
    decoder: Float[Tensor, "z x"],
) -> FourFaces:
    r"""Split the average negative ELBO of a finite model in its four ways.

    With :math:`q(x, z) = p_{\text{data}}(x)\, q(z \mid x)` and :math:`p(x, z) = p(z)\, p(x \mid z)`:

    .. math::
        -\overline{\mathrm{ELBO}} &= \mathbb E_{q(x,z)}[-\log p(x \mid z)] + \mathbb E_{p_{\text{data}}}
        \mathrm{KL}\big(q(z \mid x) \| p(z)\big) \\ &= \mathrm{KL}\big(q(x, z) \| p(x, z)\big) + H(p_{\text{data}}) \\
        &= \mathrm{KL}\big(p_{\text{data}} \| p\big)
           + \mathbb E_{p_{\text{data}}} \mathrm{KL}\big(q(z \mid x) \| p(z \mid x)\big) + H(p_{\text{data}}) \\
        &= \mathrm{KL}\big(q(z) \| p(z)\big)
           + \mathbb E_{q(z)} \mathrm{KL}\big(q(x \mid z) \| p(x \mid z)\big) + H(p_{\text{data}})

    (:eq:`eq-02-faces` in the book; Hoffman & Johnson 2016.)

    Args:
        data: :math:`p_{\text{data}}(x)`, (x,), positive.
        encoder: :math:`q(z \mid x)`, one row for each x, (x, z), positive.
        prior: :math:`p(z)`, (z,), positive.
        decoder: :math:`p(x \mid z)`, one row for each z, (z, x), positive.

    Returns:
        The terms of the four forms.

    Raises:
        ValueError: shapes do not match, or a table is not a positive law that sums to 1.

    Example:
        >>> import torch
        >>> from gmlib.vae import four_faces
        >>> half = torch.full((2,), 0.5, dtype=torch.float64)
        >>> faces = four_faces(half, half.expand(2, 2), half, half.expand(2, 2))
        >>> [round(t, 4) for t in faces.totals().tolist()]  # the model is right and the code is empty: log 2
        [0.6931, 0.6931, 0.6931, 0.6931]
    """
    for name, table in (("data", data), ("encoder", encoder), ("prior", prior), ("decoder", decoder)):
        check_probabilities(name, table, positive=True)
    if encoder.shape != (data.shape[0], prior.shape[0]) or decoder.shape != (prior.shape[0], data.shape[0]):
        raise ValueError(
            f"encoder must be (x, z) = {(data.shape[0], prior.shape[0])} and decoder (z, x), "
            f"got {tuple(encoder.shape)} and {tuple(decoder.shape)}"
        )
    q_joint = data[:, None] * encoder
    p_joint = prior[None, :] * decoder.T
    q_code, p_data = q_joint.sum(0), p_joint.sum(1)
    return FourFaces(
        distortion=-(q_joint * decoder.T.log()).sum(),
        rate=(data * _kl(encoder, prior)).sum(),
        joint_kl=_kl(q_joint.flatten(), p_joint.flatten()),
        data_kl=_kl(data, p_data),
        posterior_gap=(data * _kl(encoder, p_joint / p_data[:, None])).sum(),
        code_kl=_kl(q_code, prior),
        decoder_gap=(q_code * _kl((q_joint / q_code).T, decoder)).sum(),
        data_entropy=-(data * data.log()).sum(),
    )


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum(-1)


def check_probabilities(name: str, p: Tensor, *, positive: bool = False) -> None:
    r"""Raise unless the last dimension of ``p`` is a law: non-negative (or positive), with sum 1.

    Args:
        name: the argument's name, for the message.
        p: probabilities, (\*batch, n).
        positive: refuse zeros too.

    Raises:
        ValueError: an entry is negative (or zero), or the sum is not 1.

    Example:
        >>> import torch
        >>> from gmlib.vae.discrete import check_probabilities
        >>> check_probabilities("p", torch.tensor([0.25, 0.75]), positive=True)
    """
    check_tensor(name, p)
    if not bool((p >= 0).all()) or not torch.allclose(p.sum(-1), torch.ones_like(p.sum(-1)), atol=1e-6):
        raise ValueError(f"{name} must be non-negative and sum to 1 over its last dimension")
    if positive and not bool((p > 0).all()):
        raise ValueError(f"{name} must be positive everywhere, got an entry of 0")
