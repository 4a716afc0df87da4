"""Usage reports of a job as they came, laid out to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from accounting import raw_reports

HIDDEN = '"(hidden)"'
_SECRET = re.compile(r'( *)"[^"]*(?:token|secret|passw|authori[sz]ation|credential|api_?key)[^"]*": ', re.IGNORECASE)
"""A field, on a line of its own, whose name says that its value is nobody's business. Back ends do not send such;
should one ever do, it does not spread from here.
"""


@dataclass(frozen=True, slots=True)
class RawText:
    """`charge` names the charge that was made of it, on the job's page."""

    charge: str
    endpoint: str
    text: str
    received_at: datetime


def of_job(job: int) -> tuple[RawText, ...]:
    """Of a job (primary key), oldest first."""
    return tuple(
        RawText(f"charge-{one.transaction}", one.endpoint, pretty(one.text), one.received_at)
        for one in raw_reports.of_job(job)
    )


def document_of(job: int, **about: str) -> bytes:
    """Those of a job as one JSON document, each under `report` with its numbers as they were written."""
    reports = [
        {"endpoint": one.endpoint, "received_at": one.received_at, "report": _embedded(one.text)} for one in of_job(job)
    ]
    return msgspec.json.format(msgspec.json.encode({**about, "reports": reports}), indent=1)


def _embedded(text: str) -> msgspec.Raw | str:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return text
    return msgspec.Raw(text.encode())


def pretty(text: str) -> str:
    """JSON with a field a line, its numbers as they were written; what is no JSON as it is."""
    try:
        return "\n".join(_without_secrets(msgspec.json.format(text, indent=2).split("\n")))
    except msgspec.DecodeError:
        return text


def _without_secrets(lines: Iterable[str]) -> Iterator[str]:
    """What is inside of a hidden object or list is left out with it."""
    until = ""
    for line in lines:
        if until:
            if line.rstrip(",") in (f"{until}}}", f"{until}]"):
                until = ""
            continue
        secret = _SECRET.match(line)
        if secret and line.endswith(("{", "[")):
            until = secret[1]
        yield f"{secret[0]}{HIDDEN}{',' if line.endswith(',') else ''}" if secret else line
