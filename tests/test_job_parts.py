"""The parts of a job by themselves: frames, steps and their manifest, stores."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Picture

from splatcam.job import manifest as manifests
from splatcam.job.colmap import find_model, read_views
from splatcam.job.frames import (
    FootageUnusable,
    PictureFiles,
    Video,
    choose_frames,
    find_footage,
    sharpest_of_each_part,
    sharpness,
)
from splatcam.job.manifest import Artifact, Manifest
from splatcam.job.publish import publish
from splatcam.job.runner import JobFailed, Output, Step, run
from splatcam.job.stores import FolderStore, HttpStore, PublishingFailed, store_at
from tests.loopback_hub import refusing
from tests.oracles.films import write_sound
from tests.pictures import jpeg, picture


def blurred(rgb: np.ndarray, radius: int) -> np.ndarray:
    from PIL import ImageFilter

    return np.asarray(Picture.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


def noise(seed: int) -> np.ndarray:
    """[48, 64, 3] uint8 with edges everywhere."""
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)


def write_video(path: Path, pictures: Sequence[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for rgb in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
        container.mux(stream.encode(None))


# ---------------------------------------------------------------- frames


def test_a_blurred_picture_is_less_sharp_whatever_its_size() -> None:
    rgb = noise(0)
    large = np.asarray(Picture.fromarray(rgb).resize((1280, 960), Picture.Resampling.NEAREST))
    assert sharpness(rgb) > sharpness(blurred(rgb, 1)) > sharpness(blurred(rgb, 3)) > 0
    assert sharpness(large) > sharpness(blurred(large, 30))
    assert sharpness(np.full((9, 9, 3), 77, np.uint8)) == 0


@pytest.mark.parametrize(
    ("scores", "count", "chosen"),
    [
        ([1, 5, 2], 1, [1]),
        ([1, 5, 2, 9, 3, 3], 2, [1, 3]),
        ([9, 8, 7, 6, 1, 2], 3, [0, 2, 5]),
        ([1, 2], 8, [0, 1]),
    ],
)
def test_the_sharpest_of_each_part_is_taken(scores: list[float], count: int, chosen: list[int]) -> None:
    assert sharpest_of_each_part(scores, count) == chosen


def test_pictures_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("frame10.jpg", "frame9.png", "frame100.JPG", "frame100².jpg", ".hidden.jpg", "notes.txt"):
        Picture.fromarray(picture()).save(tmp_path / name, format="PNG" if name.endswith("png") else "JPEG")
    footage = find_footage(tmp_path)
    assert [path.name for path in footage.files] == ["frame9.png", "frame10.jpg", "frame100.JPG", "frame100².jpg"]
    assert [rgb.shape for rgb in footage.pictures()] == [(72, 96, 3)] * 4


def test_pictures_are_found_in_the_folder_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(jpeg())
    assert find_footage(tmp_path).files == (tmp_path / "images" / "a.jpg",)


def test_a_video_goes_before_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    write_video(tmp_path / "clip.mp4", [picture()] * 3)
    footage = find_footage(tmp_path)
    assert isinstance(footage, Video)
    assert len(list(footage.pictures())) == 3


def test_the_sharp_frames_of_a_video_are_chosen_one_from_each_part(tmp_path: Path) -> None:
    sharp = {2: noise(2), 9: noise(9)}
    frames = [sharp.get(i, blurred(noise(i), 4)) for i in range(12)]
    write_video(tmp_path / "clip.mp4", frames)
    looked_at: list[int] = []
    chosen = choose_frames(Video((tmp_path / "clip.mp4",)), 2, looked_at.append)
    assert looked_at == list(range(1, 13))
    assert list(chosen) == [2, 9]
    for expected, rgb in chosen.items():
        alike = [np.corrcoef(rgb.ravel(), frame.ravel())[0, 1] for frame in frames]
        assert int(np.argmax(alike)) == expected


def test_a_video_of_a_phone_held_upright_is_turned(tmp_path: Path) -> None:
    """The file says: a quarter clockwise, in the matrix of the track's header (ISO/IEC 14496-12)."""
    path = tmp_path / "phone.mp4"
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32] = 255  # the left half is white: turned clockwise, the upper
    write_video(path, [rgb])
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") - 4 + 48
    matrix = (0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000)
    data[at : at + 36] = b"".join(number.to_bytes(4, "big") for number in matrix)
    path.write_bytes(data)
    (turned,) = Video((path,)).pictures()
    assert turned.shape == (64, 48, 3)
    assert turned[:28].min() > 200 and turned[36:].max() < 50


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no video"),
        ({"a.mp4": b"", "b.mov": b""}, r"2 videos \(a.mp4, b.mov\)"),
        ({"a.mp4": b"no video"}, "a.mp4 is no video that can be read: Invalid data found when processing input$"),
        ({"a.jpg": b"no picture"}, "a.jpg is no JPEG or PNG"),
        ({"a.jpg": b"\xff\xd8\xff"}, "a.jpg cannot be read"),
    ],
)
def test_footage_that_cannot_be_used_is_one_sentence(tmp_path: Path, files: dict[str, bytes], sentence: str) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FootageUnusable, match=sentence):
        choose_frames(find_footage(tmp_path), 1)


