"""The application's role may do its work and nothing else (invariant L4; what is refused is in test_protection)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from accounting import grants, ledger, organisations, outbox, queries, registry, tariffs, usage
from accounting.models import QuarantinedReport
from devtools.postgres import APP
from tests.accounting.books import GOLDEN, book, booked, ingest, micros, posted, prove
from tests.conftest import ISSUER, RATES, Federation


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def as_app(federation: Federation) -> Iterator[Federation]:
    call_command("grant_privileges", role=APP, verbosity=0)
    run(f"SET SESSION AUTHORIZATION {APP}")
    yield federation
    run("SET CONSTRAINTS ALL IMMEDIATE")  # what is proved at COMMIT is proved with the application's rights
    run("RESET SESSION AUTHORIZATION")


class TestTheApplication:
    def test_books_reports_of_known_and_unknown_people(self, as_app: Federation) -> None:
        book(as_app)
        book(as_app, "k-2", user="dora@egi.eu", organisation=4711)
        assert ingest(as_app.client, as_app.report()).status == "replayed"
        assert outbox.deliver() == 3
        assert queries.balance(as_app.alice.personal_organisation).posted == -GOLDEN
        prove()

    def test_issues_expires_and_reverses(self, as_app: Federation) -> None:
        home = as_app.alice.personal_organisation
        as_app.grant(home, micros(9), "g")
        as_app.grant(home, micros(1), "late", expires_at=datetime.now(UTC) - timedelta(days=1))
        ledger.reverse(booked(as_app), "goodwill")
        assert grants.expire_due() == 1
        assert posted(home) == micros(9)
        prove()

    def test_registers_publishes_and_replays(self, as_app: Federation) -> None:
        ingest(as_app.client, as_app.report(source="New/One"))
        registry.register_source("New/One", registry.register_backend("n", "N", as_app.provider), ISSUER)
        registry.register_client(ISSUER, as_app.client.client_id, "tracker", ["New/One"])
        now = datetime.now(UTC)
        tariffs.publish("New/One", "first", RATES, starts_at=now - timedelta(days=1))
        tariffs.publish("New/One", "second", RATES, starts_at=now + timedelta(days=1))
        assert usage.replay(QuarantinedReport.objects.get().pk).status == "booked"

    def test_makes_organisations_and_providers(self, as_app: Federation) -> None:
        organisations.create_organisation("Forest Lab", as_app.alice.pk)
        organisations.switch_organisation(as_app.alice.pk, as_app.lab)
        registry.register_provider("eodc", "EODC")

    @pytest.mark.parametrize(
        "deed",
        [
            "UPDATE accounting_tariff SET name = 'x'",
            "DELETE FROM accounting_tariff",
            "UPDATE accounting_ratingrule SET price = 0",
            "DELETE FROM accounting_ratingrule",
            "TRUNCATE accounting_member",
        ],
    )
    def test_rewrites_no_rate_card(self, as_app: Federation, deed: str) -> None:
        """T1."""
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            run(deed)


def test_running_it_again_takes_back_what_somebody_gave_by_hand(federation: Federation) -> None:
    out = StringIO()
    for _ in range(2):
        run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        run(f"GRANT EXECUTE ON FUNCTION ledger_write(jsonb) TO PUBLIC, {APP}")
        call_command("grant_privileges", role=APP, stdout=out)
    assert out.getvalue() == f"granted {APP} its privileges\n" * 2
    run(f"SET SESSION AUTHORIZATION {APP}")
    for deed in ("DELETE FROM accounting_entry", "SELECT ledger_write('[]')", "UPDATE accounting_tariff SET name = ''"):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            run(deed)
    run("RESET SESSION AUTHORIZATION")


def test_it_needs_to_know_the_role(db: None) -> None:
    with pytest.raises(CommandError, match="name the application's role"):
        call_command("grant_privileges", role="")
    with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
        call_command("grant_privileges", role='nobody"; --')
