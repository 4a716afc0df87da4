"""Erasing what is personal: what stands in the way, that nothing personal is left, and that the books still hold."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client

from accounting import erasure as accounts
from accounting import grants, holds, invariants, members, organisations, queries, usage
from accounting.credits import MICROS
from accounting.errors import ErasureBlocked
from accounting.holds import Payer, Request
from accounting.models import Person
from portal import claims, erasure, exports, invitations
from portal.api import script_tokens
from portal.mail_rows import Mail
from portal.models import ApiToken, DataExport, SavedView, User
from tests.conftest import SOURCE, Federation
from tests.portal.reader import ISSUER, sign_in, text_of

CANARIES = {
    "name": "Canaria Namenlos",
    "email": "canary.mail@example.org",
    "voperson_id": "canary-voperson@egi.eu",
    "eduperson_entitlement": ["urn:mace:egi.eu:group:vo.openeo.cloud:role=canary_role#aai.egi.eu"],
}
WORDS = ("Canaria", "canary.mail", "Canary.Mail", "canary-voperson", "canary_role")
PHRASE = "delete my data"


@pytest.fixture
def alice(federation: Federation) -> Client:
    return sign_in("alice@egi.eu", **CANARIES)


@pytest.fixture
def user(alice: Client) -> User:
    return User.objects.get(sub="alice@egi.eu")


def open_hold(federation: Federation) -> Any:
    federation.grant(federation.alice.personal_organisation, 50 * MICROS, "for-holds")
    payer = Payer(SOURCE, federation.alice.sub)
    return holds.reserve(federation.client, Request(payer, "j-9", 5 * MICROS, key="j-9")).id


def found_in(words: tuple[str, ...]) -> list[str]:
    """Every column of every table, whatever its type, in which one of the words stands."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (data_type IN ('text', 'character varying', 'json', 'jsonb', 'ARRAY', 'bytea'))"
        )
        for table, column in cursor.fetchall():
            text = f"encode({column}, 'escape')" if _is_bytes(cursor, table, column) else f'"{column}"::text'
            asked = f'SELECT count(*) FROM "{table}" WHERE {text} ~ %s'  # noqa: S608  # names that the catalogue gave
            cursor.execute(asked, ["|".join(map(re.escape, words))])
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return found


def _is_bytes(cursor: Any, table: str, column: str) -> bool:
    cursor.execute(
        "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s", [table, column]
    )
    return bool(cursor.fetchone()[0] == "bytea")


class TestWhatStandsInTheWay:
    def test_a_stranger_signs_in_first(self, client: Client, db: None) -> None:
        assert client.post("/profile/data/erase/", {"typed": PHRASE}).status_code == 302

    def test_an_open_hold(self, federation: Federation, alice: Client, user: User) -> None:
        hold = open_hold(federation)

        response = alice.post("/profile/data/erase/", {"typed": PHRASE, "agreed": "on", "given_up": 10**12})
        assert response.status_code == 409
        assert "1 of your jobs still holds credits" in text_of(response)
        with pytest.raises(ErasureBlocked):
            erasure.erase(user, given_up=10**12)
        assert "portal_user.name" in found_in(WORDS)
        holds.release(federation.client, hold)
        assert erasure.erase(user, given_up=10**12)

    def test_an_organisation_with_members_and_no_other_owner(self, federation: Federation) -> None:
        bob = sign_in("bob@egi.eu", name="Bob")
        organisations.add_member(federation.lab, federation.charlie.pk, "viewer")

        response = bob.post("/profile/data/erase/", {"typed": PHRASE})
        assert response.status_code == 409
        assert "Geo Lab has other members and no other owner." in text_of(response)
        organisations.add_member(federation.lab, federation.alice.pk, "owner")
        assert bob.post("/profile/data/erase/", {"typed": PHRASE}).status_code == 302
        assert not [one for one in organisations.memberships(federation.bob.pk) if not one.personal]

    @pytest.mark.parametrize("typed", ["", "delete", "delete my data now", "\x00", "löschen"])
    def test_another_phrase(self, alice: Client, user: User, typed: str) -> None:
        response = alice.post("/profile/data/erase/", {"typed": typed})

        assert response.status_code == 422
        assert "form-errors" in response.content.decode()
        assert User.objects.get(pk=user.pk).name == CANARIES["name"]

    def test_credits_that_were_not_given_up(self, federation: Federation, alice: Client, user: User) -> None:
        federation.grant(federation.alice.personal_organisation, 12 * MICROS, "g-1")
        page = text_of(alice.get("/profile/data/erase/"))
        assert "I give up 12.00 credits" in page

        assert alice.post("/profile/data/erase/", {"typed": PHRASE, "given_up": 12 * MICROS}).status_code == 422
        sent = {"typed": PHRASE, "agreed": "on", "given_up": 12 * MICROS}
        federation.grant(federation.alice.personal_organisation, 1 * MICROS, "g-2")
        changed = alice.post("/profile/data/erase/", sent)
        assert changed.status_code == 422
        assert "Something has changed meanwhile" in text_of(changed)
        assert alice.post("/profile/data/erase/", sent | {"given_up": 13 * MICROS}).status_code == 302

    @pytest.mark.parametrize("given_up", ["x", "-1", "9" * 40, "\x00"])
    def test_a_forged_sum(self, federation: Federation, alice: Client, given_up: str) -> None:
        federation.grant(federation.alice.personal_organisation, 12 * MICROS, "g-1")
        sent = {"typed": PHRASE, "agreed": "on", "given_up": given_up}

        assert alice.post("/profile/data/erase/", sent).status_code == 422


