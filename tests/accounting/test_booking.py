"""`booking`: what is handed to the database, and what happens when somebody else was faster."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounting import booking, pricing
from accounting.models import Transaction
from accounting.resolution import resolve
from tests.accounting.books import GOLDEN, book, booked, ingest, posted, prove, rows
from tests.conftest import Federation


def element(federation: Federation, key: str | None) -> tuple[Any, Any, str]:
    """A priced report as `ingest` has it in hand between its reading and its writing."""
    report = federation.report(key)
    (row,) = resolve(federation.client, [report])
    return pricing.price(report, row), row, '"answer"'


def test_a_key_taken_between_reading_and_writing_writes_nothing(federation: Federation) -> None:
    """L3: the unique index decides, not what was read."""
    mine = element(federation, "k-1")
    book(federation)
    before = rows()
    assert booking.book(federation.client, [mine]) == [None]
    assert rows() == before


def test_in_a_batch_only_the_report_whose_key_was_taken_is_left_out(federation: Federation) -> None:
    batch = [element(federation, key) for key in ("k-1", "k-2", None)]
    book(federation, "k-2")
    made = booking.book(federation.client, batch)
    assert [pk is None for pk in made] == [False, True, False]
    assert posted(federation.alice.personal_organisation) == -3 * GOLDEN
    prove()


def test_the_answer_is_kept_as_it_was_given(federation: Federation) -> None:
    booking.book(federation.client, [element(federation, "k-1")])
    row = Transaction.objects.get(kind="usage")
    assert (row.answer, row.key, row.endpoint, row.fingerprint) == (
        '"answer"', "k-1", "resources", federation.report().fingerprint,
    )  # fmt: skip
    assert ingest(federation.client, federation.report()).answer == '"answer"'


def test_without_a_time_of_its_own_a_report_happened_when_it_was_booked(
    federation: Federation, database_clock: Any
) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    database_clock(noon)
    pk = booked(federation)
    row = Transaction.objects.get(pk=pk)
    assert (row.occurred_at, row.recorded_at) == (noon, noon)


def test_a_report_is_known_to_be_running_only_while_it_is(committed_federation: Federation) -> None:
    report = committed_federation.report()
    assert not booking.is_running(committed_federation.client, report)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            mark = booking._mark(committed_federation.client, report)
            cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [mark])
            assert booking.is_running(committed_federation.client, report)
            assert not booking.is_running(committed_federation.client, committed_federation.report("k-2"))
            assert not booking.is_running(committed_federation.other_client, report)
            cursor.execute("COMMIT")
    finally:
        other.close()
    assert not booking.is_running(committed_federation.client, report)
    book(committed_federation)


@pytest.mark.parametrize("fee", ["0.1", "0.333333333333", "1"])
def test_a_fee_is_rounded_half_even_from_exact_digits(federation: Federation, fee: str) -> None:
    line = pricing.price(federation.report(), resolve(federation.client, [federation.report()])[0]).lines[0]
    large = replace(line, amount=9_000_000_000_005, fee=Decimal(fee))
    exact = Decimal(9_000_000_000_005) * Decimal(fee)
    assert abs(booking.fee_of(large) - exact) <= Decimal("0.5")
    assert booking.fee_of(replace(line, amount=5, fee=Decimal("0.5"))) == 2
    assert booking.fee_of(replace(line, amount=7, fee=Decimal("0.5"))) == 4


def test_a_booking_that_breaks_a_rule_of_the_database_leaves_nothing_behind(federation: Federation) -> None:
    priced, row, answer = element(federation, "k-1")
    before = rows()
    with pytest.raises(IntegrityError, match="posting_must_move"), transaction.atomic():
        booking.book(federation.client, [(priced, row._replace(provider_account=row.wallet), answer)])
    assert rows() == before
