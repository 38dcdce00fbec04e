"""What leaves a recording: read back by other programs' readers, and by our own decoders."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from plyfile import PlyData

from splatcam import wire
from splatcam.cli import main
from splatcam.codecs import compact
from splatcam.export.decoded import DecodedScene, ExportFailed, decoded_scene, decoded_step
from splatcam.export.film import FilmOptions, plan
from splatcam.export.plys import files_of
from splatcam.export.timing import timing_of
from splatcam.frames import decode_frame
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering.camera import pose_matrix
from splatcam.rendering.camera_path import CameraPath
from splatcam.timeline import RecordedTimeline, TimelineServer
from splatcam.timeline.nodes import Picture, Result
from splatcam.timeline.recording import LiveStep
from splatcam.transform import place
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.exported_takes import COMPACT, RATE, STEP_MS, TONE_HZ, live_steps, record, record_with_tone

STEPS = 5
Open = Callable[[Path], RecordedTimeline]
POSE = [0.8, 0.0, 0.6, 0.0, 1.0, -2.0, 3.0]  # a turn about y, and a place


@pytest.fixture(scope="module")
def steps() -> list[LiveStep]:
    return live_steps(STEPS)


@pytest.fixture
def take(tmp_path: Path, steps: list[LiveStep]) -> Path:
    return record(tmp_path / "take.scam", steps)


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens recordings, and closes them when the test is over."""
    with ExitStack() as stack:

        def open_one(path: Path) -> RecordedTimeline:
            recorded = RecordedTimeline.open(path)
            stack.callback(recorded.close)
            return recorded

        yield open_one


def scene_of(step: LiveStep, **changes: Any) -> dict[str, Any]:
    message = wire.decode_server_message(step.message)
    return {"camera": Picture(jpeg=step.jpeg), "scene": result(step.format, {**message, **changes})}


def result(format: Format, fields: dict[str, Any]) -> Result:
    import msgpack

    return Result(format=format, message=msgpack.packb({name: v for name, v in fields.items() if v is not None}))


def decoded_by_hand(step: LiveStep) -> Gaussians:
    """The message's splats in the colours of the picture, which has the grid's own size here."""
    fields = wire.decode_server_message(step.message)
    row0, column0, rows, columns = fields["window"]
    rgb = decode_frame(step.jpeg).rgb
    height, width = fields["grid"]
    planes = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    grid = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    return compact.decode(fields, grid.numpy()[row0 : row0 + rows, column0 : column0 + columns])


def assert_same(one: Gaussians, other: Gaussians) -> None:
    assert one.count == other.count > 100
    for name in TENSORS:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- decoding


def test_a_compact_step_has_the_colours_of_its_picture(steps: list[LiveStep]) -> None:
    scene = decoded_scene(scene_of(steps[2]))
    assert scene.splats is not None
    assert_same(scene.splats, decoded_by_hand(steps[2]))


@pytest.mark.parametrize("format", [Format.SPLATS16, Format.GAUSSIAN_PLY], ids=str)
def test_other_formats_hold_the_same_splats(steps: list[LiveStep], format: Format) -> None:
    (step,) = live_steps(1, Variant(format, "pixel"))
    other, by_depth = decoded_scene(scene_of(step)).splats, decoded_by_hand(steps[0])
    assert other is not None and other.count == by_depth.count
    assert (other.means - by_depth.means).abs().max() < 0.02


def test_points_are_points(steps: list[LiveStep]) -> None:
    (step,) = live_steps(1, Variant(Format.POINTCLOUD, "points"))
    scene = decoded_scene(scene_of(step))
    assert scene.splats is None and scene.points is not None
    assert scene.points.count == wire.decode_server_message(step.message)["num_points"]


def test_a_camera_that_moved_is_applied_and_can_be_taken_back(steps: list[LiveStep]) -> None:
    still, moved = decoded_scene(scene_of(steps[0])), decoded_scene(scene_of(steps[0], pose=POSE))
    assert still.splats is not None and moved.splats is not None
    assert_same(moved.splats, place(still.splats, torch.from_numpy(pose_matrix(POSE))))
    assert_same(moved.seen_from_camera(), still.splats)


