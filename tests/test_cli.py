from __future__ import annotations

import os
import subprocess
import sys

import pytest

from splatcam import __version__, cli
from splatcam.cli import main


def test_without_a_command_it_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "splatcam serve" in told and "splatcam replay" in told


def test_an_unknown_command_fails_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "no command 'fly'" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_each_command_explains_itself(command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "splatcam.cli", command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--model" in done.stdout


def test_ctrl_c_while_a_command_is_being_loaded_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> cli.Command:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "info", interrupted)
    assert main(["info", "scene.ply"]) == 130
    assert capsys.readouterr().err.strip() == "splatcam info: interrupted"


def buffered(stdout: int) -> subprocess.CompletedProcess[str]:
    """What is printed waits in the interpreter until the end, as everywhere but on a terminal."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "splatcam.cli", "--version"]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)


def test_what_cannot_be_said_is_a_failure_in_one_sentence() -> None:
    with open("/dev/full", "wb") as full:
        done = buffered(full.fileno())
    assert (done.returncode, done.stderr) == (1, "splatcam: nothing can be printed: No space left on device\n")


def test_a_reader_that_has_gone_is_a_failure_in_one_sentence() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = buffered(write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, "splatcam: nothing can be printed: Broken pipe\n")
