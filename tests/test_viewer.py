"""The orbit viewer: as a library, and over HTTP as a stranger meets it."""

from __future__ import annotations

import http.client
import io
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
import pytest
from fastapi import FastAPI

from splatcam.rendering import Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.orbit_query import BadQuery
from splatcam.rendering.picture_job import NothingToShow
from splatcam.rendering.wanted import check_wanted
from splatcam.routes.render_turns import DrawnInTurns
from splatcam.routes.viewer import viewer_router
from splatcam.routes.viewer_app import CannotListen, listen, viewer_app, viewer_server
from splatcam.settings import web_folder
from splatcam.viewer.viewer import Viewer

PATIENCE_S = 60
SMALL = "w=64&h=48"
CAMERA = Camera.pinhole(64, 48, 60.0)


def plain(color: tuple[int, int, int]) -> Callable[[Camera], np.ndarray[Any, Any]]:
    return lambda camera: np.full((camera.height, camera.width, 3), color, np.uint8)


def wall(camera: Camera, depth: float = 3.0) -> Image:
    shape = (camera.height, camera.width)
    return Image(np.full((*shape, 3), 0.5, np.float32), np.full(shape, depth, np.float32), np.ones(shape, np.float32))


def decoded(jpeg: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(PIL.Image.open(io.BytesIO(jpeg)))


def color_of(jpeg: bytes) -> list[int]:
    return decoded(jpeg).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()


# ---------------------------------------------------------------- as a library


def test_any_function_of_a_camera_can_be_viewed_with_modes_of_its_own() -> None:
    viewer = Viewer(
        plain((200, 10, 10)), {"gaussians": 7}, {"heat": plain((10, 10, 200))}, initial_radius=2.5, fov=45.0
    )
    info = viewer.get_info()
    assert (info["display_modes"], info["radius"], info["target"]) == (["rgb", "heat"], 2.5, [0.0, 0.0, 0.0])
    assert (info["gaussians"], info["fov"], info["live"], info["up"]) == (7, 45.0, False, 1)
    assert color_of(viewer.render_jpeg(CAMERA)) == pytest.approx([200, 10, 10], abs=3)
    assert color_of(viewer.render_jpeg(CAMERA, mode="heat")) == pytest.approx([10, 10, 200], abs=3)
    assert decoded(viewer.render_jpeg(CAMERA)).shape == (48, 64, 3)


def test_an_image_is_shaded_in_its_modes_way_and_an_unknown_one_as_it_is() -> None:
    viewer = Viewer(wall, render_modes=dict.fromkeys(("normal", "mine"), wall))
    assert color_of(viewer.render_jpeg(CAMERA, mode="normal")) == pytest.approx([128, 128, 255], abs=3)
    assert color_of(viewer.render_jpeg(CAMERA, mode="mine")) == pytest.approx([128, 128, 128], abs=1)


def test_a_better_quality_is_a_larger_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    viewer = Viewer(lambda camera: noise)
    assert len(viewer.render_jpeg(CAMERA, quality=90)) > 1.5 * len(viewer.render_jpeg(CAMERA, quality=30))


def test_a_mode_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadQuery, match="mode='depth' is none of rgb"):
        Viewer(plain((0, 0, 0))).render_jpeg(CAMERA, mode="depth")


