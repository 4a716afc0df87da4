"""What a notice says, in whole sentences of the reader's language: for the list, for mails and for the daily digest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from accounting import limit_queries, notice_queries
from accounting.notice_queries import NoticeView
from portal.contexts.hold_rows import hold_path
from portal.contexts.jobs import MOST_ID_DIGITS, job_path
from portal.numerals import credits_text, euro_text

Facts = Mapping[str, Any]
Detail = tuple[str, str]
BAD, WARN, GOOD, PLAIN = "bad", "warn", "good", "plain"


@dataclass(frozen=True, slots=True)
class Said:
    """`tone` is the colour; `details` are figures with their labels, for mails; `href` is a path of ours."""

    kind: str
    tone: str
    title: str
    text: str
    href: str
    action: str
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What notices of a page refer to: names of organisations, and those of the limits that there still are."""

    organisations: Mapping[int, str] = field(default_factory=dict)
    limits: Mapping[int, limit_queries.LimitUse] = field(default_factory=dict)

    def name(self, facts: Facts) -> str:
        return self.organisations.get(facts["organisation"]) or str(facts.get("name") or _("Your organisation"))


def describe(notices: Collection[NoticeView]) -> Sequence[Said]:
    """What each of the notices says; three queries at most, however many they are."""
    limits = {one.facts["limit"] for one in notices if one.kind == "limit_reached"}
    known = Known(
        notice_queries.organisation_names({one.organisation for one in notices if one.organisation}),
        limit_queries.named(limits),
    )
    return [_SAYERS.get(one.kind, _unknown)(one.facts, known, one.kind) for one in notices]


def amount(micros: int) -> str:
    """Credits with their worth, in a sentence."""
    return _("%(credits)s credits (%(euro)s)") % {"credits": credits_text(micros), "euro": euro_text(micros)}


def instant(text: str | None) -> str:
    """An instant of the facts to the minute, in the reader's zone."""
    if not text:
        return ""
    at = timezone.localtime(datetime.fromisoformat(text))
    return f"{date_format(at, pgettext('date format', 'j M Y, H:i'), use_l10n=False)} ({at.tzname()})"


def _day(text: str) -> str:
    at = timezone.localtime(datetime.fromisoformat(text))
    return date_format(at, pgettext("date format", "j M Y"), use_l10n=False)


def _unknown(facts: Facts, known: Known, kind: str) -> Said:
    return Said(kind, PLAIN, _("Something happened"), _("This version of the portal cannot say what."), "", "")


def _exhausted(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        BAD,
        _("The credits of %(name)s are used up") % {"name": known.name(facts)},
        _(
            "Job %(job)s took the last of them. Work that was done is never refused, so part of it is not covered yet: "
            "the next credits pay that first."
        )
        % {"job": facts["job"]},
        job_path(str(facts["source"]), str(facts["job"])),
        _("See the job"),
        ((_("Balance then"), amount(facts["balance"])),),
    )


def _low(facts: Facts, known: Known, kind: str) -> Said:
    values = {"name": known.name(facts), "left": amount(facts["left"]), "edge": amount(facts["edge"])}
    if facts["rule"] == "days":
        text = ngettext(
            "%(left)s are left. At the pace of the last 30 days that is less than %(days)s day.",
            "%(left)s are left. At the pace of the last 30 days that is less than %(days)s days.",
            facts["days"],
        ) % (values | {"days": facts["days"]})
    else:
        text = _("%(left)s are left, less than the %(edge)s that the organisation wants to keep.") % values
    details = [(_("Left"), amount(facts["left"])), (_("Low is less than"), amount(facts["edge"]))]
    if facts["pace"]:
        details.append((_("Spent a day, over 30 days"), amount(facts["pace"])))
    title = _("The credits of %(name)s run low") % values
    return Said(kind, WARN, title, text, reverse("dashboard"), _("See what is left"), tuple(details))


