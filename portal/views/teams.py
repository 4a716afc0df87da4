"""What the pages of an organisation share: which one it is, and who may change something of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounting.errors import NotFound, NotPermitted
from accounting.roles import PERMISSIONS, Action
from portal.contexts import frame
from portal.contexts.scope import Scope, scope_of, titles
from portal.titles import ACTION_TITLES
from portal.views.access import paying, signed_in, user_of

View = Callable[..., HttpResponse]


def scope_for(request: HttpRequest) -> Scope:
    """The organisation whose credits are looked at."""
    return scope_of(user_of(request), paying(request).id)


def changes(action: Action | None) -> Callable[[View], View]:
    """A view that changes something when a form is sent, for whom the action is allowed (None: every member).

    The form says which organisation it was made for. Another one that the person belongs to was chosen in another
    window meanwhile: nothing is changed, and the page says so. Any other one does not exist.
    """

    def decorate(view: View) -> View:
        @require_POST
        @signed_in
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            named = request.POST.get("organisation", "")
            if named not in {str(one.id) for one in frame.frame_of(request).organisations}:
                raise Http404
            if named != str(paying(request).id):
                messages.error(request, _("You chose another organisation meanwhile, so nothing was changed."))
                return HttpResponseRedirect(reverse("organisation"))
            scope = scope_for(request)
            if action is not None and not scope.may[action]:
                return forbidden(request, scope, action)
            try:
                return view(request, scope, *args, **kwargs)
            except NotFound:
                raise Http404 from None
            except NotPermitted as refused:
                return forbidden(request, scope, action, refused.extra["needed"])

        return inner

    return decorate


def forbidden(request: HttpRequest, scope: Scope, action: Action | None, needed: Any = None) -> HttpResponse:
    """The page for a member whose role does not allow it: it says who can."""
    allowed = titles(needed or sorted(PERMISSIONS[action or Action.SEE]))
    what = str(ACTION_TITLES[action]) if action else ""
    page = {"scope": scope, "what": what, "allowed": allowed}
    return render(request, "organisation/forbidden.html", {"page": page}, status=403)


def done(request: HttpRequest, text: str, name: str, *args: Any) -> HttpResponse:
    """What was done, said on the page that comes next."""
    messages.success(request, text)
    return HttpResponseRedirect(reverse(name, args=args))


def refused(request: HttpRequest, text: str, name: str, *args: Any) -> HttpResponse:
    """Why nothing was done, where no field of a form is at fault."""
    messages.error(request, text)
    return HttpResponseRedirect(reverse(name, args=args))
