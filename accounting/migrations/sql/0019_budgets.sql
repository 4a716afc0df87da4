-- Setting limits, and moving budget between the projects of an organisation. One wallet, so nothing moves but what each may
-- spend of it (decision 0016); the wallet's lock guards the sum rule (M3).

-- The budgets of projects of one period are together at most what the organisation may spend in it, if that is bounded.
CREATE FUNCTION limits_prove_sums(a_wallet bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE x record;
BEGIN
    SELECT w.period, w.amount, sum(b.amount)::bigint AS assigned INTO x
      FROM accounting_limit w JOIN accounting_limit b ON b.wallet_id = w.wallet_id AND b.period = w.period
     WHERE w.wallet_id = a_wallet AND limit_is_whole(w) AND limit_is_budget(b)
     GROUP BY w.id, w.period, w.amount HAVING sum(b.amount) > w.amount LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'budgets of % exceed % (%)', x.assigned, x.amount, x.period USING ERRCODE = 'LR004',
              DETAIL = jsonb_build_object('period', x.period, 'amount', x.amount, 'assigned', x.assigned)::text;
    END IF;
END $$;

-- Sets a limit, or takes it away (amount null); it counts what was booked since its period began. Returns
-- {id?, was?}: the amount before.
--   {wallet, person?, project?, backend?, process, period, action, fallback, amount?}
DROP FUNCTION limit_set(jsonb);
CREATE FUNCTION limit_set(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    l accounting_limit; a_wallet bigint := (p->>'wallet')::bigint; a_person bigint := (p->>'person')::bigint;
    a_project bigint := (p->>'project')::bigint; a_backend bigint := (p->>'backend')::bigint;
    a_process text := coalesce(p->>'process', ''); since timestamptz; instant timestamptz; was bigint;
BEGIN
    PERFORM 1 FROM accounting_account WHERE id = a_wallet FOR NO KEY UPDATE;
    instant := accounting_now();
    since := limit_period(p->>'period', instant);
    DELETE FROM accounting_limit x WHERE x.wallet_id = a_wallet AND x.person_id IS NOT DISTINCT FROM a_person
        AND x.project_id IS NOT DISTINCT FROM a_project AND x.backend_id IS NOT DISTINCT FROM a_backend
        AND x.process = a_process AND x.period = p->>'period' AND x.action = p->>'action' RETURNING x.amount INTO was;
    IF p->>'amount' IS NOT NULL THEN
        INSERT INTO accounting_limit (wallet_id, person_id, project_id, backend_id, process, amount, period, action, fallback,
                                      spent, period_starts_at)
        SELECT a_wallet, a_person, a_project, a_backend, a_process, (p->>'amount')::bigint, p->>'period', p->>'action',
               coalesce((p->>'fallback')::boolean, false), coalesce(sum(CASE WHEN a_process = '' THEN r.amount ELSE (
                   SELECT sum(u.amount) FROM accounting_usageline u
                    WHERE u.report_id = r.transaction_id AND u.process = a_process) END), 0), since
          FROM accounting_usagereport r
          JOIN accounting_account a ON a.id = a_wallet AND a.organisation_id = r.organisation_id
          JOIN accounting_source s ON s.id = r.source_id
         WHERE p->>'period' <> 'job' AND r.received_at >= since AND (a_person IS NULL OR r.person_id = a_person)
           AND (a_project IS NULL OR r.project_id = a_project) AND (a_backend IS NULL OR s.backend_id = a_backend)
           AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = r.transaction_id)
        RETURNING * INTO l;
    END IF;
    PERFORM limits_prove_sums(a_wallet);
    UPDATE accounting_account SET limited = EXISTS (SELECT 1 FROM accounting_limit WHERE wallet_id = a_wallet)
     WHERE id = a_wallet;
    RETURN jsonb_build_object('id', l.id, 'was', was);
END $$;

-- What of a project's budget (project null: of the part that no project has) is neither spent nor kept; null: unbounded.
CREATE FUNCTION limit_left(a_wallet bigint, a_project bigint, a_period text, instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF a_project IS NULL THEN
        RETURN coalesce((SELECT x.amount - x.kept FROM limit_pools(a_wallet, NULL, instant) x WHERE x.period = a_period),
                        (SELECT x.amount - x.spent - x.kept FROM limits_of(a_wallet, NULL, NULL, NULL, '{}', instant) x
                           JOIN accounting_limit w ON w.id = x.id AND limit_is_whole(w) AND w.period = a_period LIMIT 1));
    END IF;
    RETURN (SELECT x.amount - x.spent - x.kept FROM limits_of(a_wallet, NULL, a_project, NULL, '{}', instant) x
              JOIN accounting_limit b ON b.id = x.id AND limit_is_budget(b) AND b.period = a_period);
END $$;

-- Moves budget of a period from a project to another one; null is the part that no project has. LR005: one of them has no
-- budget of that period, or not so much left. {wallet, period, source?, target?, amount}
CREATE FUNCTION limit_move(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    a_wallet bigint := (p->>'wallet')::bigint; a_source bigint := (p->>'source')::bigint;
    a_target bigint := (p->>'target')::bigint; a_amount bigint := (p->>'amount')::bigint; a_period text := p->>'period';
    left_over bigint; instant timestamptz; one bigint;
BEGIN
    PERFORM 1 FROM accounting_account WHERE id = a_wallet FOR NO KEY UPDATE;
    instant := accounting_now();
    FOREACH one IN ARRAY array_remove(ARRAY[a_source, a_target], NULL) LOOP
        IF NOT EXISTS (SELECT 1 FROM accounting_limit b
                        WHERE b.wallet_id = a_wallet AND b.project_id = one AND b.period = a_period AND limit_is_budget(b)) THEN
            RETURN jsonb_build_object('refused', 'no_budget', 'project', one);
        END IF;
    END LOOP;
    left_over := limit_left(a_wallet, a_source, a_period, instant);
    IF left_over < a_amount THEN
        RETURN jsonb_build_object('refused', 'too_much', 'left', greatest(left_over, 0));
    END IF;
    UPDATE accounting_limit b SET amount = b.amount - a_amount
     WHERE b.wallet_id = a_wallet AND b.project_id = a_source AND b.period = a_period AND limit_is_budget(b);
    UPDATE accounting_limit b SET amount = b.amount + a_amount
     WHERE b.wallet_id = a_wallet AND b.project_id = a_target AND b.period = a_period AND limit_is_budget(b);
    PERFORM limits_prove_sums(a_wallet);
    RETURN '{}';
END $$;
