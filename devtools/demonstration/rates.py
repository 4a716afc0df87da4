"""The rate cards: what each source asks, since when, and what is announced.

`TerraScope/MEP` has the documented CDSE-like rates and nothing else about compute, because examples in documents and
tests are computed with them. CDSE became cheaper and announces a change; EODC charges by volume and lets the first
units go free; services with a publisher are priced by area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from accounting.tariffs import RuleSpec
from devtools.demonstration.people import CDSE, EODC, SENTINEL_HUB, TERRASCOPE

PLATFORM_FEE = Decimal("0.05")
PUBLISHER_FEE = Decimal("0.15")


@dataclass(frozen=True)
class RateCard:
    """Published `published` after the anchor (so negative: before it), in force `starts` after it."""

    source: str
    name: str
    rules: Sequence[RuleSpec]
    published: timedelta
    starts: timedelta
    note: str = ""


def _compute(cpu: str, memory: str, fee: Decimal = Decimal(0)) -> tuple[RuleSpec, ...]:
    return (
        RuleSpec("CPU", "cpu", "cpu-hour", Decimal(cpu), fee=fee),
        RuleSpec("Memory", "memory", "gb-hour", Decimal(memory), fee=fee),
        RuleSpec("Duration", "time", "hour"),
        RuleSpec("Sentinel Hub processing unit", "processing", "shpu", Decimal("0.15")),
        RuleSpec("Fee in credits", "processing", "credit", Decimal(1)),
    )


def _failed(cpu: str, memory: str, factor: str) -> tuple[RuleSpec, ...]:
    """What a failed job pays of its compute."""
    when, part = {"state": ["FAILED"]}, Decimal(factor)
    return (
        RuleSpec("CPU of a failed job", "cpu", "cpu-hour", Decimal(cpu), factor=part, fee=PLATFORM_FEE, when=when),
        RuleSpec(
            "Memory of a failed job", "memory", "gb-hour", Decimal(memory), factor=part, fee=PLATFORM_FEE, when=when
        ),
    )


def _service(
    process: str, publisher: str, price: str, free: Decimal = Decimal(0), maximum: Decimal | None = None
) -> RuleSpec:
    return RuleSpec(
        f"Service {process}",
        "area",
        "km2",
        Decimal(price),
        fee=PUBLISHER_FEE,
        beneficiary=f"publisher:{publisher}",
        when={"process": [process]},
        free=free,
        maximum=maximum,
    )


_SERVICES = (
    _service("crop_type_map", "field-atlas", "0.02", maximum=Decimal(40)),
    _service("snow_line", "alpine-snow-office", "0.01", free=Decimal(25)),
)

_EODC = (
    RuleSpec(
        "CPU, cheaper by volume",
        "cpu",
        "cpu-hour",
        model="graduated",
        tiers=((Decimal(2), Decimal("1.6")), (Decimal(20), Decimal("1.2")), (None, Decimal("0.8"))),
        fee=PLATFORM_FEE,
    ),
    RuleSpec(
        "Memory, 2 GB-hours of each job free", "memory", "gb-hour", Decimal("0.9"), free=Decimal(2), fee=PLATFORM_FEE
    ),
    RuleSpec(
        "Synchronous request", "cpu", "cpu-hour", Decimal(4), model="flat", fee=PLATFORM_FEE, when={"kind": ["sync"]}
    ),
    RuleSpec("Memory of a synchronous request", "memory", "gb-hour", when={"kind": ["sync"]}),
    RuleSpec("Duration", "time", "hour"),
)

_LONG_AGO = timedelta(days=-4300)
"""Before any openEO job ran, so that whatever old report a client is tried with can be rated."""

RATE_CARDS = (
    RateCard(TERRASCOPE, "Terrascope rates", _compute("1.5", "1") + _SERVICES, _LONG_AGO, _LONG_AGO),
    RateCard(SENTINEL_HUB, "Sentinel Hub rates", _compute("1.5", "1")[3:4], _LONG_AGO, _LONG_AGO),
    RateCard(EODC, "EODC rates", _EODC, _LONG_AGO, _LONG_AGO),
    RateCard(
        CDSE,
        "CDSE rates",
        _compute("1.75", "1.16", PLATFORM_FEE) + _failed("1.75", "1.16", "0") + _SERVICES,
        _LONG_AGO,
        _LONG_AGO,
        "Failed jobs are free.",
    ),
    RateCard(
        CDSE,
        "CDSE rates",
        _compute("1.5", "1", PLATFORM_FEE) + _failed("1.5", "1", "0.5") + _SERVICES,
        timedelta(days=-60),
        timedelta(days=-40),
        "CPU and memory 14 % cheaper; failed jobs pay half.",
    ),
    RateCard(
        CDSE,
        "CDSE rates",
        _compute("1.6", "1", PLATFORM_FEE) + _failed("1.6", "1", "0.5") + _SERVICES,
        timedelta(days=-4),
        timedelta(days=24),
        "CPU rises to 1.6 credits an hour.",
    ),
)
