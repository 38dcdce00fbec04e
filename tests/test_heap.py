"""The C library's heap."""

from __future__ import annotations

import platform

import pytest

from splatcam.engine import heap


def test_glibc_agrees_to_keep_freed_memory_and_to_be_asked_twice():
    expected = platform.libc_ver()[0] == "glibc"
    assert [heap.keep_freed_memory(), heap.keep_freed_memory()] == [expected, expected]


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: pytest.fail("the C library was opened"))
    assert not heap.keep_freed_memory()
