"""A page speaks the person's language and zone, else what the browser asks for; APIs speak English and UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone, translation

from portal import languages
from portal.models import User
from portal.templatetags import figures
from tests.portal import reader

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def language(response: Any) -> str:
    assert f'<html lang="{response["Content-Language"]}"' in response.content.decode()
    return str(response["Content-Language"])


def get(client: Client, path: str = "/", accept: str = "") -> Any:
    return client.get(path, headers={"accept-language": accept, "host": "127.0.0.1"})


@pytest.mark.parametrize(
    ("accept", "spoken"), [("", "en"), ("de-AT,de;q=0.8", "de"), ("fr", "en"), ("xx-\x00, ;;q=", "en")]
)
def test_strangers_are_answered_as_their_browser_asks(db: None, accept: str, spoken: str) -> None:
    response = get(Client(), accept=accept)

    assert language(response) == spoken
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in response["Vary"].split(",")}


def test_a_cookie_outranks_the_browser(db: None) -> None:
    client = Client()
    client.post("/language/", {"language": "de", "next": "/"}, headers={"host": "127.0.0.1"})

    assert language(get(client, accept="en")) == "de"


def test_a_person_is_answered_in_their_language_wherever_they_sign_in(alice: Client) -> None:
    alice.post("/language/", {"language": "de", "next": "/jobs/"})
    assert User.objects.get(sub__contains="alice").language == "de"
    alice.cookies.pop(settings.LANGUAGE_COOKIE_NAME)

    assert language(get(alice, "/jobs/", accept="en")) == "de"


@pytest.mark.parametrize("wanted", ["", "fr", "de\x00", "../de"])
def test_a_language_that_is_not_offered_is_refused(db: None, wanted: str) -> None:
    assert Client().post("/language/", {"language": wanted}, headers={"host": "127.0.0.1"}).status_code == 400


def test_the_switch_leads_nowhere_else(db: None) -> None:
    response = Client().post("/language/", {"language": "de", "next": "//evil.example"}, headers={"host": "127.0.0.1"})

    assert response["Location"] == "/dashboard/"


def test_one_page_does_not_change_the_next_ones_language(db: None) -> None:
    """The language belongs to the request, not to the thread that served it."""
    get(Client(), accept="de")

    assert translation.get_language() == "en"
    assert language(get(Client())) == "en"


def test_programs_are_answered_in_english(db: None) -> None:
    response = get(Client(), "/api/v1/balance", accept="de")

    assert response.status_code == 401
    assert "Content-Language" not in response


def test_times_are_the_persons_and_utc_is_shown_to_who_points_at_them(alice: Client) -> None:
    User.objects.update(time_zone="Asia/Kolkata")
    page = get(alice, "/jobs/").content.decode()
    job = reader.text_of(get(alice, "/jobs/"))

    assert "Asia/Kolkata" in job
    with timezone.override(languages.zone_named("Asia/Kolkata")):
        assert figures.moment(NOON) == (
            '<time datetime="2026-07-01T12:00:00+00:00" title="2026-07-01 12:00:00 UTC">1 Jul 2026, 17:30</time>'
        )
    assert ' UTC">' in page


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "Europe/\x00"])
def test_a_zone_that_nobody_knows_is_utc(name: str) -> None:
    assert languages.zone_named(name) == UTC


def test_days_are_those_of_the_zone() -> None:
    with timezone.override(languages.zone_named("Pacific/Auckland")):
        assert ">2 Jul 2026<" in str(figures.day(NOON))


def test_numbers_are_written_as_the_language_does() -> None:
    with translation.override("de"):
        assert "1.234<" in str(figures.credits(1_234_500_000))
        assert ",50</span>" in str(figures.credits(1_234_500_000))
        assert 'value="1234.5"' in str(figures.credits(1_234_500_000))
        assert ">−1.234,57<" in str(figures.number(Decimal("-1234.567")))
    assert ">−1,234.57<" in str(figures.number(Decimal("-1234.567")))


def test_every_language_has_a_name_for_itself() -> None:
    assert dict(settings.LANGUAGES) == {"en": "English", "de": "Deutsch"}
