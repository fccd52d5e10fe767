"""What networks refuse that are shown a second picture, or are told how noisy a picture is."""

from __future__ import annotations

import pytest
import torch

from gmlib.nn import Beside, CaptionEncoder, ToldClassifier, UNet, Upscaler

X, T = torch.zeros(2, 1, 8, 8), torch.zeros(2)


@pytest.mark.bad_input
def test_a_picture_beside_that_does_not_fit() -> None:
    network = Beside(UNet(2, [8], outputs=1))
    with pytest.raises(TypeError, match=r"image must be a torch\.Tensor, got list"):
        network(X, T, image=[0.0])
    with pytest.raises(TypeError, match="image must have a floating dtype"):
        network(X, T, image=X.long())
    for wrong in (X[:1], X[:, 0], X[..., :4]):
        with pytest.raises(ValueError, match=r"image must have shape \(2, channels, 8, 8\), got"):
            network(X, T, image=wrong)


@pytest.mark.bad_input
def test_a_smaller_picture_that_does_not_fit() -> None:
    with pytest.raises(TypeError, match="network must be a Module, got int"):
        Upscaler(1)  # pyright: ignore[reportArgumentType]
    network = Upscaler(UNet(5, [8], outputs=4))
    with pytest.raises(TypeError, match="image must have a floating dtype"):
        network(X, T, image=X.long())
    for x, wrong in ((X, X[..., ::2, ::2]), (X, X[:1]), (X[..., :7], X[..., :7]), (X[0], X[0])):
        with pytest.raises(ValueError, match="image and x must have the same shape"):
            network(x, T, image=wrong)


@pytest.mark.bad_input
def test_a_classifier_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="widths must name at least one level"):
        ToldClassifier(1, [])
    with pytest.raises(ValueError, match=r"groups must divide every one of the widths \[8, 12\], got 8"):
        ToldClassifier(1, [8, 12])
    with pytest.raises(ValueError, match="widths must be at least 1, got 0"):
        ToldClassifier(1, [0])
    for name in ("classes", "patch", "groups"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            ToldClassifier(1, [8], **{name: 0})
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        ToldClassifier(0, [8])


@pytest.mark.bad_input
def test_a_picture_that_cannot_be_classified() -> None:
    network = ToldClassifier(1, [8, 8])
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        network(X.long(), T)
    for wrong in (torch.zeros(2, 3, 8, 8), X[..., :6], X[0]):
        with pytest.raises(
            ValueError, match=r"x must have shape \(batch, 1, height, width\), divisible by 4, got"
        ):
            network(wrong, T)
    with pytest.raises(TypeError, match="t must have a floating dtype"):
        network(X, T.long())
    with pytest.raises(ValueError, match=r"t must have shape \(2,\), a time for each of x, got \(1,\)"):
        network(X, T[:1])


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["length", "outputs", "width"])
def test_an_encoder_of_captions_without_a_size(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        CaptionEncoder(**{"words": 6, "length": 3, "outputs": 4, name: 0})
