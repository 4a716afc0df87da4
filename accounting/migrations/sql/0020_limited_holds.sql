-- Holds, their growth and their verdicts under the limits of 0018.

-- Writes a new hold that keeps what was taken. NULL: the key was taken meanwhile, and nothing was written.
CREATE OR REPLACE FUNCTION hold_write(a_client bigint, q jsonb, w record, bound bigint[], amounts bigint[], a_unbacked bigint,
                           a_plan text, instant timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE h_id bigint; life interval := make_interval(secs => (q->>'lifetime')::float8);
BEGIN
    INSERT INTO accounting_hold (uuid, wallet_id, organisation_id, person_id, project_id, client_id, source_id, parent_id,
           job_id, execution_id, amount, budget, plans, plan, lifetime, failed_open, metadata, processes, key, fingerprint,
           created_at, expires_at)
    VALUES ((q->>'uuid')::uuid, w.wallet, w.organisation, w.person, w.project, a_client, w.source_pk, w.parent, q->>'job_id',
            coalesce(q->>'execution_id', ''), (q->>'amount')::bigint, (q->>'budget')::bigint,
            ARRAY(SELECT jsonb_array_elements_text(q->'plans')), a_plan, life, (q->>'failed_open')::boolean,
            q->'metadata', ARRAY(SELECT jsonb_array_elements_text(q->'processes')), q->>'key', q->>'fingerprint', instant, instant + life)
    ON CONFLICT (client_id, source_id, key) DO NOTHING RETURNING id INTO h_id;
    IF h_id IS NOT NULL THEN
        INSERT INTO accounting_openhold (hold_id, wallet_id, parent, remaining, unbacked, grants, amounts, captured, used,
                                         expires_at)
        VALUES (h_id, w.wallet, w.parent, (q->>'amount')::bigint, a_unbacked, bound, amounts, 0, 0, instant + life);
    END IF;
    RETURN h_id;
END $$;

-- As `hold_offer`, of what a parent keeps. What it keeps counts already for all limits but those of the child's back end,
-- if that is another one, and of processes that the parent does not name (H12).
CREATE OR REPLACE FUNCTION hold_offer_child(a_parent bigint, a_backend bigint, q jsonb, instant timestamptz,
                                 OUT refusal text, OUT may_spend bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    p accounting_hold; o accounting_openhold; a accounting_account; wanted bigint := (q->>'amount')::bigint; roof bigint;
    budget bigint := (q->>'budget')::bigint - coalesce((q->>'kept')::bigint, 0);
BEGIN
    SELECT * INTO p FROM accounting_hold WHERE id = a_parent;
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = a_parent AND expires_at > instant;
    SELECT * INTO a FROM accounting_account WHERE id = p.wallet_id;
    IF a.limited THEN
        SELECT min(l.amount - l.spent - l.kept) INTO roof
          FROM limits_of(p.wallet_id, p.person_id, p.project_id, a_backend,
                        ARRAY(SELECT jsonb_array_elements_text(q->'processes')), instant) l
          JOIN accounting_limit x ON x.id = l.id
          JOIN accounting_source s ON s.id = p.source_id
         WHERE l.action = 'block'
           AND (x.backend_id IS NOT NULL AND a_backend <> s.backend_id
                OR x.process <> '' AND x.process <> ALL (p.processes));
    END IF;
    may_spend := greatest(least(coalesce(o.remaining, 0), budget, roof), 0);
    refusal := CASE WHEN o.hold_id IS NULL THEN 'parent_not_open'
                    WHEN q->>'kept' IS NULL AND a.holds >= coalesce(a.most_holds, (q->>'most_holds')::int) THEN 'too_many_holds'
                    WHEN wanted > budget OR wanted > o.remaining THEN 'over_budget'
                    WHEN wanted > roof THEN 'over_limit' END;
END $$;

-- A part of what a parent keeps, for a part of its job: nothing moves but between the two (H10).
CREATE OR REPLACE FUNCTION hold_open_child(a_client bigint, q jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    w record; p accounting_hold; o accounting_openhold; t record; f record; h_id bigint; instant timestamptz;
    amount bigint := (q->>'amount')::bigint; refusal text;
BEGIN
    SELECT * INTO p FROM accounting_hold WHERE uuid = (q->>'parent')::uuid;
    IF p.id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'parent_unknown');
    END IF;
    SELECT * INTO w FROM hold_payer(a_client, q || jsonb_build_object('plans', '[]'::jsonb, 'organisation', p.organisation_id,
                                                                      'decided', true));
    refusal := CASE WHEN w.person <> p.person_id OR (q->>'organisation')::bigint <> p.organisation_id THEN 'parent_of_another'
                    WHEN p.parent_id IS NOT NULL THEN 'parent_is_a_child'
                    ELSE w.refusal END;
    IF refusal IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', refusal, 'issuer', w.issuer);
    END IF;
    q := q || jsonb_build_object('processes', (  -- what the parent kept for a process, its parts keep for it
        SELECT coalesce(jsonb_agg(DISTINCT u.name), '[]')
          FROM (SELECT jsonb_array_elements_text(q->'processes') UNION SELECT unnest(p.processes)) AS u(name)));
    PERFORM 1 FROM accounting_account WHERE id = p.wallet_id FOR NO KEY UPDATE;
    instant := accounting_now();
    h_id := hold_of_key(a_client, q->>'source', q->>'key');
    IF h_id IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h_id));
    END IF;
    SELECT * INTO f FROM hold_offer_child(p.id, w.backend, q, instant);
    IF f.refusal IS NOT NULL AND hold_clear(ARRAY[p.id], ARRAY[p.wallet_id], instant) > 0 THEN  -- what is over keeps nothing (H7)
        SELECT * INTO f FROM hold_offer_child(p.id, w.backend, q, instant);
    END IF;
    IF f.refusal IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', f.refusal, 'may_spend', f.may_spend,
                                  'organisation', p.organisation_id);
    END IF;
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = p.id FOR UPDATE;
    SELECT * INTO t FROM hold_take(o.grants, o.amounts, amount, o.remaining - o.unbacked);
    SELECT x.* INTO w FROM (SELECT p.wallet_id AS wallet, p.organisation_id AS organisation, p.person_id AS person,
                                   p.project_id AS project, w.source_pk, p.id AS parent) x;
    h_id := hold_write(a_client, q, w, t.bound, t.amounts, t.unbacked, p.plan, instant);
    IF h_id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(hold_of_key(a_client, q->>'source', q->>'key')));
    END IF;
    PERFORM hold_move(p.id, t.bound, t.amounts, t.unbacked, -1);
    UPDATE accounting_openhold SET expires_at = greatest(expires_at, instant + make_interval(secs => (q->>'lifetime')::float8))
     WHERE hold_id = p.id;
    UPDATE accounting_account SET holds = holds + 1 WHERE id = p.wallet_id;
    INSERT INTO accounting_holdevent (hold_id, kind, amount, other, recorded_at) VALUES (p.id, 'lent', -amount, h_id, instant);
    RETURN jsonb_build_object('outcome', 'held', 'hold', hold_view(h_id));
