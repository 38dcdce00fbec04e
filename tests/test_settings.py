from __future__ import annotations

import argparse

import pytest

from splatcam.settings import Settings, SettingsError, add_arguments, describe, settings_from, web_folder


def settings(*flags: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return settings_from(parser.parse_args(flags))


def test_without_flags_the_defaults_hold() -> None:
    assert settings() == Settings()
    assert (settings().model, settings().host, settings().port) == ("auto", "127.0.0.1", 8000)


def test_a_flag_beats_the_environment_and_that_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLATCAM_PORT", "9001")
    monkeypatch.setenv("SPLATCAM_MODEL", "small")
    assert (settings("--port", "9002").port, settings().model) == (9002, "small")


def test_switches_have_two_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLATCAM_ACCEPT_NC_LICENSE", "1")
    assert settings().accept_nc_license
    assert not settings("--no-accept-nc-license").accept_nc_license


@pytest.mark.parametrize("flags", [["--port", "70000"], ["--process-res", "5"], ["--latency-ms", "-1"]])
def test_a_value_out_of_range_is_named(flags: list[str]) -> None:
    with pytest.raises(SettingsError, match=flags[0]):
        settings(*flags)


def test_the_document_lists_every_setting() -> None:
    table = describe()
    assert all(f"SPLATCAM_{name.upper()}" in table for name in Settings.model_fields)


def test_the_pages_files_are_found() -> None:
    assert (web_folder() / "package.json").is_file()


@pytest.mark.parametrize("token", ["short", "with a space in it", "with-ümlaut-in-it"])
def test_a_token_that_is_easy_to_guess_or_fits_no_header_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(SettingsError, match="--token: takes at least 12") as refused:
        settings("--token", token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "origin", ["splat.example.com", "https://a.example/", "https://a.example/splat", "*", "https://A.example"]
)
def test_an_origin_that_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="--allowed-origins: .* is no https://host"):
        settings("--allowed-origins", f"https://b.example, {origin}")


@pytest.mark.parametrize("origin", ["", "https://a.example", "http://10.0.0.7:8080", "http://[fd00::2]:80,https://b.c"])
def test_origins_as_browsers_send_them_are_taken(origin: str) -> None:
    assert settings("--allowed-origins", origin).allowed_origins == origin


def test_settings_that_contradict_each_other_are_named_in_words() -> None:
    with pytest.raises(SettingsError, match="^--token and --no-auth contradict each other$"):
        settings("--token", "correct-horse-battery", "--no-auth")


def test_settings_that_are_printed_do_not_tell_the_token() -> None:
    assert "correct-horse" not in repr(settings("--token", "correct-horse-battery"))


@pytest.mark.parametrize("hosts", ["https://a.example", "a.example:8000", "A.example", "*", "a b"])
def test_an_allowed_host_is_a_name_and_nothing_else(hosts: str) -> None:
    with pytest.raises(SettingsError, match="--allowed-hosts: .* is no name"):
        settings("--allowed-hosts", f"b.example, {hosts}")
    assert settings("--allowed-hosts", "a.example, b").allowed_hosts == "a.example, b"


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert settings("--trusted-proxies", "10.0.0.1, fd00::/8").trusted_proxies == "10.0.0.1, fd00::/8"
    with pytest.raises(SettingsError, match="--trusted-proxies: 'proxy.example' is neither"):
        settings("--trusted-proxies", "10.0.0.1, proxy.example")


def test_a_message_that_is_allowed_is_not_forbidden_by_its_bytes() -> None:
    with pytest.raises(SettingsError, match="the largest frames would never come in"):
        settings("--max-bytes-per-s", "2000", "--max-message-bytes", "4000")
