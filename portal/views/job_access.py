"""Which job an address means, and that the person may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest

from accounting import queries
from portal.contexts import frame
from portal.contexts import job as job_pages
from portal.contexts.jobs import job_id_of
from portal.views.access import paying

if TYPE_CHECKING:
    from accounting.models import Job

MAX_DIGITS = 19


def find(request: HttpRequest, source: str, job_id: str) -> tuple[Job, list[Job]]:
    """The job as the payer asked for (`payer`), else as the current organisation paid for it; and as others did.

    :raises Http404: none of the person's organisations paid for such a job.
    :raises BadRequest: `payer` is no number.
    """
    wanted = request.GET.get("payer", "")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < MAX_DIGITS):
        raise BadRequest("payer must be the number of an organisation")
    rows = queries.find_job(source, job_id_of(job_id), organisations=organisations_of(request))
    try:
        return job_pages.choose(rows, int(wanted) if wanted else paying(request).id)
    except LookupError:
        raise Http404 from None


def organisations_of(request: HttpRequest) -> list[int]:
    """Whose jobs the person may see."""
    return [choice.id for choice in frame.frame_of(request).organisations]
