"""Continuous flows, for the sheet. Their error is the solver's, which gentle fields and the steps below keep small."""

from sheet import Case

from gmlib.flows import ContinuousFlow, VelocityMLP

CASES = [
    # Steps that choose themselves differ with the batch, within the tolerance; torchdiffeq asks the host at every step.
    Case(
        "continuous-dopri5",
        lambda: ContinuousFlow(VelocityMLP(2, (4,)), (2,), rtol=1e-11, atol=1e-11),
        shake=0.1,
        inverse_error=1e-9,
        compiles=(),
    ),
    Case(
        "continuous-rk4",
        lambda: ContinuousFlow(VelocityMLP(2, (4,)), (2,), method="rk4", steps=3),
        plane=True,
        shake=0.1,
        inverse_error=1e-7,
    ),
    Case(
        "continuous-condition",
        lambda: ContinuousFlow(
            VelocityMLP(3, (4,), context=2), (3,), method="rk4", steps=3, time=0.5, context=2
        ),
        shake=0.1,
        inverse_error=1e-7,
        compiles=("inverse",),
    ),
    Case(
        "continuous-adjoint",  # compiled, the backward pass would have to trace autograd.grad
        lambda: ContinuousFlow(VelocityMLP(2, (4,)), (2,), method="rk4", steps=3, adjoint=True),
        shake=0.1,
        inverse_error=1e-7,
        compiles=(),
    ),
]
