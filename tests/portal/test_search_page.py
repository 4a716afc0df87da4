"""The search: only what the person may see, in few queries, as a page and as a part."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounting import organisations
from portal.contexts import navigation
from portal.contexts.search import JOBS
from portal.models import User
from tests.portal import scene as scenes
from tests.portal.reader import GOLDEN, ISSUER, sign_in, text_of
from tests.portal.test_pages import count

EMPTY = re.compile("Nothing fits these words")


def hits(response: Any) -> list[str]:
    """The addresses of what was found, and the organisations that can be switched to."""
    found = re.findall(r'data-hit href="([^"]*)"|data-hit name="organisation" value="(\d+)"', response.content.decode())
    return [address or organisation for address, organisation in found]


class TestWhoFindsWhat:
    @pytest.mark.parametrize("text", ["j-2611209f31c4a7", "Flanders", "j-26"])
    def test_a_job_of_others_is_not_found(self, scene: scenes.Scene, text: str) -> None:
        found = hits(sign_in("mallory@egi.eu").get("/search/", {"q": text}))

        assert not [href for href in found if href.startswith("/jobs/")]

    def test_an_organisation_of_others_is_not_found(self, scene: scenes.Scene) -> None:
        mallory = sign_in("mallory@egi.eu")
        for text in ("Ghent", str(scene.lab)):
            assert EMPTY.search(text_of(mallory.get("/search/", {"q": text})))

    def test_a_stranger_finds_answers_and_open_pages_alone(self, scene: scenes.Scene, client: Client) -> None:
        found = hits(client.get("/search/", {"q": "failed job"}))
        assert found
        assert all(href.startswith("/help/") for href in found)
        assert hits(client.get("/search/", {"q": "terrascope mep"})) == ["/backends/terrascope/"]
        assert "Dashboard" not in text_of(client.get("/search/")).split("Go to a page")[1]

    def test_who_left_finds_nothing_of_it_any_more(self, scene: scenes.Scene) -> None:
        from accounting.models import Member

        alice = sign_in(scenes.ALICE)
        organisations.switch_organisation(scene.alice, scene.home)
        Member.objects.filter(organisation=scene.lab, person=scene.alice).delete()

        assert not [href for href in hits(alice.get("/search/", {"q": "Flanders"})) if href.startswith("/jobs/")]

    def test_the_records_are_found_by_staff_alone(self, alice: Client) -> None:
        records = reverse("admin:index")
        assert records not in hits(alice.get("/search/", {"q": "records"}))
        User.objects.update(is_staff=True)
        assert records in hits(alice.get("/search/", {"q": "records"}))

    def test_it_is_not_kept_by_caches(self, alice: Client) -> None:
        response = alice.get("/search/", {"q": "Flanders"})

        assert "no-store" in response["Cache-Control"]
        assert "HX-Request" in response["Vary"]


class TestFinding:
    @pytest.mark.parametrize("text", ["j-2611209f31c4a7", "j-2611209", "  flanders  september ", "SEPTEMBER"])
    def test_a_job(self, alice: Client, text: str) -> None:
        assert GOLDEN in hits(alice.get("/search/", {"q": text}))

    def test_a_job_of_the_other_organisation_opens_as_its_payer_sees(self, alice: Client, scene: scenes.Scene) -> None:
        organisations.switch_organisation(scene.alice, scene.home)
        response = alice.get("/search/", {"q": "j-2611209f31c4a7"})

        (href,) = [href for href in hits(response) if href.startswith("/jobs/")]
        assert href == f"{GOLDEN}?payer={scene.lab}"
        assert "paid by Geo Lab Ghent" in text_of(response)
        assert alice.get(href).status_code == 200

    @pytest.mark.parametrize("text", ["ghent", "geo lab", "{lab}"])
    def test_an_organisation_is_switched_to(self, alice: Client, scene: scenes.Scene, text: str) -> None:
        organisations.switch_organisation(scene.alice, scene.home)

        assert str(scene.lab) in hits(alice.get("/search/", {"q": text.format(lab=scene.lab)}))

    def test_a_back_end_a_page_and_an_answer(self, alice: Client) -> None:
        assert "/backends/cdse/" in hits(alice.get("/search/", {"q": "copernicus"}))
        assert hits(alice.get("/search/", {"q": "balance"}))[0] == "/dashboard/"
        assert "/help/researcher/#who-pays" in hits(alice.get("/search/", {"q": "etl_organization_id"}))

    def test_nothing_typed_offers_the_pages(self, alice: Client) -> None:
        found = hits(alice.get("/search/"))

        assert found[:3] == ["/dashboard/", "/usage/", "/jobs/"]

    def test_nothing_found_says_how_to_look(self, alice: Client) -> None:
        assert "by the beginning of their id" in text_of(alice.get("/search/", {"q": "zzzz"}))

    def test_htmx_gets_what_was_found_alone(self, alice: Client) -> None:
        part = alice.get("/search/", {"q": "Flanders"}, headers={"HX-Request": "true"}).content.decode()

        assert "<html" not in part
        assert "data-hit" in part
        assert 'role="status"' in part

    @pytest.mark.parametrize("text", ["x" * 201, "a\x00b", "\x00"])
    def test_what_is_no_text_is_refused(self, alice: Client, text: str) -> None:
        response = alice.get("/search/", {"q": text})

        assert response.status_code == 400
        assert "q must" in response.content.decode()

    @pytest.mark.parametrize(
        "text", ["%", "' OR 1=1", "<script>alert(1)</script>", "\u202e", "\U0001f6f0", "9" * 200, "\\", "a " * 99]
    )
    def test_anything_else_is_looked_for_and_shown_as_it_is(self, alice: Client, text: str) -> None:
        response = alice.get("/search/", {"q": text})

        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()

    def test_half_a_letter_in_the_address_is_no_fault_of_ours(self, alice: Client) -> None:
        assert alice.get("/search/?q=%ED%A0%80").status_code in {200, 400}


class TestQueries:
    @pytest.mark.parametrize(("text", "most"), [("", 4), ("flanders", 7), ("j-26", 7), ("terrascope", 7)])
    def test_few_whatever_is_found(
        self, alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries, text: str, most: int
    ) -> None:
        with django_assert_max_num_queries(most):
            alice.get("/search/", {"q": text})

    def test_the_number_does_not_grow_and_neither_does_the_list(self, db: None) -> None:
        scenes.furnish(ISSUER, jobs=30)
        alice = sign_in(scenes.ALICE)
        one, many = (count(lambda q=q: alice.get("/search/", {"q": q})) for q in ("j-2611209f31c4a7", "j-26"))  # type: ignore[misc]

        assert one == many
        jobs = [
            href for href in hits(alice.get("/search/", {"q": "j-26"})) if href.startswith("/jobs/") and "?" not in href
        ]
        assert len(jobs) <= JOBS


def test_every_page_that_is_listed_exists_and_is_found_by_its_title(alice: Client) -> None:
    User.objects.update(is_staff=True)
    for entry in (*navigation.ENTRIES, *navigation.ELSEWHERE):
        assert reverse(entry.route) in hits(alice.get("/search/", {"q": str(entry.title)}))
