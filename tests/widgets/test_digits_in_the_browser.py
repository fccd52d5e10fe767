"""The browser's U-Net, denoiser and samplers against torch: layer by layer, as a whole, and on the way from noise."""

from __future__ import annotations

import base64
import copy
import importlib
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.data import mnist
from gmlib.nn import PixelUNet
from gmlib.nn.self_attention import SelfAttention
from gmlib.nn.told_block import ToldBlock
from gmlib.noise import Denoiser, LogSNRClock, VPCosine, VPLinear
from gmlib.noise.samplers import ancestral, ddim, even_times, steps_of
from gmlib.recipes.diffusion_mnist import mnist_denoiser
from gmlib.widgets import DigitsInTheBrowser, digits_in_the_browser
from gmlib.widgets.arrays import pack
from gmlib.widgets.denoiser_arrays import denoiser_arrays
from gmlib.widgets.digits_in_the_browser import COUNT

from .node import assert_same, evaluate

F64 = torch.float64
# In WebAssembly and in plain JavaScript.
LAYER = """
const entry = ([name, { shape, values }]) => [name, { shape, data: values }];
const arrays = Object.fromEntries(Object.entries(data.weights).map(entry));
const range = (n, act) => Array.from({ length: n }, (_, i) => act(i));
const size = (numbers) => numbers.reduce((a, v) => a + Math.abs(v), 0);
return [true, false].map((simd) => {
  const store = new Store();
  const x = store.image(data.x[0].length, data.x.length);
  const layer = MAKE;
  store.open(simd);
  const at = (image, c, row, column) => image.at + (row + 1) * image.line + (column + 1) * image.channels + c;
  data.x.forEach((plane, c) => plane.forEach((line, row) => line.forEach((v, i) => (store.numbers[at(x, c, row, i)] = v))));
  layer.listen?.(data.told);
  layer.run();
  const y = layer.output;
  const found = range(y.channels, (c) => range(y.side, (row) => range(y.side, (i) => store.numbers[at(y, c, row, i)])));
  const inner = size(found.flat(2));
  return { found, border: size(store.numbers.slice(y.at, y.at + (y.side + 2) ** 2 * y.channels)) / inner - 1 };
});
"""
NETWORK = """
const bytes = Buffer.from(data.block, "base64");
const arrays = unpack(data.arrays, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
"""


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers that float32 has."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@torch.no_grad()
def stirred(module: Any, seed: int = 1) -> Any:
    """The module in float64 with random parameters, those that begin at zero too, which float16 has."""
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        value = torch.randn(parameter.shape, generator=draw)
        if parameter.dim() > 1:
            value /= parameter[0].numel() ** 0.5
        else:
            value = 0.3 * value + float("norm" in name and name.endswith("weight"))
        parameter.copy_(value.half())
    return module.double()


def described(module: nn.Module) -> dict[str, Any]:
    return {
        name: {"shape": list(value.shape), "values": value.flatten().tolist()}
        for name, value in module.state_dict().items()
    }


def assert_layer(make: str, module: nn.Module, x: Tensor, told: Tensor | None = None) -> None:
    """The browser's layer makes of one image what the module makes of it, and leaves the border at zero."""
    truth = module(x) if told is None else module(x, told)
    for got in evaluate(
        "Conv, Store from image_layers; Attention, ToldBlock from unet_blocks",
        LAYER.replace("MAKE", make),
        weights=described(module),
        x=x[0],
        told=[] if told is None else told[0],
    ):
        assert abs(got["border"]) < 1e-6
        assert_same(got["found"], truth[0])


def given(denoiser: Denoiser) -> dict[str, Any]:
    """The arguments of NETWORK."""
    block = pack(denoiser_arrays(denoiser))
    return {"block": base64.b64encode(block.data).decode(), "arrays": block.arrays}


def some_denoiser(**options: Any) -> Denoiser:
    network = stirred(PixelUNet(1, **{"widths": [8, 16], "patch": 2, **options}))
    schedule = VPCosine()
    return Denoiser(LogSNRClock(network, schedule, -10.0, 13.0), schedule, "v").double()


