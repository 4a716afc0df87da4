"""What the database knows about reports before they are rated: one read for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import connection

from accounting.principals import ServicePrincipal, normalise_issuer
from accounting.reports import USAGE_REPORTS, UsageReport


class Resolved(NamedTuple):
    """Columns of the SQL function `usage_resolve`, in its order.

    `done*` describe the earlier transaction of the same key; `duplicate` one of the same execution and metrics under
    another key (v1 only). `organisation` pays: the one asked for if the person is a member (else `refused`), that of
    the execution's compute report for an added-value report, else the person's current one (Money 11). `issuer` is None
    when the source is unknown, or the report names an issuer that is neither accepted here nor the source's. `hold` is
    the one that the report belongs to, which decided who pays; `hold_keeps` what an open one can still pay in
    micro-credits, and `excess` who bears what goes beyond (H9).
    when the source is unknown, or the report names an issuer that is neither accepted here nor the source's. A person
    who is not known yet has neither plan nor organisation nor wallet.
    """

    i: int
    source: int | None
    allowed: bool
    backend: int | None
    provider_account: int | None
    platform_account: int
    tariff: int | None
    issuer: str | None
    person: int | None
    plan: str
    organisation: int | None
    organisation_class: str
    refused: bool
    wallet: int
    done: int | None
    done_fingerprint: str
    done_answer: str
    duplicate: int | None
    instant: datetime
    project: int | None
    hold: int | None
    hold_keeps: int | None
    excess: str

    def facts(self, report: UsageReport) -> dict[str, str]:
        """What rating rules may look at; stored with the report and shown in the receipt."""
        return {
            "state": report.state,
            "kind": report.kind,
            "plan": self.plan,
            "organisation_class": self.organisation_class,
        }


def resolve(client: ServicePrincipal | None, reports: Sequence[UsageReport]) -> list[Resolved]:
    """One row a report, in order; reads only. Without a client a person asks, who may know the price of any source."""
    accepted = {normalise_issuer(one["issuer"]) for one in settings.TOKEN_ISSUERS}
    questions = [question(report, accepted=report.issuer in accepted) for report in reports]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM usage_resolve(%s, %s::jsonb) ORDER BY i",
            [client.client if client else None, msgspec.json.encode(questions).decode()],
        )
        rows = [Resolved(*row) for row in cursor.fetchall()]
    return rows if client else [row._replace(allowed=True) for row in rows]


def question(report: UsageReport, *, accepted: bool) -> dict[str, Any]:
    """What `usage_resolve` wants to know of a report; `accepted`: users of its issuer may be reported by any source."""
    return {
        "endpoint": report.endpoint,
        "source": report.source,
        "service": report.service,
        "key": report.key,
        "issuer": report.issuer,
        "accepted": accepted,
        "user": report.user,
        "organisation": report.organisation,
        "execution": report.execution_id,
        "finished_at": report.finished_at,
        "job": report.job_id,
        "hold": report.hold,
        "project": report.project,
        "twin": report.metrics if report.endpoint == USAGE_REPORTS and report.lines else None,
    }
