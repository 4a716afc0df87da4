-- What was spent a day, as sums beside the spends they are made of (S1). Spends are written under their wallet's lock, so
-- are these rows: nobody else waits for them.

-- One row a spend with what people ask by. A reversal happened when what it reverses did, says its transaction; a debt that
-- a later grant repaid changes who paid, not when.
CREATE VIEW accounting_spend_facts AS
    SELECT s.id, r.organisation_id,
           ((CASE WHEN c.reverses_id = s.transaction_id THEN c.occurred_at ELSE t.occurred_at END) AT TIME ZONE 'UTC')::date AS day,
           o.backend_id, r.person_id, r.project_id, l.process, l.collection, r.kind, r.state, s.grant_id, s.amount
      FROM accounting_spend s
      JOIN accounting_usagereport r ON r.transaction_id = s.transaction_id
      JOIN accounting_transaction t ON t.id = s.transaction_id
      JOIN accounting_transaction c ON c.id = s.cause_id
      JOIN accounting_source o ON o.id = r.source_id
      JOIN accounting_usageline l ON l.report_id = s.transaction_id AND l.number = s.line;

CREATE FUNCTION usage_add_spends() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
    WITH facts AS (
        SELECT f.* FROM written w JOIN accounting_spend_facts f ON f.id = w.id
    ), cells AS (
        INSERT INTO accounting_spendcell AS x (organisation_id, day, backend_id, person_id, project_id, process, collection,
                                               kind, state, grant_id, amount)
        SELECT organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state, grant_id, sum(amount)
          FROM facts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ON CONFLICT (organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state, grant_id)
        DO UPDATE SET amount = x.amount + excluded.amount
    )
    INSERT INTO accounting_spendday AS x (organisation_id, day, backend_id, process, amount)
    SELECT organisation_id, day, backend_id, process, sum(amount) FROM facts GROUP BY 1, 2, 3, 4
    ON CONFLICT (organisation_id, day, backend_id, process) DO UPDATE SET amount = x.amount + excluded.amount;
    RETURN NULL;
END $$;

ALTER TABLE accounting_spendcell SET (fillfactor = 80);
ALTER TABLE accounting_spendday SET (fillfactor = 80);

-- What was spent before there were sums. The lock keeps new spends out until their trigger is there.
LOCK TABLE accounting_spend IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO accounting_spendcell (organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state,
                                  grant_id, amount)
SELECT organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state, grant_id, sum(amount)
  FROM accounting_spend_facts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
INSERT INTO accounting_spendday (organisation_id, day, backend_id, process, amount)
SELECT organisation_id, day, backend_id, process, sum(amount) FROM accounting_spend_facts GROUP BY 1, 2, 3, 4;

CREATE TRIGGER counted AFTER INSERT ON accounting_spend REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION usage_add_spends();
