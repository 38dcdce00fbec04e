"""What every test module shares."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes in: threads that wait for a busy core cost dear

from hypothesis import HealthCheck, settings

# Machines that run tests are busy: how long an example takes proves nothing.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
