-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Job runs: what ran, and that it is charged at most once.
--
-- A job number is no identity: Slurm starts over at 1, and a requeued job keeps
-- its number.  A run is (cluster, job id, submit time, restart count).
--
-- Two parties tell of a run, in any order: rain-ledgerd with Slurm's record of
-- its end (job_runs_record), and rain-gatewayd with the settlement of a burst
-- (hold_post_run).  Whoever comes first makes the row, the other completes it.
--
-- Functions for callers:
--   hold_post_run(hold, idem, amount, cluster, job_id, submit_time, restart)
--        -> 'posted' | 'exists'.  hold_post, and the run is settled by this hold
--        for ever.  RN004 when the run was charged by something else.
--   job_runs_record(runs jsonb) -> jsonb array of 'recorded' | 'exists', in order.
--        runs: array of at most 1000 objects
--        named as the columns of job_run: {cluster, slurm_job_id, submit_time,
--        restart, array_job_id, array_task_id, het_job_id, user_name, account,
--        partition, qos, job_name, state, exit_code, exit_signal, start_time,
--        end_time, nodes, node_count, cpus, core_ms,
--        place: "home" | "overflow" | "guest", price}
--        `price` (micro-tokens) is what the home cluster charges its user for it.
--        What the user can't pay is recorded as `unpaid`: a run is a fact and
--        isn't lost, and nobody is overdrawn.
--   charge_refund(job_run_id, amount, reason, idem) -> 'refunded' | 'exists'
--   usage_report(since, until, by, user)   by: 'user' | 'account' | 'partition' | 'place';
--        ends within [since, until), epoch seconds; user NULL: all
--   usage_jobs(since, until, user, limit, until_run)  the runs themselves, newest
--        first; the next page: until = end_time and until_run = job_run_id of the
--        last row
--   check_invariants() -> a row for each violation; none when all is well

SET LOCAL search_path = ledger, pg_temp;

CREATE TABLE job_run (
    job_run_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster       text NOT NULL CHECK (length(cluster) BETWEEN 1 AND 64),
    slurm_job_id  bigint NOT NULL CHECK (slurm_job_id BETWEEN 1 AND 4294967295),
    submit_time   bigint NOT NULL CHECK (submit_time >= 0), -- epoch seconds, as all times of Slurm
    restart       integer NOT NULL CHECK (restart >= 0),
    hold_id       uuid UNIQUE REFERENCES hold_resolution,   -- the burst hold that settled it
    -- Slurm's record; all NULL until it has come.
    recorded_at   timestamptz,
    array_job_id  bigint,
    array_task_id bigint,
    het_job_id    bigint,
    user_name     text,
    account       text,  -- of Slurm
    partition     text,
    qos           text,
    job_name      text,
    state         text,
    exit_code     integer,
    exit_signal   integer,
    start_time    bigint,
    end_time      bigint,
    nodes         text,
    node_count    bigint,
    cpus          bigint,
    core_ms       bigint CHECK (core_ms >= 0),
    place         text CHECK (place IN ('home', 'overflow', 'guest')),
    price         bigint CHECK (price >= 0),
    unpaid        bigint CHECK (unpaid BETWEEN 0 AND price),
    UNIQUE (cluster, slurm_job_id, submit_time, restart),
    CONSTRAINT recorded_as_a_whole CHECK (
        num_nulls(recorded_at, user_name, account, partition, qos, job_name, state, exit_code, exit_signal,
                  start_time, end_time, nodes, node_count, cpus, core_ms, place, price, unpaid) IN (0, 18)),
    CONSTRAINT only_home_has_a_price CHECK (price = 0 OR place = 'home'),
    CONSTRAINT settled_by_hold_or_by_price CHECK (hold_id IS NULL OR price = 0)
);
CREATE INDEX job_run_end ON job_run (end_time, job_run_id) WHERE recorded_at IS NOT NULL;

-- The primary key: a run is charged at most once.
CREATE TABLE charge (
    job_run_id  bigint PRIMARY KEY REFERENCES job_run,
    transfer_id bigint NOT NULL UNIQUE,
    amount      bigint NOT NULL,
    refunded    bigint NOT NULL DEFAULT 0,
    FOREIGN KEY (transfer_id, amount) REFERENCES transfer (transfer_id, amount),
    CONSTRAINT refunds_at_most_the_charge CHECK (refunded BETWEEN 0 AND amount)
);

