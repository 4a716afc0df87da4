"""An identity provider of our own making: real HTTP, real keys, and every fault that a real one can have."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from devtools.processes import free_ports

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def published(key_id: str, key: Key, **more: Any) -> dict[str, Any]:
    """Describe a key as a JWK set does."""
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", **more}


class Issuer:
    """Publishes `keys` at /realm; `broken` maps a path to (status, body, headers) or a number of seconds to hang."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self.keys = dict(keys)
        self.extra_keys: list[dict[str, Any]] = []
        self.broken: dict[str, tuple[int, bytes, dict[str, str]] | float] = {}
        self.opaque: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.credentials: list[str] = []
        (self.port,) = free_ports(1)
        self.server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.root}/realm"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"issuer": self})
        self.server = _Server(("127.0.0.1", self.port), handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return what a person's access token of Keycloak says; None removes a claim."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "alice@egi.eu",
            "iat": now,
            "exp": now + 3600,
            "typ": "Bearer",
            "azp": "openeo-platform-default-client",
            "scope": "openid",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key_id: str = "one", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        key = self.keys[key_id]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return sign(self.claims(**changes), key, algorithm, {"kid": key_id, **(header or {})})

    def document(self, path: str) -> dict[str, Any] | None:
        if path == "/realm/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.root}/realm/certs",
                "introspection_endpoint": f"{self.root}/realm/introspect",
            }
        if path == "/realm/certs":
            return {"keys": [published(name, key) for name, key in self.keys.items()] + self.extra_keys}
        return None


def sign(claims: Mapping[str, Any], key: Any, algorithm: str | None, header: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=dict(header))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle of an answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        self.issuer.asked[self.path] += 1
        fault = self.issuer.broken.get(self.path)
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault is not None:
            self._send(*fault)
            return
        document = self.issuer.document(self.path)
        self._send(200 if document else 404, json.dumps(document).encode(), {})

    def do_POST(self) -> None:
        self.issuer.asked[self.path] += 1
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.issuer.credentials.append(self.headers.get("Authorization", ""))
        fault = self.issuer.broken.get(self.path)
        if isinstance(fault, tuple):
            self._send(*fault)
            return
        answer = self.issuer.opaque.get(form["token"][0], {"active": False})
        self._send(200, json.dumps(answer).encode(), {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The tests' output is for the tests."""
