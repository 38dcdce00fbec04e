"""Memory and processor time of processes, as Linux tells them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from splatcam.bench import processes

GRANDCHILD = "print('here', flush=True); input()"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}])"
SIZE_BYTES = 64 << 20


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child that waits."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"here\n"
    yield process
    process.communicate(b"\n")


def test_a_family_are_the_process_and_all_that_come_from_it(child: subprocess.Popen[bytes]) -> None:
    family = processes.family_of(child.pid)
    assert family[0] == child.pid and len(family) == 2
    assert set(family) < set(processes.family_of(os.getpid()))


def test_processor_time_counts_that_of_the_children(child: subprocess.Popen[bytes]) -> None:
    own_s = processes.processor_s(child.pid)
    assert 0 < own_s <= processes.processor_s(os.getpid())


def test_a_process_that_has_ended_took_no_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert processes.processor_s(process.pid) == 0


def test_the_peak_is_counted_anew_once_it_is_forgotten() -> None:
    large = bytearray(os.urandom(SIZE_BYTES))
    del large
    processes.forget_peak()
    before = processes.memory_bytes()
    assert processes.peak_bytes() < before + SIZE_BYTES / 2
    large = bytearray(os.urandom(SIZE_BYTES))
    assert processes.memory_bytes() > before + SIZE_BYTES / 2
    del large
    assert processes.peak_bytes() > before + SIZE_BYTES / 2
