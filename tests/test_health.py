"""Three addresses, every state of the engine. tests/test_front_door.py asks them over real sockets."""

from __future__ import annotations

import json

import pytest

from splatcam.engine import EngineStatus
from splatcam.routes.health import health_router
from tests.fakes import model

STARTING = EngineStatus("starting", "")
LOADING = EngineStatus("loading", "")
LOADING_A_BETTER_ONE = EngineStatus("loading", "", model=model("builtin"))
READY = EngineStatus("ready", "", model=model("small"))
FAILED = EngineStatus("failed", "")
FAILED_WITH_A_MODEL = EngineStatus("failed", "", model=model("small"))


async def ask(path: str, status: EngineStatus) -> tuple[int, object]:
    route = next(route for route in health_router(lambda: status).routes if route.path == path)  # type: ignore[attr-defined]
    response = await route.endpoint()  # type: ignore[attr-defined]
    return response.status_code, json.loads(response.body) if response.body else None


@pytest.mark.parametrize("status", [STARTING, LOADING, READY, FAILED])
async def test_while_the_loop_lives_healthz_is_200_whatever_the_model_does(status: EngineStatus) -> None:
    name = status.model.name if status.model else None
    assert await ask("/healthz", status) == (200, {"state": status.state, "model": name})


@pytest.mark.parametrize(
    ("status", "readyz", "ping"),
    [
        (STARTING, 503, 204),
        (LOADING, 503, 204),
        (LOADING_A_BETTER_ONE, 200, 200),
        (READY, 200, 200),
        (FAILED, 503, 503),
        (FAILED_WITH_A_MODEL, 503, 503),
    ],
)
async def test_ready_means_that_a_frame_would_be_answered(status: EngineStatus, readyz: int, ping: int) -> None:
    code, told = await ask("/readyz", status)
    assert (code, told["state"]) == (readyz, status.state)  # type: ignore[index]
    assert (await ask("/ping", status))[0] == ping


async def test_a_204_has_no_body() -> None:
    assert await ask("/ping", LOADING) == (204, None)
