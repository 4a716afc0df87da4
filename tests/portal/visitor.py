"""A browser without a window: our side through Django's test client, the provider's over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from django.http import HttpResponse, HttpResponseBase
from django.test import Client

from portal.models import User

HOST = "127.0.0.1:23090"
START = "/oidc/authenticate/"


def new_client() -> Client:
    return Client(headers={"host": HOST})


@dataclass
class Visitor:
    """One browser; `provider` keeps its cookies there."""

    client: Client = field(default_factory=new_client)
    provider: requests.Session = field(default_factory=requests.Session)

    def start(self, next_path: str = "") -> str:
        """Ask to sign in; the provider's address that we were sent to."""
        response = self.client.get(START, {"next": next_path} if next_path else {})
        assert response.status_code == 302, response.content.decode()
        return str(response["Location"])

    def nonce(self, address: str) -> str:
        return parse_qs(urlsplit(address).query)["nonce"][0]

    def consent(self, address: str, login: str = "alice", **form: str) -> str:
        """Act at the provider until it sends the browser back; the callback's path and query."""
        answer = self.provider.get(address, allow_redirects=False, timeout=10)
        while not answer.is_redirect or not self._target(answer).startswith(f"http://{HOST}/"):
            if answer.is_redirect:
                answer = self.provider.get(self._target(answer), allow_redirects=False, timeout=10)
            else:
                answer.raise_for_status()
                form = form or {"login": login}
                answer = self.provider.post(answer.url, data=form, allow_redirects=False, timeout=10)
        parts = urlsplit(self._target(answer))
        return f"{parts.path}?{parts.query}"

    @staticmethod
    def _target(answer: requests.Response) -> str:
        return urljoin(answer.url, answer.headers["Location"])

    def finish(self, callback: str) -> HttpResponse:
        return cast(HttpResponse, self.client.get(callback))

    def sign_in(self, login: str = "alice", next_path: str = "") -> HttpResponse:
        return self.finish(self.consent(self.start(next_path), login))

    @property
    def user(self) -> User | None:
        pk = self.client.session.get("_auth_user_id")
        return User.objects.get(pk=pk) if pk else None


def assert_refused(visitor: Visitor, response: HttpResponseBase, status: int) -> None:
    """Nobody is signed in, and the page says what to do."""
    page = getattr(response, "content", b"").decode()
    assert response.status_code == status, page
    assert "Sign in again" in page
    assert "Reference" in page
    assert visitor.user is None
    assert User.objects.count() == 0
