"""Long histories of organisations, written in bulk: what three years of reports would have left behind.

Rows are inserted as superuser with triggers off, a report a wallet entry with one line and one spend; the sums beside
the spends are made of the same view as in the migration. People work as people do: on a day most of somebody's jobs
have the same back end, project, process and collection, the others have any of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

MEMBERS, BACKENDS, PROJECTS, PROCESSES, COLLECTIONS = 20, 5, 10, 30, 6
YEARS = 3
AT_ONCE = 200_000
CLIENT = "history-tracker"


@dataclass(frozen=True)
class Cast:
    """Primary keys of what all histories share; each place of the tuples belongs to the same back end."""

    issuer: str
    client: int
    sources: tuple[int, ...]
    payables: tuple[int, ...]
    tariffs: tuple[int, ...]
    rules: tuple[int, ...]


def make_cast(issuer: str) -> Cast:
    """Five back ends with a tariff of one price each, reported by one client."""
    from django.db import connection

    from accounting import ledger, registry, tariffs
    from accounting.tariffs import RuleSpec

    names, payables = [], []
    for number in range(BACKENDS):
        provider = registry.register_provider(f"history-{number}", f"Provider {number}")
        backend = registry.register_backend(f"history-{number}", f"Back end {number}", provider)
        names.append(f"history/{number}")
        registry.register_source(names[-1], backend, issuer)
        payables.append(ledger.open_account("provider_payable", provider=provider))
        price = RuleSpec("CPU", "cpu", "cpu-hour", Decimal("1.5"))
        tariffs.publish(names[-1], "rates", [price], starts_at=datetime(2020, 1, 1, tzinfo=UTC))
    client = registry.register_client(issuer, CLIENT, "History", names)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            "SELECT s.id, t.id, r.id FROM accounting_source s JOIN accounting_tariff t ON t.source_id = s.id"
            "  JOIN accounting_ratingrule r ON r.tariff_id = t.id WHERE s.source_id = ANY (%s) ORDER BY s.source_id",
            [names],
        )
        sources, of_source, rules = zip(*cursor.fetchall(), strict=True)
    return Cast(registry.normalise_issuer(issuer), client, sources, tuple(payables), of_source, rules)


def make_history(cast: Cast, entries: int, tell: Callable[[str], None]) -> tuple[str, str]:
    """An organisation with so many wallet entries of usage, the last a moment ago. Returns who its owner is."""
    from django.db import connection

    facts = _organisation(cast, entries)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET work_mem = '128MB'")
        cursor.execute("SELECT coalesce(max(id), 0) FROM accounting_transaction")
        base = cursor.fetchone()[0] + 1
        for start in range(0, entries, AT_ONCE):
            end = min(start + AT_ONCE, entries)
            _write(cursor, {**facts, "base": base, "start": start, "end": end, "entries": entries})
            tell(f"{end:,} of {entries:,}")
        for statement in _AFTERWARDS:
            cursor.execute(statement, facts)
        cursor.execute("RESET work_mem")
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")
    return cast.issuer, f"history-{entries}-0@egi.eu"


def _organisation(cast: Cast, entries: int) -> dict[str, Any]:
    from accounting import grants, ledger, limits, organisations

    people = [organisations.ensure_person(cast.issuer, f"history-{entries}-{n}@egi.eu").pk for n in range(MEMBERS)]
    lab = organisations.create_organisation(f"History of {entries:,}", people[0])
    for person in people:
        organisations.add_member(lab, person, "owner" if person == people[0] else "developer")
        organisations.switch_organisation(person, lab)
    issued = [
        grants.issue(
            lab, 500_000_000_000_000, kind="paid", fund="rig", label=f"Package {n + 1}", key=f"history {entries} {n}"
        )
        for n in range(12 * YEARS + 1)
    ]
    return {
        "members": people,
        "organisation": lab,
        "wallet": ledger.wallet(lab),
        "projects": [limits.create_project(lab, f"project-{n}", f"Project {n}") for n in range(PROJECTS)],
        "grants": issued,
        "since": datetime.now(UTC) - timedelta(days=365 * YEARS),
        "length": timedelta(days=365 * YEARS),
        "client": cast.client,
        "sources": list(cast.sources),
        "payables": list(cast.payables),
        "tariffs": list(cast.tariffs),
        "rules": list(cast.rules),
    }


def _write(cursor: Any, facts: dict[str, Any]) -> None:
    for statement in _STATEMENTS:
        cursor.execute(statement, facts)


_DRAW = """
CREATE TEMP TABLE drawn AS
SELECT %(base)s + i AS id, i, at, member, backend, kind, state, amount, execution,
       CASE WHEN seed %% 7 < 2 THEN NULL
            ELSE (%(projects)s::bigint[])[1 + (member * 2 + seed / 7 %% 2) %% 10] END AS project,
       CASE WHEN seed %% 11 < 6 THEN '' ELSE 'process-' || (member * 4 + seed / 11 %% 4) %% 30 END AS process,
       CASE WHEN seed %% 13 < 4 THEN '' ELSE 'COLLECTION_' || seed / 13 %% 6 END AS collection,
       CASE WHEN any_seed / 17 %% 50 = 0 THEN NULL
            ELSE (%(grants)s::bigint[])[1 + least(i * 36 / %(entries)s, 36)] END AS granted
  FROM (SELECT *, (member * 2 + seed %% 2) %% 5 AS backend
          FROM (SELECT *, CASE WHEN any_seed %% 100 < 85
                               THEN abs(hashint8extended(member, at::date - date '2000-01-01'))
                               ELSE any_seed END AS seed
                  FROM (SELECT i::bigint AS i, %(since)s + %(length)s * (i::float8 / %(entries)s) AS at,
                               abs(hashint8extended(i, 1)) AS any_seed,
                               floor(20 * power(abs(hashint8extended(i, 2)) %% 1000000 / 1000000.0, 2))::int AS member,
                               CASE WHEN abs(hashint8extended(i, 3)) %% 10 < 7 THEN 'batch' ELSE 'sync' END AS kind,
                               CASE WHEN abs(hashint8extended(i, 4)) %% 100 < 94 THEN 'FINISHED'
                                    WHEN abs(hashint8extended(i, 4)) %% 100 < 98 THEN 'FAILED'
                                    ELSE 'KILLED' END AS state,
                               10000 + abs(hashint8extended(i, 5)) %% 5000000 AS amount,
                               'application_' || i AS execution
                          FROM generate_series(%(start)s::bigint, %(end)s::bigint - 1) i) a) b) c
