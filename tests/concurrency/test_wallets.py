"""Many reports on few wallets: the last credits, newcomers, opposite orders, expiry. Counts are exact every time."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounting import grants, ledger, usage
from accounting.usage import Outcome, UsageLine, UsageReport
from tests.concurrency.crowd import SIZE, Crowd, broken_rules, counted
from tests.conftest import ISSUER, Federation
from tests.faults import Fault, figures, planted

pytestmark = pytest.mark.slow

CREDIT = 1_000_000
ONE_CREDIT = (UsageLine("processing", Decimal(1), "credits", "1"),)
NO_ORDER = Fault("ledger_lock_wallets", "ORDER BY a.id FOR", "ORDER BY random() FOR")
NO_LOCK = Fault("ledger_lock_wallets", "FOR NO KEY UPDATE OF a", "")
NO_ORDER_OF_KEYS = Fault(
    "ledger_write_transactions", "ORDER BY t.client, t.endpoint, t.source, t.service, t.key, t.i", "ORDER BY random()"
)
TWO_PEOPLE = Fault("ledger_account", "RETURN found_id;", "RETURN found_id;", net="person_is_one_issuer_and_sub")


def send(number: int, federation: Federation, **changes: Any) -> Outcome:
    report = federation.report(**{"key": f"{changes.pop('round', 0)}-{number}", "lines": ONE_CREDIT} | changes)
    return usage.ingest(federation.client, [report], on_reuse="replay")[0]


def posted(organisation: int) -> int:
    return int(figures("SELECT posted FROM accounting_account WHERE organisation_id = %s", organisation)[0])


def test_the_last_credits_are_spent_exactly(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    """Grants of 20 credits in uneven parts, 32 charges of one: nothing left, 12 owed, repaid by the next grant."""
    federation, home = committed_federation, committed_federation.alice.personal_organisation
    for n in rounds:
        for i, part in enumerate((1, 3_333_333, 500_000, 12_166_666, 4_000_000)):
            federation.grant(home, part, f"{n}-{i}", priority=i % 3)
        outcomes = crowd.rush(lambda number, n: send(number, federation, round=n), n)
        assert counted(outcomes) == {"booked": SIZE}
        assert posted(home) == -12 * CREDIT
        assert figures("SELECT sum(remaining) FROM accounting_grant") == (0,)
        assert figures("SELECT sum(outstanding) FROM accounting_debt") == (12 * CREDIT,)
        federation.grant(home, 12 * CREDIT, f"{n}-repays")
        assert figures("SELECT sum(outstanding) FROM accounting_debt") == (0,)
    assert figures("SELECT count(*), min(amount), max(amount) FROM accounting_usagereport") == (
        SIZE * len(rounds),
        CREDIT,
        CREDIT,
    )
    assert broken_rules() == []


def test_without_the_lock_a_wallet_loses_count(committed_federation: Federation, crowd: Crowd) -> None:
    with planted(NO_LOCK):
        outcomes = [one for n in range(3) for one in crowd.rush(lambda i, n: send(i, committed_federation, round=n), n)]
        assert counted(outcomes)["booked"] < 3 * SIZE or broken_rules() != []


def test_a_newcomer_is_made_once(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    for n in rounds:
        sub = f"newcomer-{n}@egi.eu"
        outcomes = crowd.rush(lambda number, sub: send(number, committed_federation, user=sub, round=sub), sub)
        assert counted(outcomes) == {"booked": SIZE}
        assert figures(OF_PERSON, ISSUER, sub) == (1, 1, 1, SIZE, -SIZE * CREDIT)
    organisations = "SELECT count(*) FROM accounting_organisation"
    assert figures(organisations) == (len(rounds) + 4,), "none was left behind by those who came second"
    assert broken_rules() == []


OF_PERSON = """
    SELECT count(DISTINCT p.id), count(DISTINCT p.personal_organisation_id), count(DISTINCT a.id),
           count(DISTINCT r.transaction_id), min(a.posted)
      FROM accounting_person p JOIN accounting_account a ON a.organisation_id = p.personal_organisation_id
      JOIN accounting_usagereport r ON r.person_id = p.id WHERE p.issuer = %s AND p.sub = %s"""


def test_without_the_unique_person_there_would_be_several(committed_federation: Federation, crowd: Crowd) -> None:
    with planted(TWO_PEOPLE):
        crowd.rush(lambda number: send(number, committed_federation, user="twins@egi.eu"))
        assert figures("SELECT count(*) > 1 FROM accounting_person WHERE sub = 'twins@egi.eu'") == (True,)


def send_crosswise(number: int, federation: Federation, n: int) -> list[Outcome]:
    """Charges three wallets, half of the callers from the front and half from the back."""
    payers = [federation.alice, federation.bob, federation.charlie]
    reports = [federation.report(key=f"{n}-{number}-{i}", user=payers[i % 3].sub, lines=ONE_CREDIT) for i in range(12)]
    return usage.ingest(federation.client, reports if number % 2 else reports[::-1], on_reuse="replay")


def test_batches_in_opposite_order_never_deadlock(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    federation = committed_federation
    for n in rounds:
        answers = crowd.rush(send_crosswise, federation, n)
        assert [type(one) for one in answers] == [list] * SIZE
        for person in (federation.alice, federation.bob, federation.charlie):
            assert posted(person.personal_organisation) == -4 * SIZE * CREDIT * (n + 1)
    assert broken_rules() == []


def test_without_the_order_of_locks_they_would(committed_federation: Federation, crowd: Crowd) -> None:
    with planted(NO_ORDER):
        assert found_deadlock(crowd, send_crosswise, committed_federation)


def send_free(number: int, federation: Federation, n: int, size: int = 12) -> list[Outcome]:
    """The same keys and jobs from the front and from the back, without any wallet's lock to hide behind."""
    reports = [replace(federation.report(key=f"{n}-{i}", job_id=f"j-{i}"), lines=()) for i in range(size)]
    return usage.ingest(federation.client, reports if number % 2 else reports[::-1], on_reuse="replay")