def test_a_picture_that_lies_on_its_side_is_turned(steps: list[LiveStep]) -> None:
    """As the camera's own, whose EXIF says so: what was estimated was the upright one."""
    stored = Pillow.fromarray(np.rot90(decode_frame(steps[0].jpeg).rgb))
    exif, file = Pillow.Exif(), io.BytesIO()
    exif[0x0112] = 6
    stored.save(file, "JPEG", quality=95, exif=exif)
    upright = decoded_scene(scene_of(steps[0])).splats
    scene = {**scene_of(steps[0]), "camera": Picture(jpeg=file.getvalue())}
    again = decoded_scene(scene).splats
    assert upright is not None and again is not None
    assert (upright.sh - again.sh).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": "splats16"}, "something else"),
        ({"grid": [1 << 20, 1 << 20]}, "grid"),
        ({"grid": "large"}, "grid"),
        ({"window": [0, 0, -1, 5]}, "window"),
        ({"window": [0, 0, 9999, 9999]}, "window"),
        ({"stride": 0}, "grid is none"),
        ({"near": -1.0}, "near and far"),
        ({"depth": b"no deflate"}, "depth"),
        ({"color": b"no picture"}, "JPEG"),
        ({"color": 5}, "color"),
        ({"pose": [0.0] * 7}, "pose"),
        ({"pose": [1.0]}, "pose"),
        ({"pose": [b"x"] * 7}, "pose"),
        ({"pose": [float("nan")] * 7}, "pose"),
        ({"intrinsics": [1, 2, 3, {}]}, "intrinsics"),
        ({"num_splats": "many"}, "num_splats"),
    ],
    ids=str,
)
def test_a_message_that_lies_is_one_sentence(steps: list[LiveStep], changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ExportFailed, match=why):
        decoded_scene(scene_of(steps[0], **changes))


def test_a_step_without_its_picture_is_one_sentence(steps: list[LiveStep]) -> None:
    scene = scene_of(steps[0])
    del scene["camera"]
    with pytest.raises(ExportFailed, match="picture with its colours is not there"):
        decoded_scene(scene)


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x81\xa4type\xa7compact"])
def test_a_message_that_is_none_is_one_sentence(message: bytes) -> None:
    with pytest.raises(ExportFailed):
        decoded_scene({"scene": Result(format=Format.COMPACT, message=message)})


# ---------------------------------------------------------------- .ply


def read_ply(data: bytes) -> np.ndarray[Any, Any]:
    return PlyData.read(io.BytesIO(data))["vertex"].data


