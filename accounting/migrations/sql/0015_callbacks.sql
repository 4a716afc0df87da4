-- C1: a message stays what it was, so that every attempt carries the same id and the same body.
CREATE TRIGGER message_fixed BEFORE UPDATE OF id, uuid, client_id, kind, cause, body, created_at
    ON accounting_callbackdelivery
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- C2: a generation that went by never comes back, or a secret that leaked would count again.
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON accounting_callback
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE FUNCTION accounting_keep_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.generation < OLD.generation OR NEW.client_id <> OLD.client_id THEN
        RAISE EXCEPTION 'the secret of callback % may only go on to a new generation', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER generation_grows BEFORE UPDATE OF generation, client_id ON accounting_callback
    FOR EACH ROW EXECUTE FUNCTION accounting_keep_generation();
