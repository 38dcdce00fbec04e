"""The service as it is, but for its engine: that one does what frames tell it. `python -m tests.faults.service FLAGS`

With `load_for_ever` before the flags its model is never loaded.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import stream_server
from splatcam.engine.restarts import RestartPolicy
from splatcam.engine.supervised import SupervisedEngine
from tests.faulty_engine import FaultyHosts, plan_loads

# Faults in a row are what this is for: the circuit breaker has tests of its own.
PATIENT = RestartPolicy(shortest_delay_s=0.05, longest_delay_s=0.05, most_restarts=100_000)


def main(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        if arguments[:1] == ["load_for_ever"]:
            plan_loads(Path(folder), "hang")
            arguments = arguments[1:]
        hosts = FaultyHosts(Path(folder))
        stream_server.build_engine = lambda settings, telemetry: SupervisedEngine(
            settings, telemetry.engine_restarted, hosts, PATIENT
        )
        return stream_server.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
