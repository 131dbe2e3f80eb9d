-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Every table of history is sealed: besides transfers, holds, resolutions and runs
-- (0026-blocks.sql) also accounts, limits, lots and what happens to them, extensions of
-- holds, rates, quotes and shares. What isn't sealed follows from what is, and is
-- counted again by check_invariants(): tallies, charges, corrections, usage, and where
-- a rate ends, which is where the next one begins.
--
-- A block has a part for each stream that has new rows. Blocks sealed before keep their
-- hashes; those from now on also cover the time of sealing. Signatures stay as they were.

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE hold_extension ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE quote ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE share ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE share_part ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX lot_use_seq ON lot_use (seq);
CREATE UNIQUE INDEX hold_extension_seq ON hold_extension (seq);
CREATE UNIQUE INDEX quote_seq ON quote (seq);
CREATE UNIQUE INDEX share_seq ON share (seq);
CREATE UNIQUE INDEX share_part_seq ON share_part (seq);

ALTER TABLE block ADD COLUMN version smallint NOT NULL DEFAULT 1; -- what its hash covers
ALTER TABLE block_part DROP CONSTRAINT block_part_stream_check;
CREATE INDEX block_part_stream ON block_part (stream, block_id);

-- Each stream with its table and the sequence of its numbers. New ones go to the end.
CREATE FUNCTION seal_sources() RETURNS TABLE (n integer, stream text, relation regclass, numbers regclass)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    VALUES (1, 'transfer', 'ledger.transfer'::regclass, 'ledger.transfer_transfer_id_seq'::regclass),
           (2, 'hold', 'ledger.hold', 'ledger.hold_seq_seq'),
           (3, 'resolution', 'ledger.hold_resolution', 'ledger.hold_resolution_seq_seq'),
           (4, 'run', 'ledger.job_run', 'ledger.job_run_record_seq'),
           (5, 'account', 'ledger.account', 'ledger.account_account_id_seq'),
           (6, 'limit', 'ledger.account_limit', 'ledger.account_limit_change_id_seq'),
           (7, 'lot', 'ledger.lot', 'ledger.lot_lot_id_seq'),
           (8, 'settlement', 'ledger.lot_settlement', 'ledger.lot_settlement_settlement_id_seq'),
           (9, 'use', 'ledger.lot_use', 'ledger.lot_use_seq_seq'),
           (10, 'extension', 'ledger.hold_extension', 'ledger.hold_extension_seq_seq'),
           (11, 'rate', 'ledger.rate', 'ledger.rate_rate_id_seq'),
           (12, 'quote', 'ledger.quote', 'ledger.quote_seq_seq'),
           (13, 'share', 'ledger.share', 'ledger.share_seq_seq'),
           (14, 'part', 'ledger.share_part', 'ledger.share_part_seq_seq')
$$;
DROP FUNCTION seal_streams();

-- ------------------------------------------------------------------ hashes

