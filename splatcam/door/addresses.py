"""Where the service can be reached: links to click, to type and to scan. Sends nothing over the network."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from splatcam import __version__

EVERYWHERE = ("0.0.0.0", "::")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SOMEWHERE = ("192.0.2.1", 9)  # an address of no machine (RFC 5737); it only has to need the default route
LABEL = r"(?!..--)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"  # "--" in third place is kept for encoded names
HOST_NAME = re.compile(rf"{LABEL}(\.{LABEL})*")


@dataclass(frozen=True)
class Reach:
    """What the service listens on, and what a visitor needs."""

    scheme: Literal["http", "https"]
    host: str  # an address
    port: int
    token: str | None = field(repr=False)
    proxy: str | None = None  # the origin that a proxy in front gives it
    lan: str | None = None  # this machine's address in its network

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def link(self, host: str, **parameters: str) -> str:
        return _with(f"{self.scheme}://{_bracketed(host)}:{self.port}", self.token, parameters)

    def here(self, **parameters: str) -> str:
        """For a browser on this machine: `localhost` is a secure page there, so the camera works."""
        if self.proxy and not self.is_loopback:
            return _with(self.proxy, self.token, parameters)
        return self.link("localhost" if self.host in (*EVERYWHERE, *LOOPBACK_NAMES) else self.host, **parameters)

    def phone(self) -> str | None:
        """For another machine of the network; None where nothing leads here from there."""
        if self.is_loopback:
            return None
        host = self.lan if self.host in EVERYWHERE else self.host
        return self.link(host) if host else None


def greeting(reach: Reach) -> str:
    """What is printed when the service answers: the way in, and the others' where they need another."""
    here, others = reach.here(), reach.phone()
    told = f"splatcam {__version__}: open {here}"
    if reach.scheme == "https" or reach.proxy or others in (None, here):
        return told
    return f"{told}\nothers in the network: {others} (to watch; their cameras need https)"


def phone_greeting(reach: Reach) -> list[str]:
    """What a phone opens and what to watch it with; the QR code belongs below."""
    link = reach.phone()
    if reach.is_loopback:
        return ["a phone cannot reach this machine's loopback address: add --host 0.0.0.0"]
    if link is None:
        return ["this machine is in no network that a phone could share"]
    return [
        f"watch what the phone sees: {reach.here(watch='newest')}",
        f"the phone, in the same network, opens {link} and accepts the certificate once:",
    ]


def lan_address() -> str | None:
    """IPv4: addresses of IPv6 change by the day, and with them the certificate. `connect` of UDP sends nothing."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(SOMEWHERE)
            address = probe.getsockname()[0]
    except OSError:  # no network, or one without IPv4
        return None
    return None if ipaddress.ip_address(address).is_loopback else address


def own_names(host: str, lan: str | None) -> list[str]:
    """What a browser may call this machine, as a certificate can say it."""
    machine = socket.gethostname().lower()
    names = [*LOOPBACK_NAMES, *([machine] if HOST_NAME.fullmatch(machine) else [])]
    names += [address for address in (lan, host.partition("%")[0]) if address and address not in EVERYWHERE]
    return list(dict.fromkeys(names))


def _with(origin: str, token: str | None, parameters: dict[str, str]) -> str:
    query = urlencode({**parameters, **({"token": token} if token else {})})
    return f"{origin}/?{query}" if query else origin


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
