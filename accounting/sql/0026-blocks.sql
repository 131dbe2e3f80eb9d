-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- History sealed into a chain of blocks, so that even a superuser's edit is found.
--
-- History is four streams of numbered rows that never change: transfers, holds,
-- resolutions, recorded runs. A block covers the next rows of each, holds a hash of
-- every row, and its own hash covers the one before. Sealing is off the hot path: no
-- posting waits for it. It must not pass by a row that is still to be committed under
-- a number already drawn; so a block ends at numbers after whose drawing every
-- transaction that was writing then has ended (pg_locks tells which those are).
--
-- Keep the newest hash somewhere else, on paper if you like: who can rewrite every
-- row can rewrite every block after it, but not that.
--
-- Functions for callers:
--   seal(most)   -> how many blocks were sealed; call it every few seconds, each time in
--        a transaction of its own
--   audit_head() -> one row (block_id, hash, sealed_at, blocks, unsealed): hash as hex, unsealed
--        transfers
--   audit(from_block, to_block) -> a row for each finding (block_id, stream, seq, problem);
--        none when history is what was sealed. Both NULL: all blocks; a range bounds the time
--   audit_known(block, hash)   -> boolean: the block has this hash still

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE hold ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE hold_resolution ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
CREATE INDEX hold_seq ON hold USING brin (seq) WITH (autosummarize = on, pages_per_range = 32);
CREATE INDEX hold_resolution_seq ON hold_resolution USING brin (seq) WITH (autosummarize = on, pages_per_range = 32);

-- Drawn when Slurm's record comes, which is when the row becomes history.
CREATE SEQUENCE job_run_record_seq;
ALTER TABLE job_run ADD COLUMN record_seq bigint;
ALTER TABLE job_run DISABLE TRIGGER job_run_guard;
ALTER TABLE job_run DISABLE TRIGGER usage_of_runs_completed;
UPDATE job_run r SET record_seq = n.seq
  FROM (SELECT job_run_id, nextval('job_run_record_seq') AS seq
          FROM (SELECT job_run_id FROM job_run WHERE recorded_at IS NOT NULL ORDER BY recorded_at, job_run_id) o) n
 WHERE r.job_run_id = n.job_run_id;
ALTER TABLE job_run ENABLE TRIGGER job_run_guard;
ALTER TABLE job_run ENABLE TRIGGER usage_of_runs_completed;
CREATE UNIQUE INDEX job_run_record ON job_run (record_seq) WHERE record_seq IS NOT NULL;
ALTER TABLE job_run ADD CONSTRAINT recorded_has_a_number CHECK ((recorded_at IS NULL) = (record_seq IS NULL));

CREATE FUNCTION job_run_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.record_seq := nextval('ledger.job_run_record_seq');
    RETURN NEW;
END $$;
CREATE TRIGGER job_run_number BEFORE INSERT OR UPDATE ON job_run
    FOR EACH ROW WHEN (NEW.recorded_at IS NOT NULL AND NEW.record_seq IS NULL) EXECUTE FUNCTION job_run_number();

