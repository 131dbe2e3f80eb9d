-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Priced runs are booked by the batch, as runs without a price were before.
--
-- A recorded run now charges itself: what its row says was paid (price less unpaid), a
-- trigger of the row makes a transfer and a charge of, one statement for all rows of a
-- batch and one UPDATE for each account. So nobody can record a paid run without its
-- charge. Foreign keys of charge and of job_run.payer are kept by that trigger, and by
-- charge_guard for anybody else: runs, transfers and accounts are never deleted or
-- renumbered, so who is found once is found for ever.
--
-- Signatures stay as they were (job_runs_record: 0002-job-runs.sql).

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE charge
    DROP CONSTRAINT charge_job_run_id_fkey,
    DROP CONSTRAINT charge_transfer_id_fkey;
ALTER TABLE job_run
    DROP CONSTRAINT job_run_payer_fkey,
    DROP CONSTRAINT job_run_hold_id_key; -- most runs have no hold: they need no entry
CREATE UNIQUE INDEX job_run_hold ON job_run (hold_id) WHERE hold_id IS NOT NULL;

-- --------------------------------------------------------------- charges

-- Nested loops only: statistics of a growing table may lie (0025-batches.sql).
CREATE FUNCTION job_run_pay(p_runs bigint[], p_idems uuid[], p_payers bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    payee bigint := account_id('system:use');
    wrong record;
BEGIN
    SELECT u.run, a.name INTO wrong
      FROM unnest(p_runs, p_payers) u (run, payer) LEFT JOIN account a ON a.account_id = u.payer
     WHERE (a.kind IN ('user', 'project')) IS NOT TRUE LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'run % can''t be paid by %', wrong.run, coalesce(wrong.name, 'nobody') USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount)
        SELECT u.idem, 'charge', u.payer, payee, u.amount
          FROM unnest(p_idems, p_payers, p_amounts) u (idem, payer, amount);
    INSERT INTO charge (job_run_id, transfer_id, amount)
        SELECT u.run, t.transfer_id, u.amount
          FROM unnest(p_runs, p_idems, p_amounts) u (run, idem, amount) JOIN transfer t ON t.idem = u.idem;
    -- In the order of numbers, so that sessions wait for each other and never in a circle.
    PERFORM FROM account WHERE account_id = ANY (p_payers) ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a SET debited = a.debited + s.amount
      FROM (SELECT u.payer, sum(u.amount)::bigint AS amount
              FROM unnest(p_payers, p_amounts) u (payer, amount) GROUP BY u.payer) s
     WHERE a.account_id = s.payer;
END $$;

CREATE FUNCTION run_idem(p_cluster text, p_job_id bigint, p_submit_time bigint, p_restart integer) RETURNS uuid
LANGUAGE sql IMMUTABLE AS
$$ SELECT md5('run ' || p_cluster || ' ' || p_job_id || ' ' || p_submit_time || ' ' || p_restart)::uuid $$;

CREATE FUNCTION job_run_charge() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    runs bigint[];
    idems uuid[];
    payers bigint[];
    amounts bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(n.job_run_id), array_agg(n.payer), array_agg(n.price - n.unpaid),
               array_agg(ledger.run_idem(n.cluster, n.slurm_job_id, n.submit_time, n.restart))
          INTO runs, payers, amounts, idems
          FROM added n WHERE n.price > n.unpaid;
    ELSE
        SELECT array_agg(n.job_run_id), array_agg(n.payer), array_agg(n.price - n.unpaid),
               array_agg(ledger.run_idem(n.cluster, n.slurm_job_id, n.submit_time, n.restart))
          INTO runs, payers, amounts, idems
          FROM added n JOIN removed o USING (job_run_id) WHERE n.price > n.unpaid AND o.recorded_at IS NULL;
    END IF;
    IF runs IS NOT NULL THEN
        PERFORM ledger.job_run_pay(runs, idems, payers, amounts);
    END IF;
    RETURN NULL;
