"""What a job would cost on each back end: POST /estimates, and GET /estimates/comparison and /estimates/calibration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import estimates, organisations, workloads
from accounting.api.permissions import PeopleAndServices
from accounting.api.v1 import estimate_openapi, intake, parameters
from accounting.api.v1 import estimate_shapes as shapes
from accounting.api.v1.balance import PRIVATE
from accounting.credits import to_text
from accounting.errors import EstimateComplexity, InvalidInput
from accounting.estimates import ANYBODY, Audience, CalibrationView, Comparison, Estimate, Span
from accounting.principals import PersonPrincipal
from accounting.workloads import Workload

MOST_BYTES = 4 * 1024 * 1024
"""As large as a geometry may make a body."""
VALID = timedelta(hours=24)
"""Jobs of a day may change what is known; a new tariff ends an estimate at once."""
_LEVELS = {
    "own": "From {jobs} finished jobs like it on this back end",
    "pooled": "Only {jobs} like it finished on this back end, so its figures lean on {elsewhere} elsewhere and on "
    "all jobs of the federation",
    "elsewhere": "None like it finished on this back end: from {elsewhere} on others, and on how this one compares",
}
_METHODS = {
    "per_km2_step": "by cost for each square kilometre and time step",
    "per_km2": "by cost for each square kilometre; time steps are not known of both",
    "per_job": "by cost for each job, whatever its size: areas are not known of both",
    "free": "which all cost nothing",
}


class EstimatesView(APIView):
    script_scopes = {"POST": "estimates:read"}
    impossible_faults = ("409",)
    permission_classes = [PeopleAndServices]
    max_body_bytes = MOST_BYTES

    @estimate_openapi.estimate
    def post(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        sent = intake.convert(request.data, shapes.EstimateRequest)
        return _answer(request, shapes.to_workload(sent), sent.sources)


class ComparisonView(APIView):
    script_scopes = {"GET": "estimates:read"}
    permission_classes = [PeopleAndServices]
    documented_faults = ("422",)

    @estimate_openapi.compare
    def get(self, request: Request) -> Response:
        return _answer(request, _read_query(request), None)


class EstimateCalibrationView(APIView):
    script_scopes = {"GET": "estimates:read"}
    permission_classes = [PeopleAndServices]

    @estimate_openapi.calibration
    def get(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        return Response(_calibration(estimates.calibration()))


def facts_of(request: Request) -> Mapping[str, str]:
    """Who would pay, as far as tariffs ask: a person's plan and organisation. Nobody is made an account for asking."""
    caller: object = request.user
    if not isinstance(caller, PersonPrincipal):
        return {}
    person = organisations.find_person(caller.issuer, caller.sub)
    if person is None:
        return {}
    payer = caller.organisation or person.payer
    return {"plan": person.plan, "organisation_class": organisations.category_of(payer)}


def audience_of(request: Request) -> Audience | None:
    """People see what many jobs have in common, and their own (E4); a back end sees all."""
    caller: object = request.user
    if not isinstance(caller, PersonPrincipal):
        return None
    person = organisations.find_person(caller.issuer, caller.sub)
    if person is None:
        return ANYBODY
    return Audience(frozenset(one.organisation for one in organisations.memberships(person.pk)))


def expiry(one: Estimate, now: datetime) -> datetime:
    later = now + VALID
    return min(later, one.tariff_ends_at) if one.tariff_ends_at else later


def _answer(request: Request, workload: Workload, sources: Sequence[str] | None) -> Response:
    """:raises EstimateComplexity: no back end (of those named) has a figure."""
    found = estimates.compare(workload, facts=facts_of(request), audience=audience_of(request))
    document = _document(workload, found, sources, estimates.calibration())
    if not document.estimates:
        detail = "Too few finished jobs like this are known on these back ends, so any figure would be invented."
        raise EstimateComplexity(detail, without=[_plain(one) for one in document.without])
    return Response(document, headers=PRIVATE)


def _plain(one: shapes.Unknown) -> dict[str, str]:
    return {"source": one.source, "reason": one.reason, "detail": one.detail}


def _document(
    workload: Workload,
    found: Comparison,
    sources: Sequence[str] | None,
    calibration: Sequence[CalibrationView],
) -> shapes.Estimates:
    recent = {view.source: _span(view.recent) for view in calibration}
    known = {one.estimate.source for one in found.options} | {one.source for one in found.obstacles}
    without = [
        shapes.Unknown(one.source, one.backend, one.reason, one.detail, list(one.missing))  # type: ignore[arg-type]
        for one in found.obstacles
        if sources is None or one.source in sources
    ]
    without += [
        shapes.Unknown(source, None, "source_unknown", "No such source is registered here.", [])
        for source in dict.fromkeys(sources or ())
        if source not in known
    ]
    return shapes.Estimates(
        estimates=[
            _estimate(one.estimate, found.at, recent.get(one.estimate.source), checked=one.checked)
            for one in found.options
            if sources is None or one.estimate.source in sources
        ],
        without=without,
        workload=shapes.Counted(
            workload.area_m2, workload.time_steps, workload.fingerprint or None, list(workload.collections)
        ),
        currency="credits",
        interval=0.8,
        calibration=recent.get(""),
    )


