"""What the dashboard shows: what is left and how long it lasts, what the month costs and on what, and what comes next.

What it costs does not grow with history: sums are kept a day, lists come from indexes, everything else is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import allowances, hold_queries, limit_queries, organisations, pace, queries, spending
from accounting.organisations import Membership
from accounting.pace import Runway
from accounting.queries import Balance, GrantView
from portal.contexts import addresses, announced, grant_rows, outlook, tops
from portal.contexts import month as months
from portal.contexts import notices as told
from portal.contexts.announced import Announced
from portal.contexts.charts import Chart
from portal.contexts.grant_rows import Expiries, GrantRow
from portal.contexts.hold_rows import HoldRow, rows_of
from portal.contexts.jobs import JobRow, row_of
from portal.contexts.month import Budget, Calendar, Month, Spent
from portal.contexts.notices import Notice
from portal.contexts.outlook import Forecast, Lasting, Line
from portal.contexts.spans import ahead
from portal.contexts.tops import Top
from portal.models import User

LAST_JOBS = 5
TOP = 5
RUNNING_JOBS = 6
OPEN_NOTICES = 2
MOST_GRANTS = 50
MOST_JOBS = 1000
"""Jobs of a month are counted up to this."""


@dataclass(frozen=True, slots=True)
class Running:
    """The jobs that credits are held for; `count` is all of them, `jobs` the newest."""

    count: int
    jobs: tuple[HoldRow, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """What is left as a bar: spendable, and from `held_from` on what running jobs keep, in percent."""

    held_from: str
    held_share: str
    label: str


@dataclass(frozen=True, slots=True)
class Refill:
    """The credits that come next without anybody's doing."""

    title: str
    label: str
    amount: int
    at: datetime
    ahead: str


