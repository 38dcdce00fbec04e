"""What comes in from others: versions without known holes, files that are what they were when they were pinned, and
weights that cannot run code."""

from __future__ import annotations

import ast
import json
import pickle
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from packaging.version import Version

from splatcam.estimators import registry
from splatcam.settings import Settings
from tests.tiny_da3 import da3_registered, tiny_folder

__all__ = ["da3_registered", "tiny_folder"]  # fixtures
ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
PINNED = ("runtime.txt", "cuda.txt", "torch.txt", "da3.txt", "test.txt", "image.txt", "image-da3.txt")
HASHED = ("image.txt", "image-da3.txt")

# The first version without the hole. Packages that we do not install are here for the day that something brings them.
FLOORS = {
    "filelock": "3.20.1",  # CVE-2025-68146
    "h11": "0.16.0",  # CVE-2025-43859
    "idna": "3.7",  # CVE-2024-3651
    "jinja2": "3.1.6",  # CVE-2025-27516
    "msgpack": "1.2.1",  # CVE-2026-57585
    "opencv-python": "4.8.1.78",  # CVE-2023-4863, of the libwebp in it
    "opencv-python-headless": "4.8.1.78",
    "pillow": "12.3.0",  # CVE-2026-55379; CVE-2026-40192, CVE-2026-25990 and CVE-2023-4863 before
    "setuptools": "78.1.1",  # CVE-2025-47273
    "starlette": "1.0.1",  # CVE-2026-48710; CVE-2025-62727 before
    "torch": "2.10.0",  # CVE-2026-24747; CVE-2025-32434 before
    "tqdm": "4.66.3",  # CVE-2024-34062
    "uvicorn": "0.50.0",  # limits of size and keepalive in the websocket protocol that it takes by default
    "websockets": "16.0",  # CVE-2018-1000518 and CVE-2021-33880 long before
}
NOT_WANTED = {
    "python-multipart",  # forms, which we have none of; CVE-2024-53981 and its like
    "evo",  # GPL
    "open3d", "gradio", "xformers", "moviepy", "pycolmap",  # of Depth Anything 3's own list; nothing here imports them
}  # fmt: skip


def logical_lines(name: str) -> list[str]:
    return (REQUIREMENTS / name).read_text().replace("\\\n", "").splitlines()


def pins(name: str) -> dict[str, str]:
    """Package → version. Everything in these files is a pin."""
    found = {}
    for line in logical_lines(name):
        requirement = Requirement(line.partition(" --hash")[0])
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, line
        found[requirement.name] = specifier.version
    return found


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


@pytest.mark.parametrize("name", PINNED)
def test_no_pin_is_below_the_version_that_closed_a_known_hole(name: str) -> None:
    below = {p: v for p, v in pins(name).items() if p in FLOORS and Version(v) < Version(FLOORS[p])}
    assert below == {}


def test_what_is_installed_without_the_pins_is_not_below_either() -> None:
    least = {r.name: s.version for r in declared() for s in r.specifier if s.operator == ">=" and r.name in FLOORS}
    assert {"starlette", "uvicorn", "h11", "websockets", "msgpack", "pillow", "torch"} <= set(least)
    assert {name: v for name, v in least.items() if Version(v) < Version(FLOORS[name])} == {}


@pytest.mark.parametrize("name", PINNED)
def test_what_nobody_needs_is_not_installed(name: str) -> None:
    assert NOT_WANTED & set(pins(name)) == set()


def test_everything_that_the_package_declares_is_pinned() -> None:
    optional = {"gsplat"}  # compiled on the machine that has the card
    optional |= {"onnx", "onnxscript", "onnxruntime", "scikit-image"}  # where the built-in model is trained
    assert {requirement.name.replace("_", "-") for requirement in declared()} - optional <= set(pins("cuda.txt"))


@pytest.mark.parametrize("name", HASHED)
def test_the_image_installs_only_files_whose_hash_is_written_down(name: str) -> None:
    for line in logical_lines(name):
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line


