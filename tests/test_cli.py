from __future__ import annotations

import subprocess
import sys

import pytest

from splatcam import __version__
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