def test_the_same_keys_in_opposite_order_never_deadlock(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    for n in rounds:
        answers = crowd.rush(send_free, committed_federation, n)
        assert [type(one) for one in answers] == [list] * SIZE
        assert counted([outcome for one in answers for outcome in one]) == {"booked": 12, "replayed": 12 * (SIZE - 1)}


def test_without_the_order_of_keys_they_would(committed_federation: Federation, crowd: Crowd) -> None:
    with planted(NO_ORDER_OF_KEYS):
        assert found_deadlock(crowd, partial(send_free, size=100), committed_federation)


def found_deadlock(crowd: Crowd, call: Any, federation: Federation) -> bool:
    for n in range(200):  # timing decides in which round; usually one of the first
        for one in crowd.rush(call, federation, n):
            if isinstance(one, Exception) and "deadlock detected" in str(one):
                return True
    return False


def test_expiry_and_charges_share_a_grant_exactly(
    committed_federation: Federation, crowd: Crowd, rounds: range
) -> None:
    """A grant that expires while it is burnt: what was not spent is breakage, what came later is owed."""
    federation, home = committed_federation, committed_federation.alice.personal_organisation

    def act(number: int, n: int) -> Any:
        time.sleep(random.random() * 0.06)
        return send(number, federation, round=n) if number % 2 else grants.expire_due()

    for n in rounds:
        expires_at = datetime.now(UTC) + timedelta(milliseconds=60)
        grant = federation.grant(home, 40 * CREDIT, f"g-{n}", expires_at=expires_at)
        outcomes = crowd.rush(act, n)
        assert not [one for one in outcomes if isinstance(one, Exception)]
        time.sleep(max(0, (expires_at - datetime.now(UTC)).total_seconds()) + 0.001)
        grants.expire_due()
        paid, expired = figures(OF_GRANT, grant)
        assert paid + expired == 40 * CREDIT
        federation.grant(home, -posted(home), f"repay-{n}") if posted(home) else None
        assert figures("SELECT count(*) FROM accounting_usagereport") == (SIZE // 2 * (n + 1),)
    assert broken_rules() == []


OF_GRANT = """
    SELECT coalesce(sum(s.amount) FILTER (WHERE t.kind = 'usage'), 0),
           coalesce(sum(s.amount) FILTER (WHERE t.kind = 'expiry'), 0)
      FROM accounting_spend s JOIN accounting_transaction t ON t.id = s.transaction_id WHERE s.grant_id = %s"""


def test_everything_at_once_keeps_the_books(committed_federation: Federation, crowd: Crowd, rounds: range) -> None:
    """Reports, repetitions, batches, grants, expiry and reversals, all by everybody."""
    federation = committed_federation
    people = [federation.alice, federation.bob, federation.charlie]

    def live(number: int, n: int) -> None:
        dice = random.Random(n * SIZE + number)
        for step in range(6):
            person = dice.choice(people)
            report = federation.report(key=f"{n}-{dice.randrange(40)}", user=person.sub, lines=ONE_CREDIT)
            deed = dice.randrange(6)
            if deed == 0:
                soon = datetime.now(UTC) + timedelta(milliseconds=dice.randrange(1, 200))
                key = f"{n}-{number}-{step}"
                federation.grant(person.personal_organisation, dice.randrange(1, 3 * CREDIT), key, expires_at=soon)
            elif deed == 1:
                grants.expire_due()
            else:
                batch = _batch(federation, report, dice)
                outcomes = usage.ingest(federation.client, batch, on_reuse="replay")
                made = outcomes[0].transaction
                if deed == 2 and made:
                    ledger.reverse(made, "goodwill")

    for n in rounds:
        assert crowd.rush(live, n) == [None] * SIZE
        assert broken_rules() == []
    assert figures("SELECT sum(amount) FROM accounting_entry") == (0,)


def _batch(federation: Federation, report: UsageReport, dice: random.Random) -> list[UsageReport]:
    users = [federation.bob.sub, federation.charlie.sub, federation.alice.sub]
    more = [replace(report, key=f"{report.key}-{i}", user=users[i]) for i in range(dice.randrange(3))]
    return dice.sample([report, *more], len(more) + 1)
