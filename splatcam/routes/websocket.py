"""FastAPI's websocket as the sessions want it."""

from __future__ import annotations

from fastapi import WebSocket, WebSocketDisconnect

from splatcam.session import Disconnected


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
