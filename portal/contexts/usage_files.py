"""The usage pages as files: CSV for spreadsheets, JSON for programs. What they say is what the pages show.

Amounts are credits as exact decimals, instants are ISO 8601 in UTC. Texts that people or back ends chose never start a
formula: spreadsheets would run it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.utils.text import slugify

from accounting import charges
from accounting.breakdowns import Period
from accounting.charges import Charge
from accounting.credits import to_text
from portal.cells import harmless
from portal.contexts.usage import Usage
from portal.contexts.usage_entries import Asked
from portal.contexts.usage_periods import DAY
from portal.contexts.usage_query import is_step

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
BOM = "\N{BYTE ORDER MARK}"
"""Spreadsheets take a file without it for another encoding."""
AT_ONCE = 500
ENTRY_COLUMNS = (
    *("at", "recorded_at", "what", "reason", "source", "job_id", "job_title", "backend", "member", "project"),
    *("process", "collection", "kind", "state", "metric", "reported", "unit", "quantity", "canonical_unit"),
    *("rule", "formula", "credits", "line_credits", "paid_by", "transaction"),
)
NUMBERS = frozenset({"at", "recorded_at", "what", "quantity", "credits", "line_credits", "transaction"})
"""Columns that nobody else words, so nothing in them can be a formula."""


def file_name(what: str, organisation: str, number: int, period: Period, form: str) -> str:
    """Says whose, what and when."""
    whose = slugify(organisation) or f"organisation-{number}"
    return f"{what}-{whose}-{period.since.isoformat()}-{(period.until - DAY).isoformat()}.{form}"


def table_csv(usage: Usage) -> Iterator[str]:
    """A line for each row of the table; the columns after `credits_before` are the series it is split by."""
    compares = _compares(usage)
    series = [harmless(one.title) for one in usage.series_names]
    head = [usage.step, "name", "credits", *(["credits_before"] if compares else []), *series]
    rows = (
        [
            harmless(row.value),
            harmless(row.title),
            to_text(row.amount),
            *([to_text(row.before)] if compares else []),
            *map(to_text, row.series),
        ]
        for row in usage.rows
    )
    return _csv(head, rows)


def table_json(usage: Usage) -> Iterator[str]:
    titles = [one.title for one in usage.series_names]
    document: dict[str, Any] = {
        **_about(usage.organisation, usage.organisation_name, usage.of.period),
        "by": usage.step,
        "split": usage.wanted.split or None,
        "filters": usage.wanted.values,
        "credits": to_text(usage.table.amount),
        "credits_before": to_text(usage.table.before) if usage.span.before.days else None,
        "rows": [
            {
                usage.step: row.value if row.href else None,
                "name": row.title,
                "credits": to_text(row.amount),
                **({"credits_before": to_text(row.before)} if _compares(usage) else {}),
                **({"parts": _parts(titles, row.series)} if titles else {}),
            }
            for row in usage.rows
        ],
    }
    yield json.dumps(document, ensure_ascii=False, indent=1)


def entries_csv(what: Asked) -> Iterator[str]:
    """A line for each charge, the newest first."""
    return _csv(ENTRY_COLUMNS, ([_cell(name, record[name]) for name in ENTRY_COLUMNS] for record in _records(what)))


def entries_json(what: Asked) -> Iterator[str]:
    """One object whose `entries` are written one a line."""
    about = json.dumps(_about(what.of.organisation, what.name, what.of.period), ensure_ascii=False)
    yield f'{about[:-1]}, "entries": ['
    comma = "\n"
    for record in _records(what):
        yield f"{comma}{json.dumps(record, ensure_ascii=False)}"
        comma = ",\n"
    yield "\n]}\n"


def _records(what: Asked) -> Iterator[dict[str, str]]:
    """Named in portions, so that neither queries nor memory grow with the number of charges."""
    found = charges.stream(what.of)
    while portion := list(islice(found, AT_ONCE)):
        names = {
            "member": what.register.names("member", [one.person for one in portion]),
            "backend": what.register.names("backend", [one.backend for one in portion]),
            "project": what.register.names("project", [one.project for one in portion if one.project]),
            "grant": what.register.names("grant", [paid.grant for one in portion for paid in one.paid]),
        }
        for one in portion:
            yield _record(one, names)


def _record(charge: Charge, names: dict[str, Any]) -> dict[str, str]:
    paid = "; ".join(f"{names['grant'][one.grant].title}: {to_text(one.amount)}" for one in charge.paid)
    return {
        "at": _instant(charge.at),
        "recorded_at": _instant(charge.recorded_at),
        "what": "given back" if charge.given_back else "charged",
        "reason": charge.given_back,
        "source": charge.source,
        "job_id": charge.job_id,
        "job_title": charge.job_title,
        "backend": names["backend"][charge.backend].title,
        "member": names["member"][charge.person].title,
        "project": names["project"][charge.project].title if charge.project else "",
        "process": charge.process,
        "collection": charge.collection,
        "kind": charge.kind,
        "state": charge.state,
        "metric": charge.metric,
        "reported": charge.reported,
        "unit": charge.unit,
        "quantity": f"{charge.quantity.normalize():f}",
        "canonical_unit": charge.canonical_unit,
        "rule": charge.rule,
        "formula": charge.formula,
        "credits": to_text(charge.amount),
        "line_credits": to_text(charge.line_amount),
        "paid_by": paid,
        "transaction": str(charge.booked),
    }


def _about(organisation: int, name: str, period: Period) -> dict[str, Any]:
    return {
        "organisation": {"id": organisation, "name": name},
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
    }


def _parts(titles: Sequence[str], amounts: Sequence[int]) -> list[dict[str, str]]:
    return [{"name": title, "credits": to_text(amount)} for title, amount in zip(titles, amounts, strict=True)]


def _compares(usage: Usage) -> bool:
    return usage.span.before.days > 0 and not is_step(usage.step)


def _csv(head: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BOM)
    writer.writerow(head)
    for count, row in enumerate(rows, 1):
        writer.writerow(row)
        if count % AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(name: str, text: str) -> str:
    return text if name in NUMBERS else harmless(text)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
