"""Which addresses are told. Nothing is sent to find them."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from splatcam.door import addresses
from splatcam.door.addresses import Reach, greeting, lan_address, own_names, phone_greeting

TOKEN = "a token&more"


def reach(host: str, scheme: Any = "http", token: str | None = None, **more: str) -> Reach:
    return Reach(scheme, host, 8000, token, **more)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("::", "http://localhost:8000"),
        ("::1", "http://localhost:8000"),
        ("192.168.1.2", "http://192.168.1.2:8000"),
        ("fd00::2", "http://[fd00::2]:8000"),
    ],
)
def test_the_address_is_one_that_a_browser_here_opens_as_a_secure_page_where_there_is_one(
    host: str, address: str
) -> None:
    assert greeting(reach(host)).endswith(f": open {address}")


def test_other_machines_of_the_network_have_a_link_of_their_own_and_are_told_what_it_cannot_do() -> None:
    here, elsewhere = greeting(reach("0.0.0.0", token="t", lan="192.168.1.2")).split("\n")
    assert here.endswith(": open http://localhost:8000/?token=t")
    assert " http://192.168.1.2:8000/?token=t " in elsewhere and "https" in elsewhere


@pytest.mark.parametrize(
    "only",
    [
        reach("127.0.0.1", lan="192.168.1.2"),
        reach("192.168.1.2", lan="192.168.1.2"),
        reach("0.0.0.0"),
        reach("0.0.0.0", "https", lan="192.168.1.2"),
        reach("0.0.0.0", proxy="https://p.example", lan="10.0.0.7"),
    ],
)
def test_where_one_address_serves_all_one_is_told(only: Reach) -> None:
    assert "\n" not in greeting(only)


def test_the_link_carries_the_token_whatever_it_is_made_of() -> None:
    assert greeting(reach("0.0.0.0", token=TOKEN)).endswith("/?token=a+token%26more")


def test_behind_runpods_proxy_its_address_is_the_link() -> None:
    assert reach("0.0.0.0", token="t", proxy="https://p.example").here() == "https://p.example/?token=t"


def test_what_listens_on_loopback_is_out_of_a_proxys_reach_in_a_pod_too() -> None:
    assert reach("127.0.0.1", proxy="https://p.example").here() == "http://localhost:8000"


def test_a_phone_is_told_the_address_in_the_network_and_the_laptop_what_to_watch() -> None:
    told = "\n".join(phone_greeting(reach("0.0.0.0", "https", "t", lan="192.168.1.2")))
    assert "https://192.168.1.2:8000/?token=t " in told
    assert "https://localhost:8000/?watch=newest&token=t" in told


def test_a_phone_that_cannot_come_here_is_told_why() -> None:
    loopback, alone = reach("127.0.0.1", "https"), reach("0.0.0.0", "https")
    assert (loopback.phone(), alone.phone()) == (None, None)
    assert "--host 0.0.0.0" in phone_greeting(loopback)[0]
    assert "no network" in phone_greeting(alone)[0]


def test_an_address_that_was_asked_for_is_the_phones_too() -> None:
    assert reach("192.168.7.7", "https", lan="10.0.0.1").phone() == "https://192.168.7.7:8000"


class Unconnected:
    """A datagram socket of a machine with no network, or with loopback alone."""

    def __init__(self, own: str | None) -> None:
        self.own = own

    def __enter__(self) -> Unconnected:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, address: object) -> None:
        if self.own is None:
            raise OSError(101, "Network is unreachable")

    def getsockname(self) -> tuple[str | None, int]:
        return self.own, 1


@pytest.mark.parametrize(("own", "lan"), [(None, None), ("127.0.0.1", None), ("10.0.0.7", "10.0.0.7")])
def test_the_lan_address_is_the_one_that_the_default_route_leaves_by(
    monkeypatch: pytest.MonkeyPatch, own: str | None, lan: str | None
) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: Unconnected(own))
    assert lan_address() == lan


def test_a_machine_that_speaks_no_ipv4_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> Any:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", unsupported)
    assert lan_address() is None


def test_a_certificate_is_for_every_name_that_a_browser_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "Laptop.local")
    loopback = ["localhost", "127.0.0.1", "::1"]
    assert own_names("0.0.0.0", "10.0.0.7") == [*loopback, "laptop.local", "10.0.0.7"]
    assert own_names("127.0.0.1", None) == [*loopback, "laptop.local"]
    assert own_names("10.0.0.9", "10.0.0.7") == [*loopback, "laptop.local", "10.0.0.7", "10.0.0.9"]


@pytest.mark.parametrize("machine", ["my_laptop", "my--laptop", "-laptop", "laptop-.local", "x" * 64, "xn--zz", ""])
def test_a_machine_with_a_name_that_no_certificate_can_hold_does_without(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: machine)
    assert own_names("::1", None) == ["localhost", "127.0.0.1", "::1"]


def test_a_certificate_names_an_address_without_its_network_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "my_laptop")
    assert own_names("fe80::1%eth0", None) == ["localhost", "127.0.0.1", "::1", "fe80::1"]
