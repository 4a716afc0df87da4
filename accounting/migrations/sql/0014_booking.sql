-- Booking reports, some of which belong to holds.

-- What holds need to know of the elements of a batch.
CREATE FUNCTION usage_elements(batch jsonb)
RETURNS TABLE (i bigint, client bigint, endpoint text, source bigint, service text, key text, wallet bigint, hold bigint,
               hold_keeps bigint) LANGUAGE sql IMMUTABLE AS $$
    SELECT t.i, t.client, t.endpoint, t.source, coalesce(t.service, ''), t.key, t.wallet, t.hold, t.hold_keeps
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (client bigint, endpoint text, source bigint, service text, key text,
                      wallet bigint, hold bigint, hold_keeps bigint))
           WITH ORDINALITY AS t(client, endpoint, source, service, key, wallet, hold, hold_keeps, i)
$$;

-- Which elements repeat a key: of an earlier transaction, or of an element before them. They change nothing.
CREATE FUNCTION usage_repeated(batch jsonb) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(t.i), '{}')
      FROM (SELECT x.*, row_number() OVER (PARTITION BY x.client, x.endpoint, x.source, x.service, x.key ORDER BY x.i) AS turn
              FROM usage_elements(batch) x WHERE x.key IS NOT NULL) t
     WHERE t.turn > 1 OR EXISTS (SELECT 1 FROM accounting_transaction k
                                  WHERE k.client_id = t.client AND k.endpoint = t.endpoint AND k.source_id = t.source
                                    AND k.service = t.service AND k.key = t.key)
$$;

-- Before anything is written: wallets locked in id order, those of holds too, whose reports may cost nothing; holds past
-- their expiry ended; what captures charged taken back. LR002: the hold is not open (only captures insist on that).
-- LR003: something changed since the report was rated; it has to be rated again. Returns which elements are repetitions.
CREATE FUNCTION usage_prepare_holds(batch jsonb) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE e record; o accounting_openhold; instant timestamptz; again bigint[]; mine bigint[]; late bigint[]; a_hold bigint;
    keeps bigint;
BEGIN
    PERFORM 1 FROM accounting_account a
      WHERE a.kind = 'wallet' AND a.id IN (
            SELECT t.wallet FROM usage_elements(batch) t WHERE t.hold IS NOT NULL
            UNION SELECT p.source FROM jsonb_to_recordset(batch) AS t(postings jsonb),
                                       jsonb_to_recordset(t.postings) AS p(source bigint))
      ORDER BY a.id FOR NO KEY UPDATE;
    instant := accounting_now();
    mine := ARRAY(SELECT DISTINCT t.hold FROM usage_elements(batch) t WHERE t.hold IS NOT NULL);
    late := ARRAY(SELECT DISTINCT x.wallet_id FROM accounting_openhold x WHERE x.hold_id = ANY (mine) AND x.expires_at <= instant);
    -- Before anything is taken back: that opens holds again whose time is over.
    PERFORM hold_clear(mine, late, instant);
    again := usage_repeated(batch);
    FOR e IN SELECT * FROM usage_elements(batch) t WHERE t.hold IS NOT NULL AND t.i <> ALL (again) ORDER BY t.i LOOP
        SELECT * INTO o FROM accounting_openhold WHERE hold_id = e.hold;
        IF o.hold_id IS NULL AND e.endpoint = 'captures' THEN
            RAISE EXCEPTION 'the hold is not open' USING ERRCODE = 'LR002';
        END IF;
        keeps := o.remaining + CASE WHEN e.endpoint = 'addedvalue' THEN 0 ELSE hold_provisional(e.hold) END;
        IF e.hold_keeps <> coalesce(keeps, -1) THEN
            RAISE EXCEPTION 'the hold has changed' USING ERRCODE = 'LR003';
        END IF;
    END LOOP;
    FOR a_hold IN SELECT t.hold FROM usage_elements(batch) t
                   WHERE t.hold IS NOT NULL AND t.i <> ALL (again) AND t.endpoint <> 'addedvalue'
                   GROUP BY t.hold ORDER BY min(t.i) LOOP
        PERFORM hold_restore(a_hold, instant);
    END LOOP;
    RETURN again;
END $$;

