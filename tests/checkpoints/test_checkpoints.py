"""Weights by name: a manifest and assets of our own, files that fit, do not fit, are damaged or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gmlib import checkpoints
from gmlib._files import sha256_of
from gmlib.checkpoints import Checkpoint, checkpoint, load_into, load_weights, register
from gmlib.data import AssetError, files

ENTRY: dict[str, Any] = {
    "recipe": "assets/recipes/toy.toml",
    "seed": 0,
    "data": "noise",
    "device": "CPU",
    "time": 1.5,
    "metrics": {"seeds": {"0": {"nll": 2.5}}, "mean": {"nll": 2.5}, "spread": {}},
}


def make_model(width: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 1))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty clone: a manifest and an assets folder."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "manifest.json").write_text("{}\n")
    for module in (files, checkpoints):
        monkeypatch.setattr(module, "assets_folder", lambda: tmp_path / "assets")
    monkeypatch.setattr(checkpoints, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.setenv("GMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GMLIB_ASSETS_URL", "http://127.0.0.1:9")
    return tmp_path


def add(clone: Path, name: str = "toy", model: nn.Module | None = None, **changes: Any) -> Checkpoint:
    path = clone / f"{name}.safetensors"
    save_file((model or make_model()).state_dict(), path)
    return register(name, path, ENTRY | changes)


def test_round_trip(clone: Path) -> None:
    model = make_model()
    with torch.no_grad():
        model[0].weight.fill_(0.5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    entry = add(clone, model=model)
    assert (clone / "assets" / "checkpoints" / entry.file).is_file()
    assert checkpoint("toy") == entry
    assert json.loads((clone / "manifest.json").read_text())["toy"]["metrics"] == ENTRY["metrics"]
    loaded = load_into(make_model().train(), "toy")
    assert not loaded.training
    for ours, theirs in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_half_precision_is_widened_into_the_model(clone: Path) -> None:
    model = make_model().to(torch.bfloat16)
    add(clone, model=model)
    assert load_weights("toy")["0.weight"].dtype == torch.bfloat16
    loaded = load_into(make_model(), "toy")
    assert loaded[0].weight.dtype == torch.float32  # pyright: ignore[reportIndexIssue]
    assert torch.equal(loaded[0].weight, model[0].weight.float())  # pyright: ignore[reportIndexIssue, reportCallIssue]


def test_register_replaces_and_sorts(clone: Path) -> None:
    for name in ("b", "a"):
        add(clone, name)
    add(clone, "b", seed=5)
    assert list(json.loads((clone / "manifest.json").read_text())) == ["a", "b"]
    assert checkpoint("b").seed == 5
    assert sorted(p.name for p in clone.iterdir() if "manifest" in p.name) == ["manifest.json"]


def test_installed_package_uses_cache(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = add(clone)
    (clone / "cache" / "checkpoints").mkdir(parents=True)
    (clone / "assets" / "checkpoints" / entry.file).rename(clone / "cache" / "checkpoints" / entry.file)
    monkeypatch.setattr(files, "assets_folder", lambda: None)
    assert set(load_weights("toy")) == set(make_model().state_dict())


def test_packaged_manifest_matches_the_assets() -> None:
    """Every entry's file is there with its hash, is at most 4 MB, and its recipe exists."""
    root = Path(__file__).parents[2]
    for name, entry in checkpoints.checkpoints().items():
        path = root / "assets" / "checkpoints" / entry.file
        assert sha256_of(path) == entry.sha256, name
        assert path.stat().st_size <= 4 * 2**20, name
        assert (root / entry.recipe).is_file(), name
        assert str(entry.seed) in entry.metrics["seeds"], name
        assert load_weights(name), name


