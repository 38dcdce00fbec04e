"""How the service is, for whoever restarts it or sends visitors to it. Never asks the engine anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from splatcam.door.admission import COME_BACK_IN_S, Admission
from splatcam.engine import EngineStatus

METHODS = ["GET", "HEAD"]
Hindrance = Literal["draining", "failed", "loading", "restarting", "full"]


def health_router(status: Callable[[], EngineStatus], admission: Admission, is_alive: Callable[[], bool]) -> APIRouter:
    """`status` tells what the engine said last, `is_alive` whether the event loop keeps up."""
    router = APIRouter()

    async def healthz() -> Response:
        """200 while the loop lives: a coroutine, since a thread would answer beside a loop that hangs."""
        return JSONResponse(_facts(status()), 200 if is_alive() else 503, {"Cache-Control": "no-store"})

    async def readyz() -> Response:
        """200 when a camera that comes now would be answered."""
        reason = _hindrance(status(), admission)
        headers = {"Cache-Control": "no-store", **({"Retry-After": str(COME_BACK_IN_S)} if reason else {})}
        return JSONResponse({**_facts(status()), "reason": reason}, 503 if reason else 200, headers)

    async def ping() -> Response:
        """Runpod's meaning: 200 healthy, also when every place is taken, 204 not yet, anything else broken."""
        match _hindrance(status(), admission):
            case "loading" | "restarting":
                return Response(status_code=204)
            case "draining" | "failed":
                return await readyz()
        return await healthz()

    for route in (healthz, readyz, ping):
        router.add_api_route(f"/{route.__name__}", route, methods=METHODS, include_in_schema=False)
    return router


def _hindrance(status: EngineStatus, admission: Admission) -> Hindrance | None:
    """The one that lasts longest. While a better model is loading, the one before still answers."""
    if admission.is_draining:
        return "draining"
    if status.state == "failed":
        return "failed"
    if status.model is None:
        return "restarting" if status.state == "restarting" else "loading"
    return "full" if admission.is_full("live") else None


def _facts(status: EngineStatus) -> dict[str, str | None]:
    return {"state": status.state, "model": status.model.name if status.model is not None else None}