-- After the rows are written: each report of an open hold is paid by it, and the last one of the job ends it; the rest is
-- free in the same transaction. Returns what other credits have to pay.
CREATE FUNCTION usage_capture(batch jsonb, ids bigint[], charges jsonb, instant timestamptz) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE e record; b record; own jsonb; by_report jsonb; left_over jsonb; ended boolean; over bigint;
BEGIN
    by_report := (SELECT jsonb_object_agg(s.report, s.own)
                    FROM (SELECT c->>'transaction' AS report, jsonb_agg(c ORDER BY n) AS own
                            FROM jsonb_array_elements(charges) WITH ORDINALITY AS t(c, n) GROUP BY 1) s);
    left_over := (SELECT coalesce(jsonb_agg(c ORDER BY n), '[]')
                    FROM jsonb_array_elements(charges) WITH ORDINALITY AS t(c, n) WHERE c->'hold' = 'null');
    FOR e IN SELECT ids[t.i] AS id, t.* FROM ROWS FROM (jsonb_to_recordset(batch) AS (hold bigint, final boolean, amount bigint,
                    endpoint text)) WITH ORDINALITY AS t(hold, final, amount, endpoint, i)
              WHERE t.hold IS NOT NULL AND ids[t.i] IS NOT NULL ORDER BY t.i LOOP
        own := coalesce(by_report->e.id::text, '[]');
        PERFORM 1 FROM accounting_openhold WHERE hold_id = e.hold;
        IF NOT FOUND THEN
            left_over := left_over || own;
            CONTINUE;
        END IF;
        SELECT * INTO b FROM hold_burn(e.hold, own, instant);
        left_over := left_over || b.left_over;
        over := (SELECT least(o.remaining, hold_surplus(e.hold)) FROM accounting_openhold o WHERE o.hold_id = e.hold);
        ended := EXISTS (SELECT 1 FROM accounting_holdevent x WHERE x.hold_id = e.hold AND x.ends);
        INSERT INTO accounting_holdevent (hold_id, kind, amount, excess, transaction_id, ends, recorded_at)
        VALUES (e.hold, 'captured', -b.from_hold, b.excess, e.id, e.final AND NOT ended, instant);
        UPDATE accounting_openhold SET captured = captured + e.amount, used = greatest(used, captured + e.amount)
         WHERE hold_id = e.hold;
        IF over > 0 THEN  -- a hold does not grow by captures that went beyond it, nor does its parent (H10)
            PERFORM hold_trim(e.hold, over, e.id, instant);
        END IF;
        IF e.final OR ended THEN
            PERFORM hold_close(e.hold, 'released', false, '', e.id, instant);
        END IF;
    END LOOP;
    RETURN left_over;
END $$;

-- Counters of limits, and whoever must hear that a wallet with running jobs is empty or a limit reached.
CREATE FUNCTION usage_guard(batch jsonb, ids bigint[], instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE e record;
BEGIN
    FOR e IN SELECT t.*, a.limited, a.holds
               FROM ROWS FROM (jsonb_to_recordset(batch) AS (wallet bigint, person bigint, project bigint, backend bigint,
                    amount bigint)) WITH ORDINALITY AS t(wallet, person, project, backend, amount, i)
               JOIN accounting_account a ON a.id = t.wallet AND (a.limited OR a.holds > 0)
              WHERE ids[t.i] IS NOT NULL AND t.amount > 0 LOOP
        IF e.limited THEN
            PERFORM limits_count(e.wallet, e.person, e.project, e.backend, e.amount, instant, instant);
        END IF;
        IF e.holds > 0 THEN
            PERFORM wallet_alert(e.wallet);
        END IF;
    END LOOP;
END $$;

-- Everything of a batch of rated reports. Returns the transaction of each, NULL where its key was taken meanwhile.
-- Elements are those of ledger_write with what usage_write_jobs, usage_write_lines and grants_burn read besides; of one
-- that belongs to a hold also {hold, final, hold_keeps?}.
CREATE OR REPLACE FUNCTION usage_book(batch jsonb) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    w record; charges jsonb; short boolean := false; held boolean := jsonb_path_exists(batch, '$[*].hold ? (@ != null)');
    a_wallet bigint; again bigint[];
BEGIN
    IF held THEN
        again := usage_prepare_holds(batch);
    END IF;
    SELECT * INTO w FROM ledger_write(batch);
    IF held AND EXISTS (SELECT 1 FROM usage_elements(batch) t  -- no repetition when we looked: somebody else was faster
                         WHERE t.hold IS NOT NULL AND w.ids[t.i] IS NULL AND t.i <> ALL (again)) THEN
        RAISE EXCEPTION 'a key was taken meanwhile' USING ERRCODE = 'LR003';
    END IF;
    IF array_remove(w.ids, NULL) = '{}' THEN
        RETURN w.ids;
    END IF;
    PERFORM usage_write_jobs(batch, w.ids, w.instant);
    PERFORM usage_write_lines(batch, w.ids);
    SELECT jsonb_agg(jsonb_build_object('transaction', w.ids[t.i], 'posting', l.posting, 'line', l.n, 'wallet', t.wallet,
                                        'backend', t.backend, 'process', l.process, 'amount', l.amount, 'hold', t.hold)
                     ORDER BY t.i, l.n)
      INTO charges
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (wallet bigint, backend bigint, lines jsonb, hold bigint))
           WITH ORDINALITY AS t(wallet, backend, lines, hold, i),
           jsonb_to_recordset(t.lines) AS l(n smallint, posting smallint, process text, amount bigint)
     WHERE w.ids[t.i] IS NOT NULL AND l.amount > 0;
    IF held THEN
        charges := usage_capture(batch, w.ids, coalesce(charges, '[]'), w.instant);
    END IF;
    IF charges IS NOT NULL THEN
        short := grants_burn(charges, w.instant);
    END IF;
    IF held THEN
        FOR a_wallet IN SELECT DISTINCT d.wallet_id FROM jsonb_to_recordset(batch) AS t(wallet bigint)
                          JOIN accounting_debt d ON d.wallet_id = t.wallet AND d.outstanding > 0 LOOP
            PERFORM holds_repay(a_wallet, w.instant);
        END LOOP;
    END IF;
    IF held OR EXISTS (SELECT 1 FROM jsonb_to_recordset(charges) AS t(wallet bigint)
                         JOIN accounting_account a ON a.id = t.wallet WHERE a.limited OR a.holds > 0) THEN
        PERFORM usage_guard(batch, w.ids, w.instant);
    END IF;
    IF short OR batch @> '[{"refused": true}]' THEN
        PERFORM usage_tell(batch, w.ids);
    END IF;
    RETURN w.ids;
END $$;
