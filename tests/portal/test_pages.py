"""The pages as documents: who may see them, what they say, how many queries they take, what they never contain."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounting import credits as amounts
from accounting import organisations, outbox, queries, usage
from portal.contexts.jobs import job_path
from portal.models import User
from tests.conftest import SOURCE, Federation
from tests.portal import scene as scenes
from tests.portal.reader import GOLDEN, ISSUER, PRIVATE, RECEIPT, sign_in, text_of


class TestWhoSeesWhat:
    @pytest.mark.parametrize("path", PRIVATE)
    def test_a_stranger_is_sent_to_sign_in_and_back(self, client: Client, db: None, path: str) -> None:
        response = client.get(path)

        assert response.status_code == 302
        assert response["Location"] == f"/oidc/authenticate/?next={path.replace('/', '%2F')}"

    def test_a_part_of_a_page_sends_the_whole_page_to_sign_in(self, client: Client, db: None) -> None:
        response = client.get("/jobs/", headers={"HX-Request": "true"})

        assert response.status_code == 401
        assert response["HX-Redirect"] == "/oidc/authenticate/?next=%2Fjobs%2F"

    @pytest.mark.parametrize("path", [GOLDEN, RECEIPT, GOLDEN.replace("/jobs/", "/raw-reports/")])
    def test_a_job_of_others_does_not_exist(self, scene: scenes.Scene, path: str) -> None:
        mallory = sign_in("mallory@egi.eu")

        for payer in ({}, {"payer": scene.lab}):
            response = mallory.get(path, payer)
            assert response.status_code == 404
            assert "Flanders" not in response.content.decode()

    def test_a_colleague_sees_the_job_of_the_organisation(self, scene: scenes.Scene) -> None:
        sign_in(scenes.ALICE, name="Alice Archer")

        assert "Run by Alice Archer" in text_of(sign_in(scenes.BOB).get(GOLDEN))

    def test_who_left_the_organisation_sees_nothing_of_it(self, federation: Federation) -> None:
        usage.ingest(federation.client, [federation.report(organisation=federation.lab)], on_reuse="refuse")
        charlie = sign_in("charlie@egi.eu")

        assert charlie.get(f"/jobs/{SOURCE}/j-1").status_code == 404

    def test_private_pages_are_not_kept_by_caches(self, alice: Client) -> None:
        for path in PRIVATE:
            response = alice.get(path)
            assert "no-store" in response["Cache-Control"]
            assert "private" in response["Cache-Control"]

    def test_a_switch_to_an_organisation_of_others_is_not_found(self, alice: Client, scene: scenes.Scene) -> None:
        stranger = organisations.ensure_person(ISSUER, "x@egi.eu")

        for wanted in (stranger.personal_organisation, 10**17):
            assert alice.post("/organisation/switch/", {"organisation": wanted}).status_code == 404

    @pytest.mark.parametrize("wanted", ["", "a", "-1", "1.5", "\u0661", "9" * 30, "1_0", " 1", "\u0000"])
    def test_a_switch_to_nonsense_is_refused(self, alice: Client, wanted: str) -> None:
        assert alice.post("/organisation/switch/", {"organisation": wanted}).status_code == 400


class TestDashboard:
    def test_it_says_what_is_left_and_of_what(self, alice: Client, scene: scenes.Scene) -> None:
        balance = queries.balance(scene.lab)
        page = text_of(alice.get("/dashboard/"))

        left = f"{amounts.to_decimal(balance.spendable):,.2f}"
        assert f"Spendable now {left}" in page
        for label in ("ESA Network of Resources, project 4711", "Monthly free credits", "Top-up of 25 euro"):
            assert label in page
        assert "Only on Terrascope" in page
        assert f"Together {left}" in page
        assert "What expires when" in page

    def test_it_shows_the_last_jobs_with_state_and_cost(self, alice: Client) -> None:
        page = alice.get("/dashboard/").content.decode()

        assert f'href="{GOLDEN}"' in page
        assert '<data class="credits" value="7.759775">7<span class="minor">.76</span></data>' in page

    def test_it_tells_that_a_named_organisation_did_not_pay(self, alice: Client) -> None:
        page = alice.get("/dashboard/").content.decode()

        assert "but you are not a member of it" in page
        assert 'href="/jobs/cdse/j-2611201b77aa90"' in page

    @pytest.mark.parametrize(
        ("named", "said"),
        [
            (999_999_999, "named organisation 999999999, but you are not a member of it"),
            (1_000_000_000, "A job of yours named an organisation that does not exist So the organisation"),
            (9_007_199_254_740_991, "A job of yours named an organisation that does not exist So the organisation"),
        ],
    )
    def test_an_absurd_organisation_is_not_repeated(self, federation: Federation, named: int, said: str) -> None:
        usage.ingest(federation.client, [federation.report(organisation=named)], on_reuse="refuse")
        outbox.deliver()
        client = sign_in(federation.alice.sub)

        assert said in text_of(client.get("/dashboard/"))
        job = text_of(client.get(f"/jobs/{SOURCE}/j-1"))
        assert ("An organisation that does not exist was named" in job) == (named > 999_999_999)
        assert ("is not a member of it" in job) == (named <= 999_999_999)

    @pytest.mark.parametrize(("count", "folded"), [(1, ""), (2, "1 more notice"), (4, "3 more notices")])
    def test_many_notices_leave_the_balance_in_view(self, federation: Federation, count: int, folded: str) -> None:
        """The debt is the first; each organisation named in vain is another."""
        for number in range(count):
            report = federation.report(f"k-{number}", job_id=f"j-{number}", organisation=900_000 + number)
            usage.ingest(federation.client, [report], on_reuse="refuse")
        outbox.deliver()
        page = sign_in(federation.alice.sub).get("/dashboard/").content.decode()

        assert page.count("but you are not a member of it") == count
        assert ("more-notices" in page) == bool(folded)
        if folded:
            before, after = page.split("more-notices", 1)
            assert before.count("but you are not a member of it") == 1
            assert f"{folded}</summary>" in after

    def test_what_was_told_can_be_closed(self, alice: Client) -> None:
        assert alice.post("/notices/seen/", {"kind": "credits_exhausted"}).status_code == 400
        assert alice.post("/notices/seen/", {"kind": "organisation_refused"})["Location"] == "/dashboard/"
        assert "you are not a member" not in alice.get("/dashboard/").content.decode()

    def test_without_credits_and_jobs_it_says_what_to_do_next(self, db: None) -> None:
        page = text_of(sign_in("new@egi.eu").get("/dashboard/"))

        assert "No credits here yet" in page
        assert "Run it on a back end of the federation" in page
        assert "Spendable now 0.00" in page

    def test_a_debt_is_named_and_explained(self, federation: Federation) -> None:
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
        page = text_of(sign_in(federation.alice.sub).get("/dashboard/"))

        assert "Not covered 5.76" in page
        assert "The credits are used up" in page
        assert "Spendable now 0.00" in page
        assert "No credits left" in page

    def test_switching_shows_the_other_wallet_and_comes_back(self, alice: Client, scene: scenes.Scene) -> None:
        response = alice.post("/organisation/switch/", {"organisation": scene.home, "next": "/dashboard/?x=1"})

        assert response["Location"] == "/dashboard/?x=1"
        assert "Spendable now 500.00" in text_of(alice.get("/dashboard/"))


class TestJobs:
    def test_pages_follow_one_another_without_gap_or_double(self, db: None) -> None:
        scene, alice = scenes.furnish(ISSUER, jobs=30), sign_in(scenes.ALICE)
        expected = [
            job_path(job.source.source_id, job.job_id)
            for job in queries.jobs(organisations=[scene.lab]).order_by("-reported_at", "-pk")
        ]
        found, path = [], "/jobs/"
        pages = []
        while path:
            page = alice.get(path).content.decode()
            pages.append(path)
            found += re.findall(r'data-open[^>]*href="([^"]+)"', page)
            path = link(page, "next")

        assert len(expected) > 25
        assert found == expected
        back = alice.get(link(alice.get(pages[-1]).content.decode(), "prev")).content.decode()
        assert re.findall(r'data-open[^>]*href="([^"]+)"', back) == expected[:25]

    def test_filters_narrow_it_and_stay_while_paging(self, alice: Client) -> None:
        page = alice.get("/jobs/?backend=cdse&state=FAILED").content.decode()

        assert re.findall(r"badge-\w+", page) == ["badge-bad", "badge-bad"]
        assert '<option value="cdse" selected>' in page
        assert "Terrascope</td>" not in page

    def test_nothing_found_says_how_to_go_on(self, alice: Client) -> None:
        page = text_of(alice.get("/jobs/?state=RUNNING"))

        assert "No job fits" in page
        assert "Show all jobs" in page

    def test_htmx_gets_the_rows_alone(self, alice: Client) -> None:
        part = alice.get("/jobs/", headers={"HX-Request": "true"})

        assert "<html" not in part.content.decode()
        assert "<table" in part.content.decode()
        assert "HX-Request" in part["Vary"]

    @pytest.mark.parametrize(
        "query",
        [
            "state=DONE",
            "state=%00",
            "backend=nowhere",
            "backend=%00",
            "after=x",
            "after=1",
            "after=1.",
            "after=-1.1",
            "after=999999999999999999.1",
            "after=1.99999999999999999999",
            "after=\u0661.1",
            "after=1.1&before=1.1",
        ],
    )
    def test_a_bad_query_is_refused(self, alice: Client, query: str) -> None:
        response = alice.get(f"/jobs/?{query}")

        assert response.status_code == 400
        assert "That request could not be read" in response.content.decode()


def link(page: str, rel: str) -> str:
    """The address of the link to the next or previous page; empty when there is none."""
    found = re.search(rf'href="([^"]+)"[^>]*rel="{rel}"', page)
    return found[1].replace("&amp;", "&") if found else ""


class TestQueries:
    """However much there is to show, a page asks the same number of questions."""

    @pytest.mark.parametrize(
        ("path", "most"), [("/dashboard/", 20), ("/jobs/", 9), (GOLDEN, 14), ("/profile/", 8), ("/", 2)]
    )
    def test_a_page_takes_a_fixed_number(
        self, alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries, path: str, most: int
    ) -> None:
        with django_assert_max_num_queries(most):
            alice.get(path)

    @pytest.mark.parametrize("path", ["/dashboard/", "/jobs/", f"/jobs/{SOURCE}/j-1"])
    def test_the_number_does_not_grow(self, federation: Federation, path: str) -> None:
        client = sign_in(federation.alice.sub)
        counted = []
        for batch in (1, 8):
            reports = [
                federation.report(key=f"{batch}-{n}", execution_id=f"{batch}-{n}", job_id=f"j-{1 if n < 4 else n}")
                for n in range(batch)
            ]
            usage.ingest(federation.client, reports, on_reuse="refuse")
            federation.grant(federation.alice.personal_organisation, 1_000_000, f"grant-{batch}")
            counted.append(count(lambda: client.get(path)))

        assert counted[0] == counted[1]


def count(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


class TestFrame:
    def test_strict_headers_on_every_page(self, alice: Client, client: Client) -> None:
        responses = [client.get("/"), client.get("/nothing"), client.get("/oidc/callback/")]
        for response in [*(alice.get(path) for path in PRIVATE), *responses]:
            policy = response["Content-Security-Policy"]
            assert "'unsafe-inline'" not in policy
            assert "default-src 'none'" in policy
            assert response["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in policy

    def test_no_inline_style_or_script_and_nothing_from_elsewhere(self, alice: Client, client: Client) -> None:
        for page in [*(alice.get(path) for path in PRIVATE), client.get("/")]:
            html = page.content.decode()
            assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
            assert not re.search(r'<script(?![^>]*(\ssrc=|type="application/json"))', html)
            assert not re.search(r'(src|href|action)="(https?:)?//', html.replace("http://127.0.0.1", ""))

    @pytest.mark.parametrize("theme", ["light", "dark", "system"])
    def test_the_colours_are_in_the_first_byte(self, client: Client, db: None, theme: str) -> None:
        response = client.post("/theme/", {"theme": theme}, headers={"referer": "http://testserver/?a=1"})

        assert response["Location"] == "/?a=1"
        assert client.cookies["theme"]["httponly"]
        assert f'data-theme="{theme}"' in client.get("/").content.decode()

    @pytest.mark.parametrize("theme", ["", "blue", '"><script>', "\u0000"])
    def test_other_colours_are_refused(self, client: Client, db: None, theme: str) -> None:
        assert client.post("/theme/", {"theme": theme}).status_code == 400
        client.cookies["theme"] = "blue"
        assert 'data-theme="system"' in client.get("/").content.decode()

    def test_a_form_without_its_token_is_refused_in_the_design(self, alice: Client) -> None:
        alice.handler.enforce_csrf_checks = True

        response = alice.post("/theme/", {"theme": "dark"})

        assert response.status_code == 403
        assert "The form could not be accepted" in response.content.decode()

    def test_an_unknown_address_in_the_design(self, alice: Client, client: Client) -> None:
        signed_in, stranger = alice.get("/nothing/here"), client.get("/nothing/here")

        assert (signed_in.status_code, stranger.status_code) == (404, 404)
        assert "Go to the dashboard" in signed_in.content.decode()
        assert "you need to sign in" in stranger.content.decode()

    def test_a_fault_of_ours_in_the_design(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> HttpResponse:
            raise RuntimeError("boom")

        monkeypatch.setattr("portal.contexts.dashboard.page_of", broken)
        alice.raise_request_exception = False

        response = alice.get("/dashboard/")

        assert response.status_code == 500
        assert "Something went wrong on our side" in response.content.decode()
        assert "boom" not in response.content.decode()

    def test_methods_are_kept_apart(self, alice: Client) -> None:
        assert alice.post("/dashboard/").status_code == 405
        assert alice.get("/theme/").status_code == 405
        assert alice.get("/organisation/switch/").status_code == 405
        assert User.objects.count() == 1
