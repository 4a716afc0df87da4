"""Who may see a page, decided once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from portal.contexts import frame
from portal.models import User

P = ParamSpec("P")


def user_of(request: HttpRequest) -> User:
    """The signed-in person. :raises TypeError: when the view forgot `signed_in`."""
    if not isinstance(request.user, User):
        raise TypeError("this view must be wrapped by signed_in")
    return request.user


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send strangers to sign in and back here; keep private pages out of every cache."""

    @wraps(view)
    def inner(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs) if request.user.is_authenticated else _to_sign_in(request)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    return inner


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    target = frame.sign_in_url(request)
    if request.headers.get("HX-Request"):
        # A part of a page cannot follow a redirect to the provider: the whole page goes.
        return HttpResponse(status=401, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)
