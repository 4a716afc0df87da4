"""The terms of use: who is asked, when, and that nothing that was used waits for the answer (Q5)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounting import organisations, usage
from accounting.models import Person
from tests.conftest import Federation
from tests.portal.reader import sign_in, text_of

NOTICE = "Please read and accept the terms of use"


@pytest.fixture
def required(settings: Any) -> Any:
    settings.TERMS_VERSION = "2026-11"
    settings.TERMS_URL = "https://credits.example.org/terms-2026-11.pdf"
    return settings


@pytest.fixture
def alice(federation: Federation) -> Client:
    return sign_in(federation.alice.sub)


def accepted(federation: Federation) -> str:
    return organisations.accepted_terms(federation.alice.pk)[0]


class TestWho:
    def test_a_stranger_is_sent_to_sign_in(self, db: None, client: Client, required: Any) -> None:
        answer = client.get("/terms/")
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/oidc/authenticate/")
        assert client.post("/terms/", {"version": "2026-11"})["Location"] == "/session-over/"

    def test_a_form_of_another_site_accepts_nothing(self, federation: Federation, required: Any) -> None:
        client = sign_in(federation.alice.sub)
        client.handler.enforce_csrf_checks = True
        assert client.post("/terms/", {"version": "2026-11"}).status_code == 403
        assert accepted(federation) == ""

    def test_nobody_is_asked_when_there_are_none(self, federation: Federation, alice: Client) -> None:
        assert alice.get("/terms/").status_code == 404
        assert alice.post("/terms/", {"version": ""}).status_code == 404
        assert NOTICE not in text_of(alice.get("/dashboard/"))
        assert accepted(federation) == ""


class TestAsking:
    def test_until_they_are_accepted_and_again_for_the_next_version(
        self, federation: Federation, alice: Client, required: Any
    ) -> None:
        assert NOTICE in text_of(alice.get("/dashboard/"))
        page = alice.get("/terms/").content.decode()
        assert f'href="{required.TERMS_URL}"' in page
        assert alice.post("/terms/", {"version": "2026-11"})["Location"] == "/dashboard/"

        assert NOTICE not in text_of(alice.get("/dashboard/"))
        assert "You accepted this version on" in text_of(alice.get("/terms/"))
        assert "<form method" not in alice.get("/terms/").content.decode().partition("<main")[2].partition("</main")[0]

        required.TERMS_VERSION = "2027-01"
        assert NOTICE in text_of(alice.get("/dashboard/"))
        assert "You accepted version 2026-11; this one has taken its place" in text_of(alice.get("/terms/"))
        assert accepted(federation) == "2026-11"

    def test_a_version_that_changed_under_the_form_is_shown_first(
        self, federation: Federation, alice: Client, required: Any
    ) -> None:
        required.TERMS_VERSION = "2027-01"
        answer = alice.post("/terms/", {"version": "2026-11"})
        assert answer.status_code == 409
        assert "A newer version came into force meanwhile" in text_of(answer)
        assert "Version 2027-01" in text_of(answer)
        assert accepted(federation) == ""

    @pytest.mark.parametrize("form", [{}, {"version": ""}, {"version": "2026"}, {"version": "\x00"}])
    def test_anything_else_accepts_nothing(
        self, federation: Federation, alice: Client, required: Any, form: dict[str, str]
    ) -> None:
        assert alice.post("/terms/", form).status_code == 409
        assert accepted(federation) == ""

    def test_a_version_may_hold_anything_and_stays_text(
        self, federation: Federation, alice: Client, required: Any
    ) -> None:
        required.TERMS_VERSION = '<b>"1" & 2</b>'
        assert "<b>" not in alice.get("/terms/").content.decode()
        alice.post("/terms/", {"version": required.TERMS_VERSION})
        assert accepted(federation) == required.TERMS_VERSION


class TestRemembering:
    def test_the_same_version_again_keeps_its_first_instant(self, federation: Federation) -> None:
        organisations.accept_terms(federation.alice.pk, "1")
        first = organisations.accepted_terms(federation.alice.pk)
        organisations.accept_terms(federation.alice.pk, "1")
        assert organisations.accepted_terms(federation.alice.pk) == first
        assert first[1] is not None
        organisations.accept_terms(federation.alice.pk, "2")
        assert organisations.accepted_terms(federation.alice.pk)[0] == "2"
        assert organisations.accepted_terms(federation.bob.pk) == ("", None)

    @pytest.mark.parametrize("half", [{"terms_version": "1"}, {"terms_accepted_at": "2026-01-01T00:00:00Z"}])
    def test_q5_the_database_knows_no_version_without_its_instant(
        self, federation: Federation, half: dict[str, str]
    ) -> None:
        with pytest.raises(IntegrityError, match="person_accepts_terms_at_an_instant"), transaction.atomic():
            Person.objects.filter(pk=federation.alice.pk).update(**half)


def test_q5_what_was_used_is_charged_without_consent(federation: Federation, required: Any) -> None:
    (outcome,) = usage.ingest(federation.client, [federation.report()], on_reuse="refuse")
    assert outcome.status == "booked"