"""
_STATEMENTS = (
    "DROP TABLE IF EXISTS drawn",
    _DRAW,
    """INSERT INTO accounting_transaction (id, kind, client_id, endpoint, source_id, service, key, fingerprint, answer,
              reason, note, occurred_at, recorded_at)
       SELECT id, 'usage', %(client)s, 'resources', (%(sources)s::bigint[])[1 + backend], '', 'history-' || id, '',
              '[]', '', '', at, at + interval '3 minutes' FROM drawn""",
    """INSERT INTO accounting_posting (transaction_id, number, source_account_id, destination_account_id, amount,
              purpose)
       SELECT id, 1, %(wallet)s, (%(payables)s::bigint[])[1 + backend], amount, 'usage' FROM drawn""",
    """INSERT INTO accounting_entry (account_id, seq, transaction_id, posting, side, amount, balance_after, recorded_at)
       SELECT %(wallet)s, 100 + i, id, 1, -1, -amount, 0, at + interval '3 minutes' FROM drawn
        UNION ALL
       SELECT (%(payables)s::bigint[])[1 + backend], nextval('accounting_entry_free_seq'), id, 1, 1, amount, NULL,
              at + interval '3 minutes' FROM drawn""",
    """INSERT INTO accounting_job (id, source_id, job_id, person_id, organisation_id, title, kind, state, started_at,
              finished_at, cost_compute, cost_added_value, reported_at)
       SELECT id, (%(sources)s::bigint[])[1 + backend], 'j-' || id, (%(members)s::bigint[])[1 + member],
              %(organisation)s, 'A job of history', kind, state, at - interval '9 minutes', at,
              CASE WHEN process = '' THEN amount ELSE 0 END, CASE WHEN process = '' THEN 0 ELSE amount END,
              at + interval '3 minutes' FROM drawn""",
    """INSERT INTO accounting_usagereport (transaction_id, uuid, client_id, source_id, person_id, organisation_id,
              organisation_refused, project_id, job_id, execution_id, endpoint, service, kind, state, status,
              started_at, finished_at, tariff_id, facts, amount, raw, received_at)
       SELECT id, gen_random_uuid(), %(client)s, (%(sources)s::bigint[])[1 + backend],
              (%(members)s::bigint[])[1 + member], %(organisation)s, false, project, id, execution,
              CASE WHEN process = '' THEN 'resources' ELSE 'addedvalue' END, process, kind, state, '',
              at - interval '9 minutes', at, (%(tariffs)s::bigint[])[1 + backend], '{}', amount, '{}',
              at + interval '3 minutes' FROM drawn""",
    """INSERT INTO accounting_usageline (report_id, number, metric, reported, unit, canonical_quantity, canonical_unit,
              rule_id, formula, amount, posting, process, collection)
       SELECT id, 1, 'cpu', amount::text, 'cpu-seconds', amount / 1500000.0, 'cpu-hour',
              (%(rules)s::bigint[])[1 + backend], 'q * 1.5', amount, 1, process, collection FROM drawn""",
    """INSERT INTO accounting_spend (id, transaction_id, posting, line, grant_id, amount, cause_id)
       SELECT nextval(pg_get_serial_sequence('accounting_spend', 'id')), id, 1, 1, granted, amount, id FROM drawn""",
    "ANALYZE drawn",
    """CREATE TEMP TABLE told AS
       SELECT f.* FROM drawn d JOIN accounting_spend s ON s.transaction_id = d.id
         JOIN accounting_spend_facts f ON f.id = s.id""",
    """INSERT INTO accounting_spendcell AS x (organisation_id, day, backend_id, person_id, project_id, process,
              collection, kind, state, grant_id, amount)
       SELECT organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state, grant_id,
              sum(amount) FROM told GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
           ON CONFLICT (organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state,
                        grant_id) DO UPDATE SET amount = x.amount + excluded.amount""",
    """INSERT INTO accounting_spendday AS x (organisation_id, day, backend_id, process, amount)
       SELECT organisation_id, day, backend_id, process, sum(amount) FROM told GROUP BY 1, 2, 3, 4
           ON CONFLICT (organisation_id, day, backend_id, process) DO UPDATE SET amount = x.amount + excluded.amount""",
    "DROP TABLE told",
)
_AFTERWARDS = (
    """UPDATE accounting_grant g SET remaining = g.amount - s.spent
         FROM (SELECT grant_id, sum(amount) AS spent FROM accounting_spend
                WHERE grant_id = ANY (%(grants)s) GROUP BY 1) s
        WHERE g.id = s.grant_id""",
    """UPDATE accounting_account a
          SET posted = a.posted - s.spent, seq = 100 + (SELECT max(i) FROM drawn)
         FROM (SELECT sum(amount) AS spent FROM accounting_spendcell WHERE organisation_id = %(organisation)s) s
        WHERE a.id = %(wallet)s""",
    """SELECT setval(pg_get_serial_sequence('accounting_transaction', 'id'),
                     (SELECT max(id) FROM accounting_transaction)),
              setval(pg_get_serial_sequence('accounting_job', 'id'), (SELECT max(id) FROM accounting_job))""",
    "DROP TABLE drawn",
)