@pytest.mark.bad_input
def test_unknown_name(clone: Path) -> None:
    with pytest.raises(ValueError, match="got 'toy'; closest: none: the manifest is empty"):
        load_weights("toy")
    for name in ("vae-mnist", "vae-digits", "flow"):
        add(clone, name)
    with pytest.raises(ValueError, match="got 'vae-mnits'; closest: 'vae-mnist'"):
        load_weights("vae-mnits")
    with pytest.raises(ValueError, match="closest: 'flow', 'vae-digits', 'vae-mnist'"):
        load_weights("zzz")


@pytest.mark.bad_input
def test_damaged_and_missing_file(clone: Path) -> None:
    entry = add(clone)
    path = clone / "assets" / "checkpoints" / entry.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AssetError, match=r"git checkout -- assets/checkpoints/toy\.safetensors"):
        load_weights("toy")
    path.unlink()
    with pytest.raises(AssetError, match=r"checkpoints/toy\.safetensors could not be downloaded"):
        load_weights("toy")


@pytest.mark.bad_input
@pytest.mark.parametrize("content", [b"<html>404</html>", b"", None], ids=["text", "empty", "truncated"])
def test_not_safetensors(clone: Path, content: bytes | None) -> None:
    """Refused on registration, so that it replaces no good file; and on loading, should it come with its own hash."""
    entry = add(clone)
    file, manifest = clone / "toy.safetensors", clone / "manifest.json"
    before = (clone / "assets" / "checkpoints" / entry.file).read_bytes(), manifest.read_text()
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)
    with pytest.raises(
        ValueError, match=r"must be a safetensors file, got .*toy\.safetensors, which is none"
    ):
        register("toy", file, ENTRY)
    stored = clone / "assets" / "checkpoints" / entry.file
    assert (stored.read_bytes(), manifest.read_text()) == before
    manifest.write_text(before[1].replace(entry.sha256, sha256_of(file)))
    stored.write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=r"toy\.safetensors is not a safetensors file"):
        load_weights("toy")


@pytest.mark.bad_input
def test_weights_do_not_fit(clone: Path) -> None:
    add(clone)
    wide = make_model(width=4)
    before = [t.clone() for t in wide.state_dict().values()]
    with pytest.raises(ValueError, match=r"0\.weight has shape \(3, 2\), the model's \(4, 2\)") as error:
        load_into(wide, "toy")
    assert "and 2 more. Build it as the recipe assets/recipes/toy.toml does" in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(before, wide.state_dict().values(), strict=True))
    with pytest.raises(ValueError, match=r"3\.weight is missing"):
        load_into(nn.Sequential(*make_model(), nn.Linear(1, 1)), "toy")
    with pytest.raises(ValueError, match=r"1\.weight is not the model's"):
        load_into(nn.Sequential(nn.Linear(2, 3)), "toy")


@pytest.mark.bad_input
def test_bad_registration(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(clone)
    file = clone / "toy.safetensors"
    with pytest.raises(ValueError, match=r"must have a file name of its own, got toy\.safetensors"):
        register("other", file, ENTRY)
    with pytest.raises(TypeError, match="recipe"):
        register("toy", file, {k: v for k, v in ENTRY.items() if k != "recipe"})
    with pytest.raises(ValueError, match=r"must be a \.safetensors file, got toy\.pt"):
        register("toy", clone / "toy.pt", ENTRY)
    (clone / "big.safetensors").write_bytes(bytes(4 * 2**20 + 1))
    with pytest.raises(ValueError, match=r"at most 4 MB, got 4\.0 MB"):
        register("big", clone / "big.safetensors", ENTRY)
    monkeypatch.setattr(checkpoints, "assets_folder", lambda: None)
    with pytest.raises(ValueError, match="in a clone of the repository only"):
        register("toy", file, ENTRY)
    assert list(json.loads((clone / "manifest.json").read_text())) == ["toy"]


@pytest.mark.bad_input
@pytest.mark.parametrize("text", ["{", '{"toy": {"file": "a"}}', "[]", '{"toy": 3}'])
def test_damaged_manifest(clone: Path, text: str) -> None:
    (clone / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        load_weights("toy")
