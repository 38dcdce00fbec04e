"""`splatcam job`: a folder of pictures to scene files, a film, stills and a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from splatcam.commands import job
from splatcam.estimators import da3_views
from splatcam.files import load_scene
from splatcam.job.steps import DATA_TYPES
from splatcam.transform import preset, rotate
from tests.pictures import jpeg, picture
from tests.test_job_parts import Bucket, colmap_model, serve, write_video
from tests.tiny_da3 import da3_registered, tiny_folder

__all__ = ["da3_registered", "tiny_folder"]
SMALL = ("--model", "builtin", "--process-res", "56", "--seconds", "0.2", "--size", "64x48")
MADE = {*DATA_TYPES, "manifest.json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three frames."""
    path = tmp_path / "clip"
    path.mkdir()
    for i in range(3):
        (path / f"{i}.jpg").write_bytes(jpeg(112, 84, seed=i))
    return path


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Every line on stdout is JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def steps_of(events: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["step"] for event in events if event["event"] == kind]


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "output" / "manifest.json").read_text())


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_folder_of_frames_becomes_every_file_of_the_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in folder.iterdir()}
    assert job.main([str(folder), *SMALL]) == 0
    assert {path.name for path in folder.iterdir()} == before | {"output"}
    assert {path.name for path in (folder / "output").iterdir()} == MADE
    manifest = manifest_of(folder)
    assert {a["name"]: a["data_type"] for a in manifest["artifacts"]} == DATA_TYPES
    for artifact in manifest["artifacts"]:
        data = (folder / "output" / artifact["name"]).read_bytes()
        assert (artifact["bytes"], artifact["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["steps"][0]["facts"]["model"] == "builtin" and manifest["steps"][0]["facts"]["views"] == 1
    told = events(capsys)
    assert steps_of(told, "step_done") == ["splat", "rotate", "convert", "preview", "stills"]
    assert told[-1]["event"] == "job_done" and told[-1]["failed_steps"] == []


def test_the_scene_the_turned_scene_and_the_splat_file_hold_the_same(folder: Path) -> None:
    assert job.main([str(folder), *SMALL]) == 0
    scene, turned, compact = (load_scene(folder / "output" / name) for name in list(DATA_TYPES)[:3])
    assert scene.count == turned.count == compact.count > 1000
    back = rotate(turned, preset("y-up").T)
    assert np.allclose(back.means, scene.means, atol=1e-5)
    order_one, order_two = (np.lexsort(s.means.numpy().round(4).T) for s in (turned, compact))
    assert np.allclose(turned.means[order_one], compact.means[order_two], atol=1e-3)
    assert float(scene.means[:, 2].min()) > 0 > float(turned.means[:, 2].max())


def test_a_video_is_footage_too_and_its_film_has_the_frames_asked_for(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [picture(112, 84, seed=i) for i in range(4)])
    assert job.main([str(tmp_path), *SMALL, "--path", "orbit"]) == 0
    assert frame_count(tmp_path / "output" / "preview.mp4") == 6


def test_what_is_done_is_not_done_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main([str(folder), *SMALL]) == 0
    events(capsys)
    assert job.main([str(folder), *SMALL]) == 0
    assert len(steps_of(events(capsys), "step_skipped")) == 5
    assert job.main([str(folder), *SMALL, "--path", "orbit"]) == 0
    told = events(capsys)
    assert steps_of(told, "step_done") == ["preview"]
    (folder / "1.jpg").write_bytes(jpeg(112, 84, seed=40))
    assert job.main([str(folder), *SMALL, "--path", "orbit"]) == 0
    assert steps_of(events(capsys), "step_done")[0] == "splat"


def test_a_preview_that_fails_is_reported_and_the_job_is_still_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.main([str(folder), *SMALL[:-1], "63x48"]) == 0  # a picture may be of odd size, a film may not
    told = events(capsys)
    assert told[-1]["failed_steps"] == ["preview"]
    record = next(step for step in manifest_of(folder)["steps"] if step["name"] == "preview")
    assert record["state"] == "failed" and "63x48" in record["error"]
    assert {path.name for path in (folder / "output").iterdir()} == MADE - {"preview.mp4"}
    assert job.main([str(folder), *SMALL]) == 0
    assert (folder / "output" / "preview.mp4").exists()


def test_a_scene_without_pictures_to_make_it_of_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.main([str(tmp_path), *SMALL]) == 1
    assert capsys.readouterr().err.startswith(f"splatcam job: {tmp_path} holds no video")
    assert list(tmp_path.iterdir()) == []


def test_results_among_the_frames_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main([str(folder), *SMALL, "--results", str(folder)]) == 1
    assert "a folder of their own" in capsys.readouterr().err


def test_results_in_the_folder_that_holds_the_frames_are_refused_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(jpeg(112, 84))
    assert job.main([str(tmp_path), *SMALL, "--results", str(tmp_path / "images")]) == 1
    assert "a folder of their own" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["1.jpg"]


def test_publishing_among_the_frames_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(folder.iterdir())
    assert job.main([str(folder), *SMALL, "--publish", str(folder)]) == 1
    assert "a folder of their own" in capsys.readouterr().err
    assert set(folder.iterdir()) == before


def test_a_place_that_cannot_be_is_told_before_anything_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.main([str(folder), *SMALL, "--publish", "http://[here"]) == 1
    assert "no address to put files at" in capsys.readouterr().err
    assert not (folder / "output").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--model", "nothing"), "splat: there is no model named 'nothing'"),
        (("--splats", "network"), "splat: .*no Gaussians of its own"),
        (("--process-res", "1"), "--process-res"),
    ],
)
def test_what_cannot_be_done_ends_the_job_with_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, str], sentence: str
) -> None:
    assert job.main([str(folder), *SMALL, *flags]) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error and re.search(sentence, error)


