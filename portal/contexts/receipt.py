"""A job's receipt: what is on the page and in the PDF, to the last micro-credit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting import receipts
from accounting.receipts import Receipt
from portal.contexts import corrections, job_holds, people
from portal.contexts.charges import Charge, Paid, charge_of, paid_of
from portal.contexts.corrections import Correction
from portal.contexts.crumbs import Crumb
from portal.contexts.jobs import job_path, kind_name, receipt_path, title_of
from portal.models import User

if TYPE_CHECKING:
    from accounting.models import Job


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Micro-credits. `charged` - `given_back` + `unlisted` = `total` = what `paid` sums to + `outstanding`.

    `replaced` counts charges of the running job in whose place others stand; they are in no sum. `unlisted` was charged
    by reports that are too many to list.
    """

    crumbs: tuple[Crumb, ...]
    site: str
    number: str
    title: str
    job_id: str
    source: str
    backend: str
    provider: str
    organisation: str
    organisation_id: int
    who: str
    kind: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    issued_at: datetime
    charges: tuple[Charge, ...]
    corrections: tuple[Correction, ...]
    replaced: int
    charged: int
    given_back: int
    unlisted: int
    total: int
    paid: tuple[Paid, ...]
    outstanding: int
    job_href: str
    json_href: str
    pdf_href: str


def page_of(job: Job, viewer: User) -> ReceiptPage:
    booked = receipts.of_job(job.pk)
    instead = job_holds.replacements(booked)
    listed = [one for one in booked if one.transaction not in instead]
    standing = [one for one in listed if not one.reversal]
    charged, total = _sum(listed), job.cost_compute + job.cost_added_value
    given_back = charged - _sum(standing)
    source, payer = job.source.source_id, urlencode({"payer": job.organisation_id})
    path = receipt_path(source, job.job_id)
    return ReceiptPage(
        crumbs=(Crumb.to("jobs", _("Jobs")), Crumb(title_of(job), f"{job_path(source, job.job_id)}?{payer}")),
        site=settings.SITE_TITLE,
        number=f"{job.organisation_id}-{job.pk}",
        title=title_of(job),
        job_id=job.job_id,
        source=source,
        backend=job.source.backend.name,
        provider=job.source.backend.provider.name,
        organisation=job.organisation.name,
        organisation_id=job.organisation_id,
        who=_name(job.person_id, viewer),
        kind=kind_name(job.kind),
        state=job.state,
        started_at=job.started_at,
        finished_at=job.finished_at,
        issued_at=timezone.now(),
        charges=tuple(charge_of(one) for one in listed),
        corrections=tuple(one for one in corrections.of_receipts(listed) if one.amount),
        replaced=len(instead),
        charged=charged,
        given_back=given_back,
        unlisted=total - (charged - given_back),
        total=total,
        paid=paid_of(line for one in standing for line in one.lines),
        outstanding=sum(line.outstanding for one in standing for line in one.lines),
        job_href=f"{job_path(source, job.job_id)}?{payer}",
        json_href=f"{path}?{payer}&format=json",
        pdf_href=f"{path}?{payer}&format=pdf",
    )


def _name(person: int, viewer: User) -> str:
    """Also of the viewer: others read the receipt too."""
    return viewer.display_name if person == viewer.person_id else people.names([person], viewer)[person]


def _sum(booked: Iterable[Receipt]) -> int:
    return sum(one.cost for one in booked)
