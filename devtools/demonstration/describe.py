"""What others must know of the demonstration: the sign-in provider, `make run`, and whoever points a client at it."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounting import organisations, registry
from devtools.demonstration import guard
from devtools.demonstration.federation import CLIENT_OF, MEMBERS
from devtools.demonstration.people import MAIN, PEOPLE, TERRASCOPE, Person


def describe() -> dict[str, Any]:
    """People and clients for the provider, and one person, organisation, source and client that go together.

    :raises DemonstrationRefused: these settings are not for a demonstration.
    :raises RuntimeError: the database was not seeded for this issuer.
    """
    guard.require_demonstration()
    return {
        "people": [person.at_provider() for person in PEOPLE],
        "clients": [{"client_id": member.client_id} for member in MEMBERS],
        "source_id": TERRASCOPE,
        "client_id": CLIENT_OF[TERRASCOPE],
        "user_sub": MAIN.sub,
        "org_id": _paying_organisation(MAIN),
        "logins": [_login(person) for person in PEOPLE],
    }


def _paying_organisation(person: Person) -> int:
    found = organisations.find_person(registry.normalise_issuer(settings.OIDC_ISSUER), person.sub)
    if found is None:
        raise RuntimeError("the demonstration is not there yet: python -m devtools.demonstration seed")
    return found.current_organisation


def _login(person: Person) -> dict[str, Any]:
    found = organisations.find_person(registry.normalise_issuer(settings.OIDC_ISSUER), person.sub)
    shared = [m for m in organisations.memberships(found.pk) if not m.personal] if found else []
    return {
        "login": person.login,
        "name": person.name,
        "who": person.who,
        "organisations": [{"id": m.organisation, "name": m.name, "role": m.role, "current": m.current} for m in shared],
    }
