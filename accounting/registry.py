"""The federation as we know it: providers, back ends, sources, and the clients that may report for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from accounting.models import Account, BackEnd, Provider, ServiceClient, Source
from accounting.principals import normalise_issuer

__all__ = [
    "RegisteredClient",
    "find_client",
    "normalise_issuer",
    "register_backend",
    "register_client",
    "register_provider",
    "register_source",
    "sources_of",
]


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    pk: int
    subject: str
    name: str


def register_provider(slug: str, name: str) -> int:
    """Idempotent by slug. Opens the account of what is owed to the provider."""
    provider, _ = Provider.objects.update_or_create(slug=slug, defaults={"name": name})
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_account(%s, NULL, %s, '')", [Account.Kind.PROVIDER_PAYABLE, provider.pk])
    return provider.pk


def register_backend(slug: str, name: str, provider: int, url: str = "", excess: str = "charge") -> int:
    """Idempotent by slug. `excess` says who bears what a job costs beyond its hold: charge or waive (H9)."""
    backend, _ = BackEnd.objects.update_or_create(
        slug=slug, defaults={"name": name, "provider_id": provider, "url": url, "excess": excess}
    )
    return backend.pk


def register_source(source_id: str, backend: int, user_issuer: str) -> int:
    """Idempotent by `source_id`. The subs that it reports belong to `user_issuer`."""
    source, _ = Source.objects.update_or_create(
        source_id=source_id, defaults={"backend_id": backend, "user_issuer": normalise_issuer(user_issuer)}
    )
    return source.pk


def register_client(
    issuer: str,
    client_id: str,
    name: str,
    sources: Sequence[str] = (),
    *,
    subject: str = "",
    active: bool = True,
) -> int:
    """Idempotent by (issuer, client id); replaces the list of sources it may report for."""
    client, _ = ServiceClient.objects.update_or_create(
        issuer=normalise_issuer(issuer),
        client_id=client_id,
        defaults={"name": name, "subject": subject, "active": active},
    )
    client.sources.set(Source.objects.filter(source_id__in=sources))
    return client.pk


def find_client(issuer: str, client_id: str) -> RegisteredClient | None:
    """An active client; None for the rest."""
    client = ServiceClient.objects.filter(issuer=normalise_issuer(issuer), client_id=client_id, active=True).first()
    return RegisteredClient(client.pk, client.subject, client.name) if client else None


def sources_of(client: int) -> Sequence[str]:
    """The `sourceId`s that the client may report for."""
    return list(Source.objects.filter(clients=client).order_by("source_id").values_list("source_id", flat=True))
