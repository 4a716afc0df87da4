-- The ledger's own rules, kept by the database whoever connects. Numbers are those of accounting/README.md.

-- The clock that decides money (L7). The application's role cannot replace it.
CREATE FUNCTION accounting_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT clock_timestamp()';

-- L4: what was written stays written.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['transaction', 'posting', 'entry', 'spend', 'usagereport', 'usageline', 'ratingrule'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounting_%s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['account', 'grant', 'debt', 'tariff', 'job', 'execution'] LOOP
        EXECUTE format('CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON accounting_%s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name);
    END LOOP;
END $$;

CREATE TRIGGER identity_fixed BEFORE UPDATE OF id, kind, organisation_id, provider_id, owner ON accounting_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER terms_fixed BEFORE UPDATE OF id, wallet_id, transaction_id, kind, label, fund, priority, amount, issued_at,
    expires_at, backends, processes ON accounting_grant
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER terms_fixed BEFORE UPDATE OF id, wallet_id, transaction_id, posting, line, backend, process, amount
    ON accounting_debt
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- L1: proved again at COMMIT for every transaction: entries sum to zero, two for each posting.
-- Its own search path, because at COMMIT that of the session is in force.
CREATE FUNCTION ledger_prove_transaction() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE total bigint; sides bigint; moves bigint;
BEGIN
    SELECT coalesce(sum(amount), 0), count(*) INTO total, sides FROM accounting_entry WHERE transaction_id = NEW.id;
    SELECT count(*) INTO moves FROM accounting_posting WHERE transaction_id = NEW.id;
    IF total <> 0 OR sides <> 2 * moves THEN
        RAISE EXCEPTION 'transaction % is not balanced: sum %, % entries for % postings', NEW.id, total, sides, moves
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT ON accounting_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_prove_transaction();

-- L2: every entry mirrors one side of a posting and comes with the other side, so a lone leg or a wrong amount is refused
-- where it is written, also in a transaction of long ago. Joins prove a whole batch at once that its accounts and
-- transactions exist; foreign keys would look each row up by itself and lock the accounts of providers, which many share.
CREATE FUNCTION ledger_prove_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE stray record;
BEGIN
    SELECT e.account_id, e.seq INTO stray
      FROM written e
      LEFT JOIN accounting_posting p
        ON p.transaction_id = e.transaction_id AND p.number = e.posting AND e.amount = e.side * p.amount
       AND e.account_id = CASE e.side WHEN 1 THEN p.destination_account_id ELSE p.source_account_id END
      LEFT JOIN accounting_entry o
        ON o.transaction_id = e.transaction_id AND o.posting = e.posting AND o.side = -e.side
      LEFT JOIN accounting_account a ON a.id = e.account_id
      LEFT JOIN accounting_transaction t ON t.id = e.transaction_id
     WHERE p.number IS NULL OR o.seq IS NULL OR a.id IS NULL OR t.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry %/% mirrors no posting', stray.account_id, stray.seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mirrors_posting AFTER INSERT ON accounting_entry REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_prove_entries();

-- L9: what a transaction names exists, and who has reported stays in the registry. In place of foreign keys for the same
-- reason: all reports of a back end share one client and one source. Deleting either waits for whoever is booking.
CREATE FUNCTION ledger_prove_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM (SELECT DISTINCT client_id, source_id FROM written) w
       LEFT JOIN accounting_serviceclient c ON c.id = w.client_id
       LEFT JOIN accounting_source s ON s.id = w.source_id
      WHERE w.client_id <> coalesce(c.id, -1) OR w.source_id <> coalesce(s.id, -1);
    IF FOUND THEN
        RAISE EXCEPTION 'a transaction names a client or source that is not registered' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER origin_registered AFTER INSERT ON accounting_transaction REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_prove_origin();

CREATE FUNCTION ledger_keep_origin() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    LOCK TABLE accounting_transaction IN SHARE MODE;
    PERFORM 1 FROM accounting_transaction
      WHERE CASE TG_TABLE_NAME WHEN 'accounting_source' THEN source_id ELSE client_id END = OLD.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% % has reported and stays', TG_TABLE_NAME, OLD.id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER reported BEFORE DELETE ON accounting_source FOR EACH ROW EXECUTE FUNCTION ledger_keep_origin();
CREATE TRIGGER reported BEFORE DELETE ON accounting_serviceclient FOR EACH ROW EXECUTE FUNCTION ledger_keep_origin();

-- T1: a tariff's content never changes; its end may be set once, and only to an instant that has not passed.
CREATE FUNCTION tariff_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.source_id, NEW.version, NEW.name, NEW.starts_at, NEW.size) IS DISTINCT FROM
       (OLD.id, OLD.source_id, OLD.version, OLD.name, OLD.starts_at, OLD.size)
       OR OLD.ends_at IS NOT NULL OR NEW.ends_at IS NULL OR NEW.ends_at < accounting_now() - interval '1 minute' THEN
        RAISE EXCEPTION 'tariff % is published: only an open end may be set, and not in the past', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published BEFORE UPDATE ON accounting_tariff FOR EACH ROW EXECUTE FUNCTION tariff_refuse_change();

-- T1: nor does a published tariff gain rules; it says how many it has when it is published.
CREATE FUNCTION tariff_refuse_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounting_tariff t
      WHERE t.id IN (SELECT tariff_id FROM written)
        AND t.size < (SELECT count(*) FROM accounting_ratingrule r WHERE r.tariff_id = t.id);
    IF FOUND THEN
        RAISE EXCEPTION 'the tariff is published: it takes no more rules' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER complete AFTER INSERT ON accounting_ratingrule REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION tariff_refuse_rule();

-- Entries of unguarded accounts are numbered from here: unique, in no particular order, never a hot row (L6).
CREATE SEQUENCE accounting_entry_free_seq CACHE 50;

-- A wallet page reads and updates few rows often: leave room for HOT updates.
ALTER TABLE accounting_account SET (fillfactor = 50);
ALTER TABLE accounting_grant SET (fillfactor = 70);
ALTER TABLE accounting_job SET (fillfactor = 80);
