"""GET /openeo/billing and /openeo/me: what a back end or an aggregator merges into its own answers to openEO clients.

Both have exactly openEO's shapes, so amounts are JSON numbers here and errors openEO's. See docs/openeo.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import plans, queries
from accounting.api.permissions import OnlyPeople
from accounting.api.v1 import caching, documents, openapi, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.permissions import organisation_of, person_of
from accounting.credits import to_number
from accounting.queries import GrantView

CACHED_SECONDS = 300


class BillingView(APIView):
    """The same for everybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    error_style = "openeo"
    impossible_faults = ("401", "403")

    @openapi.read_openeo_billing
    def get(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        billing = documents.OpenEOBilling("credits", plans.DEFAULT, [_plan(kind) for kind in plans.KINDS])
        return caching.public(request, billing, CACHED_SECONDS)


class MeView(APIView):
    script_scopes = {"GET": "profile:read"}
    permission_classes = [OnlyPeople]
    error_style = "openeo"
    documented_faults = ("404",)

    @openapi.read_openeo_me
    def get(self, request: Request) -> Response:
        parameters.refuse_unknown(request, frozenset({"organisation"}))
        person = person_of(request)
        organisation = organisation_of(request, paying=True)
        grants = queries.open_grants(organisation)
        me = documents.OpenEOUser(
            user_id=person.sub,
            default_plan=plans.plan_of(grants[0].kind, grants[0].label) if grants else plans.DEFAULT,
            budget=to_number(max(queries.balance(organisation).spendable, 0)),
            plans=_plans_of(grants),
            links=_links(),
            name=import_string(settings.NAME_OF_PERSON)(person.pk) or msgspec.UNSET,
        )
        return Response(me, headers=PRIVATE)


def _plan(kind: plans.Kind) -> documents.OpenEOPlan:
    url = settings.TOP_UP_URL if kind.paid else settings.PLANS_URL
    return documents.OpenEOPlan(kind.name, kind.description, kind.paid, url)


def _plans_of(grants: Sequence[GrantView]) -> list[documents.OpenEOPlan]:
    """The plans that have credits, in the order in which they burn; what sponsors gave, under its own name."""
    kinds = {kind.name: kind for kind in plans.KINDS}
    named: dict[str, GrantView] = {}
    for grant in grants:
        named.setdefault(plans.plan_of(grant.kind, grant.label), grant)
    found = []
    for name, grant in named.items():
        plan = _plan(kinds[grant.kind])
        plan.name, plan.description = name, grant.label if grant.kind == plans.SPONSORED else plan.description
        found.append(plan)
    return found


def _links() -> list[documents.OpenEOLink]:
    return [
        documents.OpenEOLink("payment", settings.TOP_UP_URL, "Get more credits"),
        documents.OpenEOLink("edit-form", f"{settings.PUBLIC_URL}/profile/", "Profile"),
        documents.OpenEOLink("related", f"{settings.PUBLIC_URL}/jobs/", "Jobs and what they cost"),
    ]