@pytest.mark.parametrize("wrong", [None, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_picture_is_named(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"a render function gave .*neither an Image nor \[H, W, 3\] uint8"):
        Viewer(lambda camera: wrong).render_jpeg(CAMERA)


def test_facts_that_are_handed_out_are_a_copy() -> None:
    viewer = Viewer(wall)
    viewer.get_info()["radius"] = 99
    viewer.update_info(step=5)
    assert (viewer.get_info()["radius"], viewer.get_info()["step"]) == (4.0, 5)


def test_each_update_is_another_edition_and_another_viewer_too() -> None:
    viewer, other = Viewer(wall), Viewer(wall)
    begun = viewer.edition
    viewer.update_info(step=1)
    assert len({begun, viewer.edition, other.edition}) == 3


def test_each_client_keeps_a_depth_range_of_its_own_and_the_longest_silent_is_forgotten() -> None:
    nearest = 2.0

    def steps(camera: Camera) -> Image:
        image = wall(camera, nearest)
        image.depth[:, camera.width // 2 :] = 5.0
        return image

    viewer = Viewer(steps, render_modes={"depth": steps})
    viewer.render_jpeg(CAMERA, mode="depth", client="early")
    nearest = 2.5
    seen_late = viewer.render_jpeg(CAMERA, mode="depth", client="late")
    assert viewer.render_jpeg(CAMERA, mode="depth", client="early") != seen_late  # its range is the one it began with
    for other in range(64):
        viewer.render_jpeg(CAMERA, mode="depth", client=str(other))
    assert viewer.render_jpeg(CAMERA, mode="depth", client="early") == seen_late


def test_the_function_is_never_called_twice_at_a_time() -> None:
    inside = threading.Lock()

    def draw(camera: Camera) -> Image:
        assert inside.acquire(blocking=False)
        try:
            return wall(camera)
        finally:
            inside.release()

    viewer, failures = Viewer(draw), list[BaseException]()

    def draw_many() -> None:
        try:
            for _ in range(50):
                viewer.render_jpeg(CAMERA)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=draw_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ---------------------------------------------------------------- over HTTP


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Client:
    port: int
    closed: list[http.client.HTTPConnection] = field(default_factory=list)

    def connect(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request(method, path, headers=headers or {})
        return connection

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        with closing(self.connect(path, headers, method)) as connection:
            return answer_of(connection)


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def serving(viewer: Viewer) -> AbstractContextManager[Client]:
    return serving_app(viewer_app(viewer))


@contextmanager
def serving_app(app: FastAPI) -> Iterator[Client]:
    shown: queue.Queue[str] = queue.Queue()
    with listen("127.0.0.1", 0) as listening:
        server = viewer_server(app, listening, shown.put)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            address = shown.get(timeout=PATIENCE_S)
            assert address == f"http://localhost:{listening.getsockname()[1]}"
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def viewer() -> Viewer:
    return Viewer(wall, {"gaussians": 3}, dict.fromkeys(("depth", "mesh"), wall))


@pytest.fixture(scope="module")
def client(viewer: Viewer) -> Iterator[Client]:
    with serving(viewer) as client:
        yield client


def test_the_page_its_files_and_the_facts_are_there(client: Client) -> None:
    page = client.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "splatcam viewer" in page.text and "script-src 'self'" in page.headers["content-security-policy"]
    for name in sorted(file.name for file in (web_folder() / "viewer").iterdir() if file.name != "index.html"):
        kind = client.get(f"/{name}").headers["content-type"].split(";")[0]
        assert kind == ("text/css" if name.endswith(".css") else "text/javascript"), name
    info = client.get("/info")
    assert (info.headers["content-type"], info.headers["cache-control"]) == ("application/json", "no-store")
    assert json.loads(info.body)["display_modes"] == ["rgb", "depth", "mesh"]


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = (web_folder() / "viewer" / "index.html").read_text()
    assert page.count("<script") == 1 and '<script type="module" src="./app.js"></script>' in page
    assert "<style" not in page and "style=" not in page and "http" not in page


@pytest.mark.parametrize("mode", ["rgb", "depth", "mesh"])
def test_a_picture_is_a_jpeg_of_the_size_that_was_asked(client: Client, mode: str) -> None:
    answer = client.get(f"/render?theta=1&phi=0.2&{SMALL}&mode={mode}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert decoded(answer.body).shape == (48, 64, 3)


@pytest.mark.parametrize(
    "path", ["/nothing", "/index.html", "/../pyproject.toml", "/%2e%2e%2fapp.js", "/a/b", "/.hidden"]
)
def test_anything_else_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status == 404


@pytest.mark.parametrize("query", ["q=abc", "w=nan", "theta=inf", "mode=heat", "w=100000&h=100000", "q=500", "q=-3"])
def test_a_bad_value_is_422_with_a_sentence_that_names_it(client: Client, query: str) -> None:
    answer = client.get(f"/render?{query}")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (422, "text/plain")
    assert answer.text.startswith(query.split("=")[0] + "=")


def test_a_known_picture_is_not_drawn_again_until_something_changed(client: Client, viewer: Viewer) -> None:
    first = client.get(f"/render?{SMALL}")
    known = {"If-None-Match": first.headers["etag"]}
    again = client.get(f"/render?{SMALL}", known)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get(f"/render?{SMALL}&client=other", known).status == 304
    assert client.get(f"/render?{SMALL}&theta=0.1", known).status == 200
    viewer.update_info(revision=1)
    changed = client.get(f"/render?{SMALL}", known)
    assert changed.status == 200 and changed.headers["etag"] != first.headers["etag"]


def test_a_head_request_has_the_headers_only(client: Client) -> None:
    answer = client.get(f"/render?{SMALL}", method="HEAD")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/jpeg", b"")


def test_what_the_function_raised_is_told_and_the_next_picture_is_drawn() -> None:
    broken = [True]

    def draw(camera: Camera) -> Image:
        if broken:
            broken.pop()
            raise RuntimeError("the brush broke")
        return wall(camera)

    with serving(Viewer(draw)) as client:
        answer = client.get(f"/render?{SMALL}")
        assert (answer.status, answer.text) == (500, "The picture could not be drawn: the brush broke")
        assert client.get(f"/render?{SMALL}").status == 200


def test_the_viewer_can_stand_under_a_prefix_of_another_service() -> None:
    app = FastAPI()
    app.include_router(viewer_router(DrawnInTurns(Viewer(wall))), prefix="/look")
    with serving_app(app) as client:
        statuses = [client.get(f"/look/{name}").status for name in ("", "info", f"render?{SMALL}", "app.js")]
        assert (statuses, client.get("/info").status) == ([200] * 4, 404)


def test_while_there_is_nothing_to_show_the_answer_is_503_and_says_why() -> None:
    def draw(camera: Camera) -> Image:
        raise NothingToShow("No camera is streaming.")

    with serving(Viewer(draw)) as client:
        answer = client.get(f"/render?{SMALL}")
        assert (answer.status, answer.text) == (503, "No camera is streaming.")


class Held:
    """Tells which side a drawing is of when it begins, and draws until it may end or nobody wants it."""

    def __init__(self) -> None:
        self.begun: queue.Queue[float] = queue.Queue()
        self.may_end = threading.Event()

    def __call__(self, camera: Camera) -> Image:
        self.begun.put(round(float(camera.position[0]), 3))
        while not self.may_end.wait(0.01):
            check_wanted()
        return wall(camera)


def test_the_newest_request_of_a_client_wins_and_the_older_is_told_409() -> None:
    held = Held()
    with serving(Viewer(held)) as client:
        old = client.connect(f"/render?{SMALL}&theta=1&client=me")
        assert held.begun.get(timeout=PATIENCE_S) > 0
        new = client.connect(f"/render?{SMALL}&theta=-1&client=me")
        assert held.begun.get(timeout=PATIENCE_S) < 0
        held.may_end.set()
        with closing(old), closing(new):
            assert answer_of(old).status == 409
            assert answer_of(new).status == 200


def test_who_hangs_up_stops_the_drawing() -> None:
    held = Held()
    with serving(Viewer(held)) as client:
        gone = client.connect(f"/render?{SMALL}&theta=1")
        assert held.begun.get(timeout=PATIENCE_S) > 0
        gone.close()
        other = client.connect(f"/render?{SMALL}&theta=-1")
        assert held.begun.get(timeout=PATIENCE_S) < 0  # held up until the one before stopped
        held.may_end.set()
        with closing(other):
            assert answer_of(other).status == 200


def test_the_facts_are_told_while_a_picture_is_drawn() -> None:
    held = Held()
    with serving(Viewer(held)) as client:
        drawing = client.connect(f"/render?{SMALL}")
        held.begun.get(timeout=PATIENCE_S)
        assert client.get("/info").status == 200
        held.may_end.set()
        with closing(drawing):
            assert answer_of(drawing).status == 200


def test_too_many_who_wait_are_told_503() -> None:
    held = Held()
    with serving(Viewer(held)) as client:
        waiting = [client.connect(f"/render?{SMALL}")]
        held.begun.get(timeout=PATIENCE_S)
        waiting += [client.connect(f"/render?{SMALL}") for _ in range(40)]
        statuses: queue.Queue[int] = queue.Queue()
        threads = [
            threading.Thread(target=lambda one=one: statuses.put(answer_of(one).status))  # type: ignore[misc]
            for one in waiting
        ]
        for thread in threads:
            thread.start()
        refused = [statuses.get(timeout=PATIENCE_S) for _ in range(8)]  # at once, all others wait
        held.may_end.set()
        answered = [statuses.get(timeout=PATIENCE_S) for _ in range(33)]
        for thread, one in zip(threads, waiting, strict=True):
            thread.join()
            one.close()
    assert (set(refused), set(answered)) == ({503}, {200})


def test_a_port_that_somebody_has_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1 port {port}: .*Try another with"):
            Viewer(wall).serve(port=port, open_browser=False)
    with pytest.raises(CannotListen, match="cannot listen on no.such.host.invalid"):
        listen("no.such.host.invalid", 0)
