"""The help pages: for each audience a page of questions, each answered by a template of its own (templates/help)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from decimal import Decimal

    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Question:
    """`slug` is the anchor on the page and the name of the template that answers it."""

    slug: str
    title: str | _StrPromise

    @property
    def template(self) -> str:
        return f"help/{self.slug}.html"


@dataclass(frozen=True, slots=True)
class Topic:
    slug: str
    title: str | _StrPromise
    text: str | _StrPromise
    icon: str
    questions: tuple[Question, ...]

    @property
    def href(self) -> str:
        return reverse("help-topic", args=[self.slug])


TOPICS = (
    Topic(
        "researcher",
        _("For researchers"),
        _("What jobs cost and why, what is left, who pays, and how never to be surprised."),
        icon="telescope",
        questions=(
            Question("credits", _("What is a credit, and which of mine are spent first?")),
            Question("failed-job", _("Why did my failed job cost something?")),
            Question("who-pays", _("Which organisation pays, and how do I choose it for one job?")),
            Question("runaway-job", _("How do I keep a job from costing too much?")),
            Question("different-costs", _("Why does the same job cost more on another back end?")),
            Question("estimate", _("What will my job cost?")),
            Question("charged-twice", _("Can I be charged twice when something is sent or run again?")),
            Question("used-up", _("What happens when the credits run out?")),
            Question("told-in-time", _("How am I told before credits run out or expire?")),
            Question("refund", _("How do I get credits back?")),
            Question("sync", _("What do synchronous requests cost?")),
            Question("service-account", _("A program of mine runs the jobs: who is charged?")),
        ),
    ),
    Topic(
        "team-lead",
        _("For team leads"),
        _("Credits of an organisation: who may spend them, and how to keep them within bounds."),
        icon="users",
        questions=(
            Question("organisation-charged", _("When does our organisation pay?")),
            Question("bounds", _("How do we bound what members, projects and back ends spend?")),
            Question("projects", _("How do projects and their budgets work?")),
            Question("held-credits", _("Why can we spend less than our grants have left?")),
            Question("team-service-account", _("How does a service account of the team work?")),
            Question("audit", _("How do we check what we were charged?")),
        ),
    ),
    Topic(
        "back-end-operator",
        _("For back end operators"),
        _("Reporting usage, reserving credits, and what happens when something goes wrong."),
        icon="server",
        questions=(
            Question("connect", _("How is a back end connected?")),
            Question("send-again", _("A report may not have arrived: may it be sent again?")),
            Question("report-refused", _("A report was refused: is the charge lost?")),
            Question("reserve", _("How are credits checked and reserved before a job?")),
            Question("waiver", _("Who pays when a job costs more than was held?")),
            Question("rate-change", _("How and when may rates change?")),
            Question("unknown-user", _("What if the user has never signed in here?")),
        ),
    ),
    Topic(
        "publisher",
        _("For publishers of algorithms"),
        _("How the use of an algorithm is charged, and what is owed for it."),
        icon="book-marked",
        questions=(
            Question("algorithm-charged", _("When is the use of an algorithm charged?")),
            Question("algorithm-price", _("How is the price of a use computed?")),
            Question("algorithm-payer", _("Who pays for it?")),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class HelpPage:
    """`topic` is None on the page of all of them. `credit_euro` is what a credit is worth."""

    topics: tuple[Topic, ...]
    topic: Topic | None
    credit_euro: Decimal
    support: str


@dataclass(frozen=True, slots=True)
class Found:
    title: str
    topic: str
    href: str


def page_of(slug: str = "") -> HelpPage:
    """:raises LookupError: no such topic."""
    topic = next((topic for topic in TOPICS if topic.slug == slug), None)
    if slug and topic is None:
        raise LookupError(slug)
    return HelpPage(TOPICS, topic, settings.CREDIT_EURO, settings.SUPPORT_URL)


def find(words: Sequence[str]) -> tuple[Found, ...]:
    """Questions that have each of the words in themselves or their answer, those with most in the title first."""
    wanted = [word.casefold() for word in words]
    found = [
        (sum(word in entry.title.casefold() for word in wanted), Found(entry.title, entry.topic, entry.href))
        for entry in _entries(get_language() or "", str(settings.CREDIT_EURO), settings.SUPPORT_URL)
        if all(word in entry.text for word in wanted)
    ]
    return tuple(one for _, one in sorted(found, key=lambda pair: -pair[0]))


@dataclass(frozen=True, slots=True)
class _Entry:
    title: str
    topic: str
    href: str
    text: str


@lru_cache(maxsize=16)
def _entries(language: str, credit_euro: str, support: str) -> tuple[_Entry, ...]:
    """Every question with the words of its answer, in a language; they are few, so they are searched in memory."""
    return tuple(_read(language))


def _read(language: str) -> Iterator[_Entry]:
    for topic in TOPICS:
        page = page_of(topic.slug)
        for question in topic.questions:
            # Without its examples: the titles in them are nobody's question.
            answer = re.sub(r"<pre.*?</pre>", "", render_to_string(question.template, {"page": page}), flags=re.DOTALL)
            plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer)).split())
            text = f"{question.title} {topic.title} {plain}".casefold()
            yield _Entry(str(question.title), str(topic.title), f"{topic.href}#{question.slug}", text)