@dataclass(frozen=True, slots=True)
class QuickLink:
    title: str
    href: str
    icon: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first things to do here. `number` is the organisation's, for the job option that names it."""

    title: str
    text: str
    done: bool
    href: str = ""
    action: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`spendable` is never negative: what is owed is shown as such. `granted_left` is the sum over the grants: what is
    spendable, held and owed together; `more_grants` are not in the list. None: nothing held (`running`, `split`), too
    short a past (`lasting`, `forecast`), no limit (`budget`), neither of them (`line`), nothing spent lately (`chart`).
    `steps` are for who has no job yet. `more_notices` are folded, so that the balance stays in view. An address is
    empty when there is no such page.
    """

    organisation: str
    reads_only: bool
    may_set_limits: bool
    balance: Balance
    spendable: int
    split: Split | None
    lasting: Lasting | None
    refill: Refill | None
    month: Month
    forecast: Forecast | None
    line: Line | None
    budget: Budget | None
    chart: Chart | None
    grants: tuple[GrantRow, ...]
    more_grants: bool
    granted_left: int
    expiries: Expiries
    running: Running | None
    jobs: tuple[JobRow, ...]
    top_jobs: tuple[Top, ...]
    top_processes: tuple[Top, ...]
    notices: tuple[Notice, ...]
    more_notices: tuple[Notice, ...]
    announced: tuple[Announced, ...]
    links: tuple[QuickLink, ...]
    steps: tuple[Step, ...]
    usage_href: str
    limits_href: str
    top_up_href: str


def page_of(user: User, organisation: int) -> Dashboard:
    balance = queries.balance(organisation)
    days = Calendar(balance.as_of.date())
    spent = Spent(spending.by_backend(organisation, days.since, days.tomorrow))
    today = spent.between(days.today, days.tomorrow)
    known = pace.history(spent.daily(days.since, days.today))
    names = {backend.id: backend.name for backend in queries.backends()}
    found = queries.open_grants(organisation, MOST_GRANTS + 1)
    grants = found[:MOST_GRANTS]
    runway = _runway(known, today, grants, balance)
    month = months.month_of(spent, days, _count_jobs(organisation, days), MOST_JOBS)
    forecast = outlook.forecast(known, spent.between(days.month, days.today), today, days.days_left)
    budget = months.budget_of(limit_queries.budget(organisation), known, today, days)
    newest = queries.jobs(organisations=[organisation]).order_by("-reported_at", "-pk")
    jobs = tuple(row_of(job) for job in newest[:LAST_JOBS])
    notices = told.of(user, balance)
    place, refill = _place(user, organisation), _refill(organisation, balance.as_of)
    return Dashboard(
        organisation=place.name,
        reads_only=place.role == "viewer",
        may_set_limits=place.role in ("owner", "manager"),
        balance=balance,
        spendable=max(balance.spendable, 0),
        split=_split(balance),
        lasting=outlook.lasting(known, runway, balance.as_of, refill.at if refill else None),
        refill=refill,
        month=month,
        forecast=forecast,
        line=outlook.line_of(month.spent, forecast, budget.amount if budget else None),
        budget=budget,
        chart=months.chart_of(spent, names, days),
        grants=grant_rows.rows_of(grants, names, balance.as_of),
        more_grants=len(found) > len(grants),
        granted_left=balance.spendable + balance.held + balance.debt,
        expiries=grant_rows.expiries_of(grants, runway.unused if runway else (), balance.as_of),
        running=_running(user, organisation, balance.as_of),
        jobs=jobs,
        top_jobs=tops.jobs_of(spending.top_jobs(organisation, days.month, TOP)),
        top_processes=tops.processes_of(spending.top_processes(organisation, days.month, days.tomorrow, TOP)),
        notices=notices[:OPEN_NOTICES],
        more_notices=notices[OPEN_NOTICES:],
        announced=announced.of(balance.as_of),
        links=_links(),
        steps=() if jobs else _steps(place, granted=bool(grants)),
        usage_href=addresses.usage("30d", split="backend"),
        limits_href=addresses.address("organisation-limits"),
        top_up_href=_top_up(),
    )


def _split(balance: Balance) -> Split | None:
    """None when nothing is held, or less is left than is held and owed."""
    if not balance.held or balance.spendable < 0 or balance.debt:
        return None
    permille = balance.held * 1000 // (balance.spendable + balance.held)
    return Split(
        held_from=f"{(1000 - permille) / 10:.1f}",
        held_share=f"{permille / 10:.1f}",
        label=_("%(percent)s %% of what is left is kept for running jobs") % {"percent": permille // 10},
    )


def _refill(organisation: int, now: datetime) -> Refill | None:
    """None when nobody has promised any."""
    found = next(iter(allowances.coming(organisation)), None)
    if found is None:
        return None
    title = _("Next free credits") if found.kind == "free" else _("Next credits")
    return Refill(title, found.label, found.amount, found.at, ahead(found.at, now))


def _place(user: User, organisation: int) -> Membership:
    """What the person is there."""
    return next(one for one in organisations.memberships(user.person_id) if one.organisation == organisation)


def _runway(known: tuple[int, ...], today: int, grants: Sequence[GrantView], balance: Balance) -> Runway | None:
    """None when there is nothing left to last, or nothing known of the pace."""
    if not known or balance.spendable + balance.held <= 0:
        return None
    morning = datetime.combine(balance.as_of, time.min, UTC)
    buckets = outlook.buckets_of(grants, balance.debt, morning)
    return pace.runway(known, max(today, 0), buckets) if buckets else None


def _running(user: User, organisation: int, now: datetime) -> Running | None:
    count = hold_queries.count_running(organisation)
    if not count:
        return None
    return Running(count, rows_of(hold_queries.running(organisation, RUNNING_JOBS), user, now, family=True))


def _count_jobs(organisation: int, days: Calendar) -> int:
    start = datetime.combine(days.month, time.min, UTC)
    jobs = queries.jobs(organisations=[organisation]).filter(reported_at__gte=start)
    return jobs.order_by("-reported_at", "-pk")[: MOST_JOBS + 1].count()


def _top_up() -> str:
    """Where more credits can be had; empty when there is no other place than this page."""
    return "" if settings.TOP_UP_URL.endswith(reverse("dashboard")) else settings.TOP_UP_URL


def _links() -> tuple[QuickLink, ...]:
    """Where people go from here; only pages that there are."""
    offered = [
        QuickLink(_("Estimate a job"), addresses.address("estimate-form"), icon="calculator"),
        QuickLink(_("Explore usage"), addresses.address("usage"), icon="chart-column"),
        QuickLink(_("Compare jobs"), addresses.address("compare"), icon="scale"),
        QuickLink(_("See rates"), addresses.address("rates"), icon="tags"),
    ]
    return tuple(link for link in offered if link.href)


def _steps(place: Membership, *, granted: bool) -> tuple[Step, ...]:
    """Of who only looks on nothing is expected."""
    if place.role == "viewer":
        return ()
    option = (
        _("Nothing to set: jobs that name no organisation are paid here while it is your current one.")
        if place.personal
        else _("Give this number in the job option etl_organization_id, or keep this organisation as your current one.")
    )
    return (
        Step(
            _("Get credits"),
            _("They come with your plan, from a sponsor or by a purchase, and appear here with their expiry."),
            done=granted,
        ),
        Step(
            _("See what a job will cost"),
            _("An estimate compares the back ends, from jobs like yours."),
            done=False,
            href=addresses.address("estimate-form"),
            action=_("Estimate a job"),
        ),
        Step(
            _("Run it on a back end of the federation"),
            option,
            done=False,
            number="" if place.personal else str(place.organisation),
            href=addresses.address("backends"),
            action=_("See the back ends"),
        ),
        Step(
            _("Read what it cost, and why"),
            _("The job appears here when the back end reports it, usually within minutes of its end."),
            done=False,
        ),
    )