CREATE TABLE block (
    block_id  bigint PRIMARY KEY,
    previous  bytea NOT NULL,
    hash      bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE block_part (
    block_id bigint NOT NULL REFERENCES block,
    stream   text NOT NULL CHECK (stream IN ('transfer', 'hold', 'resolution', 'run')),
    first    bigint NOT NULL, -- numbers first..last; some may never have been used
    last     bigint NOT NULL,
    rows     integer NOT NULL,
    digest   bytea NOT NULL,  -- of all hashes of rows
    leaves   bytea NOT NULL,  -- 16 bytes a row: its number, the first half of 16 of its hash
    PRIMARY KEY (block_id, stream)
);

-- The numbers that the next seal waits for, and the transactions that it waits for.
CREATE TABLE seal_wait (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    lasts    bigint[], -- by stream, in the order of seal_streams
    holders  text[]
);
INSERT INTO seal_wait DEFAULT VALUES;

-- What each account moved in a day, as far as is sealed.
CREATE TABLE account_day (
    account_id bigint NOT NULL REFERENCES account,
    day        date NOT NULL,
    credited   numeric NOT NULL,
    debited    numeric NOT NULL,
    PRIMARY KEY (account_id, day)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['block', 'block_part'] LOOP
        EXECUTE format('CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION frozen()', name);
        EXECUTE format('CREATE TRIGGER frozen_all BEFORE TRUNCATE ON %I EXECUTE FUNCTION frozen()', name);
    END LOOP;
END $$;

-- ------------------------------------------------------------------ hashes
--
-- The columns are named one by one: a column that a later migration adds doesn't
-- change what was sealed before.

CREATE FUNCTION history(p_stream text, p_first bigint, p_last bigint) RETURNS TABLE (seq bigint, leaf bytea)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    CASE p_stream
    WHEN 'transfer' THEN
        RETURN QUERY SELECT t.transfer_id, sha256(convert_to(ROW(t.transfer_id, t.idem, t.code, t.debit, t.credit,
                t.amount, t.hold_id, t.reverses, t.reason, t.actor, t.posted_by,
                (extract(epoch FROM t.posted_at) * 1000000)::bigint)::text, 'UTF8'))
            FROM transfer t WHERE t.transfer_id BETWEEN p_first AND p_last;
    WHEN 'hold' THEN
        RETURN QUERY SELECT h.seq, sha256(convert_to(ROW(h.seq, h.hold_id, h.debit, h.credit, h.amount, h.purpose,
                (extract(epoch FROM h.created_at) * 1000000)::bigint,
                CASE WHEN isfinite(h.expires_at) THEN (extract(epoch FROM h.expires_at) * 1000000)::bigint END
                )::text, 'UTF8'))
            FROM hold h WHERE h.seq BETWEEN p_first AND p_last;
    WHEN 'resolution' THEN
        RETURN QUERY SELECT r.seq, sha256(convert_to(ROW(r.seq, r.hold_id, r.held, r.outcome, r.posted, r.idem,
                r.evidence, (extract(epoch FROM r.resolved_at) * 1000000)::bigint)::text, 'UTF8'))
            FROM hold_resolution r WHERE r.seq BETWEEN p_first AND p_last;
    WHEN 'run' THEN
        RETURN QUERY SELECT r.record_seq, sha256(convert_to(ROW(r.record_seq, r.job_run_id, r.cluster, r.slurm_job_id,
                r.submit_time, r.restart, (extract(epoch FROM r.recorded_at) * 1000000)::bigint, r.array_job_id,
                r.array_task_id, r.het_job_id, r.user_name, r.account, r.partition, r.qos, r.job_name, r.state,
                r.exit_code, r.exit_signal, r.start_time, r.end_time, r.nodes, r.node_count, r.cpus, r.core_ms,
                r.place, r.price, r.unpaid, r.payer)::text, 'UTF8'))
            FROM job_run r WHERE r.record_seq BETWEEN p_first AND p_last;
    END CASE;
END $$;

CREATE FUNCTION seal_streams() RETURNS text[]
LANGUAGE sql IMMUTABLE AS
$$ SELECT ARRAY['transfer', 'hold', 'resolution', 'run'] $$;

CREATE FUNCTION block_hash(p_block bigint, p_previous bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT sha256(int8send(p_block) || p_previous
                  || string_agg(convert_to(p.stream, 'UTF8') || int8send(p.first) || int8send(p.last)
                                || int4send(p.rows) || p.digest || sha256(p.leaves), '' ORDER BY p.stream))
      FROM block_part p WHERE p.block_id = p_block
$$;

-- ----------------------------------------------------------------- sealing

CREATE FUNCTION seal_part(p_block bigint, p_stream text, p_first bigint, p_last bigint) RETURNS void
LANGUAGE sql SET search_path = ledger, pg_temp AS $$
    INSERT INTO block_part (block_id, stream, first, last, rows, digest, leaves)
        SELECT p_block, p_stream, p_first, p_last, count(*), sha256(coalesce(string_agg(leaf, '' ORDER BY seq), '')),
               coalesce(string_agg(int8send(seq) || substr(leaf, 1, 8), '' ORDER BY seq), '')
          FROM history(p_stream, p_first, p_last)
$$;

-- Writers that hold their lock now may commit numbers drawn before.
CREATE FUNCTION seal_writers() RETURNS text[]
LANGUAGE sql VOLATILE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT l.virtualtransaction), '{}') FROM pg_locks l
     WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND l.relation IN ('ledger.transfer'::regclass, 'ledger.hold'::regclass,
                          'ledger.hold_resolution'::regclass, 'ledger.job_run'::regclass)
$$;

-- The numbers up to which every row there will ever be is there; NULL: not known yet.
CREATE FUNCTION seal_settled() RETURNS bigint[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    w seal_wait;
BEGIN
    SELECT * INTO STRICT w FROM seal_wait FOR UPDATE;
    IF w.lasts IS NULL THEN
        w.lasts := ARRAY[
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM transfer_transfer_id_seq),
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hold_seq_seq),
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hold_resolution_seq_seq),
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM job_run_record_seq)];
        w.holders := seal_writers();
    END IF;
    IF w.holders && seal_writers() THEN
        UPDATE seal_wait SET lasts = w.lasts, holders = w.holders;
        RETURN NULL;
    END IF;
    UPDATE seal_wait SET lasts = NULL, holders = NULL;
    RETURN w.lasts;
END $$;

