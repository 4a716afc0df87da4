-- Which hold a report belongs to, asked before it is rated; and the report's rows, which remember it.

-- Holds that a report of that source, job and execution may belong to, the likeliest first: open ones before those that
-- ended; after the end only the same execution, or a job that was never reported under the hold: what captures say of one
-- run, the report of another does not replace. A released hold is none
-- whose job did not run: nothing was ever charged under it.
CREATE FUNCTION hold_candidates(a_source bigint, a_hold bigint, a_job text, a_execution text) RETURNS SETOF accounting_hold
LANGUAGE plpgsql STABLE ROWS 1 SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE run text := coalesce(a_execution, '');
BEGIN
    IF a_hold IS NOT NULL THEN
        RETURN QUERY SELECT h.* FROM accounting_hold h WHERE h.id = a_hold AND h.source_id = a_source;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT h.*
      FROM (SELECT x.id FROM accounting_hold x WHERE x.source_id = a_source AND x.job_id = a_job
                AND (x.execution_id = '' OR run = '' OR x.execution_id = run)
            UNION
            SELECT x.id FROM accounting_hold x WHERE run <> '' AND x.source_id = a_source AND x.execution_id = run
                AND x.execution_id <> '') c
      JOIN accounting_hold h ON h.id = c.id
      LEFT JOIN accounting_openhold o ON o.hold_id = h.id
     WHERE o.hold_id IS NOT NULL
        OR (NOT EXISTS (SELECT 1 FROM accounting_holdevent e WHERE e.hold_id = h.id AND e.ends AND e.kind = 'released')
            OR EXISTS (SELECT 1 FROM accounting_usagereport r WHERE r.hold_id = h.id))
       AND (run <> '' AND h.execution_id = run
            OR NOT EXISTS (SELECT 1 FROM accounting_usagereport r WHERE r.hold_id = h.id
                              AND CASE WHEN r.endpoint = 'captures'
                                       THEN run <> '' AND r.execution_id <> '' AND r.execution_id <> run
                                       ELSE run = '' OR r.execution_id <> run END))
     ORDER BY o.hold_id IS NOT NULL DESC, h.execution_id = run DESC, h.id DESC;
END $$;

-- What the hold paid for captures, which the job's own report will replace (H8).
CREATE FUNCTION hold_provisional(a_hold bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(-sum(e.amount), 0)::bigint
              FROM accounting_usagereport r
              JOIN accounting_holdevent e ON e.hold_id = r.hold_id AND e.transaction_id = r.transaction_id
                                         AND e.kind = 'captured'
             WHERE r.hold_id = a_hold AND r.endpoint = 'captures'
               AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = r.transaction_id));
END $$;