-- ---------------------------------------------------------------- guards

CREATE TRIGGER frozen_row BEFORE DELETE ON job_run FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON job_run EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE DELETE ON charge FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON charge EXECUTE FUNCTION frozen();

-- A run is completed, never rewritten: its identity stays, its settlement comes
-- once, Slurm's record comes once.
CREATE FUNCTION job_run_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    settled job_run := OLD;
BEGIN
    settled.hold_id := NEW.hold_id;
    IF (NEW.job_run_id, NEW.cluster, NEW.slurm_job_id, NEW.submit_time, NEW.restart)
          IS DISTINCT FROM (OLD.job_run_id, OLD.cluster, OLD.slurm_job_id, OLD.submit_time, OLD.restart)
       OR (OLD.hold_id IS NOT NULL AND NEW.hold_id IS DISTINCT FROM OLD.hold_id)
       OR (OLD.recorded_at IS NOT NULL AND NEW IS DISTINCT FROM settled) THEN
        RAISE EXCEPTION 'run % of job % is recorded and can''t be rewritten', OLD.restart, OLD.slurm_job_id
            USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_run_guard BEFORE UPDATE ON job_run FOR EACH ROW EXECUTE FUNCTION job_run_guard();

-- A charge is made from the transfer that pays this very run, and changes only
-- when a refund is posted.
CREATE FUNCTION charge_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.refunded <> 0 OR NOT EXISTS (
            SELECT FROM transfer t JOIN job_run r ON r.job_run_id = NEW.job_run_id
             WHERE t.transfer_id = NEW.transfer_id
               AND (t.code = 'charge' AND r.hold_id IS NULL AND r.price = t.amount + r.unpaid
                    OR t.code = 'post' AND r.hold_id = t.hold_id)) THEN
            RAISE EXCEPTION 'transfer % doesn''t pay run %', NEW.transfer_id, NEW.job_run_id
                USING ERRCODE = 'RN005';
        END IF;
    ELSIF (NEW.job_run_id, NEW.transfer_id, NEW.amount)
             IS DISTINCT FROM (OLD.job_run_id, OLD.transfer_id, OLD.amount) OR pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the charge of run % can only be refunded', OLD.job_run_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER charge_guard BEFORE INSERT OR UPDATE ON charge FOR EACH ROW EXECUTE FUNCTION charge_guard();

CREATE FUNCTION refund_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT reverses, sum(amount)::bigint AS amount FROM added WHERE code = 'refund'
              GROUP BY reverses ORDER BY reverses LOOP
        UPDATE charge c SET refunded = c.refunded + r.amount WHERE c.transfer_id = r.reverses;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'transfer % charges no job run: it can''t be refunded', r.reverses
                USING ERRCODE = 'RN003';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_apply AFTER INSERT ON transfer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refund_apply();

-- ------------------------------------------------------------- functions

