"""The network without what takes in known cameras: 115 million numbers of giant that a live frame never meets."""

from __future__ import annotations

from typing import Any


def leave_out(net: Any) -> None:
    if getattr(net, "cam_enc", None) is not None:
        net.cam_enc = None
