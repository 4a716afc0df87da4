"""What the overview of an organisation shows: how to use it, who is in it, and what of its budgets is left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from accounting import limit_queries, members, queries, roles
from accounting.queries import Balance
from portal.contexts import people
from portal.contexts.limits import Budget, ProjectRow, own_budgets, projects_page, unassigned_parts
from portal.contexts.scope import Scope
from portal.contexts.tabs import Tab
from portal.titles import ROLE_TITLES

JOB_OPTION = "etl_organization_id"
"""What openEO clients write into the job options to name who pays."""
MOST_MEMBERS = 6


@dataclass(frozen=True, slots=True)
class Somebody:
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class OrganisationPage:
    """`option` is the job option with the organisation's id, `snippet` Python that uses it."""

    scope: Scope
    tabs: tuple[Tab, ...]
    balance: Balance
    option: str
    snippet: str
    team: tuple[Somebody, ...]
    team_size: int
    counts: tuple[tuple[str, int], ...]
    budgets: tuple[Budget, ...]
    unassigned: tuple[Budget, ...]
    projects: tuple[ProjectRow, ...]
    last_owner: bool


def page_of(scope: Scope) -> OrganisationPage:
    team = members.of(scope.id)
    shown = team[:MOST_MEMBERS]
    named = people.names({one.person for one in shown}, scope.viewer)
    counts = Counter(one.role for one in team)
    uses = limit_queries.of_organisation(scope.id)
    listed = projects_page(scope, uses)
    return OrganisationPage(
        scope=scope,
        tabs=scope.tabs("organisation"),
        balance=queries.balance(scope.id),
        option=f'"{JOB_OPTION}": {scope.id}',
        snippet=_snippet(scope.id),
        team=tuple(Somebody(named[one.person], str(ROLE_TITLES[one.role])) for one in shown),
        team_size=len(team),
        counts=tuple((str(ROLE_TITLES[role]), counts[role]) for role in roles.ROLES if counts[role]),
        budgets=own_budgets(uses),
        unassigned=unassigned_parts(uses) if any(use.is_budget for use in uses) else (),
        projects=tuple(row for row in listed.active if row.budgets),
        last_owner=scope.role == "owner" and counts["owner"] == 1,
    )


def _snippet(organisation: int) -> str:
    return "\n".join(
        (
            "job = cube.create_job(",
            '    title="My job",',
            f'    job_options={{"{JOB_OPTION}": {organisation}}},',
            ")",
            "job.start_and_wait()",
        )
    )