def test_webassembly_is_what_is_tested() -> None:
    # A memory of WebAssembly comes in pages of 64 kB.
    got = evaluate(
        "imageKernels from image_kernels",
        "return [true, false].map((simd) => imageKernels(100, [80], simd).numbers.buffer.byteLength);",
    )
    assert got == [65536, 400]


def test_every_float16_arrives() -> None:
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16)
    values = values[values.isfinite()]
    block = pack({"values": values})
    got = evaluate(
        "unpack from weights",
        NETWORK + "return [...arrays.values.data];",
        block=base64.b64encode(block.data).decode(),
        arrays=block.arrays,
    )
    assert torch.equal(torch.tensor(got, dtype=F64), values.double())


# --- the layers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 1)])
@torch.no_grad()
def test_a_convolution(size: int, stride: int) -> None:
    conv = stirred(nn.Conv2d(12, 20, size, stride=stride, padding=size // 2))
    x = noise(1, 12, 14, 14)
    assert_layer(f"new Conv(store, arrays, x, {{ stride: {stride} }})", conv, x)


@pytest.mark.parametrize("outputs", [16, 24])
@torch.no_grad()
def test_a_block_that_is_told(outputs: int) -> None:
    block = stirred(ToldBlock(16, outputs, 12))
    x, told = 2 * noise(1, 16, 7, 7) + 1, noise(1, 12, seed=1)
    make = "new ToldBlock(store, (name) => arrays[name], { groups: 8, eps: 1e-5 }, x)"
    assert_layer(make, block, x, told)


@pytest.mark.parametrize(("side", "heads"), [(7, 1), (7, 2), (14, 4)])
@torch.no_grad()
def test_attention(side: int, heads: int) -> None:
    attention = stirred(SelfAttention(16, heads=heads, groups=4))
    x = 3 * noise(1, 16, side, side)
    make = f"new Attention(store, (name) => arrays[name], {{ groups: 4, eps: 1e-5, heads: {heads} }}, x)"
    assert_layer(make, attention, x)


def test_silu_far_out() -> None:
    # Where the exponential of float32 would overflow.
    x = [-1e4, -100.0, -88.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 88.0, 100.0, 1e4]
    x += [0.0] * (16 - len(x))
    got = evaluate(
        "imageKernels from image_kernels",
        "const kernels = imageKernels(64, []); const { numbers } = kernels;"
        "numbers.set(data.x); numbers.fill(1, 32, 40);"
        "kernels.activate(0, 64, 128, 160, 1, 0, 0, 64, 32); return [...numbers.slice(16, 32)];",
        x=x,
    )
    assert_same(got, nn.functional.silu(torch.tensor(x, dtype=F64)))


def test_what_does_not_fit_is_refused() -> None:
    got = evaluate(
        "Conv, Norm, Store from image_layers",
        "const store = new Store(); const weight = { shape: [8, 8, 3, 3], data: [] };"
        "const told = (act) => { try { act(); } catch (error) { return error.message; } };"
        "return [told(() => new Conv(store, { weight }, store.image(8, 8))),"
        " told(() => new Norm(store, {}, {}, store.image(7, 12)))];",
    )
    assert got == ["no convolution of 8 to 8 channels, 8 pixels a row", "no normalisation of 12 channels"]


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"widths": [16, 8], "blocks": 2},
        {"widths": [8, 24], "attention": [0, 1], "heads": 2, "groups": 4},
        {"widths": [8], "patch": 4, "octaves": [3]},
    ],
    ids=["plain", "two blocks", "attention", "one level"],
)
@torch.no_grad()
def test_a_network(options: dict[str, Any]) -> None:
    denoiser, x, times = some_denoiser(**options), noise(3, 1, 28, 28), [0.0, 0.4, 1.0]
    got = evaluate(
        "PixelUNet from unet; unpack from weights",
        NETWORK + "return [true, false].map((simd) => { const network = new PixelUNet(arrays, { simd });"
        "return data.x.map((x, i) => { network.tell(data.times[i]); return [...network.run(Float32Array.from(x))]; }); });",
        **given(denoiser),
        x=x.flatten(1),
        times=times,
    )
    assert isinstance(denoiser.network, LogSNRClock)
    truth = denoiser.network.network(x, torch.tensor(times, dtype=F64))
    for found in got:
        assert_same(found, truth.flatten(1))


