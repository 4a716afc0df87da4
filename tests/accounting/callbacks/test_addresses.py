"""Where a message may go (C5): every way to write or resolve to an inner address is refused."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any

import pytest

from accounting import callbacks
from accounting.callbacks import addresses
from accounting.errors import CallbackInvalid
from tests.conftest import Federation

INNER = (
    *("0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.1"),
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::"),
    *("3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1"),
    *("", "localhost", "1.1.1"),
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "2606:4700:4700::1111", "2a00:1450::1")


def test_addresses_that_are_not_on_the_public_internet() -> None:
    assert {address for address in INNER if addresses.is_allowed(address)} == set()
    assert {address for address in PUBLIC if not addresses.is_allowed(address)} == set()


def test_networks_that_were_allowed(settings: Any) -> None:
    settings.CALLBACK_ALLOWED_NETWORKS = (ip_network("10.20.0.0/16"), ip_network("fd12::/16"))
    allowed = {address for address in (*INNER, "10.20.3.4") if addresses.is_allowed(address)}
    assert allowed == {"10.20.3.4", "fd12::1"}


def test_a_demonstration_may_call_this_machine_and_nothing_else(settings: Any) -> None:
    settings.DEMONSTRATION = True
    allowed = {address for address in INNER if addresses.is_allowed(address)}
    assert allowed == {"127.0.0.1", "127.9.9.9", "::1"}
    assert addresses.read_url("http://127.0.0.1:8000/x").port == 8000
    assert addresses.read_url("http://localhost/x").path == "/x"
    assert addresses.read_url("http://[::1]/").host == "::1"
    for url in ("http://example.org/", "http://127.0.0.1.example.org/", "http://10.0.0.1/", "http://2130706433/"):
        with pytest.raises(CallbackInvalid, match="https"):
            addresses.read_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://", "https:///x", "example.org", "//example.org/", "ftp://example.org/", "file:///etc/passwd"),
        *("http://example.org/", "http://127.0.0.1/", "http://localhost/", "gopher://example.org/"),
        *("https://user@example.org/", "https://user:pass@example.org/", "https://:pass@example.org/"),
        *("https://example.org/#part", "https://example.org:0/", "https://example.org:99999/"),
        *(
            "https://example.org:port/",
            "https://[::1/",
            "https://[zz]/",
            "https://example.org/ x",
            "https://exa mple.org/",
        ),
        *("https://example.org/\r\nX-Evil: 1", "https://example.org/\x00", "https://exämple.org/", "https://①②⑦.①/"),
        "https://good.example.org\\@127.0.0.1/",
        "https://example.org/" + "x" * 500,
    ],
)
def test_urls_that_are_refused_and_why(url: str) -> None:
    with pytest.raises(CallbackInvalid) as caught:
        addresses.read_url(url)
    assert caught.value.field == "url"
    assert len(caught.value.detail) > 20


def test_a_url_taken_apart() -> None:
    target = addresses.read_url("https://Example.org/hook?who=us")
    assert (target.secure, target.host, target.port, target.path) == (True, "example.org", 443, "/hook?who=us")
    assert target.authority == "example.org"
    assert addresses.read_url("https://[2606:4700::1]:8443").authority == "[2606:4700::1]:8443"
    assert addresses.read_url("https://example.org?x").path == "/?x"


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "10.0.0.1", "[::1]", "[64:ff9b::7f00:1]"],
)
def test_names_and_spellings_of_inner_addresses_are_refused(federation: Federation, host: str) -> None:
    """Through the resolver of this machine, as they would be connected to."""
    with pytest.raises(CallbackInvalid, match="not on the public internet"):
        callbacks.register(federation.client.client, f"https://{host}/hook")
    assert callbacks.find(federation.client.client) is None


@pytest.mark.parametrize("found", [["10.0.0.1"], ["1.1.1.1", "169.254.169.254"], ["2606:4700::1", "::1"]])
def test_a_name_that_leads_inside_is_refused(
    federation: Federation, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One inner address among others is enough: nobody could say which one will be used."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 443)) for address in found])
    with pytest.raises(CallbackInvalid, match=r"hook.example.org leads to .*CALLBACK_ALLOWED_NETWORKS"):
        callbacks.register(federation.client.client, "https://hook.example.org/")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example.org", "a..b"])
def test_a_name_that_does_not_resolve_is_refused(federation: Federation, host: str) -> None:
    with pytest.raises(CallbackInvalid, match="does not resolve"):
        callbacks.register(federation.client.client, f"https://{host}/")
