"""Every address x everybody who may ask: the status that stands in `expected`, and no word of anybody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.portal.access.expected import ACTORS, BACKEND, MEMBER, RULES, Rule, World
from tests.portal.access.routes import patterns

#: What only members of the lab may read: its name, its people, jobs, grants and projects.
CANARIES = (
    *("Geo Lab Ghent", "j-2611209f31c4a7", "j-26-near", "j-26-held-and-done"),
    *("NDVI composite of Flanders", "Dune vegetation", "ESA Network of Resources", "Coast and dunes"),
)


def ask(client: Client, world: World, rule: Rule, path: str) -> Any:
    # With the host in front, for a path may begin with two slashes.
    address = f"http://127.0.0.1{path}"
    if rule.method == "GET":
        return client.get(address)
    body: dict[str, Any] = {"data": b"", "content_type": "application/json"}
    if path.partition("?")[0].endswith("/"):
        body = {"data": rule.form(world)}
    return client.post(address, **body)


def text_of(response: Any) -> str:
    parts = response.streaming_content if response.streaming else [response.content]
    return b"".join(parts).decode(errors="replace")


def test_every_address_has_its_rules() -> None:
    assert sorted(set(patterns()) - RULES.keys()) == []
    assert sorted(RULES.keys() - set(patterns())) == []


@pytest.mark.provider
@pytest.mark.parametrize("actor", ACTORS)
def test_everybody_is_answered_as_expected(world: World, askers: dict[str, Client], actor: str) -> None:
    wrong, leaked = [], []
    for rules in RULES.values():
        for rule in rules:
            for path in rule.paths(world):
                # What one request changed must not be what the next one meets.
                before = transaction.savepoint()
                response = ask(askers[actor], world, rule, path)
                text = text_of(response)
                transaction.savepoint_rollback(before)
                if response.status_code != rule.status[actor]:
                    wrong.append(f"{rule.method} {path}: {response.status_code}, not {rule.status[actor]}")
                asked = [word for word in CANARIES if word in path]
                leaked += [f"{path}: {word}" for word in CANARIES if word in text and word not in asked]

    assert not wrong, "\n".join(wrong)
    if actor not in {MEMBER, BACKEND}:
        assert not leaked, "\n".join(leaked)


def test_the_canaries_sing_for_members(world: World, askers: dict[str, Client]) -> None:
    """They are on pages at all: a word that nobody reads proves nothing."""
    paths = [path for rules in RULES.values() for rule in rules if rule.method == "GET" for path in rule.paths(world)]
    pages = "".join(text_of(askers[MEMBER].get(path)) for path in paths if not path.startswith("/api/"))

    assert [word for word in CANARIES if word not in pages] == []
