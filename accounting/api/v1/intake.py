"""From what a client sent to the reports of the domain, and from domain errors back to the client's field names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from accounting import queries
from accounting.api import user_input
from accounting.api.v1.shapes import ID_LENGTH, QuoteRequest, UsageEvent, UsageMetric, UsageReport
from accounting.errors import (
    DomainError,
    DuplicateExecution,
    IdempotencyKeyInvalid,
    InvalidInput,
    NotFound,
    ServiceTokenNeeded,
    UnknownField,
)
from accounting.principals import PersonPrincipal, Principal
from accounting.rating import SURCHARGE, UsageLine
from accounting.reports import USAGE_REPORTS
from accounting.reports import UsageReport as Report

STATES = {
    "created": "ACCEPTED",
    "queued": "ACCEPTED",
    "running": "RUNNING",
    "canceled": "KILLED",
    "finished": "FINISHED",
    "error": "FAILED",
}
"""openEO job status -> the state that tariffs and the ETL API know."""

STATES_SHOWN = {
    "ACCEPTED": "queued",
    "RUNNING": "running",
    "KILLED": "canceled",
    "FINISHED": "finished",
    "FAILED": "error",
}
"""And back, for reading."""

Shape = TypeVar("Shape")
MAX_KEY = 255
_VISIBLE = re.compile(r"[!-~]{1,255}")
_QUANTITY = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_PLACE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_NAMED = re.compile(r"Object (?:contains (unknown)|missing required) field `(.*)`", re.DOTALL)
_DOMAIN_LINE = re.compile(r"lines\[([0-9]+)\]")
_CHOICES = {
    name: get_args(get_type_hints(shape)[name])
    for shape, names in ((UsageReport, ("state", "kind")), (UsageEvent, ("specversion", "type")))
    for name in names
}
_AMOUNTS = frozenset({"amount", "budget"})
KEPT = "The report is kept and can still be booked once the cause is mended; there is no need to send it again."


def read_key(key: str | None, field: str) -> str:
    """:raises IdempotencyKeyInvalid: it is missing, too long, or holds anything but visible ASCII characters."""
    if key is None:
        raise IdempotencyKeyInvalid(
            f"send {field}: 1 to {MAX_KEY} visible characters, the same again when you repeat the request", field=field
        )
    if not _VISIBLE.fullmatch(key):
        raise IdempotencyKeyInvalid(f"{field} must be 1 to {MAX_KEY} visible ASCII characters", field=field)
    return key


def convert(value: Any, shape: type[Shape]) -> Shape:
    """:raises InvalidInput, UnknownField: naming the first field at fault."""
    if isinstance(value, dict):
        checks = value.get("checks")
        for one in (value, value.get("data"), *(checks if isinstance(checks, list) else ())):
            _make_whole(one)
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None


def _make_whole(value: Any) -> None:
    """In JSON, 7.0 is an integer."""
    if isinstance(value, dict):
        for name in ("organisation", "expires_in"):
            if type(number := value.get(name)) is Decimal and number == int(number):
                value[name] = int(number)


def _explain(message: str) -> InvalidInput:
    text, place = _PLACE.fullmatch(message).groups()  # type: ignore[union-attr]  # every part of it is optional
    path = re.sub(r"\[([0-9]+)\]", r".\1", place or "").removeprefix(".").replace("[...]", "")
    if named := _NAMED.fullmatch(text):
        unknown, name = named.groups()
        field = f"{path}.{name}" if path else name
        if unknown:
            return UnknownField("there is no such field here; is it misspelt?", field=field[:200])
        return InvalidInput("this field is required", field=field)
    if text.startswith("Expected `str") and path.rpartition(".")[2] in _AMOUNTS:
        return InvalidInput('write credits as a text, such as "25", so that they stay exact', field=path)
    if choices := _CHOICES.get(path.rpartition(".")[2]):
        return InvalidInput(f"must be one of: {', '.join(choices)}", field=path)
    return InvalidInput(text[:1].lower() + text[1:].replace("`", ""), field=path or None)


def to_report(sent: UsageReport, key: str | None, raw: str) -> Report:
    """:raises InvalidInput: an impossible quantity, or characters that identify nothing."""
    _check_identifiers(sent)
    return Report(
        endpoint=USAGE_REPORTS,
        source=sent.source,
        user=sent.user,
        job_id=sent.job_id,
        lines=tuple([line(index, metric) for index, metric in enumerate(sent.metrics)]),
        raw=raw,
        key=key,
        organisation=None if sent.organisation is None else user_input.organisation(sent.organisation),
        project=_free_id(sent.project) or None,
        job_title=user_input.title(sent.job_title),
        execution_id=sent.execution_id,
        kind=sent.kind,
        state=STATES[sent.state],
        started_at=instant(sent.started_at, "started_at"),
        finished_at=instant(sent.finished_at, "finished_at"),
        user_issuer=sent.user_issuer,
    )


def to_quote(sent: QuoteRequest, principal: Principal, raw: str) -> Report:
    """The report of a job that has not run. A person's is their own.

    :raises InvalidInput: as for a report.
    :raises ServiceTokenNeeded: a person names a user.
    """
    user, issuer, organisation = sent.user or "", sent.user_issuer, sent.organisation
    _check_texts(f"{sent.source}{user}{issuer}", sent, ("source", "user", "user_issuer"), "")
    if isinstance(principal, PersonPrincipal):
        for name in ("user", "user_issuer"):
            if getattr(sent, name) is not None:
                raise ServiceTokenNeeded("a person's quote is for themselves: leave this out", field=name)
        user, issuer, organisation = principal.sub, principal.issuer, _only(principal, organisation)
    return Report(
        endpoint=USAGE_REPORTS,
        source=sent.source,
        user=user,
        job_id="",
        lines=tuple([line(index, metric) for index, metric in enumerate(sent.metrics)]),
        raw=raw,
        organisation=None if organisation is None else user_input.organisation(organisation),
        kind=sent.kind,
        state=STATES[sent.state],
        finished_at=instant(sent.at, "at"),
        user_issuer=issuer,
    )


def _only(principal: PersonPrincipal, asked: int | None) -> int | None:
    """The organisation of a person's quote. :raises NotFound: their token is for another one than they ask about."""
    only = principal.organisation
    if only is not None and asked not in (None, only):
        raise NotFound(f"this token is not for organisation {asked}", field="organisation")
    return asked if only is None else only


