"""Whose data a caller sees: 404 hides what belongs to somebody else."""

from __future__ import annotations

from collections.abc import Collection

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounting import organisations
from accounting.api.v1 import parameters
from accounting.errors import NotFound
from accounting.organisations import PersonView
from accounting.principals import PersonPrincipal


def person_of(request: Request) -> PersonView:
    """The caller of a view for people; an account is made at first sight, as by the first usage report."""
    caller: object = request.user
    assert isinstance(caller, PersonPrincipal)
    return organisations.ensure_person(caller.issuer, caller.sub)


def organisations_of(request: Request) -> Collection[int]:
    """Those of which the caller is a member; with `?organisation=` only that one.

    :raises NotFound: the caller is no member of it, or it does not exist: nobody can tell which.
    """
    person, only = person_of(request), _only(request)
    mine = {membership.organisation for membership in organisations.memberships(person.pk)}
    if only is not None:
        mine &= {only}
    asked = _asked(request)
    if asked is None:
        return mine
    if asked not in mine:
        raise NotFound(f"there is no organisation {asked} of which you are a member", field="organisation")
    return {asked}


def organisation_of(request: Request, *, paying: bool = False) -> int:
    """The one named by `?organisation=`, else the only one that the caller's token is for, else their current one, or
    with `paying` the one that pays for jobs of theirs that name none.

    :raises NotFound: as above; the caller has left the only one.
    """
    only = _only(request)
    if _asked(request) is None and only is None:
        person = person_of(request)
        return person.payer if paying else person.current_organisation
    found = organisations_of(request)
    if not found:
        raise NotFound(f"there is no organisation {only} of which you are a member", field="organisation")
    return next(iter(found))


def _only(request: Request) -> int | None:
    caller: object = request.user
    return caller.organisation if isinstance(caller, PersonPrincipal) else None


def _asked(request: Request) -> int | None:
    text = request.query_params.get("organisation")
    if text is None:
        return None
    try:
        return parameters.read_whole(text)
    except ValueError as error:
        raise ValidationError({"organisation": str(error)}) from None
