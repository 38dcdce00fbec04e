from __future__ import annotations

from pathlib import Path

import pytest

from splatcam.estimators import auto, registry
from splatcam.estimators.auto import Facts, plan
from splatcam.estimators.models import MODELS
from splatcam.settings import Settings
from tests import loopback_hub
from tests.loopback_hub import Shelf


def facts(
    device: str = "cuda", *local: str, accepted: bool = False, hub: bool = False, missing: str | None = None
) -> Facts:
    return Facts(device, missing, accepted, {name: True for name in local}, hub)


@pytest.mark.parametrize(
    ("given", "model", "said"),
    [
        (facts("cuda", "giant", "base", accepted=True), "giant", "its weights are on this machine"),
        (facts("cuda", accepted=True, hub=True), "giant", "downloaded first"),
        (facts("cuda", "base", accepted=True), "base", "its weights are on this machine"),
        (facts("cuda", "giant", "base"), "base", "--accept-nc-license"),
        (facts("cuda", hub=True), "base", "downloaded first"),
        (facts("cuda"), None, "the model hub cannot be asked"),
        (facts("cuda", "small"), None, "Depth Anything 3 Base are not on this machine"),
        (facts("cpu", "small"), "small", "its weights are on this machine"),
        (facts("cpu", "small", hub=True, accepted=True), "small", "on this machine"),
        (facts("cpu", "giant", "base", accepted=True, hub=True), None, "--model small"),
        (facts("mps", hub=True), None, "on mps"),
        (facts("mps", "small"), "small", "on this machine"),
        (facts("cuda", "giant", accepted=True, missing="e3nn"), None, "no module e3nn"),
    ],
)
def test_the_plan_follows_from_the_facts_and_says_why(given: Facts, model: str | None, said: str) -> None:
    decided = plan(given)
    assert decided.model == model
    assert said in decided.reason and "\n" not in decided.reason


@pytest.mark.parametrize("device", ["cuda", "mps", "cpu"])
def test_nothing_under_a_non_commercial_licence_runs_unasked(device: str) -> None:
    everything = facts(device, *MODELS, hub=True)
    assert not MODELS[plan(everything).model or "builtin"].non_commercial


def test_what_is_accepted_is_not_advertised() -> None:
    assert "--accept-nc-license" not in plan(facts("cuda", "giant", accepted=True)).reason


@pytest.fixture
def empty_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A hub that has base and giant, and a machine that has every package and no weights."""
    files = {"config.json": b"{}", "model.safetensors": b""}
    shelf = Shelf({model.hub_id: files for name in ("base", "giant") if (model := MODELS[name]).hub_id})
    monkeypatch.setattr(registry, "missing_module", lambda: None)
    with loopback_hub.serve(shelf) as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        yield shelf


def on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "resolve_device", lambda wanted: "cuda")


def test_on_a_cpu_the_hub_is_not_asked(empty_hub: Shelf) -> None:
    assert auto.choose(Settings(device="cpu")).model is None
    assert empty_hub.asked == []


def test_on_cuda_the_hub_is_asked_for_the_best_that_may_run(empty_hub: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cuda(monkeypatch)
    settings = Settings(revision="main")  # the shelf knows no other
    assert auto.choose(settings).model == "base"
    assert auto.choose(settings.model_copy(update={"accept_nc_license": True})).model == "giant"
    assert [path.split("/")[2] for path in empty_hub.asked] == ["DA3-BASE", "DA3-GIANT-1.1"]


def test_offline_the_hub_is_not_asked(empty_hub: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cuda(monkeypatch)
    assert auto.choose(Settings(offline=True)).model is None
    assert empty_hub.asked == []


def test_a_silent_hub_leaves_the_builtin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_cuda(monkeypatch)
    monkeypatch.setattr(registry, "missing_module", lambda: None)
    with loopback_hub.silent() as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        decided = auto.choose(Settings())
    assert decided.model is None and "cannot be asked" in decided.reason


def test_a_device_that_is_not_there_leaves_the_builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    decided = auto.choose(Settings(device="cuda"))
    assert decided.model is None and "sees no CUDA device" in decided.reason
