"""Limits, budgets of projects and what of them is used, as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounting import credits as amounts
from accounting import limit_queries, members, projects, queries
from accounting.limit_queries import LimitUse
from accounting.projects import ProjectView
from portal.contexts import people
from portal.contexts.scope import Scope
from portal.contexts.tabs import Tab
from portal.numerals import two_decimals
from portal.titles import COUNTED, PERIOD_TITLES

WARN_PERCENT = 80


@dataclass(frozen=True, slots=True)
class Use:
    """How much of an amount is used; micro-credits. `share` and `kept_share` are percents for the bar."""

    amount: int
    spent: int
    kept: int
    left: int
    percent: int
    share: str
    kept_share: str
    tone: str
    label: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """`use` is None for limits of single jobs, of which no sum is kept."""

    id: int
    about: str
    period: str
    amount: int
    blocks: bool
    use: Use | None
    href: str


@dataclass(frozen=True, slots=True)
class LimitsPage:
    scope: Scope
    tabs: tuple[Tab, ...]
    rows: tuple[LimitRow, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """Of a project and a period; `fallback`: beyond it the unassigned part pays."""

    period: str
    title: str
    fallback: bool
    use: Use


@dataclass(frozen=True, slots=True)
class ProjectRow:
    project: ProjectView
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class ProjectsPage:
    """`unassigned` are the parts of the organisation's own budgets that no project has, of each period with any."""

    scope: Scope
    tabs: tuple[Tab, ...]
    active: tuple[ProjectRow, ...]
    archived: tuple[ProjectRow, ...]
    unassigned: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class ProjectPage:
    scope: Scope
    tabs: tuple[Tab, ...]
    row: ProjectRow


def limits_page(scope: Scope) -> LimitsPage:
    """All limits but the budgets of projects, which have a page of their own; the organisation's own first."""
    uses = [use for use in limit_queries.of_organisation(scope.id) if not use.is_budget]
    named = people.names({use.person for use in uses if use.person is not None}, scope.viewer)
    ordered = sorted(uses, key=lambda use: (not use.is_whole, use.period == "job", about(use, named), use.id))
    return LimitsPage(scope, scope.tabs("organisation-limits"), tuple(_row(use, named) for use in ordered))


def projects_page(scope: Scope, uses: Sequence[LimitUse] | None = None) -> ProjectsPage:
    """`uses` when the caller has read them already."""
    uses = limit_queries.of_organisation(scope.id) if uses is None else uses
    rows = [ProjectRow(one, _budgets(one.id, uses)) for one in projects.of(scope.id)]
    return ProjectsPage(
        scope,
        scope.tabs("organisation-projects"),
        tuple(row for row in rows if row.project.archived_at is None),
        tuple(row for row in rows if row.project.archived_at is not None),
        unassigned_parts(uses),
    )


def project_page(scope: Scope, slug: str) -> ProjectPage:
    """:raises LookupError: the organisation has no such project."""
    found = next((one for one in projects.of(scope.id) if one.slug == slug), None)
    if found is None:
        raise LookupError(slug)
    row = ProjectRow(found, _budgets(found.id, limit_queries.of_organisation(scope.id)))
    return ProjectPage(scope, scope.tabs("organisation-projects"), row)


def unassigned_parts(uses: Sequence[LimitUse]) -> tuple[Budget, ...]:
    found = []
    for period in COUNTED:
        part = limit_queries.unassigned(uses, period)
        if part is not None:
            found.append(Budget(period, str(PERIOD_TITLES[period]), False, use_of(*part)))
    return tuple(found)


def own_budgets(uses: Sequence[LimitUse]) -> tuple[Budget, ...]:
    """What the organisation as a whole may spend."""
    whole = {use.period: use for use in uses if use.is_whole}
    return tuple(_budget(whole[period]) for period in COUNTED if period in whole)


