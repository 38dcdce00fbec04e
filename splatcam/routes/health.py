"""How the service is, for whoever restarts it or sends visitors to it. Never asks the engine anything."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from splatcam.engine import EngineStatus

METHODS = ["GET", "HEAD"]


def health_router(status: Callable[[], EngineStatus]) -> APIRouter:
    """`status` tells what the engine said last."""
    router = APIRouter()

    async def healthz() -> Response:
        """200 while the loop lives: a coroutine, since a thread would answer beside a loop that hangs."""
        return _report(status(), 200)

    async def readyz() -> Response:
        """200 when a frame would be answered."""
        return _report(status(), 200 if _is_ready(status()) else 503)

    async def ping() -> Response:
        """Runpod's meaning: 200 ready, 204 not yet, anything else broken."""
        if status().state in ("starting", "loading") and not _is_ready(status()):
            return Response(status_code=204)
        return await readyz()

    for route in (healthz, readyz, ping):
        router.add_api_route(f"/{route.__name__}", route, methods=METHODS, include_in_schema=False)
    return router


def _is_ready(status: EngineStatus) -> bool:
    """While a better model is loading, the one before still answers."""
    return status.model is not None and status.state != "failed"


def _report(status: EngineStatus, code: int) -> Response:
    model = status.model.name if status.model is not None else None
    return JSONResponse({"state": status.state, "model": model}, code, headers={"Cache-Control": "no-store"})
