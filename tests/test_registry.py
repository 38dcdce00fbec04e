from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatcam.estimators import EstimatorUnavailable, registry
from splatcam.estimators.da3_loading import read_da3_name
from splatcam.estimators.models import MODELS
from splatcam.settings import Settings


def ignore(sentence: str, fraction: float | None) -> None:
    pass


def refusal(name: str, **given: object) -> str:
    """The sentence with which `name` is refused."""
    with pytest.raises(EstimatorUnavailable) as refused:
        registry.build(name, Settings(**{"offline": True, **given}), ignore)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def weights_folder(folder: Path, config: object = None) -> Path:
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_registry_imports_no_torch() -> None:
    look = "import splatcam.estimators.registry, splatcam.estimators.auto, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_every_model_of_the_hub_is_pinned_to_a_commit() -> None:
    on_hub = [model for model in MODELS.values() if model.hub_id]
    assert len(on_hub) == 7
    assert all(re.fullmatch("[0-9a-f]{40}", model.revision) and model.da3_name for model in on_hub)


def test_the_models_that_may_not_be_sold_are_these_three() -> None:
    assert [name for name, model in MODELS.items() if model.non_commercial] == ["giant", "nested", "large"]
    assert [name for name, model in MODELS.items() if model.supports_gaussians] == ["giant", "nested"]


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    assert refusal("gaint") == "there is no model named 'gaint': did you mean giant?"


def test_an_unknown_name_is_answered_with_the_choices() -> None:
    sentence = refusal("zzz")
    assert all(name in sentence for name in ("auto", "a folder", "hub id", *MODELS))


def test_a_folder_that_is_not_there_is_named() -> None:
    assert "there is no folder ./nowhere/at/all" in refusal("./nowhere/at/all")


@pytest.mark.parametrize("name", ["giant", "nested", "large"])
def test_a_non_commercial_licence_asks_for_consent(name: str) -> None:
    sentence = refusal(name)
    assert "CC BY-NC 4.0" in sentence and "--accept-nc-license" in sentence and "base" in sentence


@pytest.mark.parametrize("hub_id", [f"depth-anything/{name}" for name in ("DA3-GIANT-1.1", "DA3-GIANT", "da3-large")])
def test_a_known_hub_id_brings_its_licence_along(hub_id: str) -> None:
    assert "CC BY-NC 4.0" in refusal(hub_id)


def test_a_known_hub_id_is_pinned_and_its_older_version_is_not() -> None:
    assert registry.resolve("depth-anything/DA3-GIANT-1.1").model.revision == MODELS["giant"].revision
    assert registry.resolve("depth-anything/DA3-GIANT").model.revision == "main"


def test_a_file_of_weights_is_refused_with_what_is_wanted_instead(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"PK")
    assert refusal(str(tmp_path / "weights.pt")).endswith(
        "is a file: --model takes the folder with config.json and model.safetensors"
    )


def test_published_weights_in_a_folder_keep_their_licence(tmp_path: Path) -> None:
    folder = weights_folder(tmp_path / "copy", {"model_name": "da3-giant"})
    assert "CC BY-NC 4.0, as published for Depth Anything 3 Giant" in refusal(str(folder))


def test_a_folder_tells_clients_its_own_name_only(tmp_path: Path) -> None:
    model = registry.resolve(str(weights_folder(tmp_path / "mine", {"model_name": "da3-tiny"}))).model
    assert (model.name, model.licence, model.non_commercial) == ("mine", "its own: see the model's card", False)
    assert str(tmp_path) not in model.title


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    assert "has no config.json" in refusal(str(weights_folder(tmp_path / "empty")))


@pytest.mark.parametrize("config", [{}, [], {"model_name": 7}, "da3-giant"])
def test_a_config_without_a_model_name_is_refused(tmp_path: Path, config: object) -> None:
    assert "model_name" in refusal(str(weights_folder(tmp_path / "odd", config)))


@given(data=st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_in_config_json_get_past_the_sentence(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "hostile"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(data)
    with pytest.raises(EstimatorUnavailable):
        read_da3_name(folder)


@pytest.mark.parametrize("module", registry.DA3_MODULES)
def test_without_depth_anything_3_the_sentence_says_how_to_get_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in registry.DA3_MODULES:  # all are there but this one
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name) or __import__("json"))
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]  # as find_spec sees what is not installed
    sentence = refusal("base")
    assert f"no module {module}" in sentence and "make setup" in sentence


@pytest.fixture
def da3_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "missing_module", lambda: None)


def test_without_cuda_the_sentence_says_so(da3_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "sees no CUDA device here: leave out --device cuda" in refusal("base", device="cuda")


def test_offline_without_weights_the_sentence_says_so(
    da3_installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "depth-anything/DA3-SMALL are not on this machine, and --offline" in refusal("small", device="cpu")


def test_auto_takes_the_first_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert registry.resolve_device("auto") == "cpu"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert registry.resolve_device("auto") == "mps"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert registry.resolve_device("auto") == "cuda"


@pytest.mark.parametrize(("asked", "given"), [("synthetic", "synthetic"), ("builtin", "builtin"), ("auto", "builtin")])
def test_our_own_estimators_need_nothing_but_the_package(asked: str, given: str) -> None:
    info = registry.build(asked, Settings(), ignore).info
    assert info.name == given and not info.non_commercial and not info.supports_gaussians
