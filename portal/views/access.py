"""Who may see a page, decided once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from portal.contexts import frame
from portal.models import User

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def user_of(request: HttpRequest) -> User:
    """The signed-in person. :raises TypeError: when the view forgot `signed_in`."""
    if not isinstance(request.user, User):
        raise TypeError("this view must be wrapped by signed_in")
    return request.user


def paying(request: HttpRequest) -> frame.OrganisationChoice:
    """The organisation whose credits are looked at: the one that pays for the person's jobs by default."""
    current = frame.frame_of(request).current
    if current is None:
        raise TypeError("every person has a current organisation")
    return current


def signed_in(view: View) -> View:
    """Send strangers to sign in and back here; keep private pages out of every cache."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs) if request.user.is_authenticated else _to_sign_in(request)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    return cast(View, inner)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A part of a page cannot follow a redirect to the provider: the whole page goes.
        return HttpResponse(status=401, headers={"HX-Redirect": frame.sign_in_url(request)})
    if request.method not in {"GET", "HEAD"}:
        # A form that was open while the session ended. A redirect would say nothing of what was not saved.
        return HttpResponseRedirect(frame.session_over_url(request))
    return HttpResponseRedirect(frame.sign_in_url(request))