@torch.no_grad()
def test_the_network_of_the_page_with_random_weights() -> None:
    denoiser, x = stirred(mnist_denoiser()), noise(2, 1, 28, 28)
    got = evaluate(
        "Denoiser from denoising; unpack from weights",
        NETWORK + "const denoiser = new Denoiser(arrays);"
        "const found = data.x.map((x, i) => { const [clean, noise] = [new Float64Array(784), new Float64Array(784)];"
        "  denoiser.tell(data.times[i]); denoiser.predict(Float32Array.from(x), clean, noise);"
        "  return [[...clean], [...noise]]; });"
        "return { found, flops: denoiser.network.flops };",
        **given(denoiser),
        x=x.flatten(1),
        times=[0.02, 0.7],
    )
    for found, one, t in zip(got["found"], x, [0.02, 0.7], strict=True):
        truth = denoiser.predict(one[None], t)
        assert_same(found[0], truth.x0.flatten())
        assert_same(found[1], truth.eps.flatten())
    assert 130e6 < got["flops"] < 140e6


def test_what_is_fetched_are_the_weights_in_float16() -> None:
    denoiser = mnist_denoiser()
    arrays = denoiser_arrays(denoiser)
    network = denoiser.network
    assert isinstance(network, LogSNRClock)
    assert isinstance(network.network, PixelUNet)
    weights = dict(network.network.unet.named_parameters())
    assert {name for name, value in arrays.items() if value.dtype == torch.float16} == set(weights)
    assert len(pack(arrays).data) < 1.9e6


# --- from noise to images ---------------------------------------------------------------------------------------------


def test_the_weights_of_a_step() -> None:
    schedule = VPCosine()
    times = even_times(schedule, 7)
    got = evaluate(
        "logSnr, weightsOf from denoising; cosine, evenTimes, stepsOf from schedules",
        "const schedule = cosine(), steps = stepsOf(schedule, evenTimes(schedule, 7));"
        "return { logSnr: steps.map(({ t }) => logSnr(schedule, t)),"
        " weights: [0, 0.5, 1].map((eta) => steps.map((step) => weightsOf(step, eta))) };",
    )
    assert got["logSnr"] == pytest.approx(schedule.log_snr(times[:-1]).tolist(), rel=1e-12)
    for eta, found in zip([0.0, 0.5, 1.0], got["weights"], strict=True):
        for weights, step in zip(found, steps_of(schedule, times), strict=True):
            fresh = eta**2 * step.beta_tilde
            truth = [step.alpha_s, (step.sigma_s**2 - fresh) ** 0.5, fresh**0.5]
            assert weights == pytest.approx(truth, abs=1e-12)


PARTS = "Denoiser, denoised from denoising; unpack from weights"
PATH = (
    NETWORK + "const denoiser = new Denoiser(arrays);"
    "const normals = data.noise.map((own) => { let i = 0; return () => own[i++]; });"
    "const made = [...denoised(denoiser, { pixels: 784, steps: data.steps, eta: data.eta }, normals)];"
    "const done = made.filter(Boolean);"
    "return { points: done.map(({ points }) => [...points]), guesses: done.map(({ guesses }) => [...guesses]),"
    " rests: made.length - done.length };"
)


