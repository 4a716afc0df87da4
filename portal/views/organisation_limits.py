"""What an organisation, its members, projects and back ends may spend."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting import credits as amounts
from accounting import limit_queries, limits
from accounting.errors import LimitInvalid
from accounting.limit_queries import LimitUse
from accounting.limits import Terms
from accounting.roles import Action
from portal.contexts import limits as pages
from portal.contexts.scope import Scope
from portal.forms.organisation import LimitForm
from portal.views.access import signed_in
from portal.views.teams import changes, done, scope_for

MAX_DIGITS = 19


@require_GET
@signed_in
def limit_list(request: HttpRequest) -> HttpResponse:
    """`limit` names one whose terms the form shall begin with."""
    wanted = request.GET.get("limit", "")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < MAX_DIGITS):
        raise BadRequest("limit must be the number of a limit")
    scope = scope_for(request)
    known = {str(use.id): use for use in limit_queries.of_organisation(scope.id)} if wanted else {}
    return _page(request, scope, _form(scope, known.get(wanted)))


def _form(scope: Scope, use: LimitUse | None = None) -> LimitForm | None:
    if not scope.may[Action.MANAGE_LIMITS]:
        return None
    initial: dict[str, object] = {"action": "block"}
    if use is not None:
        initial = {
            "person": use.person,
            "project": use.project_pk,
            "backend": use.backend_pk,
            "process": use.process,
            "period": use.period,
            "amount": use.amount,
            "action": use.action,
        }
    return LimitForm(choices=pages.choices_of(scope), initial=initial)


def _page(request: HttpRequest, scope: Scope, form: LimitForm | None) -> HttpResponse:
    context = {"page": pages.limits_page(scope), "form": form}
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "organisation/limits.html", context, status=status)


@changes(Action.MANAGE_LIMITS)
def set_limit(request: HttpRequest, scope: Scope) -> HttpResponse:
    """A limit of the same scope, period and kind is replaced."""
    form = LimitForm(request.POST, choices=pages.choices_of(scope))
    if not form.is_valid():
        return _page(request, scope, form)
    try:
        limits.change(scope.id, form.cleaned_data["amount"], form.terms(), actor=scope.viewer.person_id)
    except LimitInvalid as error:
        form.add_error(error.field if error.field in form.fields else None, beyond(error))
        return _page(request, scope, form)
    return done(request, _("The limit holds from now on."), "organisation-limits")


@changes(Action.MANAGE_LIMITS)
def remove_limit(request: HttpRequest, scope: Scope, limit: int) -> HttpResponse:
    """Nothing happens when it is gone already."""
    use = next((one for one in limit_queries.of_organisation(scope.id) if one.id == limit), None)
    if use is not None:
        limits.change(scope.id, None, terms_of(use), actor=scope.viewer.person_id)
    return done(request, _("The limit was taken away."), "organisation-limits")


def terms_of(use: LimitUse) -> Terms:
    return Terms(
        use.period,
        use.action,
        person=use.person,
        project=use.project_pk,
        backend=use.backend_pk,
        process=use.process,
        fallback=use.fallback,
    )


def beyond(error: LimitInvalid) -> str:
    """Why a limit or a budget cannot be set, for the field at fault."""
    if "assigned" not in error.extra:
        return _("This cannot be set: something named here has changed meanwhile. Load the page again.")
    return _(
        "The projects' budgets would be %(assigned)s credits together, but the organisation may spend %(most)s in this "
        "period. Lower another one first, or raise the organisation's own limit."
    ) % {"assigned": amounts.to_text(error.extra["assigned"]), "most": amounts.to_text(error.extra["most"])}