CREATE FUNCTION epoch_us(p_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN isfinite(p_at) THEN (extract(epoch FROM p_at) * 1000000)::bigint END $$;

CREATE FUNCTION leaf(p_row text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$ SELECT sha256(convert_to(p_row, 'UTF8')) $$;

CREATE OR REPLACE FUNCTION history(p_stream text, p_first bigint, p_last bigint)
RETURNS TABLE (seq bigint, leaf bytea)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    CASE p_stream
    WHEN 'transfer' THEN
        RETURN QUERY SELECT t.transfer_id, sha256(convert_to(ROW(t.transfer_id, t.idem, t.code, t.debit, t.credit,
                t.amount, t.hold_id, t.reverses, t.reason, t.actor, t.posted_by, epoch_us(t.posted_at))::text, 'UTF8'))
            FROM transfer t WHERE t.transfer_id BETWEEN p_first AND p_last;
    WHEN 'hold' THEN
        RETURN QUERY SELECT h.seq, sha256(convert_to(ROW(h.seq, h.hold_id, h.debit, h.credit, h.amount, h.purpose,
                epoch_us(h.created_at), epoch_us(h.expires_at))::text, 'UTF8'))
            FROM hold h WHERE h.seq BETWEEN p_first AND p_last;
    WHEN 'resolution' THEN
        RETURN QUERY SELECT r.seq, sha256(convert_to(ROW(r.seq, r.hold_id, r.held, r.outcome, r.posted, r.idem,
                r.evidence, epoch_us(r.resolved_at))::text, 'UTF8'))
            FROM hold_resolution r WHERE r.seq BETWEEN p_first AND p_last;
    WHEN 'run' THEN
        RETURN QUERY SELECT r.record_seq, sha256(convert_to(ROW(r.record_seq, r.job_run_id, r.cluster, r.slurm_job_id,
                r.submit_time, r.restart, epoch_us(r.recorded_at), r.array_job_id,
                r.array_task_id, r.het_job_id, r.user_name, r.account, r.partition, r.qos, r.job_name, r.state,
                r.exit_code, r.exit_signal, r.start_time, r.end_time, r.nodes, r.node_count, r.cpus, r.core_ms,
                r.place, r.price, r.unpaid, r.payer)::text, 'UTF8'))
            FROM job_run r WHERE r.record_seq BETWEEN p_first AND p_last;
    ELSE
        RETURN QUERY SELECT * FROM history_of_terms(p_stream, p_first, p_last);
    END CASE;
END $$;

-- What changes rarely: the terms that the rest lives by.
CREATE FUNCTION history_of_terms(p_stream text, p_first bigint, p_last bigint) RETURNS TABLE (seq bigint, leaf bytea)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    CASE p_stream
    WHEN 'account' THEN
        RETURN QUERY SELECT a.account_id, leaf(ROW(a.account_id, a.kind, a.name, epoch_us(a.created_at))::text)
            FROM account a WHERE a.account_id BETWEEN p_first AND p_last;
    WHEN 'limit' THEN
        RETURN QUERY SELECT l.change_id, leaf(ROW(l.change_id, l.account_id, l.credit_limit, l.reason, l.actor, l.set_by,
                epoch_us(l.set_at))::text)
            FROM account_limit l WHERE l.change_id BETWEEN p_first AND p_last;
    WHEN 'lot' THEN -- which transfer brought it comes later, and is checked
        RETURN QUERY SELECT l.lot_id, leaf(ROW(l.lot_id, l.account_id, l.idem, l.amount, epoch_us(l.starts_at),
                epoch_us(l.expires_at), l.reason, l.actor, epoch_us(l.created_at), l.gives_back)::text)
            FROM lot l WHERE l.lot_id BETWEEN p_first AND p_last;
    WHEN 'settlement' THEN
        RETURN QUERY SELECT s.settlement_id, leaf(ROW(s.settlement_id, s.account_id, epoch_us(s.settled_at),
                s.spent_from, s.spent_to)::text)
            FROM lot_settlement s WHERE s.settlement_id BETWEEN p_first AND p_last;
    WHEN 'use' THEN
        RETURN QUERY SELECT u.seq, leaf(ROW(u.seq, u.lot_id, u.settlement_id, u.amount, u.transfer_id)::text)
            FROM lot_use u WHERE u.seq BETWEEN p_first AND p_last;
    WHEN 'extension' THEN
        RETURN QUERY SELECT e.seq, leaf(ROW(e.seq, e.hold_id, epoch_us(e.expires_at), epoch_us(e.extended_at))::text)
            FROM hold_extension e WHERE e.seq BETWEEN p_first AND p_last;
    WHEN 'rate' THEN
        RETURN QUERY SELECT r.rate_id, leaf(ROW(r.rate_id, r.cluster, r.partition, r.qos, r.tres, r.num, r.den,
                epoch_us(lower(r.valid)), r.reason, r.actor, epoch_us(r.set_at))::text)
            FROM rate r WHERE r.rate_id BETWEEN p_first AND p_last;
    WHEN 'quote' THEN
        RETURN QUERY SELECT q.seq, leaf(ROW(q.seq, q.quote_id, q.cluster, q.partition, q.qos, q.units, q.ms, q.rates,
                q.amount, epoch_us(q.made_at), epoch_us(q.expires_at))::text)
            FROM quote q WHERE q.seq BETWEEN p_first AND p_last;
    WHEN 'share' THEN
        RETURN QUERY SELECT s.seq, leaf(ROW(s.seq, s.share_id, s.mode, s.amount, s.weights, s.out_of, s.reason, s.actor,
                epoch_us(s.shared_at))::text)
            FROM share s WHERE s.seq BETWEEN p_first AND p_last;
    WHEN 'part' THEN
        RETURN QUERY SELECT p.seq, leaf(ROW(p.seq, p.share_id, p.transfer_id)::text)
            FROM share_part p WHERE p.seq BETWEEN p_first AND p_last;
    ELSE NULL; -- somebody wrote nonsense into a part: its rows will be missed
    END CASE;
END $$;

DROP FUNCTION block_hash(bigint, bytea);
CREATE FUNCTION block_hash(b block) RETURNS bytea
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT sha256(int8send(b.block_id) || b.previous
                  || CASE WHEN b.version > 1 THEN int2send(b.version) || int8send(epoch_us(b.sealed_at)) ELSE '' END
                  || string_agg(convert_to(p.stream, 'UTF8') || int8send(p.first) || int8send(p.last)
                                || int4send(p.rows) || p.digest || sha256(p.leaves), '' ORDER BY p.stream))
      FROM block_part p WHERE p.block_id = b.block_id
$$;

-- ----------------------------------------------------------------- sealing

CREATE OR REPLACE FUNCTION seal_writers() RETURNS text[]
LANGUAGE sql VOLATILE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT l.virtualtransaction), '{}') FROM pg_locks l
     WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND l.relation IN (SELECT s.relation FROM seal_sources() s)