def test_a_frame_that_is_no_picture_ends_the_job_with_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.jpg").write_bytes(b"no picture")
    assert job.main([str(folder), *SMALL]) == 1
    assert "splatcam job: splat: 1.jpg is no JPEG or PNG picture" in capsys.readouterr().err
    assert {path.name for path in (folder / "output").iterdir()} == {"manifest.json"}


def test_ctrl_c_ends_with_130_and_the_job_goes_on_from_there(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("splatcam.rendering.Image.rgb8", interrupt)
        assert job.main([str(folder), *SMALL]) == 130
    left = {path.name for path in (folder / "output").iterdir()}
    assert left == {"splat.ply", "splat_rot.ply", "splat_rot.splat", "manifest.json"}
    events(capsys)
    assert job.main([str(folder), *SMALL]) == 0
    told = events(capsys)
    assert steps_of(told, "step_skipped") == ["splat", "rotate", "convert"]
    assert steps_of(told, "step_done") == ["preview", "stills"]


def test_results_go_where_they_are_asked_for_and_are_published(folder: Path, tmp_path: Path) -> None:
    bucket, results, copy = Bucket(), tmp_path / "results", tmp_path / "copy"
    with serve(bucket) as address:
        places = ("--publish", f"{address}/7", "--publish", str(copy))
        assert job.main([str(folder), *SMALL, "--results", str(results), *places]) == 0
    assert {path.removeprefix("/7/") for path, *_ in bucket.received} == MADE
    assert {path.name for path in copy.iterdir()} == {path.name for path in results.iterdir()} == MADE
    assert not (folder / "output").exists()


def test_a_store_that_refuses_fails_the_job_and_leaves_its_results(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(Bucket(status=500)) as address:
        assert job.main([str(folder), *SMALL, "--publish", address]) == 1
    assert "refused splat.ply: 500" in capsys.readouterr().err
    assert {path.name for path in (folder / "output").iterdir()} == MADE


# ---------------------------------------------------------------- several views


@pytest.mark.da3
def test_a_network_with_gaussians_sees_several_frames_together(tiny_folder: Path, folder: Path) -> None:
    flags = ("--model", str(tiny_folder), "--views", "2", "--accept-nc-license")
    assert job.main([str(folder), *SMALL, *flags]) == 0
    facts = manifest_of(folder)["steps"][0]["facts"]
    assert facts["views"] == 2
    assert facts["gaussians"] == load_scene(folder / "output" / "splat.ply").count > 42 * 56


@pytest.mark.da3
def test_the_same_network_asked_for_pixels_sees_the_sharpest_frame(tiny_folder: Path, folder: Path) -> None:
    flags = ("--model", str(tiny_folder), "--splats", "pixel", "--accept-nc-license")
    assert job.main([str(folder), *SMALL, *flags]) == 0
    assert manifest_of(folder)["steps"][0]["facts"]["views"] == 1


@pytest.mark.da3
def test_frames_of_different_shapes_are_no_views_of_one_scene(
    tiny_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.jpg").write_bytes(jpeg(84, 112))
    flags = ("--model", str(tiny_folder), "--views", "3", "--accept-nc-license")
    assert job.main([str(folder), *SMALL, *flags]) == 1
    assert "different shapes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "status", "sentence"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_ctrl_c_or_sigterm_in_the_middle_of_a_film_of_another_process_leaves_no_film(
    folder: Path, sent: signal.Signals, status: int, sentence: str
) -> None:
    """And lines come when they are written, not when the job is over: the film has ten minutes."""
    code = f"import sys; from splatcam.commands import job; sys.exit(job.main({[str(folder), *SMALL]!r}))"
    code = code.replace("'0.2'", "'600'")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUNBUFFERED": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, env=environment, **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step_progress" and json.loads(line)["step"] == "preview":
                process.send_signal(sent)
                break
        _, error = process.communicate()
    assert (process.returncode, error.strip()) == (status, f"splatcam job: {sentence}")
    assert {path.name for path in (folder / "output").iterdir()} == {
        "splat.ply", "splat_rot.ply", "splat_rot.splat", "manifest.json",
    }  # fmt: skip


@pytest.mark.da3
def test_only_pictures_that_colmap_has_placed_are_views(
    tiny_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colmap_model(folder / "sparse" / "0", ["0.jpg", "2.jpg"])
    flags = (*SMALL, "--model", str(tiny_folder), "--views", "8", "--accept-nc-license")
    assert job.main([str(folder), *flags]) == 0
    facts = manifest_of(folder)["steps"][0]["facts"]
    assert (facts["views"], facts["posed_views"]) == (2, 2)
    events(capsys)
    colmap_model(folder / "sparse" / "0", ["2.jpg", "0.jpg"])  # the model belongs to what goes in
    assert job.main([str(folder), *flags]) == 0
    assert steps_of(events(capsys), "step_done")[0] == "splat"


@pytest.mark.da3
def test_the_network_hears_of_the_cameras_as_colmap_has_them_on_its_own_grid(
    tiny_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colmap_model(folder / "sparse" / "0", ["0.jpg", "2.jpg"])
    given = []

    def listen(estimator: Any, images: torch.Tensor, known: da3_views.KnownCameras) -> Any:
        given.append((images.shape[1:3], known))
        return estimate_scene(estimator, images, known)

    estimate_scene = da3_views.estimate_scene
    monkeypatch.setattr(da3_views, "estimate_scene", listen)
    flags = ("--model", str(tiny_folder), "--accept-nc-license")
    assert job.main([str(folder), *SMALL, *flags]) == 0
    ((height, width), known) = given[0]
    first, second = known.camera_from_world
    assert torch.equal(first, torch.eye(4, dtype=torch.float64))
    assert second[:3, 3].tolist() == [-1, 0, 0] and float(second[0, 2]) == pytest.approx(np.sin(0.2))
    expected = [[500 * width / 640, 0, width / 2], [0, 510 * height / 480, height / 2], [0, 0, 1]]
    assert np.allclose(known.intrinsics, expected)
