"""What goes wrong is said in the design, with what to do: as a page, and beside the page when only a part was asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory

from portal import logs
from portal.api import errors
from portal.api.faults import Fault
from portal.middleware import MAX_FORM_BYTES
from tests.portal.reader import text_of

PART = {"HX-Request": "true"}


def answered(fault: Fault, **headers: str) -> Any:
    """The fault on a page, as somebody who is not signed in sees it."""
    request = RequestFactory().get("/jobs/", headers=headers)
    request.user = AnonymousUser()
    logs.begin("a-reference-to-quote")
    return errors.answer(request, fault)


class TestPages:
    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (Fault(400, "invalid_input", "state must be one of the states offered"), "state must be one of the states"),
            (Fault(403, "csrf_failed", ""), "reload the page and send it again"),
            (Fault(403, "permission_denied", ""), "ask an owner of the organisation"),
            (Fault(404, "not_found", ""), "you need to sign in"),
            (Fault(413, "body_too_large", ""), "Send less of it at a time"),
            (Fault(429, "rate_limited", "", headers={"Retry-After": "9"}), "Wait a minute, then reload the page"),
            (Fault(500, "internal_error", ""), "No credits are lost"),
            (Fault(503, "temporarily_unavailable", "", headers={"Retry-After": "2"}), "Reload the page in a minute"),
        ],
    )
    def test_each_says_what_to_do(self, fault: Fault, said: str) -> None:
        response = answered(fault)
        page = text_of(response)

        assert response.status_code == fault.status
        assert f"Error {fault.status}" in page
        assert said in page
        assert "Reference a-reference-to-quote" in page
        for name, value in fault.headers.items():
            assert response[name] == value

    def test_the_text_of_a_refusal_is_for_the_log_alone(self) -> None:
        """It may name what nobody should read; pages that have something to say to the person say it themselves."""
        request = RequestFactory().get("/organisation/")
        request.user = AnonymousUser()
        page = text_of(errors.permission_denied(request, PermissionDenied("row 17 of secret")))

        assert "You may not see this" in page
        assert "secret" not in page

    def test_texts_of_people_are_no_markup(self) -> None:
        response = answered(Fault(400, "invalid_input", "<script>alert(1)</script>"))

        assert "<script>alert" not in response.content.decode()

    def test_where_to_ask_is_offered_where_it_is_our_fault(self, settings: Any) -> None:
        settings.SUPPORT_URL = "https://help.example.org/"

        assert "Ask the operator" in text_of(answered(Fault(500, "internal_error", "")))
        assert "Ask the operator" not in text_of(answered(Fault(404, "not_found", "")))

    def test_a_form_that_is_too_large(self, alice: Client) -> None:
        response = alice.post("/theme/", {"theme": "x" * (MAX_FORM_BYTES + 1)})

        assert response.status_code == 413
        assert "nothing was saved" in text_of(response)


class TestParts:
    @pytest.mark.parametrize("path", ["/jobs/?state=x", "/holds/00000000-0000-0000-0000-000000000000/"])
    def test_a_part_that_failed_joins_the_toasts(self, alice: Client, path: str) -> None:
        response = alice.get(path, headers=PART)

        assert response.status_code in {400, 404}
        assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#toasts", "beforeend")
        assert response["HX-Push-Url"] == "false"
        assert "<html" not in response.content.decode()
        assert 'role="alert"' in response.content.decode()

    def test_the_reason_is_named(self, alice: Client) -> None:
        assert "state must be one of" in text_of(alice.get("/jobs/?state=x", headers=PART))

    def test_a_whole_page_from_the_history_is_whole(self, alice: Client) -> None:
        response = alice.get("/jobs/?state=x", headers={**PART, "HX-History-Restore-Request": "true"})

        assert "<html" in response.content.decode()

    @pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
    def test_each_has_a_word(self, status: int) -> None:
        response = answered(Fault(status, "x", "A reason."), **PART)

        assert response.status_code == status
        assert len(text_of(response)) > 30

    def test_a_fault_of_ours_names_its_reference_and_nothing_else(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("boom")

        monkeypatch.setattr("portal.contexts.jobs.page_of", broken)
        alice.raise_request_exception = False
        response = alice.get("/jobs/", headers=PART)

        assert response.status_code == 500
        assert response["X-Request-ID"] in text_of(response)
        assert "boom" not in text_of(response)


class TestSessionOver:
    def over(self, client: Client, **headers: str) -> Any:
        return client.post("/organisation/switch/", {"organisation": "1"}, headers={"host": "testserver", **headers})

    def test_a_form_sent_too_late_says_that_nothing_was_saved(self, client: Client, db: None) -> None:
        response = self.over(client, referer="http://testserver/jobs/?state=FAILED")
        page = client.get(response["Location"])

        assert "was not saved" in text_of(page)
        again = page.content.decode().partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert parse_qs(urlsplit(again).query)["next"] == ["/jobs/?state=FAILED"]

    @pytest.mark.parametrize("referer", ["", "https://evil.example/x", "http://testserver.evil/x", "http://testserver"])
    def test_another_site_is_no_way_back(self, client: Client, db: None, referer: str) -> None:
        assert self.over(client, referer=referer)["Location"] == "/session-over/"

    @pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil"])
    def test_nor_is_one_in_the_address(self, client: Client, db: None, target: str) -> None:
        page = client.get("/session-over/", {"next": target}).content.decode()

        assert "evil" not in page
        assert "javascript:" not in page

    def test_who_is_signed_in_again_goes_on(self, alice: Client) -> None:
        assert alice.get("/session-over/", {"next": "/jobs/"})["Location"] == "/jobs/"

    def test_a_part_sends_the_whole_page_to_sign_in_and_back(self, client: Client, db: None) -> None:
        headers = {**PART, "HX-Current-URL": "http://testserver/jobs/?state=FAILED"}
        response = self.over(client, **headers)

        assert response.status_code == 401
        assert response["HX-Redirect"] == "/oidc/authenticate/?next=%2Fjobs%2F%3Fstate%3DFAILED"