def test_the_image_gets_what_the_other_pins_say() -> None:
    assert pins("image.txt") == pins("cuda.txt")
    assert pins("image-da3.txt") == pins("da3.txt")
    assert pins("runtime.txt").items() <= pins("cuda.txt").items()


def test_the_hashes_of_torch_are_those_of_its_public_release() -> None:
    """A build from elsewhere has a local version, and one file for one Python on one system."""
    (line,) = [line for line in logical_lines("image.txt") if line.startswith("torch==")]
    assert "+" not in pins("image.txt")["torch"]
    assert line.count("--hash=") > 10


def test_no_requirement_file_names_a_place() -> None:
    for file in REQUIREMENTS.iterdir():
        text = file.read_text()
        assert "://" not in text and " @ " not in text, file.name
        assert not re.search(r"^\s*(-i|-f|-e|--index-url|--extra-index-url|--find-links|--editable)\b", text, re.M)


@pytest.mark.parametrize("folder", ["web", "tests"])
def test_every_package_of_the_pages_comes_with_its_hash_and_names_no_place(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


# ---------------------------------------------------------------- weights that cannot run code


@pytest.fixture
def unpickled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whatever could turn a file into code fails, and is noted: something on the way may swallow the failure."""
    tried: list[str] = []

    def forbid(name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> None:
            tried.append(name)
            raise AssertionError(f"{name} was called")

        return refuse

    real_load = np.load

    def load(*arguments: Any, allow_pickle: bool = False, **options: Any) -> Any:
        return forbid("numpy.load")() if allow_pickle else real_load(*arguments, **options)

    monkeypatch.setattr(torch, "load", forbid("torch.load"))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", forbid("torch.hub"))
    monkeypatch.setattr(pickle, "load", forbid("pickle.load"))
    monkeypatch.setattr(pickle, "loads", forbid("pickle.loads"))
    monkeypatch.setattr(pickle, "Unpickler", forbid("pickle.Unpickler"))
    monkeypatch.setattr(np, "load", load)
    return tried


def build_and_run(name: str) -> None:
    estimator = registry.build(name, Settings(device="cpu"), lambda sentence, fraction: None)
    wants_gaussians = estimator.info.supports_gaussians
    estimator.estimate(torch.zeros(42, 56, 3, dtype=torch.uint8), wants_gaussians=wants_gaussians)


@pytest.mark.parametrize("name", ["auto", "builtin", "synthetic"])
def test_our_own_estimators_are_built_and_run_without_reading_a_pickle(name: str, unpickled: list[str]) -> None:
    build_and_run(name)
    assert unpickled == []


@pytest.mark.da3
def test_depth_anything_3_is_loaded_and_run_without_reading_a_pickle(tiny_folder: Path, unpickled: list[str]) -> None:
    build_and_run(str(tiny_folder))
    assert unpickled == []


READERS = {"load": {"torch", "pickle", "joblib", "dill", "cloudpickle"}, "loads": {"pickle", "dill", "cloudpickle"}}


def reads_pickles(path: Path) -> list[str]:
    """The calls in a module that could: torch.load(…), pickle.loads(…), anything(…, allow_pickle=True)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        is_reader = (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id in READERS.get(called.attr, ())
        )
        if is_reader or any(keyword.arg == "allow_pickle" for keyword in node.keywords):
            found.append(f"{path.name}:{node.lineno}")
    return found


def test_no_module_of_ours_calls_what_reads_pickles() -> None:
    modules = [*ROOT.glob("*.py"), *(ROOT / "splatcam").rglob("*.py")]
    assert len(modules) > 50
    assert [call for module in modules for call in reads_pickles(module)] == []


def test_such_a_call_would_be_found(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text(
        "import torch\ntorch.load('x')\npickle.loads(b'')\nnp.load('x', allow_pickle=True)\njson.loads('')\n"
    )
    assert reads_pickles(module) == ["bad.py:2", "bad.py:3", "bad.py:4"]
