"""The made-up past: once, all or nothing, the same every time, and in order down to the last entry."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounting import captures, invariants, limits, registry, tariffs
from accounting.tariffs import RuleSpec
from devtools import clock
from devtools.demonstration.describe import describe
from devtools.demonstration.people import EODC, ORGANISATIONS, PEOPLE, SERVICE_ACCOUNT
from devtools.demonstration.seed import SeedFailed, seed
from portal.models import User
from tests.demonstration.books import clock_source, fingerprint, query, value
from tests.demonstration.conftest import NOW

pytestmark = pytest.mark.usefixtures("demonstration")

DAYS = 8


@contextmanager
def undone() -> Iterator[None]:
    """Everything written in the block is taken back at its end."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_a_second_seed_changes_nothing() -> None:
    assert seed(now=NOW, days=DAYS)
    books, counted = fingerprint(), value("SELECT count(*) FROM accounting_transaction")
    assert counted > 250
    assert not seed(now=NOW + timedelta(days=1), days=DAYS)
    assert fingerprint() == books
    assert value("SELECT count(*) FROM accounting_transaction") == counted


def test_two_databases_get_the_same_books() -> None:
    found = []
    for _ in range(2):
        with undone():
            seed(now=NOW, days=DAYS)
            found.append(fingerprint())
    assert found[0] == found[1]


def test_the_books_are_right_and_the_clock_is_back() -> None:
    before = clock_source()
    seed(now=NOW, days=DAYS)
    assert clock_source() == before == "SELECT clock_timestamp()"
    assert list(invariants.violations()) == []
    assert value("SELECT sum(amount) FROM accounting_entry") == 0
    assert value("SELECT max(recorded_at) FROM accounting_transaction") <= NOW
    backwards = query(
        "SELECT account_id, seq FROM (SELECT e.account_id, e.seq, e.recorded_at < lag(e.recorded_at) OVER"
        " (PARTITION BY e.account_id ORDER BY e.seq) AS back FROM accounting_entry e"
        " JOIN accounting_account a ON a.id = e.account_id AND a.kind = 'wallet') x WHERE back"
    )
    assert backwards == []


def test_a_seed_that_is_broken_off_leaves_nothing_and_can_be_repeated() -> None:
    with undone():
        _price_eodc_too_late()
        empty = fingerprint()
        with pytest.raises(SeedFailed, match="no tariff"):
            seed(now=NOW, days=DAYS)
        assert fingerprint() == empty
        assert value("SELECT count(*) FROM accounting_transaction") == 0
        assert clock_source() == "SELECT clock_timestamp()"
    assert seed(now=NOW, days=DAYS)
    assert list(invariants.violations()) == []


def _price_eodc_too_late() -> None:
    """A rate card that begins in the middle of the history, so that the reports before it cannot be booked."""
    backend = registry.register_backend("eodc", "EODC", registry.register_provider("eodc", "EODC"))
    registry.register_source(EODC, backend, "https://elsewhere.example.org")
    tariffs.publish(EODC, "Late", [RuleSpec("CPU", "cpu", "cpu-hour")], starts_at=NOW - timedelta(days=4))


