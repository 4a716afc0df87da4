"""One POST to a back end: the only place of accounting that speaks HTTP to the outside.

The standard library's client, because it does nothing by itself: no proxy from the environment, no redirect, no
cookies, no second try. It connects to the address that was checked, not to a name that may resolve anew meanwhile.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from accounting.callbacks import addresses
from accounting.callbacks.addresses import Target
from accounting.errors import CallbackInvalid

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_ADDRESSES = 3


class TransportFailed(Exception):
    """There was no answer; the text says why, and holds nothing of what was sent nor of the URL's path."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after`: seconds that the receiver asks for, None when it does not."""

    status: int
    retry_after: float | None = None


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Sends once and waits for the answer, at most `CONNECT_SECONDS` + `ANSWER_SECONDS` once an address is reached.

    :raises TransportFailed: no connection, no proper answer, or an address that may not be called.
    """
    try:
        target = addresses.read_url(url)
        with _connected(target, addresses.resolve(target)) as (connection, is_cut):
            connection.request("POST", target.path, body, {"Host": target.authority, **headers})
            response = connection.getresponse()
            if is_cut.is_set():  # the library takes headers that end too early for complete
                raise TimeoutError
            answer = Answer(response.status, _seconds(response.getheader("Retry-After")))
            with contextlib.suppress(OSError, http.client.HTTPException):
                response.read(MAX_ANSWER_BYTES)  # politeness: what was decided stands in the status
            return answer
    except CallbackInvalid as error:
        raise TransportFailed(error.detail) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransportFailed(_reason(error)) from error


@contextlib.contextmanager
def _connected(target: Target, places: Sequence[str]) -> Iterator[tuple[http.client.HTTPConnection, threading.Event]]:
    raw = _reach(places[:MAX_ADDRESSES], target.port)
    with raw, _ended_in_time(raw, CONNECT_SECONDS + ANSWER_SECONDS) as is_cut:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.auto_open = 0  # never by name
        connection.sock = _secured(raw, target.host) if target.secure else raw
        connection.sock.settimeout(ANSWER_SECONDS)
        with contextlib.closing(connection):
            try:
                yield connection, is_cut
            except (OSError, http.client.HTTPException) as error:
                raise TimeoutError if is_cut.is_set() else error from None


def _reach(places: Sequence[str], port: int) -> socket.socket:
    error: OSError = OSError("the host has no address")
    for place in places:
        try:
            return socket.create_connection((place, port), CONNECT_SECONDS)
        except OSError as failed:
            error = failed
    raise error


def _secured(raw: socket.socket, host: str) -> ssl.SSLSocket:
    """TLS with the system's certification authorities; the certificate must name the host of the URL."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(raw, server_hostname=host)


@contextlib.contextmanager
def _ended_in_time(raw: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Time-outs of a socket count from one byte to the next; a receiver that sends a byte now and then is cut off here.

    A duplicate shuts the connection down, because TLS takes the first descriptor over. Gives whether that has happened.
    """
    is_cut = threading.Event()
    with raw.dup() as other:

        def cut() -> None:
            is_cut.set()
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield is_cut
        finally:
            timer.cancel()
            timer.join()


def _seconds(text: str | None) -> float | None:
    """Retry-After, a number of seconds or a date; None for what is neither."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    detail = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"it cannot be reached: {detail}"