class TestWhatIsLeft:
    def test_nothing_personal_in_any_table_and_books_that_hold(
        self, federation: Federation, alice: Client, user: User
    ) -> None:
        usage.ingest(federation.client, [federation.report(organisation=10**6)], on_reuse="refuse")
        _, secret = script_tokens.create(user, "Canaria's script", ["jobs:read"], 30)
        own = organisations.create_organisation("A lab of one", user.person_id)
        organisations.switch_organisation(user.person_id, own)
        exports.request(user)
        exports.make_waiting()
        invitations.invite(federation.lab, "Canary.Mail@example.org", "viewer", actor=federation.bob.pk)
        SavedView.objects.create(organisation_id=own, owner=user, name="Canaria's view", query="")
        for to in ({"user": user}, {"address": "Canary.Mail@example.org"}):
            Mail.objects.create(uuid=uuid4(), kind="k", cause="c", language="en", subject="Dear Canaria", **to)
        before = set(found_in(WORDS))
        assert {"portal_user.name", "portal_user.email", "portal_apitoken.name", "portal_savedview.name"} <= before
        assert {"portal_invitation.email", "portal_mail.subject"} <= before

        response = alice.post("/profile/data/erase/", {"typed": "  Delete  my data ", "given_up": 0})

        assert response["Location"] == "/profile/erased/"
        assert found_in(WORDS) == []
        assert list(invariants.violations()) == []
        assert not ApiToken.objects.exists()
        assert not DataExport.objects.exists()
        assert not queries.notices(user.person_id)
        with pytest.raises(script_tokens.ScriptTokenInvalid):
            script_tokens.verify(script_tokens.text_of(secret))

    def test_an_organisation_of_one_is_closed_and_loses_its_name(self, federation: Federation, user: User) -> None:
        own = organisations.create_organisation("A lab of one", user.person_id)
        erasure.erase(user)
        found = organisations.find_organisation(own)

        assert (found.name, found.closed_at is None) == (f"Organisation {own}", False)
        assert list(invariants.violations()) == []

    def test_the_address_of_an_accepted_invitation_goes_too(self, federation: Federation, user: User) -> None:
        members.remove(federation.lab, user.person_id)
        made = invitations.invite(federation.lab, "canary.other@example.org", "viewer", actor=federation.bob.pk)
        invitations.accept(made.link.rstrip("/").rpartition("/")[2], user.person_id)
        assert "portal_invitation.email" in found_in(("canary.other",))
        erasure.erase(user)

        assert found_in(("canary.other",)) == []

    def test_every_browser_is_signed_out(self, alice: Client, user: User) -> None:
        other = sign_in("alice@egi.eu", **CANARIES)
        bob = sign_in("bob@egi.eu")
        alice.post("/profile/data/erase/", {"typed": PHRASE})

        assert "/oidc/" in alice.get("/dashboard/")["Location"]
        assert "/oidc/" in other.get("/dashboard/")["Location"]
        assert bob.get("/dashboard/").status_code == 200
        assert Session.objects.count() == 1
        assert "What was personal is deleted" in text_of(alice.get("/profile/erased/"))

    def test_again_changes_nothing(self, user: User) -> None:
        assert erasure.erase(user)
        at = User.objects.get(pk=user.pk).erased_at

        assert not erasure.erase(user)
        assert User.objects.get(pk=user.pk).erased_at == at

    def test_a_failure_in_the_middle_erases_nothing(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        script_tokens.create(user, "nightly", ["jobs:read"], 30)
        monkeypatch.setattr(erasure, "_end_sessions", _fail)
        with pytest.raises(RuntimeError):
            erasure.erase(user)

        assert User.objects.get(pk=user.pk).name == CANARIES["name"]
        assert ApiToken.objects.exists()

    def test_colleagues_see_somebody_without_a_name(self, federation: Federation, alice: Client, user: User) -> None:
        usage.ingest(federation.client, [federation.report(organisation=federation.lab)], on_reuse="refuse")
        erasure.erase(user)
        bob = sign_in("bob@egi.eu")
        organisations.switch_organisation(federation.bob.pk, federation.lab)

        assert "Run by Deleted account" in text_of(bob.get(f"/jobs/{SOURCE}/j-1"))

    def test_usage_reported_late_is_charged_to_the_same_wallet(self, federation: Federation, user: User) -> None:
        home = federation.alice.personal_organisation
        federation.grant(home, 12 * MICROS, "g-1")
        erasure.erase(user, given_up=12 * MICROS)
        usage.ingest(federation.client, [federation.report()], on_reuse="refuse")

        assert queries.balance(home).posted == 12 * MICROS - 5_759_775
        assert Person.objects.filter(sub=user.sub).count() == 1
        assert list(invariants.violations()) == []

    def test_a_later_sign_in_begins_anew(self, federation: Federation, user: User) -> None:
        erasure.erase(user)
        again = claims.store(ISSUER, user.sub, {"name": "Alice Again"})

        assert (again.pk, again.person_id) == (user.pk, user.person_id)
        assert (again.display_name, again.erased_at, again.language) == ("Alice Again", None, "")
        assert [one.personal for one in organisations.memberships(user.person_id)] == [True]

    def test_grants_left_behind_expire_on_their_day(
        self, federation: Federation, user: User, database_clock: Any
    ) -> None:
        from datetime import UTC, datetime

        now = datetime.now(UTC)
        federation.grant(federation.alice.personal_organisation, 3 * MICROS, "g-1", expires_at=now + timedelta(days=1))
        erasure.erase(user, given_up=3 * MICROS)
        database_clock(now + timedelta(days=2))
        grants.expire_due()

        assert queries.balance(federation.alice.personal_organisation).posted == 0
        assert list(invariants.violations()) == []


class TestNoPlaceIsForgotten:
    """A new table about people has to say what becomes of its rows."""

    def test_every_model_about_a_person_is_erased_or_kept_for_a_reason(self) -> None:
        about = {
            model._meta.label
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if isinstance(field, models.ForeignKey) and field.remote_field.model is Person
        }
        assert about == accounts.ERASED | set(accounts.KEPT)

    def test_what_belongs_to_a_user_goes_or_is_kept_for_a_reason(self, user: User) -> None:
        going = {rows.model._meta.label for rows in erasure.owned(user)}
        about = {relation.related_model._meta.label for relation in erasure.relations()}
        assert {"portal.SavedView", "portal.Mail"} <= about

        assert about == going | set(erasure.KEPT)


def _fail(*_: Any) -> None:
    raise RuntimeError("the database went away")


class TestTheCommand:
    """For somebody who asks and cannot sign in."""

    def run(self, *arguments: str) -> str:
        said = io.StringIO()
        call_command("erase_person", ISSUER, "alice@egi.eu", *arguments, stdout=said)
        return said.getvalue()

    def test_says_first_what_would_happen(self, federation: Federation, user: User) -> None:
        federation.grant(federation.alice.personal_organisation, 12 * MICROS, "g-1")

        assert "keeps 12 credits that nobody could use any more" in self.run()
        assert User.objects.get(pk=user.pk).name == CANARIES["name"]
        with pytest.raises(CommandError, match="--give-up"):
            self.run("--yes")
        assert "erased\n" in self.run("--yes", "--give-up")
        assert "was erased before" in self.run("--yes", "--give-up")
        assert found_in(WORDS) == []

    def test_stops_at_what_is_in_the_way(self, federation: Federation, user: User) -> None:
        open_hold(federation)

        assert "1 of their jobs hold credits" in self.run()
        with pytest.raises(CommandError, match="open holds end first"):
            self.run("--yes", "--give-up")

    def test_nobody_by_that_name(self, db: None) -> None:
        with pytest.raises(CommandError, match="nobody"):
            self.run()
