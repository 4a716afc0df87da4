"""A federation with something to see on every page, made through the domain functions and without chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connection

from accounting import activity, grants, organisations, outbox, queries, registry, tariffs, usage
from accounting.models import Calibration, Source
from accounting.principals import ServicePrincipal
from accounting.rating import UsageLine
from accounting.reports import UsageReport
from accounting.tariffs import RuleSpec
from devtools import clock

TERRASCOPE = "TerraScope/MEP"
CDSE = "cdse"
ALICE = "1c0ffee0alice@egi.eu"
BOB = "2c0ffee0bob@egi.eu"

RATES = (
    RuleSpec("CPU time", "cpu", "cpu-hour", Decimal("1.5"), fee=Decimal("0.05")),
    RuleSpec("Memory", "memory", "gb-hour", Decimal(1), fee=Decimal("0.05")),
    RuleSpec("Sentinel Hub requests", "processing", "shpu", Decimal("0.15")),
    RuleSpec("Base fee of a batch job", "processing", "credit", Decimal(1)),
)
TITLES = (
    "NDVI composite of Flanders, May to September",
    "Crop type map, training tiles",
    "Sentinel-1 backscatter statistics",
    "",
    "Biopar LAI over test fields",
    "Water quality, Lake Constance",
)


@dataclass(frozen=True)
class Scene:
    """`golden` is the job whose cost is the documented example: 7.759775 with its base fee; `clients` by source."""

    alice: int
    home: int
    lab: int
    clients: Mapping[str, ServicePrincipal]
    golden: str = "j-2611209f31c4a7"


def furnish(issuer: str, now: datetime | None = None, jobs: int = 32) -> Scene:
    """Two back ends, two organisations, five grants, and a month of jobs; Alice's lab pays by default."""
    now = now or datetime.now(UTC)
    clients = _federation(issuer, now)
    alice = organisations.ensure_person(registry.normalise_issuer(issuer), ALICE)
    bob = organisations.ensure_person(registry.normalise_issuer(issuer), BOB)
    lab = organisations.create_organisation("Geo Lab Ghent", bob.pk)
    organisations.add_member(lab, alice.pk, "manager")
    for person in (alice, bob):
        organisations.switch_organisation(person.pk, lab)
    with connection.cursor() as cursor, clock.movable(cursor):
        clock.move(cursor, now - timedelta(days=40))
        _grants(lab, now)
        _grant(alice.personal_organisation, 500, "free", "Monthly free credits", now + timedelta(days=9))
        for number in range(jobs):
            _past_job(cursor, clients, number, now - timedelta(hours=23 * (jobs - number)))
        _calibrate(now)
        scene = Scene(alice.pk, alice.personal_organisation, lab, clients)
        clock.move(cursor, now - timedelta(minutes=18))
        _golden_job(clients[TERRASCOPE], scene, now)
        _refused_job(clients[CDSE], alice.personal_organisation, now)
        clock.move(cursor, None)
    outbox.deliver()
    activity.count(now)
    return scene


def _federation(issuer: str, now: datetime) -> dict[str, ServicePrincipal]:
    clients = {}
    for provider, name, slug, title, source in (
        ("vito", "VITO", "terrascope", "Terrascope", TERRASCOPE),
        ("cloudferro", "CloudFerro", "cdse", "Copernicus Data Space", CDSE),
    ):
        backend = registry.register_backend(slug, title, registry.register_provider(provider, name))
        registry.register_source(source, backend, issuer)
        tariffs.publish(source, f"{title} rates 2026", RATES, starts_at=now - timedelta(days=200))
        pk = registry.register_client(issuer, f"{slug}-tracker", f"{title} job tracker", [source])
        clients[source] = ServicePrincipal(pk, registry.normalise_issuer(issuer), f"{slug}-tracker", "", slug)
    return clients


def _grants(lab: int, now: datetime) -> None:
    terrascope = next(backend.id for backend in queries.backends() if backend.slug == "terrascope")
    _grant(lab, 400, "sponsored", "ESA Network of Resources, project 4711", now + timedelta(days=63), [terrascope])
    _grant(lab, 100, "trial", "Trial of new members", now + timedelta(days=11))
    _grant(lab, 1000, "free", "Monthly free credits", now + timedelta(days=26))
    _grant(lab, 2500, "paid", "Top-up of 25 euro", None)