CREATE FUNCTION seal_block(p_lasts bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    newest block;
    first bigint;
    last bigint;
    more boolean := false;
    firsts bigint[];
BEGIN
    SELECT * INTO newest FROM block ORDER BY block_id DESC LIMIT 1;
    FOR i IN 1 .. 4 LOOP
        firsts[i] := coalesce((SELECT p.last FROM block_part p WHERE p.block_id = newest.block_id
                                  AND p.stream = (seal_streams())[i]), 0) + 1;
        more := more OR firsts[i] <= p_lasts[i];
    END LOOP;
    IF NOT more THEN
        RETURN false;
    END IF;
    INSERT INTO block (block_id, previous, hash)
        VALUES (coalesce(newest.block_id, 0) + 1, coalesce(newest.hash, ''), '');
    FOR i IN 1 .. 4 LOOP
        last := greatest(least(p_lasts[i], firsts[i] + 999), firsts[i] - 1);
        PERFORM seal_part(coalesce(newest.block_id, 0) + 1, (seal_streams())[i], firsts[i], last);
    END LOOP;
    RETURN true;
END $$;

-- A block is made empty and gets its hash when its parts are there.
CREATE FUNCTION block_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF OLD.hash <> '' OR (NEW.block_id, NEW.previous, NEW.sealed_at)
                         IS DISTINCT FROM (OLD.block_id, OLD.previous, OLD.sealed_at) THEN
        RAISE EXCEPTION 'block % is sealed', OLD.block_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER frozen_row ON block;
CREATE TRIGGER frozen_row BEFORE DELETE ON block FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER block_guard BEFORE UPDATE ON block FOR EACH ROW EXECUTE FUNCTION block_guard();

CREATE FUNCTION seal(p_most integer DEFAULT 10) RETURNS integer
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
        UPDATE block b SET hash = block_hash(b.block_id, b.previous) WHERE b.block_id = id;
        INSERT INTO account_day AS d (account_id, day, credited, debited)
            SELECT m.account_id, m.day, sum(m.credited), sum(m.debited)
              FROM (SELECT t.credit AS account_id, utc_day(t.posted_at) AS day, t.amount AS credited, 0 AS debited
                      FROM transfer t JOIN block_part p ON p.block_id = id AND p.stream = 'transfer'
                                                       AND t.transfer_id BETWEEN p.first AND p.last
                    UNION ALL
                    SELECT t.debit, utc_day(t.posted_at), 0, t.amount
                      FROM transfer t JOIN block_part p ON p.block_id = id AND p.stream = 'transfer'
                                                       AND t.transfer_id BETWEEN p.first AND p.last) m
             GROUP BY m.account_id, m.day
            ON CONFLICT (account_id, day) DO UPDATE
                SET credited = d.credited + excluded.credited, debited = d.debited + excluded.debited;
        sealed := sealed + 1;
    END LOOP;
    RETURN sealed;
END $$;

CREATE FUNCTION sealed_to(p_stream text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce((SELECT last FROM block_part WHERE stream = p_stream ORDER BY block_id DESC LIMIT 1), 0)
$$;

-- ------------------------------------------------------------------- audit

CREATE FUNCTION audit_head()
RETURNS TABLE (block_id bigint, hash text, sealed_at timestamptz, blocks bigint, unsealed bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT b.block_id, encode(b.hash, 'hex'), b.sealed_at, (SELECT count(*) FROM block),
           (SELECT count(*) FROM transfer WHERE transfer_id > sealed_to('transfer'))
      FROM (SELECT) one LEFT JOIN LATERAL (SELECT * FROM block ORDER BY block.block_id DESC LIMIT 1) b ON true
$$;

CREATE FUNCTION audit_known(p_block bigint, p_hash text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT EXISTS (SELECT FROM block WHERE block_id = p_block AND encode(hash, 'hex') = lower(p_hash)) $$;

-- Which rows of a part are not what was sealed.
CREATE FUNCTION audit_part(p block_part)
RETURNS TABLE (block_id bigint, stream text, seq bigint, problem text)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH sealed AS (
        SELECT ('x' || encode(substr(p.leaves, n * 16 + 1, 8), 'hex'))::bit(64)::bigint AS seq,
               substr(p.leaves, n * 16 + 9, 8) AS leaf
          FROM generate_series(0, length(p.leaves) / 16 - 1) n),
    found AS (SELECT h.seq, substr(h.leaf, 1, 8) AS leaf FROM history(p.stream, p.first, p.last) h)
    SELECT p.block_id, p.stream, seq,
           CASE WHEN f.leaf IS NULL THEN 'is missing' WHEN s.leaf IS NULL THEN 'was added' ELSE 'was changed' END
      FROM sealed s FULL JOIN found f USING (seq)
     WHERE s.leaf IS DISTINCT FROM f.leaf
$$;

CREATE FUNCTION audit(p_from bigint DEFAULT NULL, p_to bigint DEFAULT NULL)
RETURNS TABLE (block_id bigint, stream text, seq bigint, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    b block;
    before block;
    p block_part;
    old_last bigint;
    named boolean;
BEGIN
    FOR b IN SELECT * FROM block x WHERE x.block_id BETWEEN coalesce(p_from, 1) AND coalesce(p_to, 9223372036854775807)
              ORDER BY x.block_id LOOP
        SELECT * INTO before FROM block x WHERE x.block_id = b.block_id - 1;
        IF b.previous <> coalesce(before.hash, '') OR (b.block_id > 1 AND before.block_id IS NULL) THEN
            RETURN QUERY SELECT b.block_id, NULL::text, NULL::bigint, 'does not continue the block before';
        END IF;
        IF b.hash IS DISTINCT FROM block_hash(b.block_id, b.previous) THEN
            RETURN QUERY SELECT b.block_id, NULL::text, NULL::bigint, 'the block itself was changed';
        END IF;
        FOR p IN SELECT * FROM block_part x WHERE x.block_id = b.block_id ORDER BY x.stream LOOP
            SELECT coalesce(max(x.last), 0) INTO old_last FROM block_part x
             WHERE x.block_id = b.block_id - 1 AND x.stream = p.stream;
            IF p.first <> old_last + 1 THEN
                RETURN QUERY SELECT b.block_id, p.stream, p.first, 'does not continue the block before';
            END IF;
            IF p.digest <> (SELECT sha256(coalesce(string_agg(h.leaf, '' ORDER BY h.seq), ''))
                              FROM history(p.stream, p.first, p.last) h) THEN
                named := false;
                RETURN QUERY SELECT * FROM audit_part(p);
                named := FOUND;
                IF NOT named THEN
                    RETURN QUERY SELECT b.block_id, p.stream, NULL::bigint, 'was changed';
                END IF;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- ---------------------------------------------------------- balances, checks

-- The days that are sealed, and what came since.
CREATE OR REPLACE FUNCTION system_balance(p_account bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT (coalesce((SELECT sum(credited - debited) FROM account_day WHERE account_id = p_account), 0)
         + coalesce((SELECT sum(m.amount) FROM account_moves(p_account, sealed_to('transfer') + 1) m), 0))::bigint
$$;

CREATE OR REPLACE FUNCTION balances()
RETURNS TABLE (name text, kind text, balance bigint, held bigint, available bigint, credit_limit bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT a.name, a.kind,
           CASE WHEN a.kind = 'system' THEN system_balance(a.account_id) ELSE a.credited - a.debited END,
           a.held,
           CASE WHEN a.kind = 'system' THEN NULL
                ELSE a.credited + a.credit_limit - a.debited - a.held END,
           a.credit_limit
      FROM account a
     ORDER BY a.kind DESC, a.name
$$;

CREATE OR REPLACE FUNCTION balance(p_name text)
RETURNS TABLE (name text, kind text, balance bigint, held bigint, available bigint, credit_limit bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT a.name, a.kind,
           CASE WHEN a.kind = 'system' THEN system_balance(a.account_id) ELSE a.credited - a.debited END,
           a.held,
           CASE WHEN a.kind = 'system' THEN NULL
                ELSE a.credited + a.credit_limit - a.debited - a.held END,
           a.credit_limit
      FROM account a WHERE a.name = p_name
$$;

CREATE FUNCTION check_sealed()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH base AS (
        SELECT account_id, day, sum(credited) AS credited, sum(debited) AS debited
          FROM (SELECT credit AS account_id, utc_day(posted_at) AS day, amount AS credited, 0 AS debited
                  FROM transfer WHERE transfer_id <= sealed_to('transfer')
                UNION ALL
                SELECT debit, utc_day(posted_at), 0, amount FROM transfer WHERE transfer_id <= sealed_to('transfer')) m
         GROUP BY account_id, day)
    SELECT 'the days of an account are its transfers', format('account %s on %s', account_id, day),
           coalesce(b.credited - b.debited, 0), coalesce(d.credited - d.debited, 0)
      FROM base b FULL JOIN account_day d USING (account_id, day)
     WHERE (b.credited, b.debited) IS DISTINCT FROM (d.credited, d.debited)
$$;

ALTER FUNCTION check_invariants() RENAME TO check_parts;
REVOKE EXECUTE ON FUNCTION check_parts() FROM rain;
CREATE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_parts()
    UNION ALL SELECT * FROM check_sealed()
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    seal(integer), audit_head(), audit_known(bigint, text), audit(bigint, bigint), check_invariants()
    TO rain;