@pytest.fixture
def kicks(monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Noise in place of that of the seed, in 16 streams and for 6 steps."""
    found = noise(7, COUNT, 1, 28, 28, seed=5)
    monkeypatch.setattr(digits_in_the_browser, "_noise", lambda _: iter(found))
    return found


def streams(kicks: Tensor, n: int) -> list[Any]:
    """What each image draws, one after the other."""
    return kicks[:, :n].flatten(2).transpose(0, 1).flatten(1).tolist()


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_the_way_from_noise(sampler: str, kicks: Tensor) -> None:
    # Slow waves: a random network with fast ones turns the last digit of float32 into the fourth within five steps.
    denoiser, n = some_denoiser(widths=[8], patch=4, octaves=[0]), 5
    points, guesses = DigitsInTheBrowser(sampler, steps=5).path(denoiser)
    eta = float(sampler == "ancestral")
    got = evaluate(PARTS, PATH, **given(denoiser), noise=streams(kicks, n), steps=5, eta=eta)
    for found, truth in ((got["points"], points[1:, :n]), (got["guesses"], guesses[:, :n])):
        assert float((torch.tensor(found, dtype=F64).reshape(truth.shape) - truth).abs().max()) < 1e-4
    assert got["rests"] == 5 * n  # a page can breathe after every image


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_the_way_is_that_of_gmlibs_samplers(
    sampler: str, kicks: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = some_denoiser(widths=[8], patch=4, octaves=[2])
    points, _ = DigitsInTheBrowser(sampler, steps=6).path(denoiser)
    times, following = even_times(denoiser.schedule, 6), iter(kicks[1:])
    if sampler == "ddim":
        found = ddim(denoiser, kicks[0], times, path=True)
    else:
        module = importlib.import_module("gmlib.noise.samplers.ancestral")
        monkeypatch.setattr(module, "noise_like", lambda *_: next(following))
        found = ancestral(denoiser, kicks[0], times, variance="beta_tilde", path=True)
    assert found.path is not None
    assert torch.allclose(found.path.flatten(2), points, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("kicks")
def test_the_numbers_of_a_moment() -> None:
    denoiser = some_denoiser(widths=[8], patch=4)
    widget = DigitsInTheBrowser(steps=5)
    _, guesses = widget.path(denoiser)
    terms = widget.terms(5, denoiser)
    assert terms.evaluations == 80
    assert terms.log_snr == pytest.approx(float(denoiser.schedule.log_snr(0.999 / 5)))
    assert terms.grey == pytest.approx(float(((guesses[-1].clamp(-1, 1) + 1) / 2).mean()))


# --- the trained one --------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_five_steps_of_the_trained_denoiser() -> None:
    denoiser, start = copy.deepcopy(digits_in_the_browser._trained()).double(), noise(4, 1, 28, 28)
    got = evaluate(
        PARTS,
        PATH,
        **given(denoiser),
        noise=streams(start[None], 4),
        steps=5,
        eta=0.0,
    )
    found = ddim(denoiser, start, even_times(denoiser.schedule, 5))
    assert float((torch.tensor(got["points"][-1], dtype=F64) - found.x.flatten()).abs().max()) < 1e-3


@pytest.mark.slow
def test_the_trained_denoiser_makes_as_much_ink_as_mnist_has() -> None:
    terms = DigitsInTheBrowser().terms(20)
    assert terms.evaluations == 20 * COUNT
    digits = mnist("test").images.double().mean((1, 2, 3)) / 255
    assert abs(terms.grey - float(digits.mean())) < 5 * float(digits.std()) / COUNT**0.5


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.bad_input
def test_other_denoisers_are_refused() -> None:
    schedule = VPCosine()
    network = PixelUNet(1, [8])
    clock = LogSNRClock(network, schedule, -10.0, 13.0)
    other = LogSNRClock(nn.Identity(), schedule, -10.0, 13.0)
    for denoiser, error, words in (
        (Denoiser(network, schedule, "v"), TypeError, "network of denoiser must be a LogSNRClock"),
        (Denoiser(clock, VPLinear(), "v"), TypeError, "schedule of denoiser must be a VPCosine"),
        (Denoiser(other, schedule, "v"), TypeError, "must be a PixelUNet"),
        (Denoiser(clock, schedule, "eps"), ValueError, "must predict v"),
    ):
        with pytest.raises(error, match=words):
            denoiser_arrays(denoiser)


@pytest.mark.bad_input
def test_a_moment_is_a_step() -> None:
    for moment in (0, 6):
        with pytest.raises(ValueError, match="moment must"):
            DigitsInTheBrowser(steps=5).terms(moment, mnist_denoiser(widths=[8], patch=4))
