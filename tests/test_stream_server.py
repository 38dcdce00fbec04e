"""The service as a stranger meets it: a process, a port, a websocket."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets

import stream_server
from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.codecs import compact
from splatcam.wire import ErrorCode
from tests.pictures import jpeg

SMALL_GRID = ("--process-res", "70")
LIMIT_BYTES = 100_000
STREAM_SERVER = str(Path(stream_server.__file__))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(
        "--model", "builtin", *SMALL_GRID, "--max-message-bytes", str(LIMIT_BYTES), "--summary-every-s", "0.2"
    ) as started:
        started.wait_for_model("builtin")
        yield started


def fetch(url: str) -> tuple[int, str, bytes]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.status, response.headers["content-type"], response.read()


class Socket:
    """A client over a real websocket."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, (bytes, str)) else wire.encode(message))

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while True:
                message = wire.decode_server_message(await self.connection.recv())
                if message["type"] == kind:
                    return message


def connect(service: Service) -> Any:
    return websockets.connect(service.ws_url, max_size=None)


def test_the_log_tells_model_reason_licence_and_address(service: Service) -> None:
    service.wait_for(r"builtin was asked for")
    line = service.wait_for(r"model builtin on cpu.*licence of the weights: Apache-2.0")
    assert "demonstration" in line.group(0)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", service.url)


@pytest.mark.parametrize("path", ["/", "/viewer-gaussian.html", "/viewer.html"])
def test_the_page_is_there_under_its_three_names(service: Service, path: str) -> None:
    status, kind, body = fetch(service.url + path)
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"importmap" in body


def test_the_pages_modules_and_packages_are_served_as_javascript(service: Service) -> None:
    for path in ("/app.js", "/wire.js", "/node_modules/three/build/three.module.min.js"):
        status, kind, body = fetch(service.url + path)
        assert (status, kind.split(";")[0]) == (200, "text/javascript") and body, path


@pytest.mark.parametrize(
    "path",
    [
        "/node_modules/.package-lock.json",
        "/node_modules/fflate/package.json",
        "/node_modules/three/../../package-lock.json",
        "/node_modules/three/%00",
        "/node_modules/three/" + "x" * 300,
        "//node_modules/.package-lock.json",
        "/./node_modules/fflate/package.json",
        "/x/../node_modules/fflate/package.json",
        "/%2e%2e/stream_server.py",
        "/.npmrc",
        "/package-lock.json",
    ],
)
def test_nothing_else_of_the_checkout_is_served(service: Service, path: str) -> None:
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    with closing(connection):
        connection.request("GET", path)  # as it stands: urllib would tidy it up
        assert connection.getresponse().status == 404


async def test_the_page_of_another_site_may_not_open_the_socket(service: Service) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(service.ws_url, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    async with websockets.connect(service.ws_url, origin=service.url):
        pass


async def test_the_page_of_a_site_that_was_named_may(service: Service) -> None:
    with running("--model", "synthetic", "--allowed-origins", "https://a.example, https://b.example") as open_to_two:
        async with websockets.connect(open_to_two.ws_url, origin="https://b.example"):
            pass


async def test_a_bare_jpeg_is_answered_by_points(service: Service) -> None:
    async with connect(service) as connection:
        client = Socket(connection)
        await client.send(jpeg())
        result = await client.until("pointcloud")
        assert result["num_points"] * 12 == len(result["points"]) > 0
        assert result["num_points"] * 3 == len(result["colors"])


async def test_hello_and_a_frame_are_answered_by_splats(service: Service) -> None:
    async with connect(service) as connection:
        client = Socket(connection)
        await client.send(wire.Hello(protocol=1, formats=["splats16"]))
        assert (await client.until("welcome"))["model"]["demonstration"]
        await client.send(wire.FrameMessage(frame_id=5, captured_at_ms=1.5, jpeg=jpeg()))
        result = await client.until("splats16")
        assert (result["frame_id"], result["captured_at_ms"], result["grid"]) == (5, 1.5, [56, 70])
        assert 0 < result["num_splats"] <= 70 * 56
        assert len(result["data"]) % (2048 * 16) == 0
        assert list(result["timings_ms"]) == [
            "wait",
            "decode",
            "estimate",
            "steady",
            "splats",
            "prune",
            "encode",
            "engine",
            "total",
        ]


async def test_who_took_the_picture_gets_compact_without_it_and_who_watches_gets_the_cameras_own_jpeg(
    service: Service,
) -> None:
    async with connect(service) as first, connect(service) as second:
        camera, viewer = Socket(first), Socket(second)
        await camera.send(wire.Hello(protocol=1, formats=["compact", "splats16"]))
        session_id = (await camera.until("welcome"))["session_id"]
        await camera.send(wire.FrameMessage(frame_id=0, captured_at_ms=0.0, jpeg=jpeg()))
        await camera.until("compact")
        await viewer.send(wire.Hello(protocol=1, formats=["compact", "splats16"], watch=session_id))
        assert (await viewer.until("welcome"))["format"] == "compact"
        await camera.send(wire.FrameMessage(frame_id=1, captured_at_ms=0.0, jpeg=jpeg(seed=1)))
        own, sent = await camera.until("compact"), await viewer.until("compact")
        assert own["frame_id"] == sent["frame_id"] == 1
        assert "color" not in own and sent["color"] == jpeg(seed=1)
        assert own == {name: value for name, value in sent.items() if name != "color"}
        rows, columns = own["window"][2:]
        splats = compact.decode(own, np.zeros((rows, columns, 3), np.uint8)).validate()
        assert splats.count == own["num_splats"] == rows * columns > 0


@pytest.mark.parametrize("output", ["pixel", "points"])
@pytest.mark.parametrize("name", ["compact", "splats16", "gaussian_ply", "pointcloud"])
async def test_every_output_comes_in_every_format_that_can_carry_it(service: Service, output: str, name: str) -> None:
    carries = (output == "points") == (name == "pointcloud")
    async with connect(service) as connection:
        client = Socket(connection)
        await client.send(wire.Hello(protocol=1, formats=[name]))
        await client.send(wire.SettingsMessage(output=output, stride=2))
        await client.send(wire.FrameMessage(frame_id=0, captured_at_ms=0.0, jpeg=jpeg()))
        if carries:
            result = await client.until(name)
            assert 0 < result.get("num_splats", result.get("num_points")) <= 35 * 28
        else:
            assert (await client.until("error"))["code"] == ErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("text", ErrorCode.TEXT_MESSAGE),
        (b"no jpeg", ErrorCode.BAD_MESSAGE),
        (jpeg()[:200], ErrorCode.BAD_JPEG),
        (wire.JPEG_MAGIC + bytes(LIMIT_BYTES), ErrorCode.MESSAGE_TOO_LARGE),
        (b"\x81\xa4type\xa6launch", ErrorCode.UNKNOWN_TYPE),
        (b"\x82\xa4type\xa3ack\xa8frame_id\xa3one", ErrorCode.BAD_FIELD),
    ],
    ids=lambda value: value if isinstance(value, ErrorCode) else "",
)
async def test_bad_input_is_named_and_the_next_good_frame_is_answered(
    service: Service, bad: bytes | str, code: ErrorCode
) -> None:
    async with connect(service) as connection:
        client = Socket(connection)
        await client.send(bad)
        assert (await client.until("error"))["code"] == code
        await client.send(jpeg())
        await client.until("pointcloud")


