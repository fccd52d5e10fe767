"""Networks that several chapters share."""

from gmlib.nn.beside import Beside
from gmlib.nn.caption_encoder import CaptionEncoder
from gmlib.nn.classifier import ConvClassifier
from gmlib.nn.conditioning import TimeAndClass
from gmlib.nn.conv import ConvBlock, ConvDecoder, ConvEncoder
from gmlib.nn.dit import DiT
from gmlib.nn.embedding import FourierEmbedding, SinusoidalEmbedding
from gmlib.nn.in_turn import InTurn
from gmlib.nn.masked import MaskedLinear, MaskedMLP
from gmlib.nn.mlp import MLP, ResidualBlock, ResidualMLP
from gmlib.nn.pixel_unet import PixelUNet
from gmlib.nn.time_mlp import TimeMLP
from gmlib.nn.told_classifier import ToldClassifier
from gmlib.nn.unet import UNet
from gmlib.nn.upscaler import Upscaler

__all__ = [
    "MLP",
    "Beside",
    "CaptionEncoder",
    "ConvBlock",
    "ConvClassifier",
    "ConvDecoder",
    "ConvEncoder",
    "DiT",
    "FourierEmbedding",
    "InTurn",
    "MaskedLinear",
    "MaskedMLP",
    "PixelUNet",
    "ResidualBlock",
    "ResidualMLP",
    "SinusoidalEmbedding",
    "TimeAndClass",
    "TimeMLP",
    "ToldClassifier",
    "UNet",
    "Upscaler",
]
