-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The hot path: holds and posts with as few statements as the invariants allow, one
-- by one and by the batch.
--
-- Foreign keys to accounts and holds are kept by the triggers that read those rows
-- anyway: accounts, holds and resolutions are never deleted or renumbered, so who is
-- found once is found for ever, and a key's own check would only read, and lock, the
-- same row again. A statement of one row takes the short way; more rows are summed up,
-- one UPDATE for each account.
--
-- Functions for callers:
--   hold_batch(holds[], debits[], credits[], amounts[], purpose) -> smallint[], in order:
--        1 held, 2 exists, 0 not enough tokens, 3 exists with other values
--   post_batch(holds[], idems[], amounts[]) -> smallint[], in order:
--        1 posted, 2 exists, 0 no such hold, 3 resolved otherwise or more than was held
--   At most 10000 each; all in one transaction, so one wait for the disk. One account
--   that everybody uses is no slower by the batch than many: its row is written once.

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE hold
    DROP CONSTRAINT hold_debit_fkey,
    DROP CONSTRAINT hold_credit_fkey;
ALTER TABLE hold_resolution DROP CONSTRAINT hold_resolution_hold_id_held_fkey;
ALTER TABLE hold DROP CONSTRAINT hold_hold_id_amount_key;
ALTER TABLE transfer
    DROP CONSTRAINT transfer_debit_fkey,
    DROP CONSTRAINT transfer_credit_fkey,
    DROP CONSTRAINT transfer_hold_id_fkey,
    DROP CONSTRAINT transfer_hold_id_key; -- a resolution writes one post, and is one
ALTER TABLE charge
    DROP CONSTRAINT charge_transfer_id_amount_fkey,
    ADD FOREIGN KEY (transfer_id) REFERENCES transfer;
ALTER TABLE correction DROP CONSTRAINT correction_transfer_id_amount_fkey; -- has its own to transfer_id
ALTER TABLE transfer DROP CONSTRAINT transfer_transfer_id_amount_key;

-- ------------------------------------------------------------------ holds

