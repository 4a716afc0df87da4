"""A team shares credits: members spend them, a stranger cannot, and everybody sees their own."""

from __future__ import annotations

from decimal import Decimal

from accounting import organisations, outbox, queries, usage
from accounting.usage import UsageLine
from tests.accounting.books import GOLDEN, book, micros, posted, prove
from tests.conftest import SOURCE, Federation


def test_a_team_from_its_first_member_to_its_first_debt(federation: Federation) -> None:
    lab = federation.lab
    sponsored = federation.grant(lab, micros(10), "esa", kind="sponsored", fund="esa", backends=[federation.backend])
    bought = federation.grant(lab, micros(10), "card", kind="paid", fund="card")

    # Alice names the lab, Bob has made it his current one, Charlie names it without being a member.
    organisations.switch_organisation(federation.bob.pk, lab)
    reports = [
        federation.report("a", organisation=lab, job_id="alices"),
        federation.report("b", user=federation.bob.sub, job_id="bobs"),
        federation.report("c", user=federation.charlie.sub, organisation=lab, job_id="charlies"),
    ]
    outcomes = usage.ingest(federation.client, reports, on_reuse="replay")
    assert [outcome.status for outcome in outcomes] == ["booked"] * 3
    assert posted(lab) == micros(20) - 2 * GOLDEN
    assert posted(federation.charlie.personal_organisation) == -GOLDEN

    # The added value of Alice's execution is the lab's too, although that client never says so.
    area = UsageLine("processing", Decimal(4), "credits", "4")
    book(federation, "d", endpoint="addedvalue", service="ndvi", job_id="alices", lines=(area,))
    assert posted(lab) == micros(16) - 2 * GOLDEN
    assert [(g.id, g.remaining) for g in queries.open_grants(lab)] == [(bought, micros(16) - 2 * GOLDEN)]
    assert sponsored not in [g.id for g in queries.open_grants(lab)]

    # Charlie is told that the lab did not pay, and by nobody that it exists.
    outbox.deliver()
    told = {notice.kind: notice for notice in queries.notices(federation.charlie.pk)}
    assert told["organisation_refused"].facts["requested"] == lab
    assert told["organisation_refused"].organisation == federation.charlie.personal_organisation

    # Who becomes a member is charged there from then on, and not for what was before.
    organisations.add_member(lab, federation.charlie.pk, "developer")
    book(federation, "e", user=federation.charlie.sub, organisation=lab, job_id="charlies")
    views = queries.find_job(SOURCE, "charlies")
    assert [view.organisation_id for view in views] == [lab, federation.charlie.personal_organisation]
    assert posted(lab) == micros(16) - 3 * GOLDEN < 0

    # The owner and Charlie are told that the lab has nothing left; Alice, a developer who did not run it, is not.
    outbox.deliver()
    assert "credits_exhausted" in [notice.kind for notice in queries.notices(federation.bob.pk)]
    assert queries.notices(federation.alice.pk) == []
    assert len(queries.debts(lab)) > 0
    prove()
