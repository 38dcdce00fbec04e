"""The listening socket and the server around the app: how it starts to listen, and how it ends in order.

Knows uvicorn and signals; not what is served.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn

from splatcam.door.guarded_protocols import GuardedWebSocket, PromptHTTP
from splatcam.settings import Settings, SettingsError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# uvicorn closes a socket on messages over this; below it ours is an `error` and the session lives.
HARD_MESSAGE_FACTOR = 4
# Half of the descriptors that we may have are for the rest. With none left asyncio takes no connection, logs that
# thousands of times a second, and does nothing else.
MOST_CONNECTIONS = 1024
DESCRIPTORS = 4096
BACKLOG = 128  # taken in one go, before any is counted
GRACE_S = 3  # for answers under way, after the sessions have ended
PING_EVERY_S = 20
ABOUT_THE_PORT = {errno.EADDRINUSE, errno.EACCES}  # somebody has it; it is below 1024


def bind(settings: Settings) -> socket.socket:
    """Raises SettingsError in words: a busy port, a host that is not ours."""
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as on_failure:
            listening = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if os.name != "nt":  # there it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            cut_off_the_stalled(listening, settings.stalled_after_s)
            listening.bind((host, port))
            listening.listen()
            on_failure.pop_all()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such host"
        wrong = "port" if isinstance(error, OSError) and error.errno in ABOUT_THE_PORT else "host"
        raise SettingsError(f"cannot listen on {host} port {port}: {why}. Try another with --{wrong}.") from None
    return listening


def cut_off_the_stalled(listening: socket.socket, after_s: float) -> None:
    """Connections inherit it: one that takes nothing for so long is gone, with its descriptor. A close alone would wait
    for it to take what is on its way. Where the system has no such option, `GuardedWebSocket` does it for websockets,
    and an answer over HTTP that nobody takes stays until the system gives it up."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(after_s * 1000))


def room_for_connections() -> int:
    """How many may be open at once, after we have asked for as many descriptors as we want."""
    if resource is None:
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft // 2)


def server_config(app: Any, settings: Settings, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=type("BoundedHTTP", (PromptHTTP,), {"most_connections": room_for_connections()}),
        backlog=BACKLOG,
        ws=type("PatientWebSocket", (GuardedWebSocket,), {"stalled_after_s": settings.stalled_after_s}),
        ws_per_message_deflate=False,  # it costs many times what the whole frame does
        ws_max_size=settings.max_message_bytes * HARD_MESSAGE_FACTOR,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PING_EVERY_S,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,  # client_address.py reads them, and trusts whom the settings name
        server_header=False,
        access_log=False,
        log_config=None,  # its records take the form of ours
        log_level="error",  # below it uvicorn logs each bad request of a scanner, then addresses, tokens and all
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )


class OrderlyServer(uvicorn.Server):
    """Tells the address when a browser that goes there is answered. The first signal drains, the second ends at once.

    uvicorn raises a signal again when it has ended, so that the status says -15; an end in order is status 0 here.
    """

    def __init__(self, config: uvicorn.Config, greeting: str, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._loop = asyncio.get_running_loop()
        self._greeting = greeting
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self.is_ending = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Beside the log but no part of it: at every log level, somebody has to learn the token.
        with suppress(OSError):  # a full disk, a closed terminal: no reason to serve nobody
            print(self._greeting, file=sys.stderr, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In the main thread, between any two steps of the loop."""
        if self.is_ending:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that all is cut off is what was asked for
            self.force_exit = self.should_exit = True
        else:
            self.is_ending = True
            self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._draining = asyncio.create_task(self._drain_and_exit())

    async def _drain_and_exit(self) -> None:
        try:
            await self._drain()
        finally:
            self.should_exit = True


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Until the server listens to signals itself, and after it, SIGTERM is what Ctrl-C is: an end with status 0."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave_no_child() -> None:
    """After an end that waited for nothing: Python would wait for every one of them at its exit."""
    for child in multiprocessing.active_children():
        child.kill()
