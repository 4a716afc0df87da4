"""A browser's part of a sign-in, in requests: enough to meet the provider without the portal."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from devtools.provider import Provider

CALLBACK = "http://127.0.0.1:29999/oidc/callback/"


@dataclass(frozen=True)
class SignIn:
    """One attempt; `query` is what the provider sent to the callback."""

    verifier: str
    nonce: str
    query: dict[str, str]

    def exchange(self, provider: Provider, secret: str, **changes: str) -> requests.Response:
        """Redeem the code as the portal does."""
        form = {
            "grant_type": "authorization_code",
            "code": self.query["code"],
            "redirect_uri": CALLBACK,
            "client_id": "portal",
            "client_secret": secret,
            "code_verifier": self.verifier,
        }
        return requests.post(provider.endpoint("token"), data=form | changes, timeout=10)


def sign_in(provider: Provider, answer: dict[str, str], callback: str = CALLBACK, **changes: str) -> SignIn:
    """Ask for a code as the portal does, and answer the provider's page with `answer`."""
    verifier, nonce = secrets.token_urlsafe(40), secrets.token_urlsafe(12)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": "portal",
        "response_type": "code",
        "scope": "openid profile email voperson_id eduperson_entitlement",
        "redirect_uri": callback,
        "state": "st",
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    browser = requests.Session()
    page = browser.get(provider.endpoint("auth"), params=asked | changes, timeout=10)
    page.raise_for_status()
    response = browser.post(page.url, data=answer, allow_redirects=False, timeout=10)
    while response.is_redirect:
        target = urljoin(response.url, response.headers["Location"])
        if target.startswith(callback):
            query = parse_qs(urlsplit(target).query)
            return SignIn(verifier, nonce, {name: values[0] for name, values in query.items()})
        response = browser.get(target, allow_redirects=False, timeout=10)
    raise AssertionError(f"the provider stayed on its page: {response.status_code} {response.text}")
