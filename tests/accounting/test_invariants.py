"""`verify_ledger` holds on any books, and names the first wrong row of each kind of damage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from structlog.testing import capture_logs

from accounting import captures, grants, holds, invariants, ledger, limits, queries
from accounting.models import Account, Debt, Entry, Grant, Hold, Job, Posting
from accounting.models import UsageReport as Row
from accounting.usage import UsageLine
from tests.accounting.books import booked, micros, prove
from tests.accounting.hold_books import reserve
from tests.conftest import Federation


def spend(federation: Federation, key: str, amount: int, **changes: Any) -> int:
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    return booked(federation, key, lines=(line,), **changes)


@pytest.fixture
def books(federation: Federation) -> Federation:
    """Every kind of business: grants, usage, debt, repayment, expiry, reversal, fees of several wallets."""
    home = federation.alice.personal_organisation
    federation.grant(home, micros(5), "first")
    federation.grant(federation.lab, micros(50), "lab")
    federation.grant(home, micros(1), "late", expires_at=datetime.now(UTC) - timedelta(days=1))
    spend(federation, "k-1", 3)
    spend(federation, "k-2", 4, organisation=federation.lab)
    ledger.reverse(spend(federation, "k-3", 1), "goodwill")
    grants.expire_due()
    spend(federation, "k-4", 9, job_id="j-4")
    federation.grant(home, micros(2), "repays some")
    booked(federation, "k-5", endpoint="addedvalue", service="ndvi", job_id="j-5")
    payer = {"organisation": federation.lab}
    running = reserve(federation, amount=30, job_id="j-6", payer=dict(payer))
    line = UsageLine("processing", Decimal(2), "credits", "2")
    for key in ("c-1", "c-2"):
        captures.capture(federation.client, running.id, [line], key=key, raw="{}", final=False)
    holds.release(federation.client, reserve(federation, "h-2", amount=2, job_id="j-7", payer=dict(payer)).id)
    limits.set_limit(federation.bob.personal_organisation, micros(90), period="month")
    return federation


def damage(statement: str, *parameters: Any) -> None:
    """As somebody who may do everything and silences the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is proved at COMMIT is proved now, while it is right
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def newest(federation: Federation) -> Entry:
    """The last entry of Alice's wallet."""
    wallet = ledger.wallet(federation.alice.personal_organisation)
    return Entry.objects.filter(account_id=wallet).latest("seq")


def test_the_books_of_any_business_are_right(books: Federation) -> None:
    prove()
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue() == f"{len(invariants.INVARIANTS)} invariants hold\n"


def test_empty_books_are_right(db: None) -> None:
    prove()


