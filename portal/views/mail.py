"""The mails of a demonstration, as if one looked into everybody's mailbox. Elsewhere these pages do not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from csp.constants import NONE, SELF
from csp.decorators import csp, csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from portal.contexts import mails

MAX = 10**18
View = TypeVar("View", bound=Callable[..., HttpResponse])

_IN_FRAME: dict[str, Any] = {
    "default-src": [NONE],
    "style-src": ["'unsafe-inline'"],  # mail readers know no style sheets; nothing else may be loaded or run
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
}


def demonstration_only(view: View) -> View:
    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.DEMONSTRATION:
            raise Http404
        return view(request, *args, **kwargs)

    return cast(View, inner)


@require_GET
@demonstration_only
@never_cache
def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/mails.html", {"page": mails.page_of(request.GET)})


@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]  # its types know views without arguments only
@require_GET
@demonstration_only
@never_cache
def mail(request: HttpRequest, mail: int) -> HttpResponse:
    """A mail as its reader sees it, both parts."""
    return render(request, "portal/mail.html", {"page": _find(mail)})


@csp(_IN_FRAME)  # type: ignore[arg-type]
@xframe_options_sameorigin
@require_GET
@demonstration_only
@never_cache
def mail_html(request: HttpRequest, mail: int) -> HttpResponse:
    """The HTML part by itself, for the frame; its links open in the whole window."""
    return HttpResponse(_find(mail).html.replace("<head>", '<head><base target="_top">', 1))


def _find(pk: int) -> mails.MailPage:
    found = mails.find(pk) if pk < MAX else None
    if found is None:
        raise Http404
    return found
