"""One Settings class. Command line flags, environment names and docs/settings.md are derived from it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "SPLATCAM_"


class SettingsError(ValueError):
    """A setting has a value it cannot have; the message names it."""


class Settings(BaseSettings):
    """How the service runs. Flag `--max-sessions` is SPLATCAM_MAX_SESSIONS in the environment; the flag wins."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="forbid")

    model: str = Field(
        "auto",
        description="auto, giant, nested, large, base, small, metric, mono, builtin, synthetic, a folder or a hub id",
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="where the model runs")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    allowed_origins: str = Field(
        "", description="pages of other sites that may open the websocket, as https://host[:port], comma-separated"
    )
    process_res: int = Field(
        504, ge=56, le=2016, description="long side of the model's grid in pixels, rounded to a multiple of 14"
    )
    accept_nc_license: bool = Field(
        False, description="I accept that weights under CC BY-NC 4.0 are not for commercial use"
    )
    revision: str = Field(
        "", description="revision of the weights on the hub; empty: the one this version was made for"
    )
    offline: bool = Field(False, description="never ask the model hub; use what is on disk")
    latency_ms: float = Field(
        0.0, ge=0, le=60_000, description="the synthetic model waits this long, as a slow one would"
    )
    threads: int = Field(0, ge=0, le=256, description="threads for torch; 0: all cores but one")
    engine: Literal["child", "inline"] = Field(
        "child", description="child: torch in a process of its own; inline: in a thread of the server"
    )
    max_sessions: int = Field(16, ge=1, le=1000, description="websockets open at once")
    max_message_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="largest message taken from a client")
    max_frame_pixels: int = Field(1920 * 1088, ge=196, description="largest frame that is decoded")
    summary_every_s: float = Field(5.0, gt=0, le=3600, description="seconds between summary lines in the log")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")


def add_arguments(parser: argparse._ActionsContainer, names: Sequence[str] | None = None) -> None:
    """One flag per setting. Flags that are not given stay absent, so that the environment can answer."""
    for name, field in Settings.model_fields.items():
        if names is not None and name not in names:
            continue
        default = "off" if field.default is False else field.default
        options: dict[str, Any] = {
            "help": f"{field.description} (default: {default!s})".replace("%", "%%"),
            "default": argparse.SUPPRESS,
        }
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif get_origin(field.annotation) is Literal:
            options["choices"] = get_args(field.annotation)
        parser.add_argument("--" + name.replace("_", "-"), **options)


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Flags over environment over defaults. Raises SettingsError."""
    given = {k: v for k, v in vars(arguments).items() if k in Settings.model_fields}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise SettingsError(f"--{name.replace('_', '-')}: {first['msg']}") from None


def web_folder() -> Path:
    """The page's files: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "web"
    return checkout if checkout.is_dir() else package / "web"


def describe() -> str:
    """The Markdown table of docs/settings.md."""
    rows = ["| flag | environment | default | what |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "off" if field.default is False else f"`{field.default}`" if field.default != "" else ""
        rows.append(
            f"| `--{name.replace('_', '-')}` | `{ENVIRONMENT_PREFIX}{name.upper()}` | {default} | {field.description} |"
        )
    return "\n".join(rows) + "\n"
