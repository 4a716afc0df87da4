"""The dashboard: what the month costs, how long credits last, who may see it, and that its cost does not grow."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounting import limits, organisations, queries, spending, tariffs
from portal import claims
from portal.contexts import dashboard
from portal.models import User
from tests.accounting.books import book, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import ISSUER, RATES, SOURCE, Federation
from tests.portal.reader import sign_in, text_of

MoveClock = Callable[[datetime | None], None]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def home(federation: Federation, database_clock: MoveClock) -> int:
    """Alice's own organisation on an afternoon, with credits that never expire."""
    database_clock(NOW)
    federation.grant(federation.alice.personal_organisation, micros(1000), "Package", kind="paid")
    return federation.alice.personal_organisation


@pytest.fixture
def alice(federation: Federation, home: int) -> Client:
    return sign_in(federation.alice.sub)


def use(federation: Federation, at: datetime, credits: int, name: str = "", **changes: Any) -> None:
    """A job of so many credits that ended then and is reported now."""
    name = name or f"j-{at:%m%d}"
    book(federation, name, job_id=name, execution_id=name, finished_at=at, lines=cpu(credits), **changes)


def weeks_of_use(federation: Federation, clock: MoveClock, days: int = 56) -> None:
    """Fifteen credits a day until yesterday, and six today."""
    for ago in range(days, 0, -1):
        clock(NOW - timedelta(days=ago))
        use(federation, NOW - timedelta(days=ago, hours=1), 15)
    clock(NOW)
    use(federation, NOW - timedelta(hours=1), 6)


def page_of(federation: Federation, organisation: int) -> dashboard.Dashboard:
    return dashboard.page_of(_user(federation.alice.sub), organisation)


def _user(sub: str) -> User:
    return claims.store(ISSUER, sub, {})


class TestWhoSeesWhat:
    def test_a_stranger_is_sent_to_sign_in(self, client: Client, db: None) -> None:
        assert client.get("/dashboard/").status_code == 302

    def test_nothing_of_another_organisation(self, federation: Federation, home: int) -> None:
        use(federation, NOW - timedelta(hours=1), 4, job_title="Secret survey")
        page = text_of(sign_in(federation.charlie.sub).get("/dashboard/"))

        assert "Secret survey" not in page
        assert "Spent in November 0.00" in page

    def test_a_viewer_is_told_what_they_are_and_asked_for_nothing(self, federation: Federation) -> None:
        organisations.add_member(federation.lab, federation.charlie.pk, "viewer")
        organisations.switch_organisation(federation.charlie.pk, federation.lab)
        page = text_of(sign_in(federation.charlie.sub).get("/dashboard/"))

        assert "You look at the credits of Geo Lab as a viewer" in page
        assert "First steps" not in page
        assert "Set a budget" not in page
        assert "Jobs of the members appear here" in page


