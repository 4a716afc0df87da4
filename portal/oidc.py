"""Sign-in with an OpenID provider: mozilla-django-oidc, with everything checked that it leaves open.

The library brings state, nonce, PKCE and the order of events. Here are the checks it lacks (issuer, audience,
authorised party, expiry, the subject of userinfo), the identity (issuer, sub) instead of the e-mail, and one error
for each way in which a sign-in can fail. Source: OpenID Connect Core 3.1.3.7 and 5.3.2, RFC 9700.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import jwt
from django.conf import settings
from django.contrib import auth
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare, get_random_string
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import add_state_and_verifier_and_nonce_to_session, generate_code_challenge

from portal import claims, provider
from portal.models import User
from portal.provider import AnswerInvalid, SignInCancelled, SignInError, StateUnknown

LEEWAY_SECONDS = 30
STATE_SECONDS = 15 * 60
CALLBACK = "oidc_authentication_callback"
_SESSION_KEY = "oidc_states"


def authorization_url(request: HttpRequest, next_path: str) -> str:
    """Begin a sign-in: keep state, nonce, verifier and where to go in the session; say where to send the browser.

    :raises SignInError: when the provider cannot be asked where its sign-in page is.
    """
    endpoint = provider.discover().authorization_endpoint
    state, verifier = get_random_string(32), get_random_string(64)
    params = {
        "response_type": "code",
        "scope": settings.OIDC_RP_SCOPES,
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "redirect_uri": request.build_absolute_uri(reverse(CALLBACK)),
        "state": state,
        "nonce": get_random_string(32),
        "code_challenge": generate_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
    }
    add_state_and_verifier_and_nonce_to_session(request, state, params, verifier)
    request.session[_SESSION_KEY][state]["next"] = next_path
    request.session.modified = True
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(params)}"


def complete(request: HttpRequest) -> tuple[User, str]:
    """Finish a sign-in from the callback's query: who it is and where they wanted to go. It makes no session.

    :raises SignInError: one subclass for each way this can fail; the state is used up in every case.
    """
    pending = _use_state(request)
    if error := request.GET.get("error"):
        raise SignInCancelled() if error == "access_denied" else provider.refusal(error)
    try:
        user = auth.authenticate(request, nonce=pending["nonce"], code_verifier=pending["code_verifier"])
    except SuspiciousOperation as fault:
        raise AnswerInvalid(str(fault)) from fault
    if not isinstance(user, User):
        raise AnswerInvalid("the callback has no code")
    if not user.is_active:
        raise provider.AccountClosed(f"user {user.pk}")
    return user, pending["next"]


def provider_logout_url(request: HttpRequest) -> str | None:
    """Where to end the session at the provider as well; None when it has no such page or cannot be asked."""
    try:
        endpoint = provider.discover().end_session_endpoint
    except SignInError:
        return None
    if not endpoint:
        return None
    back = request.build_absolute_uri("/")
    query = urlencode({"client_id": settings.OIDC_RP_CLIENT_ID, "post_logout_redirect_uri": back})
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def _use_state(request: HttpRequest) -> dict[str, str]:
    """Take the pending sign-in out of this browser's session, at once and for good."""
    states = request.session.get(_SESSION_KEY, {})
    pending = states.pop(request.GET.get("state", ""), None)
    if pending is None:
        raise StateUnknown("no such state in this session")
    request.session.modified = True
    request.session.save()
    if time.time() - pending["added_on"] > STATE_SECONDS:
        raise StateUnknown("the state is too old")
    return {"next": "/", **pending}


class Backend(OIDCAuthenticationBackend):  # type: ignore[misc]  # the library has no types
    """The authentication backend: from a code to a user."""

    def __init__(self) -> None:
        # Django makes a backend for every request of a signed-in person: nothing here may ask the provider.
        self.UserModel = User
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC_RP_CLIENT_SECRET

    def get_token(self, payload: dict[str, str]) -> dict[str, str]:
        """Exchange the code.

        :raises SignInError: when the provider does not answer, refuses, or answers without both tokens.
        """
        answer = provider.exchange(payload)
        tokens = {name: answer.get(name) for name in ("id_token", "access_token")}
        for name, token in tokens.items():
            if not isinstance(token, str) or not token:
                raise AnswerInvalid(f"the token endpoint sent no {name}")
        return {name: str(token) for name, token in tokens.items()}

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """Check signature and claims of an ID token.

        :raises AnswerInvalid: naming the claim at fault, never its value.
        """
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                provider.signing_key(token),
                algorithms=[settings.OIDC_RP_SIGN_ALGO],
                issuer=settings.OIDC_ISSUER,
                audience=settings.OIDC_RP_CLIENT_ID,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as fault:
            raise AnswerInvalid(f"the ID token was not accepted: {type(fault).__name__}") from fault
        _check_party(payload)
        if not constant_time_compare(str(payload["nonce"]), str(kwargs.get("nonce"))):
            raise AnswerInvalid("the ID token answers another sign-in (nonce)")
        if payload.get("typ", "ID") != "ID" or "events" in payload:
            raise AnswerInvalid("this is another kind of token")
        if not claims.is_subject(payload["sub"]):
            raise AnswerInvalid("the ID token's sub is no identifier")
        return payload

    def get_userinfo(self, access_token: str, id_token: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Fetch the claims, and refuse those of anybody else.

        :raises SignInError: when the provider does not answer, or its `sub` is not the ID token's.
        """
        info = provider.userinfo(access_token)
        if info.get("sub") != payload["sub"]:
            raise AnswerInvalid("userinfo is about another person (sub)")
        return info

    def get_or_create_user(self, access_token: str, id_token: str, payload: Mapping[str, Any]) -> User:
        """The user of (issuer, sub), made at the first sign-in and brought up to date at each."""
        info = self.get_userinfo(access_token, id_token, payload)
        return claims.store(settings.OIDC_ISSUER, payload["sub"], info)

    def store_tokens(self, access_token: str, id_token: str) -> None:
        """Keep none: nothing is done at the provider on the person's behalf after the sign-in."""

    def get_user(self, user_id: int) -> User | None:
        """The signed-in user; None, and so signed out, when the account was closed meanwhile."""
        return User.objects.filter(pk=user_id, is_active=True).first()


def _check_party(payload: Mapping[str, Any]) -> None:
    """The token is for us; when it is for others as well, the party it was issued to must be us."""
    several = isinstance(payload["aud"], list) and len(payload["aud"]) > 1
    if (several or "azp" in payload) and payload.get("azp") != settings.OIDC_RP_CLIENT_ID:
        raise AnswerInvalid("the ID token was issued to another client (azp)")
