"""What the style guide shows: each part of the pages, with figures that are nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal.contexts.charts import Chart, Series

Sample = Mapping[str, Any]
_DAYS = tuple(f"{day} Nov" for day in range(10, 20))


@dataclass(frozen=True, slots=True)
class StyleguidePage:
    """Samples have the shapes that the parts take, so that the guide breaks when a part does."""

    crumbs: tuple[Sample, ...]
    tabs: tuple[Sample, ...]
    filters: tuple[Sample, ...]
    badges: tuple[Sample, ...]
    states: tuple[str, ...]
    kinds: tuple[str, ...]
    meters: tuple[Sample, ...]
    rows: tuple[Sample, ...]
    total: int
    places: Sample
    charts: tuple[Chart, ...]
    hits: tuple[Sample, ...]
    at: datetime


def page_of() -> StyleguidePage:
    rows = _rows()
    return StyleguidePage(
        crumbs=({"title": "Organisation", "href": "#breadcrumbs"}, {"title": "Projects", "href": "#breadcrumbs"}),
        tabs=tuple(
            {"title": title, "href": "#tabs", "here": title == "Members"}
            for title in ("General", "Members", "Projects", "Limits", "Transfers", "Audit log")
        ),
        filters=(
            _filter("backend", "Back end", ("All back ends", "Terrascope", "CDSE"), "Terrascope"),
            _filter("state", "State", ("All states", "Finished", "Failed"), "All states"),
        ),
        badges=tuple({"tone": tone, "text": tone.capitalize()} for tone in ("plain", "accent", "good", "warn", "bad")),
        states=("FINISHED", "RUNNING", "ACCEPTED", "KILLED", "FAILED", ""),
        kinds=("free", "trial", "sponsored", "voucher", "paid"),
        meters=(_meter(34, "of its budget", ""), _meter(85, "of its budget", "warn"), _meter(100, "of a limit", "bad")),
        rows=rows,
        total=sum(row["cost"] for row in rows),
        places={"newer": "#tables", "older": "#tables"},
        charts=_charts(),
        hits=(
            {"title": "Snow line of the Alps", "note": "Terrascope · j-2611209f00c0de", "icon": "list-checks"},
            {"title": "Why did my failed job cost?", "note": "For researchers", "icon": "circle-question-mark"},
        ),
        at=datetime(2026, 11, 20, 9, 12, 40, tzinfo=UTC),
    )


def _meter(percent: int, name: str, tone: str) -> Sample:
    label = f"{percent} % {name} used"
    return {"share": str(percent), "percent": percent, "name": name, "tone": tone, "label": label}


def _filter(name: str, title: str, options: tuple[str, ...], chosen: str) -> Sample:
    shown = tuple({"value": option, "title": option, "chosen": option == chosen} for option in options)
    return {"name": f"sample-{name}", "title": title, "options": shown}


def _rows() -> tuple[Sample, ...]:
    names = (
        ("Snow line of the Alps", "j-2611209f00c0de", "Terrascope", "FINISHED", 7_759_775),
        ("Crop type map, training tiles", "j-26111977aa01", "CDSE", "FAILED", 1_250_000),
        ("Burnt area, Rhodes", "j-261118c0ffee", "CDSE", "RUNNING", 52_000_000),
    )
    return tuple(dict(zip(("title", "job_id", "backend", "state", "cost"), row, strict=True)) for row in names)


def _charts() -> tuple[Chart, ...]:
    back_ends = (
        Series("Terrascope", ("41", "52", "38", "0", "12", "66", "71", "48", "59", "44")),
        Series("CDSE", ("22", "18", "31", "4", "0", "27", "25", "36", "30", "28")),
        Series("EODC", ("5", "9", "0", "0", "2", "11", "8", "14", "6", "10")),
    )
    forecast = (
        Series("Spent", ("63", "142", "211", "215", "229", "333", "437", "535", "630", "712")),
        Series("Budget", ("900",) * 10, tone="warn"),
    )
    processes = (Series("Credits", ("312", "204", "121", "75")),)
    labels = ("biopar", "max_ndvi", "sentinel1_stats", "other")
    return (
        Chart("guide-bar", "Credits a day by back end", "bar", _DAYS, back_ends, "Most days cost 50 to 110 credits."),
        Chart("guide-line", "Spent this month", "line", _DAYS, forecast, "712 of 900 are spent.", stacked=False),
        Chart("guide-ring", "By process", "doughnut", labels, processes, "biopar has cost the most, 312 credits."),
    )
