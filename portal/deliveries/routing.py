"""Each new notice: does it count as unread, is it mailed now, or does it wait for the daily mail? Decided once (D3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from accounting import hold_queries, notices
from accounting.notice_queries import NoticeView
from portal import mail
from portal.contexts import notice_texts
from portal.contexts.notice_texts import Said
from portal.mail import addressing, links, tongues
from portal.mail_rows import DigestEntry
from portal.models import User
from portal.notifications import preferences
from portal.notifications.kinds import DAILY, KINDS, NOW

STALE = timedelta(hours=48)
"""What was told longer ago is no news: nobody is mailed about it."""


def route(limit: int = 200) -> int:
    """Decides for the oldest notices that wait; returns of how many."""
    return notices.route(_take, limit)


def _take(told: Sequence[NoticeView]) -> None:
    users = {user.person_id: user for user in User.objects.filter(person_id__in={one.person for one in told})}
    choices = preferences.of_users([user.pk for user in users.values()])
    fresh = hold_queries.now() - STALE
    now: dict[int, list[NoticeView]] = defaultdict(list)
    daily, unwanted = [], defaultdict(list)
    for one in told:
        user = users.get(one.person)
        if user is None or one.kind not in KINDS:
            continue
        choice = choices[user.pk][one.kind]
        if not choice.portal:
            unwanted[one.person].append(one.id)
        if one.created_at < fresh or not addressing.address_of(user):
            continue
        if choice.mail == NOW:
            now[user.pk].append(one)
        elif choice.mail == DAILY:
            daily.append(DigestEntry(user=user, notice=one.id, created_at=one.created_at))
    for person, ids in unwanted.items():
        notices.mark_read(person, notices=ids)
    DigestEntry.objects.bulk_create(daily, ignore_conflicts=True)
    by_pk = {user.pk: user for user in users.values()}
    for pk, found in now.items():
        _mail(by_pk[pk], found)


def _mail(user: User, told: Sequence[NoticeView]) -> None:
    with tongues.speaking(tongues.language_of(user), tongues.zone_of(user)):
        for one, said in zip(told, notice_texts.describe(told), strict=True):
            mail.queue(user, one.kind, one.cause, context_of(said), template="notice")


def context_of(said: Said) -> Mapping[str, object]:
    """What the templates of a notice get."""
    return {"said": said, "link": links.absolute(said.href) if said.href else "", "reason": KINDS[said.kind].title}