def entry_amount(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage(
        "UPDATE accounting_entry SET amount = amount - 1 WHERE account_id = %s AND seq = %s",
        entry.account_id,
        entry.seq,
    )
    return {"L1", "L2", "L5", "L6"}, f"transaction {entry.transaction_id}"


def entry_deleted(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage("DELETE FROM accounting_entry WHERE account_id = %s AND seq = %s", entry.account_id, entry.seq)
    return {"L1", "L2", "L6"}, f"transaction {entry.transaction_id}"


def entry_deleted_in_the_middle(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage("DELETE FROM accounting_entry WHERE account_id = %s AND seq = 2", entry.account_id)
    return {"L1", "L2", "L5", "L6"}, "transaction"


def entries_swapped(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage("UPDATE accounting_entry SET seq = -seq WHERE account_id = %s AND seq IN (1, 3)", entry.account_id)
    damage("UPDATE accounting_entry SET seq = 4 + seq WHERE account_id = %s AND seq < 0", entry.account_id)
    return {"L5"}, f"entry {entry.account_id}/3"


def entry_inserted(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage(
        "INSERT INTO accounting_entry"
        " (account_id, seq, transaction_id, posting, side, amount, balance_after, recorded_at)"
        " SELECT account_id, seq + 1, transaction_id, 9, 1, 5, balance_after + 5, recorded_at FROM accounting_entry"
        " WHERE account_id = %s AND seq = %s",
        entry.account_id,
        entry.seq,
    )
    return {"L1", "L2", "L6"}, f"transaction {entry.transaction_id}"


def entry_on_another_account(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    other = Account.objects.get(kind="breakage").pk
    damage(
        "UPDATE accounting_entry SET account_id = %s, seq = 999999 WHERE transaction_id = %s AND side = 1",
        other,
        entry.transaction_id,
    )
    return {"L2"}, f"posting {entry.transaction_id}/1"


def transaction_deleted(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage("DELETE FROM accounting_transaction WHERE id = %s", entry.transaction_id)
    return {"L2"}, f"entry {entry.account_id}/{entry.seq}"


def posting_amount(books: Federation) -> tuple[set[str], str]:
    pk = newest(books).transaction_id
    damage("UPDATE accounting_posting SET amount = amount + 1 WHERE transaction_id = %s", pk)
    return {"L2", "G3", "U3"}, f"posting {pk}/1"


def posting_deleted(books: Federation) -> tuple[set[str], str]:
    pk = newest(books).transaction_id
    damage("DELETE FROM accounting_posting WHERE transaction_id = %s", pk)
    return {"L2", "U3"}, "entry "


def balance_after(books: Federation) -> tuple[set[str], str]:
    entry = newest(books)
    damage("UPDATE accounting_entry SET balance_after = NULL WHERE account_id = %s AND seq = 2", entry.account_id)
    return {"L5"}, f"entry {entry.account_id}/2"


def wallet_balance(books: Federation) -> tuple[set[str], str]:
    pk = ledger.wallet(books.lab)
    damage("UPDATE accounting_account SET posted = posted + 1 WHERE id = %s", pk)
    return {"L6", "G6"}, f"account {pk}"


def wallet_count(books: Federation) -> tuple[set[str], str]:
    pk = ledger.wallet(books.charlie.personal_organisation)
    damage("UPDATE accounting_account SET seq = 7 WHERE id = %s", pk)
    return {"L6"}, f"account {pk}"


def grant_remaining(books: Federation) -> tuple[set[str], str]:
    grant = Grant.objects.get(label="lab")
    damage("UPDATE accounting_grant SET remaining = remaining + 1 WHERE id = %s", grant.pk)
    return {"G2", "G6"}, f"grant {grant.pk}"


def spend_of_another_grant(books: Federation) -> tuple[set[str], str]:
    grant = Grant.objects.get(label="lab")
    spent = grant.spends.earliest("pk")
    damage("UPDATE accounting_spend SET grant_id = NULL WHERE id = %s", spent.pk)
    return {"G2"}, f"grant {grant.pk}"


def spend_deleted(books: Federation) -> tuple[set[str], str]:
    spent = Grant.objects.get(label="lab").spends.earliest("pk")
    damage("DELETE FROM accounting_spend WHERE id = %s", spent.pk)
    return {"G2", "G3"}, f"posting {spent.transaction_id}/1"


def debt_forgiven(books: Federation) -> tuple[set[str], str]:
    debt = Debt.objects.filter(outstanding__gt=0).earliest("pk")
    damage("UPDATE accounting_debt SET outstanding = 0 WHERE id = %s", debt.pk)
    return {"G4", "G6"}, f"debt {debt.pk}"


def report_amount(books: Federation) -> tuple[set[str], str]:
    report = Row.objects.earliest("pk")
    damage("UPDATE accounting_usagereport SET amount = amount + 1 WHERE transaction_id = %s", report.pk)
    return {"U3", "U4"}, f"report {report.pk}"


def line_amount(books: Federation) -> tuple[set[str], str]:
    report = Row.objects.earliest("pk")
    damage("UPDATE accounting_usageline SET amount = amount + 1 WHERE report_id = %s", report.pk)
    return {"U3"}, f"report {report.pk}"


def job_cost(books: Federation) -> tuple[set[str], str]:
    job = Job.objects.get(job_id="j-5")
    damage("UPDATE accounting_job SET cost_compute = cost_compute + 1 WHERE id = %s", job.pk)
    return {"U4"}, f"job {job.pk}"


def wallet_held(books: Federation) -> tuple[set[str], str]:
    pk = ledger.wallet(books.lab)
    damage("UPDATE accounting_account SET held = held - 1 WHERE id = %s", pk)
    return {"H1"}, f"account {pk}"


def grant_held(books: Federation) -> tuple[set[str], str]:
    grant = Grant.objects.get(label="lab")
    damage("UPDATE accounting_grant SET held = held - 1 WHERE id = %s", grant.pk)
    return {"H2"}, f"grant {grant.pk}"


def hold_keeps_too_much(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("UPDATE accounting_openhold SET remaining = remaining + 1 WHERE hold_id = %s", hold.pk)
    return {"H1", "H2", "H3"}, f"hold {hold.pk}"


def hold_lost(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("DELETE FROM accounting_openhold WHERE hold_id = %s", hold.pk)
    return {"H1", "H2", "H3", "H4"}, f"hold {hold.pk}"


def limit_spent(books: Federation) -> tuple[set[str], str]:
    damage("UPDATE accounting_limit SET spent = spent - 1")
    return {"H12"}, "limit "


def owner_lost(books: Federation) -> tuple[set[str], str]:
    damage("UPDATE accounting_member SET role = 'manager' WHERE organisation_id = %s AND role = 'owner'", books.lab)
    return {"M2"}, f"organisation {books.lab}"


def budget_too_large(books: Federation) -> tuple[set[str], str]:
    project = limits.create_project(books.lab, "alps", "Alps")
    whole = limits.set_limit(books.lab, micros(900), period="total")
    limits.set_limit(books.lab, micros(900), period="total", project=project)
    damage("UPDATE accounting_limit SET amount = amount + 1 WHERE project_id = %s", project)
    return {"M3"}, f"limit {whole}"


def wallet_not_limited(books: Federation) -> tuple[set[str], str]:
    pk = ledger.wallet(books.bob.personal_organisation)
    damage("UPDATE accounting_account SET limited = false WHERE id = %s", pk)
    return {"H12"}, f"account {pk}"


def grant_of_another_wallet(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("UPDATE accounting_openhold SET grants = %s WHERE hold_id = %s", [10**9], hold.pk)
    return {"H2"}, f"hold {hold.pk}"


def capture_not_replaced(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("DELETE FROM accounting_transaction WHERE reason = 'superseded'")
    return {"H8", "G3", "U4"}, f"hold {hold.pk}"


def hold_charged(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("UPDATE accounting_openhold SET captured = captured + 1 WHERE hold_id = %s", hold.pk)
    return {"H8"}, f"hold {hold.pk}"


def hold_of_another_parent(books: Federation) -> tuple[set[str], str]:
    hold = Hold.objects.get(job_id="j-6")
    damage("UPDATE accounting_openhold SET parent = 7 WHERE hold_id = %s", hold.pk)
    return {"H10"}, f"hold {hold.pk}"


def day_amount(books: Federation) -> tuple[set[str], str]:
    damage("UPDATE accounting_spendday SET amount = amount + 1 WHERE organisation_id = %s", books.lab)
    return {"S1"}, f"organisation {books.lab}"


def cell_of_somebody_else(books: Federation) -> tuple[set[str], str]:
    damage("UPDATE accounting_spendcell SET person_id = %s WHERE organisation_id = %s", books.charlie.pk, books.lab)
    return {"S1"}, f"organisation {books.lab}"


DAMAGES = [
    *(wallet_not_limited, grant_of_another_wallet, capture_not_replaced, hold_charged, hold_of_another_parent),
    *(wallet_held, grant_held, hold_keeps_too_much, hold_lost, limit_spent),
    *(entry_amount, entry_deleted, entry_deleted_in_the_middle, entries_swapped, entry_inserted),
    *(entry_on_another_account, transaction_deleted, posting_amount, posting_deleted, balance_after),
    *(wallet_balance, wallet_count, grant_remaining, spend_of_another_grant, spend_deleted, debt_forgiven),
    *(report_amount, line_amount, job_cost, owner_lost, budget_too_large, day_amount, cell_of_somebody_else),
]


@pytest.mark.parametrize("plant", DAMAGES, ids=lambda plant: plant.__name__)
def test_damage_is_found_and_its_row_named(
    books: Federation, plant: Callable[[Federation], tuple[set[str], str]]
) -> None:
    """L5 of the catalogue: flipped, deleted, swapped, inserted, whoever did it."""
    rules, row = plant(books)
    found = list(invariants.violations())
    assert rules <= {violation.rule for violation in found}
    assert any(violation.row.startswith(row) for violation in found), [str(violation) for violation in found]


def test_every_invariant_is_broken_by_one_of_the_damages(books: Federation) -> None:
    """A query that finds nothing proves nothing."""
    broken = set()
    for plant in DAMAGES:
        savepoint = transaction.savepoint()
        plant(books)
        with connection.cursor() as cursor:
            for invariant in invariants.INVARIANTS:
                cursor.execute(invariant.query)
                if cursor.fetchall():
                    broken.add(invariant.title)
        transaction.savepoint_rollback(savepoint)
    assert broken == {invariant.title for invariant in invariants.INVARIANTS}
    prove()


def test_the_command_names_the_earliest_wrong_transaction_and_logs_all(books: Federation) -> None:
    first, later = Posting.objects.filter(purpose="usage").order_by("transaction_id")[:2]
    for posting in (later, first):
        damage("UPDATE accounting_usagereport SET amount = 1 WHERE transaction_id = %s", posting.transaction_id)
    with capture_logs() as logs, pytest.raises(CommandError) as failed:
        call_command("verify_ledger")
    assert str(failed.value).startswith(
        f"first wrong row: U3: report {first.transaction_id}: says 1, its lines 3000000"
    )
    assert str(failed.value).endswith("(1 more rules broken)")
    assert {entry["rule"] for entry in logs} == {"U3", "U4"}


def test_a_run_sees_one_moment_and_writes_nothing(committed_federation: Federation) -> None:
    spend(committed_federation, "k-1", 3)
    assert not connection.in_atomic_block
    run = invariants.violations()
    assert list(run) == []
    assert queries.balance(committed_federation.alice.personal_organisation).posted == -micros(3)
    Account.objects.filter(kind="wallet").update(posted=0)
    (found, *_) = invariants.violations()
    assert (found.rule, found.problem) == ("L6", "holds 0 after 1 entries, the entries say -3000000 after 1")
