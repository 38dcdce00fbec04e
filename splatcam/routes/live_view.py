"""The live camera as pictures: `/view` leads to the viewer's page, `/info` and `/render`, and a websocket that pushes.

The page lives under /viewer/: below /view/ are modules of the main page.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import RedirectResponse, Response

from splatcam.live_pictures import LivePictures, PictureSession
from splatcam.routes.viewer import METHODS, picture_router, viewer_router
from splatcam.routes.websocket import WebSocketTransport
from splatcam.session import Disconnected

LONGEST_CLIENT = 64
CLOSE_FULL = 1013


def add_live_view(app: FastAPI, pictures: LivePictures, max_sessions: int) -> None:
    app.include_router(picture_router(pictures))
    app.include_router(viewer_router(pictures), prefix="/viewer")
    app.include_router(_ways_to_the_page())
    _add_websocket(app, pictures, max_sessions)


def _ways_to_the_page() -> APIRouter:
    """The page's addresses are relative to its slash, these to their own."""
    router = APIRouter()

    async def beside() -> Response:
        return RedirectResponse("./viewer/")

    async def below() -> Response:
        return RedirectResponse("../viewer/")

    for path, route in {"/view": beside, "/viewer": beside, "/view/": below}.items():
        router.add_api_route(path, route, methods=METHODS, include_in_schema=False)
    return router


def _add_websocket(app: FastAPI, pictures: LivePictures, max_sessions: int) -> None:
    open_sessions: set[PictureSession] = set()

    @app.websocket("/viewer/ws")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        if len(open_sessions) >= max_sessions:
            await websocket.close(CLOSE_FULL, f"all {max_sessions} places are taken")
            return
        client = websocket.query_params.get("client", "")[:LONGEST_CLIENT]
        session = PictureSession(WebSocketTransport(websocket), pictures, client)
        open_sessions.add(session)
        try:
            await session.run()
        except* Disconnected:
            pass
        finally:
            open_sessions.discard(session)
