-- Opening holds and making them grow: check and reserve in one statement, under the wallet's lock.

-- Takes `amount` from the grants in order, as far as they and `credit` go; the rest is `unbacked`.
CREATE FUNCTION hold_take(grants bigint[], frees bigint[], amount bigint, credit bigint,
                          OUT bound bigint[], OUT amounts bigint[], OUT unbacked bigint)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE need bigint := least(amount, credit); part bigint; k int;
BEGIN
    bound := '{}';
    amounts := '{}';
    unbacked := amount - need;
    FOR k IN 1 .. cardinality(grants) LOOP
        EXIT WHEN need = 0;
        part := least(need, frees[k]);
        CONTINUE WHEN part = 0;
        bound := bound || grants[k];
        amounts := amounts || part;
        need := need - part;
    END LOOP;
END $$;

-- Adds to what grants have bound, or takes from it.
CREATE FUNCTION grants_bind(a_grants bigint[], a_amounts bigint[], sign int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounting_grant g SET held = g.held + sign * s.amount
      FROM (SELECT u.id, sum(u.amount)::bigint AS amount FROM unnest(a_grants, a_amounts) AS u(id, amount) GROUP BY u.id) s
     WHERE g.id = s.id;
END $$;

-- Moves bound amounts into (1) or out of (-1) what an open hold keeps; neither grants nor wallet notice.
CREATE FUNCTION hold_move(a_hold bigint, a_bound bigint[], a_amounts bigint[], a_unbacked bigint, sign int)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounting_openhold x
       SET remaining = x.remaining + sign * (a_unbacked + coalesce((SELECT sum(u) FROM unnest(a_amounts) u), 0)),
           unbacked = x.unbacked + sign * a_unbacked,
           (grants, amounts) = (
               SELECT coalesce(array_agg(s.id ORDER BY s.place), '{}'), coalesce(array_agg(s.amount ORDER BY s.place), '{}')
                 FROM (SELECT u.id, min(u.place) AS place, sum(u.amount)::bigint AS amount
                         FROM (SELECT * FROM unnest(x.grants, x.amounts) WITH ORDINALITY AS k(id, amount, place)
                               UNION ALL
                               SELECT k.id, sign * k.amount, 1000000 + k.place
                                 FROM unnest(a_bound, a_amounts) WITH ORDINALITY AS k(id, amount, place)) u
                        GROUP BY u.id) s WHERE s.amount <> 0)
     WHERE x.hold_id = a_hold;
END $$;

-- PL/pgSQL here and below although each is one query: its plans are kept, those of SQL functions are made for every call.

-- The hold as its back end sees it; everything of an answer that may be repeated comes from rows that never change (H11).
CREATE FUNCTION hold_view(a_hold bigint) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('id', h.id, 'uuid', h.uuid, 'source', s.source_id, 'organisation', h.organisation_id,
               'project', p.slug, 'parent', u.uuid, 'user', pe.sub, 'issuer', pe.issuer, 'job_id', h.job_id,
               'execution_id', h.execution_id, 'amount', h.amount, 'budget', h.budget, 'plan', h.plan, 'plans', h.plans,
               'metadata', h.metadata, 'created_at', h.created_at, 'expires_at', h.expires_at,
               'fingerprint', h.fingerprint, 'fail_open', a.fail_open)
      FROM accounting_hold h JOIN accounting_source s ON s.id = h.source_id JOIN accounting_person pe ON pe.id = h.person_id
      JOIN accounting_account a ON a.id = h.wallet_id
      LEFT JOIN accounting_project p ON p.id = h.project_id LEFT JOIN accounting_hold u ON u.id = h.parent_id
     WHERE h.id = a_hold);
END $$;

CREATE FUNCTION hold_of_key(a_client bigint, a_source text, a_key text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT h.id FROM accounting_hold h JOIN accounting_source s ON s.id = h.source_id
             WHERE h.client_id = a_client AND s.source_id = a_source AND h.key = a_key);
END $$;

