-- From a rated report to everything it changes, in one statement of the caller and so in one database transaction.

-- What must be known before rating: earlier answer, registry, payer, tariff. One row a report, in order.
--   [{endpoint, source, service, key?, issuer?, accepted, user, organisation?, execution, finished_at?}]
-- accepted: users of that issuer may be reported by any source. An issuer that is neither comes back as null.
-- One index look-up a table and report, whatever the statistics say: the cached plan must not remember how small the
-- tables once were. Hence the planner's other ways are switched off and LIMIT 1 pins the look-ups it would reorder.
CREATE FUNCTION usage_resolve(a_client bigint, batch jsonb)
RETURNS TABLE (i bigint, source_pk bigint, allowed boolean, backend bigint, provider_account bigint,
               platform_account bigint, tariff bigint, issuer text, person bigint, plan text, organisation bigint,
               organisation_class text, refused boolean, wallet bigint, done bigint, done_fingerprint text,
               done_answer text, duplicate bigint, instant timestamptz)
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
           t.organisation IS NOT NULL AND own.id IS NULL AND pe.id IS NOT NULL OR coalesce(heir.organisation_refused, false),
           w.id, tx.id, tx.fingerprint::text, tx.answer, twin.transaction_id, accounting_now()
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (endpoint text, source text, service text, key text, issuer text,
                      "user" text, organisation bigint, execution text, finished_at timestamptz, twin text,
                      accepted boolean))
           WITH ORDINALITY AS t(endpoint, source, service, key, issuer, "user", organisation, execution, finished_at, twin,
                                accepted, i)
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
             WHERE x.id = coalesce(own.organisation_id, heir.organisation_id, here.organisation_id,
                                   pe.personal_organisation_id) LIMIT 1) o ON true
      LEFT JOIN accounting_account w ON w.organisation_id = o.id;
END $$;

-- Jobs and executions are sums over their reports; the newest report's state stands.
CREATE FUNCTION usage_write_jobs(batch jsonb, ids bigint[], instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH reported AS (
        SELECT t.*, ids[t.i] AS id
          FROM ROWS FROM (jsonb_to_recordset(batch) AS (uuid uuid, client bigint, source bigint, person bigint,
                   organisation bigint, requested_organisation bigint, refused boolean, job_id text, job_title text,
                   execution_id text, endpoint text, service text, job_kind text, state text, status text,
                   started_at timestamptz, finished_at timestamptz, tariff bigint, facts jsonb, amount bigint, raw text))
               WITH ORDINALITY AS t(uuid, client, source, person, organisation, requested_organisation, refused, job_id,
                   job_title, execution_id, endpoint, service, job_kind, state, status, started_at, finished_at, tariff,
                   facts, amount, raw, i)
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
                started_at, finished_at, tariff_id, facts, amount, raw, received_at)
    SELECT id, uuid, client, source, person, organisation, requested_organisation, refused, job, execution_id, endpoint,
           service, job_kind, state, status, started_at, finished_at, tariff, facts, amount, raw, instant
      FROM known;
END $$;

CREATE FUNCTION usage_write_lines(batch jsonb, ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounting_usageline (report_id, number, metric, reported, unit, canonical_quantity, canonical_unit, rule_id,
                                      formula, amount, posting, process, collection)
    SELECT ids[t.i], l.n, l.metric, l.reported, l.unit, l.canonical_quantity, l.canonical_unit, l.rule, l.formula, l.amount,
           l.posting, l.process, l.collection
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (lines jsonb)) WITH ORDINALITY AS t(lines, i),
           jsonb_to_recordset(t.lines) AS l(n smallint, metric text, reported text, unit text, canonical_quantity numeric,
               canonical_unit text, rule bigint, formula text, amount bigint, posting smallint, process text, collection text)
     WHERE ids[t.i] IS NOT NULL;
END $$;

-- Everything of a batch of rated reports. Returns the transaction of each, NULL where its key was taken meanwhile.
-- Elements are those of ledger_write with what usage_write_jobs, usage_write_lines and grants_burn read besides.
CREATE FUNCTION usage_book(batch jsonb) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE w record; charges jsonb; short boolean := false;
BEGIN
    SELECT * INTO w FROM ledger_write(batch);
    IF array_remove(w.ids, NULL) = '{}' THEN
        RETURN w.ids;
    END IF;
    PERFORM usage_write_jobs(batch, w.ids, w.instant);
    PERFORM usage_write_lines(batch, w.ids);
    SELECT jsonb_agg(jsonb_build_object('transaction', w.ids[t.i], 'posting', l.posting, 'line', l.n, 'wallet', t.wallet,
                                        'backend', t.backend, 'process', l.process, 'amount', l.amount) ORDER BY t.i, l.n)
      INTO charges
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (wallet bigint, backend bigint, lines jsonb))
           WITH ORDINALITY AS t(wallet, backend, lines, i),
           jsonb_to_recordset(t.lines) AS l(n smallint, posting smallint, process text, amount bigint)
     WHERE w.ids[t.i] IS NOT NULL AND l.amount > 0;
    IF charges IS NOT NULL THEN
        short := grants_burn(charges, w.instant);
    END IF;
    IF short OR batch @> '[{"refused": true}]' THEN
        PERFORM usage_tell(batch, w.ids);
    END IF;
    RETURN w.ids;
