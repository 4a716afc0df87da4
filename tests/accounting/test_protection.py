"""What was written stays written: refused to the application and to the owner, found out if forged (L1 to L5, L9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import F
from django.db.models.deletion import ProtectedError

from accounting import registry, usage
from accounting.models import AuditEntry, Entry, Grant, RatingRule, Transaction, UsageReport
from devtools.postgres import APP
from tests.accounting.books import booked
from tests.conftest import ISSUER, Federation
from tests.faults import figures

WRITTEN_BY_FUNCTIONS = (
    *("account", "transaction", "posting", "entry", "grant", "spend", "debt"),
    *("job", "execution", "usagereport", "usageline"),
    *("hold", "openhold", "holdevent", "limit"),
)
DEEDS = (
    "UPDATE accounting_{0} SET {1} = {1}",
    "DELETE FROM accounting_{0}",
    "TRUNCATE accounting_{0} CASCADE",
    "INSERT INTO accounting_{0} DEFAULT VALUES",
    "ALTER TABLE accounting_{0} DISABLE TRIGGER ALL",
    "DROP TABLE accounting_{0} CASCADE",
)
HIDDEN = (
    "SELECT ledger_write('[]')",
    "SELECT ledger_write_entries('[]', '{}', now())",
    "SELECT grants_burn('[]', now())",
    "SELECT debts_repay(1, 1, now())",
    "SELECT hold_close(1, 'released', true, '', NULL, now())",
    "SELECT hold_sweep('{1}', NULL, now())",
    "SELECT grants_bind('{1}', '{1}', -1)",
    "SELECT limits_count(1, 1, NULL, 1, 1, -1, 1, now(), now())",
    "SELECT usage_write_lines('[]', '{}')",
    "CREATE OR REPLACE FUNCTION accounting_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
    "SET session_replication_role = replica",
    "CREATE TABLE public.accounting_shadow (id int)",
)


@pytest.fixture
def as_app(federation: Federation) -> Iterator[Federation]:
    """Some history, and from then on the rights of the application's role."""
    federation.grant(federation.alice.personal_organisation, 1_000_000, "g")
    booked(federation)
    call_command("grant_privileges", role=APP, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION AUTHORIZATION {APP}")
        yield federation
        cursor.execute("RESET SESSION AUTHORIZATION")


def refusal(statement: str) -> str:
    """The SQLSTATE with which the database refuses the statement."""
    with (
        pytest.raises((ProgrammingError, IntegrityError)) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    return str(getattr(caught.value.__cause__, "pgcode", ""))


def test_the_application_cannot_write_the_ledger(as_app: Federation) -> None:
    columns = {"usagereport": "transaction_id", "usageline": "report_id", "posting": "number", "entry": "seq"}
    columns["openhold"] = "used"
    for table in WRITTEN_BY_FUNCTIONS:
        for deed in DEEDS:
            statement = deed.format(table, columns.get(table, "id"))
            assert refusal(statement) == "42501", statement


def test_the_application_cannot_reach_behind_the_posting_functions(as_app: Federation) -> None:
    assert {statement: refusal(statement) for statement in HIDDEN} == dict.fromkeys(HIDDEN, "42501")


def test_the_orm_cannot_either(as_app: Federation) -> None:
    for change in (
        lambda: Entry.objects.update(amount=F("amount") + 1),
        lambda: Transaction.objects.all().delete(),
        lambda: Grant.objects.update(remaining=F("amount")),
        lambda: UsageReport.objects.bulk_update(UsageReport.objects.all(), ["raw"]),
        lambda: RatingRule.objects.update(price=0),
        lambda: AuditEntry.objects.update(actor=None),
        lambda: AuditEntry.objects.all().delete(),
    ):
        with pytest.raises((ProgrammingError, ProtectedError)), transaction.atomic():
            change()


def test_the_application_books_through_the_functions(as_app: Federation) -> None:
    """Also with tables of its own in front: a posting function looks in its own schema first."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE accounting_entry (LIKE public.accounting_entry)")
    [outcome] = usage.ingest(as_app.client, [as_app.report(key="k-2")], on_reuse="replay")
    assert outcome.status == "booked"
    assert figures("SELECT count(*) FROM pg_temp.accounting_entry") == (0,)
    entries = "SELECT count(*) FROM public.accounting_entry WHERE transaction_id = %s"
    assert figures(entries, outcome.transaction) == (2,)


@pytest.mark.parametrize(
    "table", ["transaction", "posting", "entry", "spend", "usagereport", "usageline", "ratingrule", "auditentry"]
)
def test_the_owner_cannot_change_history(federation: Federation, table: str) -> None:
    booked(federation)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is still pending would stop TRUNCATE before the trigger
    for deed in (
        "UPDATE accounting_{0} SET {1} = {1}",
        "DELETE FROM accounting_{0}",
        "TRUNCATE accounting_{0} CASCADE",
    ):
        column = {"usagereport": "amount", "usageline": "amount", "posting": "amount", "entry": "amount"}.get(
            table, "id"
        )
        assert refusal(deed.format(table, column)) == "23000"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM accounting_grant",
        "UPDATE accounting_grant SET amount = amount + 1, remaining = remaining + 1",
        "UPDATE accounting_grant SET fund = 'another'",
        "UPDATE accounting_debt SET amount = amount",
        "DELETE FROM accounting_account",
        "UPDATE accounting_account SET kind = 'breakage' WHERE kind = 'clearing'",
        "UPDATE accounting_account SET posted = 1 WHERE kind = 'clearing'",
        "UPDATE accounting_grant SET remaining = amount + 1",
        "UPDATE accounting_grant SET remaining = -1",
    ],
)
def test_the_owner_cannot_change_terms(federation: Federation, statement: str) -> None:
    federation.grant(federation.alice.personal_organisation, 1_000_000, "g")
    assert refusal(statement) in {"23000", "23514"}


# --- what does not add up is refused at COMMIT at the latest, whoever writes it

TRANSACTION = """
    INSERT INTO accounting_transaction (kind, endpoint, service, fingerprint, answer, reason, note, occurred_at,
                                        recorded_at)
    VALUES ('usage', 'test', '', '', '', '', '', now(), now()) RETURNING id"""
POSTING = """
    INSERT INTO accounting_posting (transaction_id, number, source_account_id, destination_account_id, amount, purpose)
    VALUES (%(made)s, %(number)s, %(a)s, %(b)s, 5, 'test')"""
ENTRY = "INSERT INTO accounting_entry (account_id, seq, transaction_id, posting, side, amount, recorded_at) VALUES {}"
LEGS = {
    "one leg": "(%(a)s, 91, %(made)s, 1, -1, -5, now())",
    "five out, four in": "(%(a)s, 91, %(made)s, 1, -1, -5, now()), (%(b)s, 91, %(made)s, 1, 1, 4, now())",
    "both legs the same way": "(%(a)s, 91, %(made)s, 1, -1, -5, now()), (%(b)s, 91, %(made)s, 1, -1, -5, now())",
    "into another account": "(%(a)s, 91, %(made)s, 1, -1, -5, now()), (%(c)s, 91, %(made)s, 1, 1, 5, now())",
    "the leg of another transaction": "(%(a)s, 91, %(made)s, 1, -1, -5, now()), (%(b)s, 91, %(old)s, 1, 1, 5, now())",
    "no legs at all": "",
}


@pytest.mark.parametrize("legs", LEGS.values(), ids=LEGS)
def test_what_does_not_balance_is_refused(committed_federation: Federation, legs: str) -> None:
    names = {**_accounts(), "old": booked(committed_federation), "number": 1}
    before = figures("SELECT count(*), sum(amount) FROM accounting_entry")
    with pytest.raises(IntegrityError, match=r"mirrors no posting|not balanced|entry_once_a_side"):
        _write(names, legs)
    assert figures("SELECT count(*), sum(amount) FROM accounting_entry") == before


@pytest.mark.parametrize("legs", list(LEGS.values())[:-1], ids=list(LEGS)[:-1])
def test_nothing_lopsided_is_added_to_history(committed_federation: Federation, legs: str) -> None:
    old = booked(committed_federation)
    names = {**_accounts(), "old": booked(committed_federation, "k-2"), "number": 9, "made": old}
    with pytest.raises(IntegrityError, match=r"mirrors no posting|entry_once_a_side"):
        _write(names, legs)


def _accounts() -> dict[str, int]:
    [ids] = figures("SELECT array_agg(id ORDER BY id) FROM accounting_account WHERE kind <> 'wallet'")
    return dict(zip("abc", ids, strict=False))


def _write(names: dict[str, int], legs: str) -> None:
    """By hand, as somebody with the owner's password might; `number` is the posting's."""
    with transaction.atomic(), connection.cursor() as cursor:
        if "made" not in names:
            cursor.execute(TRANSACTION)
            names = names | {"made": cursor.fetchone()[0]}
        cursor.execute(POSTING, names)
        if legs:
            cursor.execute(ENTRY.format(legs.replace("s, 1, ", "s, %(number)s, ")), names)


def test_a_transaction_names_who_is_registered(federation: Federation) -> None:
    named = TRANSACTION.replace("endpoint,", "endpoint, {},").replace("'test',", "'test', 999999999,")
    assert {refusal(named.format(column)) for column in ("client_id", "source_id")} == {"23503"}


def test_who_has_reported_stays_in_the_registry(federation: Federation) -> None:
    booked(federation)
    assert refusal("DELETE FROM accounting_serviceclient WHERE client_id = 'job-tracker'") == "23503"
    assert refusal("DELETE FROM accounting_source WHERE source_id = 'TerraScope/MEP'") == "23503"
    registry.register_source("never used", federation.backend, ISSUER)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounting_source WHERE source_id = 'never used'")
        assert cursor.rowcount == 1


# --- forgeries of a superuser, whom no trigger stops


@pytest.fixture
def history(federation: Federation) -> list[int]:
    """Six transactions of one wallet, each of another amount."""
    federation.grant(federation.alice.personal_organisation, 9_000_000, "g")
    made = []
    for n in range(6):
        lines = federation.report().lines[: 1 + n % 2]
        made.append(booked(federation, f"k-{n}", lines=lines))
    return made


FORGERIES = {
    "an amount flipped": """
        UPDATE accounting_entry SET amount = amount - 1 WHERE transaction_id = %(third)s AND side = -1""",
    "a posting flipped": "UPDATE accounting_posting SET amount = amount + 1 WHERE transaction_id = %(third)s",
    "both legs and the posting flipped": """
        UPDATE accounting_entry SET amount = amount + side WHERE transaction_id = %(third)s;
        UPDATE accounting_posting SET amount = amount + 1 WHERE transaction_id = %(third)s""",
    "a row deleted": "DELETE FROM accounting_entry WHERE transaction_id = %(third)s AND side = -1",
    "two rows swapped": """
        UPDATE accounting_entry e SET amount = o.amount, balance_after = o.balance_after FROM accounting_entry o
         WHERE e.side = -1 AND o.side = -1 AND (e.transaction_id, o.transaction_id)
               IN ((%(third)s, %(fourth)s), (%(fourth)s, %(third)s))""",
    "a row inserted in the middle": """
        UPDATE accounting_entry SET seq = seq + 1000 WHERE transaction_id > %(third)s AND side = -1;
        UPDATE accounting_entry SET seq = seq - 999 WHERE seq > 1000 AND side = -1;
        INSERT INTO accounting_entry (account_id, seq, transaction_id, posting, side, amount, balance_after,
                                      recorded_at)
        SELECT account_id, seq + 1, transaction_id, 2, side, amount, balance_after + amount, recorded_at
          FROM accounting_entry WHERE transaction_id = %(third)s AND side = -1""",
    "a grant refilled": "UPDATE accounting_grant SET remaining = remaining + 1 WHERE transaction_id < %(third)s",
    "a debt forgiven": "UPDATE accounting_debt SET outstanding = 0 WHERE transaction_id = %(third)s",
    "a report made cheaper": "UPDATE accounting_usagereport SET amount = amount - 1 WHERE transaction_id = %(third)s",
    "a wallet topped up": "UPDATE accounting_account SET posted = posted + 1 WHERE seq > 0",
    "a job made cheaper": "UPDATE accounting_job SET cost_compute = cost_compute - 1",
}
ELSEWHERE = {"a grant refilled", "a wallet topped up", "a job made cheaper"}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_row_is_named(history: list[int], name: str) -> None:
    call_command("verify_ledger", verbosity=0)
    with pytest.raises(CommandError, match="first wrong row: ") as caught, transaction.atomic():  # undone afterwards
        _forge(FORGERIES[name], history)
    named = str(caught.value)
    if name in ELSEWHERE:
        assert any(what in named for what in ("grant", "account", "job"))
    else:
        assert f"(transaction {history[2]})" in named


def _forge(statements: str, history: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statements, {"third": history[2], "fourth": history[3]})
    call_command("verify_ledger", verbosity=0)