def test_a_film_without_pictures_is_one_sentence(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    with pytest.raises(FootageUnusable, match="sound.mp4 holds no pictures"):
        choose_frames(find_footage(tmp_path), 1)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FootageUnusable, match="no folder"):
        find_footage(tmp_path / "none")


def test_a_picture_with_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatcam.job.frames.MAX_PICTURE_PIXELS", 100)
    Picture.fromarray(picture()).save(tmp_path / "a.png")
    with pytest.raises(FootageUnusable, match="96x72 pixels: too many"):
        list(PictureFiles((tmp_path / "a.png",)).pictures())


def test_a_picture_that_only_claims_its_pixels_is_refused_too(tmp_path: Path) -> None:
    """Pillow has a limit of its own and an error of its own for it."""
    Picture.fromarray(picture()).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(FootageUnusable, match="a.png has too many pixels"):
        list(PictureFiles((tmp_path / "a.png",)).pictures())


# ---------------------------------------------------------------- runner


class Expected(Exception):
    """What a step may raise."""


@dataclass
class Chain:
    """in.txt → one.txt → two.txt and three.txt, with a count of what was made."""

    folder: Path
    made: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    suffix: str = "!"
    errors: dict[str, BaseException] = field(default_factory=dict)
    lenient: bool = False

    def steps(self) -> list[Step]:
        return [self._step("one", "in.txt", "one.txt"), self._step("two", "one.txt", "two.txt", "three.txt")]

    def _step(self, name: str, source: str, *names: str) -> Step:
        def make(facts: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
            self.made.append(name)
            report(0.5)
            text = (self.folder / source).read_text()
            for output in names:
                (self.folder / output).write_text(f"{text}{output}{self.suffix}")
                if name in self.errors:
                    raise self.errors[name]
            return {f"length_{name}": len(text) + facts.get("length_one", 0)}

        outputs = tuple(Output(output, f"type_{output}") for output in names)
        on_failure: Any = "go on" if self.lenient else "end"
        return Step(name, (self.folder / source,), outputs, {"suffix": self.suffix}, make, (Expected,), on_failure)

    def run(self) -> Manifest:
        self.made.clear()
        self.events.clear()
        return run(self.steps(), self.folder, self.events.append)

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    (tmp_path / "in.txt").write_text("in")
    return Chain(tmp_path)


def test_every_step_is_done_once_and_the_manifest_tells_what_it_made(chain: Chain) -> None:
    chain.run()
    value = json.loads((chain.folder / "manifest.json").read_text())
    assert [a["name"] for a in value["artifacts"]] == ["one.txt", "two.txt", "three.txt"]
    two = value["artifacts"][1]
    content = (chain.folder / "two.txt").read_bytes()
    assert (two["data_type"], two["bytes"], two["step"]) == ("type_two.txt", len(content), "two")
    assert two["sha256"] == manifests.sha256_of(chain.folder / "two.txt")
    assert [(step["name"], step["state"]) for step in value["steps"]] == [("one", "done"), ("two", "done")]
    assert value["steps"][1]["facts"] == {"length_two": len("inone.txt!") + 2}
    assert chain.run().to_json() == json.dumps(value, indent=2) + "\n"
    assert chain.made == []


def test_events_tell_what_happens(chain: Chain) -> None:
    chain.run()
    assert [(event["event"], event["step"]) for event in chain.events] == [
        (event, step) for step in ("one", "two") for event in ("step_started", "step_progress", "step_done")
    ]
    json.dumps(chain.events)
    chain.run()
    assert [event["event"] for event in chain.events] == ["step_skipped", "step_skipped"]


def test_a_changed_input_or_option_does_what_depends_on_it_again(chain: Chain) -> None:
    chain.run()
    (chain.folder / "in.txt").write_text("other")
    chain.run()
    assert chain.made == ["one", "two"]
    chain.suffix = "?"
    chain.run()
    assert chain.made == ["one", "two"]


def test_an_output_that_is_gone_or_changed_is_made_again_and_nothing_else(chain: Chain) -> None:
    chain.run()
    (chain.folder / "three.txt").unlink()
    chain.run()
    assert chain.made == ["two"]
    (chain.folder / "one.txt").write_text("damaged")
    chain.run()
    assert chain.made == ["one"]  # which makes the same file again, so that two is still good


def test_a_failure_ends_the_job_leaves_no_output_and_is_tried_again(chain: Chain) -> None:
    chain.run()
    (chain.folder / "in.txt").write_text("other")
    chain.errors["two"] = Expected("no luck")
    with pytest.raises(JobFailed, match="two: no luck"):
        chain.run()
    assert chain.files() == {"in.txt", "one.txt", "manifest.json"}
    known = manifests.load(chain.folder)
    assert (known.steps["two"].state, known.steps["two"].error) == ("failed", "no luck")
    assert set(known.artifacts) == {"one.txt"}
    chain.errors.clear()
    chain.run()
    assert chain.made == ["two"]


def test_a_failure_that_is_not_fatal_is_recorded_and_the_job_goes_on(chain: Chain) -> None:
    chain.lenient = True
    chain.errors["two"] = OSError(28, "No space left on device", "two.txt")
    known = chain.run()
    assert known.steps["two"].error == "two.txt: No space left on device"
    assert chain.events[-1] == {"event": "step_failed", "step": "two", "error": "two.txt: No space left on device"}
    assert chain.files() == {"in.txt", "one.txt", "manifest.json"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug")], ids=["Ctrl-C", "bug"])
def test_an_interrupt_or_a_bug_leaves_no_output_and_the_job_resumes_there(chain: Chain, error: BaseException) -> None:
    chain.errors["two"] = error
    with pytest.raises(type(error)):
        chain.run()
    assert chain.files() == {"in.txt", "one.txt", "manifest.json"}
    chain.errors.clear()
    chain.run()
    assert chain.made == ["two"]


BAD_STORES = '{"version": 1, "steps": [], "artifacts": [], "published": {"here": 7}}'


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "steps": [{"x": 1}]}', BAD_STORES]
)
def test_a_manifest_that_we_cannot_read_counts_as_none(chain: Chain, text: str) -> None:
    (chain.folder / "manifest.json").write_text(text)
    assert chain.run().published == {}
    assert chain.made == ["one", "two"]