def _grant(
    organisation: int, amount: int, kind: str, label: str, expires_at: datetime | None, backends: Sequence[int] = ()
) -> None:
    grants.issue(
        organisation,
        amount * 1_000_000,
        kind=kind,
        label=label,
        fund="federation",
        key=f"{organisation}/{label}",
        expires_at=expires_at,
        backends=backends,
    )


def _past_job(cursor: clock.Cursor, clients: dict[str, ServicePrincipal], number: int, finished: datetime) -> None:
    """A job like many others; every ninth fails, every fifth is synchronous, every third is Bob's."""
    source = (TERRASCOPE, TERRASCOPE, CDSE)[number % 3]
    sync = number % 5 == 4
    state = "FAILED" if number % 9 == 5 else "KILLED" if number == 12 else "FINISHED"
    started = finished - timedelta(minutes=1 if sync else 4 + number * 7 % 90)
    seconds = int((finished - started).total_seconds())
    lines = [_line("cpu", seconds * 4, "cpu-seconds"), _line("memory", seconds * 4 * 2200, "mb-seconds")]
    lines.append(_line("time", seconds * 1000, "milliseconds"))
    if number % 4 == 1:
        lines.append(_line("processing", Decimal(number) * Decimal("3.25"), "shpu"))
    clock.move(cursor, finished + timedelta(minutes=3))
    _report(
        clients[source],
        UsageReport(
            endpoint="resources",
            source=source,
            user=BOB if number % 3 == 2 else ALICE,
            job_id=f"{'r' if sync else 'j'}-26{number:02d}{number * 7919 % 65536:04x}c0de",
            lines=tuple(lines),
            raw="{}",
            key=f"execution-{number}",
            organisation=None,
            job_title=TITLES[number % len(TITLES)] or None,
            execution_id=f"execution-{number}",
            kind="sync" if sync else "batch",
            state=state,
            started_at=started,
            finished_at=finished,
        ),
    )


def _golden_job(client: ServicePrincipal, scene: Scene, now: datetime) -> None:
    """The documented example, in the two reports that the existing client sends: base fee first, then the rest."""
    compute = (_line("cpu", 5099, "cpu-seconds"), _line("memory", 13400773, "mb-seconds"))
    for suffix, lines in (("", (_line("processing", 2, "credits"),)), ("_1", compute)):
        _report(
            client,
            UsageReport(
                endpoint="resources",
                source=TERRASCOPE,
                user=ALICE,
                job_id=scene.golden,
                lines=lines,
                raw="{}",
                key=f"application_1795200000000_0042{suffix}",
                organisation=scene.lab,
                job_title="NDVI composite of Flanders, September",
                execution_id="application_1795200000000_0042",
                state="FINISHED",
                started_at=now - timedelta(minutes=52),
                finished_at=now - timedelta(minutes=21),
            ),
        )


def _refused_job(client: ServicePrincipal, stranger_to: int, now: datetime) -> None:
    """Alice's job names an organisation that does not exist for her."""
    _report(
        client,
        UsageReport(
            endpoint="resources",
            source=CDSE,
            user=ALICE,
            job_id="j-2611201b77aa90",
            lines=(_line("cpu", 7200, "cpu-seconds"),),
            raw="{}",
            key="refused-1",
            organisation=stranger_to + 100_000,
            job_title="Burnt area, Rhodes",
            execution_id="refused-1",
            state="FINISHED",
            started_at=now - timedelta(minutes=95),
            finished_at=now - timedelta(minutes=25),
        ),
    )


def _line(metric: str, quantity: int | Decimal, unit: str) -> UsageLine:
    return UsageLine(metric, Decimal(quantity), unit, str(quantity))


def _report(client: ServicePrincipal, report: UsageReport) -> None:
    (outcome,) = usage.ingest(client, [report], on_reuse="refuse")
    if outcome.status != "booked":
        raise AssertionError(f"{report.job_id}: {outcome.error}")


def _calibrate(now: datetime) -> None:
    """As counted by the hourly task: for all, and for a back end that does well and one of which little is known."""
    sources = dict(Source.objects.values_list("source_id", "pk"))
    counted = ((None, (190, 150), (640, 515)), (TERRASCOPE, (180, 144), (600, 489)), (CDSE, None, (12, 9)))
    for source, recent, ever in counted:
        for days, counts in ((0, ever), (30, recent)):
            if counts:
                Calibration.objects.create(
                    source_id=sources.get(source or ""),
                    days=days,
                    jobs=counts[0],
                    inside=counts[1],
                    bias=1.03,
                    counted_at=now,
                )
