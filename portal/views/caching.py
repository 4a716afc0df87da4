"""Pages that are the same for every stranger: caches keep them for a while, and ask again by their tag."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers, get_conditional_response, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt, csrf_protect

View = TypeVar("View", bound=Callable[..., HttpResponse])

PUBLIC_SECONDS = 60


def public(view: View) -> View:
    """Let caches keep what a stranger is shown for a minute; what somebody signed in sees stays out of every cache.

    Such a page holds no token of a form, so that one copy serves all.
    """

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["Accept-Language", "Cookie", "HX-Request"])
        if request.user.is_authenticated or response.status_code != 200 or "CSRF_COOKIE_NEEDS_UPDATE" in request.META:
            add_never_cache_headers(response)
            return response
        response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        response["Cache-Control"] = f"public, max-age={PUBLIC_SECONDS}"
        return cast(HttpResponse, get_conditional_response(request, etag=response["ETag"], response=response))

    return cast(View, inner)


def unguarded_for_strangers(view: View) -> View:
    """Take a form without a token from who is not signed in: there is nothing but the look of pages to be forged."""
    guarded = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return (guarded if request.user.is_authenticated else view)(request, *args, **kwargs)

    return cast(View, inner)
