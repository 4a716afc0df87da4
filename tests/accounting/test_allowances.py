"""Credits that come every month: once a month, by the database's clock, however often somebody asks (G7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from structlog.testing import capture_logs

from accounting import allowances, queries, tasks
from accounting.errors import GrantInvalid, NotFound
from tests.accounting.books import micros, prove
from tests.accounting.test_operations import run, shown
from tests.conftest import Federation

MoveClock = Callable[[datetime | None], None]
NOVEMBER = datetime(2026, 11, 25, 12, tzinfo=UTC)
DECEMBER, JANUARY = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def lab(federation: Federation, database_clock: MoveClock) -> int:
    database_clock(NOVEMBER)
    return federation.lab


def give(organisation: int, amount: int = 1000, **changes: Any) -> int:
    terms = {"kind": "free", "label": "Free credits", "fund": "platform"} | changes
    return allowances.set_monthly(organisation, micros(amount), **terms)


def grants_of(organisation: int) -> list[tuple[str, int, datetime | None]]:
    return [(one.label, one.amount, one.expires_at) for one in queries.open_grants(organisation)]


class TestGranting:
    def test_nothing_before_its_month(self, lab: int, database_clock: MoveClock) -> None:
        give(lab)
        assert allowances.grant_due() == 0
        database_clock(DECEMBER - timedelta(microseconds=1))
        assert allowances.grant_due() == 0
        assert grants_of(lab) == []

    def test_once_on_the_first_until_the_next_first(self, lab: int, database_clock: MoveClock) -> None:
        give(lab)
        database_clock(DECEMBER)
        assert [allowances.grant_due() for _ in range(3)] == [1, 0, 0]
        assert grants_of(lab) == [("Free credits, 2026-12", micros(1000), JANUARY)]
        database_clock(JANUARY + timedelta(hours=3))
        assert allowances.grant_due() == 1
        assert grants_of(lab) == [("Free credits, 2027-01", micros(1000), datetime(2027, 2, 1, tzinfo=UTC))]
        prove()

    def test_of_months_gone_by_only_the_present_one(self, lab: int, database_clock: MoveClock) -> None:
        give(lab)
        database_clock(datetime(2027, 4, 9, tzinfo=UTC))
        assert allowances.grant_due() == 1
        assert grants_of(lab) == [("Free credits, 2027-04", micros(1000), datetime(2027, 5, 1, tzinfo=UTC))]

    def test_a_month_is_granted_once_even_if_set_again(self, lab: int, database_clock: MoveClock) -> None:
        give(lab, starts_at=NOVEMBER)
        assert allowances.grant_due() == 1
        allowances.end(lab, "Free credits")
        give(lab, 5000, starts_at=NOVEMBER)
        allowances.grant_due()
        assert grants_of(lab) == [("Free credits, 2026-11", micros(1000), DECEMBER)]

    def test_the_task_says_how_many(self, lab: int, federation: Federation) -> None:
        for organisation in (lab, federation.alice.personal_organisation):
            give(organisation, starts_at=NOVEMBER)
        with capture_logs() as logs:
            assert [tasks.grant_allowances(), tasks.grant_allowances()] == [2, 0]
        assert [(entry["event"], entry["count"]) for entry in logs] == [("allowances_granted", 2)]


class TestSetting:
    def test_what_comes_is_known_before(self, lab: int, federation: Federation) -> None:
        give(lab)
        give(lab, 50, label="Course", kind="voucher", starts_at=JANUARY + timedelta(days=9))
        assert [(one.at, one.amount, one.kind) for one in allowances.coming(lab)] == [
            (DECEMBER, micros(1000), "free"),
            (JANUARY, micros(50), "voucher"),
        ]
        assert allowances.coming(federation.alice.personal_organisation) == []

    def test_the_same_label_changes_the_next_grant(self, lab: int) -> None:
        first = give(lab)
        assert give(lab, 2000) == first
        assert [(one.at, one.amount) for one in allowances.coming(lab)] == [(DECEMBER, micros(2000))]

    def test_an_end_is_an_end(self, lab: int, database_clock: MoveClock) -> None:
        give(lab)
        allowances.end(lab, "Free credits")
        database_clock(JANUARY)
        assert (allowances.grant_due(), list(allowances.coming(lab))) == (0, [])
        with pytest.raises(NotFound):
            allowances.end(lab, "Something else")

    @pytest.mark.parametrize(
        "wrong", [{"amount": 0}, {"amount": -1}, {"amount": 10**16}, {"kind": "gift"}, {"label": ""}, {"fund": ""}]
    )
    def test_nonsense_is_refused(self, lab: int, wrong: dict[str, Any]) -> None:
        with pytest.raises(GrantInvalid):
            give(lab, **wrong)

    def test_an_organisation_that_does_not_exist(self, lab: int) -> None:
        with pytest.raises(NotFound):
            give(lab + 100_000)


class TestCommand:
    def test_as_the_guide_says(self, lab: int) -> None:
        words = shown("give_monthly")
        words[1] = str(lab)
        assert "from 2026-12-01 on" in run(words)
        assert [(one.at, one.amount) for one in allowances.coming(lab)] == [(DECEMBER, micros(1000))]
        assert "no more Free credits" in run([*words[:2], "--label", "Free credits", "--end"])
        assert list(allowances.coming(lab)) == []

    @pytest.mark.parametrize(
        ("more", "problem"),
        [(["--from", "2027"], "month"), (["--kind", "free", "--fund", ""], "fund"), (["--from", "2027-13"], "month")],
    )
    def test_what_is_wrong_is_named(self, lab: int, more: list[str], problem: str) -> None:
        with pytest.raises(CommandError, match=problem):
            run(["give_monthly", str(lab), "10", "--label", "Free", "--fund", "platform", *more])
