"""What can be known of the image without building it. `make lint` has a linter for the rest."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from splatcam.cli import COMMANDS
from splatcam.door.tls import cache_folder
from splatcam.settings import Settings, add_arguments, settings_from

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """Each instruction's name and the rest of it, comments gone and continued lines joined."""
    code = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    lines = code.replace("\\\n", "").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def those(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def copied_from_here() -> list[str]:
    return [source for rest in those("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in those("ENV") for pair in shlex.split(rest))


def test_everything_that_is_copied_is_there() -> None:
    sources = copied_from_here()
    assert "stream_server.py" in sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_everything_that_is_copied_gets_past_the_ignore_file() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert {source.partition("/")[0] for source in copied_from_here()} == let_in


def pip_installs() -> list[list[str]]:
    commands = [part.split() for rest in those("RUN") for part in rest.split("&&")]
    return [command for command in commands if command[0].endswith("/pip")]


def test_every_requirement_file_that_is_installed_was_copied() -> None:
    named = set(re.findall(r"-r /(requirements/\S+)", DOCKERFILE))
    assert named == {"requirements/image.txt", "requirements/image-da3.txt"}
    assert named <= set(copied_from_here())


def test_packages_are_installed_by_their_hashes_and_bring_nothing_along() -> None:
    (install,) = pip_installs()
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install)
    assert install[install.index("--only-binary") + 1] == ":all:"


def test_packages_of_the_page_are_installed_by_their_lock_file() -> None:
    (npm,) = [rest for rest in those("RUN") if rest.startswith("npm ")]
    assert npm.startswith("npm ci ")
    assert "web/package-lock.json" in copied_from_here()


def test_stages_that_are_copied_from_exist_and_images_are_named_by_tag() -> None:
    stages: set[str] = set()
    for image, _, name in (rest.partition(" AS ") for rest in those("FROM")):
        assert image in stages or re.fullmatch(r"[\w/]+:[\w.-]*\d[\w.-]*", image), image
        stages.add(name)
    assert {m for rest in those("COPY") for m in re.findall(r"--from=(\w+)", rest)} <= stages


def test_the_command_is_one_of_ours_in_exec_form_and_its_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,), (command,) = those("ENTRYPOINT"), those("CMD")
    assert json.loads(entry) == ["python", "-m", "splatcam.cli"]
    subcommand, *flags = json.loads(command)
    assert subcommand in COMMANDS
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    settings = settings_from(parser.parse_args(flags))
    assert (settings.host, [str(settings.port)]) == ("0.0.0.0", those("EXPOSE"))
    assert settings.auth and settings.token == ""  # a link with a new token at each start


def test_every_setting_in_the_environment_is_one_of_ours() -> None:
    ours = {f"SPLATCAM_{name.upper()}" for name in Settings.model_fields}
    documents = "".join((ROOT / "docs" / name).read_text() for name in ("deploy.md", "runpod.md"))
    assert {name for name in environment() if name.startswith("SPLATCAM_")} <= ours
    assert set(re.findall(r"SPLATCAM_\w+", documents)) <= ours


def test_the_health_check_is_a_program_that_asks_the_port_in_force() -> None:
    (check,) = those("HEALTHCHECK")
    assert "--start-period=" in check
    python, flag, code = json.loads(check.partition("CMD ")[2])
    assert (python, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert 'os.environ["SPLATCAM_PORT"]' in code and "/ping" in code


@pytest.mark.parametrize(("status", "returned"), [(200, 0), (503, 1)])
def test_the_health_check_passes_where_the_service_is_ready_also_with_a_proxy_in_the_environment(
    status: int, returned: int
) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ping" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    _, *rest = json.loads(those("HEALTHCHECK")[0].partition("CMD ")[2])
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"SPLATCAM_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        check = subprocess.run([sys.executable, *rest], env={**os.environ, **environment}, capture_output=True)
        server.shutdown()
    assert check.returncode == returned, check.stderr


def test_the_service_does_not_run_as_root_and_keeps_its_weights_on_the_volume() -> None:
    (user,), (volume,), (argument,) = those("USER"), those("VOLUME"), those("ARG")
    assert user == "${USER_ID}" and argument == "USER_ID=10001"
    assert environment()["HF_HOME"].startswith(volume + "/")


def test_in_a_container_that_is_read_only_everything_that_is_kept_goes_to_the_volume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Certificates, what numba compiled, weights."""
    (volume,) = those("VOLUME")
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    assert cache_folder(os.environ).is_relative_to(volume)
    folders = [environment()[name] for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME")]
    assert all(Path(folder).is_relative_to(volume) for folder in folders)


def docker_runs() -> list[list[str]]:
    """The command lines in the document, continued lines joined."""
    text = (ROOT / "docs" / "deploy.md").read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith("docker run ")]


def test_the_documented_command_lines_give_the_container_nothing_that_it_does_not_need() -> None:
    strict = [command for command in docker_runs() if "--read-only" in command]
    assert strict
    for command in strict:
        pairs = set(zip(command, command[1:], strict=False))
        wanted = {("--security-opt", "no-new-privileges"), ("--cap-drop", "ALL"), ("--tmpfs", "/tmp")}
        assert wanted <= pairs
        assert "--shm-size" in command and "--pids-limit" in command
        assert any(flag == "-v" and value.endswith(":" + those("VOLUME")[0]) for flag, value in pairs)
        assert "-e" in command and "SPLATCAM_TOKEN" in command  # from the environment: no value in the process list


def test_no_documented_command_line_is_run_with_more_rights_than_the_image_has() -> None:
    flags = {flag for command in docker_runs() for flag in command}
    assert not flags & {"--privileged", "--cap-add", "--user=root", "--pid=host"}


def test_no_weights_are_copied_or_fetched_into_the_image() -> None:
    assert "safetensors" not in DOCKERFILE and "snapshot_download" not in DOCKERFILE
