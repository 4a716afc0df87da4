"""The audit log of an organisation: a page, its parts, and all of it as CSV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal import cells
from portal.contexts import audit
from portal.views.access import signed_in
from portal.views.teams import scope_for


@require_GET
@signed_in
def audit_log(request: HttpRequest) -> HttpResponse:
    """The list; only its rows when htmx asks for a part."""
    page = audit.page_of(scope_for(request), audit.read(request.GET))
    partial = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "organisation/_audit.html" if partial else "organisation/audit.html", {"page": page})


@require_GET
@signed_in
def audit_csv(request: HttpRequest) -> HttpResponse:
    """Exactly what the filters let through, however long, in constant memory."""
    scope, wanted = scope_for(request), audit.read(request.GET)
    headers = {"Content-Disposition": f'attachment; filename="audit-{scope.id}.csv"'}
    return StreamingHttpResponse(  # type: ignore[return-value]  # decorators of views know no other class
        cells.lines(audit.csv_rows(scope, wanted)), content_type="text/csv; charset=utf-8", headers=headers
    )
