"""Is every balance what its entries say? One bounded query a rule, sharing nothing with the code that posts (R15).

Each query returns the first offence as (transaction, row, problem), the earliest transaction first. Rule numbers are
those of accounting/README.md. All queries of a run see one snapshot, so running business does not disturb it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction


@dataclass(frozen=True, slots=True)
class Invariant:
    rule: str
    title: str
    query: str


@dataclass(frozen=True, slots=True)
class Violation:
    """`row` names the offending row as table and key; `transaction` is where to begin reading."""

    rule: str
    transaction: int
    row: str
    problem: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.row}: {self.problem} (transaction {self.transaction})"


INVARIANTS = (
    Invariant(
        "L1",
        "the entries of a transaction sum to zero",
        """SELECT transaction_id, 'transaction ' || transaction_id, 'its entries sum to ' || sum(amount)
             FROM accounting_entry GROUP BY transaction_id HAVING sum(amount) <> 0 ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "L2",
        "every posting has its two entries",
        """SELECT p.transaction_id, 'posting ' || p.transaction_id || '/' || p.number,
                  'should have an entry of ' || p.amount || ' on each of accounts ' || p.source_account_id || ' and '
                  || p.destination_account_id || ', found ' || coalesce(e.found, 'none')
             FROM accounting_posting p
             LEFT JOIN LATERAL (
                  SELECT string_agg(account_id || ':' || amount, ', ' ORDER BY side) AS found,
                         count(*) FILTER (WHERE side = -1 AND account_id = p.source_account_id
                                            AND amount = -p.amount) AS a,
                         count(*) FILTER (WHERE side = 1 AND account_id = p.destination_account_id
                                            AND amount = p.amount) AS b,
                         count(*) AS n
                    FROM accounting_entry e
                   WHERE e.transaction_id = p.transaction_id AND e.posting = p.number) e ON true
            WHERE (e.a, e.b, e.n) IS DISTINCT FROM (1::bigint, 1::bigint, 2::bigint)
            ORDER BY 1, p.number LIMIT 1""",
    ),
    Invariant(
        "L2",
        "every entry belongs to a posting of a transaction",
        """SELECT e.transaction_id, 'entry ' || e.account_id || '/' || e.seq,
                  CASE WHEN t.id IS NULL THEN 'its transaction is missing' ELSE 'its posting is missing' END
             FROM accounting_entry e
             LEFT JOIN accounting_transaction t ON t.id = e.transaction_id
             LEFT JOIN accounting_posting p ON p.transaction_id = e.transaction_id AND p.number = e.posting
            WHERE t.id IS NULL OR p.number IS NULL ORDER BY 1, e.posting, e.side LIMIT 1""",
    ),
    Invariant(
        "L5",
        "a wallet's entries are numbered without gaps and each balance follows from the one before",
        """SELECT w.transaction_id, 'entry ' || w.account_id || '/' || w.seq,
                  CASE WHEN w.seq <> w.expected
                       THEN 'should be number ' || w.expected || ': an entry before it is missing'
                       ELSE 'its balance is ' || coalesce(w.balance_after::text, 'missing')
                            || ', the entries say ' || w.run END
             FROM (SELECT e.account_id, e.seq, e.transaction_id, e.balance_after,
                          row_number() OVER w AS expected, sum(e.amount) OVER w AS run
                     FROM accounting_entry e JOIN accounting_account a ON a.id = e.account_id AND a.kind = 'wallet'
                   WINDOW w AS (PARTITION BY e.account_id ORDER BY e.seq)) w
            WHERE w.seq <> w.expected OR w.balance_after IS DISTINCT FROM w.run ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "L6",
        "a wallet's stored balance and count are those of its entries",
        """SELECT coalesce(s.newest, 0), 'account ' || a.id,
                  'holds ' || a.posted || ' after ' || a.seq || ' entries, the entries say ' || coalesce(s.total, 0)
                  || ' after ' || coalesce(s.n, 0)
             FROM accounting_account a
             LEFT JOIN (SELECT account_id, sum(amount) AS total, count(*) AS n, max(transaction_id) AS newest
                          FROM accounting_entry GROUP BY account_id) s ON s.account_id = a.id
            WHERE a.kind = 'wallet' AND (a.posted, a.seq) IS DISTINCT FROM (coalesce(s.total, 0), coalesce(s.n, 0))
            ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "G2",
        "what a grant has left is its amount less what it paid",
        """SELECT g.transaction_id, 'grant ' || g.id, 'has ' || g.remaining || ' of ' || g.amount || ' left but paid '
                  || coalesce(s.paid, 0)
             FROM accounting_grant g
             LEFT JOIN (SELECT grant_id, sum(amount) AS paid FROM accounting_spend GROUP BY grant_id) s
                    ON s.grant_id = g.id
            WHERE g.amount <> g.remaining + coalesce(s.paid, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "G3",
        "what was paid and what is owed for a posting out of a wallet is the posting, or nothing once reversed",
        """SELECT p.transaction_id, 'posting ' || p.transaction_id || '/' || p.number,
                  'moved ' || p.amount || ', grants and debts account for ' || coalesce(s.paid, 0)
             FROM accounting_posting p
             JOIN accounting_account a ON a.id = p.source_account_id AND a.kind = 'wallet'
             LEFT JOIN accounting_transaction r ON r.reverses_id = p.transaction_id
             LEFT JOIN (SELECT transaction_id, posting, sum(amount) AS paid FROM accounting_spend
                         GROUP BY transaction_id, posting) s
                    ON s.transaction_id = p.transaction_id AND s.posting = p.number
            WHERE coalesce(s.paid, 0) <> CASE WHEN r.id IS NULL THEN p.amount ELSE 0 END
            ORDER BY 1, p.number LIMIT 1""",
    ),
    Invariant(
        "G4",
        "an open debt is what no grant has paid of its line",
        """SELECT d.transaction_id, 'debt ' || d.id, 'is ' || d.outstanding || ', unpaid is ' || coalesce(s.unpaid, 0)
             FROM accounting_debt d
             LEFT JOIN (SELECT transaction_id, posting, line, sum(amount) AS unpaid FROM accounting_spend
                         WHERE grant_id IS NULL GROUP BY transaction_id, posting, line) s
                    ON s.transaction_id = d.transaction_id AND s.posting = d.posting
                   AND s.line IS NOT DISTINCT FROM d.line
            WHERE d.outstanding <> coalesce(s.unpaid, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "G6",
        "a wallet's balance is what its grants have left less its debts",
        """SELECT coalesce((SELECT max(transaction_id) FROM accounting_entry e WHERE e.account_id = a.id), 0),
                  'account ' || a.id, 'holds ' || a.posted || ', its grants less its debts are ' || coalesce(g.open, 0)
                  - coalesce(d.owed, 0)
             FROM accounting_account a
             LEFT JOIN (SELECT wallet_id, sum(remaining) AS open FROM accounting_grant GROUP BY wallet_id) g
                    ON g.wallet_id = a.id
             LEFT JOIN (SELECT wallet_id, sum(outstanding) AS owed FROM accounting_debt GROUP BY wallet_id) d
                    ON d.wallet_id = a.id
            WHERE a.kind = 'wallet' AND a.posted <> coalesce(g.open, 0) - coalesce(d.owed, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "H1",
        "a wallet holds what its open holds keep",
        """SELECT coalesce((SELECT max(transaction_id) FROM accounting_entry e WHERE e.account_id = a.id), 0),
                  'account ' || a.id, 'holds ' || a.held || ' for ' || a.holds || ' jobs, its open holds keep '
                  || coalesce(o.kept, 0) || ' for ' || coalesce(o.n, 0)
             FROM accounting_account a
             LEFT JOIN (SELECT wallet_id, sum(remaining) AS kept, count(*) AS n FROM accounting_openhold
                         GROUP BY wallet_id) o ON o.wallet_id = a.id
            WHERE (a.held, a.holds) IS DISTINCT FROM (coalesce(o.kept, 0), coalesce(o.n, 0)) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "H2",
        "what is bound of a grant is what open holds bind, and with what nothing backs it is what they keep",
        """SELECT coalesce(g.transaction_id, 0), coalesce('grant ' || g.id, 'hold ' || b.hold_id),
                  coalesce('has bound ' || g.held || ', open holds bind ' || coalesce(s.amount, 0),
                           'keeps ' || b.remaining || ', but binds ' || b.bound || ' and ' || b.unbacked || ' besides')
             FROM accounting_grant g
             LEFT JOIN (SELECT u.id, sum(u.amount) AS amount
                          FROM accounting_openhold o, unnest(o.grants, o.amounts) AS u(id, amount) GROUP BY u.id) s
                    ON s.id = g.id
             FULL JOIN (SELECT o.hold_id, o.remaining, o.unbacked,
                               coalesce((SELECT sum(u) FROM unnest(o.amounts) u), 0) AS bound
                          FROM accounting_openhold o) b ON false
            WHERE g.held <> coalesce(s.amount, 0) OR b.remaining <> b.bound + b.unbacked ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "H2",
        "an open hold binds grants of its own wallet",
        """SELECT coalesce(g.transaction_id, 0), 'hold ' || o.hold_id,
                  'binds ' || coalesce(u.amount::text, 'nothing') || ' of grant ' || coalesce(u.id::text, 'nowhere')
                  || CASE WHEN g.id IS NULL THEN ', which its wallet has not' ELSE '' END
             FROM accounting_openhold o CROSS JOIN LATERAL unnest(o.grants, o.amounts) AS u(id, amount)
             LEFT JOIN accounting_grant g ON g.id = u.id AND g.wallet_id = o.wallet_id
            WHERE g.id IS NULL OR u.amount IS NULL OR u.amount < 0 ORDER BY 1, o.hold_id LIMIT 1""",
    ),
    Invariant(
        "H3",
        "a hold keeps what it was opened with and what happened to it since",
        """SELECT coalesce((SELECT max(transaction_id) FROM accounting_usagereport r WHERE r.hold_id = h.id), 0),
                  'hold ' || h.id, 'keeps ' || coalesce(o.remaining, 0) || ', its history says '
                  || h.amount + coalesce(e.change, 0)
             FROM accounting_hold h
             LEFT JOIN accounting_openhold o ON o.hold_id = h.id
             LEFT JOIN (SELECT hold_id, sum(amount) AS change FROM accounting_holdevent GROUP BY hold_id) e
                    ON e.hold_id = h.id
            WHERE h.amount + coalesce(e.change, 0) <> coalesce(o.remaining, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "H4",
        "a hold is open, or one thing became of it",
        """SELECT 0, 'hold ' || h.id, CASE WHEN o.hold_id IS NULL THEN 'has neither an end nor an open part'
                                           ELSE 'has ended and is open' END
             FROM accounting_hold h
             LEFT JOIN accounting_openhold o ON o.hold_id = h.id
             LEFT JOIN accounting_holdevent e ON e.hold_id = h.id AND e.ends
            WHERE (o.hold_id IS NULL) = (e.id IS NULL) ORDER BY h.id LIMIT 1""",
    ),
    Invariant(
        "H8",
        "one capture of a hold stands at the most, and none that a report of its job came after",
        """SELECT max(r.transaction_id), 'hold ' || r.hold_id,
                  'is charged by ' || count(*) || ' reports at once, of which '
                  || count(*) FILTER (WHERE r.endpoint = 'captures') || ' are captures'
             FROM accounting_usagereport r
             LEFT JOIN accounting_transaction z ON z.reverses_id = r.transaction_id
            WHERE r.hold_id IS NOT NULL AND r.endpoint <> 'addedvalue' AND z.id IS NULL
            GROUP BY r.hold_id
           HAVING count(*) FILTER (WHERE r.endpoint = 'captures') > 1
               OR max(r.transaction_id) FILTER (WHERE r.endpoint = 'captures')
                  < max(r.transaction_id) FILTER (WHERE r.endpoint <> 'captures')
            ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "H8",
        "an open hold has charged what its reports say",
        """SELECT coalesce(s.newest, 0), 'hold ' || o.hold_id,
                  'has charged ' || o.captured || ', its reports say ' || coalesce(s.total, 0)
             FROM accounting_openhold o
             LEFT JOIN LATERAL (
                  SELECT sum(r.amount) FILTER (WHERE z.id IS NULL) AS total, max(r.transaction_id) AS newest
                    FROM accounting_usagereport r
                    LEFT JOIN accounting_transaction z ON z.reverses_id = r.transaction_id
                   WHERE r.hold_id = o.hold_id) s ON true
            WHERE o.captured <> coalesce(s.total, 0) ORDER BY 1, o.hold_id LIMIT 1""",
    ),
    Invariant(
        "H10",
        "an open hold is that of its wallet and its parent",
        """SELECT 0, 'hold ' || h.id, 'is of wallet ' || h.wallet_id || ' and parent '
                  || coalesce(h.parent_id::text, 'none')
                  || ', its open part of ' || o.wallet_id || ' and ' || coalesce(o.parent::text, 'none')
             FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id
            WHERE (o.wallet_id, o.parent) IS DISTINCT FROM (h.wallet_id, h.parent_id) ORDER BY h.id LIMIT 1""",
    ),
    Invariant(
        "H12",
        "a wallet knows whether it has limits",
        """SELECT 0, 'account ' || a.id, CASE WHEN a.limited THEN 'has no limit' ELSE 'does not look at its limits' END
             FROM accounting_account a
             LEFT JOIN (SELECT DISTINCT wallet_id FROM accounting_limit) l ON l.wallet_id = a.id
            WHERE a.limited <> (l.wallet_id IS NOT NULL) ORDER BY a.id LIMIT 1""",
    ),
    Invariant(
        "H12",
        "a limit has counted what was booked in its period",
        """SELECT 0, 'limit ' || l.id, 'counts ' || l.spent || ', the reports say ' || coalesce(r.spent, 0)
             FROM accounting_limit l
             JOIN accounting_account a ON a.id = l.wallet_id
             LEFT JOIN LATERAL (
                  SELECT sum(CASE WHEN l.process = '' THEN u.amount ELSE (
                             SELECT sum(n.amount) FROM accounting_usageline n
                              WHERE n.report_id = u.transaction_id AND n.process = l.process) END) AS spent
                    FROM accounting_usagereport u
                    JOIN accounting_source s ON s.id = u.source_id
                    LEFT JOIN accounting_transaction z ON z.reverses_id = u.transaction_id
                   WHERE u.organisation_id = a.organisation_id AND u.received_at >= l.period_starts_at
                     AND u.received_at < CASE l.period WHEN 'month' THEN l.period_starts_at + interval '1 month'
                                                       WHEN 'year' THEN l.period_starts_at + interval '1 year'
                                                       ELSE timestamptz 'infinity' END
                     AND (l.person_id IS NULL OR u.person_id = l.person_id)
                     AND (l.project_id IS NULL OR u.project_id = l.project_id)
                     AND (l.backend_id IS NULL OR s.backend_id = l.backend_id)
                     AND (z.id IS NULL OR z.recorded_at >= CASE l.period
                             WHEN 'month' THEN l.period_starts_at + interval '1 month'
                             WHEN 'year' THEN l.period_starts_at + interval '1 year'
                             ELSE timestamptz 'infinity' END)) r ON true
            WHERE l.period <> 'job' AND l.spent <> coalesce(r.spent, 0) ORDER BY l.id LIMIT 1""",
    ),
    Invariant(
        "M2",
        "an organisation has an owner",
        """SELECT 0, 'organisation ' || o.id, 'has no owner' FROM accounting_organisation o
            WHERE o.closed_at IS NULL AND EXISTS (SELECT 1 FROM accounting_member m WHERE m.organisation_id = o.id)
              AND NOT EXISTS (SELECT 1 FROM accounting_member m WHERE m.organisation_id = o.id AND m.role = 'owner')
            ORDER BY o.id LIMIT 1""",
    ),
    Invariant(
        "M3",
        "the budgets of projects are at most what their organisation may spend in the period",
        """SELECT 0, 'limit ' || w.id, 'allows ' || w.amount || ', the projects have ' || sum(b.amount)
             FROM accounting_limit w JOIN accounting_limit b ON b.wallet_id = w.wallet_id AND b.period = w.period
            WHERE w.project_id IS NULL AND w.person_id IS NULL AND w.backend_id IS NULL
              AND b.project_id IS NOT NULL AND b.person_id IS NULL AND b.backend_id IS NULL
              AND w.process = '' AND b.process = '' AND w.action = 'block' AND b.action = 'block' AND w.period <> 'job'
            GROUP BY w.id, w.amount HAVING sum(b.amount) > w.amount ORDER BY w.id LIMIT 1""",
    ),
    Invariant(
        "U3",
        "a report's amount is the sum of its lines and what left the wallet",
        """SELECT r.transaction_id, 'report ' || r.transaction_id, 'says ' || r.amount || ', its lines ' ||
                  coalesce(l.total, 0) || ', its postings ' || coalesce(p.total, 0)
             FROM accounting_usagereport r
             LEFT JOIN (SELECT report_id, sum(amount) AS total FROM accounting_usageline GROUP BY report_id) l
                    ON l.report_id = r.transaction_id
             LEFT JOIN (SELECT p.transaction_id, sum(p.amount) AS total FROM accounting_posting p
                          JOIN accounting_account a ON a.id = p.source_account_id AND a.kind = 'wallet'
                         GROUP BY p.transaction_id) p ON p.transaction_id = r.transaction_id
            WHERE r.amount <> coalesce(l.total, 0) OR r.amount <> coalesce(p.total, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "U4",
        "a job costs what its reports cost, less those reversed",
        """SELECT coalesce(s.newest, 0), 'job ' || j.id, 'costs ' || j.cost_compute + j.cost_added_value
                  || ', its reports ' || coalesce(s.total, 0)
             FROM accounting_job j
             LEFT JOIN (SELECT r.job_id, sum(r.amount) FILTER (WHERE z.id IS NULL) AS total,
                               max(r.transaction_id) AS newest
                          FROM accounting_usagereport r
                          LEFT JOIN accounting_transaction z ON z.reverses_id = r.transaction_id GROUP BY r.job_id) s
                    ON s.job_id = j.id
            WHERE j.cost_compute + j.cost_added_value <> coalesce(s.total, 0) ORDER BY 1 LIMIT 1""",
    ),
    Invariant(
        "S1",
        "what was spent a day is the sum of its spends",
        """WITH told AS (
               SELECT organisation_id, day, backend_id, person_id, coalesce(project_id, 0) AS project, process,
                      collection, kind, state, coalesce(grant_id, 0) AS payer, amount AS kept, 0 AS paid, 0 AS newest
                 FROM accounting_spendcell
                UNION ALL
               SELECT r.organisation_id, timezone('UTC', coalesce(z.occurred_at, t.occurred_at))::date, o.backend_id,
                      r.person_id, coalesce(r.project_id, 0), l.process, l.collection, r.kind, r.state,
                      coalesce(s.grant_id, 0), 0, s.amount, s.transaction_id
                 FROM accounting_spend s
                 JOIN accounting_usageline l ON l.report_id = s.transaction_id AND l.number = s.line
                 JOIN accounting_usagereport r ON r.transaction_id = l.report_id
                 JOIN accounting_source o ON o.id = r.source_id
                 JOIN accounting_transaction t ON t.id = r.transaction_id
                 LEFT JOIN accounting_transaction z ON z.id = s.cause_id AND z.reverses_id = r.transaction_id)
           SELECT max(newest), 'organisation ' || organisation_id || ' on ' || day,
                  'kept as ' || sum(kept) || ', its spends are ' || sum(paid)
             FROM told
            GROUP BY organisation_id, day, backend_id, person_id, project, process, collection, kind, state, payer
           HAVING sum(kept) <> sum(paid) ORDER BY 1, 2 LIMIT 1""",
    ),
    Invariant(
        "S1",
        "what was spent a day by back end and process is the sum of its cells",
        """SELECT 0, 'organisation ' || organisation_id || ' on ' || day, 'differs from its cells by ' || sum(amount)
             FROM (SELECT organisation_id, day, backend_id, process, amount FROM accounting_spendday
                    UNION ALL
                   SELECT organisation_id, day, backend_id, process, -amount FROM accounting_spendcell) d
            GROUP BY organisation_id, day, backend_id, process HAVING sum(amount) <> 0 ORDER BY 2 LIMIT 1""",
    ),
)


def violations() -> Iterator[Violation]:
    """The first offence of each broken rule, in the order of INVARIANTS; nothing when the books are right."""
    outermost = not connection.in_atomic_block  # only the first statement of a transaction may choose its snapshot
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        for invariant in INVARIANTS:
            cursor.execute(invariant.query)
            for transaction_id, row, problem in cursor.fetchall():
                yield Violation(invariant.rule, transaction_id, row, problem)
