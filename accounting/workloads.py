"""What a job is to do, as far as its cost depends on it: which process, how large a place, how long a time.

Reports say what a job used; this says what for. It comes with a pre-check, a hold, or a report, from whom can tell.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.utils import timezone

from accounting import areas, fingerprints
from accounting.errors import InvalidInput, UnknownField
from accounting.models import JobWorkload

BATCH, SYNC = "batch", "sync"
KINDS = (BATCH, SYNC)
STEPS_A_DAY = 1
"""Time steps that a day of the time range counts for when their number is not told."""
MOST_STEPS = 1_000_000
MOST_COLLECTIONS = 50
LARGEST_OPTIONS = 4_000
"""Characters of the options as JSON."""
IDENTITIES = ("sha256", "url", "listing", "process")
"""What can name a UDP, the narrowest first."""
FIELDS = frozenset(
    {"udp", "fingerprint", "process_graph", "kind", "area_m2", "geometry", "temporal_extent", "time_steps"}
    | {"collections", "options"}
)
_PATTERNS = {
    "listing": re.compile(r"[!-~]{1,200}"),
    "url": re.compile(r"https?://[!-~]{1,1000}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "process": re.compile(r"[!-~]{1,255}"),
}
_SAID = {
    "listing": "1 to 200 visible ASCII characters",
    "url": "an http or https address of at most 1,000 visible characters",
    "sha256": "64 hexadecimal digits in lower case",
    "process": "1 to 255 visible ASCII characters",
}
_FINGERPRINT = re.compile(rf"{fingerprints.PREFIX}[0-9a-f]{{64}}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{5,18}([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Workload:
    """Square metres and time steps are None when they are not known. `processes` are those of the graph, if it was
    shown; a UDP that is named by its process id alone is `process`."""

    sha256: str = ""
    url: str = ""
    listing: str = ""
    process: str = ""
    fingerprint: str = ""
    kind: str = BATCH
    area_m2: float | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    time_steps: int | None = None
    collections: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def km2(self) -> float | None:
        return None if self.area_m2 is None else self.area_m2 / 1e6

    def search_keys(self) -> tuple[str, ...]:
        """Under which jobs like it are found, the narrowest first."""
        named = [(name, getattr(self, name)) for name in (*IDENTITIES, "fingerprint")]
        return tuple(key_of(self.kind, name, value) for name, value in named if value)

    @property
    def named_processes(self) -> tuple[str, ...]:
        """Every name of a process by which a usage line, and so a limit, may know what is to run."""
        return tuple(sorted({name for name in (self.process, self.listing, self.url, *self.processes) if name}))

    @property
    def label(self) -> str:
        """The key that stands for it among others: one that survives a new version, if it has one."""
        for name in ("url", "listing", "sha256", "process", "fingerprint"):
            if value := getattr(self, name):
                return key_of(self.kind, name, value)
        return ""


def key_of(kind: str, name: str, value: str) -> str:
    """What two jobs share that are alike in `name`; short, whatever the value."""
    return f"{kind}|{name}:{hashlib.blake2b(value.encode(), digest_size=15).hexdigest()}"


def any_key(kind: str) -> str:
    """Under which every job of the kind is found."""
    return f"{kind}|any"


def collection_key(name: str) -> str:
    return f"collection:{hashlib.blake2b(name.encode(), digest_size=15).hexdigest()}"


def read(document: Any, path: str = "") -> Workload:
    """A workload from JSON: `udp`, `fingerprint` or `process_graph`, and how much of it (docs/estimates.md).

    :raises InvalidInput, UnknownField: naming the field, below `path`.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("must be an object", field=path.rstrip(".") or None)
    if unknown := sorted(str(name) for name in set(document) - FIELDS):
        raise UnknownField("there is no such field here; is it misspelt?", field=f"{path}{unknown[0][:200]}")
    names = _read_names(document.get("udp"), f"{path}udp")
    graph = _read_graph(document, path)
    starts_at, ends_at = _read_extent(document.get("temporal_extent"), f"{path}temporal_extent")
    found = Workload(
        **names,
        fingerprint=graph.text if graph else _read_fingerprint(document.get("fingerprint"), f"{path}fingerprint"),
        kind=_read_kind(document.get("kind"), f"{path}kind"),
        area_m2=_read_area(document, path),
        starts_at=starts_at,
        ends_at=ends_at,
        time_steps=_read_steps(document.get("time_steps"), f"{path}time_steps") or _steps(starts_at, ends_at),
        collections=_read_collections(document.get("collections"), f"{path}collections", graph),
        processes=graph.processes if graph else (),
        options=_read_options(document.get("options"), f"{path}options"),
    )
    if not found.label:
        detail = "say what is to run: a udp (listing, url, sha256 or process), a fingerprint, or a process_graph"
        raise InvalidInput(detail, field=f"{path}udp")
    return found


def _read_names(udp: Any, path: str) -> dict[str, str]:
    if udp is None:
        return {}
    if not isinstance(udp, Mapping):
        raise InvalidInput("an object with listing, url, sha256 or process", field=path)
    if unknown := sorted(str(name) for name in set(udp) - set(IDENTITIES)):
        raise UnknownField("a udp has listing, url, sha256 or process", field=f"{path}.{unknown[0][:200]}")
    names = {name: value for name, value in udp.items() if value is not None}
    for name, value in names.items():
        if not isinstance(value, str) or not _PATTERNS[name].fullmatch(value):
            raise InvalidInput(f"must be {_SAID[name]}", field=f"{path}.{name}")
    return names


