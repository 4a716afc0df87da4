-- Who belongs to an organisation, who can never leave it, and what is remembered of every change (M1, M2, M6).

-- Roles whose jobs the organisation pays (`run_jobs` in accounting/roles.py).
CREATE FUNCTION member_pays(role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT role <> 'viewer' $$;

-- At the end of every transaction an organisation has an owner, and a personal one nobody else. The organisation's row is
-- locked first: of two owners who leave at once, the second one waits here and then sees that the first has gone.
CREATE FUNCTION accounting_prove_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o accounting_organisation; a_organisation bigint;
BEGIN
    FOR a_organisation IN SELECT DISTINCT t.id FROM (VALUES
        (CASE WHEN TG_OP <> 'INSERT' THEN OLD.organisation_id END),
        (CASE WHEN TG_OP <> 'DELETE' THEN NEW.organisation_id END)) AS t(id) WHERE t.id IS NOT NULL ORDER BY 1 LOOP
        SELECT * INTO o FROM accounting_organisation WHERE id = a_organisation FOR NO KEY UPDATE;
        CONTINUE WHEN o.id IS NULL OR o.closed_at IS NOT NULL;
        IF NOT EXISTS (SELECT 1 FROM accounting_member m WHERE m.organisation_id = o.id AND m.role = 'owner') THEN
            RAISE EXCEPTION 'organisation % has no owner left', o.id
                  USING ERRCODE = 'check_violation', CONSTRAINT = 'organisation_must_have_an_owner';
        END IF;
        IF o.personal AND (SELECT count(*) FROM accounting_member m WHERE m.organisation_id = o.id) > 1 THEN
            RAISE EXCEPTION 'organisation % is personal', o.id
                  USING ERRCODE = 'check_violation', CONSTRAINT = 'personal_organisation_has_one_member';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER owned AFTER INSERT OR UPDATE OR DELETE ON accounting_member DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION accounting_prove_owner();

-- Every organisation known by now must keep the rule as well, or the migration says which one does not.
DO $$
DECLARE a_organisation bigint;
BEGIN
    SELECT o.id INTO a_organisation FROM accounting_organisation o
     WHERE EXISTS (SELECT 1 FROM accounting_member m WHERE m.organisation_id = o.id)
       AND NOT EXISTS (SELECT 1 FROM accounting_member m WHERE m.organisation_id = o.id AND m.role = 'owner') LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'organisation % has members and no owner: give it one first', a_organisation;
    END IF;
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounting_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
-- When it happened is not for the writer to say (L7).
CREATE FUNCTION accounting_stamp_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.recorded_at := accounting_now();
    RETURN NEW;
END $$;
CREATE TRIGGER stamped BEFORE INSERT ON accounting_auditentry FOR EACH ROW EXECUTE FUNCTION accounting_stamp_audit();
