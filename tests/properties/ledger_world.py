"""A small federation for the ledger model, and its prices said a second time, as fractions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db import connection

from accounting import organisations, registry, tariffs
from accounting.principals import ServicePrincipal
from devtools import clock

ISSUER = "https://aai.example.org/auth/realms/model"
START = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=1)
PERIODS = range(-3, 30)
UNITS = {"cpu": "cpu-seconds", "memory": "mb-seconds", "area": "square_meter"}
# Micro-credits for one reported unit at each source, in even and odd periods counted from START.
CPU, MEMORY, AREA = Fraction(1_500_000, 3600), Fraction(1_000_000, 1024 * 3600), Fraction(1_000_000, 2_000_000)
PRICES = {
    "Model/A": ({"cpu": CPU, "memory": MEMORY, "area": AREA}, {"cpu": 2 * CPU, "memory": MEMORY, "area": AREA}),
    "Model/B": ({"cpu": CPU * 2 / 3, "memory": MEMORY, "area": AREA},) * 2,
}
FEES = {"Model/A": Fraction(1, 8), "Model/B": Fraction(0)}


@dataclass(frozen=True)
class World:
    client: ServicePrincipal
    backends: dict[str, int]
    payables: dict[str, int]
    shared: dict[str, int]
    """Organisations with members: `lab` of alice and bob, `firm` of bob."""


def price(source: str, metric: str, quantity: int, at: datetime) -> int:
    """Micro-credits, half to even. The last period has no end."""
    period = min((at - START) // PERIOD, PERIODS[-1])
    return round(PRICES[source][period % 2][metric] * quantity)


def fee(source: str, amount: int) -> int:
    return round(FEES[source] * amount)


def set_clock(moment: datetime) -> None:
    with connection.cursor() as cursor:
        clock.move(cursor, moment)


def build() -> World:
    """The federation as it is at START; its prices change daily, as announced long before."""
    set_clock(START - timedelta(days=60))
    backends: dict[str, int] = {}
    for source in PRICES:
        slug = source.lower().replace("/", "-")
        provider = registry.register_provider(slug, source)
        backends[source] = registry.register_backend(slug, source, provider)
        registry.register_source(source, backends[source], ISSUER)
        for n in PERIODS:
            tariffs.publish(source, f"period {n}", _rules(source, n % 2), starts_at=START + n * PERIOD)
    pk = registry.register_client(ISSUER, "model", "Model", list(PRICES))
    alice, bob = (organisations.ensure_person(ISSUER, sub) for sub in ("alice", "bob"))
    lab = organisations.create_organisation("Lab", alice.pk)
    organisations.add_member(lab, bob.pk, "developer")
    shared = {"lab": lab, "firm": organisations.create_organisation("Firm", bob.pk)}
    client = ServicePrincipal(pk, ISSUER, "model", "service-account-model", "Model")
    return World(client, backends, _payables(), shared)


def _rules(source: str, period: int) -> list[tariffs.RuleSpec]:
    canonical = {"cpu": ("cpu-hour", 3600), "memory": ("gb-hour", 1024 * 3600), "area": ("km2", 1_000_000)}
    fee = Decimal(FEES[source].numerator) / FEES[source].denominator
    rules = []
    for metric, micros in PRICES[source][period].items():
        unit, factor = canonical[metric]
        credits = micros * factor / 1_000_000
        spec = tariffs.RuleSpec(metric, metric, unit, Decimal(credits.numerator) / credits.denominator, fee=fee)
        rules.append(spec)
    return rules


def _payables() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.name, a.id FROM accounting_account a JOIN accounting_provider p ON p.id = a.provider_id"
        )
        return dict(cursor.fetchall())
