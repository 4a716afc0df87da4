-- A viewer's jobs are not paid by the organisation: for paying, a viewer is no member (M1, U2).

-- As in 0012_matching.sql.
CREATE OR REPLACE FUNCTION usage_resolve(a_client bigint, batch jsonb)
RETURNS TABLE (i bigint, source_pk bigint, allowed boolean, backend bigint, provider_account bigint,
               platform_account bigint, tariff bigint, issuer text, person bigint, plan text, organisation bigint,
               organisation_class text, refused boolean, wallet bigint, done bigint, done_fingerprint text,
               done_answer text, duplicate bigint, instant timestamptz, project bigint, hold bigint,
               hold_keeps bigint, excess text)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET enable_memoize = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    RETURN QUERY
    SELECT t.i, s.id, cs.id IS NOT NULL, s.backend_id, pay.id,
           (SELECT id FROM accounting_account WHERE kind = 'platform_fee' AND organisation_id IS NULL
               AND provider_id IS NULL AND owner = ''),
           tf.id, CASE WHEN t.accepted OR t.issuer = s.user_issuer THEN t.issuer WHEN t.issuer IS NULL THEN s.user_issuer END::text,
           pe.id, pe.plan::text, o.id,
           CASE WHEN o.personal THEN 'personal' ELSE o.category::text END,
           t.organisation IS NOT NULL AND own.id IS NULL AND pe.id IS NOT NULL
                AND t.organisation IS DISTINCT FROM hl.organisation_id OR coalesce(heir.organisation_refused, false),
           w.id, tx.id, tx.fingerprint::text, tx.answer, twin.transaction_id, accounting_now(),
           CASE WHEN hl.project_id IS NOT NULL THEN hl.project_id
                WHEN t.project IS NOT NULL THEN (SELECT pr.id FROM accounting_project pr
                                                  WHERE pr.organisation_id = o.id AND pr.slug = t.project) END,
           hl.id, hl.keeps, b.excess::text
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (endpoint text, source text, service text, key text, issuer text,
                      "user" text, organisation bigint, execution text, finished_at timestamptz, twin text,
                      accepted boolean, job text, hold bigint, project text))
           WITH ORDINALITY AS t(endpoint, source, service, key, issuer, "user", organisation, execution, finished_at, twin,
                                accepted, job, hold, project, i)
      LEFT JOIN accounting_source s ON s.source_id = t.source
      LEFT JOIN accounting_serviceclient_sources cs ON cs.source_id = s.id AND cs.serviceclient_id = a_client
      LEFT JOIN accounting_backend b ON b.id = s.backend_id
      LEFT JOIN accounting_account pay ON pay.kind = 'provider_payable' AND pay.organisation_id IS NULL
                                      AND pay.provider_id = b.provider_id AND pay.owner = ''
      LEFT JOIN accounting_tariff tf ON tf.source_id = s.id
            AND tstzrange(tf.starts_at, tf.ends_at) @> coalesce(t.finished_at, accounting_now())
      LEFT JOIN accounting_person pe ON pe.issuer = coalesce(t.issuer, s.user_issuer) AND pe.sub = t."user"
      LEFT JOIN LATERAL (
            SELECT k.id, k.fingerprint, k.answer FROM accounting_transaction k
             WHERE k.client_id = a_client AND k.endpoint = t.endpoint AND k.source_id = s.id AND k.service = t.service
               AND k.key = t.key LIMIT 1) tx ON true
      LEFT JOIN LATERAL (
            SELECT m.id, m.organisation_id FROM accounting_member m
             WHERE m.organisation_id = t.organisation AND m.person_id = pe.id AND member_pays(m.role) LIMIT 1) own ON true
      LEFT JOIN LATERAL (  -- of an explicit capture, else of the execution, else of the job; one that named another payer is not it
            SELECT h.id, h.organisation_id, h.project_id,
                   (SELECT op.remaining + CASE WHEN t.endpoint = 'addedvalue' THEN 0 ELSE hold_provisional(h.id) END
                      FROM accounting_openhold op
                     WHERE op.hold_id = h.id AND op.expires_at > accounting_now()) AS keeps
              FROM hold_candidates(s.id, t.hold, t.job, t.execution) h
             WHERE (t.hold IS NOT NULL  -- most jobs have none, which two look-ups tell
                    OR EXISTS (SELECT 1 FROM accounting_hold x WHERE x.source_id = s.id AND x.job_id = t.job)
                    OR EXISTS (SELECT 1 FROM accounting_hold x WHERE x.source_id = s.id AND x.execution_id = t.execution
                                  AND x.execution_id <> ''))
               AND h.person_id = pe.id AND (own.id IS NULL OR own.organisation_id = h.organisation_id)
             LIMIT 1) hl ON true
      LEFT JOIN LATERAL (
            SELECT m.organisation_id FROM accounting_member m
             WHERE m.organisation_id = pe.current_organisation_id AND m.person_id = pe.id AND member_pays(m.role) LIMIT 1) here ON true
      LEFT JOIN LATERAL (
            SELECT r.organisation_id, r.organisation_refused FROM accounting_usagereport r
             WHERE t.organisation IS NULL AND t.endpoint = 'addedvalue' AND r.source_id = s.id
               AND r.execution_id = t.execution AND r.execution_id <> '' AND r.person_id = pe.id
               AND r.endpoint = 'resources'
             ORDER BY r.transaction_id + 0 DESC LIMIT 1) heir ON true  -- + 0: not by walking the primary key
      LEFT JOIN LATERAL (
            SELECT r.transaction_id FROM accounting_usagereport r JOIN accounting_transaction rt ON rt.id = r.transaction_id
             WHERE t.twin IS NOT NULL AND r.source_id = s.id AND r.execution_id = t.execution AND r.execution_id <> ''
               AND r.person_id = pe.id AND r.endpoint = t.endpoint AND r.facts->>'metrics' = t.twin
               AND rt.key IS DISTINCT FROM t.key
               AND NOT EXISTS (SELECT 1 FROM accounting_transaction z WHERE z.reverses_id = rt.id)
             LIMIT 1) twin ON true
      LEFT JOIN LATERAL (
            SELECT x.id, x.personal, x.category FROM accounting_organisation x
             WHERE x.id = coalesce(hl.organisation_id, own.organisation_id, heir.organisation_id, here.organisation_id,
                                   pe.personal_organisation_id) LIMIT 1) o ON true
      LEFT JOIN accounting_account w ON w.organisation_id = o.id;
END $$;

-- As in 0008_holds.sql; and no new job starts for an archived project.
CREATE OR REPLACE FUNCTION hold_payer(a_client bigint, q jsonb, OUT refusal text, OUT source_pk bigint, OUT backend bigint,
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
     WHERE m.person_id = pe.id AND m.organisation_id = coalesce(asked, pe.current_organisation_id) AND member_pays(m.role);
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
                    WHEN NOT coalesce((q->>'decided')::boolean, false) AND EXISTS (
                         SELECT 1 FROM accounting_project p WHERE p.id = hold_payer.project AND p.archived_at IS NOT NULL)
                         THEN 'project_archived'
                    WHEN unknown_plan IS NOT NULL THEN 'plan_unknown' END;
END $$;
