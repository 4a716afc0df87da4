"""The one place that writes errors: problem+json (RFC 9457) on our API, the bodies of the ETL API and of openEO on
theirs, else pages.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template import loader
from rest_framework.response import Response

from accounting import openeo_errors
from accounting.openeo_errors import OpenEOError
from portal import connections, logs, surfaces
from portal.api import renderers
from portal.api.faults import Fault, fault_of

PROBLEM = "application/problem+json"


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's hook. A view says how it speaks with `error_style = "problem"`, `"etl"` or `"openeo"`."""
    fault = fault_of(error)
    _remember(error, fault)
    style = getattr(context.get("view"), "error_style", "problem")
    status, body = written(fault, style, logs.current_request_id())
    return Response(
        body,
        status=status,
        headers=dict(fault.headers),
        content_type=PROBLEM if style == "problem" else "application/json",
    )


def written(fault: Fault, style: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """The status and the body of a fault; openEO has statuses of its own for some."""
    if style == "openeo":
        named = openeo_errors.find(fault.code, fault.status)
        return named.status, openeo_body(fault, named, request_id)
    return fault.status, etl_body(fault, request_id) if style == "etl" else problem_body(fault, request_id)


def problem_body(fault: Fault, request_id: str) -> dict[str, Any]:
    """`instance` is the request id: it names this occurrence, in our logs too."""
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/problems/{fault.code}",
        "title": fault.titled(),
        "status": fault.status,
        "code": fault.code,
        "detail": fault.detail,
        "instance": request_id,
    }
    if fault.field is not None:
        body["field"] = fault.field
    if fault.errors:
        body["errors"] = [{"field": name, "detail": text} for name, text in fault.errors]
    return {**fault.extra, **body}


def etl_body(fault: Fault, request_id: str) -> dict[str, Any]:
    """The shape of the existing service, with what helps to find the fault beside it."""
    body: dict[str, Any] = {
        "statusCode": fault.status,
        "message": _sentences(fault),
        "error": HTTPStatus(fault.status).phrase,
        "code": fault.code,
        "requestId": request_id,
    }
    if fault.field is not None:
        body["field"] = fault.field
    return {**fault.extra, **body}


def _sentences(fault: Fault) -> list[str]:
    """What is wrong, with the name of the field in front: these bodies have no other place that every client shows."""
    if fault.errors:
        return [f"{name}: {text}" if name else text for name, text in fault.errors]
    named = fault.field is None or fault.detail.startswith(fault.field)
    return [fault.detail if named else f"{fault.field}: {fault.detail}"]


def openeo_body(fault: Fault, named: OpenEOError, request_id: str) -> dict[str, Any]:
    """openEO's error object. A link leads to what the kind of problem means; a fault may bring more, such as a page to
    pay.
    """
    about = {"rel": "about", "href": f"{settings.PUBLIC_URL}/problems/{fault.code}", "title": fault.titled()}
    links = [about, *fault.extra.get("links", ())]
    message = " ".join(_sentences(fault)) if fault.status == 400 else fault.detail
    return {"id": request_id, "code": named.code, "message": message or named.message, "links": links}


def _remember(error: BaseException, fault: Fault) -> None:
    if fault.status == 503:
        connections.distrust(error)
        # A neighbour is away, and the next hundred requests will say so too: no traceback would add to that.
        logs.warning("unavailable", code=fault.code, **logs.cause_of(error))
    elif fault.status >= 500:
        logs.failure("failed", code=fault.code)


# --- where no API view was reached --------------------------------------------------------------------------------


def answer(request: HttpRequest, fault: Fault) -> HttpResponse:
    """Write a fault for the face of the service that the address belongs to."""
    surface = surfaces.surface_of(request.path_info)
    if surface == "page":
        return _page(request, fault)
    style = surface if surface in {"openeo", "problem"} else "etl"
    status, body = written(fault, style, logs.current_request_id())
    content_type = PROBLEM if style == "problem" else "application/json"
    return HttpResponse(renderers.encode(body), status=status, headers=dict(fault.headers), content_type=content_type)


def _page(request: HttpRequest, fault: Fault) -> HttpResponse:
    name = f"{fault.status}.html" if fault.status in {403, 404} else "400.html" if fault.status < 500 else "500.html"
    context = {"fault": fault, "request_id": logs.current_request_id(), "site": settings.SITE_TITLE, "request": request}
    if request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"):
        return _part(fault, context)
    # Who is signed in is a question to the database: not to be asked when that is what failed.
    known = request if fault.status in {403, 404} else None
    text = loader.render_to_string(name, context, known)
    return HttpResponse(text, status=fault.status, headers=dict(fault.headers))


def _part(fault: Fault, context: Mapping[str, Any]) -> HttpResponse:
    """A part of a page was asked for: the page stays, and what went wrong joins its toasts."""
    text = loader.render_to_string("components/fault_toast.html", dict(context))
    headers = {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend", "HX-Push-Url": "false", "HX-Replace-Url": "false"}
    return HttpResponse(text, status=fault.status, headers={**headers, **fault.headers})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        logs.warning("host_refused", host=request.META.get("HTTP_HOST", "")[:200])
    return answer(request, fault_of(exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, fault_of(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, fault_of(exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Also reached by pages whose database is away: that is a 503 to try again, not a fault of ours."""
    error = sys.exc_info()[1] or RuntimeError("unknown")
    fault = fault_of(error)
    _remember(error, fault)
    return answer(request, fault)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = "The form was open for too long or came from another site. Go back, reload the page and try again."
    return answer(request, Fault(403, "csrf_failed", detail))
