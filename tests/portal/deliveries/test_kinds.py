"""Each kind from its cause to the notice to the mail, and once only, however often everything runs again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest

from accounting import alerts, captures, holds, limits, notice_queries, outbox, tariffs
from accounting.alerts import Threshold
from accounting.models import OutboxEvent, Source, StoredEstimate
from accounting.tariffs import RuleSpec
from portal import mail, tasks
from portal.models import User
from portal.notifications import preferences
from portal.notifications.kinds import KINDS, LISTED
from portal.notifications.preferences import Choice
from tests.accounting.books import book, micros
from tests.accounting.hold_books import reserve
from tests.accounting.test_captures import cpu
from tests.conftest import SOURCE, Federation
from tests.portal.mail.conftest import person
from tests.portal.mail.sink import Sink

MoveClock = Callable[[datetime | None], None]
Cause = Callable[[Federation, MoveClock], None]


def used_up(federation: Federation, clock: MoveClock) -> None:
    book(federation)


def low(federation: Federation, clock: MoveClock) -> None:
    alerts.set_threshold(federation.alice.personal_organisation, Threshold("amount", amount=micros(60)))
    federation.grant(federation.alice.personal_organisation, micros(50), "g")


def enough(federation: Federation, clock: MoveClock) -> None:
    low(federation, clock)
    scan()
    federation.grant(federation.alice.personal_organisation, micros(50), "g-2")


def lapse(federation: Federation, clock: MoveClock) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    federation.grant(federation.alice.personal_organisation, micros(50), "Trial", expires_at=soon)


def reach_limit(federation: Federation, clock: MoveClock) -> None:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    limits.set_limit(federation.alice.personal_organisation, micros(5), period="month")
    book(federation)


def held(federation: Federation, **terms: Any) -> holds.Reserved:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    return reserve(federation, **terms)


def stop(federation: Federation, clock: MoveClock) -> None:
    held(federation)
    limits.suspend(federation.alice.personal_organisation, "unpaid")


def warn(federation: Federation, clock: MoveClock) -> None:
    made = held(federation, budget=micros(10))
    captures.heartbeat(federation.client, made.id, cpu(9))
    limits.set_limit(federation.alice.personal_organisation, micros(500), period="month")


def fall_silent(federation: Federation, clock: MoveClock) -> None:
    clock(held(federation).expires_at - timedelta(minutes=5))


def outlive(federation: Federation, clock: MoveClock) -> None:
    clock(held(federation).expires_at)
    holds.expire_due()


def overrun(federation: Federation, clock: MoveClock) -> None:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    book(federation, job_title="Forest map")
    said: dict[str, Any] = {"p10": micros(1), "median": micros(2), "p90": micros(3), "spread": 0.3, "jobs": 9}
    said |= {"level": "workload", "method": "history", "asked": True, "made_at": datetime.now(UTC), "job_id": "j-1"}
    said |= {"actual": 5_759_775, "inside": False, "judged_at": datetime.now(UTC)}
    StoredEstimate.objects.create(**said, source=Source.objects.get(source_id=SOURCE), execution_id="application_1")


def name_a_stranger(federation: Federation, clock: MoveClock) -> None:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    book(federation, organisation=4711)


def finish(federation: Federation, clock: MoveClock) -> None:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    book(federation, job_title="Forest map")
    clock(datetime.now(UTC) + timedelta(minutes=6))


def announce(federation: Federation, clock: MoveClock) -> None:
    federation.grant(federation.alice.personal_organisation, micros(50), "g")
    book(federation)
    rules = (RuleSpec("CPU", "cpu", "cpu-hour", Decimal(2)),)
    tariffs.publish(SOURCE, "Rates 2027", rules, starts_at=datetime.now(UTC) + timedelta(days=30), note="VAT is new.")


#: Kind -> what brings it about, and words that the mail says.
STORIES: Mapping[str, tuple[Cause, str]] = {
    "credits_exhausted": (used_up, "Job j-1 took the last of them."),
    "low_balance": (low, "50.00 credits (€0.50) are left, less than the 60.00 credits (€0.60)"),
    "balance_recovered": (enough, "100.00 credits (€1.00) are left."),
    "grant_expiring": (lapse, "50.00 credits (€0.50) of “Trial” lapse then"),
    "limit_reached": (reach_limit, "No more is reserved, and running jobs are told to stop."),
    "job_stop": (stop, "The organisation is suspended. The back end was told to stop it."),
    "job_warn": (warn, "9 of 10 credits of the job's budget are used."),
    "hold_expiring": (fall_silent, "The credits reserved for job j-1 are about to be released"),
    "hold_expired": (outlive, "Job j-1 outlived the credits reserved for it"),
    "job_over_estimate": (overrun, "It cost 5.76 credits (€0.06); nine of ten jobs like it cost at most 3.00"),
    "organisation_refused": (
        name_a_stranger,
        "Job j-1 named organisation 4711, but you are not a member of it, or only a viewer",
    ),
    "receipt": (finish, "Forest map cost 5.76 credits (€0.06)"),
    "tariff_announced": (announce, "From then on “Rates 2027” is in force."),
}


def scan() -> None:
    """Everything that workers do, in the order in which it depends on one another."""
    outbox.deliver()
    for look in (
        *(alerts.compare_balances, alerts.warn_of_grants, alerts.warn_of_holds),
        *(alerts.announce_tariffs, alerts.tell_overruns),
    ):
        while look() and look is not alerts.announce_tariffs:
            pass
    tasks.tell_receipts()
    tasks.route_notices()


@pytest.fixture
def alice(federation: Federation) -> User:
    """Alice, who wants every mail at once."""
    user = person()
    preferences.choose(user, [Choice(kind.key, True, "now") for kind in LISTED])
    return user


def test_every_kind_has_its_story() -> None:
    assert STORIES.keys() == {kind.key for kind in LISTED}
    assert KINDS.keys() - STORIES.keys() == {"invitation"}


@pytest.mark.parametrize("kind", STORIES)
def test_from_cause_to_mail_once(
    federation: Federation, alice: User, sink: Sink, database_clock: MoveClock, kind: str
) -> None:
    cause, words = STORIES[kind]
    cause(federation, database_clock)
    for _ in range(2):
        scan()
        OutboxEvent.objects.update(delivered_at=None)  # as if every worker had died before its mark
        scan()
        mail.send()
    assert notice_queries.of_person(alice.person_id, kind=kind).count() == 1
    about = [one for one in sink.letters if words in " ".join(one.part("plain").split())]
    assert len(about) == 1
    shown = unescape(re.sub(r"<[^>]*>", " ", about[0].part("html")))
    assert words in " ".join(shown.split())
    assert about[0].recipients == ["alice@example.org"]
    assert "http://testserver/" in about[0].part("plain")


@pytest.mark.parametrize("kind", STORIES)
def test_who_wants_no_mail_gets_none_and_the_notice_stays(
    federation: Federation, alice: User, sink: Sink, database_clock: MoveClock, kind: str
) -> None:
    preferences.choose(alice, [Choice(one.key, True, "off") for one in LISTED])
    STORIES[kind][0](federation, database_clock)
    scan()
    mail.send()
    assert sink.letters == []
    assert notice_queries.of_person(alice.person_id, kind=kind, unread_only=True).count() == 1
