"""Three addresses, every state of the engine and of the house. tests/test_front_door.py asks over real sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from splatcam.door.admission import Admission
from splatcam.engine import EngineStatus
from splatcam.routes.health import health_router
from splatcam.settings import Settings
from tests.fakes import model

STARTING = EngineStatus("starting", "")
LOADING = EngineStatus("loading", "")
LOADING_A_BETTER_ONE = EngineStatus("loading", "", model=model("builtin"))
READY = EngineStatus("ready", "", model=model("small"))
RESTARTING = EngineStatus("restarting", "")
FAILED = EngineStatus("failed", "")
FAILED_WITH_A_MODEL = EngineStatus("failed", "", model=model("small"))


async def ask(
    path: str, status: EngineStatus, house: Admission | None = None, *, is_alive: bool = True
) -> tuple[int, Any, str | None]:
    """Status, body and Retry-After."""
    routes = health_router(lambda: status, house or Admission(Settings()), lambda: is_alive).routes
    route = next(route for route in routes if route.path == path)  # type: ignore[attr-defined]
    response = await route.endpoint()  # type: ignore[attr-defined]
    body = json.loads(response.body) if response.body else None
    return response.status_code, body, response.headers.get("retry-after")


@pytest.mark.parametrize("status", [STARTING, LOADING, READY, RESTARTING, FAILED])
async def test_while_the_loop_lives_healthz_is_200_whatever_the_model_does(status: EngineStatus) -> None:
    name = status.model.name if status.model else None
    assert await ask("/healthz", status) == (200, {"state": status.state, "model": name}, None)


async def test_a_loop_that_does_not_keep_up_is_not_healthy() -> None:
    assert (await ask("/healthz", READY, is_alive=False))[0] == 503


@pytest.mark.parametrize(
    ("status", "reason", "ping"),
    [
        (STARTING, "loading", 204),
        (LOADING, "loading", 204),
        (LOADING_A_BETTER_ONE, None, 200),
        (READY, None, 200),
        (RESTARTING, "restarting", 204),
        (FAILED, "failed", 503),
        (FAILED_WITH_A_MODEL, "failed", 503),
    ],
)
async def test_ready_means_that_a_frame_would_be_answered_and_otherwise_it_says_why(
    status: EngineStatus, reason: str | None, ping: int
) -> None:
    name = status.model.name if status.model else None
    told = {"state": status.state, "model": name, "reason": reason}
    assert await ask("/readyz", status) == ((200, told, None) if reason is None else (503, told, "5"))
    assert (await ask("/ping", status))[0] == ping


async def test_a_204_has_no_body() -> None:
    assert await ask("/ping", LOADING) == (204, None, None)


async def test_a_full_house_is_not_ready_but_well() -> None:
    house = Admission(Settings(max_sessions=1))
    house.enter("pictures", None)
    assert (await ask("/readyz", READY, house))[0] == 200, "those who look at pictures take no camera's place"
    house.enter("live", None)
    assert await ask("/readyz", READY, house) == (503, {"state": "ready", "model": "small", "reason": "full"}, "5")
    assert [(await ask(path, READY, house))[0] for path in ("/healthz", "/ping")] == [200, 200]


async def test_a_house_that_closes_is_not_ready_whatever_else_holds() -> None:
    house = Admission(Settings())
    house.drain()
    for status in (READY, LOADING, FAILED):
        code, told, _ = await ask("/readyz", status, house)
        assert (code, told["reason"]) == (503, "draining")
        assert (await ask("/ping", status, house))[0] == 503
    assert (await ask("/healthz", READY, house))[0] == 200
