r"""Widgets: small worlds to pull at, the same in JupyterLab, in Colab and on the plain page.

A widget computes everything in the browser; Python gives it its first state and may read or set its traits::

    from gmlib.widgets import PosteriorTug

    tug = PosteriorTug()
    tug                                       # shows it
    tug.observe(print, names=["mean", "std"])  # tells Python what the reader's hand does

What a widget shows are gmlib's numbers: tests hold its JavaScript against this package in float64. They need
``pip install "gmlib[widgets]"``.
"""

from gmlib.widgets.bandwidth import Bandwidth
from gmlib.widgets.browser_gan import BrowserGan
from gmlib.widgets.coupling_stack import CouplingStack
from gmlib.widgets.density_explorer import DensityExplorer
from gmlib.widgets.digits_chain import DigitsChain
from gmlib.widgets.digits_in_the_browser import DigitsInTheBrowser
from gmlib.widgets.dirac_laboratory import DiracLaboratory
from gmlib.widgets.euler_to_ode import EulerToOde
from gmlib.widgets.fill_the_gap import FillTheGap
from gmlib.widgets.forward_and_back import ForwardAndBack
from gmlib.widgets.gradient_estimators import GradientEstimators
from gmlib.widgets.guidance_weight import GuidanceWeight
from gmlib.widgets.guided_digits import GuidedDigits
from gmlib.widgets.guided_field import GuidedField
from gmlib.widgets.honest_dashboard import HonestDashboard
from gmlib.widgets.hopfield_letters import HopfieldLetters
from gmlib.widgets.importance_samples import ImportanceSamples
from gmlib.widgets.langevin_step import LangevinStep
from gmlib.widgets.map_editor import MapEditor
from gmlib.widgets.modern_recall import ModernRecall
from gmlib.widgets.posterior_tug import PosteriorTug
from gmlib.widgets.reverse_kernel import ReverseKernel
from gmlib.widgets.shifted_laws import ShiftedLaws
from gmlib.widgets.swiss_roll_scores import SwissRollScores
from gmlib.widgets.tiny_rbm import TinyRBM
from gmlib.widgets.two_bumps import TwoBumps
from gmlib.widgets.two_modes import TwoModes
from gmlib.widgets.variance_recursion import VarianceRecursion

__all__ = [
    "Bandwidth",
    "BrowserGan",
    "CouplingStack",
    "DensityExplorer",
    "DigitsChain",
    "DigitsInTheBrowser",
    "DiracLaboratory",
    "EulerToOde",
    "FillTheGap",
    "ForwardAndBack",
    "GradientEstimators",
    "GuidanceWeight",
    "GuidedDigits",
    "GuidedField",
    "HonestDashboard",
    "HopfieldLetters",
    "ImportanceSamples",
    "LangevinStep",
    "MapEditor",
    "ModernRecall",
    "PosteriorTug",
    "ReverseKernel",
    "ShiftedLaws",
    "SwissRollScores",
    "TinyRBM",
    "TwoBumps",
    "TwoModes",
    "VarianceRecursion",
]
