"""Asking an identity provider: bounded in time and size, without redirects, proxies or cookies."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import requests
from django.conf import settings

MAX_ANSWER_BYTES = 256 * 1024


class FetchFailed(Exception):
    """The provider did not answer with a JSON object. The text never holds what was sent.

    `status` is the HTTP status of the answer; None when there was none.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


def get_json(url: str, token: str | None = None) -> dict[str, Any]:
    """:raises FetchFailed: for anything but 200 and a JSON object of at most 256 KiB within OIDC_TIMEOUT seconds."""
    return _ask("GET", url, headers={"Authorization": f"Bearer {token}"} if token else {})


def post_form(url: str, form: Mapping[str, str], credentials: tuple[str, str] | None = None) -> dict[str, Any]:
    """:raises FetchFailed: as `get_json` does."""
    return _ask("POST", url, data=dict(form), auth=credentials)


def _ask(method: str, url: str, *, headers: Mapping[str, str] | None = None, **how: Any) -> dict[str, Any]:
    limit = float(settings.OIDC_TIMEOUT)
    deadline = time.monotonic() + limit
    with requests.Session() as session:
        # Neither a proxy from the environment nor a ~/.netrc decides where tokens and keys come from.
        session.trust_env = False
        try:
            with session.request(
                method,
                url,
                headers={"Accept": "application/json", **(headers or {})},
                timeout=(limit / 2, limit / 2),
                allow_redirects=False,
                stream=True,
                **how,
            ) as response:
                if response.status_code != 200:
                    raise FetchFailed(f"{url} answered {response.status_code}", response.status_code)
                return _object(_read(response, deadline, url), url)
        except requests.RequestException as error:
            raise FetchFailed(f"{url} did not answer: {type(error).__name__}") from error


def _read(response: requests.Response, deadline: float, url: str) -> bytes:
    body = b""
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise FetchFailed(f"{url} answered more than {MAX_ANSWER_BYTES} bytes", response.status_code)
        if time.monotonic() > deadline:
            raise FetchFailed(f"{url} answered too slowly")
    return body


def _object(body: bytes, url: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"{url} did not answer JSON", 200) from error
    if not isinstance(document, dict):
        raise FetchFailed(f"{url} did not answer a JSON object", 200)
    return document
