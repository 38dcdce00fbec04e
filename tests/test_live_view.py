"""The live camera as pictures, as a browser and a program meet it: a process, a port, a websocket."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import simplejpeg
import websockets

from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.live.live_pictures import NO_CAMERA
from tests.pictures import jpeg

FLAGS = ("--model", "builtin", "--process-res", "70")
NO_LIMIT = ("--max-messages-per-s", "1000000")  # on a slow machine ten thousand messages would be too much for too long
WITHIN_S = 120  # the first picture waits for the rasterizer's compiler


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(*FLAGS, *NO_LIMIT) as started:
        started.wait_for_model("builtin")
        yield started


def get(service: Service, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """As it stands: no redirect is followed."""
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=WITHIN_S)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


class Looker:
    """A program that looks at pictures over a real websocket."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self, kind: str) -> Any:
        """The next picture (bytes) or message of that type."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                data = await self.connection.recv()
                message = data if isinstance(data, bytes) else json.loads(data)
                if kind == ("picture" if isinstance(data, bytes) else message["type"]):
                    return message


@asynccontextmanager
async def looking(service: Service) -> AsyncIterator[Looker]:
    async with websockets.connect(service.url.replace("http", "ws") + "/viewer/ws", max_size=None) as connection:
        yield Looker(connection)


@asynccontextmanager
async def filming(service: Service) -> AsyncIterator[None]:
    """A camera that sends one frame after the other."""
    async with websockets.connect(service.ws_url, max_size=None) as connection:
        filming = asyncio.create_task(_film(connection))
        try:
            yield
        finally:
            filming.cancel()


async def _film(connection: websockets.ClientConnection) -> None:
    while True:
        await connection.send(jpeg())
        while wire.decode_server_message(await connection.recv())["type"] != "pointcloud":
            pass


@pytest.mark.parametrize("path", ["/view", "/view/", "/viewer"])
def test_every_short_address_leads_to_the_page_relative_to_itself(service: Service, path: str) -> None:
    status, headers, _ = get(service, path)
    assert (status, headers["location"]) == (307, "../viewer/" if path.endswith("/") else "./viewer/")


def test_the_page_comes_with_a_policy_and_its_modules_beside_it(service: Service) -> None:
    status, headers, body = get(service, "/viewer/")
    assert status == 200 and b"splatcam viewer" in body
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'") and "ws://127.0.0.1" in policy
    for name in ("app.js", "picture_stream.js", "viewer.css"):
        assert get(service, f"/viewer/{name}")[0] == 200, name


def test_without_a_camera_the_facts_and_the_refusal_say_so_in_a_sentence(service: Service) -> None:
    info = json.loads(get(service, "/info")[2])
    assert info == json.loads(get(service, "/viewer/info")[2])
    assert (info["status"], info["socket"], info["revision"]) == (NO_CAMERA, "./ws", "none")
    assert info["service"]["model"]["name"] == "builtin" and info["service"]["cameras"] == 0
    for path in ("/render", "/viewer/render"):
        status, _, body = get(service, path)
        assert (status, body.decode()) == (503, NO_CAMERA)


@pytest.mark.parametrize("query", ["w=wide", "w=99999&h=99999", "radius=nan", "fov=0", "q=101", "mode=song"])
def test_a_number_that_cannot_be_is_refused_by_its_name(service: Service, query: str) -> None:
    status, _, body = get(service, f"/render?{query}")
    assert status == 422 and body.decode().startswith(query.partition("=")[0])


async def test_where_the_camera_stands_the_picture_is_the_frame_the_right_way_round(service: Service) -> None:
    async with filming(service), looking(service) as looker:
        await looker.say(type="look", w=64, h=48)
        await looker.hear("picture")  # from here on there is a scene
        info = json.loads((await asyncio.to_thread(get, service, "/info"))[2])
        (tx, ty, tz), names = info["target"], ("theta", "phi", "radius", "up")
        query = urlencode({name: info[name] for name in names} | {"tx": tx, "ty": ty, "tz": tz, "w": 64, "h": 48})
        status, headers, body = await asyncio.to_thread(get, service, f"/render?{query}")
    assert (status, headers["content-type"], info["status"]) == (200, "image/jpeg", "live")
    picture = simplejpeg.decode_jpeg(body).astype(np.float32)
    assert picture.shape == (48, 64, 3)
    red, green = picture[12:36, 16:48, 0], picture[12:36, 16:48, 1]
    assert red[:, 16:].mean() > red[:, :16].mean() + 20  # the frame's red rises to the right, its green downwards
    assert green[12:].mean() > green[:12].mean() + 20


async def test_new_frames_bring_pictures_over_the_socket_as_large_as_they_were_wished(service: Service) -> None:
    async with filming(service), looking(service) as looker:
        await looker.say(type="look", id=1, w=48, h=32)
        for _ in range(4):
            assert (await looker.hear("drawn"))["id"] == "1"
            assert simplejpeg.decode_jpeg(await looker.hear("picture")).shape == (32, 48, 3)
            await looker.say(type="seen")


async def test_who_looks_is_told_when_the_camera_comes_and_when_it_goes(service: Service) -> None:
    async with looking(service) as looker:
        while (await looker.hear("info"))["status"] != NO_CAMERA:
            pass  # the one of the test before may still be on its way out
        async with filming(service):
            while (await looker.hear("info"))["status"] != "live":
                pass
        while (await looker.hear("info"))["status"] != NO_CAMERA:
            pass


async def test_ten_thousand_messages_of_nonsense_end_nothing_and_disturb_nobody(service: Service) -> None:
    nonsense = [
        "no JSON",
        "[1]",
        "{}",
        '{"type": "jump"}',
        '{"type": "look", "w": "1e999"}',
        b"\xff\x00",
        '{"type": "seen"}',
    ]
    async with filming(service), looking(service) as hostile, looking(service) as looker:
        await looker.say(type="look", w=32, h=32)
        for i in range(10_000):
            await hostile.connection.send(nonsense[i % len(nonsense)])
        assert len((await hostile.hear("error"))["message"]) > 10
        for who in (looker, hostile):
            await who.say(type="look", w=32, h=32)
            assert await who.hear("picture")
    assert (await asyncio.to_thread(get, service, "/healthz"))[0] == 200


async def test_the_page_of_another_site_may_not_look(service: Service) -> None:
    url = service.url.replace("http", "ws") + "/viewer/ws"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    async with websockets.connect(url, origin=service.url):
        pass


async def test_where_a_token_is_asked_for_nobody_looks_without_it_and_a_full_house_is_called_full() -> None:
    with running(*FLAGS, "--max-sessions", "1", "--token", "correct-horse-battery") as service:
        assert get(service, "/viewer/")[0] == get(service, "/render")[0] == get(service, "/info")[0] == 401
        url = service.url.replace("http", "ws") + "/viewer/ws"
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(url)
        bearer = {"Authorization": "Bearer correct-horse-battery"}
        async with websockets.connect(url, additional_headers=bearer) as first:
            await Looker(first).hear("info")
            with pytest.raises(websockets.InvalidStatus) as full:
                await websockets.connect(url, additional_headers=bearer)
            assert full.value.response.status_code == 503


async def test_who_asks_for_the_sockets_address_over_http_hears_why_there_is_no_place() -> None:
    with running(*FLAGS, "--max-sessions", "1") as full:
        assert get(full, "/viewer/ws")[0] == 426
        async with looking(full):
            status, _, body = get(full, "/viewer/ws")
    assert (status, json.loads(body)["reason"]) == (503, "full")
