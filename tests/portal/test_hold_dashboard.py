"""What the dashboard says of holds: what is held beside what can be spent, which jobs run, and what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from accounting import captures, holds, limits, outbox
from accounting.holds import Reserved
from tests.accounting.books import book, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import Federation
from tests.portal.reader import sign_in, text_of

MoveClock = Callable[[datetime | None], None]


@pytest.fixture
def home(federation: Federation) -> int:
    federation.grant(federation.alice.personal_organisation, micros(100), "Monthly free credits")
    return federation.alice.personal_organisation


@pytest.fixture
def alice(federation: Federation, home: int) -> Client:
    return sign_in(federation.alice.sub)


def path(hold: Reserved) -> str:
    return f"/holds/{hold.id}/"


class TestDashboard:
    def test_nothing_held_nothing_said(self, alice: Client) -> None:
        page = text_of(alice.get("/dashboard/"))
        assert "Held for running jobs" not in page
        assert "Running jobs" not in page

    def test_what_is_held_and_for_which_job(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation, amount=30, metadata={"title": "NDVI of Flanders"})
        captures.heartbeat(federation.client, made.id, cpu(25))
        html = alice.get("/dashboard/")
        page = text_of(html)
        assert "Spendable now 70.00 €0.70" in page
        assert "Held for running jobs 30.00 €0.30" in page
        assert "100.00 left in grants = 70.00 spendable + 30.00 held" in page
        assert "NDVI of Flanders j-1 You · expires in 59 minutes" in page
        assert "25 % of what is available" in page
        assert "30.00 held" in page
        assert f'href="{path(made)}"' in html.content.decode()
        assert 'aria-label="100 % of Monthly free credits left, 30 % kept for running jobs"' in html.content.decode()

    def test_what_is_owed_is_part_of_the_sum(self, federation: Federation, home: int, alice: Client) -> None:
        backend = federation.grant(home, micros(5), "elsewhere", backends=[federation.backend + 1000])
        assert backend
        limits.set_rules(home, overdraft=micros(50))
        reserve(federation, amount=120)
        page = text_of(alice.get("/dashboard/"))
        assert "Spendable now 0.00" in page
        assert "105.00 left in grants = −15.00 spendable + 120.00 held, more than there is" in page

    def test_a_debt_beside_what_is_held_is_no_overdraft(self, federation: Federation, home: int, alice: Client) -> None:
        reserve(federation, amount=30)
        book(federation, lines=cpu(250), job_id="j-2", execution_id="e-2")
        page = text_of(alice.get("/dashboard/"))
        assert "30.00 left in grants, 30.00 held for running jobs, 180.00 owed" in page
        assert "an overdraft was agreed" not in page

    def test_a_grant_that_expired_meanwhile_says_so(
        self, federation: Federation, home: int, alice: Client, database_clock: MoveClock
    ) -> None:
        made = reserve(federation, amount=1)
        end = made.created_at + timedelta(minutes=30)
        federation.grant(home, micros(20), "Trial", expires_at=end, priority=1)
        reserve(federation, "h-2", 15, job_id="j-2")
        database_clock(end)
        page = text_of(alice.get("/dashboard/"))
        assert "over, held for running jobs" in page
        assert "115.00 left in grants = 99.00 spendable + 16.00 held" in page
        assert "What expires when Never 100.00 Monthly free credits" in page

    def test_parts_stand_behind_the_job_that_they_are_parts_of(self, federation: Federation, alice: Client) -> None:
        parent = reserve(federation, "p", 60, job_id="whole")
        reserve(federation, "o", 5, job_id="other")
        for name in ("one", "two"):
            reserve(federation, name, 20, parent=parent.id, job_id=name)
        page = alice.get("/dashboard/").content.decode()
        assert re.findall(r'title="(other|whole|one|two)"', page) == ["other", "whole", "one", "two"]
        assert page.count('aria-label="Part of the job above"') == 2

    def test_many_are_counted_and_a_few_shown(self, federation: Federation, alice: Client) -> None:
        for number in range(8):
            reserve(federation, f"h-{number}", 1, job_id=f"j-{number}")
        page = alice.get("/dashboard/").content.decode()
        assert page.split("<main")[1].split("</main>")[0].count('href="/holds/') == 6 + 2
        assert "All 8 holds" in page


class TestNotices:
    def closed(self, alice: Client, kind: str) -> str:
        assert alice.post("/notices/seen/", {"kind": kind})["Location"] == "/dashboard/"
        return text_of(alice.get("/dashboard/"))

    def test_a_job_that_outlived_its_hold(
        self, federation: Federation, alice: Client, database_clock: MoveClock
    ) -> None:
        made = reserve(federation)
        reserve(federation, "h-2", 1, job_id="j-2", lifetime=timedelta(hours=3))
        database_clock(made.expires_at)
        holds.expire_due()
        outbox.deliver()
        html = alice.get("/dashboard/")
        assert "Job j-1 outlived the credits reserved for it" in text_of(html)
        assert f'href="{path(made)}"' in html.content.decode()
        database_clock(made.expires_at + timedelta(hours=4))
        holds.expire_due()
        outbox.deliver()
        assert "2 jobs outlived the credits reserved for them" in text_of(alice.get("/dashboard/"))
        assert "outlived" not in self.closed(alice, "hold_expired")

    def test_jobs_that_near_the_end_of_what_there_is(self, federation: Federation, home: int, alice: Client) -> None:
        made = [reserve(federation, f"h-{n}", 10, budget=micros(10), job_id=f"j-{n}") for n in (1, 2)]
        captures.heartbeat(federation.client, made[0].id, cpu(9))
        limits.set_limit(home, micros(500), period="month")
        outbox.deliver()
        html = alice.get("/dashboard/")
        assert "Job j-1 is near its end 9 of 10 credits of the job's budget are used." in text_of(html)
        assert f'href="{path(made[0])}"' in html.content.decode()
        holds.release(federation.client, made[0].id)
        assert "is near its end" not in text_of(alice.get("/dashboard/"))

    def test_jobs_that_must_stop(self, federation: Federation, home: int, alice: Client) -> None:
        made = [reserve(federation, f"h-{n}", 10, job_id=f"j-{n}") for n in (1, 2)]
        limits.suspend(home, "unpaid")
        outbox.deliver()
        html = alice.get("/dashboard/")
        assert "2 running jobs must stop The organisation is suspended." in text_of(html)
        assert f'href="{path(made[1])}"' in html.content.decode()
        assert "must stop" not in self.closed(alice, "job_stop").split("Running jobs")[0]

    def test_of_jobs_that_may_go_on_since_nothing_is_said(
        self, federation: Federation, home: int, alice: Client
    ) -> None:
        reserve(federation, amount=10)
        limits.suspend(home, "unpaid")
        outbox.deliver()
        assert "Job j-1 must stop" in text_of(alice.get("/dashboard/"))
        limits.resume(home)
        outbox.deliver()
        assert "must stop" not in text_of(alice.get("/dashboard/")).lower()

    def test_a_limit_is_told_once_with_the_highest_share(
        self, federation: Federation, home: int, alice: Client
    ) -> None:
        project = limits.create_project(home, "alps", "Alps")
        limits.set_limit(home, micros(7), period="month", project=project)
        limits.set_limit(home, micros(5), period="year", action="notify")
        book(federation, project="alps")
        outbox.deliver()
        page = text_of(alice.get("/dashboard/"))
        assert "Personal has used 80 % of a monthly limit 5.76 of 7.00 credits were spent. It counts what the" in page
        assert "Personal has used 100 % of a yearly limit 5.76 of 5.00 credits were spent. Nothing is" in page
        book(federation, "k-2", job_id="j-2", execution_id="e-2", project="alps")
        outbox.deliver()
        page = text_of(alice.get("/dashboard/"))
        assert page.count("It counts what the project Alps spends.") == 1
        assert "100 % of a monthly limit" in page
        limits.set_limit(home, None, period="month", project=project)
        assert "Alps" not in text_of(alice.get("/dashboard/"))
        assert "yearly limit" not in self.closed(alice, "limit_reached")
