-- Gives a transaction back: its postings the other way round, its grants refilled, its debts cancelled, its job cheaper.
-- {transaction, reason, note?, key}; the same key again returns the first reversal. A transaction is reversed once.
CREATE FUNCTION ledger_take_back(p jsonb, OUT id bigint, OUT instant timestamptz) LANGUAGE plpgsql AS $$
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
        PERFORM limits_count(a_wallet, r.person_id, r.project_id, s_backend, -r.amount, r.received_at, instant);
    END IF;
END $$;

-- As above, and what came back repays other debts. {transaction, reason, note?}
CREATE OR REPLACE FUNCTION ledger_reverse(p jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE w record; a_wallet bigint;
BEGIN
    SELECT * INTO w FROM ledger_take_back(p);
    IF w.instant IS NOT NULL THEN
        FOR a_wallet IN SELECT DISTINCT d.id FROM accounting_posting x JOIN accounting_account d ON d.id = x.source_account_id
                         WHERE x.transaction_id = (p->>'transaction')::bigint AND d.kind = 'wallet' LOOP
            PERFORM debts_repay(a_wallet, w.id, w.instant);
        END LOOP;
    END IF;
    RETURN w.id;
END $$;

-- What captures have charged under the hold comes back to what it keeps, bound to the same grants, because a later statement
-- of the same usage follows (H8). A hold that has ended is open again until the caller has charged and closed it. What
-- grants for certain processes paid goes back to them alone: a hold may pay for anything. What the wallet had paid beyond
-- the hold is bound only for the charge that follows (`hold_surplus`), so that grants which expired meanwhile pay it again.
CREATE FUNCTION hold_restore(a_hold bigint, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE h accounting_hold; c record; back record; total bigint;
BEGIN
    FOR c IN SELECT r.transaction_id AS id, coalesce(-e.amount, 0) AS from_hold, p.grants, p.amounts,
                    coalesce((SELECT sum(u) FROM unnest(p.amounts) u), 0)::bigint AS from_grants
               FROM accounting_usagereport r
               LEFT JOIN accounting_holdevent e ON e.hold_id = r.hold_id AND e.transaction_id = r.transaction_id
                                               AND e.kind = 'captured'
               LEFT JOIN LATERAL (
                    SELECT array_agg(s.grant_id) AS grants, array_agg(s.amount) AS amounts
                      FROM (SELECT x.grant_id, sum(x.amount)::bigint AS amount
                              FROM accounting_spend x JOIN accounting_grant g ON g.id = x.grant_id AND g.processes = '{}'
                             WHERE x.transaction_id = r.transaction_id GROUP BY x.grant_id
                            HAVING sum(x.amount) > 0 ORDER BY min(x.id)) s) p ON true
              WHERE r.hold_id = a_hold AND r.endpoint = 'captures'
                AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = r.transaction_id)
              ORDER BY r.transaction_id
    LOOP
        SELECT * INTO h FROM accounting_hold WHERE id = a_hold;
        INSERT INTO accounting_openhold (hold_id, wallet_id, parent, remaining, unbacked, grants, amounts, captured, used, expires_at)
        VALUES (a_hold, h.wallet_id, h.parent_id, 0, 0, '{}', '{}', 0, 0, instant) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE accounting_account SET holds = holds + 1 WHERE id = h.wallet_id;
        END IF;
        SELECT * INTO back FROM ledger_take_back(jsonb_build_object('transaction', c.id, 'reason', 'superseded'));
        PERFORM hold_move(a_hold, c.grants, c.amounts, greatest(c.from_hold - c.from_grants, 0), 1);
        PERFORM grants_bind(c.grants, c.amounts, 1);
        total := greatest(c.from_hold, c.from_grants);
        UPDATE accounting_account SET held = held + total WHERE id = h.wallet_id;
        INSERT INTO accounting_holdevent (hold_id, kind, amount, transaction_id, recorded_at)
        VALUES (a_hold, 'restored', total, back.id, instant);
    END LOOP;
END $$;

-- What came back since the last charge: events `restored`.
CREATE FUNCTION hold_restored(a_hold bigint) RETURNS SETOF accounting_holdevent LANGUAGE sql STABLE AS $$
    SELECT e FROM accounting_holdevent e
     WHERE e.hold_id = a_hold AND e.kind = 'restored'
       AND e.id > coalesce((SELECT max(x.id) FROM accounting_holdevent x WHERE x.hold_id = a_hold AND x.kind = 'captured'), 0)
$$;

-- What of it the hold had not paid.
CREATE FUNCTION hold_surplus(a_hold bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(e.amount + x.amount), 0)::bigint
      FROM hold_restored(a_hold) e JOIN accounting_transaction z ON z.id = e.transaction_id
      JOIN accounting_holdevent x ON x.hold_id = a_hold AND x.transaction_id = z.reverses_id AND x.kind = 'captured'
$$;

-- What a grant past its expiry may still pay of that transaction: what came back to it for this.
CREATE FUNCTION hold_refilled(a_hold bigint, a_grant bigint, a_transaction bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (coalesce((SELECT -sum(s.amount) FROM hold_restored(a_hold) e
                        JOIN accounting_transaction z ON z.id = e.transaction_id
                        JOIN accounting_spend s ON s.transaction_id = z.reverses_id AND s.cause_id = z.id
                       WHERE s.grant_id = a_grant), 0)
            - coalesce((SELECT sum(s.amount) FROM accounting_spend s
                         WHERE s.transaction_id = a_transaction AND s.grant_id = a_grant), 0))::bigint
$$;

-- Frees so much of what an open hold keeps, of what it got last; it stays open.
CREATE FUNCTION hold_trim(a_hold bigint, a_amount bigint, a_cause bigint, instant timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE o accounting_openhold; t record;
BEGIN
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = a_hold;
    SELECT * INTO t FROM hold_take(
        ARRAY(SELECT u.id FROM unnest(o.grants) WITH ORDINALITY AS u(id, place) ORDER BY u.place DESC),
        ARRAY(SELECT u.amount FROM unnest(o.amounts) WITH ORDINALITY AS u(amount, place) ORDER BY u.place DESC),
        a_amount, o.remaining - o.unbacked);
    PERFORM grants_bind(t.bound, t.amounts, -1);
    PERFORM hold_move(a_hold, t.bound, t.amounts, t.unbacked, -1);
    UPDATE accounting_account SET held = held - a_amount WHERE id = o.wallet_id;
    INSERT INTO accounting_holdevent (hold_id, kind, amount, transaction_id, recorded_at)
    VALUES (a_hold, 'released', -a_amount, a_cause, instant);
END $$;

-- Pays the charges of one report from what its hold keeps: first from grants for that very process, which no hold can bind,
-- then from what is bound, in its order (H5). Returns the charges that are left, and what the hold paid.
CREATE FUNCTION hold_burn(a_hold bigint, charges jsonb, instant timestamptz, OUT left_over jsonb, OUT from_hold bigint,
                          OUT excess bigint)
LANGUAGE plpgsql AS $$
DECLARE o accounting_openhold; h accounting_hold; c record; g record; need bigint; part bigint; k int;
BEGIN
    SELECT * INTO h FROM accounting_hold WHERE id = a_hold;
    SELECT * INTO o FROM accounting_openhold WHERE hold_id = a_hold FOR UPDATE;
    left_over := '[]';
    from_hold := 0;
    excess := 0;
    FOR c IN SELECT * FROM jsonb_to_recordset(charges) AS t(transaction bigint, posting smallint, line smallint, wallet bigint,
                                                            backend bigint, process text, amount bigint) ORDER BY t.line LOOP
        need := c.amount;
        FOR g IN SELECT x.id, CASE WHEN x.expires_at <= instant
                                   THEN least(x.remaining - x.held, hold_refilled(a_hold, x.id, c.transaction))
                                   ELSE x.remaining - x.held END AS free
                   FROM accounting_grant x
                  WHERE c.process <> '' AND x.wallet_id = c.wallet AND x.remaining > 0 AND x.remaining > x.held
                    AND c.process = ANY (x.processes) AND (x.backends = '{}' OR c.backend = ANY (x.backends))
                    AND (h.plans = '{}' OR EXISTS (SELECT 1 FROM unnest(h.plans) p WHERE lower(p) IN (x.plan, x.kind, x.slug)))
                  ORDER BY x.priority, x.expires_at NULLS LAST, x.id LOOP
            EXIT WHEN need = 0;
            CONTINUE WHEN g.free <= 0;
            part := least(need, g.free);
            need := need - part;
            UPDATE accounting_grant SET remaining = remaining - part WHERE id = g.id;
            INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
            VALUES (c.transaction, c.posting, c.line, g.id, part, c.transaction);
        END LOOP;
        FOR k IN 1 .. cardinality(o.grants) LOOP
            EXIT WHEN need = 0;
            CONTINUE WHEN o.amounts[k] = 0;
            part := least(need, o.amounts[k]);
            need := need - part;
            o.amounts[k] := o.amounts[k] - part;
            from_hold := from_hold + part;
            UPDATE accounting_grant SET remaining = remaining - part, held = held - part WHERE id = o.grants[k];
            INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
            VALUES (c.transaction, c.posting, c.line, o.grants[k], part, c.transaction);
        END LOOP;
        IF need > 0 THEN
            part := least(need, o.unbacked);
            o.unbacked := o.unbacked - part;
            from_hold := from_hold + part;
            excess := excess + need - part;
            left_over := left_over || jsonb_build_object('transaction', c.transaction, 'posting', c.posting, 'line', c.line,
                'wallet', c.wallet, 'backend', c.backend, 'process', c.process, 'amount', need);
        END IF;
    END LOOP;
    UPDATE accounting_openhold SET remaining = o.remaining - from_hold, unbacked = o.unbacked, amounts = o.amounts
     WHERE hold_id = a_hold;
    UPDATE accounting_account SET held = held - from_hold WHERE id = o.wallet_id;
END $$;
