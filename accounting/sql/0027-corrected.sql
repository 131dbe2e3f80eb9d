-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A post that was corrected can't be made a run's charge afterwards: its refunds
-- would be counted apart from its corrections, and together could exceed it.

SET LOCAL search_path = ledger, pg_temp;

CREATE OR REPLACE FUNCTION charge_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- The row is the lock that a correction of the same transfer waits for.
        PERFORM FROM transfer WHERE transfer_id = NEW.transfer_id FOR NO KEY UPDATE;
        IF NEW.refunded <> 0 OR NOT EXISTS (
            SELECT FROM transfer t JOIN job_run r ON r.job_run_id = NEW.job_run_id
             WHERE t.transfer_id = NEW.transfer_id AND t.amount = NEW.amount
               AND (t.code = 'charge' AND r.hold_id IS NULL AND r.price = t.amount + r.unpaid
                    OR t.code = 'post' AND r.hold_id = t.hold_id)) THEN
            RAISE EXCEPTION 'transfer % doesn''t pay run %', NEW.transfer_id, NEW.job_run_id
                USING ERRCODE = 'RN005';
        END IF;
        IF EXISTS (SELECT FROM correction c WHERE c.transfer_id = NEW.transfer_id) THEN
            RAISE EXCEPTION 'transfer % was corrected and can''t pay run %', NEW.transfer_id, NEW.job_run_id
                USING ERRCODE = 'RN005';
        END IF;
    ELSIF (NEW.job_run_id, NEW.transfer_id, NEW.amount)
             IS DISTINCT FROM (OLD.job_run_id, OLD.transfer_id, OLD.amount) OR pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the charge of run % can only be refunded', OLD.job_run_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION correction_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM transfer WHERE transfer_id = NEW.reverses FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM charge WHERE transfer_id = NEW.reverses) THEN
        RAISE EXCEPTION 'transfer % pays a job run: refund the run', NEW.reverses USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO correction (transfer_id, amount, corrected)
        SELECT transfer_id, amount, NEW.amount FROM transfer WHERE transfer_id = NEW.reverses
        ON CONFLICT (transfer_id) DO UPDATE SET corrected = correction.corrected + excluded.corrected;
    RETURN NULL;
END $$;
