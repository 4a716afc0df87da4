"""The daily mail comes at seven where the person lives, once a day, and only with something unread in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounting import notices
from accounting.models import Notice
from portal import mail
from portal.deliveries import digests, routing
from portal.mail.links import Wish
from portal.mail_rows import DigestEntry, Mail
from portal.models import User
from portal.notifications import preferences, unsubscribing
from portal.notifications.preferences import Choice
from tests.portal.deliveries.test_routing import tell
from tests.portal.mail.conftest import person
from tests.portal.mail.sink import Sink

MoveClock = Callable[[datetime | None], None]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def reader(name: str = "alice", zone: str = "Europe/Brussels") -> User:
    user = person(name)
    user.time_zone = zone
    user.save()
    preferences.choose(user, [Choice("grant_expiring", True, "daily")])
    return user


class TestMorning:
    @pytest.mark.parametrize(
        ("now", "zone", "morning"),
        [
            ("2026-06-10T04:59", "Europe/Brussels", "2026-06-09T05:00"),
            ("2026-06-10T05:00", "Europe/Brussels", "2026-06-10T05:00"),
            ("2026-06-10T12:00", "UTC", "2026-06-10T07:00"),
            # The clocks go forward on 29 March and back on 25 October, at one o'clock UTC.
            ("2026-03-28T06:00", "Europe/Brussels", "2026-03-28T06:00"),
            ("2026-03-29T05:00", "Europe/Brussels", "2026-03-29T05:00"),
            ("2026-03-29T04:59", "Europe/Brussels", "2026-03-28T06:00"),
            ("2026-10-25T06:00", "Europe/Brussels", "2026-10-25T06:00"),
            ("2026-10-25T05:59", "Europe/Brussels", "2026-10-24T05:00"),
            # Ahead of UTC by up to 14 hours, behind by up to 11, by half hours, and on a day that has no midnight.
            ("2026-06-09T17:00", "Pacific/Kiritimati", "2026-06-09T17:00"),
            ("2026-06-10T18:00", "Pacific/Pago_Pago", "2026-06-10T18:00"),
            ("2026-06-10T01:30", "Asia/Kolkata", "2026-06-10T01:30"),
            ("2026-06-10T01:15", "Asia/Kathmandu", "2026-06-10T01:15"),
            ("2026-09-06T11:00", "America/Santiago", "2026-09-06T10:00"),
        ],
    )
    def test_is_seven_where_the_person_lives(self, now: str, zone: str, morning: str) -> None:
        assert digests.last_morning(utc(now), ZoneInfo(zone)) == utc(morning)

    def test_comes_once_on_each_day_of_a_year_wherever(self) -> None:
        for name in ("Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"):
            zone, found = ZoneInfo(name), set()
            for hour in range(365 * 24):
                found.add(digests.last_morning(utc("2026-01-01T12:00") + timedelta(hours=hour), zone))
            days = sorted(one.date() for one in found)
            assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
            assert len(days) in (365, 366)
            assert {one.astimezone(zone).hour for one in found} == {7}


class TestDigest:
    def test_comes_once_a_day_with_what_waited(self, db: None, database_clock: MoveClock, sink: Sink) -> None:
        database_clock(utc("2026-03-28T20:00"))
        alice = reader()
        tell(alice, cause="c-1")
        tell(alice, cause="c-2", label="Voucher")
        routing.route()
        database_clock(utc("2026-03-29T04:59"))
        assert digests.write() == 0
        database_clock(utc("2026-03-29T05:01"))
        tell(alice, cause="c-3", label="Too late for this one")
        routing.route()
        assert [digests.write(), digests.write()] == [1, 0]
        mail.send()
        (letter,) = sink.letters
        text = letter.part("plain")
        assert letter.message["Subject"].strip().startswith("2 things to know: Credits of ")
        assert ("“Trial”" in text, "“Voucher”" in text, "Too late" in text) == (True, True, False)
        assert "28 Mar 2026, 21:00" in text
        assert "“Voucher”" in letter.part("html")
        database_clock(utc("2026-03-30T05:01"))
        assert digests.write() == 1

    def test_is_not_written_when_all_was_read(self, db: None, database_clock: MoveClock) -> None:
        database_clock(utc("2026-06-01T20:00"))
        alice = reader()
        tell(alice, cause="c-1")
        tell(alice, cause="c-2", label="Voucher")
        routing.route()
        notices.mark_read(alice.person_id)
        database_clock(utc("2026-06-02T06:00"))
        assert digests.write() == 0
        assert not Mail.objects.exists()
        assert not DigestEntry.objects.filter(closed_at=None).exists()

    def test_leaves_out_what_was_read(self, db: None, database_clock: MoveClock) -> None:
        database_clock(utc("2026-06-01T20:00"))
        alice = reader()
        tell(alice, cause="c-1")
        tell(alice, cause="c-2", label="Voucher")
        routing.route()
        notices.mark_read(alice.person_id, notices=[Notice.objects.earliest("pk").pk])
        database_clock(utc("2026-06-02T06:00"))
        digests.write()
        text = Mail.objects.get().text
        assert ("“Trial”" in text, "“Voucher”" in text) == (False, True)

    def test_comes_to_everybody_in_their_own_morning(self, db: None, database_clock: MoveClock) -> None:
        database_clock(utc("2026-06-01T12:00"))
        people = [reader("tokyo", "Asia/Tokyo"), reader("bern", "Europe/Zurich"), reader("lima", "America/Lima")]
        for user in people:
            tell(user)
        routing.route()
        order = []
        for hour in range(30):
            database_clock(utc("2026-06-01T12:00") + timedelta(hours=hour))
            before = set(Mail.objects.values_list("user__name", flat=True))
            digests.write()
            order += sorted(set(Mail.objects.values_list("user__name", flat=True)) - before)
        assert order == ["Tokyo", "Bern", "Lima"]
        assert Mail.objects.count() == 3

    def test_after_days_without_a_worker_there_is_one(self, db: None, database_clock: MoveClock) -> None:
        database_clock(utc("2026-06-01T12:00"))
        alice = reader()
        tell(alice)
        routing.route()
        database_clock(utc("2026-06-05T12:00"))
        assert [digests.write(), digests.write()] == [1, 0]

    def test_of_very_many_things_says_how_many_more_there_are(self, db: None, database_clock: MoveClock) -> None:
        database_clock(utc("2026-06-01T12:00"))
        alice = reader()
        for number in range(53):
            tell(alice, cause=f"c-{number}")
        routing.route()
        database_clock(utc("2026-06-02T12:00"))
        digests.write()
        assert "3 more are in the portal." in Mail.objects.get().text

    def test_two_workers_write_one(self, committed_db: None) -> None:
        alice = reader()
        tell(alice)
        routing.route()
        DigestEntry.objects.update(created_at=datetime.now(UTC) - timedelta(days=2))
        written: list[int] = []

        def work() -> None:
            try:
                written.append(digests.write())
            finally:
                connection.close()

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert sum(written) == Mail.objects.count() == 1

    def test_its_link_stops_all_that_comes_daily(self, db: None) -> None:
        alice = reader()
        unsubscribing.carry_out(Wish("digest", user=alice.pk))
        assert not [one for one in preferences.of_user(alice).values() if one.mail == "daily"]
        assert preferences.of_user(alice)["credits_exhausted"].mail == "now"