CREATE FUNCTION hold_post_run(p_hold uuid, p_idem uuid, p_amount bigint, p_cluster text,
                              p_job_id bigint, p_submit_time bigint, p_restart integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    run job_run;
    answer text;
BEGIN
    INSERT INTO job_run (cluster, slurm_job_id, submit_time, restart)
        VALUES (p_cluster, p_job_id, p_submit_time, p_restart)
        ON CONFLICT (cluster, slurm_job_id, submit_time, restart) DO NOTHING;
    -- The row is the lock that jobcomp's record of the same run waits for.
    SELECT * INTO STRICT run FROM job_run
     WHERE (cluster, slurm_job_id, submit_time, restart) = (p_cluster, p_job_id, p_submit_time, p_restart)
       FOR UPDATE;
    IF coalesce(run.price, 0) > 0 OR (run.hold_id IS NOT NULL AND run.hold_id <> p_hold) THEN
        RAISE EXCEPTION 'run % of job % is already charged', p_restart, p_job_id USING ERRCODE = 'RN004';
    END IF;
    answer := hold_resolve(p_hold, 'posted', p_amount, p_idem);
    IF run.hold_id IS NULL THEN
        UPDATE job_run SET hold_id = p_hold WHERE job_run_id = run.job_run_id;
        INSERT INTO charge (job_run_id, transfer_id, amount)
            SELECT run.job_run_id, transfer_id, amount FROM transfer WHERE hold_id = p_hold;
    END IF;
    RETURN answer;
END $$;

-- Records one run, once, and charges it as far as its user's tokens go.
CREATE FUNCTION job_run_record(p_run jsonb) RETURNS text
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
        payer_id := account_ensure_user(new.user_name);
        SELECT * INTO STRICT payer FROM account WHERE account_id = payer_id FOR NO KEY UPDATE;
        paid := least(new.price, payer.credited - payer.debited - payer.held);
    END IF;
    UPDATE job_run SET
        recorded_at = clock_timestamp(), array_job_id = new.array_job_id,
        array_task_id = new.array_task_id, het_job_id = new.het_job_id,
        user_name = new.user_name, account = new.account, partition = new.partition, qos = new.qos,
        job_name = new.job_name, state = new.state, exit_code = new.exit_code,
        exit_signal = new.exit_signal, start_time = new.start_time, end_time = new.end_time,
        nodes = new.nodes, node_count = new.node_count, cpus = new.cpus, core_ms = new.core_ms,
        place = new.place, price = new.price, unpaid = new.price - paid
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

CREATE FUNCTION job_runs_record(p_runs jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    run jsonb;
    answers jsonb := '[]';
BEGIN
    IF jsonb_typeof(p_runs) IS DISTINCT FROM 'array' OR jsonb_array_length(p_runs) > 1000 THEN
        RAISE EXCEPTION 'job runs come as an array of at most 1000' USING ERRCODE = 'RN005';
    END IF;
    FOR run IN SELECT value FROM jsonb_array_elements(p_runs) LOOP
        answers := answers || to_jsonb(job_run_record(run));
    END LOOP;
    RETURN answers;
END $$;

CREATE FUNCTION charge_refund(p_run bigint, p_amount bigint, p_reason text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    c charge;
    t transfer;
BEGIN
    SELECT * INTO c FROM charge WHERE job_run_id = p_run FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % has no charge to refund', p_run USING ERRCODE = 'RN003';
    END IF;
    SELECT * INTO t FROM transfer WHERE idem = p_idem;
    IF FOUND THEN
        IF (t.code, t.reverses, t.amount) IS DISTINCT FROM ('refund', c.transfer_id, p_amount) THEN
            RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
        END IF;
        RETURN 'exists';
    END IF;
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND c.amount - c.refunded THEN
        RAISE EXCEPTION 'run % was charged % tokens, of which % are refunded: % more can''t be', p_run,
            tokens_text(c.amount), tokens_text(c.refunded), tokens_text(p_amount) USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount, reverses, reason)
        SELECT p_idem, 'refund', o.credit, o.debit, p_amount, o.transfer_id, coalesce(p_reason, '')
          FROM transfer o WHERE o.transfer_id = c.transfer_id;
    RETURN 'refunded';
END $$;

CREATE FUNCTION usage_report(p_since bigint, p_until bigint, p_by text, p_user text DEFAULT NULL)
RETURNS TABLE (key text, runs bigint, core_ms numeric, charged numeric, unpaid numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF p_by IS NULL OR p_by NOT IN ('user', 'account', 'partition', 'place') THEN
        RAISE EXCEPTION 'usage can be shown by user, account, partition or place, not by "%"', p_by
            USING ERRCODE = 'RN005';
    END IF;
    RETURN QUERY
        SELECT CASE p_by WHEN 'user' THEN r.user_name WHEN 'account' THEN r.account
                         WHEN 'partition' THEN r.partition ELSE r.place END,
               count(*), sum(r.core_ms), coalesce(sum(c.amount - c.refunded), 0), sum(r.unpaid)
          FROM job_run r LEFT JOIN charge c USING (job_run_id)
         WHERE r.recorded_at IS NOT NULL AND r.end_time >= p_since AND r.end_time < p_until
           AND (p_user IS NULL OR r.user_name = p_user)
         GROUP BY 1 ORDER BY 1;
END $$;

CREATE FUNCTION usage_jobs(p_since bigint, p_until bigint, p_user text, p_limit integer,
                           p_until_run bigint DEFAULT 0)
RETURNS TABLE (job_run_id bigint, cluster text, slurm_job_id bigint, restart integer, user_name text,
               account text, partition text, job_name text, state text, exit_code integer,
               exit_signal integer, start_time bigint, end_time bigint, nodes text, cpus bigint,
               core_ms bigint, place text, charged bigint, unpaid bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.job_run_id, r.cluster, r.slurm_job_id, r.restart, r.user_name, r.account, r.partition,
           r.job_name, r.state, r.exit_code, r.exit_signal, r.start_time, r.end_time, r.nodes, r.cpus,
           r.core_ms, r.place, coalesce(c.amount - c.refunded, 0), r.unpaid
      FROM job_run r LEFT JOIN charge c USING (job_run_id)
     WHERE r.recorded_at IS NOT NULL AND r.end_time >= p_since
       AND (r.end_time, r.job_run_id) < (p_until, p_until_run)
       AND (p_user IS NULL OR r.user_name = p_user)
     ORDER BY r.end_time DESC, r.job_run_id DESC
     LIMIT p_limit
$$;

-- The invariants again, counted from the history instead of trusted.  One
-- statement, so that it sees one moment.
CREATE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
WITH paid_in AS (SELECT credit AS account_id, sum(amount) AS amount FROM transfer GROUP BY credit),
     paid_out AS (SELECT debit AS account_id, sum(amount) AS amount FROM transfer GROUP BY debit),
     open AS (SELECT h.debit AS account_id, sum(h.amount) AS amount FROM hold h
               WHERE NOT EXISTS (SELECT FROM hold_resolution r WHERE r.hold_id = h.hold_id)
               GROUP BY h.debit),
     truth AS (SELECT a.*, coalesce(i.amount, 0) AS paid_in, coalesce(o.amount, 0) AS paid_out,
                      coalesce(h.amount, 0) AS open
                 FROM account a LEFT JOIN paid_in i USING (account_id)
                 LEFT JOIN paid_out o USING (account_id) LEFT JOIN open h USING (account_id)),
     refunds AS (SELECT reverses, sum(amount) AS amount FROM transfer WHERE code = 'refund' GROUP BY reverses)
SELECT 'the credits of an account are its transfers', name, paid_in, credited
  FROM truth WHERE kind <> 'system' AND credited <> paid_in
UNION ALL
SELECT 'the debits of an account are its transfers', name, paid_out, debited
  FROM truth WHERE kind <> 'system' AND debited <> paid_out
UNION ALL
SELECT 'what is held is the open holds', name, open, held FROM truth WHERE held <> open
UNION ALL
SELECT 'all accounts together are worth 0', 'all',
       0, sum(CASE kind WHEN 'system' THEN paid_in - paid_out ELSE credited - debited END)
  FROM truth HAVING sum(CASE kind WHEN 'system' THEN paid_in - paid_out ELSE credited - debited END) <> 0
UNION ALL
SELECT 'nobody is overdrawn beyond the limit', name, -credit_limit, paid_in - paid_out - open
  FROM truth
 WHERE name <> 'system:issuance' AND paid_in - paid_out - open < -credit_limit
UNION ALL
SELECT 'a hold posts at most once and what its resolution says', r.hold_id::text, r.posted, coalesce(t.amount, 0)
  FROM hold_resolution r LEFT JOIN transfer t USING (hold_id)
 WHERE coalesce(t.amount, 0) <> r.posted OR r.posted > r.held
UNION ALL
SELECT 'a charge is its transfer', c.job_run_id::text, t.amount, c.amount
  FROM charge c JOIN transfer t USING (transfer_id) WHERE c.amount <> t.amount
UNION ALL
SELECT 'what is refunded is the refunds', c.job_run_id::text, coalesce(f.amount, 0), c.refunded
  FROM charge c LEFT JOIN refunds f ON f.reverses = c.transfer_id WHERE c.refunded <> coalesce(f.amount, 0)
UNION ALL
SELECT 'a run is charged its price or its hold', r.job_run_id::text,
       coalesce(z.posted, r.price - r.unpaid, 0), coalesce(c.amount, 0)
  FROM job_run r LEFT JOIN hold_resolution z USING (hold_id) LEFT JOIN charge c USING (job_run_id)
 WHERE coalesce(c.amount, 0) <> coalesce(z.posted, r.price - r.unpaid, 0)
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    job_runs_record(jsonb), charge_refund(bigint, bigint, text, uuid),
    usage_report(bigint, bigint, text, text), usage_jobs(bigint, bigint, text, integer, bigint),
    check_invariants()
    TO rain;
GRANT EXECUTE ON FUNCTION hold_post_run(uuid, uuid, bigint, text, bigint, bigint, integer) TO "rain-gw";
