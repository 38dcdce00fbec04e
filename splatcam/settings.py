"""One Settings class. Command line flags, environment names and docs/settings.md are derived from it."""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "SPLATCAM_"
# off: each frame as the model sees it alone; on: scale, field of view and what rests are held; window: a keyframe is
# estimated along with each frame, so that the network itself holds the world.
SteadyMode = Literal["off", "on", "window"]
# off: no recording; asked: a client may have its own camera recorded; always: every camera is.
RecordMode = Literal["off", "asked", "always"]
SWITCH = {True: "on", False: "off"}
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?")  # as browsers write it
HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
TOKEN = re.compile(r"[!-~]{12,}")  # what a header and an address can carry, and nobody guesses


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
    allowed_hosts: str = Field(
        "",
        description="names that this service answers to where no token is asked for, comma-separated",
    )
    trusted_proxies: str = Field(
        "",
        description="addresses or networks whose X-Forwarded-For tells where a client comes from, comma-separated;"
        " empty in a pod of Runpod: the private networks",
    )
    token: str = Field(
        "",
        repr=False,
        description="what visitors have to show, also on loopback; empty: one is made and printed, except on loopback",
    )
    auth: bool = Field(True, description="whether visitors are asked at all; --no-auth: whoever reaches it comes in")
    https: Literal["off", "self-signed"] = Field(
        "off", description="self-signed: with a certificate of our own, so that a phone's camera works in the LAN"
    )
    tls_certificate: str = Field("", description="https with this certificate chain, a PEM file")
    tls_key: str = Field("", description="the key of --tls-certificate, a PEM file without a password")
    process_res: int = Field(
        504, ge=56, le=2016, description="long side of the model's grid in pixels, rounded to a multiple of 14"
    )
    steady: SteadyMode = Field(
        "on",
        description="on: scale, field of view and what does not move are held from frame to frame; window: each frame"
        " is estimated together with an earlier one, at twice the cost, where the model can; off: each frame alone",
    )
    fov: float = Field(
        0.0, ge=0, le=150, description="the camera's horizontal field of view in degrees; 0: as the model sees it"
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
    frame_deadline_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="seconds a frame may take; beyond it, and beyond 20 times the usual, the model's process"
        " is started again",
    )
    max_sessions: int = Field(16, ge=1, le=1000, description="websockets open at once")
    max_sessions_per_address: int = Field(
        8, ge=1, le=1000, description="of those from one address; this machine's own are not counted"
    )
    max_messages_per_s: float = Field(
        500, ge=1, le=1e6, description="messages taken from a client; for a moment twice as many"
    )
    max_bytes_per_s: float = Field(20e6, ge=1024, le=1e10, description="bytes taken from a client, likewise")
    first_message_s: float = Field(15, gt=0, le=3600, description="seconds for a client's hello or first frame")
    idle_s: float = Field(120, gt=0, le=86400, description="seconds a client may send and watch nothing")
    stalled_after_s: float = Field(
        15, ge=1, le=3600, description="seconds after which a client that takes nothing is cut off"
    )
    drain_s: float = Field(
        1, ge=0, le=3600, description="seconds between SIGTERM, when nobody comes in any more, and the sessions' end"
    )
    max_message_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="largest message taken from a client")
    max_frame_pixels: int = Field(1920 * 1088, ge=196, description="largest frame that is decoded")
    record: RecordMode = Field(
        "asked", description="asked: a page may record its camera; always: every camera is recorded; off: none is"
    )
    recordings: str = Field("recordings", description="folder of the recordings; made when the first one begins")
    max_recording_bytes: int = Field(
        4 << 30, ge=1 << 20, description="size at which a recording ends; it also ends where the disk has 1 GiB left"
    )
    summary_every_s: float = Field(5.0, gt=0, le=3600, description="seconds between summary lines in the log")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")
    log_format: Literal["text", "json"] = Field("text", description="json: one map a line, for machines")

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_what_a_browser_sends(cls, origins: str) -> str:
        """One that no browser sends would let nobody in, and say nothing."""
        for origin in filter(None, map(str.strip, origins.split(","))):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no https://host[:port] in small letters")
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_names(cls, hosts: str) -> str:
        for host in filter(None, map(str.strip, hosts.split(","))):
            if not HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no name in small letters without a port")
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, proxies: str) -> str:
        for proxy in filter(None, map(str.strip, proxies.split(","))):
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(f"{proxy!r} is neither an address nor a network") from None
        return proxies

    @field_validator("token")
    @classmethod
    def _token_is_hard_to_guess(cls, token: str) -> str:
        if token and not TOKEN.fullmatch(token):
            raise ValueError("takes at least 12 letters, digits or signs, and no spaces")
        return token

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.token and not self.auth:
            raise ValueError("--token and --no-auth contradict each other")
        if self.max_message_bytes > self.max_bytes_per_s:
            raise ValueError("--max-bytes-per-s is below --max-message-bytes: the largest frames would never come in")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("--tls-certificate and --tls-key belong together")
        if self.tls_certificate and self.https == "self-signed":
            raise ValueError("--https self-signed makes a certificate: leave --tls-certificate and --tls-key out")
        return self


def add_arguments(parser: argparse._ActionsContainer, names: Sequence[str] | None = None) -> None:
    """One flag per setting. Flags that are not given stay absent, so that the environment can answer."""
    for name, field in Settings.model_fields.items():
        if names is not None and name not in names:
            continue
        options: dict[str, Any] = {
            "help": f"{field.description} (default: {_default_of(field)})".replace("%", "%%"),
            "default": argparse.SUPPRESS,
        }
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif get_origin(field.annotation) is Literal:
            options["choices"] = get_args(field.annotation)
        parser.add_argument("--" + name.replace("_", "-"), **options)


def add_client_token(parser: argparse._ActionsContainer) -> None:
    """--token for who asks a service, in place of the service's own."""
    help_text = "what the service asks of visitors: it stands in the link that it prints (default: $SPLATCAM_TOKEN)"
    parser.add_argument("--token", default=argparse.SUPPRESS, help=help_text)


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Flags over environment over defaults. Raises SettingsError."""
    given = {k: v for k, v in vars(arguments).items() if k in Settings.model_fields}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        flag = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        raise SettingsError(flag + first["msg"].removeprefix("Value error, ")) from None


def web_folder() -> Path:
    """The page's files: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "web"
    return checkout if checkout.is_dir() else package / "web"


def describe() -> str:
    """The Markdown table of docs/settings.md."""
    rows = ["| flag | environment | default | what |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _default_of(field)
        if default and field.annotation is not bool:
            default = f"`{default}`"
        rows.append(
            f"| `--{name.replace('_', '-')}` | `{ENVIRONMENT_PREFIX}{name.upper()}` | {default} | {field.description} |"
        )
    return "\n".join(rows) + "\n"


def _default_of(field: FieldInfo) -> str:
    return SWITCH[field.default] if field.annotation is bool else str(field.default)
