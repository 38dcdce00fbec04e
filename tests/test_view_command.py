"""`splatcam view`: from a file to a picture in the browser, and what it says when that cannot be."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from splatcam.commands import view
from splatcam.files import save_scene
from tests.oracles.clouds import pixel_cloud


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.ply"
    save_scene(pixel_cloud(6, 8), path)
    return path


def test_a_stored_scene_is_served_until_ctrl_c(scene: Path) -> None:
    command = [sys.executable, "-m", "splatcam.commands.view", str(scene), "--port", "0", "--no-browser"]
    rest = ["--background", "#0080ff", "--max-scale", "0.5", "--rasterizer", "reference"]
    root = Path(view.__file__).parents[2]
    with subprocess.Popen([*command, *rest], cwd=root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        printed = re.search(r"http://localhost:\d+", process.stderr.readline())
        assert printed is not None
        address = printed.group(0)
        with urllib.request.urlopen(f"{address}/info", timeout=60) as answer:
            info = answer.read()
        assert b'"gaussians":48' in info and b'"max_scale":0.5' in info and b'"up":-1' in info
        with urllib.request.urlopen(f"{address}/render?w=64&h=48", timeout=60) as answer:
            assert answer.read().startswith(b"\xff\xd8")
        process.send_signal(signal.SIGINT)
        rest_of_it = process.stderr.read()
    assert (process.returncode, rest_of_it) == (0, "")


def test_a_file_that_is_not_there_or_is_no_scene_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.ply"
    broken.write_bytes(b"ply\nnothing else")
    for path in (tmp_path / "absent.ply", broken, tmp_path / "scene.obj"):
        assert view.main([str(path), "--no-browser"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("splatcam view: ") and told.count("\n") == 1, told


def test_a_port_that_somebody_has_is_one_sentence(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert view.main([str(scene), "--no-browser", "--port", port, "--rasterizer", "reference"]) == 1
    assert re.fullmatch(rf"splatcam view: cannot listen on 127.0.0.1 port {port}: .*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--port", "70000"],
        ["--background", "blueish"],
        ["--max-scale", "0"],
        ["--fov", "3"],
        [],
    ],
)
def test_usage_is_told_by_status_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        view.main([*(["scene.ply"] if wrong else []), *wrong])
    assert ended.value.code == 2 and "usage: splatcam view" in capsys.readouterr().err


def test_ctrl_c_while_the_scene_is_read_is_status_130(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("splatcam.files.load_scene", interrupted)
    assert view.main([str(scene), "--no-browser"]) == 130
