"""An organisation: its overview and settings, and new ones."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounting import members, organisations
from accounting.errors import MembershipInvalid, OrganisationInvalid
from accounting.roles import Action
from portal.contexts import members as people
from portal.contexts import organisation as overviews
from portal.contexts.scope import Scope
from portal.forms.organisation import HeirForm, NameForm
from portal.views.access import signed_in, user_of
from portal.views.teams import changes, done, refused, scope_for


@require_GET
@signed_in
def overview(request: HttpRequest) -> HttpResponse:
    return _overview(request, scope_for(request))


def _overview(
    request: HttpRequest, scope: Scope, name: NameForm | None = None, heir: HeirForm | None = None
) -> HttpResponse:
    forms = {
        "name_form": name or NameForm(initial={"name": scope.name}, prefix="rename"),
        "heir_form": heir or HeirForm(heirs=people.heirs(scope) if scope.may[Action.HAND_OVER] else (), prefix="heir"),
    }
    status = 422 if name or heir else 200
    return render(request, "organisation/overview.html", {"page": overviews.page_of(scope), **forms}, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def create(request: HttpRequest) -> HttpResponse:
    """Whoever makes one owns it, and it pays for their jobs from then on."""
    form = NameForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        me = user_of(request).person_id
        made = organisations.create_organisation(form.cleaned_data["name"], me, actor=me)
        organisations.switch_organisation(me, made)
        text = _("%(name)s was created. It pays for your jobs from now on.") % {"name": form.cleaned_data["name"]}
        return done(request, text, "organisation")
    status = 422 if form.is_bound else 200
    return render(request, "organisation/new.html", {"form": form}, status=status)


@changes(Action.RENAME)
def rename(request: HttpRequest, scope: Scope) -> HttpResponse:
    form = NameForm(request.POST, prefix="rename")
    if not form.is_valid():
        return _overview(request, scope, name=form)
    organisations.rename(scope.id, form.cleaned_data["name"], actor=scope.viewer.person_id)
    return done(request, _("The organisation has its new name."), "organisation")


@changes(Action.HAND_OVER)
def hand_over(request: HttpRequest, scope: Scope) -> HttpResponse:
    form = HeirForm(request.POST, heirs=people.heirs(scope), prefix="heir")
    if not form.is_valid():
        return _overview(request, scope, heir=form)
    members.hand_over(scope.id, int(form.cleaned_data["person"]), actor=scope.viewer.person_id)
    return done(request, _("The organisation was handed over. You are a manager of it now."), "organisation")


@changes(None)
def leave(request: HttpRequest, scope: Scope) -> HttpResponse:
    try:
        members.leave(scope.id, scope.viewer.person_id)
    except MembershipInvalid:
        text = _("You are the last owner: hand the organisation over first, or close it.")
        if scope.personal:
            text = _("Nobody leaves their personal organisation.")
        return refused(request, text, "organisation")
    text = _("You left %(name)s. Your own credits pay for your jobs now.") % {"name": scope.name}
    return done(request, text, "organisation")


@changes(Action.CLOSE)
def close(request: HttpRequest, scope: Scope) -> HttpResponse:
    try:
        organisations.close(scope.id, actor=scope.viewer.person_id)
    except OrganisationInvalid:
        text = _("It can be closed when its jobs have ended, its credits are used up and its debts are paid.")
        return refused(request, text, "organisation")
    text = _("%(name)s was closed. Its jobs and charges stay readable.") % {"name": scope.name}
    return done(request, text, "organisation")
