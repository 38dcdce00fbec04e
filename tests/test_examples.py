"""Every numbered example runs as its first lines say, against the real service."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets

import gsply_helpers
from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.timeline import RecordedTimeline
from tests.pictures import jpeg

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))
FEW_FRAMES = 8


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--model", "synthetic", "--process-res", "70") as started:
        started.wait_for_model("synthetic")
        yield started


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(FEW_FRAMES):
        (folder / f"{i}.jpg").write_bytes(jpeg(seed=i))
    return folder


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def environment(service: Service | None = None) -> dict[str, str]:
    """With this package, whichever one is installed."""
    address = {"SPLATCAM_URL": service.ws_url} if service else {}
    return {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **address}


def run(name: str, *arguments: object, service: Service | None = None) -> str:
    done = subprocess.run(
        command(name, *arguments), env=environment(service), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_of_the_examples_names_each_of_them() -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert NAMES == sorted(line.split("`")[1].split()[0] for line in text.splitlines() if line.startswith("| `0"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_called_without_arguments_says_how(name: str) -> None:
    done = subprocess.run(command(name), env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"python examples/{name}" in done.stderr


def test_01_a_photo_becomes_a_ply(service: Service, photo: Path, tmp_path: Path) -> None:
    said = run("01_photo_to_ply.py", photo, tmp_path / "scene.ply", service=service)
    gaussians = gsply_helpers.gaussians_from_ply_bytes((tmp_path / "scene.ply").read_bytes())
    assert said.startswith(f"{gaussians.count} Gaussians by synthetic")
    assert gaussians.count > 1000


def test_02_a_live_client_counts_its_results(service: Service, clip: Path) -> None:
    said = run("02_live_client.py", clip, 1, service=service)
    assert int(said.split()[0]) > 0
    assert "median latency" in said


def test_03_the_library_does_the_same_without_a_server(photo: Path, tmp_path: Path) -> None:
    run("03_without_a_server.py", photo, tmp_path / "scene.ply")
    assert gsply_helpers.gaussians_from_ply_bytes((tmp_path / "scene.ply").read_bytes()).count > 1000


async def test_04_a_viewer_keeps_the_frames_of_the_newest_camera(service: Service, tmp_path: Path) -> None:
    async with websockets.connect(service.ws_url, max_size=None) as camera:
        await camera.send(wire.encode(wire.Hello(protocol=1, formats=["splats16"])))
        viewer = await asyncio.create_subprocess_exec(
            *command("04_watch_and_keep.py", tmp_path / "frames", 3), env=environment(service)
        )
        async with asyncio.timeout(120):
            frame_id = 0
            while viewer.returncode is None:
                await camera.send(wire.encode(wire.FrameMessage(frame_id=frame_id, captured_at_ms=0.0, jpeg=jpeg())))
                frame_id += 1
                await answered(camera, frame_id - 1)
                await asyncio.sleep(0)
    assert viewer.returncode == 0
    assert len(list((tmp_path / "frames").glob("frame-*.ply"))) == 3


async def answered(camera: websockets.ClientConnection, frame_id: int) -> None:
    while True:
        message = wire.decode_server_message(await camera.recv())
        if message.get("frame_id") == frame_id:
            await camera.send(wire.encode(wire.Ack(frame_id=frame_id)))
            return


def test_05_settings_change_what_comes(service: Service, photo: Path) -> None:
    lines = run("05_change_quality.py", photo, service=service).splitlines()
    counts = [int(line.split(": ")[-1].split()[0]) for line in lines if " as " in line and not line.startswith("  ")]
    everything, every_fourth, nearest_quarter, points, still_points = counts
    assert everything / 20 < every_fourth < everything / 12
    assert nearest_quarter < 0.6 * every_fourth
    assert points == still_points
    assert "refused: this model predicts no Gaussians" in "\n".join(lines)


def test_06_a_program_gives_its_timeline_away(tmp_path: Path) -> None:
    run("06_timeline.py", tmp_path / "moving.scam")
    recorded = RecordedTimeline.open(tmp_path / "moving.scam")
    assert recorded.num_steps == 90
    assert recorded.scene_at(50).keys() == {"ball", "floor"}
    assert [sound.start_step for sound in recorded.sounds()] == [30, 60]
    recorded.close()
    run("06_timeline.py", tmp_path / "moving.html")
    assert (tmp_path / "moving.html").read_text().startswith("<!doctype html>")


def test_06_it_is_shown_until_somebody_ends_it() -> None:
    with subprocess.Popen(
        command("06_timeline.py", "show"), env=environment(), stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        address = shown.stdout.readline().removeprefix("open ").strip()
        with urllib.request.urlopen(address, timeout=120) as response:
            assert b"splatcam" in response.read()
        shown.terminate()
