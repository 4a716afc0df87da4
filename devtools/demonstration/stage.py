"""Sets the stage in the database: the registry, the rate cards, everybody's account and organisation. Idempotent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection

from accounting import estimates, organisations, registry, tariffs
from accounting.principals import ServicePrincipal
from devtools.demonstration.federation import MEMBERS, OFFERS
from devtools.demonstration.people import ORGANISATIONS, PEOPLE, SERVICE_ACCOUNT
from devtools.demonstration.rates import RATE_CARDS, RateCard
from portal import claims, exports
from portal.api import script_tokens
from portal.models import User


@dataclass
class Stage:
    """What the made-up world is called in this database. `wallets`: organisations by slug, personal ones by sub."""

    issuer: str
    clients: dict[str, ServicePrincipal] = field(default_factory=dict)
    backends: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    wallets: dict[str, int] = field(default_factory=dict)

    def register(self) -> None:
        """Providers, back ends and sources, each with the client of the development issuer that reports for it."""
        for member in MEMBERS:
            provider = registry.register_provider(member.slug, member.name)
            for source in member.sources:
                backend = registry.register_backend(source.backend, source.backend_name, provider, source.url)
                self.backends[source.backend] = backend
                self.sources[source.source_id] = registry.register_source(source.source_id, backend, self.issuer)
                if source.backend in OFFERS:
                    estimates.load_capabilities(source.backend, OFFERS[source.backend])
            names = [source.source_id for source in member.sources]
            client = registry.register_client(self.issuer, member.client_id, f"{member.name} job tracker", names)
            self.clients[member.client_id] = ServicePrincipal(client, self.issuer, member.client_id, "", member.name)

    def publish(self, anchor: datetime, move: Callable[[datetime], None]) -> None:
        """Each rate card at the instant it was announced; a database that has cards of the source keeps them."""
        cards = sorted(RATE_CARDS, key=lambda card: card.published)
        for card in [card for card in cards if not _is_priced(card)]:
            move(anchor + card.published)
            tariffs.publish(card.source, card.name, card.rules, starts_at=anchor + card.starts, note=card.note)

    def admit(self) -> None:
        """Everybody as after a sign-in, in their organisations, and the one that pays chosen."""
        people = {}
        for person in PEOPLE:
            claims.store(settings.OIDC_ISSUER, person.sub, person.at_provider() | {"voperson_id": person.sub})
            people[person.login] = organisations.ensure_person(self.issuer, person.sub)
            self.wallets[person.sub] = people[person.login].personal_organisation
        self.wallets[SERVICE_ACCOUNT] = organisations.ensure_person(self.issuer, SERVICE_ACCOUNT).personal_organisation
        for shared in ORGANISATIONS:
            pk = organisations.create_organisation(shared.name, people[shared.owner].pk, category=shared.category)
            self.wallets[shared.slug] = pk
            for login, role in shared.members.items():
                organisations.add_member(pk, people[login].pk, role)
        for person in PEOPLE:
            if person.current:
                organisations.switch_organisation(people[person.login].pk, self.wallets[person.current])

    def equip(self) -> None:
        """What somebody has on the profile after a while: tokens, one of them ended, and a copy to fetch."""
        user = User.objects.get(issuer=settings.OIDC_ISSUER, sub=PEOPLE[0].sub)
        if user.api_tokens.exists():
            return
        lab = self.wallets[PEOPLE[0].current]
        script_tokens.create(user, "Monthly report of the lab", ["balance:read", "jobs:read"], 365, lab)
        script_tokens.create(user, "Notebook: what will it cost?", ["estimates:read", "quotes:read"], 90)
        ended, _ = script_tokens.create(user, "Workshop in Ghent", ["balance:read"], 30)
        script_tokens.revoke(user, ended.pk)
        exports.request(user)

    def date_back(self, to: datetime) -> None:
        """Accounts and memberships begin when the history does: pages say since when somebody is a member."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH mine AS (
                    UPDATE accounting_person SET created_at = %(to)s
                     WHERE issuer = %(issuer)s AND personal_organisation_id = ANY (%(wallets)s) RETURNING id
                ), signed_in AS (
                    UPDATE portal_user SET joined_at = %(to)s WHERE person_id IN (SELECT id FROM mine)
                ), joined AS (
                    UPDATE accounting_member SET joined_at = %(to)s WHERE organisation_id = ANY (%(wallets)s)
                )
                UPDATE accounting_organisation SET created_at = %(to)s WHERE id = ANY (%(wallets)s)
                """,
                {"to": to, "issuer": self.issuer, "wallets": list(self.wallets.values())},
            )


def _is_priced(card: RateCard) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM accounting_tariff t JOIN accounting_source s ON s.id = t.source_id"
            " WHERE s.source_id = %s)",
            [card.source],
        )
        return bool(cursor.fetchone()[0])