END $$;
-- By their names before those that count usage, which look at the charges.
CREATE TRIGGER job_run_charge_added AFTER INSERT ON job_run REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION job_run_charge();
CREATE TRIGGER job_run_charge_completed AFTER UPDATE ON job_run REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION job_run_charge();

-- Charges that a run makes of itself are right as they are made; the others are looked at.
DROP TRIGGER charge_guard ON charge;
CREATE TRIGGER charge_guard BEFORE INSERT ON charge
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION charge_guard();
CREATE TRIGGER charge_keeps BEFORE UPDATE ON charge FOR EACH ROW EXECUTE FUNCTION charge_guard();

DROP TRIGGER transfer_apply ON transfer;
CREATE TRIGGER transfer_apply AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.code <> 'post' AND (NEW.code <> 'charge' OR pg_trigger_depth() = 0))
    EXECUTE FUNCTION transfer_apply();

-- ----------------------------------------------------------------- usage

CREATE OR REPLACE FUNCTION usage_of_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (n.end_time / 86400)::integer, n.cluster, n.user_name, n.account, n.partition, n.qos, n.place,
                   count(*), sum(n.core_ms), sum(greatest(n.start_time - n.submit_time, 0)),
                   sum(n.price - n.unpaid), sum(n.unpaid)
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

-- A charge that its run made of itself is counted with the run.
DROP TRIGGER usage_of_charges_added ON charge;
CREATE OR REPLACE FUNCTION usage_of_charges() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (r.end_time / 86400)::integer, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
                   0, 0, 0, sum(n.amount), 0
              FROM added n JOIN job_run r USING (job_run_id)
             WHERE r.recorded_at IS NOT NULL AND pg_trigger_depth() = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7;
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

-- ------------------------------------------------------------- recording

