"""What the list of charges shows: the lines behind a sum, who paid each, and what was given back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting import breakdowns, charges
from accounting.charges import Charge
from portal.contexts import cursors
from portal.contexts import usage_filters as filters
from portal.contexts import usage_periods as periods
from portal.contexts.charges import METRICS, unit_name
from portal.contexts.crumbs import Crumb
from portal.contexts.jobs import job_path
from portal.contexts.usage_filters import Chip
from portal.contexts.usage_names import Register, register_of
from portal.contexts.usage_query import Wanted
from portal.models import User
from portal.numerals import credits_text

PAGE_SIZE = 25
KEYS = ("at", "booked", "line")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_MOST_LINES = 32767
REASONS: dict[str, str | Promise] = {
    "failed_job": gettext_lazy("the job failed"),
    "provider_outage": gettext_lazy("the back end was out of order"),
    "duplicate_report": gettext_lazy("it had been reported twice"),
    "wrong_payer": gettext_lazy("somebody else had to pay"),
    "wrong_tariff": gettext_lazy("the rates were wrong"),
    "wrong_usage": gettext_lazy("the usage was wrong"),
    "goodwill": gettext_lazy("as goodwill"),
    "superseded": gettext_lazy("a later charge took its place"),
}


@dataclass(frozen=True, slots=True)
class PaidBy:
    """`covered` is false for what no grant has paid yet."""

    title: str
    amount: int
    covered: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """`given_back` says why the line gives back a charge, `later` why it was given back later; `line_amount` is what
    the whole line cost when only a part of it is asked for, else None.
    """

    at: datetime
    href: str
    title: str
    job_id: str
    backend: str
    member: str
    about: tuple[str, ...]
    metric: str
    quantity: Decimal
    unit: str
    rule: str
    formula: str
    paid: tuple[PaidBy, ...]
    amount: int
    line_amount: int | None
    line_amount_text: str
    given_back: str
    later: str
    later_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """`amount` is the sum of all pages. `older` and `newer` are addresses; empty at the ends of the list."""

    subtitle: str
    crumbs: tuple[Crumb, ...]
    amount: int
    period_name: str
    rows: tuple[EntryRow, ...]
    chips: tuple[Chip, ...]
    older: str
    newer: str
    explorer: str
    everything: str
    csv: str
    json: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The slice of spending that the address asks for, and the words for it."""

    wanted: Wanted
    register: Register
    of: breakdowns.Slice
    name: str


def asked(viewer: User, organisation: int, name: str, wanted: Wanted, *, for_others: bool = False) -> Asked:
    """:raises BadRequest: a value that the organisation cannot be asked for."""
    span = periods.span_of(wanted.period, wanted.since, wanted.last, breakdowns.bounds(organisation))
    if wanted.period == periods.CUSTOM:
        wanted = wanted.during(span.now.since, span.last)
    register = register_of(viewer, organisation, for_others=for_others)
    return Asked(wanted, register, register.slice_of(wanted, span.now), name)


def page_of(what: Asked, place: cursors.Place) -> EntriesPage:
    """:raises BadRequest: the place is not one of this list."""
    path, query = reverse("usage-entries"), what.wanted.charges_query()
    after, before = (_place(numbers) for numbers in (place.after, place.before))
    found = list(charges.page(what.of, PAGE_SIZE + 1, after=after, before=before))
    beyond = len(found) > PAGE_SIZE
    shown = found[-PAGE_SIZE:] if before else found[:PAGE_SIZE]
    older = bool(shown) if before else beyond
    newer = beyond if before else bool(after and shown)
    bare = Wanted(what.wanted.period, what.wanted.since, what.wanted.last).query()
    return EntriesPage(
        subtitle=_("Each line that %(name)s was charged or given back, and who paid it") % {"name": what.name},
        crumbs=(Crumb(_("Usage"), f"{reverse('usage')}?{what.wanted.query()}"),),
        amount=breakdowns.total(what.of),
        period_name=periods.period_name(what.of.period),
        rows=tuple(rows_of(what, shown)),
        chips=filters.chips_of(what.register, what.wanted, what.of, path),
        older=f"{path}?{query}&{urlencode({'after': _written(shown[-1])})}" if older else "",
        newer=f"{path}?{query}&{urlencode({'before': _written(shown[0])})}" if newer else "",
        explorer=f"{reverse('usage')}?{what.wanted.query()}",
        everything=f"{path}?{bare}",
        csv=f"{reverse('usage-entries-export', args=['csv'])}?{query}",
        json=f"{reverse('usage-entries-export', args=['json'])}?{query}",
    )


def rows_of(what: Asked, found: Iterable[Charge]) -> Iterable[EntryRow]:
    """Named with at most two queries for all of them, whoever and whatever paid."""
    found = list(found)
    members = what.register.names("member", [one.person for one in found])
    grants = what.register.names("grant", [paid.grant for one in found for paid in one.paid])
    backends = what.register.names("backend", [one.backend for one in found])
    projects = what.register.names("project", [one.project for one in found])
    for one in found:
        about = [projects[one.project].title if one.project else "", one.process, one.collection]
        yield EntryRow(
            at=one.at,
            href=f"{job_path(one.source, one.job_id)}?{urlencode({'payer': what.of.organisation})}#charge-{one.report}",
            title=_title(one),
            job_id=one.job_id,
            backend=backends[one.backend].title,
            member=members[one.person].title,
            about=tuple(filter(None, about)),
            metric=str(METRICS.get(one.metric, one.metric.replace("_", " ").capitalize())),
            quantity=one.quantity,
            unit=unit_name(one.canonical_unit, one.quantity),
            rule=one.rule,
            formula=one.formula,
            paid=tuple(PaidBy(grants[paid.grant].title, paid.amount, paid.grant is not None) for paid in one.paid),
            amount=one.amount,
            line_amount=one.line_amount if abs(one.amount) != one.line_amount else None,
            line_amount_text=credits_text(one.line_amount),
            given_back=_reason(one.given_back),
            later=_reason(one.reversed_because),
            later_at=one.reversed_at,
        )


def _title(charge: Charge) -> str:
    title = charge.job_title.replace(charge.job_id, "").strip(" '\"")
    return title or (_("Synchronous request") if charge.job_kind == "sync" else _("Batch job"))


def _reason(reason: str) -> str:
    return str(REASONS.get(reason, reason.replace("_", " ")))


def _place(numbers: tuple[int, ...]) -> charges.Place | None:
    if not numbers:
        return None
    largest = ((_LATEST - _EPOCH) // timedelta(microseconds=1), 2**63 - 1, _MOST_LINES)
    if len(numbers) != len(KEYS) or not all(0 <= one <= most for one, most in zip(numbers, largest, strict=True)):
        raise BadRequest("after and before must be places that the list gave")
    return charges.Place(_EPOCH + timedelta(microseconds=numbers[0]), numbers[1], numbers[2])


def _written(charge: Charge) -> str:
    micros = (charge.at - _EPOCH) // timedelta(microseconds=1)
    return f"{micros}.{charge.booked}.{charge.number}"
