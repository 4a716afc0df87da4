"""Saved views: whose they are, who sees them, where they lead, and how many there may be."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from accounting import organisations
from portal import saved_views
from portal.models import DefaultView, SavedView, User
from tests.conftest import Federation
from tests.portal.reader import sign_in, text_of


@pytest.fixture
def alice(federation: Federation) -> Client:
    organisations.switch_organisation(federation.alice.pk, federation.lab)
    return sign_in(federation.alice.sub, name="Alice Archer")


def save(client: Client, name: str = "Failed jobs", query: str = "period=7d&by=member", **more: str) -> SavedView:
    response = client.post("/usage/views/", {"name": name, "query": query, **more})
    assert response.status_code == 302, text_of(response)
    return SavedView.objects.get(name=name)


class TestWhoMayWhat:
    def test_strangers_sign_in(self, client: Client, bob: Client) -> None:
        view = save(bob, shared="on")
        for path in ("", "change/", "delete/"):
            ask = client.get if not path else client.post
            response = ask(f"/usage/views/{view.pk}/{path}")
            assert response.status_code == 302
            assert response["Location"].startswith(("/oidc/", "/session-over/"))
        assert SavedView.objects.filter(pk=view.pk, name="Failed jobs").exists()

    def test_a_private_view_is_nobody_elses(self, bob: Client, alice: Client) -> None:
        view = save(bob)

        assert alice.get(f"/usage/views/{view.pk}/").status_code == 404
        assert "Failed jobs" not in text_of(alice.get("/usage/"))
        assert alice.post("/usage/views/default/", {"view": str(view.pk)}).status_code == 404

    def test_a_shared_view_is_read_by_members_and_changed_by_its_owner(self, bob: Client, alice: Client) -> None:
        view = save(bob, shared="on")

        assert "Failed jobs" in text_of(alice.get("/usage/"))
        assert alice.get(f"/usage/views/{view.pk}/")["Location"] == "/usage/?period=7d&by=member"
        for path in ("change/", "delete/"):
            assert alice.post(f"/usage/views/{view.pk}/{path}", {"name": "Mine"}).status_code == 404
        assert SavedView.objects.get().name == "Failed jobs"

    def test_members_of_others_find_none(self, bob: Client, federation: Federation) -> None:
        view = save(bob, shared="on")
        mallory = sign_in("mallory@egi.eu")

        assert mallory.get(f"/usage/views/{view.pk}/").status_code == 404
        assert mallory.get(f"/usage/views/{uuid.uuid4()}/").status_code == 404
        assert mallory.post("/usage/views/default/", {"view": str(view.pk)}).status_code == 404
        assert mallory.post(f"/usage/views/{view.pk}/delete/").status_code == 404

    def test_who_left_finds_it_no_more(self, bob: Client, alice: Client, federation: Federation) -> None:
        from accounting.models import Member

        view = save(bob, shared="on")
        alice.post("/usage/views/default/", {"view": str(view.pk)})
        Member.objects.filter(organisation_id=federation.lab, person_id=federation.alice.pk).delete()
        organisations.switch_organisation(federation.alice.pk, federation.alice.personal_organisation)

        assert alice.get(f"/usage/views/{view.pk}/").status_code == 404
        assert alice.get("/usage/").status_code == 200


class TestSaving:
    def test_what_is_kept_is_canonical_and_leads_nowhere_else(self, bob: Client) -> None:
        view = save(bob, query="next=//evil.example&by=member&period=7d&split=member&x=1")

        assert view.query == "period=7d&by=member"

    @pytest.mark.parametrize(
        ("told", "said"),
        [
            ({"name": "", "query": ""}, "This field is required"),
            ({"name": "x" * 81, "query": ""}, "at most 80"),
            ({"name": "a\x00b", "query": ""}, "Null characters"),
            ({"name": "x", "query": "by=nothing"}, "by must be one of"),
            ({"name": "x", "query": "&".join(f"process={'y' * 250}{n}" for n in range(20))}, "fewer values"),
            ({"name": "x", "query": "z" * 8001}, "at most 8000"),
        ],
    )
    def test_what_cannot_be_kept_is_said_beside_it(self, bob: Client, told: dict[str, str], said: str) -> None:
        response = bob.post("/usage/views/", told)

        assert response.status_code == 422
        assert said in text_of(response)
        assert not SavedView.objects.exists()

    def test_a_name_is_given_once(self, bob: Client, alice: Client) -> None:
        save(bob)
        response = bob.post("/usage/views/", {"name": "Failed jobs", "query": "period=30d"})

        assert response.status_code == 422
        assert "You have a view of that name already." in text_of(response)
        alice.post("/usage/views/", {"name": "Failed jobs", "query": ""})  # another person's is another view
        assert SavedView.objects.count() == 2

    def test_there_is_a_bound(self, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(saved_views, "MOST", 2)
        save(bob, "one")
        save(bob, "two")
        response = bob.post("/usage/views/", {"name": "three", "query": ""})

        assert response.status_code == 422
        assert "You keep 2 views here: delete one first." in text_of(response)

    def test_it_is_renamed_shared_and_deleted(self, bob: Client, alice: Client) -> None:
        view = save(bob)
        bob.post(f"/usage/views/{view.pk}/change/", {"name": "Every failure", "shared": "on"})
        assert "Every failure" in text_of(alice.get("/usage/views/"))
        alice.post("/usage/views/default/", {"view": str(view.pk)})

        bob.post(f"/usage/views/{view.pk}/change/", {"name": "Every failure"})
        alice.get("/usage/views/")  # what was done is said once
        assert "Every failure" not in text_of(alice.get("/usage/views/"))
        assert not DefaultView.objects.exists()
        save(bob, "Other")
        taken = bob.post(f"/usage/views/{view.pk}/change/", {"name": "Other"})
        assert (taken.status_code, SavedView.objects.get(pk=view.pk).name) == (422, "Every failure")
        assert bob.post(f"/usage/views/{view.pk}/delete/").status_code == 302
        assert list(SavedView.objects.values_list("name", flat=True)) == ["Other"]


class TestDefault:
    def test_usage_opens_with_it_until_it_is_taken_back(self, bob: Client) -> None:
        view = save(bob)
        bob.post("/usage/views/default/", {"view": str(view.pk)})

        assert bob.get("/usage/")["Location"] == "/usage/?period=7d&by=member"
        assert bob.get("/usage/?period=30d").status_code == 200
        bob.post("/usage/views/default/", {})
        assert bob.get("/usage/").status_code == 200

    @pytest.mark.parametrize("named", ["x", "\x00", "1", str(uuid.UUID(int=0))])
    def test_nonsense_is_not_found(self, bob: Client, named: str) -> None:
        assert bob.post("/usage/views/default/", {"view": named}).status_code == 404

    def test_of_one_organisation_it_is_not_that_of_another(self, bob: Client, federation: Federation) -> None:
        view = save(bob)
        bob.post("/usage/views/default/", {"view": str(view.pk)})
        organisations.switch_organisation(federation.bob.pk, federation.bob.personal_organisation)

        assert bob.get("/usage/").status_code == 200
        page = text_of(bob.get(f"/usage/views/{view.pk}/"))
        assert "This view is about the usage of Geo Lab" in page

    def test_it_goes_with_its_view_and_its_person(self, bob: Client, alice: Client, federation: Federation) -> None:
        view = save(bob, shared="on")
        alice.post("/usage/views/default/", {"view": str(view.pk)})
        User.objects.get(person_id=federation.bob.pk).delete()

        assert not SavedView.objects.exists()
        assert alice.get("/usage/").status_code == 200
