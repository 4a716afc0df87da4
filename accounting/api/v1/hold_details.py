"""Holds as documents."""

from __future__ import annotations

from accounting.api.v1 import addresses, hold_documents
from accounting.api.v1.jobs import seen_by
from accounting.credits import to_text
from accounting.holds import Reserved
from accounting.models import Hold, OpenHold

__all__ = ["as_opened", "detail", "seen_by"]


def as_opened(made: Reserved) -> hold_documents.Hold:
    return hold_documents.Hold(
        id=str(made.id),
        href=addresses.hold(made.id),
        source=made.source,
        user=made.user,
        organisation=made.organisation,
        project=made.project,
        parent=str(made.parent) if made.parent else None,
        job_id=made.job_id,
        execution_id=made.execution_id,
        amount=to_text(made.amount),
        budget=None if made.budget is None else to_text(made.budget),
        plans=list(made.plans),
        plan=made.plan,
        created_at=made.created_at,
        expires_at=made.expires_at,
        metadata=dict(made.metadata),
    )


def detail(row: Hold) -> hold_documents.HoldDetail:
    """:param row: of `queries.holds`, which has fetched what is needed besides."""
    open_part: OpenHold | None = getattr(row, "open", None)
    events = list(row.events.all())
    ended = next((event for event in events if event.ends), None)
    standing = sum(report.amount for report in row.reports.all() if not hasattr(report.transaction, "reversed_by"))
    used = max(open_part.used if open_part else 0, standing)
    return hold_documents.HoldDetail(
        id=str(row.uuid),
        href=addresses.hold(row.uuid),
        source=row.source.source_id,
        user=row.person.sub,
        organisation=row.organisation_id,
        project=row.project.slug if row.project else None,
        parent=str(row.parent.uuid) if row.parent else None,
        job_id=row.job_id,
        execution_id=row.execution_id or None,
        amount=to_text(row.amount),
        budget=None if row.budget is None else to_text(row.budget),
        plans=row.plans,
        plan=row.plan,
        created_at=row.created_at,
        expires_at=open_part.expires_at if open_part else row.expires_at,
        metadata=row.metadata,
        state=ended.kind if ended else "expired" if row.overdue else "open",  # type: ignore[attr-defined, arg-type]
        kept=to_text(open_part.remaining if open_part else 0),
        captured=to_text(standing),
        used=to_text(used),
        heartbeat_at=open_part.beat_at if open_part else None,
        grants=_grants(row, open_part),
        events=[
            hold_documents.HoldEvent(
                kind=event.kind,  # type: ignore[arg-type]  # the database holds nothing else
                amount=to_text(event.amount),
                excess=to_text(event.excess),
                transaction=event.transaction_id,
                at=event.recorded_at,
            )
            for event in events
        ],
        children=[str(child.uuid) for child in row.children.all()],
    )


def _grants(row: Hold, open_part: OpenHold | None) -> list[hold_documents.BoundGrant]:
    if open_part is None:
        return []
    plans = {grant.pk: grant.plan for grant in row.wallet.grants.all()}
    return [
        hold_documents.BoundGrant(pk, plans[pk], to_text(amount))
        for pk, amount in zip(open_part.grants, open_part.amounts, strict=True)
        if amount
    ]
