"""`manage.py grant_privileges`: what the application's database role may do, set anew after every migration."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

LEDGER = (
    *("account", "transaction", "posting", "entry", "grant", "spend", "debt"),
    *("job", "execution", "usagereport", "usageline"),
    *("hold", "openhold", "holdevent", "limit"),
    *("spendday", "spendcell"),
)
"""Readable, and written by the posting functions only (L4)."""

INSERT_ONLY = ("ratingrule", "auditentry")
ENTRY_POINTS = (
    "ledger_account(text, bigint, bigint, text)",
    "grant_issue(jsonb)",
    "grants_expire(bigint, int)",
    "usage_book(jsonb)",
    "usage_resolve(bigint, jsonb)",
    "ledger_reverse(jsonb)",
    "hold_candidates(bigint, bigint, text, text)",
    "hold_provisional(bigint)",
    "hold_open(bigint, jsonb)",
    "hold_extend(bigint, jsonb)",
    "hold_beat(bigint, jsonb)",
    "hold_release(bigint, jsonb)",
    "hold_figures(bigint, bigint)",
    "hold_note_verdict(bigint, text)",
    "hold_check(bigint, jsonb)",
    "holds_expire(int)",
    "holds_expire_of(bigint[])",
    "limit_set(jsonb)",
    "limit_move(jsonb)",
    "wallet_set_rules(jsonb)",
    "accounting_now()",
)


class Command(BaseCommand):
    help = "Grants the application's role (DATABASE_APP_ROLE) what it needs and takes everything else. Idempotent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", default=os.environ.get("DATABASE_APP_ROLE", ""))

    def handle(self, *args: Any, **options: Any) -> None:
        role = options["role"]
        if not role:
            raise CommandError("name the application's role: --role or DATABASE_APP_ROLE")
        quoted = connection.ops.quote_name(role)
        # At once or not at all: between its statements the role would be allowed too much.
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _statements(quoted):
                cursor.execute(statement)
        self.stdout.write(f"granted {role} its privileges")


def _statements(role: str) -> list[str]:
    ledger = ", ".join(f"accounting_{name}" for name in LEDGER)
    insert_only = ", ".join(f"accounting_{name}" for name in INSERT_ONLY)
    return [
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"REVOKE ALL ON {ledger} FROM {role}",
        f"GRANT SELECT ON {ledger} TO {role}",
        f"REVOKE UPDATE, DELETE ON {insert_only}, accounting_tariff FROM {role}",
        f"GRANT UPDATE (ends_at) ON accounting_tariff TO {role}",
        _HIDE_FUNCTIONS.format(role=role.replace("'", "''")),
        *(f"GRANT EXECUTE ON FUNCTION {name} TO {role}" for name in ENTRY_POINTS),
    ]


_HIDE_FUNCTIONS = """
DO $$
DECLARE f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p
              WHERE p.pronamespace = 'public'::regnamespace
                AND p.proname ~ '^(accounting|ledger|grants?|debts|usage|tariff|holds?|limits?|wallet)_' LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, {role}', f);
    END LOOP;
END $$
"""
