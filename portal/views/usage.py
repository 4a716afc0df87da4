"""The usage explorer, the charges behind its sums, and both as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.core.exceptions import BadRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from portal import saved_views
from portal.contexts import cursors, usage_entries, usage_files, usage_filters, usage_views
from portal.contexts import usage as explorer
from portal.contexts import usage_query as queries
from portal.contexts.usage_entries import Asked
from portal.views.access import paying, signed_in, user_of


@require_GET
@signed_in
def usage(request: HttpRequest) -> HttpResponse:
    """What was spent, on what; the whole explorer without its frame when htmx asks for a part."""
    user, payer = user_of(request), paying(request)
    if not request.GET and (chosen := saved_views.default(user, payer.id)):
        return HttpResponseRedirect(f"{reverse('usage')}?{chosen.query}")
    page = explorer.page_of(explorer.answer(user, payer.id, payer.name, queries.read(request.GET)))
    partial = _is_part(request)
    context = {"page": page, "views": usage_views.rows_of(user, payer.id, page.query), "partial": partial}
    return render(request, "portal/_usage.html" if partial else "portal/usage.html", context)


@require_GET
@signed_in
def values(request: HttpRequest, dimension: str) -> HttpResponse:
    """What a dimension with many values can be filtered by: a part of the explorer."""
    if dimension not in usage_filters.LISTED_LATER:
        raise Http404
    asked = _asked(request)
    choices = usage_filters.values_of(asked.register, dimension, asked.wanted, asked.of)
    return render(request, "portal/_usage_values.html", {"name": dimension, "choices": choices, "listed": True})


@require_GET
@signed_in
def entries(request: HttpRequest) -> HttpResponse:
    """The charges of a slice; only the rows when htmx asks for a part."""
    page = usage_entries.page_of(_asked(request), cursors.read(request.GET))
    template = "portal/_usage_entries.html" if _is_part(request) else "portal/usage_entries.html"
    return render(request, template, {"page": page})


@require_GET
@signed_in
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """The table of the explorer as a file."""
    payer = paying(request)
    wanted = queries.read(request.GET)
    found = explorer.answer(user_of(request), payer.id, payer.name, wanted, for_others=True)
    write = {"csv": usage_files.table_csv, "json": usage_files.table_json}.get(form)
    if write is None:
        raise Http404
    name = usage_files.file_name("usage", payer.name, payer.id, found.of.period, form)
    return _file(write(found), form, name)


@require_GET
@signed_in
def entries_export(request: HttpRequest, form: str) -> HttpResponseBase:
    """All charges of a slice as a file, however many: they are written as they are read."""
    asked = _asked(request, for_others=True)
    writers: dict[str, Callable[[Asked], Iterator[str]]] = {
        "csv": usage_files.entries_csv,
        "json": usage_files.entries_json,
    }
    if form not in writers:
        raise Http404
    name = usage_files.file_name("charges", asked.name, asked.of.organisation, asked.of.period, form)
    return _file(writers[form](asked), form, name)


def _asked(request: HttpRequest, *, for_others: bool = False) -> Asked:
    payer, wanted = paying(request), queries.read(request.GET)
    return usage_entries.asked(user_of(request), payer.id, payer.name, wanted, for_others=for_others)


def _file(lines: Iterator[str], form: str, name: str) -> HttpResponseBase:
    header = content_disposition_header(as_attachment=True, filename=name)
    if header is None:
        raise BadRequest("this file has no name")
    return StreamingHttpResponse(
        lines, content_type=usage_files.TYPES[form], headers={"Content-Disposition": header, "X-Accel-Buffering": "no"}
    )


def _is_part(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"))
