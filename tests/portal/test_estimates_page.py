"""The page about estimates: what it says of good, bad and few comparisons, and for whom."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting import registry
from accounting.models import Calibration, Source
from portal.contexts import estimates
from tests.conftest import SOURCE, Federation
from tests.portal.reader import sign_in, text_of


def count(source: str | None, days: int, jobs: int, inside: int, bias: float = 1.0) -> None:
    where = Source.objects.get(source_id=source) if source else None
    now = timezone.now().replace(microsecond=0)
    Calibration.objects.create(source=where, days=days, jobs=jobs, inside=inside, bias=bias, counted_at=now)


@pytest.fixture
def reader(federation: Federation) -> Client:
    return sign_in("alice@egi.eu")


def test_strangers_sign_in_first(client: Client, db: None) -> None:
    response = client.get("/estimates/")
    assert response.status_code == 302
    assert response["Location"].startswith("/oidc/authenticate/")


def test_nothing_compared_yet_says_what_will_come(reader: Client) -> None:
    assert "Nothing compared yet" in text_of(reader.get("/estimates/"))


def test_it_says_how_often_intervals_held(reader: Client) -> None:
    for where in (None, SOURCE):
        count(where, 0, 2000, 1600)
        count(where, 30, 800, 640, bias=1.04)
    count("cdse", 0, 12, 12)
    text = text_of(reader.get("/estimates/"))
    assert "80.0 % As promised 640 of 800 jobs · the aim is 80 %" in text
    assert "Cost 4 % more" in text
    assert "2,000 80.0 % of them within the interval" in text
    assert text.index("CDSE cdse") < text.index("Terrascope TerraScope/MEP")


def test_bars_say_in_words_what_they_show(reader: Client) -> None:
    for where in (None, SOURCE):
        count(where, 0, 100, 61)
        count(where, 30, 100, 61)
    body = reader.get("/estimates/").content.decode()
    assert 'aria-label="61.0 % of the jobs on Terrascope cost what the interval said; the aim is 80 %"' in body
    assert '<rect class="coverage-share" y="2" width="61.0"' in body
    assert "style=" not in body


@pytest.mark.parametrize(
    ("jobs", "inside", "said"),
    [
        (100, 80, "As promised"),
        (100, 75, "As promised"),
        (100, 74, "Too narrow"),
        (100, 86, "Too wide"),
        (29, 0, "Few jobs yet"),
    ],
)
def test_a_verdict_is_given_when_there_are_jobs_enough(db: None, jobs: int, inside: int, said: str) -> None:
    count(None, 30, jobs, inside)
    recent = estimates.page_of().recent
    assert recent is not None
    assert recent.verdict.text == said


@pytest.mark.parametrize(
    ("bias", "said"), [(1.0, "On the spot"), (1.004, "On the spot"), (0.9, "Cost 10 % less"), (2.0, "Cost 100 % more")]
)
def test_the_middle_is_compared_in_words(db: None, bias: float, said: str) -> None:
    count(None, 30, 100, 80, bias)
    recent = estimates.page_of().recent
    assert recent is not None
    assert recent.off == said


def test_it_is_one_page_in_the_navigation(reader: Client) -> None:
    body = reader.get("/estimates/").content.decode()
    assert 'href="/estimates/" aria-current="page"' in body


def test_its_queries_do_not_grow_with_the_back_ends(reader: Client, federation: Federation) -> None:
    counts: list[int] = []
    for number in range(3):
        backend = registry.register_backend(f"b{number}", f"B {number}", federation.provider)
        registry.register_source(f"s{number}", backend, "https://aai.example.org/auth/realms/egi")
        count(f"s{number}", 0, 50, 40)
        with CaptureQueriesContext(connection) as queries:
            reader.get("/estimates/")
        counts.append(len(queries))
    assert len(set(counts[1:])) == 1