def about(use: LimitUse, named: Mapping[int, str]) -> str:
    """Whom and what a limit counts, in words."""
    person = named.get(use.person, str(people.UNKNOWN)) if use.person is not None else ""
    told = [
        person,
        _("Project %(name)s") % {"name": use.project} if use.project_pk is not None else "",
        _("Back end %(name)s") % {"name": use.backend} if use.backend_pk is not None else "",
        _("Process %(name)s") % {"name": use.process} if use.process else "",
    ]
    return " · ".join(filter(None, told)) or _("The whole organisation")


def use_of(amount: int, spent: int, kept: int) -> Use:
    used = spent + kept
    percent = 100 if amount <= 0 < used or 0 < amount <= used else used * 100 // amount if amount > 0 else 0
    share = min(spent * 1000 // amount, 1000) / 10 if amount > 0 else (100.0 if used > 0 else 0.0)
    kept_share = min(kept * 1000 // amount, 1000) / 10 if amount > 0 else 0.0
    kept_share = max(min(kept_share, 100 - share), 0.0)
    label = _("%(percent)d %% used: %(spent)s spent and %(kept)s held of %(amount)s credits") % {
        "percent": percent,
        "spent": _figure(spent),
        "kept": _figure(kept),
        "amount": _figure(amount),
    }
    tone = "bad" if used >= amount else "warn" if used * 100 >= amount * WARN_PERCENT else ""
    return Use(
        amount, spent, kept, max(amount - used, 0), percent, f"{max(share, 0):g}", f"{kept_share:g}", tone, label
    )


def _figure(micros: int) -> str:
    return two_decimals(amounts.to_decimal(micros))


def _row(use: LimitUse, named: Mapping[int, str]) -> LimitRow:
    return LimitRow(
        id=use.id,
        about=about(use, named),
        period=str(PERIOD_TITLES[use.period]),
        amount=use.amount,
        blocks=use.action == "block",
        use=None if use.period == "job" else use_of(use.amount, use.spent, use.kept),
        href=f"?limit={use.id}#limit-form",
    )


def _budgets(project: int, uses: Sequence[LimitUse]) -> tuple[Budget, ...]:
    mine = {use.period: use for use in uses if use.is_budget and use.project_pk == project}
    return tuple(_budget(mine[period]) for period in COUNTED if period in mine)


def _budget(use: LimitUse) -> Budget:
    title = str(PERIOD_TITLES[use.period])
    return Budget(use.period, title, use.fallback, use_of(use.amount, use.spent, use.kept))


def choices_of(scope: Scope) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What a limit's form offers by field, as (value, title)."""
    team = [one.person for one in members.of(scope.id)]
    named = people.names(team, scope.viewer)
    return {
        "person": [(str(person), named[person]) for person in team],
        "project": [(str(one.id), one.name) for one in projects.of(scope.id) if one.archived_at is None],
        "backend": [(str(one.id), one.name) for one in queries.backends()],
    }


@dataclass(frozen=True, slots=True)
class Part:
    """A side of a transfer; `name` empty: the part that no project has."""

    name: str
    archived: bool
    budget: Budget


@dataclass(frozen=True, slots=True)
class Group:
    """What is budgeted of one period. `bounded`: the organisation has a budget of its own in it."""

    title: str
    bounded: bool
    parts: tuple[Part, ...]


def transfer_groups(page: ProjectsPage) -> tuple[Group, ...]:
    """Periods in which projects have budgets, each with its unassigned part first."""
    groups = []
    for period in COUNTED:
        parts = [
            Part(row.project.name, row.project.archived_at is not None, budget)
            for row in (*page.active, *page.archived)
            for budget in row.budgets
            if budget.period == period
        ]
        free = [Part("", False, one) for one in page.unassigned if one.period == period]
        if parts:
            groups.append(Group(str(PERIOD_TITLES[period]), bool(free), (*free, *parts)))
    return tuple(groups)
