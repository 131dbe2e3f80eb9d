-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Usage kept summed up by the day, reports and statements; runs are recorded by the
-- batch and paid by the account that is to pay.
--
-- Each recorded run, charge and refund leaves a difference in usage_delta, by trigger
-- and in its own transaction, summed up for the whole statement; usage_fold moves
-- differences into usage_day. Neither waits for the other, and a report adds both, so
-- it is exact at any moment. Days are days of UTC; what an interval has beyond whole
-- days is read from the runs themselves.
--
-- Functions for callers:
--   job_runs_record(runs), usage_report(…)  as before (0002-job-runs.sql); a run is now
--        paid by account_payer(user, Slurm account), its credit included
--   usage_by(since, until, by, user, account, zone)
--        -> rows (key, runs, core_ms, wait_s, charged, unpaid).  by: 'user', 'account',
--        'partition', 'qos', 'place', 'cluster', 'day', 'week' or 'month'; periods are
--        those of `zone` ("UTC", "Europe/Berlin"); user, account (of Slurm) NULL: all
--   usage_fold(most)  -> how many differences were folded: call it every minute or so
--   usage_rebuild()   -> void; counts everything again (after a restore, say)
--   job_runs_find(cluster, job_id) -> rows (job_run_id, submit_time, restart, user_name,
--        account, state, start_time, end_time, payer, charged, refunded, unpaid); newest first
--   statement(account, since, until, most, after)
--        -> rows (transfer_id, posted_at, code, other, amount, balance, reason, actor,
--        cluster, slurm_job_id, restart, job_name), oldest first; amount is negative for
--        what went out, balance the account's after it; next page: after = transfer_id of
--        the last row
--   statement_totals(account, since, until) -> one row (opening, credited, debited, closing)
--   ledger_flows(since, until) -> rows (account, code, credited, debited, transfers)

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE job_run ADD COLUMN payer bigint REFERENCES account;

CREATE TABLE usage_day (
    day       integer NOT NULL, -- days since 1970-01-01, UTC
    cluster   text NOT NULL,
    user_name text NOT NULL,
    account   text NOT NULL,
    partition text NOT NULL,
    qos       text NOT NULL,
    place     text NOT NULL,
    runs      bigint NOT NULL,
    core_ms   numeric NOT NULL,
    wait_s    numeric NOT NULL,
    charged   numeric NOT NULL, -- less refunds
    unpaid    numeric NOT NULL,
    PRIMARY KEY (day, user_name, account, partition, qos, place, cluster)
) WITH (fillfactor = 80);

CREATE TABLE usage_delta (LIKE usage_day);

-- --------------------------------------------------------------- deltas

-- Runs that this statement recorded, with what an earlier hold has paid for them.
CREATE FUNCTION usage_of_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (n.end_time / 86400)::integer, n.cluster, n.user_name, n.account, n.partition, n.qos, n.place,
                   count(*), sum(n.core_ms), sum(greatest(n.start_time - n.submit_time, 0)), 0, sum(n.unpaid)
              FROM added n WHERE n.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSE
        INSERT INTO usage_delta
            SELECT (n.end_time / 86400)::integer, n.cluster, n.user_name, n.account, n.partition, n.qos, n.place,
                   count(*), sum(n.core_ms), sum(greatest(n.start_time - n.submit_time, 0)),
                   coalesce(sum(c.amount - c.refunded), 0), sum(n.unpaid)
              FROM added n JOIN removed o USING (job_run_id) LEFT JOIN charge c USING (job_run_id)
             WHERE n.recorded_at IS NOT NULL AND o.recorded_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_of_runs_added AFTER INSERT ON job_run REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_of_runs();
CREATE TRIGGER usage_of_runs_completed AFTER UPDATE ON job_run
    REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_of_runs();