def test_a_zip_has_each_step_as_other_programs_read_it(take: Path, steps: list[LiveStep], tmp_path: Path) -> None:
    assert main(["export", str(take), "-o", str(tmp_path / "out.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
        files = [read_ply(archive.read(name)) for name in names[:-1]]
    assert names == [*(f"step_{at:05d}.ply" for at in range(STEPS)), "manifest.json"]
    for step, rows in zip(steps, files, strict=True):
        splats = decoded_by_hand(step)
        assert np.allclose(np.stack([rows[axis] for axis in "xyz"], 1), splats.means.numpy(), atol=1e-5)
        assert np.allclose(np.exp(rows["scale_0"]), splats.scales[:, 0].numpy(), rtol=1e-4)
        assert np.allclose(rows["f_dc_1"], splats.sh[:, 0, 1].numpy(), atol=1e-4)
        assert np.allclose(1 / (1 + np.exp(-rows["opacity"])), splats.opacities.numpy(), atol=1e-4)


def test_a_folder_has_the_steps_that_were_asked_for_and_tells_when_they_were(take: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", str(take), "-o", str(out), "--first", "1", "--last", "3"]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["manifest.json", *(f"step_0000{at}.ply" for at in (1, 2, 3))]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["model"], manifest["fps"]) == ("builtin", 10)
    assert [(step["step"], step["at_s"]) for step in manifest["steps"]] == [(1, 0), (2, 0.1), (3, 0.2)]
    first = manifest["steps"][0]
    assert first["files"] == ["step_00001.ply"] and first["frame_id"] == 1 and first["num_splats"] > 100
    assert len(first["camera"]["intrinsics"]) == 4


def test_a_programs_splats_and_points_are_two_files_and_nothing_is_one() -> None:
    server = TimelineServer(4)
    with server.at(1):
        server.scene.add_points("cloud", np.ones((5, 3), "f4"), np.full((5, 3), 7, np.uint8))
    with server.at(2):
        server.scene.add_splats(
            "ball", means=np.zeros((3, 3)), scales=np.ones((3, 3)), rotations=np.tile([1, 0, 0, 0], (3, 1)),
            opacities=np.ones(3), colors=np.zeros((3, 3)),
        )  # fmt: skip
    with server.at(3):
        server.scene.remove("cloud")
    written = [
        {name: len(read_ply(data)) for name, data in files_of("a", decoded_scene(server.scene_at(at))).items()}
        for at in range(4)
    ]
    assert written == [{"a.ply": 0}, {"a.ply": 5}, {"a.ply": 3, "a_points.ply": 5}, {"a.ply": 3}]
    (points,) = files_of("a", decoded_scene(server.scene_at(1))).values()
    assert read_ply(points)["red"].tolist() == [7] * 5


# ---------------------------------------------------------------- film


def frames_of(path: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_has_a_frame_for_each_step_at_the_rate_at_which_they_came(take: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert main(["export", str(take), "-o", str(out), "--size", "64x48"]) == 0
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.width, stream.height) == (STEPS, 10, 64, 48)
        assert len(container.streams) == 1, "no sound was recorded"
    assert len(frames_of(out)) == STEPS


@pytest.mark.parametrize("path", ["wobble", "orbit"])
def test_both_paths_see_the_scene(take: Path, tmp_path: Path, path: str) -> None:
    assert main(["export", str(take), "-o", str(tmp_path / "a.mp4"), "--size", "64x48", "--path", path]) == 0
    assert all(frame.mean() > 10 for frame in frames_of(tmp_path / "a.mp4"))


def test_every_frame_shows_the_step_of_its_time(tmp_path: Path, steps: list[LiveStep], opened: Open) -> None:
    """Steps came at 0, 100 and 400 ms: at 10 frames a second the second one is seen three times."""
    times = [0.0, 100.0, 400.0, 500.0]
    late = [
        LiveStep(s.frame_id, s.captured_at_ms, at_ms, s.jpeg, s.format, s.message)
        for s, at_ms in zip(steps, times, strict=False)
    ]
    recorded = opened(record(tmp_path / "a.scam", late))
    film = plan(recorded, range(4), FilmOptions(width=64, height=48))
    assert (film.fps, list(film.shown)) == (10, [0, 1, 1, 1, 2, 3])


def test_a_clock_that_jumped_back_makes_no_endless_film(tmp_path: Path, steps: list[LiveStep], opened: Open) -> None:
    times = [1e12, 1e12 + 100, 0.0, 100.0, 200.0]
    jumped = [
        LiveStep(s.frame_id, s.captured_at_ms, at_ms, s.jpeg, s.format, s.message)
        for s, at_ms in zip(steps, times, strict=True)
    ]
    recorded = opened(record(tmp_path / "a.scam", jumped))
    timing = timing_of(recorded, range(STEPS))
    assert timing.times_s.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_a_wobble_goes_along_with_a_camera_that_moved(tmp_path: Path, steps: list[LiveStep], opened: Open) -> None:
    """Of one scene seen from two places the film shows the same: it is filmed from where the camera was."""
    moved = [
        LiveStep(at, at * STEP_MS, at * STEP_MS, steps[0].jpeg, steps[0].format, scene["scene"].message)
        for at, scene in enumerate((scene_of(steps[0]), scene_of(steps[0], pose=POSE)))
    ]
    recorded = opened(record(tmp_path / "a.scam", moved))
    film = plan(recorded, range(2), FilmOptions(width=64, height=48))
    first, second = (film.view(decoded_step(recorded, at)) for at in film.shown)
    assert_same(first, second)
    fixed = plan(recorded, range(2), FilmOptions(path="orbit", width=64, height=48))
    assert (fixed.view(decoded_step(recorded, 1)).means - first.means).abs().max() > 1, "an orbit stays in the world"


def test_a_camera_path_says_how_long_the_film_is(take: Path, opened: Open) -> None:
    recorded = opened(take)
    short = plan(recorded, range(STEPS), FilmOptions(width=64, height=48))
    given = CameraPath(tuple(short.cameras[:1]) * 20, 20)
    film = plan(recorded, range(STEPS), FilmOptions(camera_path=given))
    assert film.cameras == given.cameras and film.fps == 20
    assert list(film.shown) == [0, 0, 1, 1, 2, 2, 3, 3, *[4] * 12]


def test_a_film_has_the_microphones_sound_in_time(tmp_path: Path, steps: list[LiveStep]) -> None:
    record_with_tone(tmp_path / "a.scam", steps)
    command = ["export", str(tmp_path / "a.scam"), "-o", str(tmp_path / "a.mp4"), "--size", "64x48"]
    assert main([*command, "--first", "1"]) == 0
    with av.open(str(tmp_path / "a.mp4")) as container:
        seconds = (STEPS - 1) * STEP_MS / 1e3
        assert float(container.duration or 0) / 1e6 == pytest.approx(seconds, abs=0.1)
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    pitch_hz = np.argmax(np.abs(np.fft.rfft(heard))) * RATE / len(heard)
    assert pitch_hz == pytest.approx(TONE_HZ, abs=5)
    assert np.abs(heard[: RATE // 4]).max() > 0.1


def test_a_programs_tracks_are_mixed_each_from_its_step_on(tmp_path: Path) -> None:
    from splatcam.export.timing import sound_of

    server = TimelineServer(10, fps=10)
    server.audio.add_track("low", np.full(1000, 1000, np.int16), 1000)
    with server.at(5):
        server.audio.add_track("high", np.full((1000, 2), 200, np.int16), 2000, volume=0.5)
    recorded = RecordedTimeline.from_bytes(server.serialize())
    sound = sound_of(recorded, range(2, 8), timing_of(recorded, range(2, 8)))
    assert sound is not None and sound.sample_rate == 2000 and sound.samples.shape == (1200, 2)
    assert sound.samples[:600].tolist() == [[1000, 1000]] * 600
    assert sound.samples[600:].tolist() == [[1100, 1100]] * 600


def test_sound_that_memory_could_not_hold_is_refused_in_a_sentence() -> None:
    from splatcam.export.timing import sound_of

    server = TimelineServer(5000, fps=1)
    server.audio.add_track("slow", np.ones(10_000, np.int16), 1)
    server.audio.add_track("fine", np.ones(1000, np.int16), 384_000)
    recorded = RecordedTimeline.from_bytes(server.serialize())
    with pytest.raises(ExportFailed, match="too long for a film"):
        sound_of(recorded, range(5000), timing_of(recorded, range(5000)))
    sound = sound_of(recorded, range(2), timing_of(recorded, range(2)))
    assert sound is not None and len(sound.samples) == 2 * 384_000


def test_silence_is_no_sound(take: Path, opened: Open) -> None:
    from splatcam.export.timing import sound_of

    recorded = opened(take)
    assert sound_of(recorded, range(STEPS), timing_of(recorded, range(STEPS))) is None


def test_a_recording_of_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.scam").write_bytes(TimelineServer(3).serialize())
    assert main(["export", str(tmp_path / "a.scam"), "-o", str(tmp_path / "a.mp4")]) == 1
    assert "there is nothing to film" in capsys.readouterr().err
    assert not (tmp_path / "a.mp4").exists()


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize("form", ["out.html", "out.zip", "out.mp4", "out"])
@pytest.mark.parametrize(
    ("rest", "why"),
    [
        (["--first", "3", "--last", "2"], "steps 3 to 2 are no part of the recording's 0 to 4"),
        (["--last", "5"], "steps 0 to 5 are no part"),
    ],
    ids=["backwards", "too far"],
)
def test_a_range_that_is_none_is_one_sentence_and_leaves_nothing(
    take: Path, tmp_path: Path, form: str, rest: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(take), "-o", str(tmp_path / form), *rest]) == 1
    assert why in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["take.scam"]


@pytest.mark.parametrize("form", ["out.html", "out.zip", "out.mp4", "out"])
def test_a_file_that_is_damaged_in_the_middle_leaves_nothing(
    take: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = bytearray(take.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    take.write_bytes(damaged)
    assert main(["export", str(take), "-o", str(tmp_path / form)]) == 1
    assert "damaged" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["take.scam"]


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "no .scam file"), (b"GIF89a" * 99, "no .scam file"), (b"\x89SCAM\r\n\x1a", "cut off")]
)
def test_a_foreign_file_is_one_sentence(
    tmp_path: Path, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.scam").write_bytes(content)
    assert main(["export", str(tmp_path / "a.scam"), "-o", str(tmp_path / "a.zip")]) == 1
    assert why in capsys.readouterr().err


def test_a_recording_that_was_cut_off_is_exported_as_far_as_it_goes(tmp_path: Path, steps: list[LiveStep]) -> None:
    """Two seconds apart, each step is a block."""
    slow = [
        LiveStep(s.frame_id, s.captured_at_ms, at * 2000.0, s.jpeg, s.format, s.message) for at, s in enumerate(steps)
    ]
    take = record(tmp_path / "take.scam", slow)
    take.write_bytes(take.read_bytes()[:-2000])
    assert main(["export", str(take), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*.ply"))) == STEPS - 1


def test_names_that_nobody_writes_and_files_that_are_not_there_are_one_sentence(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(take), "-o", str(tmp_path / "out.gif")]) == 1
    assert "should end in .html, .zip or .mp4" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "no.scam"), "-o", str(tmp_path / "out.zip")]) == 1
    assert "no.scam: No such file" in capsys.readouterr().err
    assert main(["export", str(take), "-o", str(tmp_path / "nowhere" / "out.zip")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_folder_that_is_there_is_left_alone(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert main(["export", str(take), "-o", str(tmp_path / "out")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_interrupt_leaves_nothing(take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> DecodedScene:
        raise KeyboardInterrupt

    monkeypatch.setattr("splatcam.export.plys.decoded_step", interrupted)
    for form in ("out", "out.zip"):
        assert main(["export", str(take), "-o", str(tmp_path / form)]) == 130
    assert [file.name for file in tmp_path.iterdir()] == ["take.scam"]


def test_the_take_is_level_a_without_colours(steps: list[LiveStep]) -> None:
    """So that the tests above are about the camera's own picture."""
    message = wire.decode_server_message(steps[0].message)
    assert COMPACT.color == "own" and "color" not in message and "shape" not in message
