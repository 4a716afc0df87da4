-- The one writer of transactions, postings and entries. Callers pass a JSON array; element k (from 1) becomes
-- transaction ids[k], or NULL where its key was taken by an earlier transaction, which then stands as it is (L3).
--   [{kind, client?, endpoint, source?, service?, key?, fingerprint?, answer?, reverses?, reason?, note?, occurred_at,
--     postings: [{n, source, destination, amount, purpose}]}]

-- Planner settings on these functions: batches have from one to a thousand elements and the tables from none to many
-- millions of rows, so plans are generic and go by index whatever the statistics said when they were made.

-- L5: every path locks the wallets it touches first, in id order.
CREATE FUNCTION ledger_lock_wallets(batch jsonb) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM 1
       FROM (SELECT DISTINCT unnest(ARRAY[p.source, p.destination]) AS id
               FROM jsonb_to_recordset(batch) AS t(postings jsonb),
                    jsonb_to_recordset(t.postings) AS p(source bigint, destination bigint)) touched
       JOIN accounting_account a ON a.id = touched.id AND a.kind = 'wallet'
      ORDER BY a.id FOR NO KEY UPDATE OF a;
END $$;

CREATE FUNCTION ledger_write_transactions(batch jsonb, instant timestamptz) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE ids bigint[]; fresh bigint[];
BEGIN
    ids := ARRAY(SELECT nextval('accounting_transaction_id_seq') FROM generate_series(1, jsonb_array_length(batch)));
    WITH written AS (
        INSERT INTO accounting_transaction (id, kind, client_id, endpoint, source_id, service, key, fingerprint, answer,
                                            reverses_id, reason, note, occurred_at, recorded_at)
        SELECT ids[t.i], t.kind, t.client, t.endpoint, t.source, coalesce(t.service, ''), t.key,
               coalesce(t.fingerprint, ''), coalesce(t.answer, ''), t.reverses, coalesce(t.reason, ''),
               coalesce(t.note, ''), coalesce(t.occurred_at, instant), instant
          FROM ROWS FROM (jsonb_to_recordset(batch) AS (kind text, client bigint, endpoint text, source bigint,
                          service text, key text, fingerprint text, answer text, reverses bigint, reason text,
                          note text, occurred_at timestamptz))
               WITH ORDINALITY AS t(kind, client, endpoint, source, service, key, fingerprint, answer, reverses, reason,
                                    note, occurred_at, i)
         ORDER BY t.client, t.endpoint, t.source, t.service, t.key, t.i  -- same order everywhere: no deadlock on keys
        ON CONFLICT (client_id, endpoint, source_id, service, key) WHERE key IS NOT NULL DO NOTHING
        RETURNING id)
    SELECT array_agg(id) INTO fresh FROM written;
    IF coalesce(cardinality(fresh), 0) < cardinality(ids) THEN
        ids := ARRAY(SELECT CASE WHEN u.id = ANY (fresh) THEN u.id END
                       FROM unnest(ids) WITH ORDINALITY AS u(id, k) ORDER BY u.k);
    END IF;
    RETURN ids;
END $$;

-- Both entries of every posting, the wallets' running balances and gapless numbers, in one statement.
CREATE FUNCTION ledger_write_entries(batch jsonb, ids bigint[], instant timestamptz) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    WITH moves AS (
        SELECT ids[t.i] AS id, p.n, p.source, p.destination, p.amount, p.purpose
          FROM ROWS FROM (jsonb_to_recordset(batch) AS (postings jsonb)) WITH ORDINALITY AS t(postings, i),
               jsonb_to_recordset(t.postings)
                   AS p(n smallint, source bigint, destination bigint, amount bigint, purpose text)
         WHERE ids[t.i] IS NOT NULL
    ), posted AS (
        INSERT INTO accounting_posting (transaction_id, number, source_account_id, destination_account_id, amount, purpose)
        SELECT id, n, source, destination, amount, purpose FROM moves
    ), legs AS (
        SELECT id, n, source AS account, -1 AS side, -amount AS amount FROM moves
        UNION ALL
        SELECT id, n, destination, 1, amount FROM moves
    ), numbered AS (
        SELECT l.*, a.kind = 'wallet' AS guarded, a.seq, a.posted, row_number() OVER w AS k, sum(l.amount) OVER w AS run
          FROM legs l JOIN accounting_account a ON a.id = l.account
        WINDOW w AS (PARTITION BY l.account ORDER BY l.id, l.n, l.side ROWS UNBOUNDED PRECEDING)
    ), moved AS (
        UPDATE accounting_account a SET posted = a.posted + s.total, seq = a.seq + s.entries
          FROM (SELECT account, sum(amount) AS total, count(*) AS entries FROM numbered WHERE guarded GROUP BY account) s
         WHERE a.id = s.account
    )
    INSERT INTO accounting_entry (account_id, seq, transaction_id, posting, side, amount, balance_after, recorded_at)
    SELECT account, CASE WHEN guarded THEN seq + k ELSE nextval('accounting_entry_free_seq') END, id, n, side, amount,
           CASE WHEN guarded THEN posted + run END, instant
      FROM numbered;
END $$;

CREATE FUNCTION ledger_write(batch jsonb, OUT ids bigint[], OUT instant timestamptz) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger_lock_wallets(batch);
    instant := accounting_now();  -- after the locks, so that a wallet's entries are in the order of their instants
    ids := ledger_write_transactions(batch, instant);
    IF array_remove(ids, NULL) <> '{}' THEN
        PERFORM ledger_write_entries(batch, ids, instant);
    END IF;
END $$;

-- An account's id, made on first use; safe to call from many sessions at once.
CREATE FUNCTION ledger_account(a_kind text, a_organisation bigint, a_provider bigint, a_owner text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE found_id bigint;
BEGIN
    LOOP
        SELECT id INTO found_id FROM accounting_account
         WHERE kind = a_kind AND organisation_id IS NOT DISTINCT FROM a_organisation
           AND provider_id IS NOT DISTINCT FROM a_provider AND owner = a_owner;
        IF found_id IS NOT NULL THEN
            RETURN found_id;
        END IF;
        INSERT INTO accounting_account (kind, organisation_id, provider_id, owner)
        VALUES (a_kind, a_organisation, a_provider, a_owner) ON CONFLICT DO NOTHING;
    END LOOP;
END $$;

-- The platform's own accounts exist from the start.
SELECT ledger_account(kind, NULL, NULL, '') FROM unnest(ARRAY['platform_fee', 'breakage', 'receivable', 'clearing']) AS kind;
