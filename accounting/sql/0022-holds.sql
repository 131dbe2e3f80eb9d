-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Holds with a deadline, and what a job used beyond its hold.
--
-- A hold without a deadline stays until it is posted or voided: its owner has a
-- state machine of its own. One with a deadline expires when the deadline is over
-- *and* the caller has asked the scheduler and found that it knows no such job; what
-- it found is written down. Neither is enough alone.
--
-- Functions for callers:
--   hold_create_until(hold, debit, credit, amount, purpose, expires_at)
--        -> 'held' | 'exists'
--   hold_extend(hold, expires_at)    -> 'extended' | 'exists'; only to a later time
--   hold_expire(hold, evidence)      -> 'expired' | 'exists'; evidence: a sentence, "job
--        17 of alpha is unknown to squeue and sacct"; RN007 before the deadline
--   holds(account, due)              -> rows (hold_id, debit, credit, amount, purpose,
--        created_at, expires_at), open ones; account NULL: all; due: only those whose
--        deadline is over
--   hold_post_over(hold, idem, amount) -> one row (posted, over, unpaid).  Posts a
--        job that may have outrun its hold: the hold as far as it goes, then, as a
--        transfer of its own, what the account still has, its credit included. The
--        rest stays unpaid. The same again answers the same.
--
--   RN007  the hold is not due

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE hold ADD COLUMN expires_at timestamptz;
CREATE INDEX hold_expires ON hold (expires_at) WHERE expires_at IS NOT NULL;

ALTER TABLE hold_resolution
    ADD COLUMN evidence text CHECK (length(evidence) BETWEEN 1 AND 500),
    DROP CONSTRAINT hold_resolution_outcome_check,
    ADD CONSTRAINT hold_resolution_outcome_check CHECK (outcome IN ('posted', 'voided', 'expired')),
    ADD CONSTRAINT expires_on_evidence CHECK ((outcome = 'expired') = (evidence IS NOT NULL));

CREATE TABLE hold_extension (
    hold_id     uuid NOT NULL REFERENCES hold,
    expires_at  timestamptz NOT NULL,
    extended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hold_id, expires_at)
);

-- NULL: none.
CREATE FUNCTION hold_deadline(p_hold uuid) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT max(d) FROM (SELECT expires_at AS d FROM hold WHERE hold_id = p_hold
                        UNION ALL
                        SELECT expires_at FROM hold_extension WHERE hold_id = p_hold) deadlines
$$;

-- ---------------------------------------------------------------- guards

CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON hold_extension FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON hold_extension EXECUTE FUNCTION frozen();

CREATE FUNCTION hold_extension_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    -- The hold's row is the lock that its expiry takes as well.
    PERFORM FROM hold WHERE hold_id = NEW.hold_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM hold_resolution WHERE hold_id = NEW.hold_id) THEN
        RAISE EXCEPTION 'hold % is resolved', NEW.hold_id USING ERRCODE = 'RN001';
    END IF;
    IF NEW.expires_at <= hold_deadline(NEW.hold_id) THEN
        RAISE EXCEPTION 'a deadline can only move to a later time' USING ERRCODE = 'RN005';
    END IF;
    IF hold_deadline(NEW.hold_id) IS NULL THEN
        RAISE EXCEPTION 'hold % has no deadline', NEW.hold_id USING ERRCODE = 'RN005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_extension_guard BEFORE INSERT ON hold_extension
    FOR EACH ROW EXECUTE FUNCTION hold_extension_guard();

CREATE FUNCTION hold_expiry_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM hold WHERE hold_id = NEW.hold_id FOR NO KEY UPDATE;
    IF coalesce(hold_deadline(NEW.hold_id), 'infinity') > clock_timestamp() THEN
        RAISE EXCEPTION 'hold % is not due', NEW.hold_id USING ERRCODE = 'RN007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_expiry_guard BEFORE INSERT ON hold_resolution
    FOR EACH ROW WHEN (NEW.outcome = 'expired') EXECUTE FUNCTION hold_expiry_guard();

-- ------------------------------------------------------------- functions

