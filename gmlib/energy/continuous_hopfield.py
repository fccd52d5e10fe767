r"""Continuous Hopfield network: units between -1 and 1 that move along an ordinary differential equation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_number
from gmlib.energy._spins import check_couplings, check_like


class ContinuousPath(NamedTuple):
    """States of a continuous network along its flow.

    Attributes:
        time: of each, in units of the time constant, (times,).
        potential: u, (times, batch, d).
        state: x, (times, batch, d).
        energy: E(x), (times, batch).
    """

    time: Float[Tensor, " times"]
    potential: Float[Tensor, "times batch d"]
    state: Float[Tensor, "times batch d"]
    energy: Float[Tensor, "times batch"]


class ContinuousHopfield:
    r"""A network of d units :math:`x_i = \tanh(\beta u_i)` with symmetric weights.

    .. math:: \frac{du}{dt} = -u + W x + b, \qquad x = \tanh(\beta u)

    (:eq:`eq-06b-continuous` in the book; Hopfield 1984.) It rests where :math:`x_i = \tanh(\beta a_i)` with
    :math:`a = W x + b`, which are also the mean-field equations of a Boltzmann machine at the inverse temperature
    :math:`\beta`. As :math:`\beta \to \infty` the stable rests are the fixed points of the binary network. Without biases
    x = 0 is always one; it is stable up to :math:`\beta = 1/\lambda_{\max}(W)`, and up to there the only one.

    Args:
        weights: W, (d, d), symmetric with a zero diagonal.
        bias: b, (d,); None for zeros.
        inv_temp: the gain :math:`\beta > 0`.

    Raises:
        TypeError: an argument is no floating tensor or no number, or the dtypes differ.
        ValueError: a shape does not fit, the weights are not symmetric or their diagonal not 0, or ``inv_temp`` is not
            positive.

    Example:
        >>> import torch
        >>> from gmlib.energy import ContinuousHopfield
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> u = torch.tensor([[0.1, 0.1]])
        >>> ContinuousHopfield(pair, inv_temp=0.5).flow(u, 20.0).state[-1].abs().max().item() < 1e-4
        True
        >>> round(ContinuousHopfield(pair, inv_temp=2.0).flow(u, 20.0).state[-1, 0, 0].item(), 4)  # x = tanh(2 x)
        0.9575
    """

    def __init__(
        self, weights: Float[Tensor, "d d"], bias: Float[Tensor, " d"] | None = None, inv_temp: float = 1.0
    ) -> None:
        bias = check_couplings(weights, bias)
        check_number("inv_temp", inv_temp, low=0.0, low_open=True)
        self.weights, self.bias, self.inv_temp = weights.clone(), bias.clone(), float(inv_temp)

    def state(self, u: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`x = \tanh(\beta u)`."""
        self._check("u", u)
        return torch.tanh(self.inv_temp * u)

    def energy(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""The energy that falls along the flow.

        .. math:: E(x) = -\frac12 x^\top W x - b^\top x + \frac1\beta \sum_i \int_0^{x_i} \tanh^{-1}(v)\, dv

        (:eq:`eq-06b-continuous-energy` in the book; Hopfield 1984.) The integral is
        :math:`\frac12[(1 + x_i)\log(1 + x_i) + (1 - x_i)\log(1 - x_i)]`: log 2 less the entropy of a unit of mean
        :math:`x_i`. So E is the mean-field free energy of the Boltzmann machine, up to a constant, and at the corners of
        the cube the energy of the binary network plus :math:`(d/\beta) \log 2`.

        Args:
            x: states in :math:`[-1, 1]^d`, (\*batch, d).

        Returns:
            The energy of each, (\*batch,); NaN where x is outside the cube.

        Raises:
            TypeError: ``x`` is no floating tensor, or of another dtype than the weights.
            ValueError: its shape or device does not fit the weights'.

        Example:
            >>> import torch
            >>> from gmlib.energy import ContinuousHopfield
            >>> net = ContinuousHopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), inv_temp=2.0)
            >>> net.energy(torch.tensor([[0.0, 0.0], [1.0, 1.0]])).tolist()  # -1 + log 2
            [0.0, -0.3068528175354004]
        """
        self._check("x", x)
        integral = 0.5 * (torch.xlogy(1 + x, 1 + x) + torch.xlogy(1 - x, 1 - x))
        return integral.sum(-1) / self.inv_temp - (x * (0.5 * (x @ self.weights) + self.bias)).sum(-1)

    def velocity(self, u: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`du/dt = -u + W \tanh(\beta u) + b`, which is :math:`-\nabla_x E`."""
        return self.state(u) @ self.weights + self.bias - u

    def power(self, u: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""How fast the energy changes along the flow, which is never upwards.

        .. math:: \frac{dE}{dt} = -\beta \sum_i (1 - x_i^2) \Big(\frac{du_i}{dt}\Big)^2 \le 0

        Args:
            u: potentials, (\*batch, d).

        Returns:
            dE/dt of each, (\*batch,).

        Example:
            >>> import torch
            >>> from gmlib.energy import ContinuousHopfield
            >>> ContinuousHopfield(torch.zeros(1, 1), torch.ones(1)).power(torch.zeros(1)).item()
            -1.0
        """
        x = self.state(u)
        return -self.inv_temp * ((1 - x.square()) * self.velocity(u).square()).sum(-1)

    def flow(self, u: Float[Tensor, "batch d"], time: float, steps: int | None = None) -> ContinuousPath:
        r"""Follow the equation by the classical Runge-Kutta method of fourth order, with equal steps.

        The step has to resolve the fastest rate, at most :math:`1 + \beta \lVert W \rVert` (spectral norm); by default it
        is a quarter of the inverse of that bound.

        Args:
            u: potentials at the start, (batch, d).
            time: how long, in units of the time constant.
            steps: equal steps; None for :math:`\lceil 4\, t\, (1 + \beta \lVert W \rVert) \rceil`.

        Returns:
            Time, potentials, states and energies at the start and after every step.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: ``u`` does not fit the weights, or a number is not positive.

        Example:
            >>> import torch
            >>> from gmlib.energy import ContinuousHopfield
            >>> path = ContinuousHopfield(torch.zeros(1, 1)).flow(torch.ones(1, 1), 1.0)  # du/dt = -u
            >>> round(path.potential[-1].item(), 4)  # 1/e
            0.3679
        """
        self._check("u", u)
        if u.dim() != 2:
            raise ValueError(
                f"u must have shape (batch, {self.weights.shape[0]}), got shape {tuple(u.shape)}"
            )
        check_number("time", time, low=0.0, low_open=True)
        if steps is None:
            fastest = 1 + self.inv_temp * float(torch.linalg.matrix_norm(self.weights, 2))
            steps = max(1, int(-(-4 * time * fastest // 1)))
        check_count("steps", steps)
        h = time / steps
        path = [u]
        for _ in range(steps):
            k1 = self.velocity(u)
            k2 = self.velocity(u + h / 2 * k1)
            k3 = self.velocity(u + h / 2 * k2)
            k4 = self.velocity(u + h * k3)
            u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            path.append(u)
        potential = torch.stack(path)
        state = self.state(potential)
        at = torch.linspace(0, time, steps + 1, dtype=u.dtype, device=u.device)
        return ContinuousPath(at, potential, state, self.energy(state))

    def critical_inv_temp(self) -> float:
        r"""The gain beyond which x = 0 is no longer stable in a net without biases.

        .. math:: \beta_c = 1 / \lambda_{\max}(W)

        There the Hessian of the energy at 0, :math:`I/\beta - W`, loses its first positive direction. Below, the energy is
        strictly convex on the whole cube, since its Hessian there,
        :math:`\operatorname{diag}\big(1/(\beta(1 - x_i^2))\big) - W`, is nowhere smaller: no other rest exists.

        Returns:
            The critical gain; infinite for W = 0.

        Example:
            >>> import torch
            >>> from gmlib.energy import ContinuousHopfield
            >>> ContinuousHopfield(torch.tensor([[0.0, 2.0], [2.0, 0.0]])).critical_inv_temp()
            0.5
        """
        largest = float(torch.linalg.eigvalsh(self.weights)[-1])
        return 1 / largest if largest > 0 else float("inf")

    def _check(self, name: str, x: Tensor) -> None:
        check_event(name, x, tuple(self.weights.shape[1:]))
        check_like(name, x, self.weights, "the weights")