-- Both parties to a run lock its row first, so either the run sees the charge or the
-- charge sees the run.
CREATE FUNCTION usage_of_charges() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (r.end_time / 86400)::integer, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
                   0, 0, 0, sum(n.amount), 0
              FROM added n JOIN job_run r USING (job_run_id)
             WHERE r.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSE
        INSERT INTO usage_delta
            SELECT (r.end_time / 86400)::integer, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
                   0, 0, 0, sum(o.refunded - n.refunded), 0
              FROM added n JOIN removed o USING (job_run_id) JOIN job_run r USING (job_run_id)
             WHERE r.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_of_charges_added AFTER INSERT ON charge REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_of_charges();
CREATE TRIGGER usage_of_charges_refunded AFTER UPDATE ON charge
    REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_of_charges();

CREATE FUNCTION usage_fold(p_most integer DEFAULT 100000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7246, 3);
    WITH taken AS (
        DELETE FROM usage_delta WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_delta LIMIT p_most)) RETURNING *),
    summed AS (
        INSERT INTO usage_day AS d
            SELECT day, cluster, user_name, account, partition, qos, place,
                   sum(runs), sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
              FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7
            ON CONFLICT (day, user_name, account, partition, qos, place, cluster) DO UPDATE SET
                runs = d.runs + excluded.runs, core_ms = d.core_ms + excluded.core_ms,
                wait_s = d.wait_s + excluded.wait_s, charged = d.charged + excluded.charged,
                unpaid = d.unpaid + excluded.unpaid)
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$;

-- The base, as usage_day would have it.
CREATE VIEW usage_base AS
    SELECT (r.end_time / 86400)::integer AS day, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
           count(*) AS runs, sum(r.core_ms) AS core_ms, sum(greatest(r.start_time - r.submit_time, 0)) AS wait_s,
           coalesce(sum(c.amount - c.refunded), 0) AS charged, sum(r.unpaid) AS unpaid
      FROM job_run r LEFT JOIN charge c USING (job_run_id)
     WHERE r.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;

CREATE FUNCTION usage_rebuild() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    LOCK TABLE job_run, charge IN SHARE MODE;
    TRUNCATE usage_day, usage_delta;
    INSERT INTO usage_day SELECT * FROM usage_base;
END $$;

INSERT INTO usage_day SELECT * FROM usage_base;

CREATE FUNCTION check_usage()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH difference AS (
        SELECT day, user_name, sum(runs) AS runs, sum(core_ms) AS core_ms, sum(wait_s) AS wait_s,
               sum(charged) AS charged, sum(unpaid) AS unpaid
          FROM (SELECT day, cluster, user_name, account, partition, qos, place, runs, core_ms, wait_s, charged,
                       unpaid FROM usage_base
                UNION ALL
                SELECT day, cluster, user_name, account, partition, qos, place, -runs, -core_ms, -wait_s, -charged,
                       -unpaid FROM usage_day
                UNION ALL
                SELECT day, cluster, user_name, account, partition, qos, place, -runs, -core_ms, -wait_s, -charged,
                       -unpaid FROM usage_delta) u
         GROUP BY day, cluster, user_name, account, partition, qos, place)
    SELECT 'usage by the day is the sum of the runs', format('%s on day %s', user_name, day), 0,
           greatest(abs(runs), abs(core_ms), abs(wait_s), abs(charged), abs(unpaid))
      FROM difference WHERE (runs, core_ms, wait_s, charged, unpaid) <> (0, 0, 0, 0, 0)
$$;

-- -------------------------------------------------------------- reports

CREATE FUNCTION usage_by(p_since bigint, p_until bigint, p_by text, p_user text DEFAULT NULL,
                         p_account text DEFAULT NULL, p_zone text DEFAULT 'UTC')
