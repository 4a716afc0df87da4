"""Projects of an organisation, their budgets, and moving budget between them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting import credits as amounts
from accounting import limits, projects
from accounting.errors import LimitInvalid, ProjectInvalid, TransferInvalid
from accounting.limits import Terms
from accounting.roles import Action
from portal.contexts import audit
from portal.contexts import limits as pages
from portal.contexts.scope import Scope
from portal.forms.organisation import BudgetForm, NameForm, ProjectForm, TransferForm
from portal.titles import COUNTED
from portal.views.access import signed_in
from portal.views.organisation_limits import beyond
from portal.views.teams import changes, done, scope_for

LATEST = 10


@require_GET
@signed_in
def project_list(request: HttpRequest) -> HttpResponse:
    return _list(request, scope_for(request), ProjectForm())


def _list(request: HttpRequest, scope: Scope, form: ProjectForm) -> HttpResponse:
    context = {"page": pages.projects_page(scope), "form": form}
    return render(request, "organisation/projects.html", context, status=422 if form.is_bound else 200)


@changes(Action.MANAGE_PROJECTS)
def create(request: HttpRequest, scope: Scope) -> HttpResponse:
    form = ProjectForm(request.POST)
    if not form.is_valid():
        return _list(request, scope, form)
    told = form.cleaned_data
    try:
        projects.create(scope.id, told["slug"], told["name"], actor=scope.viewer.person_id)
    except ProjectInvalid as error:
        form.add_error(error.field, _("Another project has this short name; an archived one keeps it, too."))
        return _list(request, scope, form)
    text = _("The project was created. Give it a budget, if it shall have one.")
    return done(request, text, "organisation-project", told["slug"])


@require_GET
@signed_in
def project(request: HttpRequest, slug: str) -> HttpResponse:
    return _project(request, scope_for(request), slug)


def _project(
    request: HttpRequest, scope: Scope, slug: str, name: NameForm | None = None, budget: BudgetForm | None = None
) -> HttpResponse:
    page = _find(scope, slug)
    forms = {
        "name_form": name or NameForm(initial={"name": page.row.project.name}, prefix="rename"),
        "budget_form": budget or BudgetForm(),
    }
    status = 422 if name or budget else 200
    return render(request, "organisation/project.html", {"page": page, **forms}, status=status)


def _find(scope: Scope, slug: str) -> pages.ProjectPage:
    try:
        return pages.project_page(scope, slug)
    except LookupError:
        raise Http404 from None


@changes(Action.MANAGE_PROJECTS)
def rename(request: HttpRequest, scope: Scope, slug: str) -> HttpResponse:
    form = NameForm(request.POST, prefix="rename")
    if not form.is_valid():
        return _project(request, scope, slug, name=form)
    project = _find(scope, slug).row.project.id
    projects.rename(scope.id, project, form.cleaned_data["name"], actor=scope.viewer.person_id)
    return done(request, _("The project has its new name."), "organisation-project", slug)


@changes(Action.MANAGE_PROJECTS)
def archive(request: HttpRequest, scope: Scope, slug: str) -> HttpResponse:
    projects.archive(scope.id, _find(scope, slug).row.project.id, actor=scope.viewer.person_id)
    return done(request, _("The project was archived: no new job starts for it."), "organisation-projects")


@changes(Action.MANAGE_PROJECTS)
def restore(request: HttpRequest, scope: Scope, slug: str) -> HttpResponse:
    projects.restore(scope.id, _find(scope, slug).row.project.id, actor=scope.viewer.person_id)
    return done(request, _("Jobs may name the project again."), "organisation-project", slug)


@changes(Action.MANAGE_PROJECTS)
def set_budget(request: HttpRequest, scope: Scope, slug: str) -> HttpResponse:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        return _project(request, scope, slug, budget=form)
    told = form.cleaned_data
    terms = Terms(told["period"], project=_find(scope, slug).row.project.id, fallback=told["fallback"])
    try:
        limits.change(scope.id, told["amount"], terms, actor=scope.viewer.person_id)
    except LimitInvalid as error:
        form.add_error("amount", beyond(error))
        return _project(request, scope, slug, budget=form)
    return done(request, _("The budget holds from now on."), "organisation-project", slug)


@changes(Action.MANAGE_PROJECTS)
def remove_budget(request: HttpRequest, scope: Scope, slug: str, period: str) -> HttpResponse:
    if period not in COUNTED:
        raise Http404
    terms = Terms(period, project=_find(scope, slug).row.project.id)
    limits.change(scope.id, None, terms, actor=scope.viewer.person_id)
    return done(request, _("The budget was taken away."), "organisation-project", slug)


@require_GET
@signed_in
def transfers(request: HttpRequest) -> HttpResponse:
    scope = scope_for(request)
    page = pages.projects_page(scope)
    return _transfers(request, scope, page, _transfer_form(scope, page))


def _transfers(request: HttpRequest, scope: Scope, page: pages.ProjectsPage, form: TransferForm | None) -> HttpResponse:
    context = {
        "page": page,
        "tabs": scope.tabs("organisation-transfers"),
        "groups": pages.transfer_groups(page),
        "form": form,
        "latest": audit.transfers(scope, LATEST),
    }
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "organisation/transfers.html", context, status=status)


def _transfer_form(scope: Scope, page: pages.ProjectsPage, data: object = None) -> TransferForm | None:
    rows = (*page.active, *page.archived)
    budgeted = [(str(row.project.id), row.project.name) for row in rows if row.budgets]
    if not scope.may[Action.TRANSFER] or not budgeted:
        return None
    periods = [period for period in COUNTED if any(one.period == period for row in rows for one in row.budgets)]
    return TransferForm(data, periods=periods, projects=budgeted, initial={"target": budgeted[0][0]})


@changes(Action.TRANSFER)
def transfer(request: HttpRequest, scope: Scope) -> HttpResponse:
    page = pages.projects_page(scope)
    form = _transfer_form(scope, page, request.POST)
    if form is None or not form.is_valid():
        return _transfers(request, scope, page, form)
    try:
        limits.move(scope.id, form.terms(), actor=scope.viewer.person_id)
    except (TransferInvalid, LimitInvalid) as error:
        form.add_error(error.field if error.field in form.fields else None, _why_not(error))
        return _transfers(request, scope, page, form)
    return done(request, _("The budget was moved."), "organisation-transfers")


def _why_not(error: TransferInvalid | LimitInvalid) -> str:
    if isinstance(error, LimitInvalid):
        return beyond(error)
    if "left" in error.extra:
        left = amounts.to_text(error.extra["left"])
        return _("Only %(left)s credits are neither spent nor held there.") % {"left": left}
    if error.field == "amount":
        return _("Move more than nothing.")
    if error.detail.startswith("choose"):
        return _("Choose two different sides.")
    if error.detail.startswith("nothing is given"):
        return _("Nothing is given to an archived project.")
    return _("This project has no budget of that period. Set one first, on its page.")
