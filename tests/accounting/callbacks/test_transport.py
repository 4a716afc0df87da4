"""One POST: bounded in time and size, to the checked address, and nothing that was not asked for (C5)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from accounting.callbacks import transport
from accounting.callbacks.transport import Answer, TransportFailed
from devtools.processes import free_ports
from tests.accounting.callbacks.receiver import Receiver, Reply, receiving


def post(url: str, body: bytes = b"{}") -> Answer:
    return transport.post(url, body, {"webhook-id": "1"})


def certificate(folder: Path, *names: str) -> ssl.SSLContext:
    """A server's certificate that vouches for itself; its file is `folder`/one.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    places = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "one.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """A receiver that sends a byte now and then and never finishes."""
    (port,) = free_ports(1)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            with server.accept()[0] as line:
                try:
                    line.sendall(first)
                    for _ in itertools.takewhile(lambda _: not stop.wait(0.05), itertools.count()):
                        line.sendall(b"x")
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{port}"
        stop.set()
        thread.join()


def test_answers_are_statuses(receiver: Receiver) -> None:
    for status in (200, 204, 302, 404, 410, 500):
        receiver.usual = Reply(status)
        assert post(receiver.url) == Answer(status)
    assert [one.path for one in receiver.received] == ["/hook?who=us"] * 6


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1e3", "²", "9" * 400, "Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +" + "9" * 60],
)
def test_a_wish_that_is_none(receiver: Receiver, text: str) -> None:
    receiver.usual = Reply(503, {"Retry-After": text.encode().decode("latin-1")})
    assert post(receiver.url) == Answer(503)


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(receiver.url) == Answer(204)


def test_a_long_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.usual = Reply(200, {"Content-Length": str(10**9)}, b"x" * (1 << 20))
    started = time.monotonic()
    assert post(receiver.url) == Answer(200)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX-Header: "])
def test_a_receiver_that_drips_is_cut_off(demonstration: None, first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.4)
    started = time.monotonic()
    with dripping(first) as place, pytest.raises(TransportFailed, match="it took too long"):
        post(f"http://{place}/")
    assert 0.3 < time.monotonic() - started < 2


def test_a_handshake_that_drips_is_cut_off(demonstration: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.4)
    started = time.monotonic()
    with dripping(b"\x16\x03\x03\x3f\xff") as place, pytest.raises(TransportFailed):
        post(f"https://{place}/")
    assert 0.1 < time.monotonic() - started < 2


@pytest.mark.parametrize("first", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 70_000 + b"\r\n"])
def test_what_is_no_http_is_a_failure(demonstration: None, first: bytes) -> None:
    with dripping(first) as place, pytest.raises(TransportFailed, match="it cannot be reached"):
        post(f"http://{place}/")


class TestTls:
    @pytest.fixture(autouse=True)
    def trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demonstration: None) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one.pem"))

    def test_the_certificate_must_name_the_host(self, tmp_path: Path) -> None:
        with receiving(certificate(tmp_path, "127.0.0.1", "localhost")) as receiver:
            assert post(receiver.url) == Answer(204)
            assert post(f"https://localhost:{receiver.port}/") == Answer(204)
            assert receiver.received[-1].headers["host"] == f"localhost:{receiver.port}"

    def test_a_certificate_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        with (
            receiving(certificate(tmp_path, "other.example.org")) as receiver,
            pytest.raises(TransportFailed, match="its certificate is not accepted: IP address mismatch"),
        ):
            post(receiver.url)
        assert receiver.received == []

    def test_nor_does_the_address_vouch_for_the_name(self, tmp_path: Path) -> None:
        with (
            receiving(certificate(tmp_path, "127.0.0.1")) as receiver,
            pytest.raises(TransportFailed, match="its certificate is not accepted: Hostname mismatch"),
        ):
            post(f"https://localhost:{receiver.port}/")

    def test_a_certificate_that_nobody_vouches_for_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with (
            receiving(certificate(tmp_path, "127.0.0.1")) as receiver,
            pytest.raises(TransportFailed, match="its certificate is not accepted: self-signed certificate"),
        ):
            post(receiver.url)
        assert receiver.received == []


Resolve = Callable[..., list[tuple[Any, ...]]]


class TestNames:
    def test_it_connects_to_the_address_that_was_checked(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that resolves to something else a moment later changes nothing: it is looked up once."""
        real, asked = socket.getaddrinfo, []

        def resolve(host: str, port: int, *words: Any, **named: Any) -> Any:
            if host[0].isdigit():
                return real(host, port, *words, **named)
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port, *words, **named)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert post(f"http://localhost:{receiver.port}/") == Answer(204)
        assert asked == ["localhost"]

    def test_a_name_that_leads_inside_later_is_not_called(
        self, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Registered when it was public; the receiver behind it now would answer."""
        settings.DEMONSTRATION = False
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, **how: real("127.0.0.1", port, **how))
        with pytest.raises(TransportFailed, match="not on the public internet"):
            post(f"https://hook.example.org:{receiver.port}/")
        assert receiver.received == []

    def test_the_next_address_is_tried(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.getaddrinfo

        def resolve(host: str, port: int, *words: Any, **named: Any) -> Any:
            if host != "localhost":
                return real(host, port, *words, **named)
            return [*real("::1", port, *words, **named), *real("127.0.0.1", port, *words, **named)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert post(f"http://localhost:{receiver.port}/") == Answer(204)

    def test_a_name_that_does_not_resolve(self) -> None:
        with pytest.raises(TransportFailed, match="its name does not resolve"):
            post("https://nowhere.invalid/")


def test_nothing_listens(demonstration: None) -> None:
    (port,) = free_ports(1)
    with pytest.raises(TransportFailed, match="Connection refused"):
        post(f"http://127.0.0.1:{port}/")
