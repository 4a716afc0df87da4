"""The signed-in person as accounting knows them: whose plan and organisation prices may depend on."""

from __future__ import annotations

from accounting import organisations, registry
from accounting.organisations import PersonView
from portal.models import User


def person_of(user: User) -> PersonView:
    """Everybody who signed in has been made known to accounting."""
    found = organisations.find_person(registry.normalise_issuer(user.issuer), user.sub)
    if found is None:
        raise TypeError("a user is made together with their person")
    return found
