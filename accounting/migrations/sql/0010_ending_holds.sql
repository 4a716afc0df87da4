-- Giving back what a hold keeps: to its parent, else to its grants and the wallet.

-- What has become free pays open debts (G4); the movement needs a transaction of its own when no other caused it (H6).
CREATE FUNCTION holds_repay(a_wallet bigint, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE w record;
BEGIN
    PERFORM 1 FROM accounting_debt d JOIN accounting_grant g
             ON g.wallet_id = d.wallet_id AND g.remaining > 0 AND g.remaining > g.held
            AND (g.expires_at IS NULL OR g.expires_at > instant) AND grant_covers(g, d.backend, d.process)
      WHERE d.wallet_id = a_wallet AND d.outstanding > 0 LIMIT 1;
    IF FOUND THEN
        SELECT * INTO w FROM ledger_write('[{"kind": "repayment", "endpoint": "holds", "postings": []}]'::jsonb);
        PERFORM debts_repay(a_wallet, w.ids[1], w.instant);
    END IF;
END $$;

-- Locks open holds and their parents, a parent before its children (which are younger), as heartbeats do: they do without
-- the wallet's lock, so whoever locked a child first and then its parent could wait for one for ever.
CREATE FUNCTION hold_lock(a_holds bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounting_openhold o
      WHERE o.hold_id = ANY (a_holds || ARRAY(SELECT h.parent_id FROM accounting_hold h
                                               WHERE h.id = ANY (a_holds) AND h.parent_id IS NOT NULL))
      ORDER BY o.hold_id FOR UPDATE;
END $$;

-- The hold keeps nothing any more. `a_ends`: this is what became of it, else only what was left over of it.
CREATE FUNCTION hold_close(a_hold bigint, a_kind text, a_ends boolean, a_reason text, a_cause bigint, instant timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE o accounting_openhold;
BEGIN
    PERFORM 1 FROM accounting_openhold WHERE hold_id = (SELECT parent_id FROM accounting_hold WHERE id = a_hold) FOR UPDATE;
    DELETE FROM accounting_openhold WHERE hold_id = a_hold RETURNING * INTO o;
    IF EXISTS (SELECT 1 FROM accounting_openhold WHERE hold_id = o.parent AND expires_at > instant) THEN
        PERFORM hold_move(o.parent, o.grants, o.amounts, o.unbacked, 1);
        UPDATE accounting_account SET holds = holds - 1 WHERE id = o.wallet_id;
        IF o.remaining > 0 THEN
            INSERT INTO accounting_holdevent (hold_id, kind, amount, other, recorded_at)
            VALUES (o.parent, 'returned', o.remaining, a_hold, instant);
        END IF;
    ELSE
        PERFORM grants_bind(o.grants, o.amounts, -1);
        UPDATE accounting_account SET held = held - o.remaining, holds = holds - 1 WHERE id = o.wallet_id;
    END IF;
    IF a_ends OR o.remaining > 0 THEN
        INSERT INTO accounting_holdevent (hold_id, kind, amount, ends, reason, transaction_id, recorded_at)
        VALUES (a_hold, a_kind, -o.remaining, a_ends, a_reason, a_cause, instant);
    END IF;
END $$;

-- {uuid, reason}; a released hold stays released, a captured or expired one as well.
CREATE FUNCTION hold_release(a_client bigint, q jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE h accounting_hold := hold_named(a_client, (q->>'uuid')::uuid); instant timestamptz; state text;
BEGIN
    IF h.id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_unknown');
    END IF;
    PERFORM 1 FROM accounting_account WHERE id = h.wallet_id FOR NO KEY UPDATE;
    instant := accounting_now();
    state := hold_state(h.id, instant);
    IF state = 'released' THEN
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h.id));
    ELSIF state <> 'open' THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_not_open', 'state', state);
    END IF;
    PERFORM hold_close(h.id, 'released', true, coalesce(q->>'reason', ''), NULL, instant);
    PERFORM holds_repay(h.wallet_id, instant);
    RETURN jsonb_build_object('outcome', 'held', 'hold', hold_view(h.id));
END $$;

-- Ends what is past its expiry in wallets that the caller has locked; at most so many. Owner and back end are told (H7).
CREATE FUNCTION hold_sweep(a_wallets bigint[], a_limit int, instant timestamptz) RETURNS int LANGUAGE plpgsql AS $$
DECLARE due bigint[]; lent bigint[]; a_hold bigint; a_wallet bigint;
BEGIN
    due := ARRAY(SELECT hold_id FROM accounting_openhold WHERE wallet_id = ANY (a_wallets) AND expires_at <= instant
                  ORDER BY hold_id LIMIT a_limit);
    IF due = '{}' THEN
        RETURN 0;
    END IF;
    PERFORM hold_lock(due);
    due := ARRAY(SELECT hold_id FROM accounting_openhold WHERE hold_id = ANY (due) AND expires_at <= instant
                  ORDER BY hold_id);  -- without those of which a heartbeat came meanwhile
    lent := ARRAY(SELECT o.hold_id FROM accounting_openhold o JOIN accounting_openhold p ON p.hold_id = o.parent
                   WHERE o.hold_id = ANY (due) AND p.expires_at > instant ORDER BY o.hold_id);
    INSERT INTO accounting_outboxevent (topic, payload)
    SELECT 'hold_expired', jsonb_build_object('hold', h.id, 'uuid', h.uuid, 'client', h.client_id, 'person', h.person_id,
               'organisation', h.organisation_id, 'source', s.source_id, 'job', h.job_id, 'kept', o.remaining,
               'captured', o.captured, 'beat_at', o.beat_at, 'expired_at', o.expires_at)
      FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id JOIN accounting_source s ON s.id = h.source_id
     WHERE o.hold_id = ANY (due);
    FOREACH a_hold IN ARRAY lent LOOP
        PERFORM hold_close(a_hold, 'expired', true, '', NULL, instant);
    END LOOP;
    WITH gone AS (
        DELETE FROM accounting_openhold WHERE hold_id = ANY (due) AND hold_id <> ALL (lent) RETURNING *
    ), told AS (
        INSERT INTO accounting_holdevent (hold_id, kind, amount, ends, recorded_at)
        SELECT hold_id, 'expired', -remaining, true, instant FROM gone
    ), wallets AS (
        UPDATE accounting_account a SET held = a.held - g.kept, holds = a.holds - g.count
          FROM (SELECT wallet_id, sum(remaining)::bigint AS kept, count(*)::int AS count FROM gone GROUP BY wallet_id) g
         WHERE a.id = g.wallet_id
    )
    UPDATE accounting_grant x SET held = x.held - f.amount
      FROM (SELECT u.id, sum(u.amount)::bigint AS amount FROM gone, unnest(gone.grants, gone.amounts) AS u(id, amount)
             GROUP BY u.id) f
     WHERE x.id = f.id;
    FOR a_wallet IN SELECT DISTINCT wallet_id FROM accounting_debt WHERE wallet_id = ANY (a_wallets) AND outstanding > 0 LOOP
        PERFORM holds_repay(a_wallet, instant);
    END LOOP;
    RETURN cardinality(due);
END $$;

-- The same, and locks these holds with them: whoever locks in two goes can wait for somebody who locks in one.
CREATE FUNCTION hold_clear(a_holds bigint[], a_wallets bigint[], instant timestamptz) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hold_lock(a_holds || ARRAY(SELECT hold_id FROM accounting_openhold
                                        WHERE wallet_id = ANY (a_wallets) AND expires_at <= instant));
    RETURN hold_sweep(a_wallets, NULL, instant);
END $$;

-- What is due in the wallets of these organisations.
CREATE FUNCTION holds_expire_of(a_organisations bigint[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE wallets bigint[];
BEGIN
    wallets := ARRAY(SELECT id FROM accounting_account WHERE organisation_id = ANY (a_organisations) ORDER BY id FOR NO KEY UPDATE);
    RETURN hold_sweep(wallets, NULL, accounting_now());
END $$;

-- The next holds that are due, by the database's clock (L7). Busy wallets are left for the next run, unless all are.
CREATE FUNCTION holds_expire(a_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE due bigint[]; wallets bigint[]; instant timestamptz := accounting_now();
BEGIN
    due := ARRAY(SELECT DISTINCT wallet_id FROM (
        SELECT wallet_id FROM accounting_openhold WHERE expires_at <= instant ORDER BY expires_at LIMIT a_limit) o);
    wallets := ARRAY(SELECT id FROM accounting_account WHERE id = ANY (due) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED);
    IF wallets = '{}' THEN
        wallets := ARRAY(SELECT id FROM accounting_account WHERE id = due[1] FOR NO KEY UPDATE);
    END IF;
    RETURN hold_sweep(wallets, a_limit, accounting_now());
END $$;