def _recovered(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        GOOD,
        _("%(name)s has enough credits again") % {"name": known.name(facts)},
        _("%(left)s are left.") % {"left": amount(facts["left"])},
        reverse("dashboard"),
        _("See what is left"),
        ((_("Left"), amount(facts["left"])), (_("Low is less than"), amount(facts["edge"]))),
    )


def _grant(facts: Facts, known: Known, kind: str) -> Said:
    values = {"label": facts["label"], "left": amount(facts["left"]), "day": _day(facts["expires_at"])}
    return Said(
        kind,
        WARN,
        _("Credits of %(name)s expire on %(day)s") % (values | {"name": known.name(facts)}),
        _("%(left)s of “%(label)s” lapse then, unless jobs use them before.") % values,
        reverse("dashboard"),
        _("See the grants"),
        ((_("Grant"), facts["label"]), (_("Left"), values["left"]), (_("Expires"), instant(facts["expires_at"]))),
    )


def _limit(facts: Facts, known: Known, kind: str) -> Said:
    if facts["period"] == "job":
        return _limit_of_job(facts, known, kind)
    values = {"name": known.name(facts), "share": facts["share"]}
    full, blocks = facts["share"] >= 100, facts["action"] == "block"
    title = {
        "month": _("%(name)s has used %(share)s %% of a monthly limit"),
        "year": _("%(name)s has used %(share)s %% of a yearly limit"),
    }.get(facts["period"], _("%(name)s has used %(share)s %% of a limit")) % values
    if not blocks:
        after = _("Nothing is refused because of it.")
    elif full:
        after = _("No more is reserved, and running jobs are told to stop.")
    else:
        after = _("When all of it is used, jobs must stop.")
    details = ((_("Spent"), amount(facts["spent"])), (_("Limit"), amount(facts["amount"])))
    text = " ".join(filter(None, [_counted(known.limits.get(facts["limit"])), after]))
    return Said(
        *(kind, BAD if full and blocks else WARN, title, text),
        *(f"{reverse('holds')}?state=open", _("See what runs"), details),
    )


def _limit_of_job(facts: Facts, known: Known, kind: str) -> Said:
    """How near a single job has come to what it may cost."""
    full, blocks = facts["share"] >= 100, facts["action"] == "block"
    values = {"job": facts["job"], "share": facts["share"], "name": known.name(facts)}
    if not blocks:
        text = _("Nothing is refused because of it.")
    elif full:
        text = _("No more is reserved for it, and while it runs it is told to stop.")
    else:
        text = _("When all of it is used, the job must stop.")
    return Said(
        kind,
        BAD if full and blocks else WARN,
        _("Job %(job)s has come to %(share)s %% of what a job of %(name)s may cost") % values,
        text,
        job_path(str(facts["source"]), str(facts["job"])),
        _("See the job"),
        ((_("Cost"), amount(facts["spent"])), (_("Limit"), amount(facts["amount"]))),
    )


def _counted(use: limit_queries.LimitUse | None) -> str:
    """Whom or what a limit counts, as a sentence; nothing when it counts all, or is gone."""
    if use is None:
        return ""
    if use.process:
        return _("It counts what the process %(process)s costs.") % {"process": use.process}
    if use.project and use.backend:
        values = {"project": use.project, "backend": use.backend}
        return _("It counts what the project %(project)s spends on %(backend)s.") % values
    if use.project:
        return _("It counts what the project %(project)s spends.") % {"project": use.project}
    if use.backend:
        return _("It counts what is spent on %(backend)s.") % {"backend": use.backend}
    return _("It counts what one member spends.") if use.person else ""


def _stop(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        BAD,
        _("Job %(job)s must stop") % facts,
        _("%(detail)s The back end was told to stop it.") % facts,
        hold_path(facts["hold"]),
        _("See how far it came"),
    )


def _warn(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        WARN,
        _("Job %(job)s is near its end") % facts,
        _("%(detail)s When all is used, the back end is told to stop the job.") % facts,
        hold_path(facts["hold"]),
        _("See how far it came"),
    )