def instant(moment: datetime | None, name: str) -> datetime | None:
    """In UTC: PostgreSQL takes offsets of less than 16 hours only, RFC 3339 those of less than 24."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("there is no such instant", field=name) from None


_IDENTIFIERS = ("source", "user", "job_id", "execution_id", "user_issuer")
_LINE_IDENTIFIERS = ("metric", "unit")


def _check_identifiers(sent: UsageReport) -> None:
    _check_texts(f"{sent.source}{sent.user}{sent.job_id}{sent.execution_id}{sent.user_issuer}", sent, _IDENTIFIERS, "")


def _check_texts(together: str, sent: Any, names: tuple[str, ...], path: str) -> None:
    """Nearly always all of them are well, which one look at them `together` tells."""
    if together.isascii() and together.isprintable() and " " not in together:
        return
    for name in names:
        value = getattr(sent, name)
        if value is not None and not is_identifier(value):
            detail = "only printable ASCII characters identify something, without spaces around them or two in a row"
            raise InvalidInput(detail, field=f"{path}{name}")


def is_identifier(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == " ".join(value.split())


def identifier(value: str | None, field: str) -> str | None:
    """:raises InvalidInput: it identifies nothing."""
    if value is not None and not is_identifier(value):
        detail = "only printable ASCII characters identify something, without spaces around them or two in a row"
        raise InvalidInput(detail, field=field)
    return value


def line(index: int, sent: UsageMetric) -> UsageLine:
    _check_texts(f"{sent.metric}{sent.unit}", sent, _LINE_IDENTIFIERS, f"metrics.{index}.")
    if sent.metric == SURCHARGE:
        raise InvalidInput("surcharges are added by tariffs, not reported", field=f"metrics.{index}.metric")
    quantity, reported = _quantity(sent.quantity, index)
    process, collection = _free_id(sent.process), _free_id(sent.collection)
    return UsageLine(sent.metric, quantity, sent.unit, reported, process, collection)


def _free_id(value: str | None) -> str:
    return user_input.identifier(value, ID_LENGTH) if value else ""


def _quantity(value: Any, index: int) -> tuple[Decimal, str]:
    """The quantity and how it was written. The parser has refused NaN, infinities and absurd lengths already."""
    kind = type(value)
    if kind is str:
        if _QUANTITY.fullmatch(value):
            return Decimal(value), value
        detail = "write it as a plain decimal number such as 12.5: no sign, exponent, space or other digits"
    elif kind is not int and kind is not Decimal:
        detail = "send a decimal text or a JSON number"
    elif value < 0:
        detail = "it cannot be negative; a correction is made by the operators"
    else:
        return abs(Decimal(value)), str(value)
    raise InvalidInput(detail, field=f"metrics.{index}.quantity")


def link_originals(errors: Iterable[DomainError | None]) -> None:
    """Tells those who reported an execution twice what became of it the first time; one read for all of them."""
    twice = [error for error in errors if isinstance(error, DuplicateExecution) and "original" in error.extra]
    if not twice:
        return
    answers = queries.answers([error.extra["original"]["transaction"] for error in twice])
    for error in twice:
        first = msgspec.json.decode(answers[error.extra["original"]["transaction"]])
        error.extra["original"] = {name: first.get(name) for name in ("id", "cost", "job")}


def to_client(error: DomainError, *, kept: bool) -> DomainError:
    """The same error with the name that the client knows the field by, and whether the report is kept."""
    if kept:
        end = "" if error.detail.endswith((".", "?", "!")) else "."
        error.detail = f"{error.detail}{end} {KEPT}"
        error.extra["kept"] = True
    if error.field:
        error.field = "metrics" if error.field == "lines" else _DOMAIN_LINE.sub(r"metrics.\1", error.field)
    return error