RETURNS TABLE (key text, runs bigint, core_ms numeric, wait_s numeric, charged numeric, unpaid numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    period text := CASE p_by WHEN 'day' THEN 'YYYY-MM-DD' WHEN 'week' THEN 'IYYY"-W"IW' WHEN 'month' THEN 'YYYY-MM' END;
    first_day bigint := (greatest(p_since, 0) + 86399) / 86400;
    last_day bigint := greatest(p_until, 0) / 86400;
    filter text := '($3 IS NULL OR user_name = $3) AND ($4 IS NULL OR account = $4)';
    day_key text;
    run_key text;
BEGIN
    IF p_by IS NULL OR p_by NOT IN ('user', 'account', 'partition', 'qos', 'place', 'cluster', 'day', 'week', 'month') THEN
        RAISE EXCEPTION 'usage can be shown by user, account, partition, qos, place, cluster, day, week or month, '
            'not by "%"', p_by USING ERRCODE = 'RN005';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_zone) AND p_zone IS DISTINCT FROM 'UTC' THEN
        RAISE EXCEPTION 'there is no time zone "%"', p_zone USING ERRCODE = 'RN005';
    END IF;
    IF period IS NULL THEN
        day_key := quote_ident(CASE p_by WHEN 'user' THEN 'user_name' ELSE p_by END);
        run_key := 'r.' || day_key;
    ELSE
        day_key := format('to_char(date ''1970-01-01'' + day, %L)', period);
        run_key := format('to_char(to_timestamp(r.end_time) AT TIME ZONE %L, %L)', p_zone, period);
        IF p_zone <> 'UTC' THEN -- other midnights: read the runs
            last_day := first_day;
        END IF;
    END IF;
    IF last_day <= first_day THEN -- no whole day: all is one edge
        first_day := (p_until + 86399) / 86400;
        last_day := first_day;
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT key, sum(runs)::bigint, sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
          FROM (SELECT %1$s AS key, sum(runs) AS runs, sum(core_ms) AS core_ms, sum(wait_s) AS wait_s,
                       sum(charged) AS charged, sum(unpaid) AS unpaid
                  FROM usage_day WHERE day >= %4$s AND day < %5$s AND %3$s GROUP BY 1
                UNION ALL
                SELECT %1$s, sum(runs), sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
                  FROM usage_delta WHERE day >= %4$s AND day < %5$s AND %3$s GROUP BY 1
                UNION ALL
                SELECT %2$s, count(*), sum(r.core_ms), sum(greatest(r.start_time - r.submit_time, 0)),
                       coalesce(sum(c.amount - c.refunded), 0), sum(r.unpaid)
                  FROM job_run r LEFT JOIN charge c USING (job_run_id)
                 WHERE r.recorded_at IS NOT NULL AND %3$s
                   AND ((r.end_time >= $1 AND r.end_time < least(%4$s * 86400, $2))
                        OR (r.end_time >= greatest(%5$s * 86400, $1) AND r.end_time < $2))
                 GROUP BY 1) parts
         GROUP BY key HAVING sum(runs) <> 0 ORDER BY key $query$,
        day_key, run_key, filter, first_day, last_day)
        USING p_since, p_until, p_user, p_account;
END $$;