CREATE FUNCTION hold_refuse(p_debit bigint, p_credit bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    d account;
    c account;
BEGIN
    SELECT * INTO d FROM account WHERE account_id = p_debit;
    SELECT * INTO c FROM account WHERE account_id = p_credit;
    IF d.account_id IS NULL OR c.account_id IS NULL THEN
        RAISE EXCEPTION 'there is no account number %', CASE WHEN d.account_id IS NULL THEN p_debit ELSE p_credit END
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RAISE EXCEPTION 'a hold goes from a user, project or peer to a peer or the system, not from % to %',
        d.name, c.name USING ERRCODE = 'RN005';
END $$;

CREATE FUNCTION hold_apply_many(p_debits bigint[], p_credits bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT u.debit, u.credit INTO wrong FROM unnest(p_debits, p_credits) u (debit, credit)
      LEFT JOIN account d ON d.account_id = u.debit LEFT JOIN account c ON c.account_id = u.credit
     WHERE (d.kind <> 'system' AND (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use'))) IS NOT TRUE
     LIMIT 1;
    IF FOUND THEN
        PERFORM hold_refuse(wrong.debit, wrong.credit);
    END IF;
    -- In the order of numbers, so that sessions wait for each other and never in a circle.
    PERFORM FROM account WHERE account_id = ANY (p_debits) ORDER BY account_id FOR NO KEY UPDATE;
    INSERT INTO lot_settlement (account_id)
        SELECT account_id FROM account
         WHERE account_id = ANY (p_debits) AND next_lot_event <= clock_timestamp() ORDER BY account_id;
    UPDATE account a SET held = a.held + s.amount
      FROM (SELECT u.debit, sum(u.amount)::bigint AS amount
              FROM unnest(p_debits, p_amounts) u (debit, amount) GROUP BY u.debit) s
     WHERE a.account_id = s.debit;
END $$;

CREATE OR REPLACE FUNCTION hold_apply() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    h record;
    one record;
    n integer := 0;
BEGIN
    FOR h IN SELECT debit, credit, amount FROM added LIMIT 2 LOOP
        n := n + 1;
        one := h;
    END LOOP;
    IF n = 1 THEN
        UPDATE ledger.account a SET held = a.held + one.amount
         WHERE a.account_id = one.debit AND a.kind <> 'system' AND a.next_lot_event > clock_timestamp()
           AND EXISTS (SELECT FROM ledger.account c WHERE c.account_id = one.credit
                          AND (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use')));
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF n > 0 THEN
        PERFORM ledger.hold_apply_many(array_agg(a.debit), array_agg(a.credit), array_agg(a.amount)) FROM added a;
    END IF;
    RETURN NULL;
END $$;

-- ------------------------------------------------------------ resolutions

-- Nested loops only: statistics of a growing table may lie, and reading all holds for
-- a thousand is never right.
CREATE FUNCTION hold_resolution_apply_many(p_holds uuid[], p_held bigint[], p_posted bigint[], p_idems uuid[])
RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    debits bigint[];
    credits bigint[];
    purposes text[];
    wrong uuid;
BEGIN
    SELECT array_agg(h.debit ORDER BY u.n), array_agg(h.credit ORDER BY u.n), array_agg(h.purpose ORDER BY u.n),
           (array_agg(u.hold_id) FILTER (WHERE h.amount IS DISTINCT FROM u.held))[1]
      INTO debits, credits, purposes, wrong
      FROM unnest(p_holds, p_held) WITH ORDINALITY u (hold_id, held, n) LEFT JOIN hold h ON h.hold_id = u.hold_id;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'hold % doesn''t exist or held another amount', wrong USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount, hold_id, reason)
        SELECT u.idem, 'post', u.debit, u.credit, u.posted, u.hold_id, u.purpose
          FROM unnest(p_holds, p_posted, p_idems, debits, credits, purposes)
               u (hold_id, posted, idem, debit, credit, purpose)
         WHERE u.posted > 0;
    PERFORM FROM account WHERE account_id = ANY (debits || credits) AND kind <> 'system'
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a
       SET held = a.held - s.held, debited = a.debited + s.debited, credited = a.credited + s.credited
      FROM (SELECT m.account_id, sum(m.held)::bigint AS held, sum(m.debited)::bigint AS debited,
                   sum(m.credited)::bigint AS credited
              FROM (SELECT u.debit AS account_id, u.held, u.posted AS debited, 0 AS credited
                      FROM unnest(debits, p_held, p_posted) u (debit, held, posted)
                    UNION ALL
                    SELECT u.credit, 0, 0, u.posted FROM unnest(credits, p_posted) u (credit, posted)
                     WHERE u.posted > 0) m
             GROUP BY m.account_id) s
     WHERE a.account_id = s.account_id AND a.kind <> 'system';
END $$;

CREATE OR REPLACE FUNCTION hold_resolution_apply() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    one record;
    n integer := 0;
BEGIN
    FOR r IN SELECT a.hold_id, a.held, a.posted, a.idem, h.debit, h.credit, h.amount, h.purpose
               FROM added a LEFT JOIN ledger.hold h ON h.hold_id = a.hold_id LIMIT 2 LOOP
        n := n + 1;
        one := r;
    END LOOP;
    IF n = 0 THEN
        RETURN NULL;
    END IF;
    IF n > 1 OR one.amount IS DISTINCT FROM one.held THEN
        PERFORM ledger.hold_resolution_apply_many(array_agg(a.hold_id), array_agg(a.held), array_agg(a.posted),
                                                  array_agg(a.idem)) FROM added a;
        RETURN NULL;
    END IF;
    -- The accounts last: others wait for them until we have committed.
    IF one.posted > 0 THEN
        INSERT INTO ledger.transfer (idem, code, debit, credit, amount, hold_id, reason)
            VALUES (one.idem, 'post', one.debit, one.credit, one.posted, one.hold_id, one.purpose);
        IF one.credit < one.debit THEN
            UPDATE ledger.account SET credited = credited + one.posted
             WHERE account_id = one.credit AND kind <> 'system';
        END IF;
    END IF;
    UPDATE ledger.account SET held = held - one.held, debited = debited + one.posted WHERE account_id = one.debit;
    IF one.posted > 0 AND one.credit > one.debit THEN
        UPDATE ledger.account SET credited = credited + one.posted
         WHERE account_id = one.credit AND kind <> 'system';
    END IF;
    RETURN NULL;
END $$;

-- -------------------------------------------------------------- transfers
--
-- Row by row, and none at all for posts, whose tallies their resolution moves.

DROP TRIGGER transfer_apply ON transfer;
DROP TRIGGER refund_apply ON transfer;
DROP TRIGGER correction_apply ON transfer;

CREATE FUNCTION transfer_post_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM hold_resolution WHERE hold_id = NEW.hold_id) THEN
        RAISE EXCEPTION 'hold % is not resolved', NEW.hold_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RAISE EXCEPTION 'a hold is posted by its resolution, not by a transfer' USING ERRCODE = 'RN006';
END $$;
CREATE TRIGGER transfer_post_guard BEFORE INSERT ON transfer
    FOR EACH ROW WHEN (NEW.hold_id IS NOT NULL AND pg_trigger_depth() = 0) EXECUTE FUNCTION transfer_post_guard();

CREATE OR REPLACE FUNCTION transfer_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    d account;
    c account;
    o transfer;
    fits boolean;
BEGIN
    SELECT * INTO d FROM account WHERE account_id = NEW.debit;
    SELECT * INTO c FROM account WHERE account_id = NEW.credit;
    IF d.account_id IS NULL OR c.account_id IS NULL THEN
        RAISE EXCEPTION 'there is no account number %', CASE WHEN d.account_id IS NULL THEN NEW.debit ELSE NEW.credit END
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF NEW.reverses IS NOT NULL THEN
        SELECT * INTO o FROM transfer WHERE transfer_id = NEW.reverses;
    END IF;
    fits := CASE NEW.code
        WHEN 'grant'    THEN d.name = 'system:issuance' AND c.kind <> 'peer'
        WHEN 'reward'   THEN d.name = 'system:issuance' AND c.kind = 'user'
        WHEN 'share'    THEN d.name = 'system:commons' AND c.kind IN ('user', 'project')
        WHEN 'charge'   THEN d.kind IN ('user', 'project') AND c.name = 'system:use'
        WHEN 'overage'  THEN d.kind IN ('user', 'project', 'peer')
                             AND (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use'))
        WHEN 'expire'   THEN d.kind IN ('user', 'project') AND c.name = 'system:expiry'
        WHEN 'transfer' THEN d.kind IN ('user', 'project') AND c.kind IN ('user', 'project')
        WHEN 'refund'   THEN NEW.debit = o.credit AND NEW.credit = o.debit
        WHEN 'correct'  THEN NEW.debit = o.credit AND NEW.credit = o.debit
                             AND o.code NOT IN ('charge', 'refund', 'correct')
        ELSE false END;
    IF fits IS NOT TRUE THEN
        RAISE EXCEPTION 'a % can''t go from % to %', NEW.code, d.name, c.name USING ERRCODE = 'RN005';
    END IF;
    IF c.kind <> 'system' AND c.account_id < d.account_id THEN
        UPDATE account SET credited = credited + NEW.amount WHERE account_id = c.account_id;
    END IF;
    IF d.kind <> 'system' THEN
        UPDATE account SET debited = debited + NEW.amount WHERE account_id = d.account_id;
    ELSIF NEW.code IN ('share', 'correct') AND d.name <> 'system:issuance' THEN
        -- Of the system's accounts only the issuance may sink below zero. What is paid
        -- out of the others is rare: one after the other, counted.
        PERFORM FROM account WHERE account_id = d.account_id FOR NO KEY UPDATE;
        IF system_balance(d.account_id) < 0 THEN
            RAISE EXCEPTION '% has only % tokens left', d.name,
                tokens_text(system_balance(d.account_id) + NEW.amount) USING ERRCODE = 'RN002';
        END IF;
    END IF;
    IF c.kind <> 'system' AND c.account_id > d.account_id THEN
        UPDATE account SET credited = credited + NEW.amount WHERE account_id = c.account_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_apply AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.code <> 'post') EXECUTE FUNCTION transfer_apply();

CREATE OR REPLACE FUNCTION refund_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE charge SET refunded = refunded + NEW.amount WHERE transfer_id = NEW.reverses;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % charges no job run: it can''t be refunded', NEW.reverses
            USING ERRCODE = 'RN003';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_apply AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.code = 'refund') EXECUTE FUNCTION refund_apply();

CREATE OR REPLACE FUNCTION correction_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM charge WHERE transfer_id = NEW.reverses) THEN
        RAISE EXCEPTION 'transfer % pays a job run: refund the run', NEW.reverses USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO correction (transfer_id, amount, corrected)
        SELECT transfer_id, amount, NEW.amount FROM transfer WHERE transfer_id = NEW.reverses
        ON CONFLICT (transfer_id) DO UPDATE SET corrected = correction.corrected + excluded.corrected;
    RETURN NULL;
END $$;
CREATE TRIGGER correction_apply AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.code = 'correct') EXECUTE FUNCTION correction_apply();

CREATE OR REPLACE FUNCTION charge_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.refunded <> 0 OR NOT EXISTS (
            SELECT FROM transfer t JOIN job_run r ON r.job_run_id = NEW.job_run_id
             WHERE t.transfer_id = NEW.transfer_id AND t.amount = NEW.amount
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

-- ------------------------------------------------------------- functions

CREATE OR REPLACE FUNCTION hold_create_until(p_hold uuid, p_debit bigint, p_credit bigint, p_amount bigint,
                                             p_purpose text, p_expires_at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
BEGIN
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000000000000 THEN
        PERFORM amount_check(p_amount);
    END IF;
    INSERT INTO hold (hold_id, debit, credit, amount, purpose, expires_at)
        VALUES (p_hold, p_debit, p_credit, p_amount, coalesce(p_purpose, ''), p_expires_at)
        ON CONFLICT (hold_id) DO NOTHING;
    IF FOUND THEN
        RETURN 'held';
    END IF;
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF (h.debit, h.credit, h.amount, h.expires_at)
       IS DISTINCT FROM (p_debit, p_credit, p_amount, p_expires_at) THEN
        RAISE EXCEPTION 'hold % exists already with other values', p_hold USING ERRCODE = 'RN001';
    END IF;
    RETURN 'exists';
END $$;

CREATE OR REPLACE FUNCTION hold_create(p_hold uuid, p_debit bigint, p_credit bigint, p_amount bigint,
                                       p_purpose text DEFAULT '') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF p_amount BETWEEN 1 AND 1000000000000000000 THEN
        INSERT INTO hold (hold_id, debit, credit, amount, purpose)
            VALUES (p_hold, p_debit, p_credit, p_amount, coalesce(p_purpose, ''))
            ON CONFLICT (hold_id) DO NOTHING;
        IF FOUND THEN
            RETURN 'held';
        END IF;
    END IF;
    RETURN hold_create_until(p_hold, p_debit, p_credit, p_amount, p_purpose, NULL);
END $$;

CREATE OR REPLACE FUNCTION hold_resolve(p_hold uuid, p_outcome text, p_posted bigint, p_idem uuid) RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
    r hold_resolution;
BEGIN
    INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
        SELECT p_hold, x.amount, p_outcome, p_posted, p_idem FROM hold x
         WHERE x.hold_id = p_hold AND p_posted BETWEEN 0 AND x.amount
        ON CONFLICT (hold_id) DO NOTHING;
    IF FOUND THEN
        RETURN p_outcome;
    END IF;
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'RN003';
    END IF;
    IF p_posted IS NULL OR p_posted NOT BETWEEN 0 AND h.amount THEN
        RAISE EXCEPTION 'hold % holds % tokens, % can''t be posted', p_hold, tokens_text(h.amount),
            tokens_text(p_posted) USING ERRCODE = 'RN005';
    END IF;
    SELECT * INTO r FROM hold_resolution WHERE hold_id = p_hold;
    IF (r.outcome, r.posted, r.idem) IS DISTINCT FROM (p_outcome, p_posted, p_idem) THEN
        RAISE EXCEPTION 'hold % is already % with % tokens', p_hold, r.outcome, tokens_text(r.posted)
            USING ERRCODE = 'RN001';
    END IF;
    RETURN 'exists';
END $$;

CREATE OR REPLACE FUNCTION hold_post(p_hold uuid, p_idem uuid, p_amount bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN hold_resolve(p_hold, 'posted', p_amount, p_idem);
END $$;

CREATE OR REPLACE FUNCTION hold_post_run(p_hold uuid, p_idem uuid, p_amount bigint, p_cluster text,
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
            SELECT run.job_run_id, transfer_id, amount FROM transfer WHERE idem = p_idem AND hold_id = p_hold;
    END IF;
    RETURN answer;
END $$;

CREATE FUNCTION hold_batch(p_holds uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[],
                           p_purpose text DEFAULT '') RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r record;
    n integer := cardinality(p_holds);
    answers smallint[] := array_fill(0::smallint, ARRAY[coalesce(n, 0)]);
    current bigint;
    left_over numeric;
BEGIN
    IF n IS NULL OR n > 10000 OR (n, n, n) IS DISTINCT FROM
       (cardinality(p_debits), cardinality(p_credits), cardinality(p_amounts))
       OR (SELECT bool_or(x IS NULL OR x NOT BETWEEN 1 AND 1000000000000000000) FROM unnest(p_amounts) x) THEN
        RAISE EXCEPTION 'a batch has at most 10000 holds, each with all its values' USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account WHERE account_id = ANY (p_debits) AND kind <> 'system' ORDER BY account_id FOR NO KEY UPDATE;
    INSERT INTO lot_settlement (account_id)
        SELECT account_id FROM account
         WHERE account_id = ANY (p_debits) AND next_lot_event <= clock_timestamp() ORDER BY account_id;
    -- Locked, so what is decided here is what the constraints will find.
    FOR r IN SELECT u.n, u.debit, u.amount, h.hold_id IS NOT NULL AS known,
                    (h.debit, h.credit, h.amount) IS NOT DISTINCT FROM (u.debit, u.credit, u.amount) AS same,
                    row_number() OVER (PARTITION BY u.hold_id ORDER BY u.n) > 1 AS twice,
                    (a.credited + a.credit_limit - a.debited - a.held)::numeric AS available
               FROM unnest(p_holds, p_debits, p_credits, p_amounts) WITH ORDINALITY
                    u (hold_id, debit, credit, amount, n)
               LEFT JOIN account a ON a.account_id = u.debit LEFT JOIN hold h ON h.hold_id = u.hold_id
              ORDER BY u.debit, u.n LOOP
        IF current IS DISTINCT FROM r.debit THEN
            current := r.debit;
            left_over := r.available;
        END IF;
        IF r.known THEN
            answers[r.n] := CASE WHEN r.same THEN 2 ELSE 3 END;
        ELSIF r.twice THEN
            RAISE EXCEPTION 'a hold stands twice in one batch' USING ERRCODE = 'RN005';
        ELSIF r.amount <= left_over THEN
            left_over := left_over - r.amount;
            answers[r.n] := 1;
        END IF;
    END LOOP;
    INSERT INTO hold (hold_id, debit, credit, amount, purpose)
        SELECT u.hold_id, u.debit, u.credit, u.amount, coalesce(p_purpose, '')
          FROM unnest(p_holds, p_debits, p_credits, p_amounts, answers) u (hold_id, debit, credit, amount, answer)
         WHERE u.answer = 1;
    RETURN answers;
END $$;

CREATE FUNCTION post_batch(p_holds uuid[], p_idems uuid[], p_amounts bigint[]) RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    n integer := cardinality(p_holds);
    answers smallint[];
BEGIN
    IF n IS NULL OR n > 10000 OR (n, n) IS DISTINCT FROM (cardinality(p_idems), cardinality(p_amounts)) THEN
        RAISE EXCEPTION 'a batch has at most 10000 posts, each with all its values' USING ERRCODE = 'RN005';
    END IF;
    -- Whoever resolves one of these at the same time holds its accounts first, too.
    PERFORM FROM account WHERE kind <> 'system' AND account_id IN (
        SELECT unnest(ARRAY[h.debit, h.credit]) FROM unnest(p_holds) u (hold_id) JOIN hold h USING (hold_id))
      ORDER BY account_id FOR NO KEY UPDATE;
    WITH fresh AS (
        SELECT array_agg(CASE
                   WHEN h.hold_id IS NULL THEN 0
                   WHEN r.hold_id IS NULL AND u.amount BETWEEN 0 AND h.amount THEN 1
                   WHEN (r.outcome, r.posted, r.idem) IS NOT DISTINCT FROM ('posted', u.amount, u.idem) THEN 2
                   ELSE 3 END::smallint ORDER BY u.n) AS list
          FROM unnest(p_holds, p_idems, p_amounts) WITH ORDINALITY u (hold_id, idem, amount, n)
          LEFT JOIN hold h ON h.hold_id = u.hold_id LEFT JOIN hold_resolution r ON r.hold_id = u.hold_id)
    SELECT list INTO answers FROM fresh;
    INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
        SELECT u.hold_id, h.amount, 'posted', u.amount, u.idem
          FROM unnest(p_holds, p_idems, p_amounts, answers) u (hold_id, idem, amount, answer)
          JOIN hold h ON h.hold_id = u.hold_id
         WHERE u.answer = 1;
    RETURN coalesce(answers, '{}');
END $$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    hold_batch(uuid[], bigint[], bigint[], bigint[], text), post_batch(uuid[], uuid[], bigint[])
    TO rain, "rain-gw";
