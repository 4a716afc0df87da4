-- Limits also of a process (what its usage lines cost) and of a single job (M5); beyond its budget a project may go on with
-- what the organisation has not assigned to any (M4).

CREATE OR REPLACE FUNCTION limit_period(a_period text, instant timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN a_period IN ('total', 'job') THEN timestamptz '2000-01-01 00:00Z'
                ELSE date_trunc(a_period, instant AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END
$$;

-- What the organisation as a whole may spend a period, and what a project of it may.
CREATE FUNCTION limit_is_whole(l accounting_limit) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT l.project_id IS NULL AND l.person_id IS NULL AND l.backend_id IS NULL AND l.process = '' AND l.action = 'block'
           AND l.period <> 'job'
$$;
CREATE FUNCTION limit_is_budget(l accounting_limit) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT l.project_id IS NOT NULL AND l.person_id IS NULL AND l.backend_id IS NULL AND l.process = ''
           AND l.action = 'block' AND l.period <> 'job'
$$;

-- What a job of that project (null: of none) can have of the part that no project's budget has, for each period in which
-- there is such a part: its own budget besides, if it has one. `kept` is what is spent and kept of it, `running` what is
-- spent and used. A project that may not go beyond its budget has no part in it.
CREATE FUNCTION limit_pools(a_wallet bigint, a_project bigint, instant timestamptz)
RETURNS TABLE (id bigint, period text, amount bigint, kept bigint, running bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH counted AS (
        SELECT l.*, CASE WHEN l.period_starts_at >= limit_period(l.period, instant) THEN l.spent ELSE 0 END AS booked,
               limit_is_whole(l) AS whole
          FROM accounting_limit l WHERE l.wallet_id = a_wallet AND (limit_is_whole(l) OR limit_is_budget(l))
    ), open AS (
        SELECT h.project_id AS project, sum(o.remaining) AS kept, sum(hold_running(o)) AS running
          FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id
         WHERE o.wallet_id = a_wallet AND o.expires_at > instant GROUP BY h.project_id
    ), every AS (
        SELECT coalesce(sum(o.kept), 0) AS kept, coalesce(sum(o.running), 0) AS running FROM open o
    ), budget AS (
        SELECT b.period, b.project_id AS project, b.amount, b.fallback, b.booked + coalesce(o.kept, 0) AS kept,
               b.booked + coalesce(o.running, 0) AS running
          FROM counted b LEFT JOIN open o ON o.project = b.project_id WHERE NOT b.whole
    )
    SELECT w.id, w.period::text, (w.amount - sum(b.amount) FILTER (WHERE b.project IS DISTINCT FROM a_project))::bigint,
           (w.booked + e.kept - sum(least(b.kept, b.amount)) FILTER (WHERE b.project IS DISTINCT FROM a_project))::bigint,
           (w.booked + e.running - sum(least(b.running, b.amount)) FILTER (WHERE b.project IS DISTINCT FROM a_project))::bigint
      FROM counted w JOIN budget b ON b.period = w.period CROSS JOIN every e
     WHERE w.whole
     GROUP BY w.id, w.period, w.amount, w.booked, e.kept, e.running
    HAVING bool_and(b.fallback) FILTER (WHERE b.project = a_project) IS NOT FALSE
       AND count(*) FILTER (WHERE b.project IS DISTINCT FROM a_project) > 0;
END $$;

DROP FUNCTION limits_of(bigint, bigint, bigint, bigint, timestamptz);
-- The limits that a job of that person, project, back end and processes falls under: what is spent, and what open holds keep.
-- A hold whose workload names a process keeps all of it for that process. Those of single jobs are in `limit_of_job`.
CREATE FUNCTION limits_of(a_wallet bigint, a_person bigint, a_project bigint, a_backend bigint, a_processes text[],
                          instant timestamptz)
RETURNS TABLE (id bigint, amount bigint, action text, spent bigint, kept bigint, running bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT l.id, l.amount, CASE WHEN l.fallback THEN 'notify' ELSE l.action::text END,
           CASE WHEN l.period_starts_at >= limit_period(l.period, instant) THEN l.spent ELSE 0 END,
           coalesce(k.kept, 0)::bigint, coalesce(k.running, 0)::bigint
      FROM accounting_limit l
      LEFT JOIN LATERAL (
            SELECT sum(o.remaining) AS kept, sum(hold_running(o)) AS running
              FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id
              JOIN accounting_source s ON s.id = h.source_id
             WHERE o.wallet_id = a_wallet AND o.expires_at > instant
               AND (l.person_id IS NULL OR h.person_id = l.person_id)
               AND (l.project_id IS NULL OR h.project_id = l.project_id)
               AND (l.backend_id IS NULL OR s.backend_id = l.backend_id)
               AND (l.process = '' OR l.process = ANY (h.processes))) k ON true
     WHERE l.wallet_id = a_wallet AND l.period <> 'job' AND (l.person_id IS NULL OR l.person_id = a_person)
       AND (l.project_id IS NULL OR l.project_id = a_project) AND (l.backend_id IS NULL OR l.backend_id = a_backend)
       AND (l.process = '' OR l.process = ANY (a_processes))
    UNION ALL
    SELECT p.id, p.amount, 'block', 0::bigint, p.kept, p.running FROM limit_pools(a_wallet, a_project, instant) p;
END $$;

-- What all reports of a job cost that the wallet paid.
CREATE FUNCTION limit_job_cost(a_wallet bigint, a_source text, a_job text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(j.cost_compute + j.cost_added_value), 0)
              FROM accounting_job j JOIN accounting_source s ON s.id = j.source_id
              JOIN accounting_account a ON a.organisation_id = j.organisation_id AND a.id = a_wallet
             WHERE s.source_id = a_source AND j.job_id = a_job);
END $$;

-- The narrowest limit of a single job that it falls under, and what that leaves: without what the job has cost and what its
-- other holds keep. A job that nobody named yet has cost nothing.
CREATE FUNCTION limit_of_job(a_wallet bigint, a_person bigint, a_project bigint, a_backend bigint, a_source text, a_job text,
                             instant timestamptz, OUT id bigint, OUT amount bigint, OUT within bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT l.id, l.amount INTO id, amount FROM accounting_limit l
     WHERE l.wallet_id = a_wallet AND l.period = 'job' AND l.action = 'block'
       AND (l.person_id IS NULL OR l.person_id = a_person) AND (l.project_id IS NULL OR l.project_id = a_project)
       AND (l.backend_id IS NULL OR l.backend_id = a_backend)
     ORDER BY l.amount, l.id LIMIT 1;
    IF FOUND THEN
        within := amount - limit_job_cost(a_wallet, a_source, a_job) - (
            SELECT coalesce(sum(o.remaining), 0) FROM accounting_hold h
              JOIN accounting_openhold o ON o.hold_id = h.id AND o.wallet_id = a_wallet AND o.expires_at > instant
              JOIN accounting_source s ON s.id = h.source_id
             WHERE s.source_id = a_source AND h.job_id = a_job);
    END IF;
END $$;

DROP FUNCTION limits_count(bigint, bigint, bigint, bigint, bigint, timestamptz, timestamptz);
-- Adds what was booked (sign 1) or given back (-1) to the counters of its wallet's limits; a new period begins at zero. A
-- process counts what the report's lines of it cost. What is given back of an earlier period changes nothing of this one.
-- People are told at 80 % and at the end.
CREATE FUNCTION limits_count(a_wallet bigint, a_person bigint, a_project bigint, a_backend bigint, a_report bigint, sign int,
                             a_amount bigint, a_booked_at timestamptz, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE x record; share int; part bigint;
BEGIN
    FOR x IN SELECT l.* FROM accounting_limit l
     WHERE l.wallet_id = a_wallet AND l.period <> 'job' AND (l.person_id IS NULL OR l.person_id = a_person)
       AND (l.project_id IS NULL OR l.project_id = a_project) AND (l.backend_id IS NULL OR l.backend_id = a_backend)
     ORDER BY l.id LOOP
        part := sign * CASE WHEN x.process = '' THEN a_amount ELSE (
            SELECT coalesce(sum(u.amount), 0) FROM accounting_usageline u
             WHERE u.report_id = a_report AND u.process = x.process) END;
        UPDATE accounting_limit l
           SET spent = CASE WHEN l.period_starts_at >= limit_period(l.period, instant) THEN l.spent ELSE 0 END
                       + CASE WHEN a_booked_at >= limit_period(l.period, instant) THEN part ELSE 0 END,
               period_starts_at = limit_period(l.period, instant)
         WHERE l.id = x.id RETURNING l.spent, l.period_starts_at INTO x.spent, x.period_starts_at;
        FOREACH share IN ARRAY ARRAY[80, 100] LOOP
            IF part > 0 AND x.spent * 100 >= x.amount * share AND (x.spent - part) * 100 < x.amount * share THEN
                INSERT INTO accounting_outboxevent (topic, payload)
                SELECT 'limit_reached', jsonb_build_object('limit', x.id, 'organisation', a.organisation_id, 'person', x.person_id,
                           'project', x.project_id, 'backend', x.backend_id, 'process', x.process, 'share', share,
                           'spent', x.spent, 'amount', x.amount, 'period', x.period, 'period_starts_at', x.period_starts_at,
                           'action', x.action)
                  FROM accounting_account a WHERE a.id = a_wallet
                UNION ALL
                SELECT 'guard', jsonb_build_object('wallet', a_wallet) WHERE x.action = 'block';
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- People are told, once a job and share, how near it came to what a single job may cost. The report is written already.
CREATE FUNCTION limits_tell_job(a_wallet bigint, a_report bigint, a_backend bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record; cost bigint; l record; share int;
BEGIN
    PERFORM 1 FROM accounting_limit x WHERE x.wallet_id = a_wallet AND x.period = 'job';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT u.*, j.job_id AS job, s.source_id AS source INTO r FROM accounting_usagereport u
      JOIN accounting_job j ON j.id = u.job_id JOIN accounting_source s ON s.id = u.source_id WHERE u.transaction_id = a_report;
    cost := limit_job_cost(a_wallet, r.source, r.job);
    FOR l IN SELECT * FROM accounting_limit x
              WHERE x.wallet_id = a_wallet AND x.period = 'job' AND (x.person_id IS NULL OR x.person_id = r.person_id)
                AND (x.project_id IS NULL OR x.project_id = r.project_id)
                AND (x.backend_id IS NULL OR x.backend_id = a_backend) ORDER BY x.id LOOP
        FOREACH share IN ARRAY ARRAY[80, 100] LOOP
            IF cost * 100 >= l.amount * share AND (cost - r.amount) * 100 < l.amount * share THEN
                INSERT INTO accounting_outboxevent (topic, payload)
                VALUES ('limit_reached', jsonb_build_object('limit', l.id, 'organisation', r.organisation_id,
                            'person', l.person_id, 'project', l.project_id, 'backend', l.backend_id, 'process', '',
                            'share', share, 'spent', cost, 'amount', l.amount, 'period', 'job',
                            'period_starts_at', l.period_starts_at, 'action', l.action, 'job', r.job, 'source', r.source,
                            'owner', r.person_id));
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- Counters of limits, and whoever must hear that a wallet with running jobs is empty or a limit reached.
CREATE OR REPLACE FUNCTION usage_guard(batch jsonb, ids bigint[], instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE e record;
BEGIN
    FOR e IN SELECT t.*, ids[t.i] AS report, a.limited, a.holds
               FROM ROWS FROM (jsonb_to_recordset(batch) AS (wallet bigint, person bigint, project bigint, backend bigint,
                    amount bigint)) WITH ORDINALITY AS t(wallet, person, project, backend, amount, i)
               JOIN accounting_account a ON a.id = t.wallet AND (a.limited OR a.holds > 0)
              WHERE ids[t.i] IS NOT NULL AND t.amount > 0 LOOP
        IF e.limited THEN
            PERFORM limits_count(e.wallet, e.person, e.project, e.backend, e.report, 1, e.amount, instant, instant);
            PERFORM limits_tell_job(e.wallet, e.report, e.backend);
        END IF;
        IF e.holds > 0 THEN
            PERFORM wallet_alert(e.wallet);
        END IF;
    END LOOP;
END $$;