CREATE FUNCTION hold_create_until(p_hold uuid, p_debit bigint, p_credit bigint, p_amount bigint, p_purpose text,
                                  p_expires_at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
BEGIN
    PERFORM amount_check(p_amount);
    PERFORM lots_due(p_debit);
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
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT hold_create_until(p_hold, p_debit, p_credit, p_amount, p_purpose, NULL) $$;

CREATE FUNCTION hold_extend(p_hold uuid, p_expires_at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM hold WHERE hold_id = p_hold) THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'RN003';
    END IF;
    IF hold_deadline(p_hold) = p_expires_at THEN
        RETURN 'exists';
    END IF;
    INSERT INTO hold_extension (hold_id, expires_at) VALUES (p_hold, p_expires_at);
    RETURN 'extended';
END $$;

CREATE FUNCTION hold_expire(p_hold uuid, p_evidence text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
    r hold_resolution;
BEGIN
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'RN003';
    END IF;
    SELECT * INTO r FROM hold_resolution WHERE hold_id = p_hold;
    IF FOUND THEN
        IF r.outcome <> 'expired' THEN
            RAISE EXCEPTION 'hold % is already % with % tokens', p_hold, r.outcome, tokens_text(r.posted)
                USING ERRCODE = 'RN001';
        END IF;
        RETURN 'exists';
    END IF;
    IF coalesce(p_evidence, '') = '' THEN
        RAISE EXCEPTION 'a hold expires only when the scheduler was asked and knows no such job: say so'
            USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO hold_resolution (hold_id, held, outcome, posted, evidence)
        VALUES (p_hold, h.amount, 'expired', 0, p_evidence);
    RETURN 'expired';
END $$;

CREATE FUNCTION holds(p_account text DEFAULT NULL, p_due boolean DEFAULT false)
RETURNS TABLE (hold_id uuid, debit text, credit text, amount bigint, purpose text, created_at timestamptz,
               expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT h.hold_id, d.name, c.name, h.amount, h.purpose, h.created_at, hold_deadline(h.hold_id)
      FROM hold h JOIN account d ON d.account_id = h.debit JOIN account c ON c.account_id = h.credit
     WHERE NOT EXISTS (SELECT FROM hold_resolution r WHERE r.hold_id = h.hold_id)
       AND (p_account IS NULL OR h.debit = account_id(p_account))
       AND (NOT p_due OR (h.expires_at <= clock_timestamp() AND hold_deadline(h.hold_id) <= clock_timestamp()))
     ORDER BY h.created_at, h.hold_id
$$;

CREATE FUNCTION hold_post_over(p_hold uuid, p_idem uuid, p_amount bigint)
RETURNS TABLE (posted bigint, over bigint, unpaid bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    h hold;
    a account;
    over_idem uuid := md5('overage of hold ' || p_hold)::uuid;
    beyond bigint;
BEGIN
    IF p_amount IS NULL OR p_amount NOT BETWEEN 0 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the amount % is not between 0 and 10^18 micro-tokens', p_amount USING ERRCODE = 'RN005';
    END IF;
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'RN003';
    END IF;
    IF hold_resolve(p_hold, 'posted', least(p_amount, h.amount), p_idem) = 'posted' AND p_amount > h.amount THEN
        PERFORM lots_due(h.debit);
        SELECT * INTO STRICT a FROM account WHERE account_id = h.debit FOR NO KEY UPDATE;
        beyond := least(p_amount - h.amount, a.credited + a.credit_limit - a.debited - a.held);
        IF beyond > 0 THEN
            INSERT INTO transfer (idem, code, debit, credit, amount, reason)
                VALUES (over_idem, 'overage', h.debit, h.credit, beyond, h.purpose);
        END IF;
    END IF;
    RETURN QUERY SELECT least(p_amount, h.amount), coalesce(t.amount, 0),
                        p_amount - least(p_amount, h.amount) - coalesce(t.amount, 0)
                   FROM (SELECT) one LEFT JOIN transfer t ON t.idem = over_idem;
END $$;

-- ------------------------------------------------------------ invariants
--
-- check_invariants() is the sum of what each part of the ledger promises.

ALTER FUNCTION check_invariants() RENAME TO check_base;
REVOKE EXECUTE ON FUNCTION check_base() FROM rain;
CREATE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_base()
    UNION ALL SELECT * FROM check_lots()
    UNION ALL
    SELECT 'what is corrected is the corrections', c.transfer_id::text, coalesce(sum(t.amount), 0), c.corrected
      FROM correction c LEFT JOIN transfer t ON t.reverses = c.transfer_id AND t.code = 'correct'
     GROUP BY c.transfer_id, c.corrected HAVING coalesce(sum(t.amount), 0) <> c.corrected
    UNION ALL
    SELECT 'a limit is the last that was set', a.name, l.credit_limit, a.credit_limit
      FROM account a
      JOIN LATERAL (SELECT credit_limit FROM account_limit WHERE account_id = a.account_id
                     ORDER BY change_id DESC LIMIT 1) l ON l.credit_limit <> a.credit_limit
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION check_invariants(), holds(text, boolean) TO rain;
GRANT EXECUTE ON FUNCTION
    hold_create_until(uuid, bigint, bigint, bigint, text, timestamptz), hold_extend(uuid, timestamptz),
    hold_expire(uuid, text), holds(text, boolean), hold_post_over(uuid, uuid, bigint)
    TO "rain-gw";
