"""A person's credits from the first grant to the last: reports, debt, repayment, expiry, reversal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from accounting import grants, ledger, outbox, queries, receipts
from accounting.models import UsageReport
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, account, booked, micros, paid_by, prove
from tests.conftest import Federation

SPRING = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def processing(federation: Federation, key: str, amount: int) -> int:
    """A job that costs so many credits; its transaction."""
    line = UsageLine("processing", Decimal(amount), "credits", str(amount))
    return booked(federation, key, job_id=f"job-{key}", lines=(line,))


def test_grant_reports_debt_repayment_expiry_and_reversal(
    federation: Federation, database_clock: Callable[[datetime | None], None]
) -> None:
    home = federation.alice.personal_organisation

    # March: ten free credits for a quarter, and the documented job twice.
    database_clock(SPRING)
    free = federation.grant(home, micros(10), "spring", expires_at=SPRING + 90 * DAY)
    first, second = booked(federation, "a"), booked(federation, "b", job_id="j-2", execution_id="application_2")
    covered = micros(10) - GOLDEN
    assert paid_by(first) == [(free, 2_124_583), (free, 3_635_192)]
    assert paid_by(second) == [(free, 2_124_583), (free, covered - 2_124_583), (None, 2 * GOLDEN - micros(10))]
    owed = 2 * GOLDEN - micros(10)
    balance = queries.balance(home)
    assert (balance.posted, balance.spendable, balance.debt) == (-owed, -owed, owed)
    prove()

    # Work goes on although nothing is left, and Alice is told once.
    third = processing(federation, "c", 2)
    outbox.deliver()
    assert [notice.kind for notice in queries.notices(federation.alice.pk)] == ["credits_exhausted"]
    assert queries.balance(home).debt == owed + micros(2)

    # April: a paid grant repays the oldest first and leaves the rest; free credits burn before it.
    database_clock(SPRING + 31 * DAY)
    paid = federation.grant(home, micros(20), "top-up", kind="paid", fund="card")
    assert queries.balance(home).posted == micros(18) - owed
    assert paid_by(third)[-1] == (paid, micros(2))
    summer = federation.grant(home, micros(5), "summer", expires_at=SPRING + 60 * DAY)
    fourth = processing(federation, "d", 3)
    assert paid_by(fourth) == [(summer, micros(3))]
    prove()

    # May: what is left of the summer grant goes to breakage, not back to whoever spends next.
    database_clock(SPRING + 61 * DAY)
    assert queries.balance(home).spendable == micros(18) - owed
    assert grants.expire_due() == 1
    assert account("breakage") == micros(2)
    fifth = processing(federation, "e", 1)
    assert paid_by(fifth) == [(paid, micros(1))]

    # June: the second job turns out to be the provider's fault. The free grant has expired, so what it had paid is lost
    # for good; what the paid grant repaid comes back.
    database_clock(SPRING + 100 * DAY)
    ledger.reverse(second, "provider_outage")
    assert [grant.remaining for grant in queries.open_grants(home)] == [micros(17)]
    assert grants.expire_due() == 1
    assert account("breakage") == micros(2) + covered
    balance = queries.balance(home)
    assert (balance.posted, balance.spendable, balance.debt) == (micros(17), micros(17), 0)

    _every_credit_has_a_source_and_an_end(federation)
    (receipt,) = receipts.of_job(UsageReport.objects.get(pk=second).job_id)
    assert "provider_outage" in str(receipt.as_dict())


def _every_credit_has_a_source_and_an_end(federation: Federation) -> None:
    """The provider is owed exactly the jobs that stand; 35 credits came in: 10 + 5 free ones and 20 bought."""
    assert account("provider_payable", provider=federation.provider) == GOLDEN + micros(6)
    assert account("issuance", owner="federation") == -micros(15)
    assert account("issuance", owner="card") == -micros(20)
    assert queries.spent(federation.alice.personal_organisation, SPRING) == GOLDEN + micros(6)
    prove()
