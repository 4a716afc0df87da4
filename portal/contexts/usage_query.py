"""What the address of the usage pages asks for: read strictly, written in one way only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounting.breakdowns import STEPS
from portal.contexts import usage_periods as periods

DIMENSIONS: dict[str, str | Promise] = {
    "backend": gettext_lazy("Back end"),
    "member": gettext_lazy("Member"),
    "project": gettext_lazy("Project"),
    "process": gettext_lazy("Process"),
    "collection": gettext_lazy("Collection"),
    "kind": gettext_lazy("Kind"),
    "state": gettext_lazy("State"),
    "grant": gettext_lazy("Grant"),
}
"""By the names of their parameters. An empty value stands for none: no project, compute, not covered by a grant."""
STEP_TITLES: dict[str, str | Promise] = {
    "day": gettext_lazy("Day"),
    "week": gettext_lazy("Week"),
    "month": gettext_lazy("Month"),
}
GROUPINGS = STEP_TITLES | DIMENSIONS
CREDITS_BY: dict[str, str | Promise] = {
    "day": gettext_lazy("Credits by day"),
    "week": gettext_lazy("Credits by week"),
    "month": gettext_lazy("Credits by month"),
    "backend": gettext_lazy("Credits by back end"),
    "member": gettext_lazy("Credits by member"),
    "project": gettext_lazy("Credits by project"),
    "process": gettext_lazy("Credits by process"),
    "collection": gettext_lazy("Credits by collection"),
    "kind": gettext_lazy("Credits by kind"),
    "state": gettext_lazy("Credits by state"),
    "grant": gettext_lazy("Credits by grant"),
}
SPLIT_BY: dict[str, str | Promise] = {
    "backend": gettext_lazy("Split by back end"),
    "member": gettext_lazy("Split by member"),
    "project": gettext_lazy("Split by project"),
    "process": gettext_lazy("Split by process"),
    "collection": gettext_lazy("Split by collection"),
    "kind": gettext_lazy("Split by kind"),
    "state": gettext_lazy("Split by state"),
    "grant": gettext_lazy("Split by grant"),
}
NEVER_NONE = ("backend", "member", "kind")
NUMBERS = ("member", "grant")
KINDS = ("batch", "sync")
SORTS = ("name", "-name", "amount", "-amount", "before", "-before")
MOST_VALUES = 50
MOST_LETTERS = {"process": 255, "collection": 255, "state": 20, "project": 50, "backend": 50}
MOST_DIGITS = 18
FIRST_YEAR, LAST_YEAR = 2000, 2100
DEFAULT_BY = "day"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`values` holds what is wanted of each filtered dimension, as in the address; `since` and `last` the days of a
    custom period; `sort` is empty for the usual order.
    """

    period: str = periods.DEFAULT
    since: date | None = None
    last: date | None = None
    by: str = DEFAULT_BY
    split: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = ""

    def filtered_by(self, dimension: str, value: str) -> Wanted:
        """The same with this one value of the dimension."""
        return replace(self, values={**self.values, dimension: (value,)})

    def without(self, dimension: str, value: str) -> Wanted:
        """The same without this value of the dimension."""
        rest = tuple(one for one in self.values.get(dimension, ()) if one != value)
        kept = {name: values for name, values in self.values.items() if name != dimension}
        return replace(self, values={**kept, dimension: rest} if rest else kept)

    def during(self, since: date, last: date) -> Wanted:
        return replace(self, period=periods.CUSTOM, since=since, last=last)

    def query(self) -> str:
        """The canonical query: what is as usual is left out, and the order is fixed."""
        pairs = [("period", self.period)]
        if self.period == periods.CUSTOM and self.since and self.last:
            pairs += [("from", self.since.isoformat()), ("to", self.last.isoformat())]
        usual = Wanted()
        told = ((name, getattr(self, name), getattr(usual, name)) for name in ("by", "split", "sort"))
        pairs += [(name, value) for name, value, as_usual in told if value != as_usual]
        pairs += [(name, value) for name in DIMENSIONS for value in self.values.get(name, ())]
        return urlencode(pairs)

    def charges_query(self) -> str:
        """The part that says which spending: for the charges behind it."""
        return replace(self, by=DEFAULT_BY, split="", sort="").query()


def read(query: QueryDict) -> Wanted:
    """:raises BadRequest: naming the parameter that is wrong."""
    period = _one_of(query, "period", periods.PRESETS, periods.DEFAULT)
    since, last = _day(query, "from"), _day(query, "to")
    if period == periods.CUSTOM:
        since, last = _custom(since, last)
    by = _one_of(query, "by", GROUPINGS, DEFAULT_BY)
    split = _one_of(query, "split", {"": "", **DIMENSIONS}, "")
    values = {name: _values(query, name) for name in DIMENSIONS if name in query}
    return Wanted(
        period=period,
        since=since if period == periods.CUSTOM else None,
        last=last if period == periods.CUSTOM else None,
        by=by,
        split="" if split == by else split,
        values={name: found for name, found in values.items() if found},
        sort=_one_of(query, "sort", dict.fromkeys(("", *SORTS)), ""),
    )


def canonical(text: str) -> str:
    """The canonical form of a query that somebody wrote. :raises BadRequest: as `read` does."""
    return read(QueryDict(text)).query()


def is_step(name: str) -> bool:
    return name in STEPS


def _one_of(query: QueryDict, name: str, offered: Mapping[str, Any], usual: str) -> str:
    value = query.get(name, usual)
    if value not in offered:
        raise BadRequest(f"{name} must be one of {', '.join(one for one in offered if one)}")
    return str(value)


def _day(query: QueryDict, name: str) -> date | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadRequest(f"{name} must be a day such as 2026-03-31, between {FIRST_YEAR} and {LAST_YEAR}")
    return found


def _custom(since: date | None, last: date | None) -> tuple[date | None, date | None]:
    """Both days in their order, or none, for the page to offer some. :raises BadRequest: one alone."""
    if (since is None) != (last is None):
        raise BadRequest(f"{'from' if since is None else 'to'} must be given for other days")
    return (last, since) if since and last and since > last else (since, last)


def _values(query: QueryDict, name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(query.getlist(name)))
    if len(found) > MOST_VALUES:
        raise BadRequest(f"{name} may be given at most {MOST_VALUES} times")
    if name in NEVER_NONE:
        found = tuple(value for value in found if value)
    for value in found:
        if not _fits(name, value):
            raise BadRequest(f"{name} must be one of those that the page offers")
    return found


def _fits(name: str, value: str) -> bool:
    if name == "kind":
        return value in KINDS
    if name in NUMBERS:
        return not value or (value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS)
    return len(value) <= MOST_LETTERS[name] and "\x00" not in value and not _has_surrogates(value)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)
