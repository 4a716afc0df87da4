"""Every read worth naming. Pages and APIs read through here; nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import (
    Case,
    DateTimeField,
    F,
    Func,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce

from accounting import notice_queries
from accounting.models import (
    BackEnd,
    Debt,
    Entry,
    Grant,
    Heartbeat,
    Hold,
    HoldEvent,
    Job,
    Posting,
    Transaction,
    UsageReport,
)
from accounting.notice_queries import NoticeView


@dataclass(frozen=True, slots=True)
class Balance:
    """An organisation's credits in micro-credits. `spendable` counts nothing expired, held or owed."""

    organisation: int
    posted: int
    held: int
    spendable: int
    debt: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant with something left, of which `held` is bound to open holds; `backends` and `processes` empty = any.

    Of one that has expired meanwhile only what is bound is left (H5).
    """

    id: int
    kind: str
    label: str
    fund: str
    amount: int
    remaining: int
    held: int
    priority: int
    issued_at: datetime
    expires_at: datetime | None
    backends: tuple[int, ...]
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackEndView:
    id: int
    slug: str
    name: str


_BALANCE_NOW = """
SELECT a.posted, a.held,
       coalesce((SELECT sum(CASE WHEN g.expires_at <= t.instant THEN g.held ELSE g.remaining END)
                   FROM accounting_grant g WHERE g.wallet_id = a.id AND g.remaining > 0), 0),
       coalesce((SELECT sum(d.outstanding) FROM accounting_debt d WHERE d.wallet_id = a.id AND d.outstanding > 0), 0),
       t.instant
  FROM accounting_account a, (SELECT accounting_now() AS instant) t
 WHERE a.organisation_id = %s
"""


def balance(organisation: int) -> Balance:
    """What the organisation has now, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE_NOW, [organisation])
        posted, held, usable, debt, instant = cursor.fetchone()
    return Balance(organisation, posted, held, int(usable) - held - int(debt), int(debt), instant)


def posted_at(organisation: int, at: datetime) -> int:
    """The wallet's balance in micro-credits as it was recorded at that instant; one index look-up."""
    entry = (
        Entry.objects.filter(account__organisation_id=organisation, recorded_at__lte=at)
        .order_by("account_id", "-recorded_at", "-seq")
        .values_list("balance_after", flat=True)
        .first()
    )
    return entry or 0


def account_total(account: int, *, at: datetime | None = None) -> int:
    """The sum of an account's entries, recorded until `at`: the balance of accounts that carry none."""
    entries = Entry.objects.filter(account_id=account)
    if at is not None:
        entries = entries.filter(recorded_at__lte=at)
    return int(entries.aggregate(total=Coalesce(Sum("amount"), 0))["total"])


def open_grants(organisation: int, most: int | None = None) -> Sequence[GrantView]:
    """Usable grants in the order in which they burn (G1), and what open holds keep of those that have expired.

    :param most: at most so many, those that burn first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounting_now()")
        (now,) = cursor.fetchone()
    rows = (
        Grant.objects.filter(wallet__organisation_id=organisation, remaining__gt=0)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now) | Q(held__gt=0))
        .order_by("priority", F("expires_at").asc(nulls_last=True), "id")
    )
    return [
        GrantView(
            id=row.pk,
            kind=row.kind,
            label=row.label,
            fund=row.fund,
            amount=row.amount,
            remaining=row.held if row.expires_at and row.expires_at <= now else row.remaining,
            held=row.held,
            priority=row.priority,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            backends=tuple(row.backends),
            processes=tuple(row.processes),
        )
        for row in rows[:most]
    ]


def entries(organisations: Collection[int]) -> QuerySet[Entry]:
    """Wallet entries with their transaction, the `purpose` of the posting and, for usage and what was given back of it,
    the report and its job. Order is the caller's."""
    posting = Posting.objects.filter(transaction=OuterRef("transaction"), number=OuterRef("posting"))
    return (
        Entry.objects.filter(account__organisation_id__in=organisations)
        .select_related("account", "transaction__report__job__source", "transaction__reverses__report__job__source")
        .annotate(purpose=Subquery(posting.values("purpose")))
    )


def backends() -> Sequence[BackEndView]:
    """Every back end of the federation, by name."""
    rows = BackEnd.objects.order_by("name", "pk").values_list("pk", "slug", "name")
    return [BackEndView(*row) for row in rows]


