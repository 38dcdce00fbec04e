"""Clients of a running service as bare TCP, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
from contextlib import closing, suppress

from splatcam.bench.local_service import Service

WITHIN_S = 60.0
SMALL_BUFFER_BYTES = 4096
ENOUGH_FRAMES = 40  # results of megabytes: more than any buffer takes
FRAMES_WITHOUT_END = 10**6
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def address_of(service: Service) -> tuple[str, int]:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return host, int(port)


def readiness(service: Service) -> tuple[int, str | None]:
    """The status of /readyz and its reason."""
    with closing(http.client.HTTPConnection(*address_of(service), timeout=WITHIN_S)) as connection:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, json.load(response)["reason"]


async def is_ready(service: Service) -> None:
    """Returns when somebody may come in."""
    for _ in range(int(WITHIN_S * 10)):
        if await asyncio.to_thread(readiness, service) == (200, None):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


def descriptors(service: Service) -> int:
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


async def descriptors_back(service: Service, to: int) -> int:
    """How many are left when it does not go on: the last sockets may still be closing."""
    for _ in range(int(WITHIN_S * 10)):
        if (left := descriptors(service)) <= to:
            break
        await asyncio.sleep(0.1)
    return left


async def stalled_websocket(service: Service) -> socket.socket:
    """It has shaken hands and will never read again."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    peer.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, address_of(service))
    await loop.sock_sendall(peer, HANDSHAKE.format(service.url.removeprefix("http://")).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += await loop.sock_recv(peer, 1)
    assert head.startswith(b"HTTP/1.1 101")
    return peer


def frame_header(length: int) -> bytes:
    """Of a binary message from a client, masked by zeros, so that the payload is itself."""
    return bytes([0x82, 0x80 | 126]) + length.to_bytes(2, "big") + bytes(4)


async def sends(peer: socket.socket, picture: bytes, frames: int) -> None:
    """Until it is cut off."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        for _ in range(frames):
            await loop.sock_sendall(peer, frame_header(len(picture)) + picture)
            await asyncio.sleep(0.05)