async def test_the_frame_size_may_change_in_the_middle_of_a_session(service: Service) -> None:
    async with connect(service) as connection:
        client = Socket(connection)
        grids = []
        for width, height in ((96, 72), (72, 96), (160, 90), (96, 72)):
            await client.send(jpeg(width, height))
            grids.append((await client.until("pointcloud"))["grid"])
        assert grids == [[56, 70], [70, 56], [42, 70], [56, 70]]


async def test_the_socket_compresses_nothing(service: Service) -> None:
    async with websockets.connect(service.ws_url, compression="deflate") as connection:
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_every_few_seconds_the_log_has_a_summary(service: Service) -> None:
    async with connect(service) as connection:
        client = Socket(connection)
        await client.send(jpeg())
        await client.until("pointcloud")
    line = service.wait_for(r"points/pointcloud \| in .* fps \| out").group(0)
    assert line


async def test_a_full_server_says_so_before_it_accepts_and_to_pages_by_its_readiness() -> None:
    with running("--model", "synthetic", *SMALL_GRID, "--max-sessions", "1") as service:
        service.wait_for_model("synthetic")
        async with connect(service):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(service)
            response = refused.value.response
            assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
            assert response.body == b"Every place is taken. Try again later."
            with pytest.raises(urllib.error.HTTPError) as unready:
                fetch(service.url + "/readyz")
            assert (unready.value.code, unready.value.headers["Retry-After"]) == (503, "5")
            assert json.load(unready.value)["reason"] == "full"
            unready.value.close()
            assert fetch(service.url + "/ping")[0] == 200, "a full server is no broken one"
        assert not [line for line in service.lines if "handshake" in line], "every refusal is an error in the log"


# ---------------------------------------------------------------- what cannot start


def refused(*flags: str) -> str:
    """Runs the command; it must end by itself with a failure and one sentence."""
    done = subprocess.run([sys.executable, STREAM_SERVER, *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("splatcam: ")]
    assert len(sentences) == 1, done.stderr
    return sentences[0]


def test_an_unknown_model_ends_the_start_with_one_sentence() -> None:
    assert "colossal" in refused("--model", "colossal", "--port", "0")


def test_an_empty_folder_as_model_ends_the_start_with_one_sentence(tmp_path: Any) -> None:
    assert "config.json" in refused("--model", str(tmp_path), "--port", "0")


def test_a_model_whose_licence_was_not_accepted_ends_the_start_with_one_sentence() -> None:
    assert "--accept-nc-license" in refused("--model", "giant", "--port", "0", "--offline")


def test_a_busy_port_ends_the_start_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert stream_server.main(["--port", str(taken.getsockname()[1])]) == 1
    told = capsys.readouterr().err
    assert "cannot listen" in told and told.endswith("Try another with --port.\n")


@pytest.mark.parametrize("host", ["a..b", "203.0.113.1"])  # no name; an address of no machine
def test_a_host_that_is_not_ours_ends_the_start_with_one_sentence(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream_server.main(["--host", host, "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert "cannot listen" in told and told.endswith("Try another with --host.\n")


def test_a_setting_out_of_range_ends_the_start_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert stream_server.main(["--max-sessions", "0"]) == 1
    assert "--max-sessions" in capsys.readouterr().err