def test_a_step_that_is_no_more_is_forgotten(chain: Chain) -> None:
    known = chain.run()
    known.artifacts["old.bin"] = Artifact("old.bin", "old", 1, "00", "old")
    manifests.save(known, chain.folder)
    assert "old.bin" not in chain.run().artifacts


# ---------------------------------------------------------------- stores


@dataclass
class Bucket:
    """What was put where, and what is answered."""

    status: int = 201
    received: list[tuple[str, bytes, str | None, str | None]] = field(default_factory=list)


@contextlib.contextmanager
def serve(bucket: Bucket) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = self.headers["Content-Type"], self.headers["Authorization"]
            bucket.received.append((self.path, body, *headers))
            self.send_response(bucket.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_artefacts_are_put_below_the_address_and_the_manifest_last(chain: Chain) -> None:
    bucket = Bucket()
    with serve(bucket) as address:
        publish(chain.run(), chain.folder, store_at(f"{address}/jobs/7/"), chain.events.append)
    paths = [path for path, *_ in bucket.received]
    assert paths == [f"/jobs/7/{name}" for name in ("one.txt", "two.txt", "three.txt", "manifest.json")]
    assert bucket.received[1][1:] == ((chain.folder / "two.txt").read_bytes(), "text/plain", None)
    assert json.loads(bucket.received[-1][1]) == json.loads((chain.folder / "manifest.json").read_text())
    assert chain.events[-1] == {
        "event": "published", "artifact": "manifest.json", "data_type": "manifest", "at": f"{address}/jobs/7",
    }  # fmt: skip


def test_what_is_there_already_is_not_put_again(chain: Chain) -> None:
    bucket = Bucket()
    with serve(bucket) as address:
        publish(chain.run(), chain.folder, store_at(address), chain.events.append)
        bucket.received.clear()
        (chain.folder / "three.txt").write_text("damaged")
        chain.suffix = "?"
        publish(chain.run(), chain.folder, store_at(address), chain.events.append)
        first = [path for path, *_ in bucket.received]
        bucket.received.clear()
        publish(chain.run(), chain.folder, store_at(address), chain.events.append)
    assert first == ["/one.txt", "/two.txt", "/three.txt", "/manifest.json"]
    assert [path for path, *_ in bucket.received] == ["/manifest.json"]


def test_a_signature_stays_at_the_end_of_the_address_and_is_told_to_nobody(chain: Chain) -> None:
    bucket = Bucket(status=403)
    with serve(bucket) as address:
        store = store_at(f"{address}/box?sig=secret")
        with pytest.raises(PublishingFailed, match="refused one.txt: 403") as failure:
            publish(chain.run(), chain.folder, store, chain.events.append)
    assert bucket.received[0][0] == "/box/one.txt?sig=secret"
    told = str(failure.value) + json.dumps(chain.events) + (chain.folder / "manifest.json").read_text()
    assert "secret" not in told


def test_a_name_and_a_password_in_the_address_are_given_and_told_to_nobody(chain: Chain) -> None:
    bucket = Bucket()
    with serve(bucket) as address:
        store = store_at(address.replace("http://", "http://me:s%3Acret@"))
        publish(chain.run(), chain.folder, store, chain.events.append)
    assert {credentials for *_, credentials in bucket.received} == {"Basic " + b64encode(b"me:s:cret").decode()}
    assert store.address == address
    assert "cret" not in json.dumps(chain.events) + (chain.folder / "manifest.json").read_text()


@pytest.mark.parametrize("place", ["http://[here", "http:///7", "http://me:secret@here:port/7"])
def test_an_address_that_is_none_is_one_sentence(place: str) -> None:
    with pytest.raises(PublishingFailed, match="no address to put files at") as failure:
        store_at(place)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("status", [307, 404, 500])
def test_an_answer_that_is_no_success_is_one_sentence(chain: Chain, status: int) -> None:
    bucket = Bucket(status)
    with serve(bucket) as address, pytest.raises(PublishingFailed, match=f"refused one.txt: {status}"):
        publish(chain.run(), chain.folder, HttpStore(address), chain.events.append)
    assert len(bucket.received) == 1


def test_nobody_at_the_address_is_one_sentence(chain: Chain) -> None:
    with refusing() as address, pytest.raises(PublishingFailed, match="one.txt cannot be put to .*refused"):
        publish(chain.run(), chain.folder, HttpStore(address), chain.events.append)


def test_a_folder_gets_a_copy_of_everything(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("store") / "deeper"
    publish(chain.run(), chain.folder, store_at(str(target)), chain.events.append)
    names = {"one.txt", "two.txt", "three.txt", "manifest.json"}
    assert {path.name for path in target.iterdir()} == names
    assert all((target / name).read_bytes() == (chain.folder / name).read_bytes() for name in names)


def test_a_folder_that_cannot_be_made_is_one_sentence(chain: Chain) -> None:
    with pytest.raises(PublishingFailed, match="one.txt cannot be put into"):
        publish(chain.run(), chain.folder, FolderStore(chain.folder / "in.txt" / "below"), chain.events.append)


# ---------------------------------------------------------------- COLMAP


def colmap_model(folder: Path, names: Sequence[str], model: int = 1) -> tuple[Path, Path]:
    """cameras.bin and images.bin: one camera of 640x480, picture i is i to the right of the first, turned about y."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {0: (500.0, 320.0, 240.0), 1: (500.0, 510.0, 320.0, 240.0), 5: (500.0,) * 8}[model]
    cameras = struct.pack("<Q iiQQ", 1, 7, model, 640, 480) + struct.pack(f"<{len(parameters)}d", *parameters)
    images = struct.pack("<Q", len(names))
    for i, name in enumerate(names):
        w, y = np.cos(0.1 * i), np.sin(0.1 * i)  # a turn of 0.2 i about y
        images += struct.pack("<i7di", i + 1, 2 * w, 0, 2 * y, 0, -i, 0, 0, 7) + name.encode() + b"\0"
        images += struct.pack("<Q", 2) + struct.pack("<ddq", 1.0, 2.0, -1) * 2
    (folder / "cameras.bin").write_bytes(cameras)
    (folder / "images.bin").write_bytes(images)
    return folder / "cameras.bin", folder / "images.bin"


def test_colmaps_cameras_are_found_by_the_names_of_their_pictures(tmp_path: Path) -> None:
    written = colmap_model(tmp_path / "sparse" / "0", ["left/a.jpg", "b.jpg", "ü.png"])
    assert find_model(tmp_path) == written
    files = [tmp_path / "images" / name for name in ("b.jpg", "ü.png", "other.jpg")]
    views = read_views(find_model(tmp_path), files)
    assert list(views) == files[:2]
    view = views[files[0]]
    assert view.intrinsics.tolist() == [[500, 0, 320], [0, 510, 240], [0, 0, 1]]
    assert view.intrinsics_of((240, 320)).tolist() == [[250, 0, 160], [0, 255, 120], [0, 0, 1]]
    turn = [[np.cos(0.2), 0, np.sin(0.2)], [0, 1, 0], [-np.sin(0.2), 0, np.cos(0.2)]]
    assert np.allclose(view.camera_from_world[:3, :3], turn)
    assert view.camera_from_world[:3, 3].tolist() == [-1, 0, 0]


def test_a_camera_with_one_focal_length_has_it_in_both_directions(tmp_path: Path) -> None:
    colmap_model(tmp_path, ["a.jpg"], model=0)
    (view,) = read_views(find_model(tmp_path), [tmp_path / "a.jpg"]).values()
    assert view.intrinsics.tolist() == [[500, 0, 320], [0, 500, 240], [0, 0, 1]]


def test_where_colmap_was_not_run_there_are_no_views(tmp_path: Path) -> None:
    assert find_model(tmp_path) == ()
    assert read_views((), [tmp_path / "a.jpg"]) == {}


def test_a_fisheye_is_refused(tmp_path: Path) -> None:
    model = colmap_model(tmp_path, ["a.jpg"], model=5)
    with pytest.raises(FootageUnusable, match="undistort the pictures first"):
        read_views(model, [])


@pytest.mark.parametrize(
    ("file", "at", "data"),
    [
        (0, 16, struct.pack("<Q", 0)),  # a camera without width
        (1, 12, bytes(32)),  # a quaternion of no length
        (1, 78, struct.pack("<Q", 2**63)),  # points, without end
    ],
)
def test_a_model_that_makes_no_sense_is_one_sentence(tmp_path: Path, file: int, at: int, data: bytes) -> None:
    model = colmap_model(tmp_path, ["a.jpg", "b.jpg"])
    content = bytearray(model[file].read_bytes())
    content[at : at + len(data)] = data
    model[file].write_bytes(content)
    with pytest.raises(FootageUnusable, match="COLMAP's model in .* cannot be read"):
        read_views(model, [])


@pytest.mark.parametrize("file", [0, 1])
@pytest.mark.parametrize("length", [0, 9, 60])
def test_a_model_that_is_cut_off_is_one_sentence(tmp_path: Path, file: int, length: int) -> None:
    model = colmap_model(tmp_path, ["a.jpg"])
    model[file].write_bytes(model[file].read_bytes()[:length])
    with pytest.raises(FootageUnusable, match="COLMAP's model in .* cannot be read"):
        read_views(model, [])
