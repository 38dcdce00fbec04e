"""Memory and processor time of processes, as Linux tells them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from splatcam.bench import processes

GRANDCHILD = "print('here', flush=True); input()"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}])"
SIZE_BYTES = 64 << 20
GROWING = f"""
import os, sys
for turn, _ in enumerate(sys.stdin):
    large = bytearray(os.urandom({SIZE_BYTES})) if turn % 2 == 0 else None
    print(turn, flush=True)
"""


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
    """Of a process of its own: in ours other tests' memory comes and goes."""
    with subprocess.Popen([sys.executable, "-c", GROWING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        pid = process.pid
        large = after_next(process, processes.memory_bytes)
        small = after_next(process, processes.memory_bytes)
        processes.forget_peak(pid)
        assert small < large - SIZE_BYTES / 2
        assert processes.peak_bytes(pid) < large - SIZE_BYTES / 2
        assert after_next(process, processes.peak_bytes) > small + SIZE_BYTES / 2
        assert after_next(process, processes.peak_bytes) > small + SIZE_BYTES / 2, "what was given back stays the peak"


def after_next(process: subprocess.Popen[bytes], measure: Callable[[int], int]) -> int:
    """What is measured when the process has taken its memory, or given it back."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    return measure(process.pid)
