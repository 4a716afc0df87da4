-- Grants of which a part is bound to open holds: whatever is not bound is free. Callers hold the wallets' locks.

-- The free part of a wallet's grants in the order in which they burn (G1). PL/pgSQL, because its plan is kept.
CREATE OR REPLACE FUNCTION grants_open(a_wallet bigint, instant timestamptz) RETURNS accounting_grant[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(g ORDER BY g.priority, g.expires_at NULLS LAST, g.id)
              FROM accounting_grant g
             WHERE g.wallet_id = a_wallet AND g.remaining > 0 AND g.remaining > g.held
               AND (g.expires_at IS NULL OR g.expires_at > instant));
END $$;

-- Pays the charges from the free part of the wallets' grants; the rest becomes debt. A charge without line is a whole
-- posting.
--   charges: (transaction, posting, line?, wallet, backend?, process, amount), in the order in which they are paid.
CREATE OR REPLACE FUNCTION grants_burn(charges jsonb, instant timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    c record; g accounting_grant; open_grants accounting_grant[]; wallet bigint; need bigint; part bigint; k int;
    s_of int[] := '{}'; s_grant bigint[] := '{}'; s_amount bigint[] := '{}'; short boolean := false;
BEGIN
    FOR c IN SELECT * FROM ROWS FROM (jsonb_to_recordset(charges)
                    AS (transaction bigint, posting smallint, line smallint, wallet bigint, backend bigint, process text,
                        amount bigint)) WITH ORDINALITY AS t(transaction, posting, line, wallet, backend, process, amount, i)
              ORDER BY t.wallet, t.i
    LOOP
        IF wallet IS DISTINCT FROM c.wallet THEN
            wallet := c.wallet;
            open_grants := coalesce(grants_open(wallet, instant), '{}');
        END IF;
        need := c.amount;
        FOR k IN 1 .. cardinality(open_grants) LOOP
            EXIT WHEN need = 0;
            g := open_grants[k];
            CONTINUE WHEN g.remaining = g.held OR NOT ((g.backends = '{}' OR c.backend = ANY (g.backends))
                                                   AND (g.processes = '{}' OR c.process = ANY (g.processes)));
            part := least(need, g.remaining - g.held);
            need := need - part;
            g.remaining := g.remaining - part;
            open_grants[k] := g;
            s_of := s_of || c.i::int; s_grant := s_grant || g.id; s_amount := s_amount || part;
        END LOOP;
        IF need > 0 THEN
            short := true;
            s_of := s_of || c.i::int; s_grant := s_grant || NULL::bigint; s_amount := s_amount || need;
        END IF;
    END LOOP;

    UPDATE accounting_grant a SET remaining = a.remaining - s.used
      FROM (SELECT u.id, sum(u.amount) AS used FROM unnest(s_grant, s_amount) AS u(id, amount)
             WHERE u.id IS NOT NULL GROUP BY u.id) s
     WHERE a.id = s.id;
    INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
    SELECT t.transaction, t.posting, t.line, s.g, s.amount, t.transaction
      FROM unnest(s_of, s_grant, s_amount) WITH ORDINALITY AS s(i, g, amount, k)
      JOIN ROWS FROM (jsonb_to_recordset(charges) AS (transaction bigint, posting smallint, line smallint))
           WITH ORDINALITY AS t(transaction, posting, line, i) USING (i)
     ORDER BY s.k;
    IF short THEN
        INSERT INTO accounting_debt (wallet_id, transaction_id, posting, line, backend, process, amount, outstanding)
        SELECT t.wallet, t.transaction, t.posting, t.line, t.backend, coalesce(t.process, ''), s.amount, s.amount
          FROM unnest(s_of, s_grant, s_amount) AS s(i, g, amount)
          JOIN ROWS FROM (jsonb_to_recordset(charges) AS (transaction bigint, posting smallint, line smallint,
                          wallet bigint, backend bigint, process text))
               WITH ORDINALITY AS t(transaction, posting, line, wallet, backend, process, i) USING (i)
         WHERE s.g IS NULL ORDER BY s.i;
    END IF;
    RETURN short;
END $$;

-- Open debts, oldest first, from the free part of open grants that cover them (G4). `a_cause` is the transaction that
-- brought credits or set them free.
CREATE OR REPLACE FUNCTION debts_repay(a_wallet bigint, a_cause bigint, instant timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE d accounting_debt; g accounting_grant; part bigint; repaid bigint := 0;
BEGIN
    FOR d IN SELECT * FROM accounting_debt WHERE wallet_id = a_wallet AND outstanding > 0 ORDER BY id LOOP
        FOR g IN SELECT * FROM accounting_grant WHERE wallet_id = a_wallet AND remaining > 0 AND remaining > held
                    AND (expires_at IS NULL OR expires_at > instant)
                  ORDER BY priority, expires_at NULLS LAST, id
        LOOP
            EXIT WHEN d.outstanding = 0;
            CONTINUE WHEN NOT grant_covers(g, d.backend, d.process);
            part := least(d.outstanding, g.remaining - g.held);
            UPDATE accounting_grant SET remaining = remaining - part WHERE id = g.id;
            UPDATE accounting_debt SET outstanding = outstanding - part WHERE id = d.id;
            INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
            VALUES (d.transaction_id, d.posting, d.line, NULL, -part, a_cause),
                   (d.transaction_id, d.posting, d.line, g.id, part, a_cause);
            d.outstanding := d.outstanding - part;
            repaid := repaid + part;
        END LOOP;
    END LOOP;
    RETURN repaid;
END $$;

-- Jobs that run may have to stop when a wallet is empty: each is judged anew, once for all that happened (H13).
CREATE FUNCTION wallet_alert(a_wallet bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounting_outboxevent (topic, payload)
    SELECT 'guard', jsonb_build_object('wallet', a.id) FROM accounting_account a
     WHERE a.id = a_wallet AND a.holds > 0 AND a.posted - a.held - a.floor <= 0
       AND NOT EXISTS (SELECT 1 FROM accounting_outboxevent x
                        WHERE x.delivered_at IS NULL AND x.topic = 'guard' AND x.payload @> jsonb_build_object('wallet', a.id));
END $$;

-- What is free of grants past their expiry goes to breakage (G2); what holds have bound waits for them (H5). Wallets busy
-- elsewhere are left for the next run.
CREATE OR REPLACE FUNCTION grants_expire(a_breakage bigint, a_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE batch jsonb; due bigint[]; wallets bigint[]; w record; a_wallet bigint; instant timestamptz := accounting_now();
BEGIN
    wallets := ARRAY(SELECT DISTINCT wallet_id FROM (
        SELECT wallet_id FROM accounting_grant WHERE remaining > held AND expires_at <= instant
         ORDER BY expires_at LIMIT a_limit) g);
    wallets := ARRAY(SELECT id FROM accounting_account WHERE id = ANY (wallets) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED);
    SELECT array_agg(g.id ORDER BY g.id), jsonb_agg(jsonb_build_object(
               'kind', 'expiry', 'endpoint', 'expiry', 'key', g.id || '/' || g.remaining - g.held || '/' || a.seq,
               'occurred_at', g.expires_at, 'postings', jsonb_build_array(jsonb_build_object(
                   'n', 1, 'source', g.wallet_id, 'destination', a_breakage, 'amount', g.remaining - g.held,
                   'purpose', 'expiry')))
               ORDER BY g.id)
      INTO due, batch
      FROM accounting_grant g JOIN accounting_account a ON a.id = g.wallet_id
     WHERE g.wallet_id = ANY (wallets) AND g.remaining > g.held AND g.expires_at <= instant;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    SELECT * INTO w FROM ledger_write(batch);
    INSERT INTO accounting_spend (transaction_id, posting, grant_id, amount, cause_id)
    SELECT u.t, 1, g.id, g.remaining - g.held, u.t
      FROM unnest(due, w.ids) AS u(g, t) JOIN accounting_grant g ON g.id = u.g;
    UPDATE accounting_grant SET remaining = held WHERE id = ANY (due);
    FOREACH a_wallet IN ARRAY wallets LOOP
        PERFORM wallet_alert(a_wallet);
    END LOOP;
    RETURN cardinality(due);
END $$;
