"""Help: open to everybody, complete, found by what people ask, and its links lead somewhere."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from pytest_django import DjangoAssertNumQueries

from accounting import guard, openeo_errors, tariffs
from accounting.models import Limit, Transaction
from accounting.rating import Rule, UsageLine, rate
from portal.contexts import help as answers
from tests.portal.reader import text_of

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "help"
SLUGS = [topic.slug for topic in answers.TOPICS]


@pytest.mark.parametrize("slug", SLUGS)
def test_each_question_is_asked_linked_and_answered(client: Client, db: None, slug: str) -> None:
    response = client.get(f"/help/{slug}/")
    page = response.content.decode()

    assert response.status_code == 200
    topic = answers.page_of(slug).topic
    assert topic is not None
    for question in topic.questions:
        assert f'href="#{question.slug}"' in page
        assert f'id="{question.slug}"' in page
        assert str(question.title) in page


def test_every_answer_belongs_to_one_question() -> None:
    asked = [question.slug for topic in answers.TOPICS for question in topic.questions]

    assert sorted(asked) == sorted(path.stem for path in TEMPLATES.glob("*.html"))


def test_every_link_of_an_answer_leads_somewhere(client: Client, db: None) -> None:
    pages = {path: client.get(path).content.decode() for path in ["/help/", *(f"/help/{slug}/" for slug in SLUGS)]}
    for page in pages.values():
        main = page.partition("<main")[2].partition("</main>")[0]
        for href in re.findall(r'href="([^"]+)"', main):
            path, _, anchor = href.partition("#")
            if anchor and path in pages:
                assert f'id="{anchor}"' in pages[path], href
            if path.startswith("/"):
                try:
                    resolve(path.partition("?")[0])
                except Resolver404:
                    pytest.fail(f"{href} leads nowhere")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("failed job", "researcher/#failed-job"),
        ("etl_organization_id", "researcher/#who-pays"),
        ("budget", "researcher/#runaway-job"),
        ("euro", "researcher/#credits"),
        ("another back end", "researcher/#different-costs"),
        ("twice", "researcher/#charged-twice"),
        ("run out", "researcher/#used-up"),
        ("told before", "researcher/#told-in-time"),
        ("back credits", "researcher/#refund"),
        ("synchronous", "researcher/#sync"),
        ("service account", "team-lead/#team-service-account"),
        ("estimate", "researcher/#estimate"),
        ("limits", "team-lead/#bounds"),
        ("kept reason", "back-end-operator/#report-refused"),
        ("square kilometre", "publisher/#algorithm-price"),
    ],
)
def test_what_people_ask_is_found(asked: str, found: str) -> None:
    assert f"/help/{found}" in [one.href for one in answers.find(asked.split())]


def test_examples_of_code_are_no_answers() -> None:
    assert answers.find(["NDVI"]) == ()
    assert answers.find(["create_job"]) == ()


def test_a_question_that_says_it_itself_comes_first() -> None:
    assert answers.find(["failed"])[0].href == "/help/researcher/#failed-job"


def test_a_credit_is_worth_what_the_settings_say(client: Client, db: None, settings: Any) -> None:
    settings.CREDIT_EURO = Decimal("0.5")

    assert "100.00 €50.00" in text_of(client.get("/help/researcher/"))


def test_where_to_ask_is_shown_when_there_is_such_a_place(client: Client, db: None, settings: Any) -> None:
    assert "Ask the operator" not in text_of(client.get("/help/"))
    settings.SUPPORT_URL = "https://help.example.org/?a=1&b=2"

    page = client.get("/help/researcher/").content.decode()
    assert 'href="https://help.example.org/?a=1&amp;b=2"' in page


@pytest.mark.parametrize("slug", ["nothing", "a" * 300, "%00"])
def test_another_topic_is_not_found(client: Client, db: None, slug: str) -> None:
    assert client.get(f"/help/{slug}/").status_code == 404


def test_strangers_read_without_a_query(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    with django_assert_num_queries(0):
        client.get("/help/researcher/")


def said(slug: str) -> str:
    """An answer as plain text."""
    return " ".join(re.sub(r"<[^>]*>", "", (TEMPLATES / f"{slug}.html").read_text()).split())


def test_what_is_said_is_what_the_code_does() -> None:
    """Figures and names in the answers follow the code; the rest was read against it."""
    reasons = {reason.replace("_", " ") for reason in Transaction.Reason.values} - {"superseded"}
    spelt = said("refund").replace("outage of the provider", "provider outage")
    assert [reason for reason in reasons if reason not in spelt] == []

    assert f"{guard.WARN_PERCENT} %" in said("runaway-job")
    assert f"{tariffs.ANNOUNCEMENT.days} days ahead" in said("rate-change")
    assert openeo_errors.find("no_credit", 402).code == "PaymentRequired"
    assert "PaymentRequired" in said("used-up")
    assert set(Limit.Period.values) == {"month", "year", "total", "job"}
    assert "in a month, in a year or in all" in said("bounds")
    assert "each single job" in said("bounds")


def test_a_failed_job_may_pay_less_and_its_formula_says_so() -> None:
    """As the answer promises: a rule of its own, and a formula that ends in its factor."""
    rules = (
        Rule(1, "CPU", "cpu", "cpu-hour", "per_unit", Decimal(2)),
        Rule(
            2,
            "Failed",
            "cpu",
            "cpu-hour",
            "per_unit",
            Decimal(2),
            factor=Decimal("0.5"),
            when={"state": frozenset({"FAILED"})},
        ),
    )
    (line,) = rate([UsageLine("cpu", Decimal(3600), "cpu-seconds", "3600")], rules, {"state": "FAILED"})

    assert (line.rule_name, line.amount) == ("Failed", 1_000_000)
    assert line.formula.endswith("* 0.5")
