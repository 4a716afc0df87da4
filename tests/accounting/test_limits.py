"""Limits count what was booked in their period, whoever it is about (H12)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accounting import ledger, limits
from accounting.errors import LimitInvalid, NotFound, PaymentRequired
from accounting.models import UsageReport
from tests.accounting.books import booked, micros, prove
from tests.accounting.hold_books import check_held, reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation


@pytest.fixture
def lab(federation: Federation) -> int:
    federation.grant(federation.lab, micros(1000), "lab")
    return federation.lab


def spend(federation: Federation, key: str, credits: float, **changes: Any) -> int:
    terms = {"organisation": federation.lab, "job_id": f"j-{key}", "execution_id": f"e-{key}"} | changes
    return booked(federation, key, lines=cpu(credits), **terms)


def spent(organisation: int) -> list[int]:
    return [one.spent for one in limits.limits(organisation)]


def hold(federation: Federation, key: str, amount: float, **payer: Any) -> None:
    reserve(federation, key, amount, job_id=f"h-{key}", payer={"organisation": federation.lab} | payer)


def test_what_was_booked_before_counts_in_its_period(federation: Federation, lab: int, database_clock: Any) -> None:
    database_clock(datetime(2027, 3, 31, 23, tzinfo=UTC))
    spend(federation, "k-1", 7)
    database_clock(datetime(2027, 4, 1, 1, tzinfo=UTC))
    spend(federation, "k-2", 2)
    for period, counted in (("month", 2), ("year", 9), ("total", 9)):
        limits.set_limit(lab, micros(10), period=period)
        assert spent(lab)[-1] == micros(counted)
    prove()


def test_a_new_month_begins_at_nothing(federation: Federation, lab: int, database_clock: Any) -> None:
    database_clock(datetime(2027, 1, 15, tzinfo=UTC))
    limits.set_limit(lab, micros(10), period="month")
    first = spend(federation, "k-1", 8)
    with pytest.raises(PaymentRequired):
        hold(federation, "h-1", 3)
    database_clock(datetime(2027, 2, 1, tzinfo=UTC))
    hold(federation, "h-2", 3)
    spend(federation, "k-2", 1)
    assert spent(lab) == [micros(1)]
    ledger.reverse(first, "goodwill")  # of another month: changes nothing of this one
    assert spent(lab) == [micros(1)]
    prove()


def test_what_is_given_back_can_be_spent_again(federation: Federation, lab: int) -> None:
    limits.set_limit(lab, micros(10), period="month")
    pk = spend(federation, "k-1", 8)
    ledger.reverse(pk, "goodwill")
    assert spent(lab) == [0]
    hold(federation, "h-1", 10)


def test_what_holds_keep_counts(federation: Federation, lab: int) -> None:
    limits.set_limit(lab, micros(10), period="month")
    hold(federation, "h-1", 6)
    with pytest.raises(PaymentRequired) as caught:
        hold(federation, "h-2", 5)
    assert (caught.value.extra["reason"], caught.value.extra["may_spend"]) == ("over_limit", "4")
    hold(federation, "h-2", 4)
    check_held()


def test_each_counts_for_what_it_names(federation: Federation, lab: int) -> None:
    project = limits.create_project(lab, "alps", "Alps")
    limits.set_limit(lab, micros(10), period="month", person=federation.alice.pk)
    limits.set_limit(lab, micros(4), period="month", project=project)
    limits.set_limit(lab, micros(50), period="month", backend=federation.backend)
    spend(federation, "k-1", 3)
    spend(federation, "k-2", 5, user=federation.bob.sub)
    hold(federation, "h-1", 2, project="alps")
    assert spent(lab) == [micros(3), 0, micros(8)]
    with pytest.raises(PaymentRequired):
        hold(federation, "h-2", 3, project="alps")
    with pytest.raises(PaymentRequired):
        hold(federation, "h-2", 6)
    hold(federation, "h-2", 5)
    booked(
        federation, "k-3", lines=cpu(1), job_id="h-h-1", execution_id="e", organisation=None
    )  # belongs to the hold, so to the project
    assert spent(lab) == [micros(4), micros(1), micros(9)]
    prove()


def test_setting_it_again_replaces_it_and_none_takes_it_away(federation: Federation, lab: int) -> None:
    first = limits.set_limit(lab, micros(10), period="month")
    second = limits.set_limit(lab, micros(20), period="month")
    assert first != second
    assert [one.amount for one in limits.limits(lab)] == [micros(20)]
    assert limits.set_limit(lab, None, period="month") is None
    assert limits.limits(lab) == []
    spend(federation, "k-1", 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"period": "week"}, "period"),
        ({"action": "x"}, "period"),
        ({"amount": -1}, "amount"),
        ({"amount": 10**18}, "amount"),
    ],
)
def test_nonsense_is_refused(federation: Federation, lab: int, changes: dict[str, Any], field: str) -> None:
    terms: dict[str, Any] = {"amount": 1, "period": "month"} | changes
    with pytest.raises(LimitInvalid) as caught:
        limits.set_limit(lab, terms.pop("amount"), **terms)
    assert caught.value.field == field


def test_things_of_others_are_refused(federation: Federation, lab: int) -> None:
    project = limits.create_project(federation.charlie.personal_organisation, "x", "X")
    others: list[dict[str, Any]] = [{"project": project}, {"person": federation.charlie.pk}]
    for terms in others:
        with pytest.raises(LimitInvalid):
            limits.set_limit(lab, 1, period="month", **terms)
    with pytest.raises(NotFound):
        limits.set_limit(10**9, 1, period="month")
    with pytest.raises(LimitInvalid):
        limits.set_rules(lab, overdraft=-1)
    with pytest.raises(LimitInvalid):
        limits.ensure_project(lab, "not a slug")


def test_a_report_may_name_its_project(federation: Federation, lab: int) -> None:
    project = limits.create_project(lab, "alps", "Alps")
    limits.set_limit(lab, micros(50), period="month", project=project)
    spend(federation, "k-1", 3, project="alps")
    spend(federation, "k-2", 4, project="andes")
    assert spent(lab) == [micros(3)]
    assert UsageReport.objects.filter(project=project).count() == 1
    prove()
