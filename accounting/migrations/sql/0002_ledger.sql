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
    FOREACH name IN ARRAY ARRAY['account', 'grant', 'debt', 'tariff'] LOOP
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
CREATE FUNCTION ledger_prove_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- L2: every entry mirrors one side of a posting, so a lone leg or a wrong amount is refused where it is written.
CREATE FUNCTION ledger_prove_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE stray record;
BEGIN
    SELECT e.account_id, e.seq INTO stray
      FROM written e
      LEFT JOIN accounting_posting p
        ON p.transaction_id = e.transaction_id AND p.number = e.posting AND e.amount = e.side * p.amount
       AND e.account_id = CASE e.side WHEN 1 THEN p.destination_account_id ELSE p.source_account_id END
     WHERE p.number IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry %/% mirrors no posting', stray.account_id, stray.seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mirrors_posting AFTER INSERT ON accounting_entry REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_prove_entries();

-- T1: a tariff's content never changes; its end may be set once, and only to an instant that has not passed.
CREATE FUNCTION tariff_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.source_id, NEW.version, NEW.name, NEW.starts_at) IS DISTINCT FROM
       (OLD.id, OLD.source_id, OLD.version, OLD.name, OLD.starts_at)
       OR OLD.ends_at IS NOT NULL OR NEW.ends_at IS NULL OR NEW.ends_at < accounting_now() - interval '1 minute' THEN
        RAISE EXCEPTION 'tariff % is published: only an open end may be set, and not in the past', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published BEFORE UPDATE ON accounting_tariff FOR EACH ROW EXECUTE FUNCTION tariff_refuse_change();

-- Entries of unguarded accounts are numbered from here: unique, in no particular order, never a hot row (L6).
CREATE SEQUENCE accounting_entry_free_seq CACHE 50;

-- A wallet page reads and updates few rows often: leave room for HOT updates.
ALTER TABLE accounting_account SET (fillfactor = 50);
ALTER TABLE accounting_grant SET (fillfactor = 70);
ALTER TABLE accounting_job SET (fillfactor = 80);
