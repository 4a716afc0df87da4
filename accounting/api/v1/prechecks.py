"""POST /precheck: may these jobs start, and if not, what to tell their users."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounting import prechecks, refusals
from accounting.api.permissions import OnlyServices, service_of
from accounting.api.v1 import hold_documents, hold_intake, hold_openapi, intake, parameters
from accounting.api.v1.balance import PRIVATE
from accounting.api.v1.estimates import MOST_BYTES
from accounting.api.v1.hold_shapes import Prechecks
from accounting.credits import to_text
from accounting.estimates import Estimate
from accounting.prechecks import Advice, Question

RESTRICTED = {
    "may_not_finish": "The job may start, but it may need more credits than can be spent.",
    "overdraft": "The job may start on credit that the organisation has not paid for yet.",
}


class PrecheckView(APIView):
    max_body_bytes = MOST_BYTES
    permission_classes = [OnlyServices]
    impossible_faults = ("409",)

    @hold_openapi.precheck
    def post(self, request: Request) -> Response:
        parameters.refuse_unknown(request)
        checks = intake.convert(request.data, Prechecks).checks
        foreseen = hold_intake.foresee(checks)
        questions = hold_intake.questions(checks, foreseen)
        advice = prechecks.check(service_of(request), questions)
        for index, one in enumerate(advice):
            if one.reason in refusals.MISTAKES:
                error = refusals.error(one.reason)
                error.field = f"checks.{index}.{error.field}"
                raise error
        answers = [_answer(*each) for each in zip(range(len(advice)), questions, advice, foreseen, strict=True)]
        return Response(hold_documents.CheckAnswers(answers), headers=PRIVATE)


def _answer(index: int, question: Question, advice: Advice, estimate: Estimate | None) -> hold_documents.CheckAnswer:
    denied = advice.decision == "deny"
    text = _text(question, advice) if denied else RESTRICTED.get(advice.reason, "")
    return hold_documents.CheckAnswer(
        index=index,
        decision=advice.decision,
        reason=advice.reason,
        text=text,
        organisation=advice.organisation,
        may_spend=to_text(advice.may_spend),
        spendable={name: to_text(free) for name, free in advice.per_plan.items()},
        plan=advice.plan,
        fail_open=to_text(advice.fail_open),
        top_up=refusals.top_up_url(),
        as_of=advice.as_of,
        estimate=_estimate(estimate) if estimate else None,
        openeo_error=_openeo_error(advice.reason, text) if denied else None,
    )


def _estimate(one: Estimate) -> hold_documents.CheckEstimate:
    return hold_documents.CheckEstimate(to_text(one.p10), to_text(one.median), to_text(one.p90), one.jobs)


def _text(question: Question, advice: Advice) -> str:
    if question.malformed and advice.reason == "plan_unknown":
        return question.malformed
    return refusals.text(
        advice.reason,
        wanted=question.need.likely if question.need else None,
        may_spend=advice.may_spend,
        organisation=question.payer.organisation,
        plan=advice.unknown_plan,
    )


def _openeo_error(reason: str, text: str) -> hold_documents.ErrorToRaise:
    error = refusals.REFUSALS[reason].openeo_error
    return hold_documents.ErrorToRaise(error.status, error.code, text, refusals.top_up_url())