END $$;

-- What an open hold could get besides, from its parent or the wallet; a suspended organisation gets nothing.
CREATE OR REPLACE FUNCTION hold_offer_more(h accounting_hold, q jsonb, instant timestamptz, OUT refusal text, OUT may_spend bigint,
                                OUT credit bigint, OUT grants bigint[], OUT frees bigint[], OUT per_plan jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE asked jsonb; s_backend bigint; gone timestamptz;
BEGIN
    SELECT s.backend_id INTO s_backend FROM accounting_source s WHERE s.id = h.source_id;
    SELECT x.suspended_at INTO gone FROM accounting_organisation x WHERE x.id = h.organisation_id;
    asked := q || jsonb_build_object('plans', h.plans, 'budget', h.budget, 'failed_open', h.failed_open, 'job_id', h.job_id,
        'processes', h.processes, 'source', (SELECT s.source_id FROM accounting_source s WHERE s.id = h.source_id), 'kept', h.amount + (
        SELECT coalesce(sum(e.amount), 0) FROM accounting_holdevent e WHERE e.hold_id = h.id AND e.kind = 'extended'));
    IF h.parent_id IS NOT NULL THEN
        SELECT c.refusal, c.may_spend INTO refusal, may_spend FROM hold_offer_child(h.parent_id, s_backend, asked, instant) c;
    ELSE
        SELECT f.refusal, f.may_spend, f.credit, f.grants, f.frees, f.per_plan
          INTO refusal, may_spend, credit, grants, frees, per_plan
          FROM hold_offer(h.wallet_id, s_backend, h.person_id, h.project_id, asked, instant) f;
    END IF;
    IF gone IS NOT NULL THEN
        refusal := 'organisation_suspended';
        may_spend := 0;
    ELSIF refusal = 'parent_not_open' THEN  -- it has nothing to give any more
        refusal := 'over_budget';
    END IF;
END $$;

-- As before, and within the limits of processes and of a single job: {..., processes?, source, job_id?}
CREATE OR REPLACE FUNCTION hold_offer(a_wallet bigint, a_backend bigint, a_person bigint, a_project bigint, q jsonb,
                           instant timestamptz, OUT refusal text, OUT may_spend bigint, OUT credit bigint, OUT spare bigint,
                           OUT grants bigint[], OUT frees bigint[], OUT plans text[], OUT per_plan jsonb,
                           OUT limited_by bigint, OUT within_limit bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    a accounting_account; wanted bigint := (q->>'amount')::bigint; kept bigint := (q->>'kept')::bigint;
    budget bigint := (q->>'budget')::bigint - coalesce((q->>'kept')::bigint, 0); roof bigint; job record;
BEGIN
    SELECT * INTO a FROM accounting_account WHERE id = a_wallet;
    SELECT f.credit, f.spare, f.grants, f.frees, f.plans, f.per_plan
      INTO credit, spare, grants, frees, plans, per_plan
      FROM hold_assess(a_wallet, a_backend, ARRAY(SELECT jsonb_array_elements_text(q->'plans')),
                       CASE WHEN (q->>'failed_open')::boolean THEN a.fail_open ELSE 0 END, instant) f;
    IF a.limited THEN
        SELECT l.id, l.amount - l.spent - l.kept INTO limited_by, within_limit
          FROM limits_of(a_wallet, a_person, a_project, a_backend,
                        ARRAY(SELECT jsonb_array_elements_text(q->'processes')), instant) l
         WHERE l.action = 'block' ORDER BY 2 LIMIT 1;
        SELECT * INTO job FROM limit_of_job(a_wallet, a_person, a_project, a_backend, q->>'source', q->>'job_id', instant);
        IF job.within < within_limit OR within_limit IS NULL THEN
            limited_by := job.id;
            within_limit := job.within;
        END IF;
    END IF;
    roof := least(within_limit, a.most_held - a.held);
    may_spend := greatest(least(credit + spare, budget, roof), 0);
    refusal := CASE WHEN kept IS NULL AND a.holds >= coalesce(a.most_holds, (q->>'most_holds')::int) THEN 'too_many_holds'
                    WHEN coalesce(wanted, 1) > budget THEN 'over_budget'
                    WHEN coalesce(wanted, 1) > roof THEN 'over_limit'
                    WHEN coalesce(wanted, 1) > credit + spare THEN 'no_credit' END;
END $$;

-- One row an open hold of the wallet (or the one that is named): what its job has used and how far it may go. `free` is what
-- it could still get from the wallet or its parent, `limits` those that it counts for, `family` what its parent has to be
-- kept within. The figures of a parent are those of the whole family.
CREATE OR REPLACE FUNCTION hold_figures(a_wallet bigint, a_hold bigint)
RETURNS TABLE (hold bigint, uuid uuid, client bigint, person bigint, organisation bigint, source text, job_id text,
               remaining bigint, captured bigint, used bigint, budget bigint, free bigint, limits jsonb,
               family_budget bigint, family_used bigint, suspended boolean, beat_at timestamptz, expires_at timestamptz,
               verdict text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE instant timestamptz := accounting_now();
BEGIN
    RETURN QUERY
    SELECT h.id, h.uuid, h.client_id, h.person_id, h.organisation_id, s.source_id::text, h.job_id::text,
           CASE WHEN h.parent_id IS NULL THEN fam.kept ELSE o.remaining END,
           CASE WHEN h.parent_id IS NULL THEN fam.charged ELSE o.captured END,
           CASE WHEN h.parent_id IS NULL THEN fam.used ELSE greatest(o.used, o.captured) END, h.budget,
           CASE WHEN h.parent_id IS NULL THEN f.credit + f.spare ELSE coalesce(up.remaining, 0) END,
           CASE WHEN a.limited THEN (
                SELECT jsonb_agg(jsonb_build_object('id', l.id, 'amount', l.amount, 'used', l.used))
                  FROM (SELECT x.id, x.amount, x.spent + x.running AS used
                          FROM limits_of(a_wallet, h.person_id, h.project_id, s.backend_id, h.processes, instant) x
                         WHERE x.action = 'block'
                        UNION ALL
                        SELECT j.id, j.amount, limit_job_cost(a_wallet, s.source_id, h.job_id)
                               + CASE WHEN h.parent_id IS NULL THEN greatest(fam.used - fam.charged, 0)
                                      ELSE greatest(o.used - o.captured, 0) END
                          FROM limit_of_job(a_wallet, h.person_id, h.project_id, s.backend_id, s.source_id, h.job_id, instant) j
                         WHERE j.id IS NOT NULL) l) END,
           fam.budget, fam.used, org.suspended_at IS NOT NULL, o.beat_at, o.expires_at, o.verdict::text
      FROM accounting_openhold o
      JOIN accounting_hold h ON h.id = o.hold_id
      JOIN accounting_source s ON s.id = h.source_id
      JOIN accounting_account a ON a.id = o.wallet_id
      JOIN accounting_organisation org ON org.id = h.organisation_id
      LEFT JOIN accounting_openhold up ON up.hold_id = h.parent_id
      LEFT JOIN LATERAL hold_assess(a_wallet, s.backend_id, h.plans, 0, instant) f ON true
      LEFT JOIN LATERAL hold_family(coalesce(h.parent_id, h.id)) fam ON true
     WHERE o.wallet_id = a_wallet AND (a_hold IS NULL OR o.hold_id = a_hold) AND o.expires_at > instant
     ORDER BY o.hold_id;
END $$;

-- Gives a transaction back, as before, and what it counted for processes.
CREATE OR REPLACE FUNCTION ledger_take_back(p jsonb, OUT id bigint, OUT instant timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    a_id bigint := (p->>'transaction')::bigint; original accounting_transaction; postings jsonb; w record;
    r accounting_usagereport; s_backend bigint; a_wallet bigint;
BEGIN
    SELECT t.* INTO original FROM accounting_transaction t WHERE t.id = a_id;
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
        SELECT t.id INTO id FROM accounting_transaction t WHERE t.reverses_id = a_id;
        RETURN;
    END IF;
    id := w.ids[1];
    instant := w.instant;
    UPDATE accounting_grant g SET remaining = g.remaining + s.amount
      FROM (SELECT grant_id, sum(amount) AS amount FROM accounting_spend WHERE transaction_id = a_id AND grant_id IS NOT NULL
             GROUP BY grant_id) s
     WHERE g.id = s.grant_id;
    UPDATE accounting_debt SET outstanding = 0 WHERE transaction_id = a_id AND outstanding > 0;
    INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
    SELECT transaction_id, posting, line, grant_id, -sum(amount), w.ids[1] FROM accounting_spend
     WHERE transaction_id = a_id GROUP BY transaction_id, posting, line, grant_id HAVING sum(amount) <> 0;
    SELECT u.* INTO r FROM accounting_usagereport u WHERE u.transaction_id = a_id;
    UPDATE accounting_job j
       SET cost_compute = j.cost_compute - CASE WHEN r.endpoint = 'addedvalue' THEN 0 ELSE r.amount END,
           cost_added_value = j.cost_added_value - CASE WHEN r.endpoint = 'addedvalue' THEN r.amount ELSE 0 END
     WHERE j.id = r.job_id;
    UPDATE accounting_execution e SET cost = e.cost - r.amount
     WHERE e.job_id = r.job_id AND e.execution_id = r.execution_id;
    UPDATE accounting_openhold o SET captured = o.captured - r.amount WHERE o.hold_id = r.hold_id;
    SELECT a.id INTO a_wallet FROM accounting_account a WHERE a.organisation_id = r.organisation_id AND a.limited;
    IF FOUND THEN
        SELECT x.backend_id INTO s_backend FROM accounting_source x WHERE x.id = r.source_id;
        PERFORM limits_count(a_wallet, r.person_id, r.project_id, s_backend, a_id, -1, r.amount, r.received_at, instant);
    END IF;
END $$;
