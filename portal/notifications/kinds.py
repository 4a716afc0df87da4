"""Everything that people can be told, what it is called, and who hears of it by default. Said once, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

OFF, NOW, DAILY = "off", "now", "daily"
CREDITS, JOBS, FEDERATION = "credits", "jobs", "federation"
GROUPS: Mapping[str, Promise] = {
    CREDITS: _("Credits"),
    JOBS: _("Your jobs"),
    FEDERATION: _("The federation"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """`portal` and `mail` are what holds until the person chooses. A `grave` one is always shown in the portal, one
    that is not `listed` comes by mail only.
    """

    key: str
    group: str
    title: Promise
    about: Promise
    mail: str
    portal: bool = True
    grave: bool = False
    listed: bool = True


_ALL = (
    Kind(
        "credits_exhausted",
        CREDITS,
        _("Credits used up"),
        _("An organisation that you own or manage has nothing left, or a job of yours took the last of it."),
        NOW,
        grave=True,
    ),
    Kind(
        "low_balance",
        CREDITS,
        _("Credits run low"),
        _("An organisation that you own or manage has less left than it wants to keep."),
        NOW,
    ),
    Kind(
        "balance_recovered",
        CREDITS,
        _("Enough credits again"),
        _("Its balance is back above that by a fifth."),
        DAILY,
    ),
    Kind(
        "grant_expiring",
        CREDITS,
        _("Credits about to expire"),
        _("14 and 3 days before unused credits lapse; of free credits, which come again, only 3 days before."),
        DAILY,
    ),
    Kind(
        "limit_reached",
        CREDITS,
        _("Limits"),
        _("A limit of an organisation that you own or manage, or of yours, is used up to 80 % or entirely."),
        NOW,
        grave=True,
    ),
    Kind(
        "job_stop",
        JOBS,
        _("A job must stop"),
        _("Its budget, a limit or the credits are used up, and the back end was told to stop it."),
        NOW,
        grave=True,
    ),
    Kind(
        "job_warn",
        JOBS,
        _("A job nears its end"),
        _("It has used four fifths of its budget, of a limit or of the credits."),
        NOW,
    ),
    Kind(
        "hold_expiring",
        JOBS,
        _("Reserved credits about to be released"),
        _("The credits reserved for a job are released within minutes, because it gives no sign of life."),
        OFF,
    ),
    Kind(
        "hold_expired",
        JOBS,
        _("Reserved credits released"),
        _("A job has outlived the credits that were reserved for it."),
        DAILY,
    ),
    Kind(
        "job_over_estimate",
        JOBS,
        _("A job cost more than estimated"),
        _("Only when an estimate was asked for before the job ran."),
        DAILY,
    ),
    Kind(
        "organisation_refused",
        JOBS,
        _("Another organisation paid"),
        _("A job of yours named an organisation that you are not a member of."),
        DAILY,
    ),
    Kind(
        "receipt",
        JOBS,
        _("Receipts"),
        _("What each of your batch jobs cost, minutes after it ended."),
        OFF,
        portal=False,
    ),
    Kind(
        "tariff_announced",
        FEDERATION,
        _("Prices change"),
        _("A back end that your organisation used in the last 90 days announced a new rate card."),
        DAILY,
    ),
    Kind(
        "invitation",
        FEDERATION,
        _("Invitations"),
        _("Somebody invites you to an organisation. The link to accept it comes by mail only."),
        NOW,
        portal=False,
        listed=False,
    ),
)

KINDS: Mapping[str, Kind] = {kind.key: kind for kind in _ALL}
LISTED = tuple(kind for kind in _ALL if kind.listed)
"""Those that there are notices of."""
