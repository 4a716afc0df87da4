"""Many reports in one request: each is booked, replayed or refused by itself, all in one database transaction.

The stored answers are spliced into the answer as they are; nothing is decoded only to be encoded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from django.conf import settings

from accounting import usage
from accounting.api.v1 import intake
from accounting.api.v1.shapes import MAX_BATCH, BatchReport, UsageEvent
from accounting.errors import BatchTooLarge, DomainError, InvalidInput, UnknownField
from accounting.principals import ServicePrincipal
from accounting.reports import UsageReport
from accounting.usage import Outcome

CLOUD_EVENTS = "application/cloudevents-batch+json"
KEY_FIELD = "idempotency_key"


@dataclass(frozen=True, slots=True)
class Item:
    """One of a batch: a report, or what is wrong with it."""

    report: UsageReport | None
    error: DomainError | None = None


class _Envelope(msgspec.Struct):
    reports: list[msgspec.Raw]


_envelopes = msgspec.json.Decoder(_Envelope)
_lenient = json.JSONDecoder(parse_int=str, parse_float=str)
_GAP = re.compile(r"[ \t\r\n]*")
_arrays = msgspec.json.Decoder(list[msgspec.Raw])


def read(document: Any, body: bytes, header: str | None, *, events: bool, keyless: bool = False) -> Sequence[Item]:
    """The items of a batch; each keeps its own bytes. When `keyless`, reports may come without a key.

    :raises InvalidInput, BatchTooLarge: the envelope is not one, and nothing of it is looked at.
    """
    sent = _events(document) if events else _reports(document)
    if not sent:
        raise InvalidInput("the batch is empty", field=None if events else "reports")
    if len(sent) > MAX_BATCH:
        raise BatchTooLarge(
            f"the batch has {len(sent)} reports, at most {MAX_BATCH} are accepted: split it; nothing was booked",
            field=None if events else "reports",
        )
    reader = _read_event if events else partial(_read_report, keyless=keyless)
    raws = _raws(body, events=events)
    return [_item(reader, one, raw, header, n) for n, (one, raw) in enumerate(zip(sent, raws, strict=True))]


def _raws(body: bytes, *, events: bool) -> list[str]:
    """Each item as it came."""
    try:
        items = _arrays.decode(body) if events else _envelopes.decode(body).reports
        return [bytes(item).decode() for item in items]
    except msgspec.DecodeError:  # refuses what the parser lets pass in titles, such as half a surrogate pair
        return list(_slices(body.decode()))


def _slices(text: str) -> Iterator[str]:
    """As `_raws`: the items are those of the first array."""
    end = text.index("[")
    while text[end] != "]":
        start = _GAP.match(text, end + 1).end()  # type: ignore[union-attr]  # it matches nothing too
        if text[start] == "]":
            return
        _, stop = _lenient.raw_decode(text, start)
        yield text[start:stop]
        end = _GAP.match(text, stop).end()  # type: ignore[union-attr]


def _reports(document: Any) -> list[Any]:
    if not isinstance(document, dict):
        raise InvalidInput('send an object {"reports": [...]}')
    if unknown := sorted(set(document) - {"reports"}):
        raise UnknownField("a batch has only the field reports", field=unknown[0][:200])
    reports = document.get("reports")
    if not isinstance(reports, list):
        raise InvalidInput("send an array of reports", field="reports")
    return reports


def _events(document: Any) -> list[Any]:
    if not isinstance(document, list):
        raise InvalidInput("send an array of CloudEvents")
    return document


def _item(reader: Any, sent: Any, raw: str, header: str | None, index: int) -> Item:
    try:
        return Item(reader(sent, raw, header, index))
    except InvalidInput as error:
        return Item(None, error)


def _read_report(sent: Any, raw: str, header: str | None, index: int, *, keyless: bool) -> UsageReport:
    report = intake.convert(sent, BatchReport)
    key = report.idempotency_key
    if key is None and header is None and keyless:
        return intake.to_report(report, None, raw)
    if key is not None or header is None:
        return intake.to_report(report, intake.read_key(key, KEY_FIELD), raw)
    return intake.to_report(report, f"{header}/{index}", raw)


def _read_event(sent: Any, raw: str, _header: str | None, _index: int) -> UsageReport:
    """`source` has no space, so the key cannot be read in two ways."""
    event = intake.convert(sent, UsageEvent)
    for name, fitting in (("source", " " not in event.source), ("id", True)):
        if not (fitting and intake.is_identifier(getattr(event, name))):
            raise InvalidInput("source and id are printable ASCII, source without spaces", field=name)
    try:
        return intake.to_report(event.data, f"{event.source} {event.id}", raw)
    except InvalidInput as error:
        error.field = f"data.{error.field}"
        raise


def ingest(client: ServicePrincipal, items: Sequence[Item], *, dry: bool = False) -> tuple[bytes, int, bool]:
    """Books what can be booked, or only says so (`dry`). Returns the answer, its status (200, or 207 when any item
    failed) and whether every item was a repetition."""
    reports = [item.report for item in items if item.report]
    outcomes: Sequence[Outcome] = ()
    if reports:
        outcomes = usage.quote(client, reports) if dry else usage.ingest(client, reports, on_reuse="refuse")
    intake.link_originals(outcome.error for outcome in outcomes)
    made = iter(outcomes)
    counts = dict.fromkeys(("booked", "replayed", "quarantined", "refused", "invalid"), 0)
    parts: list[str] = []
    for index, item in enumerate(items):
        outcome = next(made) if item.report else None
        name = outcome.status if outcome else "invalid"
        counts[name] += 1
        parts.append(_part(index, name, outcome, item, kept=name == "quarantined" and not dry))
    failed = len(items) - counts["booked"] - counts["replayed"]
    return _answer(counts, parts, dry), 207 if failed else 200, counts["replayed"] == len(items)


def _part(index: int, name: str, outcome: Outcome | None, item: Item, *, kept: bool) -> str:
    error = outcome.error if outcome else item.error
    if outcome is not None and error is None:
        return f'{{"index":{index},"outcome":"{name}","status":201,"report":{outcome.answer}}}'
    assert error is not None
    problem = msgspec.json.encode(_problem(intake.to_client(error, kept=kept))).decode()
    return f'{{"index":{index},"outcome":"{name}","status":{error.status},"problem":{problem}}}'


def _problem(error: DomainError) -> dict[str, Any]:
    body: dict[str, Any] = {
        **error.extra,
        "type": f"{settings.PUBLIC_URL}/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    if error.field is not None:
        body["field"] = error.field
    return body


def _answer(counts: dict[str, int], parts: Iterable[str], dry: bool) -> bytes:
    mark = '"dry_run":true,' if dry else ""
    return f'{{{mark}"counts":{msgspec.json.encode(counts).decode()},"items":[{",".join(parts)}]}}'.encode()
