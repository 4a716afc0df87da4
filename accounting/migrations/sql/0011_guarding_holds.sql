-- While the job runs: heartbeats, and what the guard has to know to say continue, warn or stop.

-- {uuid, used?, usage?, lifetime?}: the job lives, and has cost so much so far. Moves the expiry ahead, never back; that of
-- a parent with it. No wallet is locked, because nothing is reserved or given back.
CREATE FUNCTION hold_beat(a_client bigint, q jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE h accounting_hold := hold_named(a_client, (q->>'uuid')::uuid); instant timestamptz := accounting_now(); until timestamptz;
BEGIN
    IF h.id IS NULL THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_unknown');
    END IF;
    until := instant + coalesce(make_interval(secs => (q->>'lifetime')::float8), h.lifetime);
    UPDATE accounting_openhold SET expires_at = greatest(expires_at, until)
     WHERE hold_id = h.parent_id AND expires_at > instant
       AND EXISTS (SELECT 1 FROM accounting_openhold c WHERE c.hold_id = h.id AND c.expires_at > instant);
    UPDATE accounting_openhold
       SET expires_at = greatest(expires_at, until), beat_at = instant,
           used = greatest(used, (q->>'used')::bigint), usage = coalesce(nullif(q->'usage', 'null'), usage)
     WHERE hold_id = h.id AND expires_at > instant;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'refused', 'reason', 'hold_not_open',
                                  'state', coalesce(hold_state(h.id, accounting_now()), 'expired'));
    END IF;
    RETURN jsonb_build_object('outcome', 'held', 'hold', hold_view(h.id));
END $$;

-- One row an open hold of the wallet (or the one that is named): what its job has used and how far it may go. `free` is what
-- it could still get from the wallet or its parent, `limits` those that it counts for, `family` what its parent has to be
-- kept within. The figures of a parent are those of the whole family.
CREATE FUNCTION hold_figures(a_wallet bigint, a_hold bigint)
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
                SELECT jsonb_agg(jsonb_build_object('id', l.id, 'amount', l.amount, 'used', l.spent + l.running))
                  FROM limits_of(a_wallet, h.person_id, h.project_id, s.backend_id, instant) l WHERE l.action = 'block') END,
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

-- What was charged under a hold and stands.
CREATE FUNCTION hold_charged(a_hold bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(r.amount), 0)::bigint FROM accounting_usagereport r
     WHERE r.hold_id = a_hold
       AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = r.transaction_id)
$$;

-- A parent with its children: what they have used (the parent's own word, or the sum of what each says, whichever is
-- more), what of it is charged, and what they keep. For a hold without children these are its own.
CREATE FUNCTION hold_family(a_parent bigint, OUT budget bigint, OUT used bigint, OUT charged bigint, OUT kept bigint)
LANGUAGE sql STABLE AS $$
    SELECT h.budget, greatest(o.used, hold_charged(h.id) + sums.used)::bigint, (hold_charged(h.id) + sums.charged)::bigint,
           (coalesce(o.remaining, 0) + sums.kept)::bigint
      FROM accounting_hold h LEFT JOIN accounting_openhold o ON o.hold_id = h.id,
           LATERAL (SELECT coalesce(sum(greatest(k.used, hold_charged(c.id))), 0) AS used,
                           coalesce(sum(hold_charged(c.id)), 0) AS charged, coalesce(sum(k.remaining), 0) AS kept
                      FROM accounting_hold c LEFT JOIN accounting_openhold k ON k.hold_id = c.id
                     WHERE c.parent_id = a_parent) sums
     WHERE h.id = a_parent
$$;

-- Remembers what the back end was told, so that it is told each thing once. Returns whether it is news.
CREATE FUNCTION hold_note_verdict(a_hold bigint, a_verdict text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE accounting_openhold SET verdict = a_verdict WHERE hold_id = a_hold AND verdict <> a_verdict;
    RETURN FOUND;
END $$;

-- What a hold of each would be answered, without reserving anything; one row a question, in order. A question is that of
-- hold_open. `overdue`: a sweep would set credits free.
CREATE FUNCTION hold_check(a_client bigint, questions jsonb)
RETURNS TABLE (i bigint, refusal text, issuer text, person bigint, organisation bigint, unknown_plan text, may_spend bigint,
               credit bigint, plan text, per_plan jsonb, fail_open bigint, limited_by bigint, overdue boolean,
               instant timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE at timestamptz := accounting_now();
BEGIN
    RETURN QUERY
    SELECT t.i, coalesce(w.refusal, f.refusal), w.issuer, w.person, w.organisation, w.unknown_plan, f.may_spend, f.credit,
           coalesce(f.plans[1], t.q->'plans'->>0), f.per_plan, a.fail_open, f.limited_by,
           EXISTS (SELECT 1 FROM accounting_openhold o WHERE o.wallet_id = w.wallet AND o.expires_at <= at), at
      FROM jsonb_array_elements(questions) WITH ORDINALITY AS t(q, i)
      CROSS JOIN LATERAL hold_payer(a_client, t.q) w
      LEFT JOIN accounting_account a ON a.id = w.wallet
      LEFT JOIN LATERAL (
            SELECT * FROM hold_offer(w.wallet, w.backend, w.person, w.project, t.q, at) WHERE w.wallet IS NOT NULL) f ON true
     ORDER BY t.i;
END $$;
