"""A short soak: who came has left nothing behind. `make soak` takes half an hour and measures memory as well."""

from __future__ import annotations

from splatcam.bench.local_service import running
from tests.faults.ends import SMALL
from tests.faults.soak import soak

CLIENTS = 12
SECONDS = 40.0


async def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    with running(*SMALL) as service:
        service.wait_for_model("synthetic")
        result = await soak(service, CLIENTS, SECONDS)
    assert result.leaks() == []
    assert result.visits["a_camera"] > 0 and result.visits["nonsense"] > 0
    assert result.served_afterwards == "result"