-- Writes a new hold that keeps what was taken. NULL: the key was taken meanwhile, and nothing was written.
CREATE FUNCTION hold_write(a_client bigint, q jsonb, w record, bound bigint[], amounts bigint[], a_unbacked bigint,
                           a_plan text, instant timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE h_id bigint; life interval := make_interval(secs => (q->>'lifetime')::float8);
BEGIN
    INSERT INTO accounting_hold (uuid, wallet_id, organisation_id, person_id, project_id, client_id, source_id, parent_id,
           job_id, execution_id, amount, budget, plans, plan, lifetime, failed_open, metadata, key, fingerprint,
           created_at, expires_at)
    VALUES ((q->>'uuid')::uuid, w.wallet, w.organisation, w.person, w.project, a_client, w.source_pk, w.parent, q->>'job_id',
            coalesce(q->>'execution_id', ''), (q->>'amount')::bigint, (q->>'budget')::bigint,
            ARRAY(SELECT jsonb_array_elements_text(q->'plans')), a_plan, life, (q->>'failed_open')::boolean,
            q->'metadata', q->>'key', q->>'fingerprint', instant, instant + life)
    ON CONFLICT (client_id, source_id, key) DO NOTHING RETURNING id INTO h_id;
    IF h_id IS NOT NULL THEN
        INSERT INTO accounting_openhold (hold_id, wallet_id, parent, remaining, unbacked, grants, amounts, captured, used,
                                         expires_at)
        VALUES (h_id, w.wallet, w.parent, (q->>'amount')::bigint, a_unbacked, bound, amounts, 0, 0, instant + life);
    END IF;
    RETURN h_id;
END $$;

-- Check and reserve (Money 7). Returns {outcome: held | replayed | refused, reason?, ...}; a key is answered once.
CREATE FUNCTION hold_open(a_client bigint, q jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    w record; f record; t record; h_id bigint := hold_of_key(a_client, q->>'source', q->>'key'); instant timestamptz;
    amount bigint := (q->>'amount')::bigint; jobs int;
BEGIN
    IF h_id IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h_id));
    END IF;
    IF q->>'parent' IS NOT NULL THEN
        RETURN hold_open_child(a_client, q);
    END IF;
    SELECT p.*, NULL::bigint AS parent INTO w FROM hold_payer(a_client, q) p;
    IF w.refusal IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', w.refusal, 'plan', w.unknown_plan, 'person', w.person,
                                  'issuer', w.issuer, 'organisation', w.organisation);
    END IF;
    PERFORM 1 FROM accounting_account WHERE id = w.wallet FOR NO KEY UPDATE;
    instant := accounting_now();
    SELECT * INTO f FROM hold_offer(w.wallet, w.backend, w.person, w.project, q, instant);
    IF f.refusal IS NOT NULL AND hold_sweep(ARRAY[w.wallet], NULL, instant) > 0 THEN  -- what is over keeps nothing (H7)
        SELECT * INTO f FROM hold_offer(w.wallet, w.backend, w.person, w.project, q, instant);
    END IF;
    IF f.refusal IS NOT NULL THEN
        h_id := hold_of_key(a_client, q->>'source', q->>'key');  -- opened while we waited for the wallet
        IF h_id IS NOT NULL THEN
            RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h_id));
        END IF;
        RETURN jsonb_build_object('outcome', 'refused', 'reason', f.refusal, 'may_spend', f.may_spend,
                                  'organisation', w.organisation, 'per_plan', f.per_plan);
    END IF;
    SELECT * INTO t FROM hold_take(f.grants, f.frees, amount, f.credit);
    h_id := hold_write(a_client, q, w, t.bound, t.amounts, t.unbacked, coalesce(f.plans[1], q->'plans'->>0, ''), instant);
    IF h_id IS NULL THEN
        h_id := hold_of_key(a_client, q->>'source', q->>'key');
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h_id));
    END IF;
    PERFORM grants_bind(t.bound, t.amounts, 1);
    UPDATE accounting_account SET held = held + amount, holds = holds + 1 WHERE id = w.wallet RETURNING holds INTO jobs;
    IF jobs > 1 THEN
        PERFORM wallet_alert(w.wallet);
    END IF;
    RETURN jsonb_build_object('outcome', 'held', 'hold', hold_view(h_id));
END $$;

