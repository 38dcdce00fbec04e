"""The real service in a process of its own, on a free port of loopback: for benchmarks and tests."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

START_WITHIN_S = 120
STOP_WITHIN_S = 20
SERVE = ("-m", "splatcam.cli", "serve")


class ServiceFailed(RuntimeError):
    """It did not start, ended early, or would not end; the message holds its log."""


class Service:
    """A running `splatcam serve`: its address, the token that it made and, as it grows, its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._grew = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""
        self.token = ""

    def wait_for_model(self, name: str) -> None:
        self.wait_for(rf"^model {name} on ")

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws") + "/ws"

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line of the log that matches, now or soon."""
        with self._grew:
            if not self._grew.wait_for(lambda: self._find(pattern) or self.process.poll() is not None, START_WITHIN_S):
                raise ServiceFailed(f"no line like {pattern!r} in:\n" + "\n".join(self.lines))
            found = self._find(pattern)
        if found is None:
            raise ServiceFailed(f"the service ended without a line like {pattern!r}:\n" + "\n".join(self.lines))
        return found

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise ServiceFailed("the service did not end in time:\n" + "\n".join(self.lines)) from None
        finally:
            self._reader.join(STOP_WITHIN_S)  # ends when the engine's process is gone too
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _find(self, pattern: str) -> re.Match[str] | None:
        return next((m for line in self.lines if (m := re.search(pattern, line))), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grew:
                self.lines.append(line.rstrip("\n"))
                self._grew.notify_all()
        self.process.wait()  # it closes its log a moment before it has ended
        with self._grew:
            self._grew.notify_all()


@contextmanager
def running(*flags: str, program: Sequence[str] = SERVE) -> Iterator[Service]:
    """`program`: what Python runs, where it is not the service as it is."""
    command = [sys.executable, *program, "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    service = Service(process)
    try:
        found = service.wait_for(r"open (https?://[^\s/?]+)(?:/\?token=(\S+))?")
        service.url, service.token = found[1].replace("localhost", "127.0.0.1"), found[2] or ""
        yield service
    finally:
        service.stop()
