"""The copy of what is known about a person: a ZIP of JSON files, written piece by piece in constant memory.

A new place where something about people is kept gets a `Section` here, and a line in docs/privacy.md.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings

from accounting import personal_data
from accounting.personal_data import Batch
from portal.mail_rows import Mail, NoticePreference
from portal.models import ApiToken, SavedView, User

Document = Mapping[str, Any]
Sink = Callable[[bytes], None]
PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Section:
    """A file of the archive: an object (`one`) or an array of what the batches hold."""

    name: str
    text: str
    steps: Callable[[], int]
    batches: Callable[[User], Iterable[Batch]]
    one: bool = False


def _small(name: str, text: str, read: Callable[[User], Iterable[Document]], *, one: bool = False) -> Section:
    return Section(name, text, lambda: 1, lambda user: [Batch(tuple(read(user)), 1)], one)


def profile(user: User) -> Iterator[Document]:
    """What the identity provider told, what the person chose, and how the ledger knows them."""
    yield {
        "issuer": user.issuer,
        "sub": user.sub,
        "voperson_id": user.voperson_id or None,
        "name": user.name or None,
        "email": user.email or None,
        "email_verified": user.email_verified,
        "entitlements": user.entitlements,
        "language": user.language or None,
        "time_zone": user.time_zone or None,
        "first_sign_in": user.joined_at,
        "last_sign_in": user.last_login,
        "account": personal_data.account(user.person_id),
    }


def tokens(user: User) -> Iterator[Document]:
    """No secret: none is kept."""
    for row in ApiToken.objects.filter(user=user).order_by("pk"):
        yield {
            "name": row.name,
            "starts_with": row.prefix,
            "scopes": row.scopes,
            "organisation": row.organisation_id,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
            "revoked_at": row.revoked_at,
            "last_used_on": row.last_used_on,
        }


def preferences(user: User) -> Iterator[Document]:
    """Of which notices they want to hear how, and the views that they saved."""
    for row in NoticePreference.objects.filter(user=user).order_by("pk"):
        yield {"notice": row.kind, "portal": row.portal, "mail": row.mail, "since": row.since}
    for view in SavedView.objects.filter(owner=user).order_by("created_at"):
        yield {
            "view": view.name,
            "organisation": view.organisation_id,
            "query": view.query,
            "shared": view.shared,
            "created_at": view.created_at,
        }


def mails(user: User) -> Iterator[Document]:
    """Text and HTML say the same, and are emptied after a while."""
    for row in Mail.objects.filter(user=user).order_by("pk").iterator(chunk_size=200):
        yield {
            "kind": row.kind,
            "subject": row.subject,
            "text": row.text or None,
            "created_at": row.created_at,
            "sent_at": row.sent_at,
        }


SECTIONS: tuple[Section, ...] = (
    _small("profile.json", "who you are, as your identity provider told, and what you chose", profile, one=True),
    _small(
        "organisations.json",
        "where you are a member, and as what",
        lambda user: personal_data.memberships(user.person_id),
    ),
    _small("tokens.json", "the script tokens that you made, without their secrets", tokens),
    _small("notices.json", "what you were told in the portal", lambda user: personal_data.notices(user.person_id)),
    _small("preferences.json", "what you want to hear of and how, and the views that you saved", preferences),
    _small("mails.json", "what was mailed to you", mails),
    Section(
        "jobs.json",
        "the jobs that you ran, whoever paid, with every receipt",
        personal_data.job_steps,
        lambda user: personal_data.jobs(user.person_id),
    ),
    Section(
        "audit.json",
        "what you changed of organisations, and what was changed about you",
        personal_data.audit_steps,
        lambda user: personal_data.audit(user.person_id),
    ),
    Section(
        "holds.json",
        "credits that were held for your jobs",
        personal_data.hold_steps,
        lambda user: personal_data.holds(user.person_id),
    ),
)


def steps() -> int:
    """How many steps `write` reports before it is done."""
    return sum(section.steps() for section in SECTIONS)


def write(user: User, sink: Sink, advance: Callable[[int], None]) -> None:
    """Hand the archive to `sink` in pieces of at most PIECE_BYTES; `advance` hears how many steps are behind."""
    stream = _Pieces(sink)
    now = datetime.now(UTC)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("README.txt", now), _readme(user, now))
        for section in SECTIONS:
            with archive.open(_entry(section.name, now), "w") as file:
                for piece in _texts(section, user, advance):
                    file.write(piece)
    stream.finish()


def _texts(section: Section, user: User, advance: Callable[[int], None]) -> Iterator[bytes]:
    """JSON, one document a line, so that it can be read by a person and by a program that takes a line at a time."""
    if not section.one:
        yield b"[\n"
    between = b""
    for batch in section.batches(user):
        for document in batch.documents:
            yield between + msgspec.json.encode(document)
            between = b",\n"
        if batch.steps:
            advance(batch.steps)
    yield b"\n" if section.one else b"\n]\n"


def _entry(name: str, now: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, now.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _readme(user: User, now: datetime) -> str:
    files = "\n".join(f"{section.name:<20}{section.text}" for section in SECTIONS)
    return (
        f"What {settings.SITE_TITLE} ({settings.PUBLIC_URL}) knows about you, as of {now:%Y-%m-%d %H:%M} UTC.\n\n"
        f"{files}\n\n"
        "Amounts are credits as decimal texts, times are UTC. How to compute a receipt again, and what is kept for how "
        f"long and why: {settings.PUBLIC_URL}/help/.\n"
    )


class _Pieces(io.RawIOBase):
    """What a ZIP is written to: cannot be sought in, so nothing that was written has to be kept."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        while len(self.waiting) >= PIECE_BYTES:
            self.sink(bytes(self.waiting[:PIECE_BYTES]))
            del self.waiting[:PIECE_BYTES]
        return len(data)

    def finish(self) -> None:
        if self.waiting:
            self.sink(bytes(self.waiting))
            self.waiting.clear()
