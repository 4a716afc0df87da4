"""Who is calling: a registered back end's service client, or a person with a token of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """A back end's client (client credentials). `client` is the primary key in the registry."""

    client: int
    issuer: str
    client_id: str
    subject: str
    name: str

    is_authenticated: ClassVar[bool] = True

    @property
    def rate_key(self) -> str:
        return f"client:{self.client}"


@dataclass(frozen=True, slots=True)
class PersonPrincipal:
    """A person, by (issuer, sub); whether we know them yet is not said here.

    `organisation` narrows what a script of theirs sees to that one; None is all of theirs.
    """

    issuer: str
    sub: str
    organisation: int | None = None

    is_authenticated: ClassVar[bool] = True

    @property
    def rate_key(self) -> str:
        return f"person:{self.issuer}:{self.sub}"


Principal = ServicePrincipal | PersonPrincipal


def normalise_issuer(issuer: str) -> str:
    """One spelling an issuer: back ends write it with and without a slash, and in any case (contract 5.3)."""
    return issuer.rstrip("/").lower()