def _read_graph(document: Mapping[str, Any], path: str) -> fingerprints.Fingerprint | None:
    graph = document.get("process_graph")
    if graph is None:
        return None
    if document.get("fingerprint") is not None:
        raise InvalidInput("send the fingerprint or the process_graph, not both", field=f"{path}fingerprint")
    return fingerprints.of_graph(graph, f"{path}process_graph")


def _read_fingerprint(value: Any, path: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
        raise InvalidInput(f"a fingerprint is {fingerprints.PREFIX} and 64 hexadecimal digits", field=path)
    return value


def _read_kind(value: Any, path: str) -> str:
    if value is None:
        return BATCH
    if value not in KINDS:
        raise InvalidInput(f"must be one of: {', '.join(KINDS)}", field=path)
    return str(value)


def _read_area(document: Mapping[str, Any], path: str) -> float | None:
    value, place = document.get("area_m2"), document.get("geometry")
    if place is not None:
        if value is not None:
            raise InvalidInput("send the area or the geometry, not both", field=f"{path}area_m2")
        return areas.area_m2(place, f"{path}geometry")
    if value is None:
        return None
    number = not isinstance(value, bool) and isinstance(value, int | float | Decimal)
    try:
        area = float(value) if number else math.nan
    except OverflowError:
        area = math.nan
    if not 0.01 <= area <= areas.WHOLE_EARTH * 1.001:
        raise InvalidInput("square metres: a number from 0.01 to the surface of the Earth", field=f"{path}area_m2")
    return area


def _read_extent(value: Any, path: str) -> tuple[datetime | None, datetime | None]:
    """As openEO writes it: `[start, end)`, where one of the two may be null."""
    if value is None:
        return None, None
    if not isinstance(value, list | tuple) or len(value) != 2 or value[0] is value[1] is None:
        raise InvalidInput('a list of start and end, such as ["2024-01-01", "2024-07-01"]', field=path)
    start, end = (_read_moment(one, f"{path}.{number}") for number, one in enumerate(value))
    if start and end and start >= end:
        raise InvalidInput("the start of the time range is before its end", field=path)
    return start, end


def _read_moment(value: Any, path: str) -> datetime | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else ""
    try:
        if _DAY.fullmatch(text):
            found = datetime.fromisoformat(text).replace(tzinfo=UTC)
        elif _INSTANT.fullmatch(text):
            found = datetime.fromisoformat(text.upper()).astimezone(UTC)
        else:
            raise ValueError
    except (ValueError, OverflowError):
        raise InvalidInput("a day such as 2024-01-01, or an instant with its offset", field=path) from None
    if not 1900 <= found.year <= 2200:
        raise InvalidInput("a year from 1900 to 2200", field=path)
    return found


def _read_steps(value: Any, path: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) <= MOST_STEPS:
        value = int(value)  # in JSON, 7.0 is an integer
    if type(value) is not int or not 1 <= value <= MOST_STEPS:
        raise InvalidInput(f"a whole number from 1 to {MOST_STEPS}", field=path)
    return value


def _steps(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    return min(max(1, math.ceil((end - start) / timedelta(days=1)) * STEPS_A_DAY), MOST_STEPS)


def _read_collections(value: Any, path: str, graph: fingerprints.Fingerprint | None) -> tuple[str, ...]:
    shown = graph.collections if graph else ()
    if value is None:
        value = []
    if not isinstance(value, list) or len(value) > MOST_COLLECTIONS:
        raise InvalidInput(f"a list of at most {MOST_COLLECTIONS} collection ids", field=path)
    for number, name in enumerate(value):
        if not isinstance(name, str) or not 0 < len(name) <= 255 or "\x00" in name:
            raise InvalidInput("a collection id has 1 to 255 characters", field=f"{path}.{number}")
    return tuple(sorted({*shown, *value}))[:MOST_COLLECTIONS]


def _read_options(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(msgspec.json.encode(value)) > LARGEST_OPTIONS:
        raise InvalidInput(f"an object of at most {LARGEST_OPTIONS} characters", field=path)
    return value


def record(
    source: int,
    job_id: str,
    execution_id: str | None,
    person: int | None,
    workload: Workload,
    *,
    at: datetime | None = None,
) -> None:
    """Keeps what a job is to do, for estimates of jobs like it. The newest word about the same job wins; idempotent.

    :param source: primary key of the source; :param person: of whoever runs it, None when not known.
    :param execution_id: None or empty: all executions of the job.
    """
    record_many([(source, job_id, execution_id, person, workload)], at=at)


Record = tuple[int, str, str | None, int | None, Workload]


def record_many(records: Iterable[Record], *, at: datetime | None = None) -> None:
    """`record` for many, in one statement; of two about the same job the later one wins."""
    rows: dict[tuple[object, ...], JobWorkload] = {}
    for source, job_id, execution_id, person, workload in records:
        rows[source, job_id, execution_id or "", person] = JobWorkload(
            source_id=source,
            job_id=job_id,
            execution_id=execution_id or "",
            person_id=person,
            document=as_document(workload),
            recorded_at=at or timezone.now(),
        )
    JobWorkload.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["source", "job_id", "execution_id", "person"],
        update_fields=["document", "recorded_at"],
        batch_size=1000,
    )


def as_document(workload: Workload) -> dict[str, Any]:
    """What is stored: only what is known."""
    told = {name: value for name in Workload.__slots__ if (value := getattr(workload, name)) not in (None, "", (), {})}
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return document


def from_document(document: Mapping[str, Any]) -> Workload:
    return msgspec.convert(dict(document), Workload, strict=False)
