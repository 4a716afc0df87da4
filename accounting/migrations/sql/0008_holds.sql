-- Reserving credits for a job. Whatever changes a hold has locked its wallet first (L5), so the wallet's lock is the lock
-- of all its holds; only heartbeats, which move no credits, lock the row of the hold alone. Rules H1 to H12 are in
-- accounting/README.md.

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['hold', 'holdevent'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounting_%s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name);
    END LOOP;
END $$;
-- Heartbeats and the sweep go over it again and again.
ALTER TABLE accounting_openhold SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- What a wallet could give to a job of that back end, and which grants it would take it from: the plans in the order of
-- the list (empty: any), within a plan as grants burn (G1). Grants for certain processes are left out: what a job will
-- use of them is not known yet. `spare` is what no grant covers but the floor, `a_below` lower, allows.
CREATE FUNCTION hold_assess(a_wallet bigint, a_backend bigint, a_plans text[], a_below bigint, instant timestamptz,
                            OUT credit bigint, OUT spare bigint, OUT grants bigint[], OUT frees bigint[],
                            OUT plans text[], OUT per_plan jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE net bigint; a accounting_account;
BEGIN
    SELECT * INTO a FROM accounting_account WHERE id = a_wallet;
    WITH mine AS (
        SELECT g.id, g.remaining - g.held AS free, g.held, g.plan, g.priority, g.expires_at,
               g.expires_at IS NULL OR g.expires_at > instant AS usable,
               g.processes = '{}' AND (g.backends = '{}' OR a_backend = ANY (g.backends)) AS fits,
               CASE WHEN a_plans = '{}' THEN 1
                    ELSE (SELECT min(p.place) FROM unnest(a_plans) WITH ORDINALITY AS p(name, place)
                           WHERE lower(p.name) IN (g.plan, g.kind, g.slug)) END AS place
          FROM accounting_grant g WHERE g.wallet_id = a_wallet AND g.remaining > 0
    ), offered AS (
        SELECT * FROM mine WHERE usable AND fits AND free > 0
    ), listed AS (
        SELECT sum(free) AS credit,
               array_agg(id ORDER BY place, priority, expires_at NULLS LAST, id) AS grants,
               array_agg(free ORDER BY place, priority, expires_at NULLS LAST, id) AS frees,
               array_agg(plan ORDER BY place, priority, expires_at NULLS LAST, id) AS plans
          FROM offered WHERE place IS NOT NULL
    )
    SELECT coalesce(l.credit, 0), coalesce(l.grants, '{}'), coalesce(l.frees, '{}'), coalesce(l.plans, '{}'),
           coalesce((SELECT jsonb_object_agg(p.plan, p.free)
                       FROM (SELECT o.plan, sum(o.free) AS free FROM offered o GROUP BY o.plan) p), '{}'),
           coalesce((SELECT sum(m.free) FILTER (WHERE m.usable) + sum(m.held) FROM mine m), 0) - a.held
      INTO credit, grants, frees, plans, per_plan, net
      FROM listed l;
    net := net - coalesce((SELECT sum(d.outstanding) FROM accounting_debt d
                            WHERE d.wallet_id = a_wallet AND d.outstanding > 0), 0);
    credit := greatest(least(credit, net), 0);
    spare := greatest(a_below - a.floor + least(net, 0), 0);
END $$;

-- Who would pay for a job of that person: an organisation that is named must know the person, for whoever starts a job can
-- still be told. {source, issuer?, accepted, user, organisation?, project?, plans, terms?, decided?}; `decided`: that the
-- organisation pays was decided before.
CREATE FUNCTION hold_payer(a_client bigint, q jsonb, OUT refusal text, OUT source_pk bigint, OUT backend bigint,
                           OUT issuer text, OUT person bigint, OUT organisation bigint, OUT project bigint,
                           OUT wallet bigint, OUT unknown_plan text)
LANGUAGE plpgsql STABLE AS $$
DECLARE s record; pe accounting_person; o accounting_organisation; asked bigint := (q->>'organisation')::bigint;
BEGIN
    SELECT src.id, src.backend_id, src.user_issuer, cs.id AS mine INTO s
      FROM accounting_source src
      LEFT JOIN accounting_serviceclient_sources cs ON cs.source_id = src.id AND cs.serviceclient_id = a_client
     WHERE src.source_id = q->>'source';
    IF s.id IS NULL OR s.mine IS NULL THEN
        refusal := CASE WHEN s.id IS NULL THEN 'source_unknown' ELSE 'source_not_allowed' END;
        RETURN;
    END IF;
    source_pk := s.id;
    backend := s.backend_id;
    issuer := coalesce(q->>'issuer', s.user_issuer);
    IF issuer <> s.user_issuer AND NOT (q->>'accepted')::boolean THEN
        refusal := 'issuer_unknown';
        RETURN;
    END IF;
    SELECT p.* INTO pe FROM accounting_person p WHERE p.issuer = hold_payer.issuer AND p.sub = q->>'user';
    IF pe.id IS NULL THEN
        refusal := 'person_unknown';
        RETURN;
    END IF;
    person := pe.id;
    SELECT x.* INTO o FROM accounting_member m JOIN accounting_organisation x ON x.id = m.organisation_id
     WHERE m.person_id = pe.id AND m.organisation_id = coalesce(asked, pe.current_organisation_id);
    IF o.id IS NULL AND (asked IS NULL OR (q->>'decided')::boolean) THEN
        SELECT x.* INTO o FROM accounting_organisation x WHERE x.id = coalesce(asked, pe.personal_organisation_id);
    END IF;
    IF o.id IS NULL THEN
        refusal := 'not_a_member';
        RETURN;
    END IF;
    organisation := o.id;
    SELECT a.id INTO wallet FROM accounting_account a WHERE a.organisation_id = o.id;
    SELECT p.id INTO project FROM accounting_project p WHERE p.organisation_id = o.id AND p.slug = q->>'project';
    SELECT name INTO unknown_plan FROM jsonb_array_elements_text(q->'plans') AS name
     WHERE lower(name) NOT IN ('free', 'trial', 'sponsored', 'voucher', 'paid')
       AND NOT EXISTS (SELECT 1 FROM accounting_grant g
                        WHERE g.wallet_id = hold_payer.wallet AND lower(name) IN (g.plan, g.slug)) LIMIT 1;
    refusal := CASE WHEN o.suspended_at IS NOT NULL THEN 'organisation_suspended'
                    WHEN coalesce(q->>'terms', '') <> '' AND pe.terms_version <> q->>'terms' THEN 'terms_not_accepted'
                    WHEN q->>'project' IS NOT NULL AND project IS NULL THEN 'project_unknown'
                    WHEN unknown_plan IS NOT NULL THEN 'plan_unknown' END;
END $$;

-- What may be reserved, and the reason when it is less than the amount asked for: the one to mend first is named.
-- {amount?, kept, budget?, plans, failed_open, most_holds}; `kept` is what a hold that grows keeps and has used already,
-- null for a new one. `may_spend` is the most that would be granted.
CREATE FUNCTION hold_offer(a_wallet bigint, a_backend bigint, a_person bigint, a_project bigint, q jsonb,
                           instant timestamptz, OUT refusal text, OUT may_spend bigint, OUT credit bigint, OUT spare bigint,
                           OUT grants bigint[], OUT frees bigint[], OUT plans text[], OUT per_plan jsonb,
                           OUT limited_by bigint, OUT within_limit bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    a accounting_account; wanted bigint := (q->>'amount')::bigint; kept bigint := (q->>'kept')::bigint;
    budget bigint := (q->>'budget')::bigint - coalesce((q->>'kept')::bigint, 0); roof bigint;
BEGIN
    SELECT * INTO a FROM accounting_account WHERE id = a_wallet;
    SELECT f.credit, f.spare, f.grants, f.frees, f.plans, f.per_plan
      INTO credit, spare, grants, frees, plans, per_plan
      FROM hold_assess(a_wallet, a_backend, ARRAY(SELECT jsonb_array_elements_text(q->'plans')),
                       CASE WHEN (q->>'failed_open')::boolean THEN a.fail_open ELSE 0 END, instant) f;
    IF a.limited THEN
        SELECT l.id, l.amount - l.spent - l.kept INTO limited_by, within_limit
          FROM limits_of(a_wallet, a_person, a_project, a_backend, instant) l
         WHERE l.action = 'block' ORDER BY 2 LIMIT 1;
    END IF;
    roof := least(within_limit, a.most_held - a.held);
    may_spend := greatest(least(credit + spare, budget, roof), 0);
    refusal := CASE WHEN kept IS NULL AND a.holds >= coalesce(a.most_holds, (q->>'most_holds')::int) THEN 'too_many_holds'
                    WHEN coalesce(wanted, 1) > budget THEN 'over_budget'
                    WHEN coalesce(wanted, 1) > roof THEN 'over_limit'
                    WHEN coalesce(wanted, 1) > credit + spare THEN 'no_credit' END;
END $$;

