"""What was spent a day equals what the ledger says, whatever happened to it (S1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum

from accounting import ledger, limits, queries, spending
from accounting.models import SpendCell
from accounting.usage import UsageLine
from tests.accounting.books import booked, ingest, micros, prove
from tests.conftest import Federation

MONDAY = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
FIRST, LAST = date(2000, 1, 1), date(2100, 1, 1)


def spend(federation: Federation, key: str, amount: int, finished: datetime, **changes: Any) -> int:
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    return booked(federation, key, lines=(line,), finished_at=finished, **changes)


def by(organisation: int, *names: str) -> dict[Any, int]:
    """Sums of the organisation's cells by those columns."""
    rows = spending.cells(organisation).order_by().values_list(*names).annotate(total=Sum("amount"))
    return {row[:-1] if len(names) > 1 else row[0]: row[-1] for row in rows}


def test_a_day_is_one_of_utc(federation: Federation) -> None:
    home = federation.alice.personal_organisation
    federation.grant(home, micros(50), "g")
    spend(federation, "k-1", 3, MONDAY)
    spend(federation, "k-2", 4, MONDAY + timedelta(minutes=31), job_id="j-2")

    assert by(home, "day") == {date(2026, 3, 2): micros(3), date(2026, 3, 3): micros(4)}
    assert spending.total(home, date(2026, 3, 2), date(2026, 3, 3)) == micros(3)
    assert [(row.day, row.backend, row.amount) for row in spending.days(home, FIRST, LAST)] == [
        (date(2026, 3, 2), federation.backend, micros(3)),
        (date(2026, 3, 3), federation.backend, micros(4)),
    ]
    prove()


def test_nobody_elses_are_counted(federation: Federation) -> None:
    spend(federation, "k-1", 3, MONDAY, organisation=federation.lab)

    assert spending.total(federation.alice.personal_organisation, FIRST, LAST) == 0
    assert spending.total(federation.lab, FIRST, LAST) == micros(3)


def test_cells_know_who_what_and_how(federation: Federation) -> None:
    project = limits.create_project(federation.lab, "crops", "Crops")
    grant = federation.grant(federation.lab, micros(50), "g")
    spend(federation, "k-1", 3, MONDAY, organisation=federation.lab, project="crops", kind="sync", state="FAILED")

    (cell,) = SpendCell.objects.filter(organisation=federation.lab)
    assert (cell.backend_id, cell.person_id, cell.project_id) == (federation.backend, federation.alice.pk, project)
    assert (cell.kind, cell.state, cell.process, cell.grant_id) == ("sync", "FAILED", "", grant)


def test_what_is_given_back_counts_on_the_day_it_was_charged_for(federation: Federation) -> None:
    home = federation.alice.personal_organisation
    federation.grant(home, micros(50), "g")
    transaction = spend(federation, "k-1", 3, MONDAY)
    ledger.reverse(transaction, "goodwill")

    assert by(home, "day") == {date(2026, 3, 2): 0}
    assert spending.total(home, FIRST, LAST) == queries.spent(home, datetime(2000, 1, 1, tzinfo=UTC)) == 0
    prove()


def test_a_repaid_debt_changes_who_paid_and_not_when(federation: Federation) -> None:
    home = federation.alice.personal_organisation
    spend(federation, "k-1", 3, MONDAY)
    assert by(home, "day", "grant") == {(date(2026, 3, 2), None): micros(3)}
    grant = federation.grant(home, micros(2), "later")

    assert by(home, "day", "grant") == {
        (date(2026, 3, 2), None): micros(1),
        (date(2026, 3, 2), grant): micros(2),
    }
    prove()


def test_a_repeated_report_adds_nothing(federation: Federation) -> None:
    home = federation.alice.personal_organisation
    spend(federation, "k-1", 3, MONDAY)
    line = UsageLine("processing", Decimal(3), "credits", "3")
    again = ingest(federation.client, federation.report("k-1", lines=(line,), finished_at=MONDAY))

    assert again.status == "replayed"
    assert by(home, "day") == {date(2026, 3, 2): micros(3)}


def test_the_dearest_jobs_of_a_month(federation: Federation, database_clock: Any) -> None:
    home = federation.alice.personal_organisation
    for number in range(1, 6):
        database_clock(MONDAY + timedelta(minutes=number))
        spend(federation, f"k-{number}", number, MONDAY, job_id=f"j-{number}")
    database_clock(datetime(2026, 4, 1, tzinfo=UTC))
    spend(federation, "april", 9, MONDAY, job_id="april")
    database_clock(None)

    assert [job.job_id for job in spending.top_jobs(home, date(2026, 3, 17), 3)] == ["j-5", "j-4", "j-3"]
    assert [job.job_id for job in spending.top_jobs(home, date(2026, 4, 1), 3)] == ["april"]


def test_the_index_holds_them_in_order(federation: Federation) -> None:
    rows = spending.jobs_by_cost(1, date(2026, 3, 1))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    assert "job_of_month" in rows[:5].explain()
