"""The live camera as pictures: `/view` leads to the viewer's page, `/info` and `/render`, and a websocket that pushes.

The page lives under /viewer/: below /view/ are modules of the main page.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import RedirectResponse, Response

from splatcam.live.live_pictures import LivePictures, PictureSession
from splatcam.routes.viewer import METHODS, picture_router, viewer_router
from splatcam.routes.websocket import SocketDoor
from splatcam.settings import Settings

LONGEST_CLIENT = 64


def add_live_view(app: FastAPI, pictures: LivePictures, door: SocketDoor, settings: Settings) -> None:
    _add_websocket(app, pictures, door, settings)  # first: below /viewer/ every other name is taken for a file's
    app.include_router(picture_router(pictures))
    app.include_router(viewer_router(pictures), prefix="/viewer")
    app.include_router(_ways_to_the_page())


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


def _add_websocket(app: FastAPI, pictures: LivePictures, door: SocketDoor, settings: Settings) -> None:
    @app.websocket("/viewer/ws")
    async def live(websocket: WebSocket) -> None:
        client = websocket.query_params.get("client", "")[:LONGEST_CLIENT]
        await door.let_in(websocket, lambda transport: PictureSession(transport, pictures, client, settings))

    app.add_api_route("/viewer/ws", door.answer, methods=["GET"], include_in_schema=False)
