"""The service with its doors closed, as strangers and friends meet it: real sockets, a real certificate."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import websockets

import stream_server
from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.settings import Settings
from tests.pictures import jpeg

TOKEN = "correct-horse-battery"
SYNTHETIC = ("--model", "synthetic", "--process-res", "70")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Service]:
    with running(*SYNTHETIC, "--token", TOKEN, "--log-level", "debug") as started:
        started.wait_for_model("synthetic")
        yield started


def get(service: Service, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=30)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


async def points_over(connection: websockets.ClientConnection) -> int:
    """Sends a picture; returns how many points came back."""
    await connection.send(jpeg())
    while (message := wire.decode_server_message(await connection.recv()))["type"] != "pointcloud":
        pass
    return message["num_points"]


def test_the_printed_link_leads_to_the_page_by_a_cookie(guarded: Service) -> None:
    assert guarded.token == TOKEN
    status, headers, _ = get(guarded, f"/?token={guarded.token}&format=splats16")
    assert (status, headers["location"]) == (303, "./?format=splats16")
    cookie = headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"splatcam-{guarded.url.rpartition(':')[2]}=")
    for path in ("/", "/app.js", "/node_modules/three/build/three.module.min.js"):
        assert get(guarded, path, Cookie=cookie)[0] == 200


@pytest.mark.parametrize("path", ["/", "/app.js", "/node_modules/three/package.json", "/openapi.json", "/nothing"])
def test_without_the_token_every_path_answers_the_same(guarded: Service, path: str) -> None:
    status, headers, body = get(guarded, path)
    assert (status, headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert b"wants its token" in body
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_the_health_of_the_service_is_told_to_everybody(guarded: Service) -> None:
    for path in ("/healthz", "/readyz", "/ping"):
        status, _, body = get(guarded, path)
        told = json.loads(body)
        assert (status, told["state"], told["model"], told.get("reason")) == (200, "ready", "synthetic", None)


def test_pages_carry_their_policy(guarded: Service) -> None:
    for path in ("/", "/viewer.html", "/index.html"):
        _, headers, _ = get(guarded, path, Authorization=f"Bearer {TOKEN}")
        policy = headers["content-security-policy"]
        assert "'sha256-" in policy and "default-src 'none'" in policy
        assert headers["permissions-policy"].startswith("camera=(self)")
        assert headers["referrer-policy"] == "no-referrer"


async def test_a_websocket_without_the_token_is_refused_before_it_is_accepted(guarded: Service) -> None:
    for path, origin in (("", None), ("?token=wrong-wrong-wrong", None), (f"?token={TOKEN}", "https://a.example")):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(guarded.ws_url + path, origin=origin)
        assert refused.value.response.status_code == 403


async def test_a_program_shows_the_token_in_a_header_or_in_the_address(guarded: Service) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with websockets.connect(guarded.ws_url, max_size=None, additional_headers=bearer) as connection:
        assert await points_over(connection) > 0
    async with websockets.connect(f"{guarded.ws_url}?token={TOKEN}", max_size=None) as connection:
        assert await points_over(connection) > 0


def say(service: Service, request: bytes) -> bytes:
    """A request as it stands, and all of the answer."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


async def test_the_token_is_in_no_line_of_the_log_but_the_link(guarded: Service) -> None:
    get(guarded, f"/?token={TOKEN}")
    get(guarded, "/?token=another-token-that-is-wrong")
    get(guarded, f"/nothing?x=1&token={TOKEN}", Host="evil.example", Cookie=f"splatcam={TOKEN}")
    upgrade = "Host: a\r\nConnection: Upgrade\r\nUpgrade"
    for bad in (
        f"GET /?token={TOKEN} HTTP/9\r\n\r\n",
        f"GET /?token={TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        f"GET /ws?token={TOKEN} HTTP/1.1\r\n{upgrade}: websocket\r\n\r\n",
        f"GET /ws?token={TOKEN}x HTTP/1.1\r\n{upgrade}: h2c\r\n\r\n",
    ):
        assert say(guarded, bad.encode()).startswith(b"HTTP/1.1 4")
    async with websockets.connect(f"{guarded.ws_url}?token={TOKEN}", max_size=None) as connection:
        await connection.send(b"no jpeg")
        await connection.recv()
    told = [line for line in guarded.lines if TOKEN in line or "another-token" in line]
    assert told == [f"splatcam {stream_server.__version__}: open {guarded.url}/?token={TOKEN}".replace(
        "127.0.0.1", "localhost"
    )]  # fmt: skip


def test_at_the_quietest_log_level_the_link_is_still_printed() -> None:
    with running(*SYNTHETIC, "--token", TOKEN, "--log-level", "error") as quiet:
        assert [line for line in quiet.lines if "open http" in line]


# ---------------------------------------------------------------- by which name


@pytest.fixture(scope="module")
def unguarded() -> Iterator[Service]:
    with running(*SYNTHETIC) as started:
        started.wait_for_model("synthetic")
        yield started


@pytest.mark.parametrize("path", ["/", "/info", "/render", "/metrics", "/viewer/", "/app.js"])
def test_a_name_that_somebody_pointed_at_loopback_reads_one_sentence_and_no_picture(
    unguarded: Service, path: str
) -> None:
    status, headers, body = get(unguarded, path, Host="rebound.example")
    assert (status, body.count(b"<p>")) == (421, 1) and b"--allowed-hosts" in body
    assert headers["content-security-policy"].startswith("default-src 'none'")
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000"):
        assert get(unguarded, path, Host=host)[0] != 421


def test_probes_call_it_what_they_like(unguarded: Service) -> None:
    assert [get(unguarded, path, Host="10-1-2-3.pods")[0] for path in ("/healthz", "/readyz", "/ping")] == [200] * 3