def jobs(*, organisations: Collection[int] | None = None, client: int | None = None) -> QuerySet[Job]:
    """Jobs paid by any of the organisations, or reported under any source of the client."""
    rows = Job.objects.select_related("source__backend", "organisation", "person")
    if organisations is not None:
        rows = rows.filter(organisation_id__in=organisations)
    if client is not None:
        rows = rows.filter(source__clients=client)
    return rows


def find_job(
    source: str, job_id: str, *, organisations: Collection[int] | None = None, client: int | None = None
) -> Sequence[Job]:
    """The job as each payer sees it (usually one), newest first; empty when there is none to be seen."""
    return find_jobs([(source, job_id)], organisations=organisations, client=client)


def find_jobs(
    names: Collection[tuple[str, str]],
    *,
    organisations: Collection[int] | None = None,
    client: int | None = None,
) -> Sequence[Job]:
    """`find_job` for several (source, job id) at once."""
    # They come from addresses; NUL is in no name, and the database does not take the question.
    names = [name for name in names if not any("\x00" in part for part in name)]
    rows = jobs(organisations=organisations, client=client).filter(
        source__source_id__in=[source for source, _ in names], job_id__in=[job_id for _, job_id in names]
    )
    rows = rows.order_by("-reported_at", "-pk").prefetch_related("executions")
    return [row for row in rows if (row.source.source_id, row.job_id) in names]


def holds(*, organisations: Collection[int] | None = None, client: int | None = None) -> QuerySet[Hold]:
    """Holds that any of the organisations pays for, or of any source of the client, with all that a page shows of them.

    `overdue`: past its expiry, and not swept yet.
    """
    now = Func(function="accounting_now", output_field=DateTimeField())
    rows = (
        Hold.objects.select_related("source", "person", "project", "parent", "open", "wallet")
        .prefetch_related(
            Prefetch("events", HoldEvent.objects.order_by("pk")),
            Prefetch("reports", UsageReport.objects.select_related("transaction__reversed_by").order_by("pk")),
            Prefetch("children", Hold.objects.order_by("pk")),
            Prefetch("wallet__grants", Grant.objects.filter(held__gt=0)),
        )
        .annotate(overdue=Case(When(open__expires_at__lte=now, then=True), default=False))
    )
    if organisations is not None:
        rows = rows.filter(organisation_id__in=organisations)
    if client is not None:
        rows = rows.filter(source__clients=client)
    return rows


def answers(transactions: Collection[int]) -> Mapping[int, str]:
    """What the client was answered to each of those reports."""
    return dict(Transaction.objects.filter(pk__in=transactions).values_list("pk", "answer"))


def spent(organisation: int, since: datetime, until: datetime | None = None) -> int:
    """Micro-credits charged for usage that happened in `[since, until)`, less what was given back for it."""
    rows = Entry.objects.filter(
        account__organisation_id=organisation,
        transaction__kind__in=("usage", "reversal"),
        transaction__occurred_at__gte=since,
    )
    if until is not None:
        rows = rows.filter(transaction__occurred_at__lt=until)
    return -int(rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"])


def debts(organisation: int) -> QuerySet[Debt]:
    """Lines that no grant has paid yet, oldest first."""
    return (
        Debt.objects.filter(wallet__organisation_id=organisation, outstanding__gt=0)
        .select_related("transaction__report__job__source")
        .order_by("pk")
    )


def notices(person: int, *, limit: int = 20, unread_only: bool = False) -> Sequence[NoticeView]:
    """What the person was told, newest first."""
    return notice_queries.views(notice_queries.of_person(person, unread_only=unread_only).order_by("-pk")[:limit])


def worker_lag_seconds() -> float | None:
    """Seconds since the newest heartbeat was sent that a worker has run; None before the first."""
    sent = Heartbeat.objects.filter(pk="beat").values_list("sent_at", flat=True).first()
    if sent is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp() - %s)", [sent])
        return float(cursor.fetchone()[0])


def outbox_age_seconds() -> float:
    """Age of the oldest event that waits to be delivered; 0 when none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
            "  FROM accounting_outboxevent WHERE delivered_at IS NULL"
        )
        return float(cursor.fetchone()[0])
