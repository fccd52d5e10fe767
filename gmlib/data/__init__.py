"""Data: 8x8 digits, MNIST (an embedded subset or in full), printed letters; dequantisation, binarisation, corruptions.

>>> from gmlib.data import digits, mnist
"""

from gmlib.data.affine import jitter
from gmlib.data.bars_and_stripes import bars_and_stripes
from gmlib.data.binarise import binarise
from gmlib.data.bitmaps import FOUR_LETTERS, four_letters
from gmlib.data.cities import CITIES, city_bits, city_strings, decode_strings, encode_strings, misspell
from gmlib.data.corruptions import add_noise, blur, drop_classes, replace_by_noise
from gmlib.data.dequantise import dequantise, log_mass, quantise
from gmlib.data.digits import DIGITS_LEVELS, digits
from gmlib.data.files import AssetError
from gmlib.data.labelled import LabelledImages
from gmlib.data.letters import LETTERS, letters
from gmlib.data.mnist import MNIST_LEVELS, mnist
from gmlib.data.strokes import slant, thickness

__all__ = [
    "CITIES",
    "DIGITS_LEVELS",
    "FOUR_LETTERS",
    "LETTERS",
    "MNIST_LEVELS",
    "AssetError",
    "LabelledImages",
    "add_noise",
    "bars_and_stripes",
    "binarise",
    "blur",
    "city_bits",
    "city_strings",
    "decode_strings",
    "dequantise",
    "digits",
    "drop_classes",
    "encode_strings",
    "four_letters",
    "jitter",
    "letters",
    "log_mass",
    "misspell",
    "mnist",
    "quantise",
    "replace_by_noise",
    "slant",
    "thickness",
]