-- As `hold_offer`, of what a parent keeps. What it keeps counts already for all limits but those of the child's back end,
-- if that is another one (H12).
CREATE FUNCTION hold_offer_child(a_parent bigint, a_backend bigint, q jsonb, instant timestamptz,
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
          FROM limits_of(p.wallet_id, p.person_id, p.project_id, a_backend, instant) l
          JOIN accounting_limit x ON x.id = l.id AND x.backend_id IS NOT NULL
         WHERE l.action = 'block' AND a_backend <> (SELECT s.backend_id FROM accounting_source s WHERE s.id = p.source_id);
    END IF;
    may_spend := greatest(least(coalesce(o.remaining, 0), budget, roof), 0);
    refusal := CASE WHEN o.hold_id IS NULL THEN 'parent_not_open'
                    WHEN q->>'kept' IS NULL AND a.holds >= coalesce(a.most_holds, (q->>'most_holds')::int) THEN 'too_many_holds'
                    WHEN wanted > budget OR wanted > o.remaining THEN 'over_budget'
                    WHEN wanted > roof THEN 'over_limit' END;
END $$;

-- A part of what a parent keeps, for a part of its job: nothing moves but between the two (H10).
CREATE FUNCTION hold_open_child(a_client bigint, q jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
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

-- The hold with that name, if the client may act for its source.
CREATE FUNCTION hold_named(a_client bigint, a_uuid uuid) RETURNS accounting_hold LANGUAGE sql STABLE AS $$
    SELECT h FROM accounting_hold h JOIN accounting_serviceclient_sources cs
           ON cs.source_id = h.source_id AND cs.serviceclient_id = a_client
     WHERE h.uuid = a_uuid
$$;

-- open, captured, released or expired.
CREATE FUNCTION hold_state(a_hold bigint, instant timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT e.kind FROM accounting_holdevent e WHERE e.hold_id = a_hold AND e.ends),
                    (SELECT CASE WHEN o.expires_at > instant THEN 'open' ELSE 'expired' END
                       FROM accounting_openhold o WHERE o.hold_id = a_hold))
$$;

-- What an open hold could get besides, from its parent or the wallet; a suspended organisation gets nothing.
CREATE FUNCTION hold_offer_more(h accounting_hold, q jsonb, instant timestamptz, OUT refusal text, OUT may_spend bigint,
                                OUT credit bigint, OUT grants bigint[], OUT frees bigint[], OUT per_plan jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE asked jsonb; s_backend bigint; gone timestamptz;
BEGIN
    SELECT s.backend_id INTO s_backend FROM accounting_source s WHERE s.id = h.source_id;
    SELECT x.suspended_at INTO gone FROM accounting_organisation x WHERE x.id = h.organisation_id;
    asked := q || jsonb_build_object('plans', h.plans, 'budget', h.budget, 'failed_open', h.failed_open, 'kept', h.amount + (
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

-- Keeps more. {uuid, amount, key, most_holds}; the same key again adds nothing.
CREATE FUNCTION hold_extend(a_client bigint, q jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    h accounting_hold := hold_named(a_client, (q->>'uuid')::uuid); p accounting_openhold; f record; t record;
    instant timestamptz; amount bigint := (q->>'amount')::bigint; state text; added bigint; jobs int;
BEGIN
    IF h.id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_unknown');
    END IF;
    PERFORM 1 FROM accounting_account WHERE id = h.wallet_id FOR NO KEY UPDATE;
    instant := accounting_now();
    SELECT e.amount INTO added FROM accounting_holdevent e WHERE e.hold_id = h.id AND e.kind = 'extended' AND e.key = q->>'key';
    IF added <> amount THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'key_reused', 'added', added);
    ELSIF added IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'replayed', 'hold', hold_view(h.id));
    END IF;
    state := hold_state(h.id, instant);
    IF state <> 'open' THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_not_open', 'state', state);
    END IF;
    SELECT * INTO f FROM hold_offer_more(h, q, instant);
    IF f.refusal IS NOT NULL AND hold_clear(ARRAY[h.id], ARRAY[h.wallet_id], instant) > 0 THEN  -- what is over keeps nothing (H7)
        SELECT * INTO f FROM hold_offer_more(h, q, instant);
    END IF;
    IF f.refusal IS NOT NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', f.refusal, 'may_spend', f.may_spend,
                                  'organisation', h.organisation_id, 'per_plan', f.per_plan);
    END IF;
    IF h.parent_id IS NOT NULL THEN
        SELECT * INTO p FROM accounting_openhold WHERE hold_id = h.parent_id;
        SELECT * INTO t FROM hold_take(p.grants, p.amounts, amount, p.remaining - p.unbacked);
        PERFORM hold_move(p.hold_id, t.bound, t.amounts, t.unbacked, -1);
        INSERT INTO accounting_holdevent (hold_id, kind, amount, other, recorded_at)
        VALUES (p.hold_id, 'lent', -amount, h.id, instant);
    ELSE
        SELECT * INTO t FROM hold_take(f.grants, f.frees, amount, f.credit);
        PERFORM grants_bind(t.bound, t.amounts, 1);
        UPDATE accounting_account SET held = held + amount WHERE id = h.wallet_id RETURNING holds INTO jobs;
        IF jobs > 1 THEN
            PERFORM wallet_alert(h.wallet_id);
        END IF;
    END IF;
    PERFORM hold_move(h.id, t.bound, t.amounts, t.unbacked, 1);
    INSERT INTO accounting_holdevent (hold_id, kind, amount, key, recorded_at)
    VALUES (h.id, 'extended', amount, q->>'key', instant);
    RETURN jsonb_build_object('outcome', 'held', 'hold', hold_view(h.id));
END $$;
