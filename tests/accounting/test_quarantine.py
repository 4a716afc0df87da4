"""A report that cannot be booked is kept and booked once its cause is mended (invariant U5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting import ledger, quarantine, registry, tariffs, usage
from accounting.errors import NotFound, SourceUnknown
from accounting.models import Posting, QuarantinedReport, Transaction, UsageReport
from accounting.tariffs import RuleSpec
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, book, ingest, posted, prove, rows
from tests.conftest import ISSUER, RATES, Federation

NEW = "Not/Yet"


def kept(federation: Federation, key: str | None = "k-1", **changes: Any) -> int:
    """A report that is answered with an error; the id under which it is kept."""
    outcome = ingest(federation.client, federation.report(key, **({"source": NEW} | changes)))
    assert outcome.status == "quarantined"
    return int(QuarantinedReport.objects.latest("pk").pk)


def mend(federation: Federation) -> None:
    """What an operator does about an unknown source."""
    registry.register_source(NEW, federation.backend, ISSUER)
    registry.register_client(ISSUER, federation.client.client_id, "tracker", [NEW])
    tariffs.publish(NEW, "card", RATES, starts_at=datetime(2026, 1, 1, tzinfo=UTC))


class TestKeeping:
    def test_stores_the_body_and_the_reason(self, federation: Federation) -> None:
        row = QuarantinedReport.objects.get(pk=kept(federation))
        assert (row.category, row.code, row.field, row.status, row.attempts) == (
            "unbookable", "source_unknown", "source", "open", 1,
        )  # fmt: skip
        assert (row.raw, row.source, row.key, row.client_id) == (
            '{"jobId": "j-1"}', NEW, "k-1", federation.client.client,
        )  # fmt: skip
        assert "no source 'Not/Yet'" in row.detail
        assert str(row) == f"quarantined {row.pk}: source_unknown"

    def test_the_same_again_is_one_row_with_another_attempt(self, federation: Federation) -> None:
        first = kept(federation)
        assert kept(federation) == first
        assert QuarantinedReport.objects.get(pk=first).attempts == 2

    def test_other_content_or_no_key_is_another_row(self, federation: Federation) -> None:
        ids = {kept(federation), kept(federation, job_id="j-2"), kept(federation, None), kept(federation, None)}
        assert len(ids) == 4

    def test_moves_no_credits(self, federation: Federation) -> None:
        kept(federation)
        assert posted(federation.alice.personal_organisation) == 0
        assert not Transaction.objects.filter(kind="usage").exists()


class TestReplay:
    def test_books_the_report_as_it_came_once_its_cause_is_mended(self, federation: Federation) -> None:
        pk = kept(federation)
        mend(federation)
        outcome = usage.replay(pk)
        assert (outcome.status, outcome.error) == ("booked", None)
        row = QuarantinedReport.objects.get(pk=pk)
        assert (row.status, row.report_id) == ("replayed", outcome.transaction)
        assert row.resolved_at is not None
        assert UsageReport.objects.get(pk=outcome.transaction).raw == '{"jobId": "j-1"}'
        assert posted(federation.alice.personal_organisation) == -GOLDEN
        prove()

    @pytest.mark.parametrize("key", ["k-1", None])
    def test_books_it_once_however_often_it_is_tried(self, federation: Federation, key: str | None) -> None:
        pk = kept(federation, key)
        mend(federation)
        usage.replay(pk)
        before = rows()
        assert usage.replay(pk).status == "replayed"
        assert rows() == before

    def test_that_fails_again_says_why_and_stays_open(self, federation: Federation) -> None:
        pk = kept(federation)
        registry.register_source(NEW, federation.backend, ISSUER)
        outcome = usage.replay(pk)
        assert outcome.status == "quarantined"
        row = QuarantinedReport.objects.get()
        assert (row.pk, row.code, row.status, row.attempts) == (pk, "source_not_allowed", "open", 2)

    def test_finds_that_the_client_has_sent_it_again_meanwhile(self, federation: Federation) -> None:
        pk = kept(federation)
        mend(federation)
        first = book(federation, source=NEW)
        assert usage.replay(pk).transaction == first.transaction
        assert QuarantinedReport.objects.get(pk=pk).status == "replayed"
        assert posted(federation.alice.personal_organisation) == -GOLDEN

    def test_is_rated_by_the_tariff_of_the_day_the_work_finished(self, federation: Federation) -> None:
        """U1: not by that of the day it was mended."""
        finished = datetime.now(UTC) - timedelta(days=20)
        pk = kept(federation, finished_at=finished, lines=(UsageLine("cpu", Decimal(1), "cpu-hours", "1"),))
        mend(federation)
        cheaper = [RuleSpec("CPU", "cpu", "cpu-hour", Decimal(1))]
        tariffs.publish(NEW, "cheaper", cheaper, starts_at=datetime.now(UTC))
        usage.replay(pk)
        assert posted(federation.alice.personal_organisation) == -1_500_000

    def test_of_a_mismatch_by_its_id_charges_it_once_besides(self, federation: Federation) -> None:
        """U6: its key stays with the first report; an operator who replays it has decided that both are owed."""
        first = book(federation)
        ingest(federation.client, federation.report(job_id="j-2"))
        pk = QuarantinedReport.objects.get(category="mismatch").pk
        outcome = usage.replay(pk)
        assert outcome.status == "booked"
        assert outcome.transaction not in (None, first.transaction)
        usage.replay(pk)
        assert QuarantinedReport.objects.get().status == "replayed"
        assert posted(federation.alice.personal_organisation) == -2 * GOLDEN

    def test_of_a_mismatch_finds_room_for_a_key_of_its_own(self, federation: Federation) -> None:
        longest = "k" * 300
        book(federation, longest)
        ingest(federation.client, federation.report(longest, job_id="j-2"))
        assert usage.replay(QuarantinedReport.objects.get().pk).status == "booked"

    def test_of_an_execution_reported_under_another_key_meanwhile_stays_open(self, federation: Federation) -> None:
        pk = kept(federation, endpoint="usage-reports")
        mend(federation)
        book(federation, "k-2", source=NEW, endpoint="usage-reports")
        outcome = usage.replay(pk)
        assert outcome.status == "refused"
        assert QuarantinedReport.objects.get(pk=pk).code == "duplicate-execution"
        assert posted(federation.alice.personal_organisation) == -GOLDEN

    def test_needs_something_to_replay(self, db: None) -> None:
        with pytest.raises(NotFound):
            usage.replay(4711)

    def test_of_a_dismissed_one_does_nothing(self, federation: Federation) -> None:
        pk = kept(federation)
        quarantine.resolve(pk, None)
        mend(federation)
        assert usage.replay(pk).transaction is None
        assert QuarantinedReport.objects.get(pk=pk).status == "dismissed"
        assert posted(federation.alice.personal_organisation) == 0


class TestTheCommand:
    def run(self, *arguments: Any, **options: Any) -> str:
        out = StringIO()
        call_command("replay_quarantine", *arguments, stdout=out, **options)
        return out.getvalue()

    def test_replays_what_is_open_and_says_what_is_not_bookable_yet(self, federation: Federation) -> None:
        good, bad = kept(federation), kept(federation, "k-2", source="Nowhere")
        mend(federation)
        said = self.run()
        assert said.splitlines() == [
            f"{bad}: still not bookable: source_unknown: no source 'Nowhere' is registered here",
            "1 booked, 1 still in quarantine",
        ]
        assert QuarantinedReport.objects.get(pk=good).status == "replayed"
        assert self.run(bad).endswith("0 booked, 1 still in quarantine\n")

    def test_takes_ids_or_a_code_and_leaves_mismatches(self, federation: Federation) -> None:
        first, second = kept(federation), kept(federation, "k-2", job_id="j-2")
        book(federation, "k-3")
        ingest(federation.client, federation.report("k-3", job_id="j-3"))
        mend(federation)
        assert self.run(code="tariff_missing") == "0 booked, 0 still in quarantine\n"
        assert self.run(str(second)) == "1 booked, 0 still in quarantine\n"
        assert quarantine.open_reports() == [first]
        assert self.run(code="source_unknown") == "1 booked, 0 still in quarantine\n"
        assert quarantine.open_reports() == []
        assert len(quarantine.open_reports(category="mismatch")) == 1
        prove()


words = st.sampled_from(["null", "NULL", "true", "1", "1.5", "2026-01-01T00:00:00Z", "", "é", "x" * 50]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20
)
moments = st.none() | st.datetimes(
    min_value=datetime(2015, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


@given(
    words, st.none() | words, st.none() | st.integers(-(2**63), 2**63 - 1), moments,
    st.decimals(allow_nan=False, allow_infinity=False),
)  # fmt: skip
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_kept_report_comes_back_exactly_as_it_was(
    federation: Federation, word: str, maybe: str | None, number: int | None, moment: datetime | None, quantity: Decimal
) -> None:
    QuarantinedReport.objects.all().delete()
    line = UsageLine(word, quantity, word, word, process=word)
    report = replace(
        federation.report(maybe), user=word, job_id=word, job_title=maybe, execution_id=maybe, organisation=number,
        started_at=moment, finished_at=moment, user_issuer=maybe, lines=(line,), raw=word, service=word,
    )  # fmt: skip
    quarantine.keep(federation.client.client, report, SourceUnknown("why", field="source"))
    found = quarantine.lock(QuarantinedReport.objects.get().pk)
    assert found.report == report
    assert found.client == federation.client
    assert msgspec.json.encode(found.report)


def test_a_reversed_report_does_not_come_back_from_quarantine(federation: Federation) -> None:
    """L3: a key is used for ever, also after a correction."""
    pk = kept(federation)
    mend(federation)
    first = book(federation, source=NEW)
    assert first.transaction is not None
    ledger.reverse(first.transaction, "wrong_usage")
    usage.replay(pk)
    assert posted(federation.alice.personal_organisation) == 0
    assert Posting.objects.filter(transaction_id=first.transaction).count() == 1
