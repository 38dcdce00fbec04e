"""The way from a handshake to a session and out again: a place, the socket, and every end with its code and reason."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from fastapi import Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from splatcam.door.admission import Admission, Refusal
from splatcam.door.client_address import Network, client_of
from splatcam.live.connection import FAULT, GOING_AWAY, Disconnected, HangUp, until_first_ends
from splatcam.telemetry import SessionKind, Telemetry

logger = logging.getLogger("splatcam")
CLOSE_FULL = 1013
UNSTORED = {"Cache-Control": "no-store"}
CLOSE_WITHIN_S = 1.0  # whoever reads nothing does not read why either
DENIAL = "websocket.http.response"  # the extension of ASGI by which a handshake gets an answer of its own


class WebSocketTransport:
    """`session.Transport` and `live_pictures.PictureTransport`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes | str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected
        data = message.get("bytes")
        return data if data is not None else message["text"]

    async def send(self, data: bytes | str) -> None:
        try:
            if isinstance(data, bytes):
                await self._websocket.send_bytes(data)
            else:
                await self._websocket.send_text(data)
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: closed while we were about to send
            raise Disconnected from error


class RunningSession(Protocol):
    async def run(self) -> None:
        """Until the client is gone; raises HangUp when it has to go."""
        ...


class SocketDoor:
    """Handshakes of one kind: whoever has a place comes in, the others are told why not. All leave when it closes."""

    def __init__(
        self, kind: SessionKind, admission: Admission, telemetry: Telemetry, proxies: tuple[Network, ...]
    ) -> None:
        self._kind: SessionKind = kind
        self._admission = admission
        self._telemetry = telemetry
        self._proxies = proxies
        self._closing_time = asyncio.Event()
        self._inside: set[asyncio.Task[None]] = set()

    async def let_in(self, websocket: WebSocket, session_over: Callable[[WebSocketTransport], RunningSession]) -> None:
        """Returns when the websocket has ended."""
        place = self._admission.enter(self._kind, client_of(websocket.scope, self._proxies))
        if isinstance(place, Refusal):
            self._telemetry.connection_refused(place.reason)
            await refuse(websocket, place)
            return
        visit = asyncio.current_task()
        assert visit is not None
        self._inside.add(visit)
        try:
            await self._stay(websocket, session_over)
        finally:
            self._inside.discard(visit)
            self._admission.leave(place)

    async def _stay(self, websocket: WebSocket, session_over: Callable[[WebSocketTransport], RunningSession]) -> None:
        try:
            await websocket.accept()
        except OSError:  # gone already
            return
        try:
            session = session_over(WebSocketTransport(websocket))
            await until_first_ends(session.run(), self._until_closing_time())
        except HangUp as end:
            await hang_up(websocket, end)
        except Exception:  # a bug costs one session, and it is told so
            logger.exception("a session ended by a fault")
            await hang_up(websocket, HangUp(FAULT, "a fault of the server, which is in its log"))

    async def answer(self, request: Request) -> Response:
        """To who asks for the address of the websocket over plain HTTP: what a handshake would be told now."""
        refusal = self._admission.refusal(self._kind, client_of(request.scope, self._proxies))
        if refusal is None:
            return JSONResponse({"reason": None}, 426, {"Upgrade": "websocket", **UNSTORED})
        return JSONResponse({"reason": refusal.reason, "message": refusal.sentence}, refusal.status, wait_of(refusal))

    async def close(self) -> None:
        """Everybody is told to leave. Returns when they have, or will not."""
        self._closing_time.set()
        if self._inside:
            await asyncio.wait(set(self._inside), timeout=2 * CLOSE_WITHIN_S)

    async def _until_closing_time(self) -> None:
        await self._closing_time.wait()
        raise HangUp(GOING_AWAY, "the service restarts")


async def refuse(websocket: WebSocket, refusal: Refusal) -> None:
    """Before it is accepted, where the server can. A page does not see it: it asks once more, over plain HTTP."""
    if DENIAL in websocket.scope.get("extensions", {}):
        answer = PlainTextResponse(refusal.sentence, refusal.status, wait_of(refusal))
        await websocket.send_denial_response(answer)
    else:
        await websocket.accept()
        await hang_up(websocket, HangUp(CLOSE_FULL, refusal.sentence))


def wait_of(refusal: Refusal) -> dict[str, str]:
    return {"Retry-After": str(refusal.retry_after_s), **UNSTORED}


async def hang_up(websocket: WebSocket, end: HangUp) -> None:
    """Says why, but waits for nobody who does not listen: the socket itself is TCP's to end."""
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await websocket.close(end.code, end.reason)
