"""What a person finds by a word: jobs, organisations, back ends, pages and answers, each kind bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting import searching
from portal.contexts import help as answers
from portal.contexts import navigation
from portal.contexts.jobs import job_path, title_of

if TYPE_CHECKING:
    from accounting.models import Job
    from portal.contexts.frame import Frame
    from portal.models import User

LONGEST = 200
JOBS = 6
OTHERS = 5
"""How many of each other kind are shown."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found. `organisation` is the one to switch to, by a form; 0: `href` leads there."""

    title: str
    note: str
    icon: str
    href: str
    organisation: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    title: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """`summary` says how much was found, for who does not see the list; `everything` that nothing was typed."""

    text: str
    kinds: tuple[Kind, ...]
    count: int
    everything: bool
    signed_in: bool


def read(query: Any) -> str:
    """:raises BadRequest: when `q` is longer than anything that could be found, or no text."""
    text: str = query.get("q", "")
    if len(text) > LONGEST:
        raise BadRequest("q must have at most 200 characters")
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRequest("q must be text")
    return " ".join(text.split())


def page_of(user: User | None, frame: Frame, text: str) -> SearchPage:
    """At most three queries, two for jobs and one for back ends, whatever there is. Nothing of others' is looked at."""
    words = text.split()
    kinds = (
        Kind(_("Jobs"), _jobs(user, frame, text)),
        Kind(_("Organisations"), _organisations(frame, words)),
        Kind(_("Back ends"), _backends(text)),
        Kind(_("Pages"), _pages(user, words)),
        Kind(_("Help"), _answers(words)),
    )
    shown = tuple(kind for kind in kinds if kind.hits)
    return SearchPage(
        text=text,
        kinds=shown,
        count=sum(len(kind.hits) for kind in shown),
        everything=not words,
        signed_in=user is not None,
    )


def _jobs(user: User | None, frame: Frame, text: str) -> tuple[Hit, ...]:
    if user is None or not text:
        return ()
    found = searching.jobs([choice.id for choice in frame.organisations], text, JOBS)
    return tuple(_job(job, frame) for job in found)


def _job(job: Job, frame: Frame) -> Hit:
    current = frame.current.id if frame.current else 0
    # Two payers of one job have a page each; that of the current organisation needs no word about it.
    payer = "" if job.organisation_id == current else f"?{urlencode({'payer': job.organisation_id})}"
    names = {"job": job.job_id, "backend": job.source.backend.name, "payer": job.organisation.name}
    note = _("%(backend)s · %(job)s · paid by %(payer)s") if payer else _("%(backend)s · %(job)s")
    return Hit(
        title_of(job), note % names, icon="list-checks", href=f"{job_path(job.source.source_id, job.job_id)}{payer}"
    )


def _organisations(frame: Frame, words: Sequence[str]) -> tuple[Hit, ...]:
    """The person's own, by name or number."""
    if not words:
        return ()
    found = [
        choice
        for choice in frame.organisations
        if all(word.casefold() in choice.name.casefold() or word == str(choice.id) for word in words)
    ]
    return tuple(
        Hit(
            title=choice.name,
            note=_("%(note)s · pays for your jobs now") % {"note": choice.note}
            if choice.current
            else _("%(note)s · switch to it") % {"note": choice.note},
            icon="building-2",
            href=reverse("dashboard"),
            organisation=0 if choice.current else choice.id,
        )
        for choice in found[:OTHERS]
    )


def _backends(text: str) -> tuple[Hit, ...]:
    """Their pages are open to everybody."""
    found = searching.backends(text, OTHERS)
    return tuple(Hit(one.name, note="", icon="server", href=reverse("backend", args=[one.slug])) for one in found)


def _pages(user: User | None, words: Sequence[str]) -> tuple[Hit, ...]:
    found = navigation.find(user, words)
    return tuple(
        Hit(link.title, note="", icon=link.icon, href=link.href) for link in (found[:OTHERS] if words else found)
    )


def _answers(words: Sequence[str]) -> tuple[Hit, ...]:
    if not words:
        return ()
    return tuple(
        Hit(found.title, found.topic, icon="circle-question-mark", href=found.href)
        for found in answers.find(words)[:OTHERS]
    )