$$;

CREATE OR REPLACE FUNCTION seal_settled() RETURNS bigint[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    w seal_wait;
BEGIN
    SELECT * INTO STRICT w FROM seal_wait FOR UPDATE;
    IF w.lasts IS NULL THEN
        w.lasts := ARRAY(SELECT coalesce(pg_sequence_last_value(s.numbers), 0) FROM seal_sources() s ORDER BY s.n);
        w.holders := seal_writers();
    END IF;
    IF w.holders && seal_writers() THEN
        UPDATE seal_wait SET lasts = w.lasts, holders = w.holders;
        RETURN NULL;
    END IF;
    UPDATE seal_wait SET lasts = NULL, holders = NULL;
    RETURN w.lasts;
END $$;
UPDATE seal_wait SET lasts = NULL, holders = NULL;

CREATE OR REPLACE FUNCTION seal_block(p_lasts bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    newest block;
    s record;
    more boolean := false;
BEGIN
    SELECT * INTO newest FROM block ORDER BY block_id DESC LIMIT 1;
    FOR s IN SELECT x.stream, x.first, least(p_lasts[x.n], x.first + 999) AS last
               FROM (SELECT n, stream, sealed_to(stream) + 1 AS first FROM seal_sources()) x
              WHERE x.first <= p_lasts[x.n] ORDER BY x.n LOOP
        IF NOT more THEN
            INSERT INTO block (block_id, previous, hash, version)
                VALUES (coalesce(newest.block_id, 0) + 1, coalesce(newest.hash, ''), '', 2);
            more := true;
        END IF;
        PERFORM seal_part(coalesce(newest.block_id, 0) + 1, s.stream, s.first, s.last);
    END LOOP;
    RETURN more;
END $$;

CREATE OR REPLACE FUNCTION block_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF OLD.hash <> '' OR (NEW.block_id, NEW.previous, NEW.sealed_at, NEW.version)
                         IS DISTINCT FROM (OLD.block_id, OLD.previous, OLD.sealed_at, OLD.version) THEN
        RAISE EXCEPTION 'block % is sealed', OLD.block_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;

-- What the accounts moved, as far as a block seals it.
CREATE FUNCTION account_days_add(p_block bigint) RETURNS void
LANGUAGE sql SET search_path = ledger, pg_temp AS $$
    INSERT INTO account_day AS d (account_id, day, credited, debited)
        SELECT m.account_id, m.day, sum(m.credited), sum(m.debited)
          FROM (SELECT t.credit AS account_id, utc_day(t.posted_at) AS day, t.amount AS credited, 0 AS debited
                  FROM transfer t JOIN block_part p ON p.block_id = p_block AND p.stream = 'transfer'
                                                   AND t.transfer_id BETWEEN p.first AND p.last
                UNION ALL
                SELECT t.debit, utc_day(t.posted_at), 0, t.amount
                  FROM transfer t JOIN block_part p ON p.block_id = p_block AND p.stream = 'transfer'
                                                   AND t.transfer_id BETWEEN p.first AND p.last) m
         GROUP BY m.account_id, m.day
        ON CONFLICT (account_id, day) DO UPDATE
            SET credited = d.credited + excluded.credited, debited = d.debited + excluded.debited
$$;

CREATE OR REPLACE FUNCTION seal(p_most integer DEFAULT 10) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    lasts bigint[];
    sealed integer := 0;
    id bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sealing must see what was committed a moment ago: use READ COMMITTED' USING ERRCODE = 'RN005';
    END IF;
    lasts := seal_settled();
    WHILE lasts IS NOT NULL AND sealed < p_most AND seal_block(lasts) LOOP
        SELECT max(block_id) INTO id FROM block;
        UPDATE block b SET hash = block_hash(b) WHERE b.block_id = id;
        PERFORM account_days_add(id);
        sealed := sealed + 1;
    END LOOP;
    RETURN sealed;
END $$;

-- ------------------------------------------------------------------- audit

CREATE OR REPLACE FUNCTION audit(p_from bigint DEFAULT NULL, p_to bigint DEFAULT NULL)
RETURNS TABLE (block_id bigint, stream text, seq bigint, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    b block;
    before block;
    p block_part;
BEGIN
    FOR b IN SELECT * FROM block x WHERE x.block_id BETWEEN coalesce(p_from, 1) AND coalesce(p_to, 9223372036854775807)
              ORDER BY x.block_id LOOP
        SELECT * INTO before FROM block x WHERE x.block_id = b.block_id - 1;
        IF b.previous <> coalesce(before.hash, '') OR (b.block_id > 1 AND before.block_id IS NULL) THEN
            RETURN QUERY SELECT b.block_id, NULL::text, NULL::bigint, 'does not continue the block before';
        END IF;
        IF b.hash IS DISTINCT FROM block_hash(b) THEN
            RETURN QUERY SELECT b.block_id, NULL::text, NULL::bigint, 'the block itself was changed';
        END IF;
        FOR p IN SELECT * FROM block_part x WHERE x.block_id = b.block_id ORDER BY x.stream LOOP
            IF p.first <> coalesce((SELECT x.last FROM block_part x
                                     WHERE x.stream = p.stream AND x.block_id < b.block_id
                                     ORDER BY x.block_id DESC LIMIT 1), 0) + 1 THEN
                RETURN QUERY SELECT b.block_id, p.stream, p.first, 'does not continue the block before';
            END IF;
            IF p.digest <> (SELECT sha256(coalesce(string_agg(h.leaf, '' ORDER BY h.seq), ''))
                              FROM history(p.stream, p.first, p.last) h) THEN
                RETURN QUERY SELECT * FROM audit_part(p);
                IF NOT FOUND THEN
                    RETURN QUERY SELECT b.block_id, p.stream, NULL::bigint, 'was changed';
                END IF;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- ------------------------------------------------------------ invariants

-- What joins sealed rows to each other.
CREATE FUNCTION check_terms()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT 'a charge is paid by the transfer that was made for it', c.job_run_id::text, c.transfer_id, t.transfer_id
      FROM charge c JOIN job_run r USING (job_run_id) LEFT JOIN transfer t USING (transfer_id)
     WHERE CASE t.code
           WHEN 'post' THEN t.hold_id = r.hold_id
           WHEN 'charge' THEN t.idem = md5(format('run %s %s %s %s', r.cluster, r.slurm_job_id, r.submit_time,
                                                  r.restart))::uuid
           ELSE false END IS NOT TRUE
    UNION ALL
    SELECT 'a correction is of its transfer', c.transfer_id::text, t.amount, c.amount
      FROM correction c LEFT JOIN transfer t USING (transfer_id) WHERE c.amount IS DISTINCT FROM t.amount
    UNION ALL
    SELECT 'a lot is brought by the transfer that was made for it', l.lot_id::text, l.amount, t.amount
      FROM lot l LEFT JOIN transfer t USING (transfer_id)
     WHERE l.transfer_id IS NOT NULL
       AND (t.credit = l.account_id AND t.code IN ('grant', 'transfer', 'refund', 'correct')
            AND (t.code <> 'grant' OR t.idem = l.idem)) IS NOT TRUE
    UNION ALL
    SELECT 'a rate ends where the next one begins', r.rate_id::text, epoch_us(r.next), epoch_us(upper(r.valid))
      FROM (SELECT rate_id, valid,
                   lead(lower(valid)) OVER (PARTITION BY cluster, partition, qos, tres ORDER BY lower(valid)) AS next
              FROM rate) r
     WHERE upper(r.valid) IS DISTINCT FROM r.next
    UNION ALL
    SELECT 'lots stand where the last settlement left them', a.name, s.stand, a.lots_debited
      FROM account a
      JOIN (SELECT x.account_id, max(x.spent_to + coalesce((SELECT sum(u.amount) FROM lot_use u
                        WHERE u.settlement_id = x.settlement_id AND u.transfer_id IS NOT NULL), 0)) AS stand
              FROM lot_settlement x GROUP BY x.account_id) s USING (account_id)
     WHERE a.lots_debited <> s.stand
    UNION ALL
    SELECT 'a lot is looked at when it begins or ends', a.name, epoch_us(d.due), epoch_us(a.next_lot_event)
      FROM account a
      JOIN (SELECT l.account_id, min(CASE WHEN l.transfer_id IS NULL THEN l.starts_at ELSE l.expires_at END) AS due
              FROM lot l WHERE l.spent + l.expired < l.amount GROUP BY l.account_id) d USING (account_id)
     WHERE a.next_lot_event > greatest(d.due, (SELECT max(x.settled_at) FROM lot_settlement x
                                                WHERE x.account_id = a.account_id) + interval '2 minutes')
$$;

CREATE OR REPLACE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_parts()
    UNION ALL SELECT * FROM check_sealed()
    UNION ALL SELECT * FROM check_months()
    UNION ALL SELECT * FROM check_given_back()
    UNION ALL SELECT * FROM check_terms()
$$;
