"""Every read gives what was written, at any instant, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounting import (
    activity,
    alerts,
    allowances,
    callbacks,
    estimates,
    grants,
    history,
    holds,
    ledger,
    limits,
    outbox,
    queries,
    workloads,
)
from accounting.models import Account, Heartbeat, Job, Notice, OutboxEvent, PopularProcess, Source, Told
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, book, booked, ingest, micros, posted
from tests.conftest import SOURCE, Federation

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MICRO = timedelta(microseconds=1)
Clock = Callable[[datetime | None], None]


def spend(federation: Federation, key: str, amount: int, **changes: Any) -> int:
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    return booked(federation, key, lines=(line,), **changes)


class TestBalance:
    def test_of_a_new_organisation_is_nothing(self, federation: Federation, database_clock: Clock) -> None:
        database_clock(NOON)
        assert queries.balance(federation.lab) == queries.Balance(federation.lab, 0, 0, 0, 0, NOON)
        assert queries.posted_at(federation.lab, NOON) == 0

    def test_tells_what_can_be_spent_from_what_is_posted(self, federation: Federation, database_clock: Clock) -> None:
        home = federation.alice.personal_organisation
        database_clock(NOON - DAY)
        federation.grant(home, micros(10), "expiring", expires_at=NOON)
        federation.grant(home, micros(5), "elsewhere", backends=[1_000_000])
        spend(federation, "k-1", 12)
        balance = queries.balance(home)
        assert (balance.posted, balance.debt, balance.spendable) == (micros(3), micros(2), micros(3))
        federation.grant(home, micros(7), "more", expires_at=NOON)
        database_clock(NOON)
        balance = queries.balance(home)
        assert (balance.posted, balance.debt, balance.spendable) == (micros(10), 0, micros(5))

    def test_is_one_query(self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(1):
            queries.balance(federation.lab)

    def test_as_of_any_instant_is_what_it_was_then(self, federation: Federation, database_clock: Clock) -> None:
        """Half a year of random business, looked at from random instants: the same as was seen at the time."""
        random = Random(7)
        home = federation.alice.personal_organisation
        seen: list[tuple[datetime, queries.Balance, list[int]]] = []
        charges: list[int] = []
        instants = sorted(NOON - timedelta(seconds=random.randrange(180 * 86_400)) for _ in range(60))
        for number, at in enumerate(instants):
            database_clock(at)
            action = random.choice(["grant", "spend", "spend", "reverse", "expire"])
            if action == "grant":
                expires_at = at + timedelta(days=random.randrange(1, 60))
                federation.grant(home, micros(random.randrange(1, 30)), f"g-{number}", expires_at=expires_at)
            elif action == "spend":
                charges.append(spend(federation, f"k-{number}", random.randrange(1, 20)))
            elif action == "reverse" and charges:
                ledger.reverse(charges.pop(random.randrange(len(charges))), "goodwill")
            grants.expire_due()
            seen.append((at, queries.balance(home), [grant.id for grant in queries.open_grants(home)]))
        for _ in range(100):
            at = NOON - timedelta(seconds=random.randrange(190 * 86_400))
            before = [row for row in seen if row[0] <= at]
            assert queries.posted_at(home, at) == (before[-1][1].posted if before else 0)
        for at, balance, usable in seen:
            then, open_then = history.balance(home, at)
            assert then == balance
            assert [grant.id for grant in open_then] == usable
        assert queries.posted_at(home, seen[0][0] - MICRO) == 0

    def test_as_of_an_instant_counts_all_that_was_recorded_in_it(
        self, federation: Federation, database_clock: Clock
    ) -> None:
        database_clock(NOON)
        for number in range(3):
            spend(federation, f"k-{number}", 1)
        home = federation.alice.personal_organisation
        assert queries.posted_at(home, NOON) == -micros(3)
        assert queries.posted_at(home, NOON - MICRO) == 0

    def test_of_an_account_without_one_is_the_sum_of_its_entries(
        self, federation: Federation, database_clock: Clock
    ) -> None:
        pk = Account.objects.get(provider_id=federation.provider).pk
        assert queries.account_total(pk) == 0
        for number in range(3):
            database_clock(NOON + number * DAY)
            spend(federation, f"k-{number}", 2)
        assert queries.account_total(pk) == micros(6)
        assert queries.account_total(pk, at=NOON + DAY) == micros(4)
        assert queries.account_total(pk, at=NOON - MICRO) == 0


class TestOpenGrants:
    def test_are_those_with_something_left_that_have_not_expired(
        self, federation: Federation, database_clock: Clock
    ) -> None:
        home = federation.alice.personal_organisation
        database_clock(NOON - DAY)
        federation.grant(home, micros(1), "spent")
        spend(federation, "k-1", 1)
        federation.grant(home, micros(1), "expired", expires_at=NOON)
        usable = federation.grant(
            home, micros(9), "usable", kind="trial", expires_at=NOON + MICRO, backends=[3], processes=["ndvi"]
        )
        database_clock(NOON)
        (grant,) = queries.open_grants(home)
        assert (grant.id, grant.kind, grant.label, grant.fund, grant.priority) == (
            usable, "trial", "usable", "federation", 20,
        )  # fmt: skip
        assert (grant.amount, grant.remaining) == (micros(9), micros(9))
        assert (grant.issued_at, grant.expires_at) == (NOON - DAY, NOON + MICRO)
        assert (grant.backends, grant.processes) == ((3,), ("ndvi",))
        assert queries.open_grants(federation.lab) == []


class TestEntriesAndJobs:
    def test_entries_are_those_of_the_organisations_asked_for(
        self, federation: Federation, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        federation.grant(federation.lab, micros(50), "g")
        book(federation, organisation=federation.lab)
        reversed_one = book(federation, "k-2", organisation=federation.lab)
        ledger.reverse(reversed_one.transaction or 0, "goodwill")
        book(federation, "k-3")
        with django_assert_num_queries(1):
            rows = list(queries.entries([federation.lab]).order_by("seq"))
            told = [(row.purpose, row.amount, row.balance_after) for row in rows]  # type: ignore[attr-defined]
            assert [row.transaction.report.job.job_id for row in rows[1:3]] == ["j-1", "j-1"]
            reverses = rows[3].transaction.reverses
            assert reverses is not None
            assert reverses.report.job.source.source_id == SOURCE
        full, less = micros(50), micros(50) - GOLDEN
        assert told == [
            ("grant", full, full),
            ("usage", -GOLDEN, less),
            ("usage", -GOLDEN, less - GOLDEN),
            ("reversal", GOLDEN, less),
        ]

    def test_jobs_are_those_of_a_payer_or_of_a_clients_sources(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2", job_id="j-2", organisation=federation.lab)
        ingest(federation.other_client, federation.report(source="cdse", job_id="j-3"))

        def names(**terms: Any) -> set[str]:
            return set(queries.jobs(**terms).values_list("job_id", flat=True))

        assert names() == {"j-1", "j-2", "j-3"}
        assert names(organisations=[federation.lab]) == {"j-2"}
        assert names(organisations=[]) == set()
        assert names(client=federation.client.client) == {"j-1", "j-2"}
        assert names(client=federation.other_client.client, organisations=[federation.lab]) == set()

    def test_a_job_is_found_as_each_payer_sees_it_newest_first(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2", organisation=federation.lab)
        ingest(federation.other_client, federation.report(source="cdse"))
        home = federation.alice.personal_organisation
        found = queries.find_job(SOURCE, "j-1")
        assert [job.organisation_id for job in found] == [federation.lab, home]
        assert [e.execution_id for e in found[0].executions.all()] == ["application_1"]
        assert [job.organisation_id for job in queries.find_job(SOURCE, "j-1", organisations=[home])] == [home]
        assert queries.find_job(SOURCE, "j-1", client=federation.other_client.client) == []
        assert queries.find_job(SOURCE, "j-9") == []

    def test_several_jobs_are_found_by_source_and_id_together(self, federation: Federation) -> None:
        book(federation)
        book(federation, "k-2", job_id="j-2")
        ingest(federation.other_client, federation.report(source="cdse"))
        found = queries.find_jobs([(SOURCE, "j-2"), ("cdse", "j-1")])
        assert {(job.source.source_id, job.job_id) for job in found} == {(SOURCE, "j-2"), ("cdse", "j-1")}

    def test_answers_are_those_that_were_given(self, federation: Federation) -> None:
        first, second = book(federation), book(federation, "k-2")
        assert queries.answers([first.transaction or 0]) == {first.transaction: first.answer}
        assert len(queries.answers([first.transaction or 0, second.transaction or 0])) == 2


class TestSpentAndOwed:
    def test_what_was_spent_counts_when_the_work_happened_less_what_was_given_back(
        self, federation: Federation, database_clock: Clock
    ) -> None:
        database_clock(NOON + 9 * DAY)
        home = federation.alice.personal_organisation
        federation.grant(home, micros(100), "g")
        for number in range(3):
            spend(federation, f"k-{number}", 2**number, finished_at=NOON + number * DAY)
        wrong = spend(federation, "k-wrong", 50, finished_at=NOON + DAY)
        ledger.reverse(wrong, "wrong_usage")
        assert queries.spent(home, NOON) == micros(7)
        assert queries.spent(home, NOON, NOON + DAY) == micros(1)
        assert queries.spent(home, NOON + DAY, NOON + 2 * DAY) == micros(2)
        assert queries.spent(home, NOON + 3 * DAY) == 0
        assert queries.spent(federation.lab, NOON) == 0

    def test_debts_are_what_is_still_owed_oldest_first(self, federation: Federation) -> None:
        first, second = spend(federation, "k-1", 2), spend(federation, "k-2", 3)
        home = federation.alice.personal_organisation
        assert list(queries.debts(home).values_list("transaction_id", flat=True)) == [first, second]
        federation.grant(home, micros(4), "g")
        (debt,) = queries.debts(home)
        assert (debt.transaction_id, debt.outstanding, debt.amount) == (second, micros(1), micros(3))
        assert debt.transaction.report.job.job_id == "j-1"


class TestNotices:
    def test_are_the_persons_own_newest_first(self, federation: Federation) -> None:
        for number in range(3):
            book(federation, f"k-{number}", organisation=4711, job_id=f"j-{number}")
        outbox.deliver()
        kinds = [(n.kind, n.facts["job"]) for n in queries.notices(federation.alice.pk)]
        assert kinds[:2] == [("organisation_refused", "j-2"), ("organisation_refused", "j-1")]
        assert len(queries.notices(federation.alice.pk, limit=1)) == 1
        assert queries.notices(federation.bob.pk) == []

    def test_are_new_until_they_were_read(self, federation: Federation) -> None:
        book(federation, organisation=4711)
        outbox.deliver()
        Notice.objects.filter(kind="organisation_refused").update(read_at=timezone.now())
        unread = queries.notices(federation.alice.pk, unread_only=True)
        assert [notice.kind for notice in unread] == ["credits_exhausted"]
        assert len(queries.notices(federation.alice.pk)) == 2


class TestHealth:
    def test_the_workers_lag_is_unknown_before_the_first_heartbeat(self, db: None) -> None:
        assert queries.worker_lag_seconds() is None
        now = timezone.now()
        Heartbeat.objects.create(name="beat", sent_at=now - timedelta(seconds=90), ran_at=now)
        lag = queries.worker_lag_seconds()
        assert lag is not None
        assert 90 <= lag < 120

    def test_the_outbox_is_as_old_as_its_oldest_waiting_event(self, db: None) -> None:
        assert queries.outbox_age_seconds() == 0
        OutboxEvent.objects.create(topic="t", payload={}, created_at=timezone.now() - timedelta(seconds=50))
        OutboxEvent.objects.create(topic="t", payload={}, created_at=timezone.now() - DAY, delivered_at=timezone.now())
        assert 50 <= queries.outbox_age_seconds() < 80


def test_back_ends_are_listed_by_name(federation: Federation) -> None:
    assert [backend.name for backend in queries.backends()] == ["CDSE", "Terrascope"]
    assert queries.backends()[1].id == federation.backend


def _learn_from_the_job() -> None:
    """A workload, an observation and an estimate of it that was judged."""
    source = Source.objects.get(source_id=SOURCE).pk
    told = workloads.read({"udp": {"url": "https://algorithms.example.org/udp/ndvi"}, "area_m2": 1_000_000})
    workloads.record(source, "j-1", None, None, told)
    estimates.load_capabilities("cdse", {"collections": [{"id": "S2"}]})
    now = timezone.now()
    estimates.collect(now=now)
    (said,) = estimates.estimate(told)
    estimates.remember(source, "j-1", None, None, said, at=now - timedelta(hours=1))
    estimates.judge(now=now + timedelta(hours=2))
    estimates.calibrate(now=now + timedelta(hours=2))


def test_every_row_can_be_printed_and_none_like_another(federation: Federation, settings: Any) -> None:
    settings.DEMONSTRATION = True
    callbacks.register(federation.client.client, "http://127.0.0.1:1/")
    callbacks.send(federation.client.client, "callback.test", {}, "a")
    federation.grant(federation.lab, micros(1), "g")
    limits.set_limit(federation.lab, 1, period="month", project=limits.create_project(federation.lab, "alps", "Alps"))
    federation.grant(federation.bob.personal_organisation, micros(20), "for holds")
    for number in (1, 2):
        holds.reserve(federation.client, holds.Request(holds.Payer(SOURCE, federation.bob.sub), "j", 1, f"h-{number}"))
    book(federation, "k-b", user=federation.bob.sub, job_id="j", organisation=federation.bob.personal_organisation)
    book(federation, organisation=4711, job_id="j-1")
    ingest(federation.client, federation.report(source="Nowhere"))
    outbox.deliver()
    Heartbeat.objects.create(name="beat", sent_at=timezone.now(), ran_at=timezone.now())
    _learn_from_the_job()
    activity.count(timezone.now())
    alerts.set_threshold(federation.lab, alerts.Threshold())
    allowances.set_monthly(federation.lab, micros(1), kind="free", label="Free", fund="federation")
    Told.objects.create(kind="k", cause="c")
    PopularProcess.objects.create(process="ndvi", organisations=5, days=9, backends=[], counted_at=timezone.now())
    for model in connection.introspection.installed_models(connection.introspection.table_names()):
        if model._meta.app_label == "accounting":
            rows = [str(row) for row in model._default_manager.all()]
            assert rows or model._meta.auto_created, model
            assert all(rows), model
            assert len(set(rows)) == len(rows), model
    assert posted(federation.lab) == micros(1)
    assert Job.objects.exists()