CREATE OR REPLACE FUNCTION usage_report(p_since bigint, p_until bigint, p_by text, p_user text DEFAULT NULL)
RETURNS TABLE (key text, runs bigint, core_ms numeric, charged numeric, unpaid numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT u.key, u.runs, u.core_ms, u.charged, u.unpaid FROM usage_by(p_since, p_until, p_by, p_user) u $$;

CREATE FUNCTION job_runs_find(p_cluster text, p_job_id bigint)
RETURNS TABLE (job_run_id bigint, submit_time bigint, restart integer, user_name text, account text, state text,
               start_time bigint, end_time bigint, payer text, charged bigint, refunded bigint, unpaid bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.job_run_id, r.submit_time, r.restart, r.user_name, r.account, r.state, r.start_time, r.end_time,
           a.name, coalesce(c.amount, 0), coalesce(c.refunded, 0), coalesce(r.unpaid, 0)
      FROM job_run r LEFT JOIN charge c USING (job_run_id) LEFT JOIN transfer t USING (transfer_id)
      LEFT JOIN account a ON a.account_id = t.debit
     WHERE r.cluster = p_cluster AND r.slurm_job_id = p_job_id
     ORDER BY r.submit_time DESC, r.restart DESC
$$;

-- ----------------------------------------------------------- statements

-- A number that no transfer posted at or after p_at is below. Numbers and times are
-- drawn together, so they rise together but for moments; a minute is ample.
CREATE FUNCTION transfer_floor(p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    low bigint := 0;
    high bigint := coalesce((SELECT max(transfer_id) FROM transfer), 0) + 1;
    middle bigint;
    t record;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT transfer_id, posted_at INTO t FROM transfer WHERE transfer_id >= middle ORDER BY transfer_id LIMIT 1;
        IF FOUND AND t.posted_at < p_at - interval '1 minute' THEN
            low := t.transfer_id + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

CREATE FUNCTION account_moves(p_account bigint, p_from bigint)
RETURNS TABLE (transfer_id bigint, amount bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT transfer_id, amount FROM transfer WHERE credit = p_account AND transfer_id >= p_from
    UNION ALL
    SELECT transfer_id, -amount FROM transfer WHERE debit = p_account AND transfer_id >= p_from
$$;

CREATE FUNCTION statement(p_account text, p_since timestamptz, p_until timestamptz, p_most integer DEFAULT 1000,
                          p_after bigint DEFAULT 0)
RETURNS TABLE (transfer_id bigint, posted_at timestamptz, code text, other text, amount bigint, balance bigint,
               reason text, actor text, cluster text, slurm_job_id bigint, restart integer, job_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH me AS MATERIALIZED (SELECT account_id(p_account) AS id),
    -- From the balance of now backwards: what came after a line is taken off again.
    moves AS MATERIALIZED (
        SELECT m.transfer_id, m.amount,
               coalesce(sum(m.amount) OVER (ORDER BY m.transfer_id DESC
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
          FROM me, account_moves(me.id, greatest(transfer_floor(p_since), p_after + 1)) m),
    page AS (
        SELECT m.*, t.posted_at, t.code, t.debit, t.credit, t.reason, t.actor, t.reverses
          FROM moves m JOIN transfer t USING (transfer_id)
         WHERE t.posted_at >= p_since AND t.posted_at < p_until
         ORDER BY transfer_id LIMIT p_most)
    SELECT p.transfer_id, p.posted_at, p.code, o.name, p.amount,
           ((SELECT b.balance FROM balance(p_account) b) - p.later)::bigint, p.reason, p.actor,
           r.cluster, r.slurm_job_id, r.restart, r.job_name
      FROM page p JOIN me ON true
      JOIN account o ON o.account_id = CASE WHEN p.debit = me.id THEN p.credit ELSE p.debit END
      LEFT JOIN charge c ON c.transfer_id = coalesce(p.reverses, p.transfer_id)
      LEFT JOIN job_run r USING (job_run_id)
     ORDER BY p.transfer_id
$$;

CREATE FUNCTION statement_totals(p_account text, p_since timestamptz, p_until timestamptz)
RETURNS TABLE (opening bigint, credited bigint, debited bigint, closing bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH moves AS (
        SELECT m.amount, t.posted_at
          FROM account_moves(account_id(p_account), transfer_floor(p_since)) m JOIN transfer t USING (transfer_id)
         WHERE t.posted_at >= p_since),
    sums AS (SELECT coalesce(sum(amount), 0) AS since,
                    coalesce(sum(amount) FILTER (WHERE posted_at >= p_until), 0) AS after,
                    coalesce(sum(amount) FILTER (WHERE posted_at < p_until AND amount > 0), 0) AS credited,
                    coalesce(-sum(amount) FILTER (WHERE posted_at < p_until AND amount < 0), 0) AS debited
               FROM moves)
    SELECT (b.balance - s.since)::bigint, s.credited::bigint, s.debited::bigint, (b.balance - s.after)::bigint
      FROM sums s, balance(p_account) b
$$;

CREATE FUNCTION ledger_flows(p_since timestamptz, p_until timestamptz)
RETURNS TABLE (account text, code text, credited numeric, debited numeric, transfers bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT a.name, f.code, sum(f.credited), sum(f.debited), count(*)
      FROM (SELECT credit AS account_id, code, amount AS credited, 0 AS debited FROM transfer
             WHERE posted_at >= p_since AND posted_at < p_until
            UNION ALL
            SELECT debit, code, 0, amount FROM transfer WHERE posted_at >= p_since AND posted_at < p_until) f
      JOIN account a USING (account_id)
     GROUP BY a.name, f.code ORDER BY a.name, f.code
$$;

-- ------------------------------------------------------------- recording

-- Completes one run and charges it as far as its payer's tokens and credit go.
CREATE OR REPLACE FUNCTION job_run_record(p_run jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    new job_run;
    old job_run;
    payer account;
    payer_id bigint;
    paid bigint := 0;
    t bigint;
BEGIN
    SELECT * INTO STRICT new FROM jsonb_populate_record(NULL::job_run, p_run);
    INSERT INTO job_run (cluster, slurm_job_id, submit_time, restart)
        VALUES (new.cluster, new.slurm_job_id, new.submit_time, new.restart)
        ON CONFLICT (cluster, slurm_job_id, submit_time, restart) DO NOTHING;
    SELECT * INTO STRICT old FROM job_run
     WHERE (cluster, slurm_job_id, submit_time, restart)
         = (new.cluster, new.slurm_job_id, new.submit_time, new.restart)
       FOR UPDATE;
    IF old.recorded_at IS NOT NULL THEN
        RETURN 'exists';
    END IF;
    new.price := CASE WHEN old.hold_id IS NULL THEN new.price ELSE 0 END;
    IF new.price > 0 THEN
        -- A statement of its own: the next one must see an account made here.
        payer_id := account_payer(new.user_name, new.account);
        PERFORM lots_due(payer_id);
        SELECT * INTO STRICT payer FROM account WHERE account_id = payer_id FOR NO KEY UPDATE;
        paid := greatest(0, least(new.price, payer.credited + payer.credit_limit - payer.debited - payer.held));
    END IF;
    UPDATE job_run SET
        recorded_at = clock_timestamp(), array_job_id = new.array_job_id,
        array_task_id = new.array_task_id, het_job_id = new.het_job_id,
        user_name = new.user_name, account = new.account, partition = new.partition, qos = new.qos,
        job_name = new.job_name, state = new.state, exit_code = new.exit_code,
        exit_signal = new.exit_signal, start_time = new.start_time, end_time = new.end_time,
        nodes = new.nodes, node_count = new.node_count, cpus = new.cpus, core_ms = new.core_ms,
        place = new.place, price = new.price, unpaid = new.price - paid, payer = payer_id
     WHERE job_run_id = old.job_run_id;
    IF paid > 0 THEN
        INSERT INTO transfer (idem, code, debit, credit, amount)
            VALUES (md5(format('run %s %s %s %s', new.cluster, new.slurm_job_id, new.submit_time, new.restart))::uuid,
                    'charge', payer.account_id, account_id('system:use'), paid)
            RETURNING transfer_id INTO STRICT t;
        INSERT INTO charge (job_run_id, transfer_id, amount) VALUES (old.job_run_id, t, paid);
    END IF;
    RETURN 'recorded';
END $$;

-- Runs without a price that nobody has told of yet, most of them, go in by one
-- statement; the others one by one.
CREATE OR REPLACE FUNCTION job_runs_record(p_runs jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    answers text[];
    recorded integer[];
    i integer;
BEGIN
    IF jsonb_typeof(p_runs) IS DISTINCT FROM 'array' OR jsonb_array_length(p_runs) > 1000 THEN
        RAISE EXCEPTION 'job runs come as an array of at most 1000' USING ERRCODE = 'RN005';
    END IF;
    WITH free AS MATERIALIZED (
        SELECT DISTINCT ON (r.cluster, r.slurm_job_id, r.submit_time, r.restart) e.place AS n, r.*
          FROM jsonb_array_elements(p_runs) WITH ORDINALITY e (run, place),
               LATERAL jsonb_populate_record(NULL::job_run, e.run) r
         WHERE r.price = 0
         ORDER BY r.cluster, r.slurm_job_id, r.submit_time, r.restart, e.place),
    added AS (
        INSERT INTO job_run (cluster, slurm_job_id, submit_time, restart, recorded_at, array_job_id, array_task_id,
                             het_job_id, user_name, account, partition, qos, job_name, state, exit_code,
                             exit_signal, start_time, end_time, nodes, node_count, cpus, core_ms, place, price,
                             unpaid)
            SELECT cluster, slurm_job_id, submit_time, restart, clock_timestamp(), array_job_id, array_task_id,
                   het_job_id, user_name, account, partition, qos, job_name, state, exit_code, exit_signal,
                   start_time, end_time, nodes, node_count, cpus, core_ms, place, 0, 0
              FROM free
            ON CONFLICT (cluster, slurm_job_id, submit_time, restart) DO NOTHING
            RETURNING cluster, slurm_job_id, submit_time, restart)
    SELECT coalesce(array_agg(f.n), '{}') INTO recorded
      FROM added JOIN free f USING (cluster, slurm_job_id, submit_time, restart);
    answers := array_fill(NULL::text, ARRAY[jsonb_array_length(p_runs)]);
    FOREACH i IN ARRAY recorded LOOP
        answers[i] := 'recorded';
    END LOOP;
    FOR i IN 1 .. jsonb_array_length(p_runs) LOOP
        CONTINUE WHEN answers[i] IS NOT NULL;
        answers[i] := job_run_record(p_runs -> (i - 1));
    END LOOP;
    RETURN to_jsonb(answers);
END $$;

-- ------------------------------------------------------------ invariants

CREATE OR REPLACE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_base()
    UNION ALL SELECT * FROM check_lots()
    UNION ALL SELECT * FROM check_usage()
    UNION ALL
    SELECT 'what is corrected is the corrections', c.transfer_id::text, coalesce(sum(t.amount), 0), c.corrected
      FROM correction c LEFT JOIN transfer t ON t.reverses = c.transfer_id AND t.code = 'correct'
     GROUP BY c.transfer_id, c.corrected HAVING coalesce(sum(t.amount), 0) <> c.corrected
    UNION ALL
    SELECT 'a limit is the last that was set', a.name, l.credit_limit, a.credit_limit
      FROM account a
      JOIN LATERAL (SELECT credit_limit FROM account_limit WHERE account_id = a.account_id
                     ORDER BY change_id DESC LIMIT 1) l ON l.credit_limit <> a.credit_limit
    UNION ALL
    SELECT 'what was rewarded in a day is the rewards', format('%s on %s', a.name, d.day),
           coalesce(sum(t.amount), 0), d.rewarded
      FROM reward_day d JOIN account a USING (account_id)
      LEFT JOIN transfer t ON t.code = 'reward' AND t.credit = d.account_id AND utc_day(t.posted_at) = d.day
     GROUP BY a.name, d.day, d.rewarded HAVING coalesce(sum(t.amount), 0) <> d.rewarded
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    usage_by(bigint, bigint, text, text, text, text), usage_fold(integer), usage_rebuild(),
    job_runs_find(text, bigint), statement(text, timestamptz, timestamptz, integer, bigint),
    statement_totals(text, timestamptz, timestamptz), ledger_flows(timestamptz, timestamptz)
    TO rain;
