"""The public keys of one issuer: fetched seldom, kept long, never waited for when a usable one is at hand.

* fresh keys (5 minutes) answer at once; older ones answer at once too while one thread renews them;
* an unknown key id asks the provider at most once a minute, however many tokens carry one;
* while the provider is down, keys that it gave within the last 24 hours keep serving, and it is asked every 10 seconds
  at most; a token that would need a key nobody has then gets "try again" (503) and not "wrong" (401);
* the last good answer is left, signed, in Django's cache, so that with a shared cache a new process starts with it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from django.conf import settings
from django.core import signing

from portal import logs
from portal.api import fetching, shared
from portal.api.issuers import TokenIssuer, comparable

FRESH_SECONDS = 300
STALE_SECONDS = 24 * 3600
UNKNOWN_KEY_SECONDS = 60
FAILURE_SECONDS = 10
MAX_KEYS = 50
ALGORITHMS = ("RS256", "ES256")
_SALT = "portal.api.keys"

Fetch = Callable[[str], dict[str, Any]]


class KeyUnknown(Exception):
    """The issuer does not publish this key."""


class ProviderUnavailable(Exception):
    """Whether the key exists cannot be told now."""


class KeyStore:
    """:param clock: seconds since the epoch; the age of keys outlives the process, so it is not a monotonic clock."""

    def __init__(
        self, issuer: TokenIssuer, *, clock: Callable[[], float] = time.time, fetch: Fetch = fetching.get_json
    ) -> None:
        self.issuer = issuer
        self.clock = clock
        self.fetch = fetch
        self.keys: Mapping[str, jwt.PyJWK] = {}
        #: Changes with the keys: what was verified with the old ones has to be verified again.
        self.generation = 0
        self.fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._failing = False
        self._asked_for_unknown_at = float("-inf")
        self._published: Any = None
        self._jwks_uri = issuer.jwks_uri
        self._fetching = threading.Lock()
        self._cache_name = f"jwks:{hashlib.sha256(comparable(issuer.issuer).encode()).hexdigest()}"
        self._loaded = False

    def key(self, key_id: str) -> jwt.PyJWK:
        """:raises KeyUnknown: when the issuer has no such key.
        :raises ProviderUnavailable: when it cannot be asked and no key of the last 24 hours fits.
        """
        if not self._loaded:
            self._load()
        age = self.clock() - self.fetched_at
        found = self.keys.get(key_id)
        if found is not None and age < STALE_SECONDS:
            if age >= FRESH_SECONDS:
                self._renew_aside()
            return found
        self._ask_for_unknown()
        found = self.keys.get(key_id)
        if found is not None and self.clock() - self.fetched_at < STALE_SECONDS:
            return found
        if self._failing:
            raise ProviderUnavailable
        raise KeyUnknown

    def _renew_aside(self) -> None:
        """Renew without making this request wait; nothing happens when somebody is at it or it failed just now."""
        if not self._resting() and not self._fetching.locked():
            threading.Thread(target=self._renew, name=f"keys of {self.issuer.id}", daemon=True).start()

    def _renew(self) -> None:
        if not self._fetching.acquire(blocking=False):
            return
        try:
            if self.clock() - self.fetched_at >= FRESH_SECONDS and not self._resting():
                self._ask()
        finally:
            self._fetching.release()

    def _ask_for_unknown(self) -> None:
        """Ask for a key nobody has, once a minute. Who comes while that is under way waits for its result."""
        if not self._fetching.acquire(timeout=float(settings.OIDC_TIMEOUT)):
            return
        try:
            now, first = self.clock(), not self.keys
            if now - self._asked_for_unknown_at >= UNKNOWN_KEY_SECONDS and not self._resting():
                self._ask()
                # The first answer is no answer to an unknown key, and a provider that is down has a pause of its own.
                if not first and not self._failing:
                    self._asked_for_unknown_at = now
        finally:
            self._fetching.release()

    def _resting(self) -> bool:
        return self.clock() - self._failed_at < FAILURE_SECONDS

    def _ask(self) -> None:
        try:
            document = self.fetch(self._address())
            self._take(document, self.clock())
        except fetching.FetchFailed as error:
            self._failing, self._failed_at = True, self.clock()
            # It may have moved: discovery is asked again next time.
            self._jwks_uri = self.issuer.jwks_uri
            logs.event("keys_unavailable", issuer=self.issuer.id, reason=str(error))
            return
        self._failing = False
        kept = signing.dumps({"at": self.fetched_at, "document": document}, salt=_SALT)
        shared.keep(self._cache_name, kept, STALE_SECONDS)

    def _address(self) -> str:
        if not self._jwks_uri:
            self._jwks_uri = discover(self.issuer.issuer, self.fetch)["jwks_uri"]
        return self._jwks_uri

    def _take(self, document: Mapping[str, Any], at: float) -> None:
        keys = usable_keys(document)
        if document["keys"] != self._published:
            self.generation += 1
        self.keys, self.fetched_at, self._published = keys, at, document["keys"]

    def _load(self) -> None:
        """Begin with what another process, or this one before its restart, was told."""
        self._loaded = True
        try:
            kept = signing.loads(shared.recall(self._cache_name) or "", salt=_SALT)
            self._take(kept["document"], float(kept["at"]))
        except (signing.BadSignature, fetching.FetchFailed):
            return


def discover(issuer: str, fetch: Fetch = fetching.get_json) -> dict[str, Any]:
    """Return the discovery document of an issuer.

    :raises FetchFailed: also when it speaks for somebody else (OpenID Connect Discovery 1.0, 4.3) or sends us from
        https to http.
    """
    document = fetch(f"{issuer}/.well-known/openid-configuration")
    if comparable(str(document.get("issuer", ""))) != comparable(issuer):
        raise fetching.FetchFailed(f"{issuer} describes itself as another issuer")
    scheme = issuer.partition(":")[0]
    for name in ("jwks_uri", "introspection_endpoint"):
        address = document.get(name, f"{scheme}://")
        if not isinstance(address, str) or not address.startswith((f"{scheme}://", "https://")):
            raise fetching.FetchFailed(f"{issuer} names an unusable {name}")
    if "jwks_uri" not in document:
        raise fetching.FetchFailed(f"{issuer} names no jwks_uri")
    return document


def usable_keys(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """Return the signing keys by id; encryption keys, secrets and unknown kinds are passed over.

    :raises FetchFailed: when none is left.
    """
    entries = document.get("keys")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries[:MAX_KEYS] if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        if (algorithm := _algorithm(entry)) is None:
            continue
        try:
            # Of two keys with one id the first counts; a second one would make the result depend on luck.
            keys.setdefault(entry["kid"], jwt.PyJWK(entry, algorithm=algorithm))
        except (jwt.PyJWTError, ValueError):
            continue
    if not keys:
        raise fetching.FetchFailed("the key set holds no usable key")
    return keys


def _algorithm(entry: Mapping[str, Any]) -> str | None:
    kind = (entry.get("kty"), entry.get("crv"))
    algorithm = "RS256" if kind[0] == "RSA" else "ES256" if kind == ("EC", "P-256") else None
    return algorithm if entry.get("alg", algorithm) == algorithm else None
