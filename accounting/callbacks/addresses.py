"""Which addresses may be called: https to the public internet, or what the operators allowed by name (C5).

`ipaddress.is_global` lets NAT64, 6to4, multicast and others through, so the list stands here: IANA's registries of
special-purpose addresses (RFC 6890 and its updates), and for IPv6 nothing outside 2000::/3.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

from accounting.errors import CallbackInvalid

MAX_URL = 500
_SPECIAL_V4 = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_GLOBAL_V6 = ip_network("2000::/3")
_SPECIAL_V6 = tuple(ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


@dataclass(frozen=True, slots=True)
class Target:
    """A callback's URL, taken apart. `host` is what the certificate must name."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def read_url(url: str) -> Target:
    """:raises CallbackInvalid: not an https URL that may be called, whatever its host resolves to."""
    if len(url) > MAX_URL or not url.isascii() or any(not "!" <= letter <= "~" for letter in url):
        raise CallbackInvalid(f"write visible ASCII characters only, at most {MAX_URL}", field="url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CallbackInvalid(f"this is no URL: {error}", field="url") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise CallbackInvalid("give an https URL with a host", field="url")
    if parts.username is not None or parts.password is not None:
        raise CallbackInvalid("a URL with a user name or password would show it in logs; leave it out", field="url")
    if parts.fragment or port == 0:
        raise CallbackInvalid("leave out the fragment, and port 0", field="url")
    if parts.scheme == "http" and not (_is_demonstration() and _is_loopback_name(parts.hostname)):
        raise CallbackInvalid("give an https URL: messages say who ran what", field="url")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, parts.hostname, port or (443 if secure else 80), path)


def resolve(target: Target) -> list[str]:
    """The numeric addresses of the host, each of which may be called.

    :raises CallbackInvalid: one of them may not be, so neither may the host.
    :raises OSError: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("the host is no name") from error
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    for address in addresses:
        if not is_allowed(address):
            raise CallbackInvalid(
                f"{target.host} leads to {address}, which is not on the public internet; "
                "CALLBACK_ALLOWED_NETWORKS can allow it",
                field="url",
            )
    return addresses


def is_allowed(address: str) -> bool:
    """Whether a message may go to this numeric address."""
    try:
        number = ip_address(address)
    except ValueError:
        return False
    if any(number in network for network in settings.CALLBACK_ALLOWED_NETWORKS):
        return True
    return (_is_demonstration() and number.is_loopback) or _is_public(number)


def _is_public(number: IPv4Address | IPv6Address) -> bool:
    if isinstance(number, IPv4Address):
        return not any(number in network for network in _SPECIAL_V4)
    return number.scope_id is None and number in _GLOBAL_V6 and not any(number in network for network in _SPECIAL_V6)


def _is_demonstration() -> bool:
    return bool(settings.DEMONSTRATION or settings.DEBUG)


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