class TestMonth:
    def test_it_stands_beside_the_same_days_of_the_last_one(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        for ago, credits in ((60, 100), (31, 10), (30, 100), (2, 12)):
            use(federation, NOW - timedelta(days=ago), credits)
        page = text_of(alice.get("/dashboard/"))

        assert "Spent in November 12.00 €0.12 · 4 jobs Spent by 25 October 10.00 €0.10 · 20 % more this month" in page

    @pytest.mark.parametrize(
        ("last", "this", "said"),
        [
            (0, 4, "Nothing was spent by then"),
            (100, 100, "As much this month"),
            (4, 2, "50 % less this month"),
            (4, 0, "100 % less this month"),
            (1, 100, "Over ten times as much this month"),
        ],
    )
    def test_in_words(self, federation: Federation, home: int, last: int, this: int, said: str) -> None:
        for ago, credits in ((40, last), (3, this)):
            if credits:
                use(federation, NOW - timedelta(days=ago), credits)

        assert page_of(federation, home).month.comparison == said

    @pytest.mark.parametrize(
        ("now", "name", "before"),
        [
            (datetime(2027, 3, 31, 23, 59, tzinfo=UTC), "March", "28 February"),
            (datetime(2027, 3, 1, tzinfo=UTC), "March", "1 February"),
            (datetime(2027, 1, 30, 5, tzinfo=UTC), "January", "30 December"),
        ],
    )
    def test_at_the_ends_of_months(
        self, federation: Federation, home: int, database_clock: MoveClock, now: datetime, name: str, before: str
    ) -> None:
        database_clock(now)
        month = page_of(federation, home).month

        assert (month.name, month.before_day) == (name, before)

    def test_jobs_are_counted_up_to_a_thousand(self, federation: Federation, home: int) -> None:
        page = page_of(federation, home)
        few = replace(page, month=replace(page.month, jobs=998, jobs_text="998"))
        many = replace(page, month=replace(page.month, jobs=1000, jobs_text="1,000", many=True))

        assert " 998 jobs" in text(few)
        assert " 1,000+ jobs" in text(many)

    def test_the_sum_is_that_of_the_entries(self, federation: Federation, home: int) -> None:
        for ago in range(25):
            use(federation, NOW - timedelta(days=ago, hours=13), ago % 4 + 1)
        start = datetime(2026, 11, 1, tzinfo=UTC)

        assert page_of(federation, home).month.spent == queries.spent(home, start)


def text(page: dashboard.Dashboard) -> str:
    rendered = render_to_string("portal/dashboard.html", {"page": page})
    return " ".join(re.sub(r"<[^>]*>", "", rendered).split())


class TestForecast:
    def test_too_short_a_past_says_so(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock, 20)
        page = text_of(alice.get("/dashboard/"))

        assert "It appears after three weeks of use" in page
        assert "Lasts" not in page

    def test_steady_use_leaves_no_doubt(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        """24 days of 15, and six days to come of which the first has cost 6 of its 15."""
        weeks_of_use(federation, database_clock)
        page = text_of(alice.get("/dashboard/"))
        left = 1000 - 56 * 15 - 6

        assert f"Spendable now {left}.00" in page
        assert "Lasts About 10 days If it goes on as in the last four weeks" in page
        assert "Forecast to 30 November about 450 " in page
        assert "450 to" not in page

    def test_a_budget_says_when_it_is_used_up(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        limits.set_limit(home, micros(400), period="month")
        weeks_of_use(federation, database_clock)
        page = text_of(alice.get("/dashboard/"))

        assert "Budget of the month 400.00 91 % used" in page
        assert "At this pace it is used up about 27 November · no job starts beyond it" in page

    def test_a_budget_that_only_tells(self, federation: Federation, home: int, alice: Client) -> None:
        limits.set_limit(home, micros(400), period="month", action="notify")
        page = alice.get("/dashboard/")

        assert "Budget of the month 400.00 0 % used" in text_of(page)
        assert "People are told when it is used up; nothing is refused." in text_of(page)
        assert 'aria-label="0.00 spent of a budget of 400.00 credits"' in page.content.decode()

    def test_limits_of_a_part_are_no_budget(self, federation: Federation, home: int, alice: Client) -> None:
        limits.set_limit(home, micros(400), period="year")
        limits.set_limit(home, micros(300), period="month", person=federation.alice.pk)

        assert "Budget of the month" not in text_of(alice.get("/dashboard/"))

    def test_a_debt_takes_the_place_of_how_long_it_lasts(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock)
        use(federation, NOW, 300, "j-big")
        page = text_of(alice.get("/dashboard/"))

        assert "Not covered 146.00" in page
        assert "Lasts" not in page
        assert "No credits left" in page


class TestExpiries:
    def test_what_expires_when_and_how_much_of_it_unused(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock)
        first, second = NOW + timedelta(days=5), NOW + timedelta(days=90)
        federation.grant(home, micros(200), "Free of November", expires_at=first)
        federation.grant(home, micros(50), "Voucher", expires_at=first)
        federation.grant(home, micros(300), "Free of spring", expires_at=second)
        page = page_of(federation, home)
        soon, later = page.expiries.shown

        assert (soon.amount, soon.labels, soon.soon) == (micros(250), ("Free of November", "Voucher"), True)
        assert soon.unused == Decimal(166)
        assert (later.amount, later.unused, later.soon) == (micros(300), Decimal(0), False)
        assert page.expiries.staying == ("Package",)
        assert "About 166 of it unused at this pace" in text_of(alice.get("/dashboard/"))

    def test_many_are_counted(self, federation: Federation, home: int) -> None:
        for day in range(1, 7):
            federation.grant(home, micros(1), f"Voucher {day}", expires_at=NOW + timedelta(days=day))
        page = page_of(federation, home)

        assert [one.labels for one in page.expiries.shown] == [(f"Voucher {day}",) for day in range(1, 5)]
        assert page.expiries.later == 2
        assert page.expiries.shown[0].unused is None

    def test_all_that_is_left_may_expire_before_it_is_used(
        self, federation: Federation, database_clock: MoveClock
    ) -> None:
        database_clock(NOW)
        organisation = federation.alice.personal_organisation
        weeks_of_use(federation, database_clock)
        federation.grant(organisation, micros(2000), "Trial", kind="trial", expires_at=NOW + timedelta(days=20))
        lasting = page_of(federation, organisation).lasting

        assert lasting is not None
        assert (lasting.value, lasting.soon) == ("Until 16 December", False)


class TestTops:
    def test_the_dearest_of_the_month_first(self, federation: Federation, home: int, alice: Client) -> None:
        for ago, credits in ((35, 90), (6, 5), (5, 40), (4, 20)):
            use(federation, NOW - timedelta(days=ago), credits)
        page = page_of(federation, home)

        assert [(top.amount, top.share) for top in page.top_jobs] == [
            (micros(90), "100.0"),
            (micros(40), "44.4"),
            (micros(20), "22.2"),
            (micros(5), "5.5"),
        ]
        assert "Dearest algorithms in November No algorithm with a price of its own" in text_of(
            alice.get("/dashboard/")
        )


class TestLinks:
    def test_every_figure_can_be_opened(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock)
        limits.set_limit(home, micros(4000), period="month")
        federation.grant(home, micros(5), "Voucher", expires_at=NOW + timedelta(days=3))
        reserve(federation, amount=10, job_id="j-held")
        main = alice.get("/dashboard/").content.decode().split("<main")[1].split("</main>")[0]
        addresses = {unescape(found) for found in re.findall(r'href="(/[^"]*)"', main)}

        assert "/holds/?state=open" in addresses
        assert "/usage/?period=month" in addresses
        assert "/usage/?period=custom&from=2026-10-01&to=2026-10-25" in addresses
        assert "/usage/?period=30d&split=backend" in addresses
        for address in addresses:
            assert alice.get(address).status_code == 200, address


class TestChart:
    def test_thirty_days_by_back_end_in_a_table_too(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock)
        chart = page_of(federation, home).chart

        assert chart is not None
        assert (len(chart.labels), chart.labels[0], chart.labels[-1]) == (30, "27 Oct", "25 Nov")
        assert chart.series[0].values == ("15",) * 29 + ("6",)
        assert chart.summary == "441.00 credits were spent in 30 days, 100 % of them on Terrascope."
        html = alice.get("/dashboard/").content.decode()
        assert chart.summary in html
        assert html.count('<th scope="row" class="font-normal!">') == 30

    def test_without_use_there_is_none(self, federation: Federation, home: int) -> None:
        assert page_of(federation, home).chart is None


class TestAnnounced:
    def test_prices_that_change_are_told_before_they_do(self, federation: Federation, home: int, alice: Client) -> None:
        dearer = [replace(RATES[0], price=Decimal("1.8")), *RATES[1:]]
        tariffs.publish(SOURCE, "Rates of 2027", dearer, starts_at=NOW + timedelta(days=37), note="Power costs more.")
        page = text_of(alice.get("/dashboard/"))

        assert "What changes soon Terrascope: Rates of 2027" in page
        assert "CPU: 20 % dearer" in page
        assert "Power costs more." in page

    def test_nothing_announced_nothing_said(self, alice: Client) -> None:
        assert "What changes soon" not in text_of(alice.get("/dashboard/"))


class TestFirstSteps:
    def test_who_is_new_is_led_to_the_first_job(self, db: None) -> None:
        page = text_of(sign_in("new@egi.eu").get("/dashboard/"))

        assert "First steps 1 Get credits" in page
        assert "Run it on a back end of the federation Nothing to set" in page
        assert "Last jobs" not in page

    def test_of_an_organisation_the_number_is_named(self, federation: Federation) -> None:
        organisations.switch_organisation(federation.bob.pk, federation.lab)
        page = text_of(sign_in(federation.bob.sub).get("/dashboard/"))

        assert "etl_organization_id" in page
        assert f"as your current one. {federation.lab}" in page

    def test_they_are_gone_with_the_first_job(self, federation: Federation, home: int, alice: Client) -> None:
        use(federation, NOW - timedelta(hours=1), 4)

        assert "First steps" not in text_of(alice.get("/dashboard/"))


class TestQueries:
    def test_their_number_does_not_grow_with_rows(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        weeks_of_use(federation, database_clock, 30)
        limits.set_limit(home, micros(4000), period="month")
        reserve(federation, "h-first", 10, job_id="j-held")
        counted = [count(alice)]
        for number in range(12):
            use(federation, NOW - timedelta(days=number, hours=3), 3, f"j-more-{number}")
            federation.grant(home, micros(1), f"Voucher {number}", expires_at=NOW + timedelta(days=number + 1))
            reserve(federation, f"h-{number}", 1, job_id=f"j-held-{number}")
        counted.append(count(alice))

        assert counted[0] == counted[1]
        assert counted[0] <= 30

    def test_sums_are_read_by_day_however_many_processes_there_are(self, federation: Federation, home: int) -> None:
        use(federation, NOW - timedelta(hours=1), 4)
        rows = spending.by_backend(home, NOW.date(), NOW.date() + timedelta(days=1))

        assert [(row.backend, row.amount) for row in rows] == [(federation.backend, micros(4))]


def count(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/dashboard/").status_code == 200
    return len(captured)
