"""Which pages the frame leads to, for whom, and which of them is here."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from portal.contexts import navigation
from portal.contexts.navigation import MAIN, Entry, find, navigation_of
from portal.models import User

PERSON = User(issuer="https://aai.example.org", sub="a")
STAFF = User(issuer="https://aai.example.org", sub="b", is_staff=True)


def hrefs(user: User | None, path: str = "/") -> list[str]:
    return [link.href for group in navigation_of(user, path).groups for link in group.links]


def test_each_sees_what_is_theirs() -> None:
    records = reverse("admin:index")

    assert hrefs(None) == [reverse(one.route) for one in navigation.ENTRIES if one.audience == navigation.ANYBODY]
    assert "/dashboard/" in hrefs(PERSON)
    assert records not in hrefs(PERSON)
    assert records in hrefs(STAFF)


def test_the_bar_of_phones_has_the_first_by_rank() -> None:
    found = navigation_of(PERSON, "/help/")

    assert len(found.main) == MAIN
    assert found.main[0].href == "/dashboard/"
    assert found.more
    assert not navigation_of(PERSON, "/dashboard/").more
    assert navigation_of(None, "/").main == ()


@pytest.mark.parametrize(
    ("path", "here"),
    [("/jobs/", ["/jobs/"]), ("/jobs/a/b", ["/jobs/"]), ("/help/researcher/", ["/help/"]), ("/nothing", []), ("/", [])],
)
def test_one_page_at_most_is_here(path: str, here: list[str]) -> None:
    links = [link for group in navigation_of(STAFF, path).groups for link in group.links]

    assert [link.href for link in links if link.here] == here


def test_of_addresses_that_begin_each_other_the_longer_one_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = next(one for one in navigation.ENTRIES if one.route == "jobs")
    whole = replace(jobs, route="landing", title="Start")
    monkeypatch.setattr(navigation, "ENTRIES", (whole, jobs))

    assert [link.here for link in navigation_of(PERSON, "/jobs/x").groups[0].links] == [False, True]


def test_every_entry_has_a_group_and_a_rank_of_its_own() -> None:
    ranks = [one.main for one in navigation.ENTRIES if one.main]

    assert {one.group for one in navigation.ENTRIES} <= {name for name, _ in navigation.GROUPS}
    assert len(ranks) == len(set(ranks))


def test_pages_are_found_by_title_or_other_words() -> None:
    assert [link.href for link in find(PERSON, ["BALANCE"])] == ["/dashboard/"]
    assert [link.href for link in find(PERSON, ["entitlements"])] == ["/profile/"]
    assert find(None, ["balance"]) == ()
    assert find(PERSON, ["balance", "costs"]) == ()


def test_a_page_is_listed_by_one_line(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Entry("terms", "Terms of use", icon="book-open-text", group=navigation.FEDERATION)
    monkeypatch.setattr(navigation, "ENTRIES", (*navigation.ENTRIES, line))
    page = alice.get("/jobs/").content.decode()

    assert page.count('href="/terms/"') == 2, "in the side bar and in the sheet of phones"
    assert re.search(r'id="rail-\d+">Federation<', page)
    assert 'href="/terms/"' in alice.get("/search/?q=terms").content.decode()
