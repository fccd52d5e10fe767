"""Fitting a flow in a few lines: by maximum likelihood to data, or to a law that is known up to its normaliser."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_count, check_event, check_finite, check_number, check_tensor
from gmlib.flows.flow import Flow
from gmlib.flows.variational import variational_bound

Sampler = Callable[..., Tensor]


def fit_flow(
    flow: Flow,
    data: Float[Tensor, "n *event"] | Sampler,
    *,
    steps: int,
    c: Float[Tensor, "n k"] | None = None,
    batch_size: int = 256,
    lr: float = 1e-3,
    grad_clip: float = 10.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " steps"]:
    r"""Fit a flow to data by maximum likelihood, in place: Adam, with a learning rate that falls to 0 along a cosine.

    .. math:: \min_\theta\; \mathbb E_{p_{\text{data}}}\big[-\log p_\theta(x)\big]
        = H(p_{\text{data}}) + \min_\theta \mathrm{KL}(p_{\text{data}} \,\|\, p_\theta)

    For demonstrations; `gmlib.training` has checkpoints, averages and several devices. The loop does not wait for the
    device.

    (:eq:`eq-05-mle` in the book.)

    Args:
        flow: the flow.
        data: N points, shape ``(N, *event_shape)``, of which a batch is drawn with replacement at each step; or a sampler,
            called as ``data((batch_size,), generator=generator)``, such as the ``sample`` of a law, for data without end.
        steps: number of steps.
        c: the conditions of the points, shape ``(N, context)``.
        batch_size: points a step; all of the data, in order, where there are not more.
        lr: learning rate at the start.
        grad_clip: largest norm of the gradient.
        generator: source of the batches; None is torch's default. On the device of the data.

    Returns:
        The negative log-likelihood of each batch before its step, nats a point.

    Raises:
        TypeError: ``data`` is no floating tensor and cannot be called, or ``c`` is no floating tensor.
        ValueError: a number is out of its range; ``data`` are no points of the flow, none at all, or not finite; ``c`` does
            not fit the data; or the flow has nothing to train.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.1.2.1.

    Example:
        >>> from gmlib.flows import Affine, Elementwise, StandardNormal
        >>> flow = Flow(StandardNormal((1,)), Elementwise(Affine(), (1,)))
        >>> x = torch.tensor([[1.0], [3.0]])  # mean 2, standard deviation 1
        >>> nll = fit_flow(flow, x, steps=500, lr=0.1)
        >>> round(nll[-1].item(), 4), round(0.5 * math.log(2 * math.pi * math.e), 4)
        (1.4189, 1.4189)
    """
    check_count("batch_size", batch_size)
    if isinstance(data, Tensor):
        check_event("data", data, flow.event_shape)
        if data.dim() != 1 + len(flow.event_shape) or not len(data):
            raise ValueError(
                f"data must have shape (N, *{flow.event_shape}) with N >= 1, got shape {tuple(data.shape)}"
            )
        check_finite("data", data)
    else:
        check_callable("data", data)
    if c is not None:
        check_tensor("c", c)
    if c is not None and not isinstance(data, Tensor):
        raise ValueError(f"c must be None where data is a sampler, got shape {tuple(c.shape)}")
    if c is not None and isinstance(data, Tensor) and len(c) != len(data):
        raise ValueError(f"c must have {len(data)} rows, as the data, got shape {tuple(c.shape)}")
    if c is not None:
        check_finite("c", c)

    def loss() -> Tensor:
        if not isinstance(data, Tensor):
            return -flow.log_prob(data((batch_size,), generator=generator)).mean()
        if len(data) <= batch_size:
            return -flow.log_prob(data, c).mean()
        rows = torch.randint(len(data), (batch_size,), generator=generator, device=data.device)
        return -flow.log_prob(data[rows], None if c is None else c[rows]).mean()

    return minimise(flow, loss, steps=steps, lr=lr, grad_clip=grad_clip)


def fit_posterior(
    q: Flow,
    log_joint: Callable[[Tensor], Tensor],
    *,
    steps: int,
    samples: int = 256,
    lr: float = 1e-3,
    grad_clip: float = 10.0,
    path_gradient: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " steps"]:
    r"""Fit a flow to a law that is known up to its normaliser, in place, by raising the bound of `variational_bound`.

    Args:
        q: the flow.
        log_joint: log p(x, z) as a function of z, from ``(samples, *event_shape)`` to ``(samples,)``.
        steps: number of steps of Adam, whose learning rate falls to 0 along a cosine.
        samples: draws a step.
        lr: learning rate at the start.
        grad_clip: largest norm of the gradient.
        path_gradient: as in `variational_bound`.
        generator: source of the draws; None is torch's default.

    Returns:
        The bound at each step before it is made, in nats.

    Raises:
        TypeError: ``log_joint`` cannot be called.
        ValueError: a number is out of its range.

    References:
        D. Rezende and S. Mohamed, *Variational inference with normalizing flows*, 2015, algorithm 1.

    Example:
        N(3, 1), with a normaliser of 2:

        >>> from gmlib.flows import Affine, Elementwise, StandardNormal
        >>> q = Flow(StandardNormal((1,)), Elementwise(Affine(), (1,)))
        >>> log_joint = lambda z: torch.distributions.Normal(3.0, 1.0).log_prob(z).sum(-1) + math.log(2.0)
        >>> bound = fit_posterior(q, log_joint, steps=500, lr=0.1, path_gradient=True)
        >>> round(bound[-1].item(), 3), round(math.log(2.0), 3)
        (0.693, 0.693)
    """
    check_callable("log_joint", log_joint)
    check_count("samples", samples)

    def loss() -> Tensor:
        terms = variational_bound(q, log_joint, (samples,), path_gradient=path_gradient, generator=generator)
        return -terms.total.mean()

    return -minimise(q, loss, steps=steps, lr=lr, grad_clip=grad_clip)


def minimise(
    module: nn.Module, loss: Callable[[], Tensor], *, steps: int, lr: float = 1e-3, grad_clip: float = 10.0
) -> Float[Tensor, " steps"]:
    """Minimise a (random) loss over a module's parameters, in place: Adam, a cosine learning rate, clipped gradients.

    Args:
        module: whose parameters move.
        loss: called once a step; returns a scalar.
        steps: number of steps.
        lr: learning rate at the start; it falls to 0.
        grad_clip: largest norm of the gradient.

    Returns:
        The loss of each step, before it is made.

    Raises:
        TypeError: ``loss`` cannot be called.
        ValueError: a number is out of its range, or no parameter of ``module`` requires gradients.

    References:
        D. Kingma and J. Ba, *Adam*, 2015; I. Loshchilov and F. Hutter, *SGDR*, 2017, equation 5 (without restarts).

    Example:
        >>> line = nn.Linear(1, 1, bias=False)
        >>> history = minimise(line, lambda: (line.weight - 2).square().sum(), steps=300, lr=0.1)
        >>> history.shape, round(line.weight.item(), 3)
        (torch.Size([300]), 2.0)
    """
    check_callable("loss", loss)
    check_count("steps", steps)
    check_number("lr", lr, low=0.0, low_open=True)
    check_number("grad_clip", grad_clip, low=0.0, low_open=True)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError(f"module must have parameters to train, got a {type(module).__name__} without any")
    fused = parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(parameters, lr=lr, fused=fused)
    history = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, grad_clip)
        optimizer.step()
        history.append(value.detach())
    return torch.stack(history)