-- Completes one run that somebody told of before, or that the batch left over.
CREATE OR REPLACE FUNCTION job_run_record(p_run jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    new job_run;
    old job_run;
    payer account;
    payer_id bigint;
    paid bigint := 0;
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
    RETURN 'recorded';
END $$;

-- Who pays each run (account_payer), its account made when missing; NULL: it has no price.
CREATE FUNCTION runs_payers(p_runs job_run[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM account_ensure_user(n.user_name)
       FROM (SELECT DISTINCT r.user_name FROM unnest(p_runs) r WHERE r.price > 0) n
      WHERE NOT EXISTS (SELECT FROM account a WHERE a.name = 'user:' || n.user_name);
    RETURN (SELECT array_agg(CASE WHEN r.price > 0 THEN coalesce(m.project, d.account_id, u.account_id) END
                             ORDER BY r.ordinality)
              FROM unnest(p_runs) WITH ORDINALITY r
              LEFT JOIN account u ON u.name = 'user:' || r.user_name
              LEFT JOIN account p ON p.name = 'project:' || r.account
              LEFT JOIN project_member m ON m.user_id = u.account_id AND m.project = p.account_id
              LEFT JOIN account_default d ON d.user_id = u.account_id);
END $$;

-- Puts in those of p_runs that nobody has told of yet; their places in it. Who pays is
-- locked: what an account has, its runs take in their order, down to nothing.
CREATE FUNCTION runs_add(p_runs job_run[], p_priced boolean, p_payers bigint[]) RETURNS integer[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    paid bigint[]; -- by place; NULL: not to be put in
    numbers bigint[];
BEGIN
    SELECT array_agg(CASE WHEN s.fresh THEN least(s.upto, s.has) - least(s.upto - s.price, s.has) END::bigint
                     ORDER BY s.n) INTO paid
      FROM (SELECT k.*, sum(k.price) FILTER (WHERE k.fresh) OVER (PARTITION BY k.pays ORDER BY k.n) AS upto,
                   coalesce(greatest(a.credited + a.credit_limit - a.debited - a.held, 0), 0) AS has
              FROM (SELECT r.ordinality AS n, r.price, p_payers[r.ordinality] AS pays,
                           (coalesce(r.price, 0) > 0) = p_priced
                           AND row_number() OVER (PARTITION BY r.cluster, r.slurm_job_id, r.submit_time, r.restart
                                                  ORDER BY r.ordinality) = 1
                           AND NOT EXISTS (SELECT FROM job_run o
                                WHERE o.cluster = r.cluster AND o.slurm_job_id = r.slurm_job_id
                                  AND o.submit_time = r.submit_time AND o.restart = r.restart) AS fresh
                      FROM unnest(p_runs) WITH ORDINALITY r) k
              LEFT JOIN account a ON a.account_id = k.pays) s;
    WITH added AS (
        INSERT INTO job_run (cluster, slurm_job_id, submit_time, restart, recorded_at, record_seq, array_job_id,
                             array_task_id, het_job_id, user_name, account, partition, qos, job_name, state,
                             exit_code, exit_signal, start_time, end_time, nodes, node_count, cpus, core_ms, place,
                             price, unpaid, payer)
            SELECT cluster, slurm_job_id, submit_time, restart, clock_timestamp(), nextval('job_run_record_seq'),
                   array_job_id, array_task_id, het_job_id, user_name, account, partition, qos, job_name, state,
                   exit_code, exit_signal, start_time, end_time, nodes, node_count, cpus, core_ms, place,
                   price, price - paid[ordinality], p_payers[ordinality]
              FROM unnest(p_runs) WITH ORDINALITY r WHERE paid[ordinality] IS NOT NULL
            ON CONFLICT (cluster, slurm_job_id, submit_time, restart) DO NOTHING
            RETURNING record_seq)
    SELECT array_agg(record_seq) INTO numbers FROM added;
    -- All but those that somebody else told of in this very moment.
    RETURN (SELECT array_agg(r.ordinality)
              FROM unnest(p_runs) WITH ORDINALITY r
             WHERE paid[r.ordinality] IS NOT NULL
               AND (cardinality(numbers) = cardinality(array_remove(paid, NULL))
                    OR (SELECT o.record_seq FROM job_run o
                         WHERE o.cluster = r.cluster AND o.slurm_job_id = r.slurm_job_id
                           AND o.submit_time = r.submit_time AND o.restart = r.restart) = ANY (numbers)));
END $$;

CREATE OR REPLACE FUNCTION job_runs_record(p_runs jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    runs job_run[];
    payers bigint[];
    answers text[];
    i integer;
BEGIN
    IF jsonb_typeof(p_runs) IS DISTINCT FROM 'array' OR jsonb_array_length(p_runs) > 1000 THEN
        RAISE EXCEPTION 'job runs come as an array of at most 1000' USING ERRCODE = 'RN005';
    END IF;
    runs := ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::job_run, p_runs) r);
    answers := array_fill(NULL::text, ARRAY[cardinality(runs)]);
    -- A burst's settlement locks its run and then accounts: so runs without a price, as
    -- bursts are, come first, and no account is locked yet.
    FOR priced IN 0 .. 1 LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM unnest(runs) r WHERE (coalesce(r.price, 0) > 0) = (priced = 1));
        IF priced = 1 THEN
            payers := runs_payers(runs);
            PERFORM FROM account WHERE account_id = ANY (payers) ORDER BY account_id FOR NO KEY UPDATE;
            INSERT INTO lot_settlement (account_id)
                SELECT account_id FROM account
                 WHERE account_id = ANY (payers) AND next_lot_event <= clock_timestamp() ORDER BY account_id;
        END IF;
        FOREACH i IN ARRAY coalesce(runs_add(runs, priced = 1, payers), '{}') LOOP
            answers[i] := 'recorded';
        END LOOP;
        FOR i IN SELECT r.ordinality FROM unnest(runs) WITH ORDINALITY r
                  WHERE (coalesce(r.price, 0) > 0) = (priced = 1) AND answers[r.ordinality] IS NULL LOOP
            answers[i] := job_run_record(p_runs -> (i - 1));
        END LOOP;
    END LOOP;
    RETURN to_jsonb(answers);
END $$;