def _estimate(
    one: Estimate, now: datetime, calibration: shapes.CoverageSpan | None, *, checked: bool
) -> shapes.BackEndEstimate:
    failures = None
    if one.failure_rate is not None:
        failures = shapes.Failures(round(one.failure_rate, 4), one.failure_jobs, one.failures_alike)
    return shapes.BackEndEstimate(
        source=one.source,
        backend=one.backend,
        p10=to_text(one.p10),
        median=to_text(one.median),
        p90=to_text(one.p90),
        jobs=one.jobs,
        jobs_elsewhere=one.jobs_elsewhere,
        level=one.level,  # type: ignore[arg-type]  # one of the three
        method=one.method,  # type: ignore[arg-type]
        why=_why(one),
        extrapolated=one.extrapolated,
        duration_seconds=None if one.duration_seconds is None else round(one.duration_seconds),
        failures=failures,
        calibration=calibration,
        tariff=one.tariff,
        expires=expiry(one, now),
        checked=checked,
    )


def _why(one: Estimate) -> str:
    level = _LEVELS[one.level].format(jobs=one.jobs, elsewhere=one.jobs_elsewhere)
    return f"{level}, {_METHODS[one.method]}."


def _span(span: Span | None) -> shapes.CoverageSpan | None:
    if span is None:
        return None
    return shapes.CoverageSpan(span.jobs, span.inside, round(span.coverage, 4), round(span.bias, 4))


def _calibration(views: Sequence[CalibrationView]) -> shapes.Calibration:
    everything = next((view for view in views if not view.source), None)
    return shapes.Calibration(
        ever=_span(everything.ever) if everything else None,
        last_30_days=_span(everything.recent) if everything else None,
        sources=[
            shapes.SourceCalibration(view.source, view.backend, _span(view.ever), _span(view.recent))
            for view in views
            if view.source
        ],
        counted_at=everything.counted_at if everything else None,
    )


_UDP = {"udp_url": "url", "udp_listing": "listing", "udp_sha256": "sha256", "process": "process"}
_JSON_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_PLAIN = frozenset({"fingerprint", "kind", "area_m2", "from", "to", "time_steps"})
QUERY = frozenset({*_UDP, *_PLAIN, "collection"})


def _read_query(request: Request) -> Workload:
    """The workload that the address names, by the same reader as the body of the other one.

    :raises ValidationError: an unknown, repeated or empty parameter. :raises InvalidInput: naming the parameter.
    """
    parameters.refuse_unknown(request, QUERY, repeatable=frozenset({"collection"}))
    query = request.query_params
    udp = {name: query[parameter] for parameter, name in _UDP.items() if parameter in query}
    collections = [name for value in query.getlist("collection") for name in value.split(",") if name]
    document: dict[str, Any] = {
        "udp": udp or None,
        "fingerprint": query.get("fingerprint"),
        "kind": query.get("kind"),
        "area_m2": _number(query.get("area_m2")),
        "temporal_extent": [query.get("from"), query.get("to")] if "from" in query or "to" in query else None,
        "time_steps": _whole(query.get("time_steps")),
        "collections": collections,
    }
    try:
        return workloads.read(document)
    except InvalidInput as error:
        error.field = _renamed(error.field or "")
        raise


def _number(text: str | None) -> Decimal | None:
    """A plain or an exponential number, as JSON writes it."""
    if text is None:
        return None
    if not _JSON_NUMBER.fullmatch(text):
        raise ValidationError({"area_m2": "Write square metres as a number, such as 1000000."})
    return Decimal(text)


def _whole(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parameters.read_whole(text)
    except ValueError as error:
        raise ValidationError({"time_steps": str(error)}) from None


def _renamed(field: str) -> str:
    """The parameter for a field of the document."""
    parameter_of = {f"udp.{name}": parameter for parameter, name in _UDP.items()}
    parameter_of |= {"temporal_extent": "from", "temporal_extent.0": "from", "temporal_extent.1": "to"}
    first = field.split(".", maxsplit=1)[0]
    return parameter_of.get(field, "collection" if first == "collections" else first)
