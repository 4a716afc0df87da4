"""Members of an organisation, and whom it invites."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting import members as team
from accounting import roles
from accounting.errors import MembershipInvalid
from accounting.roles import Action
from portal import invitations
from portal.contexts import members
from portal.contexts.scope import Scope
from portal.forms.organisation import InvitationForm
from portal.invitations import InvitationInvalid, Made
from portal.titles import ROLE_TITLES
from portal.views.access import signed_in
from portal.views.teams import changes, done, refused, scope_for


@require_GET
@signed_in
def member_list(request: HttpRequest) -> HttpResponse:
    return _page(request, scope_for(request))


def _page(
    request: HttpRequest, scope: Scope, form: InvitationForm | None = None, made: Made | None = None
) -> HttpResponse:
    shown = form or _form(scope)
    context = {"page": members.page_of(scope), "form": shown, "made": made}
    return render(request, "organisation/members.html", context, status=422 if form else 200)


def _form(scope: Scope, data: object = None) -> InvitationForm:
    offered = roles.assignable(scope.role) if scope.may[Action.MANAGE_MEMBERS] else ()
    return InvitationForm(data, roles=offered, initial={"role": "developer"})


@changes(Action.MANAGE_MEMBERS)
def invite(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Answers with the page itself and not by a redirect: the link is nowhere but in this answer."""
    form = _form(scope, request.POST)
    if not form.is_valid():
        return _page(request, scope, form)
    told = form.cleaned_data
    try:
        made = invitations.invite(scope.id, told["email"], told["role"], actor=scope.viewer.person_id)
    except InvitationInvalid as error:
        texts = {
            "invited": _("This address is invited already. Send the invitation again instead."),
            "too_many": _("Too many invitations wait for an answer. Revoke some first."),
        }
        form.add_error("email", texts[error.extra["reason"]])
        return _page(request, scope, form)
    return _page(request, scope, made=made)


@changes(Action.MANAGE_MEMBERS)
def resend(request: HttpRequest, scope: Scope, invitation: int) -> HttpResponse:
    """As `invite`: the new link is nowhere but in this answer."""
    return _page(request, scope, made=invitations.resend(scope.id, invitation, actor=scope.viewer.person_id))


@changes(Action.MANAGE_MEMBERS)
def revoke(request: HttpRequest, scope: Scope, invitation: int) -> HttpResponse:
    invitations.revoke(scope.id, invitation, actor=scope.viewer.person_id)
    return done(request, _("The invitation was revoked: its link opens nothing any more."), "organisation-members")


@changes(Action.MANAGE_MEMBERS)
def change_role(request: HttpRequest, scope: Scope, person: int) -> HttpResponse:
    role = request.POST.get("role", "")
    if role not in ROLE_TITLES:
        return refused(request, _("Choose one of the roles offered."), "organisation-members")
    try:
        team.change_role(scope.id, person, role, actor=scope.viewer.person_id)
    except MembershipInvalid:
        text = _("The last owner stays one: make somebody else an owner first.")
        return refused(request, text, "organisation-members")
    return done(request, _("The role was changed."), "organisation-members")


@changes(Action.MANAGE_MEMBERS)
def remove(request: HttpRequest, scope: Scope, person: int) -> HttpResponse:
    try:
        team.remove(scope.id, person, actor=scope.viewer.person_id)
    except MembershipInvalid:
        text = _("The last owner stays: hand the organisation over first.")
        return refused(request, text, "organisation-members")
    text = _("The member was removed. What is held for jobs of theirs that run stays held until they end.")
    return done(request, text, "organisation-members" if person != scope.viewer.person_id else "organisation")