END $$;

-- What people must be told, as outbox rows of the same transaction (decision 0006).
CREATE FUNCTION usage_tell(batch jsonb, ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH reported AS (
        SELECT ids[t.i] AS id, t.* FROM ROWS FROM (jsonb_to_recordset(batch) AS (person bigint, organisation bigint,
                   requested_organisation bigint, refused boolean, job_id text, source_name text, wallet bigint))
               WITH ORDINALITY AS t(person, organisation, requested_organisation, refused, job_id, source_name, wallet, i)
         WHERE ids[t.i] IS NOT NULL)
    INSERT INTO accounting_outboxevent (topic, payload)
    SELECT 'organisation_refused', jsonb_build_object('transaction', id, 'person', person, 'organisation', organisation,
               'requested', requested_organisation, 'job', job_id, 'source', source_name)
      FROM reported WHERE refused
    UNION ALL
    SELECT 'credits_exhausted', jsonb_build_object('transaction', r.id, 'person', r.person, 'organisation', r.organisation,
               'job', r.job_id, 'source', r.source_name, 'balance', e.balance_after)
      FROM reported r JOIN accounting_entry e ON e.transaction_id = r.id AND e.account_id = r.wallet AND e.side = -1
     WHERE e.balance_after < 0 AND e.balance_after - e.amount >= 0;
END $$;

-- Gives a transaction back: its postings the other way round, its grants refilled, its debts cancelled, its job cheaper.
-- {transaction, reason, note?, key}; the same key again returns the first reversal. A transaction is reversed once.
CREATE FUNCTION ledger_reverse(p jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE a_id bigint := (p->>'transaction')::bigint; original accounting_transaction; postings jsonb; w record; a_wallet bigint;
BEGIN
    SELECT * INTO original FROM accounting_transaction WHERE id = a_id;
    IF NOT FOUND OR original.kind <> 'usage' THEN
        RAISE EXCEPTION 'only usage can be reversed' USING ERRCODE = 'LR001';
    END IF;
    SELECT jsonb_agg(jsonb_build_object('n', number, 'source', destination_account_id, 'destination', source_account_id,
                                        'amount', amount, 'purpose', 'reversal') ORDER BY number)
      INTO postings FROM accounting_posting WHERE transaction_id = a_id;
    SELECT * INTO w FROM ledger_write(jsonb_build_array(jsonb_build_object(
        'kind', 'reversal', 'endpoint', 'reversals', 'key', a_id::text, 'reverses', a_id, 'reason', p->>'reason',
        'note', p->>'note', 'occurred_at', original.occurred_at, 'postings', coalesce(postings, '[]'))));
    IF w.ids[1] IS NULL THEN
        RETURN (SELECT id FROM accounting_transaction WHERE reverses_id = a_id);
    END IF;
    UPDATE accounting_grant g SET remaining = g.remaining + s.amount
      FROM (SELECT grant_id, sum(amount) AS amount FROM accounting_spend WHERE transaction_id = a_id AND grant_id IS NOT NULL
             GROUP BY grant_id) s
     WHERE g.id = s.grant_id;
    UPDATE accounting_debt SET outstanding = 0 WHERE transaction_id = a_id AND outstanding > 0;
    INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
    SELECT transaction_id, posting, line, grant_id, -sum(amount), w.ids[1] FROM accounting_spend
     WHERE transaction_id = a_id GROUP BY transaction_id, posting, line, grant_id HAVING sum(amount) <> 0;
    UPDATE accounting_job j
       SET cost_compute = j.cost_compute - CASE WHEN r.endpoint = 'addedvalue' THEN 0 ELSE r.amount END,
           cost_added_value = j.cost_added_value - CASE WHEN r.endpoint = 'addedvalue' THEN r.amount ELSE 0 END
      FROM accounting_usagereport r WHERE r.transaction_id = a_id AND j.id = r.job_id;
    UPDATE accounting_execution e SET cost = e.cost - r.amount
      FROM accounting_usagereport r
     WHERE r.transaction_id = a_id AND e.job_id = r.job_id AND e.execution_id = r.execution_id;
    FOR a_wallet IN SELECT DISTINCT d.id FROM accounting_posting x JOIN accounting_account d ON d.id = x.source_account_id
                     WHERE x.transaction_id = a_id AND d.kind = 'wallet' LOOP
        PERFORM debts_repay(a_wallet, w.ids[1], w.instant);
    END LOOP;
    RETURN w.ids[1];
END $$;
