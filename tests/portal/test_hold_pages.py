"""What people see of holds: who may, what is kept for which job, how far it may go, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import captures, holds, ledger, limits, usage
from accounting.holds import Reserved
from accounting.rating import UsageLine
from accounting.reports import ADDED_VALUE
from tests.accounting.books import book, booked, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import SOURCE, Federation
from tests.portal.reader import sign_in, text_of
from tests.portal.test_pages import count, link

MoveClock = Callable[[datetime | None], None]
JOB = f"/jobs/{SOURCE}/j-1"


@pytest.fixture
def home(federation: Federation) -> int:
    federation.grant(federation.alice.personal_organisation, micros(100), "Monthly free credits")
    return federation.alice.personal_organisation


@pytest.fixture
def alice(federation: Federation, home: int) -> Client:
    return sign_in(federation.alice.sub)


def path(hold: Reserved) -> str:
    return f"/holds/{hold.id}/"


class TestWhoSeesWhat:
    def test_a_stranger_is_sent_to_sign_in(self, client: Client, federation: Federation, home: int) -> None:
        for address in ("/holds/", path(reserve(federation))):
            response = client.get(address)
            assert response.status_code == 302
            assert response["Location"].startswith("/oidc/authenticate/?next=%2Fholds%2F")

    def test_a_hold_of_others_does_not_exist(self, federation: Federation, home: int) -> None:
        made = reserve(federation)
        for sub in (federation.bob.sub, federation.charlie.sub):
            client = sign_in(sub)
            assert client.get(path(made)).status_code == 404
            assert "j-1" not in client.get("/holds/").content.decode()

    def test_nor_does_one_that_there_is_not(self, alice: Client) -> None:
        assert alice.get(f"/holds/{uuid4()}/").status_code == 404
        assert alice.get("/holds/nonsense/").status_code == 404

    def test_members_see_it_whatever_they_have_chosen_to_look_at(self, federation: Federation) -> None:
        federation.grant(federation.lab, micros(50), "g")
        made = reserve(federation, payer={"organisation": federation.lab})
        sign_in(federation.alice.sub, name="Alice Archer")
        bob = sign_in(federation.bob.sub)
        page = text_of(bob.get(path(made)))
        assert "Paid by Geo Lab" in page
        assert "Started by Alice Archer" in page
        assert bob.get("/holds/").status_code == 200

    def test_the_one_who_started_it_is_you(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation)
        assert "Started by You" in text_of(alice.get(path(made)))
        assert "You · expires in 59 minutes" in text_of(alice.get("/holds/"))

    def test_pages_are_kept_by_no_cache_and_only_read(self, federation: Federation, alice: Client) -> None:
        for address in ("/holds/", path(reserve(federation))):
            assert "no-store" in alice.get(address)["Cache-Control"]
            assert alice.post(address).status_code == 405


class TestList:
    def test_pages_follow_one_another_without_gap_or_double(self, federation: Federation, alice: Client) -> None:
        made = [path(reserve(federation, f"h-{n}", 1, job_id=f"j-{n}")) for n in range(30)][::-1]
        first = alice.get("/holds/").content.decode()
        second = alice.get(link(first, "next")).content.decode()
        found = [re.findall(r'data-open[^>]*href="([^"]+)"', page) for page in (first, second)]
        assert (len(found[0]), found[0] + found[1]) == (25, made)
        back = alice.get(link(second, "prev")).content.decode()
        assert re.findall(r'data-open[^>]*href="([^"]+)"', back) == found[0]

    def test_filters(self, federation: Federation, alice: Client) -> None:
        holds.release(federation.client, reserve(federation, "h-1", 1, job_id="ended-one").id)
        reserve(federation, "h-2", 1, job_id="open-one")

        def shown(query: str) -> list[str]:
            return re.findall(r'title="(ended-one|open-one)"', alice.get(f"/holds/?{query}").content.decode())

        assert shown("") == ["open-one", "ended-one"]
        assert (shown("state=open"), shown("state=ended")) == (["open-one"], ["ended-one"])
        assert (shown("backend=terrascope"), shown("backend=cdse")) == (["open-one", "ended-one"], [])
        assert "No hold fits" in text_of(alice.get("/holds/?backend=cdse"))

    def test_an_empty_one_says_what_a_hold_is(self, alice: Client) -> None:
        assert "Nothing is held When a back end starts a job" in text_of(alice.get("/holds/"))

    def test_htmx_gets_the_rows_alone(self, federation: Federation, alice: Client) -> None:
        reserve(federation)
        part = alice.get("/holds/", headers={"HX-Request": "true"}).content.decode()
        assert "<table" in part
        assert "<html" not in part

    @pytest.mark.parametrize(
        "query",
        [
            *("state=running", "state=%00", "backend=nowhere", "backend=%00", "after=x", "after=-1", "before=%D9%A1"),
            *("after=1&before=1", f"after={'9' * 19}"),
        ],
    )
    def test_a_bad_query_is_refused(self, alice: Client, query: str) -> None:
        assert alice.get(f"/holds/?{query}").status_code == 400


class TestHold:
    def test_what_it_keeps_out_of_which_grants_and_until_when(
        self, federation: Federation, home: int, alice: Client
    ) -> None:
        federation.grant(home, micros(20), "Card", kind="paid")
        made = reserve(federation, amount=30, budget=micros(40), payer={"plans": ("paid", "free")})
        captures.heartbeat(federation.client, made.id, cpu(12))
        page = text_of(alice.get(path(made)))
        for words in (
            "Held now 30.00 €0.30 · 30.00 at first 12.00 used so far",
            "Plans listed paid, free",
            "Plan chosen paid",
            "Budget 40.00",
            "Last heartbeat",
            "just now",
            "Each heartbeat of the back end moves the expiry to 1 hour ahead.",
            "Reserved credits What goes beyond is charged to the other credits",
            "40 % of what was reserved 12.00 30.00",
            "30 % of its budget 12.00 40.00",
            "Opened",
        ):
            assert words in page
        assert re.search(r"Card Paid Paid Never 20\.00 Monthly free credits Free Free Never 10\.00", page)

    def test_what_the_guard_says(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation, amount=10, budget=micros(10))
        captures.heartbeat(federation.client, made.id, cpu(9))
        page = text_of(alice.get(path(made)))
        assert "Near its end" in page
        assert "The job is near its end 9 of 10 credits of the job's budget are used." in page
        captures.heartbeat(federation.client, made.id, cpu(10))
        assert "The job must stop 10 of 10 credits" in text_of(alice.get(path(made)))
        assert "Must stop" in text_of(alice.get("/holds/"))

    def test_limits_that_count_it(self, federation: Federation, home: int, alice: Client) -> None:
        project = limits.create_project(home, "alps", "Alps")
        limits.set_limit(home, micros(50), period="month", project=project)
        limits.set_limit(home, micros(80), period="year", person=federation.alice.pk, action="notify")
        limits.set_limit(home, micros(90), period="total", backend=federation.backend)
        made = reserve(federation, payer={"project": "alps"})
        captures.heartbeat(federation.client, made.id, cpu(5))
        page = text_of(alice.get(path(made)))
        assert "Limit a month for project Alps Jobs are told to stop there 10 % of the limit" in page
        assert "Limit a year for you People are told there 6 % of the limit" in page
        assert "Limit in all for Terrascope Jobs are told to stop there 5 % of the limit" in page
        assert "project Alps" in page

    def test_its_story_with_links_to_the_charges(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation, amount=4)
        captures.capture(federation.client, made.id, cpu(2), key="c", raw="{}", final=False)
        pk = booked(federation, job_title="Biopar")
        html = alice.get(path(made)).content.decode()
        page = text_of(alice.get(path(made)))
        assert "Biopar Charged j-1 What the job cost" in page
        assert "Charged 5.76 €0.06 · 4.00 held at first 1.76 beyond what was held" in page
        assert "Charged, and ended The charge 1.759775 beyond what was held" in page
        assert "Charge replaced Came back, because a later charge takes its place" in page
        assert "Charged The charge Replaced by a later charge" in page
        payer = federation.alice.personal_organisation
        assert f'href="{JOB}?payer={payer}#charge-{pk}"' in html
        assert f'id="charge-{pk}"' in alice.get(f"{JOB}?payer={payer}").content.decode()
        (points,) = re.findall(r'<polyline points="([^"]+)"', html)
        steps = [tuple(map(int, point.split(","))) for point in points.split()]
        assert [x for x, _ in steps] == sorted(x for x, _ in steps)
        assert (steps[0], steps[-1]) == ((0, 0), (1000, 100))

    def test_a_long_story_is_read_page_by_page(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation, amount=1)
        for number in range(30):
            holds.extend(federation.client, made.id, micros(1), f"e-{number}")
        first = alice.get(path(made)).content.decode()
        (older,) = re.findall(r'href="([^"]+)">Show what happened before', first)
        second = alice.get(older).content.decode()
        assert (first.count("Extended"), second.count("Extended")) == (25, 5)
        assert "Opened" in text_of(alice.get(older))
        assert "Show the latest" in second
        assert "<polyline" not in second
        for wrong in ("x", "-1", "9" * 19, "%00"):
            assert alice.get(f"{path(made)}?before={wrong}").status_code == 400

    def test_ended_ones_say_how(self, federation: Federation, alice: Client, database_clock: MoveClock) -> None:
        released, lost = reserve(federation, "h-1"), reserve(federation, "h-2", job_id="j-2")
        holds.release(federation.client, released.id, "job <b>cancelled</b>")
        page = alice.get(path(released)).content.decode()
        assert "The back end gave the credits back" in page
        assert "Job &lt;b&gt;cancelled&lt;/b&gt;" in page
        database_clock(lost.expires_at)
        assert "The hold is past its expiry" in text_of(alice.get(path(lost)))
        holds.expire_due()
        page = text_of(alice.get(path(lost)))
        assert "No heartbeat came before the expiry" in page
        assert "The hold is past its expiry" not in page

    def test_what_no_grant_covers_and_what_started_without_asking(
        self, federation: Federation, home: int, alice: Client
    ) -> None:
        limits.set_rules(home, overdraft=micros(20), fail_open=micros(10))
        page = text_of(alice.get(path(reserve(federation, amount=125, failed_open=True))))
        assert "Overdraft Covered by no grant yet 25.00 Together 125.00" in page
        assert "The job had started before these credits were asked for" in page

    def test_titles_of_back_ends_are_text(self, federation: Federation, alice: Client) -> None:
        for number, title in enumerate(["<script>alert(1)</script>", 7, None, "x" * 500]):
            made = reserve(federation, f"h-{number}", 1, metadata={"title": title})
            page = alice.get(path(made)).content.decode()
            assert "<script>alert" not in page
            assert "x" * 201 not in page


class TestFamily:
    @pytest.fixture
    def parent(self, federation: Federation, home: int) -> Reserved:
        return reserve(federation, "p", 60, job_id="whole", budget=micros(60))

    def test_one_receipt_sums_the_parts(self, federation: Federation, alice: Client, parent: Reserved) -> None:
        one = reserve(federation, "c-1", 20, parent=parent.id)
        two = reserve(federation, "c-2", 30, parent=parent.id, job_id="j-2")
        captures.capture(federation.client, two.id, cpu(4), key="c", raw="{}", final=False)
        book(federation)
        html = alice.get(path(parent))
        page = text_of(html)
        assert "Parts of this job One receipt that sums them" in page
        assert f"Together 9.76 {60 - 9.76:.2f} 9.76" in page
        assert all(f'href="{path(child)}"' in html.content.decode() for child in (one, two))
        assert "Budget of the whole job Of all its parts together" in text_of(alice.get(path(two)))
        captures.capture(federation.client, two.id, cpu(4), key="d", raw="{}", final=True)
        holds.release(federation.client, parent.id)
        assert "Charged 9.76 €0.10 · 60.00 held at first With all parts of the job" in text_of(alice.get(path(parent)))
        assert "Given back 9.76" in text_of(alice.get("/holds/"))
        child = alice.get(path(two))
        assert f'href="{path(parent)}"' in child.content.decode()

    def test_parts_beyond_those_that_are_shown_are_in_the_sum(
        self, federation: Federation, alice: Client, parent: Reserved, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("accounting.hold_queries.MOST_CHILDREN", 1)
        reserve(federation, "c-1", 20, parent=parent.id, job_id="j-2")
        reserve(federation, "c-2", 30, parent=parent.id)
        book(federation)
        page = text_of(alice.get(path(parent)))
        assert "1 more part 0.00 5.76" in page
        assert "Together 5.76 54.24 5.76" in page


class TestJob:
    def test_what_was_held_for_it(self, federation: Federation, alice: Client) -> None:
        made = reserve(federation, amount=4)
        captures.capture(federation.client, made.id, cpu(2), key="c", raw="{}", final=False)
        book(federation)
        html = alice.get(JOB)
        page = text_of(html)
        assert "Credits held Reserved while the job ran" in page
        assert "4.00 reserved, 5.76 charged, 1.76 beyond the hold" in page
        assert f'href="{path(made)}"' in html.content.decode()

    def test_a_capture_is_no_added_value_and_replaced_not_given_back(
        self, federation: Federation, alice: Client
    ) -> None:
        made = reserve(federation, amount=30)
        for used in (1, 2):
            captures.capture(federation.client, made.id, cpu(used), key=f"c-{used}", raw="{}", final=False)
        page = text_of(alice.get(JOB))
        assert "Used so far, charged under the hold Replaced by a later charge" in page
        book(federation)
        page = text_of(alice.get(JOB))
        assert "Added value" not in page
        assert "Given back:" not in page
        assert "superseded" not in page
        assert "2 earlier charges, replaced since" in page
        assert page.count("Replaced by the job’s report") == 2
        assert "Run 2" not in page
        assert "Together 5.759775" in page

    def test_added_value_and_a_refund_are_what_they_were(self, federation: Federation, alice: Client) -> None:
        reserve(federation, amount=30)
        pk = booked(federation)
        area = UsageLine("area", Decimal(4_000_000), "square_meter", "4000000")
        added = replace(federation.report(key="k-3"), endpoint=ADDED_VALUE, service="ndvi", lines=(area,))
        usage.ingest(federation.client, [added], on_reuse="refuse")
        ledger.reverse(pk, "failed_job")
        page = text_of(alice.get(JOB))
        assert "Given back: Failed job" in page
        assert "Added value of ndvi" in page
        assert "earlier charge" not in page
        assert "Charged, and ended The charge The charge was given back" in page

    def test_without_a_hold_nothing_is_said(self, federation: Federation, alice: Client) -> None:
        book(federation)
        assert "Credits held" not in text_of(alice.get(JOB))


class TestQueries:
    """However much there is to show, a page asks the same number of questions."""

    def test_a_page_takes_a_fixed_number(
        self, federation: Federation, alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        made = reserve(federation)
        book(federation, job_id="j-2")
        for address, most in (("/dashboard/", 22), ("/holds/", 9), (path(made), 12)):
            with django_assert_max_num_queries(most):
                alice.get(address)

    @pytest.mark.parametrize("address", ["/dashboard/", "/holds/", "", JOB])
    def test_the_number_does_not_grow(self, federation: Federation, home: int, alice: Client, address: str) -> None:
        federation.grant(home, micros(100), "Card", kind="paid")
        parent = reserve(federation, "p", 50, job_id="whole")
        counted = []
        for batch in (2, 5):
            for number in range(batch):
                key = f"{batch}-{number}"
                made = reserve(federation, f"h-{key}", 1)
                captures.capture(federation.client, made.id, cpu(0.5), key=key, raw="{}", final=False)
                reserve(federation, f"c-{key}", 1, parent=parent.id, job_id=f"part-{key}")
            counted.append(count(lambda: alice.get(address or path(parent))))
        assert counted[0] == counted[1]
