-- What an organisation, a member, a project or a back end of it may spend a period (H12). The wallet's lock guards the
-- counters; `account.limited` spares all others the look.

CREATE FUNCTION limit_period(a_period text, instant timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE a_period WHEN 'total' THEN timestamptz '2000-01-01 00:00Z'
                         ELSE date_trunc(a_period, instant AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END
$$;

-- What an open hold's job is said to have used and nobody has charged yet. What a parent says contains its children (H10).
CREATE FUNCTION hold_running(o accounting_openhold) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN o.used <= o.captured THEN 0 WHEN o.parent IS NOT NULL THEN o.used - o.captured
                ELSE greatest(o.used - o.captured - (
                     SELECT coalesce(sum(greatest(k.used, hold_charged(c.id))), 0)
                       FROM accounting_hold c LEFT JOIN accounting_openhold k ON k.hold_id = c.id
                      WHERE c.parent_id = o.hold_id), 0) END;
END $$;

-- The limits that a job of that person, project and back end falls under: what is spent, and what open holds keep.
CREATE FUNCTION limits_of(a_wallet bigint, a_person bigint, a_project bigint, a_backend bigint, instant timestamptz)
RETURNS TABLE (id bigint, amount bigint, action text, spent bigint, kept bigint, running bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT l.id, l.amount, l.action::text,
           CASE WHEN l.period_starts_at >= limit_period(l.period, instant) THEN l.spent ELSE 0 END,
           coalesce(k.kept, 0)::bigint, coalesce(k.running, 0)::bigint
      FROM accounting_limit l
      LEFT JOIN LATERAL (
            SELECT sum(o.remaining) AS kept, sum(hold_running(o)) AS running
              FROM accounting_openhold o JOIN accounting_hold h ON h.id = o.hold_id
              JOIN accounting_source s ON s.id = h.source_id
             WHERE o.wallet_id = a_wallet AND o.expires_at > instant
               AND (l.person_id IS NULL OR h.person_id = l.person_id)
               AND (l.project_id IS NULL OR h.project_id = l.project_id)
               AND (l.backend_id IS NULL OR s.backend_id = l.backend_id)) k ON true
     WHERE l.wallet_id = a_wallet AND (l.person_id IS NULL OR l.person_id = a_person)
       AND (l.project_id IS NULL OR l.project_id = a_project) AND (l.backend_id IS NULL OR l.backend_id = a_backend);
END $$;

-- Adds what was booked (or, negative, given back) to the counters of its wallet's limits; a new period begins at zero.
-- What is given back of an earlier period changes nothing of this one. People are told at 80 % and at the end.
CREATE FUNCTION limits_count(a_wallet bigint, a_person bigint, a_project bigint, a_backend bigint, a_amount bigint,
                             a_booked_at timestamptz, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE x record; share int;
BEGIN
    FOR x IN UPDATE accounting_limit l
       SET spent = CASE WHEN l.period_starts_at >= limit_period(l.period, instant) THEN l.spent ELSE 0 END
                   + CASE WHEN a_booked_at >= limit_period(l.period, instant) THEN a_amount ELSE 0 END,
           period_starts_at = limit_period(l.period, instant)
     WHERE l.wallet_id = a_wallet AND (l.person_id IS NULL OR l.person_id = a_person)
       AND (l.project_id IS NULL OR l.project_id = a_project) AND (l.backend_id IS NULL OR l.backend_id = a_backend)
    RETURNING l.* LOOP
        FOREACH share IN ARRAY ARRAY[80, 100] LOOP
            IF x.spent * 100 >= x.amount * share AND (x.spent - a_amount) * 100 < x.amount * share THEN
                INSERT INTO accounting_outboxevent (topic, payload)
                SELECT 'limit_reached', jsonb_build_object('limit', x.id, 'organisation', a.organisation_id, 'person', x.person_id,
                           'project', x.project_id, 'backend', x.backend_id, 'share', share, 'spent', x.spent,
                           'amount', x.amount, 'period', x.period, 'period_starts_at', x.period_starts_at, 'action', x.action)
                  FROM accounting_account a WHERE a.id = a_wallet
                UNION ALL
                SELECT 'guard', jsonb_build_object('wallet', a_wallet) WHERE x.action = 'block';
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- Sets a limit, or takes it away (amount null); it counts what was booked since its period began.
--   {wallet, person?, project?, backend?, period, action, amount?}
CREATE FUNCTION limit_set(p jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    l_id bigint; a_wallet bigint := (p->>'wallet')::bigint; a_person bigint := (p->>'person')::bigint;
    a_project bigint := (p->>'project')::bigint; a_backend bigint := (p->>'backend')::bigint;
    since timestamptz; instant timestamptz;
BEGIN
    PERFORM 1 FROM accounting_account WHERE id = a_wallet FOR NO KEY UPDATE;
    instant := accounting_now();
    since := limit_period(p->>'period', instant);
    DELETE FROM accounting_limit WHERE wallet_id = a_wallet AND person_id IS NOT DISTINCT FROM a_person
        AND project_id IS NOT DISTINCT FROM a_project AND backend_id IS NOT DISTINCT FROM a_backend
        AND period = p->>'period' AND action = p->>'action';
    IF p->>'amount' IS NOT NULL THEN
        INSERT INTO accounting_limit (wallet_id, person_id, project_id, backend_id, amount, period, action, spent,
                                      period_starts_at)
        SELECT a_wallet, a_person, a_project, a_backend, (p->>'amount')::bigint, p->>'period', p->>'action',
               coalesce(sum(r.amount), 0), since
          FROM accounting_usagereport r
          JOIN accounting_account a ON a.id = a_wallet AND a.organisation_id = r.organisation_id
          JOIN accounting_source s ON s.id = r.source_id
         WHERE r.received_at >= since AND (a_person IS NULL OR r.person_id = a_person)
           AND (a_project IS NULL OR r.project_id = a_project) AND (a_backend IS NULL OR s.backend_id = a_backend)
           AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = r.transaction_id)
        RETURNING id INTO l_id;
    END IF;
    UPDATE accounting_account SET limited = EXISTS (SELECT 1 FROM accounting_limit WHERE wallet_id = a_wallet)
     WHERE id = a_wallet;
    RETURN l_id;
END $$;

-- How far holds may take a wallet: {wallet, floor, fail_open, most_held?, most_holds?}.
CREATE FUNCTION wallet_set_rules(p jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE accounting_account
       SET floor = (p->>'floor')::bigint, fail_open = (p->>'fail_open')::bigint,
           most_held = (p->>'most_held')::bigint, most_holds = (p->>'most_holds')::int
     WHERE id = (p->>'wallet')::bigint AND kind = 'wallet'
$$;