DROP FUNCTION usage_resolve(bigint, jsonb);
-- As before, and: the project, the hold that the report belongs to (open or not), what an open one can still pay, and who
-- bears what goes beyond it. The hold decided who pays when the job began.
CREATE FUNCTION usage_resolve(a_client bigint, batch jsonb)
RETURNS TABLE (i bigint, source_pk bigint, allowed boolean, backend bigint, provider_account bigint,
               platform_account bigint, tariff bigint, issuer text, person bigint, plan text, organisation bigint,
               organisation_class text, refused boolean, wallet bigint, done bigint, done_fingerprint text,
               done_answer text, duplicate bigint, instant timestamptz, project bigint, hold bigint,
               hold_keeps bigint, excess text)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET enable_memoize = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    RETURN QUERY
    SELECT t.i, s.id, cs.id IS NOT NULL, s.backend_id, pay.id,
           (SELECT id FROM accounting_account WHERE kind = 'platform_fee' AND organisation_id IS NULL
               AND provider_id IS NULL AND owner = ''),
           tf.id, CASE WHEN t.accepted OR t.issuer = s.user_issuer THEN t.issuer WHEN t.issuer IS NULL THEN s.user_issuer END::text,
           pe.id, pe.plan::text, o.id,
           CASE WHEN o.personal THEN 'personal' ELSE o.category::text END,
           t.organisation IS NOT NULL AND own.id IS NULL AND pe.id IS NOT NULL
                AND t.organisation IS DISTINCT FROM hl.organisation_id OR coalesce(heir.organisation_refused, false),
           w.id, tx.id, tx.fingerprint::text, tx.answer, twin.transaction_id, accounting_now(),
           CASE WHEN hl.project_id IS NOT NULL THEN hl.project_id
                WHEN t.project IS NOT NULL THEN (SELECT pr.id FROM accounting_project pr
                                                  WHERE pr.organisation_id = o.id AND pr.slug = t.project) END,
           hl.id, hl.keeps, b.excess::text
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (endpoint text, source text, service text, key text, issuer text,
                      "user" text, organisation bigint, execution text, finished_at timestamptz, twin text,
                      accepted boolean, job text, hold bigint, project text))
           WITH ORDINALITY AS t(endpoint, source, service, key, issuer, "user", organisation, execution, finished_at, twin,
                                accepted, job, hold, project, i)
      LEFT JOIN accounting_source s ON s.source_id = t.source
      LEFT JOIN accounting_serviceclient_sources cs ON cs.source_id = s.id AND cs.serviceclient_id = a_client
      LEFT JOIN accounting_backend b ON b.id = s.backend_id
      LEFT JOIN accounting_account pay ON pay.kind = 'provider_payable' AND pay.organisation_id IS NULL
                                      AND pay.provider_id = b.provider_id AND pay.owner = ''
      LEFT JOIN accounting_tariff tf ON tf.source_id = s.id
            AND tstzrange(tf.starts_at, tf.ends_at) @> coalesce(t.finished_at, accounting_now())
      LEFT JOIN accounting_person pe ON pe.issuer = coalesce(t.issuer, s.user_issuer) AND pe.sub = t."user"
      LEFT JOIN LATERAL (
            SELECT k.id, k.fingerprint, k.answer FROM accounting_transaction k
             WHERE k.client_id = a_client AND k.endpoint = t.endpoint AND k.source_id = s.id AND k.service = t.service
               AND k.key = t.key LIMIT 1) tx ON true
      LEFT JOIN LATERAL (
            SELECT m.id, m.organisation_id FROM accounting_member m
             WHERE m.organisation_id = t.organisation AND m.person_id = pe.id LIMIT 1) own ON true
      LEFT JOIN LATERAL (  -- of an explicit capture, else of the execution, else of the job; one that named another payer is not it
            SELECT h.id, h.organisation_id, h.project_id,
                   (SELECT op.remaining + CASE WHEN t.endpoint = 'addedvalue' THEN 0 ELSE hold_provisional(h.id) END
                      FROM accounting_openhold op
                     WHERE op.hold_id = h.id AND op.expires_at > accounting_now()) AS keeps
              FROM hold_candidates(s.id, t.hold, t.job, t.execution) h
             WHERE (t.hold IS NOT NULL  -- most jobs have none, which two look-ups tell
                    OR EXISTS (SELECT 1 FROM accounting_hold x WHERE x.source_id = s.id AND x.job_id = t.job)
                    OR EXISTS (SELECT 1 FROM accounting_hold x WHERE x.source_id = s.id AND x.execution_id = t.execution
                                  AND x.execution_id <> ''))
               AND h.person_id = pe.id AND (own.id IS NULL OR own.organisation_id = h.organisation_id)
             LIMIT 1) hl ON true
      LEFT JOIN LATERAL (
            SELECT m.organisation_id FROM accounting_member m
             WHERE m.organisation_id = pe.current_organisation_id AND m.person_id = pe.id LIMIT 1) here ON true
      LEFT JOIN LATERAL (
            SELECT r.organisation_id, r.organisation_refused FROM accounting_usagereport r
             WHERE t.organisation IS NULL AND t.endpoint = 'addedvalue' AND r.source_id = s.id
               AND r.execution_id = t.execution AND r.execution_id <> '' AND r.person_id = pe.id
               AND r.endpoint = 'resources'
             ORDER BY r.transaction_id + 0 DESC LIMIT 1) heir ON true  -- + 0: not by walking the primary key
      LEFT JOIN LATERAL (
            SELECT r.transaction_id FROM accounting_usagereport r JOIN accounting_transaction rt ON rt.id = r.transaction_id
             WHERE t.twin IS NOT NULL AND r.source_id = s.id AND r.execution_id = t.execution AND r.execution_id <> ''
               AND r.person_id = pe.id AND r.endpoint = t.endpoint AND r.facts->>'metrics' = t.twin
               AND rt.key IS DISTINCT FROM t.key
               AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = rt.id)
             LIMIT 1) twin ON true
      LEFT JOIN LATERAL (
            SELECT x.id, x.personal, x.category FROM accounting_organisation x
             WHERE x.id = coalesce(hl.organisation_id, own.organisation_id, heir.organisation_id, here.organisation_id,
                                   pe.personal_organisation_id) LIMIT 1) o ON true
      LEFT JOIN accounting_account w ON w.organisation_id = o.id;
