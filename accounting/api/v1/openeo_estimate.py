"""POST /openeo/estimate: an estimate in openEO's own shape, for a back end to pass on to its user."""

from __future__ import annotations

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import estimates
from accounting.api.permissions import PeopleAndServices
from accounting.api.v1 import estimate_openapi, intake, parameters
from accounting.api.v1 import estimate_shapes as shapes
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.estimates import MOST_BYTES, audience_of, expiry, facts_of
from accounting.credits import to_number
from accounting.errors import EstimateComplexity


class OpenEoEstimateView(APIView):
    script_scopes = {"POST": "estimates:read"}
    permission_classes = [PeopleAndServices]
    error_style = "openeo"
    impossible_faults = ("409",)
    max_body_bytes = MOST_BYTES

    @estimate_openapi.openeo_estimate
    def post(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        sent = intake.convert(request.data, shapes.OpenEoEstimateRequest)
        now = timezone.now()
        workload, audience = shapes.to_workload(sent), audience_of(request)
        found = estimates.estimate(workload, [sent.source], at=now, audience=audience, **facts_of(request))
        if not found:
            raise EstimateComplexity(EstimateComplexity.title)  # word for word, so that a back end can hand it on
        (one,) = found
        duration = None if one.duration_seconds is None else f"PT{round(one.duration_seconds)}S"
        answer = shapes.OpenEoEstimate(costs=to_number(one.p90), expires=expiry(one, now), duration=duration)
        return Response(answer, headers=PRIVATE)
