"""What the lists can be narrowed by."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import CharFilter
from django_filters.rest_framework import FilterSet

from accounting.api.v1.intake import STATES_SHOWN
from accounting.api.v1.parameters import CreditsFilter, InstantFilter, NamedFilter, WholeFilter

KINDS = ["usage", "grant", "expiry", "reversal"]
_STORED = {shown: stored for stored, shown in STATES_SHOWN.items()}


def _seen_by_the_view(rows: QuerySet[Any], _name: str, _value: Any) -> QuerySet[Any]:
    """The view chose the wallet already; the filter is here to be known."""
    return rows


def _of_job(rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    """Charges of a job, and what was given back of them."""
    path = "report__job__source__source_id" if name == "source" else "report__job__job_id"
    return rows.filter(Q(**{f"transaction__{path}": value}) | Q(**{f"transaction__reverses__{path}": value}))


class EntryFilter(FilterSet):  # type: ignore[misc]  # the library has no types
    """`from` and `to` are `[from, to)` on the instant of recording."""

    organisation = WholeFilter(method=_seen_by_the_view, help_text="One of yours; default: your current one.")
    kind = NamedFilter(KINDS, field_name="transaction__kind")
    source = CharFilter(method=_of_job, max_length=200)
    job_id = CharFilter(method=_of_job, max_length=300)
    min = CreditsFilter(field_name="amount", lookup_expr="gte", help_text="Least amount; charges are negative.")
    max = CreditsFilter(field_name="amount", lookup_expr="lte", help_text="Largest amount.")
    locals()["from"] = InstantFilter(field_name="recorded_at", lookup_expr="gte", help_text="Recorded at or after.")
    to = InstantFilter(field_name="recorded_at", lookup_expr="lt", help_text="Recorded before.")


def _open_or_ended(rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
    return rows.filter(open__isnull=value == "ended")


class HoldFilter(FilterSet):  # type: ignore[misc]  # the library has no types
    """`state` open: it keeps something; a hold past its expiry does until it is swept, which takes seconds."""

    organisation = WholeFilter(field_name="organisation_id", help_text="That pays; default: all of yours.")
    source = CharFilter(field_name="source__source_id", max_length=200)
    job_id = CharFilter(field_name="job_id", max_length=300)
    state = NamedFilter(["open", "ended"], method=_open_or_ended)


class JobFilter(FilterSet):  # type: ignore[misc]  # the library has no types
    """`from` and `to` are `[from, to)` on the instant of the newest report."""

    organisation = WholeFilter(field_name="organisation_id", help_text="That paid; default: all of yours.")
    source = CharFilter(field_name="source__source_id", max_length=200)
    job_id = CharFilter(field_name="job_id", max_length=300)
    state = NamedFilter(_STORED, field_name="state", help_text="The openEO status.")
    kind = NamedFilter(["batch", "sync"], field_name="kind")
    locals()["from"] = InstantFilter(field_name="reported_at", lookup_expr="gte", help_text="Reported at or after.")
    to = InstantFilter(field_name="reported_at", lookup_expr="lt", help_text="Reported before.")


def _in_force(rows: QuerySet[Any], _name: str, at: Any) -> QuerySet[Any]:
    return rows.filter(Q(starts_at__lte=at) & (Q(ends_at__isnull=True) | Q(ends_at__gt=at)))


class TariffFilter(FilterSet):  # type: ignore[misc]  # the library has no types
    source = CharFilter(field_name="source__source_id", max_length=200)
    backend = CharFilter(field_name="source__backend__slug", max_length=50)
    at = InstantFilter(method=_in_force, help_text="In force at that instant.")