END $$;

-- Jobs and executions are sums over their reports; the newest report's state stands.
CREATE OR REPLACE FUNCTION usage_write_jobs(batch jsonb, ids bigint[], instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH reported AS (
        SELECT t.*, ids[t.i] AS id
          FROM ROWS FROM (jsonb_to_recordset(batch) AS (uuid uuid, client bigint, source bigint, person bigint,
                   organisation bigint, requested_organisation bigint, refused boolean, job_id text, job_title text,
                   execution_id text, endpoint text, service text, job_kind text, state text, status text,
                   started_at timestamptz, finished_at timestamptz, tariff bigint, facts jsonb, amount bigint, raw text,
                   project bigint, hold bigint))
               WITH ORDINALITY AS t(uuid, client, source, person, organisation, requested_organisation, refused, job_id,
                   job_title, execution_id, endpoint, service, job_kind, state, status, started_at, finished_at, tariff,
                   facts, amount, raw, project, hold, i)
         WHERE ids[t.i] IS NOT NULL
    ), jobs AS (
        INSERT INTO accounting_job AS j (source_id, job_id, person_id, organisation_id, title, kind, state, started_at,
                                         finished_at, cost_compute, cost_added_value, reported_at)
        SELECT source, job_id, person, organisation, coalesce((array_agg(job_title ORDER BY i DESC)
                   FILTER (WHERE job_title <> ''))[1], ''), (array_agg(job_kind ORDER BY i))[1],
               coalesce((array_agg(state ORDER BY i DESC) FILTER (WHERE state <> ''))[1], ''), min(started_at),
               max(finished_at), coalesce(sum(amount) FILTER (WHERE endpoint <> 'addedvalue'), 0),
               coalesce(sum(amount) FILTER (WHERE endpoint = 'addedvalue'), 0), instant
          FROM reported GROUP BY source, job_id, person, organisation ORDER BY source, job_id, person, organisation
        ON CONFLICT (source_id, job_id, person_id, organisation_id) DO UPDATE
           SET title = CASE WHEN excluded.title <> '' THEN excluded.title ELSE j.title END,
               state = CASE WHEN excluded.state <> '' THEN excluded.state ELSE j.state END,
               started_at = least(j.started_at, excluded.started_at),
               finished_at = greatest(j.finished_at, excluded.finished_at),
               cost_compute = j.cost_compute + excluded.cost_compute,
               cost_added_value = j.cost_added_value + excluded.cost_added_value, reported_at = excluded.reported_at
        RETURNING j.id, j.source_id, j.job_id, j.person_id, j.organisation_id
    ), known AS (
        SELECT r.*, j.id AS job FROM reported r JOIN jobs j ON j.source_id = r.source AND j.job_id = r.job_id
                                     AND j.person_id = r.person AND j.organisation_id = r.organisation
    ), executions AS (
        INSERT INTO accounting_execution AS e (job_id, execution_id, state, started_at, finished_at, cost)
        SELECT job, execution_id, coalesce((array_agg(state ORDER BY i DESC) FILTER (WHERE state <> ''))[1], ''),
               min(started_at), max(finished_at), sum(amount)
          FROM known GROUP BY job, execution_id ORDER BY job, execution_id
        ON CONFLICT (job_id, execution_id) DO UPDATE
           SET state = CASE WHEN excluded.state <> '' THEN excluded.state ELSE e.state END,
               started_at = least(e.started_at, excluded.started_at),
               finished_at = greatest(e.finished_at, excluded.finished_at), cost = e.cost + excluded.cost
    )
    INSERT INTO accounting_usagereport (transaction_id, uuid, client_id, source_id, person_id, organisation_id,
                requested_organisation, organisation_refused, job_id, execution_id, endpoint, service, kind, state, status,
                started_at, finished_at, tariff_id, facts, amount, raw, received_at, project_id, hold_id)
    SELECT id, uuid, client, source, person, organisation, requested_organisation, refused, job, execution_id, endpoint,
           service, job_kind, state, status, started_at, finished_at, tariff, facts, amount, raw, instant, project,
           hold
      FROM known;
END $$;
