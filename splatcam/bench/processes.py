"""What Linux tells of a running process and of those that it started: memory and processor time. Of Linux only."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12  # fields of `stat` behind the name, which may hold anything
FORGET_PEAK = "5"


def memory_bytes(pid: int | str = "self") -> int:
    return _kilobytes(pid, "VmRSS") * 1024


def peak_bytes(pid: int | str = "self") -> int:
    """The most since `forget_peak`."""
    return _kilobytes(pid, "VmHWM") * 1024


def forget_peak(pid: int | str = "self") -> None:
    (PROC / str(pid) / "clear_refs").write_text(FORGET_PEAK)


def family_of(pid: int) -> list[int]:
    """The process and all that come from it."""
    parents = {other: int(fields[PARENT]) for other in _running() if (fields := _stat(other))}
    family = [pid]
    for parent in family:  # grows meanwhile
        family += [other for other, of in parents.items() if of == parent]
    return family


def processor_s(pid: int) -> float:
    """Of the process and all that come from it and still run."""
    stats = [fields for member in family_of(pid) if (fields := _stat(member))]
    return sum(int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS]) for fields in stats) / TICKS_PER_S


def _running() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """Empty for one that has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kilobytes(pid: int | str, name: str) -> int:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