@pytest.mark.parametrize(("host", "origin"), [("rebound.example", None), ("localhost", "https://evil.example")])
async def test_neither_a_rebound_name_nor_another_sites_page_opens_a_websocket(
    unguarded: Service, host: str, origin: str | None
) -> None:
    for path in ("/ws", "/viewer/ws"):
        url = unguarded.ws_url.replace("/ws", path).replace("127.0.0.1", host)
        address = unguarded.url.removeprefix("http://").partition(":")
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, origin=origin, host=address[0], port=int(address[2]))
        assert refused.value.response.status_code == 403


# ---------------------------------------------------------------- https


async def test_over_tls_a_client_that_trusts_the_authority_gets_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with running(*SYNTHETIC, "--https", "self-signed", "--token", TOKEN) as service:
        service.wait_for_model("synthetic")
        assert service.url.startswith("https://")
        assert "--host 0.0.0.0" in service.wait_for("a phone cannot reach").string
        trusting = ssl.create_default_context(cafile=str(tmp_path / "splatcam" / "tls" / "ca.pem"))
        local = service.ws_url.replace("127.0.0.1", "localhost")
        for url in (service.ws_url, local):
            async with websockets.connect(f"{url}?token={TOKEN}", ssl=trusting, max_size=None) as connection:
                assert await points_over(connection) > 0
        with pytest.raises(ssl.SSLCertVerificationError):
            await websockets.connect(local, ssl=ssl.create_default_context())
        assert cookie_over_https(service, trusting).endswith("; Secure")


def cookie_over_https(service: Service, trusting: ssl.SSLContext) -> str:
    connection = http.client.HTTPSConnection(service.url.removeprefix("https://"), timeout=30, context=trusting)
    with closing(connection):
        connection.request("GET", f"/?token={TOKEN}")
        return connection.getresponse().headers["set-cookie"]


# ---------------------------------------------------------------- what is settled before anything listens


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was handed to be drawn as a QR code; certificates go to a folder of the test."""
    texts: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RUNPOD_POD_ID", raising=False)
    monkeypatch.setattr(stream_server, "qr_code", lambda text: texts.append(text) or "QR")
    monkeypatch.setattr(stream_server, "lan_address", lambda: "192.168.1.2")
    return texts


def test_the_phones_code_is_its_link_with_the_token_that_was_made(drawn: list[str]) -> None:
    door = stream_server.build_front_door(Settings(https="self-signed"), "0.0.0.0", 8000)
    assert door.tls is not None
    assert drawn == [f"https://192.168.1.2:8000/?token={door.access.token}"]
    lines = door.greeting.split("\n")
    assert lines[0].endswith(f"open https://localhost:8000/?token={door.access.token}")
    assert f"https://localhost:8000/?watch=newest&token={door.access.token}" in lines[1]
    assert lines[-1] == "QR"


def test_without_https_there_is_a_link_here_one_for_the_network_and_no_code(drawn: list[str]) -> None:
    door = stream_server.build_front_door(Settings(), "0.0.0.0", 8000)
    assert (door.tls, drawn, door.greeting.count("\n")) == (None, [], 1)
    assert door.access.token and door.greeting.count(door.access.token) == 2


def test_no_auth_prints_a_bare_link(drawn: list[str]) -> None:
    door = stream_server.build_front_door(Settings(auth=False), "0.0.0.0", 8000)
    assert "open http://localhost:8000\n" in door.greeting and "token" not in door.greeting


def test_in_a_pod_the_link_is_the_proxys_and_its_page_may_open_the_socket(
    drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "pod1")
    door = stream_server.build_front_door(Settings(token=TOKEN), "0.0.0.0", 8000)
    assert door.greeting.endswith(f"open https://pod1-8000.proxy.runpod.net/?token={TOKEN}")
    assert door.access.origins == {"https://pod1-8000.proxy.runpod.net"}


def test_in_a_pod_with_https_of_its_own_the_proxy_is_no_way_in(
    drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "pod1")
    door = stream_server.build_front_door(Settings(https="self-signed", token=TOKEN), "0.0.0.0", 8000)
    assert "proxy.runpod.net" not in door.greeting


def test_a_certificate_of_ones_own_makes_the_link_https(drawn: list[str], tmp_path: Path) -> None:
    stream_server.build_front_door(Settings(https="self-signed"), "127.0.0.1", 8000)
    pem = str(tmp_path / "splatcam" / "tls" / "server.pem")
    door = stream_server.build_front_door(Settings(tls_certificate=pem, tls_key=pem), "127.0.0.1", 8000)
    assert door.greeting.endswith("open https://localhost:8000")


@pytest.mark.parametrize("missing", ["trustme", "segno"])
def test_a_package_that_is_missing_ends_the_start_with_one_sentence(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(stream_server, "phone_greeting", lambda reach: [])
    monkeypatch.setattr(stream_server.Reach, "phone", lambda reach: "https://192.168.1.2:8000")
    monkeypatch.setitem(sys.modules, missing, None)
    assert stream_server.main(["--https", "self-signed", "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"splatcam: --https self-signed needs {missing}: pip install") and told.count("\n") == 1


def test_a_certificate_that_is_none_ends_the_start_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert stream_server.main(["--tls-certificate", "/nowhere", "--tls-key", "/nowhere", "--port", "0"]) == 1
    assert capsys.readouterr().err.startswith("splatcam: no certificate and its key can be read from /nowhere")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"token": TOKEN, "auth": False}, "contradict"),
        ({"tls_certificate": "a"}, "belong together"),
        ({"tls_key": "a"}, "belong together"),
        ({"tls_certificate": "a", "tls_key": "b", "https": "self-signed"}, "leave --tls-certificate"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Settings(**settings)
