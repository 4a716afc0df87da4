"""Why a job may not start: stable reasons, what to tell the user, and the openEO error that a back end raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounting.credits import to_text
from accounting.errors import (
    BillingPlanInvalid,
    DomainError,
    IssuerUnknown,
    ParentInvalid,
    PaymentRequired,
    PermissionsInsufficient,
    ProjectUnknown,
    SourceNotAllowed,
    SourceUnknown,
    TooManyHolds,
)

FACTS = ("may_spend", "organisation", "plan", "per_plan")


@dataclass(frozen=True, slots=True)
class Refusal:
    """`text` is for the user of the back end, in one sentence or two; `field` is the input that it is about.

    `error` is ours, whose code is openEO's where openEO has one; a back end raises the openEO error `openeo`.
    """

    error: type[DomainError]
    text: str
    field: str | None = None
    openeo: type[DomainError] | None = None
    reason: str = ""
    """The stable name, where one reason has several texts."""

    @property
    def openeo_error(self) -> type[DomainError]:
        return self.openeo or self.error


REFUSALS = {
    "no_credit": Refusal(PaymentRequired, "There are not enough credits: {may_spend} can be spent{wanted}. {top_up}"),
    "over_budget": Refusal(
        PaymentRequired, "The budget does not allow it: {may_spend} can be spent{wanted}.", "budget"
    ),
    "parent_short": Refusal(
        PaymentRequired,
        "The parent hold has {may_spend} credits left for its parts{wanted}. Extend it, or ask for less.",
        "amount",
        reason="over_budget",
    ),
    "over_limit": Refusal(
        PaymentRequired,
        "A limit of the organisation does not allow it: {may_spend} can be spent{wanted}. Ask its owner.",
    ),
    "too_many_holds": Refusal(
        TooManyHolds,
        "The organisation has as many open holds as it may. Wait for running jobs, or release some.",
        openeo=PaymentRequired,
    ),
    "not_a_member": Refusal(
        PermissionsInsufficient,
        "There is no organisation {organisation} that pays for the user's jobs: they are not a member of it, or only a "
        "viewer. Correct the number or leave it out.",
        "organisation",
    ),
    "organisation_suspended": Refusal(
        PermissionsInsufficient,
        "The organisation is suspended and may start no jobs. Ask the operators.",
        "organisation",
    ),
    "terms_not_accepted": Refusal(
        PermissionsInsufficient,
        "The user has not accepted the terms of use yet. Accept them at {terms} and try again.",
        "user",
    ),
    "plan_unknown": Refusal(
        BillingPlanInvalid,
        "The billing plan {plan!r} is invalid: it is none of the user's plans. See /api/v1/openeo/me for them.",
        "plans",
    ),
    "project_unknown": Refusal(
        ProjectUnknown, "The organisation has no such project.", "project", openeo=BillingPlanInvalid
    ),
    "project_archived": Refusal(
        ProjectUnknown,
        "The project is archived, so no new jobs start for it. Name another one, or none.",
        "project",
        openeo=BillingPlanInvalid,
    ),
    "parent_unknown": Refusal(ParentInvalid, "There is no such parent hold.", "parent", openeo=PaymentRequired),
    "parent_not_open": Refusal(
        ParentInvalid, "The parent hold has ended, so it has nothing to give.", "parent", openeo=PaymentRequired
    ),
    "parent_is_a_child": Refusal(
        ParentInvalid, "The parent is a child itself; name its parent.", "parent", openeo=PaymentRequired
    ),
    "parent_of_another": Refusal(
        ParentInvalid, "The parent belongs to another user or organisation.", "parent", openeo=PaymentRequired
    ),
    "source_unknown": Refusal(SourceUnknown, "The source is not registered here.", "source"),
    "source_not_allowed": Refusal(SourceNotAllowed, "This client may not ask for that source.", "source"),
    "issuer_unknown": Refusal(
        IssuerUnknown, "No users of that issuer are known here; leave it out for the source's own users.", "user_issuer"
    ),
}
"""By reason, the stable name."""

OF_AMOUNTS = frozenset({"no_credit", "over_budget", "over_limit"})
"""With any other reason no amount would be granted, however small."""

MISTAKES = frozenset({"source_unknown", "source_not_allowed", "issuer_unknown"})
"""The back end's own, of which its user should not hear."""


def text(reason: str, *, wanted: int | None = None, may_spend: int | None = None, **facts: Any) -> str:
    asked = f", {to_text(wanted)} are needed" if wanted else ""
    return REFUSALS[reason].text.format(
        may_spend=to_text(may_spend or 0),
        wanted=asked,
        top_up=f"Top up at {top_up_url()} and try again.",
        terms=f"{settings.PUBLIC_URL}/terms/",
        organisation=facts.get("organisation") or "with that number",
        plan=facts.get("plan"),
    )


def error(reason: str, *, wanted: int | None = None, may_spend: int | None = None, **facts: Any) -> DomainError:
    """The error to raise; its `reason` is the stable name, `may_spend` the most that would be granted."""
    refusal = REFUSALS[reason]
    extra: dict[str, Any] = {"reason": refusal.reason or reason}
    if may_spend is not None:
        extra |= {"may_spend": to_text(may_spend), "top_up": top_up_url()}
        extra["links"] = [{"rel": "payment", "href": top_up_url(), "title": "Top up"}]
    if facts.get("per_plan") is not None:
        extra["plans"] = {name: to_text(int(free)) for name, free in facts["per_plan"].items()}
    return refusal.error(text(reason, wanted=wanted, may_spend=may_spend, **facts), field=refusal.field, **extra)


def top_up_url() -> str:
    """Where people recharge their account; openEO's link with the relation `payment`."""
    url: str = settings.TOP_UP_URL
    return url