def test_only_the_owner_can_make_a_past() -> None:
    role = os.environ["DATABASE_APP_ROLE"]
    call_command("grant_privileges", role=role, stdout=io.StringIO())
    with undone(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {connection.ops.quote_name(role)}")
        with pytest.raises(SeedFailed, match="DATABASE_OWNER_URL"):
            seed(now=NOW, days=DAYS)
    assert value("SELECT count(*) FROM accounting_transaction") == 0


def test_everybody_has_a_name_a_plan_and_their_organisations(settings: Any) -> None:
    settings.PLANS_BY_ENTITLEMENT = {"Early_Adopter": "early-adopter", "30-day-trial": "free-trial"}
    seed(now=NOW, days=1)
    plans = dict(query("SELECT sub, plan FROM accounting_person"))
    assert len(plans) == len(PEOPLE) + 1
    assert User.objects.count() == len(PEOPLE)
    for login, plan in (("ines", "early-adopter"), ("milan", "free-trial"), ("dragos", settings.DEFAULT_PLAN)):
        person = next(person for person in PEOPLE if person.login == login)
        assert plans[person.sub] == plan
        assert User.objects.get(sub=person.sub).name == person.name
    members = query(
        "SELECT o.name, p.sub, m.role FROM accounting_member m"
        " JOIN accounting_organisation o ON o.id = m.organisation_id"
        " JOIN accounting_person p ON p.id = m.person_id WHERE NOT o.personal"
    )
    subs = {person.login: person.sub for person in PEOPLE}
    wanted = {(o.name, subs[login], role) for o in ORGANISATIONS for login, role in o.members.items()}
    assert set(members) == wanted


def test_what_is_described_can_be_used() -> None:
    with pytest.raises(RuntimeError, match="seed"):
        describe()
    seed(now=NOW, days=1)
    told = describe()
    assert [login["login"] for login in told["logins"]] == [person.login for person in PEOPLE]
    paying = query(
        "SELECT o.name FROM accounting_person p JOIN accounting_organisation o ON o.id = p.current_organisation_id"
        " WHERE p.sub = %s AND o.id = %s",
        told["user_sub"],
        told["org_id"],
    )
    assert paying == [("Forest Watch Lab",)]
    allowed = query(
        "SELECT 1 FROM accounting_serviceclient c JOIN accounting_serviceclient_sources l ON l.serviceclient_id = c.id"
        " JOIN accounting_source s ON s.id = l.source_id WHERE c.client_id = %s AND s.source_id = %s",
        told["client_id"],
        told["source_id"],
    )
    assert allowed == [(1,)]


@pytest.mark.slow
def test_ninety_days_tell_the_whole_story() -> None:
    seed(now=NOW)
    assert value("SELECT count(*) FROM accounting_job") > 3500
    assert list(invariants.violations()) == []
    _the_past_is_spread_over_the_days()
    _organisations_are_rich_and_poor()
    _every_kind_of_grant_was_used()
    _tariffs_changed_and_will_change()
    _reports_are_of_every_kind()
    _jobs_run_when_it_ends()


def _the_past_is_spread_over_the_days() -> None:
    first, last, weekend, week = query(
        "SELECT min(recorded_at), max(recorded_at), count(*) FILTER (WHERE extract(isodow FROM occurred_at) > 5) / 2.0,"
        " count(*) FILTER (WHERE extract(isodow FROM occurred_at) < 6) / 5.0"
        " FROM accounting_transaction WHERE kind = 'usage'"
    )[0]
    assert first < NOW - timedelta(days=88)
    assert NOW - timedelta(hours=6) < last <= NOW
    assert weekend < week / 3
    joined = value("SELECT max(joined_at) FROM accounting_member")
    assert joined == value("SELECT min(created_at) FROM accounting_person") < first


def _organisations_are_rich_and_poor() -> None:
    posted = {
        name: Decimal(micros).scaleb(-6)
        for name, micros in query(
            "SELECT o.name, a.posted FROM accounting_account a"
            " JOIN accounting_organisation o ON o.id = a.organisation_id WHERE NOT o.personal"
        )
    }
    assert -39 <= posted["Delta Hydrology"] <= -38
    assert posted["Agri Insight Cooperative"] > 50_000
    assert posted["Forest Watch Lab"] > 1_000
    personal = value(
        "SELECT min(a.posted) FROM accounting_account a JOIN accounting_organisation o ON o.id = a.organisation_id"
        " WHERE o.personal"
    )
    assert personal > 0


def _every_kind_of_grant_was_used() -> None:
    kinds = query("SELECT kind FROM accounting_grant WHERE remaining < amount GROUP BY kind ORDER BY kind")
    assert [kind for (kind,) in kinds] == ["free", "paid", "sponsored", "trial", "voucher"]
    assert value("SELECT count(*) FROM accounting_transaction WHERE kind = 'expiry'") > 20
    assert value("SELECT count(*) FROM accounting_grant WHERE backends <> '{}'") == 2
    assert value("SELECT count(*) FROM accounting_transaction WHERE kind = 'reversal'") > 2


def _tariffs_changed_and_will_change() -> None:
    periods = query(
        "SELECT t.version, t.published_at <= t.starts_at, t.starts_at > %s FROM accounting_tariff t"
        " JOIN accounting_source s ON s.id = t.source_id WHERE s.source_id = 'cdse' ORDER BY t.version",
        NOW,
    )
    assert periods == [(1, True, False), (2, True, False), (3, True, True)]
    free, half = (
        query(
            "SELECT bool_or(l.amount > 0), count(*) > 3 FROM accounting_usageline l"
            " JOIN accounting_usagereport r ON r.transaction_id = l.report_id"
            " JOIN accounting_tariff t ON t.id = r.tariff_id JOIN accounting_source s ON s.id = t.source_id"
            " WHERE s.source_id = 'cdse' AND t.version = %s AND r.state = 'FAILED' AND l.metric = 'cpu'",
            version,
        )[0]
        for version in (1, 2)
    )
    assert (free, half) == ((False, True), (True, True))
    earned = dict(
        query(
            "SELECT a.kind, sum(e.amount) FROM accounting_entry e JOIN accounting_account a ON a.id = e.account_id"
            " GROUP BY a.kind"
        )
    )
    assert earned["platform_fee"] > 0
    assert earned["publisher_payable"] > 0


def _reports_are_of_every_kind() -> None:
    reports = "FROM accounting_usagereport r JOIN accounting_transaction t ON t.id = r.transaction_id"
    for condition in (
        "r.endpoint = 'addedvalue' AND r.amount > 0",
        "r.endpoint = 'addedvalue' AND r.amount = 0",
        "t.key LIKE '%\\_1'",
        "t.key IS NULL AND r.kind = 'sync' AND r.raw LIKE '%\"value\":\"%'",
        "r.state = 'KILLED'",
        "r.requested_organisation = r.organisation_id",
        "r.organisation_refused",
        "r.finished_at < t.recorded_at - interval '20 hours'",
    ):
        assert value(f"SELECT count(*) FILTER (WHERE {condition}) {reports}") >= 3, condition
    nightly = "SELECT count(*) FROM accounting_job j JOIN accounting_person p ON p.id = j.person_id WHERE p.sub = %s"
    assert value(nightly, SERVICE_ACCOUNT) > 30
    charged = query(
        "SELECT DISTINCT o.name FROM accounting_usagereport r"
        " JOIN accounting_organisation o ON o.id = r.organisation_id WHERE r.organisation_refused"
    )
    assert charged == [("Personal",)]


def _jobs_run_when_it_ends() -> None:
    """Holds of every fate, those that are open for weeks, and one job near its budget."""
    lab = value("SELECT id FROM accounting_organisation WHERE name = 'Forest Watch Lab'")
    wallet = value("SELECT id FROM accounting_account WHERE organisation_id = %s", lab)
    with connection.cursor() as cursor, clock.movable(cursor):
        clock.move(cursor, NOW)
        jobs = {job.job_id: job for job in captures.running(wallet)}
        clock.move(cursor, None)
    assert jobs["j-loss-brittany"].verdict.decision == "warn"
    assert {job.verdict.decision for name, job in jobs.items() if name != "j-loss-brittany"} == {"continue"}
    assert jobs.keys() > {"agg-leaf-area", "j-leaf-west", "j-leaf-east", "j-burnt-thessaly"}
    assert min(job.expires_at for job in jobs.values()) > NOW + timedelta(days=40)
    assert value("SELECT count(*) FROM accounting_hold WHERE parent_id IS NOT NULL") == 2
    assert query("SELECT DISTINCT kind FROM accounting_holdevent WHERE ends ORDER BY kind") == [
        ("captured",),
        ("expired",),
    ]
    assert value("SELECT count(*) FROM accounting_holdevent WHERE excess > 0") == 1
    counted = [limit for limit in limits.limits(lab) if limit.period != "job"]
    assert len(counted) > 5
    assert all(limit.spent < limit.amount for limit in counted)
    assert any(limit.spent for limit in counted)


def test_a_past_too_short_for_them_has_no_running_jobs() -> None:
    seed(now=NOW, days=1)
    assert value("SELECT count(*) FROM accounting_hold") == 0
    assert list(invariants.violations()) == []
