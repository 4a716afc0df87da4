"""A back end's reporting client over HTTP, with the manners of the existing one: tokens, retries, time-outs.

Knows nothing of the portal but its address and the issuer's. A report with a key is repeated until it was answered,
always with the same key; one without is sent once, because nobody could tell a repetition from a second job.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from devtools.demonstration.bodies import Body

TIMEOUT_SECONDS = 60
TRIES_AGAIN = 3
BACKOFF = 2.0
TRANSIENT = (429, 500, 502, 503, 504)
RENEW_BEFORE_SECONDS = 300
MOST_KEPT = 500
"""Reports that wait for a server that is away; beyond that the oldest are given up, and said so."""


class ReportingFailed(Exception):
    """The server or the provider cannot be reached, or answered with a fault that may pass."""


class ReportRefused(Exception):
    """A permanent answer: the same report would be refused again. `status` is 0 when it was not the server's."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Reporter:
    """One service client. `say` gets one line for each thing that happens; no line ever holds a token or a secret."""

    etl_url: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    say: Callable[[str], None]
    backoff: float = BACKOFF
    waiting: deque[tuple[str, Body]] = field(default_factory=deque)
    _token: str = field(default="", repr=False)
    _renew_at: float = 0.0

    def __post_init__(self) -> None:
        retry = Retry(
            total=TRIES_AGAIN,
            backoff_factor=self.backoff,
            status_forcelist=TRANSIENT,
            allowed_methods=frozenset({"GET", "POST"}),
            respect_retry_after_header=True,
        )
        self._patient = requests.Session()
        self._once = requests.Session()
        for scheme in ("http://", "https://"):
            self._patient.mount(scheme, HTTPAdapter(max_retries=retry))

    def check(self) -> list[str]:
        """Is the server there, and may we report? Returns the sources that it lets us report for, if it names them.

        :raises ReportingFailed: not now. :raises ReportRefused: this client may not.
        """
        health = self._ask(self._once, "GET", "health")
        if health.status_code != 200 or health.json().get("status") != "ok":
            raise ReportingFailed(f"/health answered {health.status_code}")
        answer = self._send(self._once, "GET", "validate/auth")
        found = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        return [str(source) for source in found.get("sources", [])]

    def add(self, endpoint: str, body: Body) -> None:
        """Queues a report; `flush` sends it after those before it."""
        self.waiting.append((endpoint, body))
        while len(self.waiting) > MOST_KEPT:
            lost, dropped = self.waiting.popleft()
            self.say(f"{self.client_id} /{lost} {dropped['jobId']} given up: too many wait")

    def flush(self) -> int:
        """Sends what waits, in order, until something has to wait for another time. Returns how many were booked."""
        booked = 0
        while self.waiting:
            endpoint, body = self.waiting[0]
            try:
                cost = self._report(endpoint, body)
            except ReportRefused as error:
                self.say(f"{self.client_id} /{endpoint} {body['jobId']} refused for good: {error}")
            except ReportingFailed as error:
                keyed = "idempotencyKey" in body
                self.say(f"{self.client_id} /{endpoint} {body['jobId']} {'waits' if keyed else 'given up'}: {error}")
                if keyed:
                    break
            else:
                booked += 1
                self.say(f"{self.client_id} /{endpoint} {_summary(body)} {cost:.6g} credits")
            self.waiting.popleft()
        return booked

    def post(self, path: str, body: Body, key: str = "") -> Body:
        """Anything else that a back end may ask; not kept when it fails.

        :raises ReportingFailed: not now. :raises ReportRefused: not like this.
        """
        session, headers = (self._patient, {"Idempotency-Key": key}) if key else (self._once, {})
        answer = self._send(session, "POST", path, body, headers)
        try:
            document: Body = answer.json()
        except ValueError as error:
            raise ReportRefused(f"{answer.status_code} with an answer that is no JSON", answer.status_code) from error
        return document

    def _report(self, endpoint: str, body: Body) -> float:
        """The cost in credits, as the client adds it up."""
        keyed = "idempotencyKey" in body
        if not keyed and self._ask(self._once, "GET", "health").status_code != 200:
            raise ReportingFailed("/health is not ok")
        answer = self._send(self._patient if keyed else self._once, "POST", endpoint, body)
        try:
            return float(sum(item["cost"] for item in answer.json()))
        except (ValueError, TypeError, KeyError) as error:
            raise ReportRefused(f"{answer.status_code} with an answer that cannot be added up") from error

    def _send(
        self,
        session: requests.Session,
        method: str,
        path: str,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """With our token; a token that is refused is renewed once, as after a provider's restart."""
        for fresh in (False, True):
            token = {"Authorization": f"Bearer {self._access_token(renew=fresh)}"}
            answer = self._ask(session, method, path, json=body, headers={**(headers or {}), **token})
            if answer.status_code != 401:
                break
        if answer.status_code in TRANSIENT:
            raise ReportingFailed(f"{answer.status_code}")
        if not answer.ok:
            raise ReportRefused(f"{answer.status_code} {answer.text[:300]}", answer.status_code)
        return answer

    def _ask(self, session: requests.Session, method: str, path: str, **more: Any) -> requests.Response:
        try:
            return session.request(method, f"{self.etl_url}/{path}", timeout=TIMEOUT_SECONDS, **more)
        except requests.RequestException as error:
            raise ReportingFailed(type(error).__name__) from error

    def _access_token(self, *, renew: bool) -> str:
        """:raises ReportingFailed: the provider does not answer. :raises ReportRefused: it does not know us."""
        if renew or time.monotonic() >= self._renew_at:
            try:
                self._fetch_token()
            except (requests.RequestException, KeyError, ValueError) as error:
                raise ReportingFailed(f"no token: {type(error).__name__}") from error
        return self._token

    def _fetch_token(self) -> None:
        discovery = self._patient.get(f"{self.issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
        discovery.raise_for_status()
        document = discovery.json()
        scope = "openid" if "openid" in document.get("scopes_supported", ["openid"]) else ""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": scope,
        }
        answer = self._patient.post(document["token_endpoint"], data=form, timeout=TIMEOUT_SECONDS)
        if 400 <= answer.status_code < 500:
            raise ReportRefused(f"the provider gives no token: {answer.status_code}")
        answer.raise_for_status()
        token = answer.json()
        if str(token["token_type"]).lower() != "bearer":
            raise ReportRefused("the provider gives another kind of token")
        self._token = str(token["access_token"])
        self._renew_at = time.monotonic() + float(token["expires_in"]) - RENEW_BEFORE_SECONDS


def _summary(body: Body) -> str:
    return f"{body['sourceId']} {body['jobId']} {body.get('service') or body['state']}"
