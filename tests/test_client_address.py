from __future__ import annotations

import pytest

from splatcam.door.client_address import client_of, trusted_networks

POD = {"RUNPOD_POD_ID": "abc"}


def client(
    peer: str | None, *forwarded: str, trusted: str = "", environment: dict[str, str] | None = None
) -> str | None:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope = {"client": (peer, 1234) if peer is not None else None, "headers": [(b"host", b"a"), *headers]}
    return client_of(scope, trusted_networks(trusted, environment or {}))


def test_without_proxies_it_is_the_peer_whatever_it_says() -> None:
    assert client("198.51.100.7") == "198.51.100.7"
    assert client("198.51.100.7", "203.0.113.9") == "198.51.100.7"


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", None, "testclient"])
def test_this_machine_and_what_has_no_address_are_not_counted(peer: str | None) -> None:
    assert client(peer) is None


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # a chain of two of ours
        (["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # what the visitor wrote itself is left of its own
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9"], "203.0.113.9"),  # two headers are one list
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::1]:80"], "2001:db8::/64"),
        (["unknown"], "10.0.0.1"),
        (["1.1.1.1, unknown"], "10.0.0.1"),
        (["\xff, ;"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # they all are ours
    ],
)
def test_behind_trusted_proxies_it_is_the_last_hop_that_is_none_of_them(forwarded: list[str], found: str) -> None:
    assert client("10.0.0.1", *forwarded, trusted="10.0.0.0/24") == found


def test_a_proxy_on_this_machine_is_trusted_only_when_it_is_named() -> None:
    assert client("127.0.0.1", "203.0.113.9") is None
    assert client("127.0.0.1", "203.0.113.9", trusted="127.0.0.1, ::1") == "203.0.113.9"


def test_in_a_pod_the_private_networks_are_its_proxy_unless_others_are_named() -> None:
    assert client("100.64.0.5", "203.0.113.9", environment=POD) == "203.0.113.9"
    assert client("198.51.100.7", "203.0.113.9", environment=POD) == "198.51.100.7"
    assert client("100.64.0.5", "203.0.113.9", environment=POD, trusted="192.0.2.1") == "100.64.0.5"


def test_addresses_of_one_ipv6_network_count_as_one_and_an_ipv4_address_in_its_clothes_as_itself() -> None:
    assert client("2001:db8::1") == client("2001:db8::ffff:2") == "2001:db8::/64"
    assert client("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert client("::ffff:198.51.100.7") == "198.51.100.7"
