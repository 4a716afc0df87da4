"""The dashboard about credits to come: where to get more, and which come by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounting import allowances
from tests.accounting.books import book, micros
from tests.conftest import Federation
from tests.portal.reader import sign_in, text_of
from tests.portal.test_dashboard import NOW, MoveClock, page_of, weeks_of_use


@pytest.fixture
def home(federation: Federation, database_clock: MoveClock) -> int:
    database_clock(NOW)
    federation.grant(federation.alice.personal_organisation, micros(1000), "Package", kind="paid")
    return federation.alice.personal_organisation


@pytest.fixture
def alice(federation: Federation, home: int) -> Client:
    return sign_in(federation.alice.sub)


class TestTopUp:
    def test_where_to_get_more_is_said_to_who_owes(self, federation: Federation, settings: Any) -> None:
        settings.TOP_UP_URL = "https://shop.example.org/"
        book(federation)
        page = sign_in(federation.alice.sub).get("/dashboard/").content.decode()

        assert page.count('href="https://shop.example.org/"') == 2

    def test_not_when_there_is_no_other_place(self, federation: Federation) -> None:
        book(federation)

        assert "Get more credits" not in text_of(sign_in(federation.alice.sub).get("/dashboard/"))


class TestRefill:
    def test_free_credits_are_told_before_they_come(self, federation: Federation, home: int, alice: Client) -> None:
        allowances.set_monthly(home, micros(1000), kind="free", label="Free credits", fund="platform")

        assert "Next free credits 1,000.00 1 Dec 2026, in 5 days" in text_of(alice.get("/dashboard/"))

    def test_nothing_promised_nothing_said(self, alice: Client) -> None:
        assert "Next free credits" not in text_of(alice.get("/dashboard/"))

    def test_credits_that_last_until_new_ones_come_need_no_warning(
        self, federation: Federation, database_clock: MoveClock
    ) -> None:
        database_clock(NOW)
        organisation = federation.alice.personal_organisation
        weeks_of_use(federation, database_clock)
        december = datetime(2026, 12, 1, tzinfo=UTC)
        federation.grant(organisation, micros(2000), "Free", expires_at=december)
        alone = page_of(federation, organisation).lasting
        allowances.set_monthly(organisation, micros(1000), kind="free", label="Free credits", fund="platform")
        refilled = page_of(federation, organisation).lasting

        assert alone is not None
        assert refilled is not None
        assert (alone.value, alone.soon, refilled.soon) == ("Until 1 December", True, False)