def _hold_expiring(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        WARN,
        _("The credits reserved for job %(job)s are about to be released") % facts,
        _("The back end has not said for a while that it runs. What is reported later is charged in full."),
        hold_path(facts["hold"]),
        _("See what is reserved"),
        ((_("Reserved"), amount(facts["kept"])), (_("Released"), instant(facts["expires_at"]))),
    )


def _hold_expired(facts: Facts, known: Known, kind: str) -> Said:
    return Said(
        kind,
        WARN,
        _("Job %(job)s outlived the credits reserved for it") % facts,
        _(
            "No heartbeat came in time, so it is no longer covered. If it runs on, what is reported later is charged "
            "in full."
        ),
        hold_path(facts["uuid"]),
        _("See what was kept"),
        ((_("Reserved"), amount(facts["kept"])), (_("Released"), instant(facts["expired_at"]))),
    )


def _overrun(facts: Facts, known: Known, kind: str) -> Said:
    values = {"job": facts["title"] or facts["job"], "cost": amount(facts["cost"]), "most": amount(facts["p90"])}
    likely = {"low": credits_text(facts["p10"]), "high": credits_text(facts["p90"])}
    return Said(
        kind,
        WARN,
        _("%(job)s cost more than estimated") % values,
        _("It cost %(cost)s; nine of ten jobs like it cost at most %(most)s.") % values,
        job_path(facts["source"], facts["job"]),
        _("See why"),
        (
            (_("Cost"), values["cost"]),
            (_("Estimated"), _("%(low)s to %(high)s credits") % likely),
            (_("Back end"), facts["backend_name"]),
        ),
    )


def _refused(facts: Facts, known: Known, kind: str) -> Said:
    values = {"job": facts["job"], "number": facts["requested"], "payer": known.name(facts)}
    if len(str(facts["requested"])) <= MOST_ID_DIGITS:
        title = (
            _("Job %(job)s named organisation %(number)s, but you are not a member of it, or only a viewer") % values
        )
        text = _("So %(payer)s paid. Ask an owner of the other one to add you, or do not name it.") % values
    else:
        title = _("Job %(job)s named an organisation that does not exist") % values
        text = _("So %(payer)s paid. Correct the number, or do not name one.") % values
    return Said(kind, WARN, title, text, job_path(str(facts["source"]), str(facts["job"])), _("See the job"))


def _receipt(facts: Facts, known: Known, kind: str) -> Said:
    values = {"job": facts["title"] or facts["job"], "cost": amount(facts["cost"]), "payer": known.name(facts)}
    return Said(
        kind,
        PLAIN,
        _("%(job)s cost %(cost)s") % values,
        _("Paid by %(payer)s. The receipt says what for, line by line.") % values,
        job_path(facts["source"], facts["job"]),
        _("Open the receipt"),
        ((_("Job"), facts["job"]), (_("Cost"), values["cost"]), (_("Back end"), facts["backend_name"])),
    )


def _tariff(facts: Facts, known: Known, kind: str) -> Said:
    values = {"backend": facts["backend_name"], "day": _day(facts["starts_at"]), "card": facts["tariff_name"]}
    note = f" {facts['note']}" if facts["note"] else ""
    return Said(
        kind,
        PLAIN,
        _("Prices of %(backend)s change on %(day)s") % values,
        _("From then on “%(card)s” is in force. Work that ends before is charged by today’s prices.") % values + note,
        reverse("rate-card", args=[facts["backend"]]),
        _("Compare the prices"),
        ((_("Rate card"), facts["tariff_name"]), (_("In force from"), instant(facts["starts_at"]))),
    )


_SAYERS: Mapping[str, Callable[[Facts, Known, str], Said]] = {
    "credits_exhausted": _exhausted,
    "low_balance": _low,
    "balance_recovered": _recovered,
    "grant_expiring": _grant,
    "limit_reached": _limit,
    "job_stop": _stop,
    "job_warn": _warn,
    "hold_expiring": _hold_expiring,
    "hold_expired": _hold_expired,
    "job_over_estimate": _overrun,
    "organisation_refused": _refused,
    "receipt": _receipt,
    "tariff_announced": _tariff,
}
