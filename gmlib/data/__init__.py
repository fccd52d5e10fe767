"""Data: 8x8 digits, MNIST (an embedded subset or in full), dequantisation and binarisation.

>>> from gmlib.data import digits, mnist
"""

from gmlib.data.binarise import binarise
from gmlib.data.dequantise import dequantise, log_mass, quantise
from gmlib.data.digits import DIGITS_LEVELS, digits
from gmlib.data.files import AssetError
from gmlib.data.labelled import LabelledImages
from gmlib.data.mnist import MNIST_LEVELS, mnist

__all__ = [
    "DIGITS_LEVELS",
    "MNIST_LEVELS",
    "AssetError",
    "LabelledImages",
    "binarise",
    "dequantise",
    "digits",
    "log_mass",
    "mnist",
    "quantise",
]
