"""What browsers are told about our answers. tests/e2e/service.test.mjs has a browser that obeys."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from splatcam.routes.headers import ON_EVERYTHING, PagePolicy, SecurityHeaders, import_map_hashes
from splatcam.settings import web_folder

MAP = '\n{"imports": {"three": "./three.js"}}\n'
PAGE = f'<!doctype html>\n<script type="importmap">{MAP}</script>\n<script>evil()</script><script src=x.js></script>'


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split("; "))}


def policy_of(page: Path, host: str = "localhost:8000", script_hosts: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return directives(PagePolicy().headers(page, host, list(script_hosts))["Content-Security-Policy"])


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "index.html"
    path.write_bytes(PAGE.encode())
    return path


def test_scripts_come_from_here_and_only_the_import_map_may_be_inline(page: Path) -> None:
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'", "'wasm-unsafe-eval'", sha256(MAP)]
    assert "'unsafe-inline'" not in sum(policy.values(), [])
    assert policy["worker-src"] == ["blob:", "'self'"]
    assert policy["frame-src"] == ["'self'"]
    assert (policy["base-uri"], policy["frame-ancestors"]) == (["'none'"], ["'self'"])


def test_every_page_of_ours_gets_a_hash_for_each_of_its_import_maps() -> None:
    pages = sorted(web_folder().glob("*.html"))
    assert web_folder() / "index.html" in pages
    for path in pages:
        html = path.read_text(encoding="utf-8")
        assert len(import_map_hashes(html)) == len(re.findall("type=.?importmap", html)), path.name


@pytest.mark.parametrize(
    "tag", ['<script type="importmap">', "<script type=importmap>", "<SCRIPT id='m' type='importmap' nonce>"]
)
def test_an_import_map_is_found_however_it_is_written(tag: str) -> None:
    assert import_map_hashes(f"{tag}{MAP}</script>") == [sha256(MAP)]


def test_line_ends_are_hashed_as_a_browser_reads_them() -> None:
    assert import_map_hashes(PAGE.replace("\n", "\r\n")) == [sha256(MAP)]


def test_a_page_that_changed_gets_another_hash(page: Path) -> None:
    policies = PagePolicy()
    before = policies.headers(page, "h", [])["Content-Security-Policy"]
    page.write_text(PAGE.replace("three.js", "four.js"))
    os.utime(page, ns=(1, 1))  # on a coarse clock both writes are of the same moment
    after = policies.headers(page, "h", [])["Content-Security-Policy"]
    assert sha256(MAP) in before and sha256(MAP.replace("three.js", "four.js")) in after


@pytest.mark.parametrize(
    ("host", "sockets"),
    [
        ("localhost:8000", ["ws://localhost:8000", "wss://localhost:8000"]),
        ("a-b.example", ["ws://a-b.example", "wss://a-b.example"]),
        ("[::1]:8000", []),
        ("x; script-src *", []),
        ("x y", []),
        ("", []),
    ],
)
def test_the_websocket_of_the_same_host_is_named_where_a_policy_can_speak_of_it(
    page: Path, host: str, sockets: list[str]
) -> None:
    assert policy_of(page, host)["connect-src"] == ["'self'", *sockets, "blob:", "data:"]


def test_another_host_for_scripts_is_named_where_one_is_needed(page: Path) -> None:
    assert policy_of(page, script_hosts=("https://cdn.example/",))["script-src"][-1] == "https://cdn.example/"


# ---------------------------------------------------------------- on every answer


async def answered(kind: str, *headers: tuple[bytes, bytes]) -> list[Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        start = "http.response.start" if kind == "http" else "websocket.accept"
        await send({"type": start, "status": 200, "headers": list(headers)})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append({**message, "headers": dict(message["headers"])})

    await SecurityHeaders(app)({"type": kind}, None, send)  # type: ignore[arg-type]
    return sent


async def test_every_answer_carries_the_headers_that_fit_all() -> None:
    (start,) = await answered("http", (b"content-type", b"text/javascript"))
    assert {name.lower().encode(): value.encode() for name, value in ON_EVERYTHING.items()}.items() <= start[
        "headers"
    ].items()
    assert b"content-security-policy" not in start["headers"]


async def test_a_page_without_a_policy_of_its_own_may_do_nothing() -> None:
    (start,) = await answered("http", (b"content-type", b"text/html; charset=utf-8"))
    assert directives(start["headers"][b"content-security-policy"].decode())["default-src"] == ["'none'"]


async def test_a_page_with_a_policy_keeps_it() -> None:
    (start,) = await answered("http", (b"content-type", b"text/html"), (b"content-security-policy", b"mine"))
    assert start["headers"][b"content-security-policy"] == b"mine"


async def test_a_websocket_is_left_alone() -> None:
    assert (await answered("websocket"))[0]["headers"] == {}
