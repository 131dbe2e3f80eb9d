-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The rules for a row of the busy tables, each table's in one function.
--
-- PostgreSQL reads the text of every CHECK, and of every trigger's WHEN, anew for each
-- statement, and plans it: three quarters of an UPDATE of one account went into that. A
-- function is compiled once for a session. So a busy table has one CHECK that hands the
-- whole row to one function. The rules are what they were; a broken one is still named,
-- as the constraint of an error with SQLSTATE 23514.
--
-- Nothing changes for callers.

SET LOCAL search_path = ledger, pg_temp;

-- What a rule's function answers: true, or the error. NULL names no rule.
CREATE FUNCTION row_sound(p_table text, p_broken text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_broken IS NULL THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'new row for relation "%" violates check constraint "%"', p_table, p_broken
        USING ERRCODE = 'check_violation', SCHEMA = 'ledger', TABLE = p_table, CONSTRAINT = p_broken;
END $$;

-- --------------------------------------------------------------- accounts

CREATE FUNCTION account_sound(r account) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF r.credited BETWEEN 0 AND 4000000000000000000 AND r.debited BETWEEN 0 AND 4000000000000000000
       AND r.held BETWEEN 0 AND 4000000000000000000 AND r.credit_limit BETWEEN 0 AND 1000000000000000000
       AND r.lots_debited BETWEEN 0 AND r.debited
       AND (CASE WHEN r.kind = 'system' THEN r.credited + r.debited + r.held + r.credit_limit = 0
                ELSE r.debited + r.held <= r.credited + r.credit_limit END) THEN
        RETURN true;
    END IF;
    RETURN ledger.row_sound('account', CASE
        WHEN r.credited NOT BETWEEN 0 AND 4000000000000000000 THEN 'account_credited_check'
        WHEN r.debited NOT BETWEEN 0 AND 4000000000000000000 THEN 'account_debited_check'
        WHEN r.held NOT BETWEEN 0 AND 4000000000000000000 THEN 'account_held_check'
        WHEN r.credit_limit NOT BETWEEN 0 AND 1000000000000000000 THEN 'account_credit_limit_check'
        WHEN r.lots_debited NOT BETWEEN 0 AND r.debited THEN 'lots_follow_debits'
        WHEN r.kind <> 'system' THEN 'no_overdraft'
        WHEN r.credit_limit <> 0 THEN 'system_has_no_credit'
        ELSE 'system_has_no_tally' END);
END $$;

ALTER TABLE account
    DROP CONSTRAINT account_credited_check, DROP CONSTRAINT account_debited_check,
    DROP CONSTRAINT account_held_check, DROP CONSTRAINT account_credit_limit_check,
    DROP CONSTRAINT lots_follow_debits, DROP CONSTRAINT system_has_no_credit,
    DROP CONSTRAINT system_has_no_tally, DROP CONSTRAINT no_overdraft,
    DROP CONSTRAINT account_name_fits_kind, -- asked when the name is given: it never changes
    ADD CONSTRAINT account_is_sound CHECK (account_sound(account));

DROP TRIGGER account_begin ON account;
DROP TRIGGER account_name ON account;
DROP TRIGGER account_tally ON account;
DROP TRIGGER account_limit ON account;
DROP TRIGGER account_overdraft ON account;
DROP FUNCTION account_guard();

CREATE FUNCTION account_begin() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF (NEW.credited, NEW.debited, NEW.held, NEW.lots_debited, NEW.next_lot_event)
       IS DISTINCT FROM (0::bigint, 0::bigint, 0::bigint, 0::bigint, 'infinity'::timestamptz) THEN
        RAISE EXCEPTION 'account % must begin empty', NEW.name USING ERRCODE = 'RN006';
    END IF;
    PERFORM row_sound('account', CASE WHEN NOT CASE NEW.kind
            WHEN 'user'    THEN NEW.name ~ '^user:[^:[:space:][:cntrl:]]{1,64}$'
            WHEN 'project' THEN NEW.name ~ '^project:[^:[:space:][:cntrl:]]{1,64}$'
            WHEN 'peer'    THEN NEW.name ~ '^peer:[a-z][a-z0-9-]{0,15}$'
            WHEN 'system'  THEN NEW.name IN ('system:issuance', 'system:commons', 'system:use', 'system:expiry')
            ELSE false
        END THEN 'account_name_fits_kind' END);
    IF NEW.kind <> 'peer' AND NEW.credit_limit <> 0 THEN
        RAISE EXCEPTION 'account % must begin without credit', NEW.name USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_begin BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION account_begin();

-- pg_trigger_depth() is 1 here for a statement of somebody's own, more for a trigger's.
CREATE FUNCTION account_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.account_id = OLD.account_id AND NEW.kind = OLD.kind AND NEW.name = OLD.name
       AND NEW.created_at = OLD.created_at
       AND (pg_trigger_depth() > 1
            OR (NEW.credited = OLD.credited AND NEW.debited = OLD.debited AND NEW.held = OLD.held
                AND NEW.next_lot_event = OLD.next_lot_event AND NEW.lots_debited = OLD.lots_debited
                AND NEW.credit_limit = OLD.credit_limit))
       AND (NEW.kind = 'system' OR NEW.debited + NEW.held <= NEW.credited + NEW.credit_limit) THEN
        RETURN NEW;
    END IF;
    IF (NEW.account_id, NEW.kind, NEW.name, NEW.created_at)
       IS DISTINCT FROM (OLD.account_id, OLD.kind, OLD.name, OLD.created_at) THEN
        RAISE EXCEPTION 'account % keeps its name, kind and number', OLD.name USING ERRCODE = 'RN006';
    ELSIF pg_trigger_depth() = 1 AND NEW.credit_limit <> OLD.credit_limit THEN
        RAISE EXCEPTION 'the credit limit of % is set by account_limit_set, which writes it down', OLD.name
            USING ERRCODE = 'check_violation';
    ELSIF pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'the tallies of % follow from transfers and holds and can''t be set', OLD.name
            USING ERRCODE = 'RN006';
    END IF;
    -- Same rule as no_overdraft, said for people.
    RAISE EXCEPTION '% has % tokens available, but % are needed', OLD.name,
        ledger.tokens_text(OLD.credited + OLD.credit_limit - OLD.debited - OLD.held),
        ledger.tokens_text(NEW.debited + NEW.held - OLD.debited - OLD.held)
        USING ERRCODE = 'RN002';
END $$;
CREATE TRIGGER account_guard BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION account_guard();

-- ------------------------------------------------------------------ holds

CREATE FUNCTION hold_sound(r hold) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF r.amount > 0 AND r.debit <> r.credit AND length(r.purpose) <= 200 THEN
        RETURN true;
    END IF;
    RETURN ledger.row_sound('hold', CASE
        WHEN r.amount <= 0 THEN 'hold_amount_check'
        WHEN r.debit = r.credit THEN 'hold_check'
        ELSE 'hold_purpose_check' END);
END $$;
ALTER TABLE hold
    DROP CONSTRAINT hold_amount_check, DROP CONSTRAINT hold_check, DROP CONSTRAINT hold_purpose_check,
    ADD CONSTRAINT hold_is_sound CHECK (hold_sound(hold));

CREATE FUNCTION hold_resolution_sound(r hold_resolution) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF r.posted BETWEEN 0 AND r.held
       AND (CASE r.outcome
               WHEN 'posted'  THEN r.idem IS NOT NULL AND r.evidence IS NULL
               WHEN 'voided'  THEN r.idem IS NULL AND r.evidence IS NULL AND r.posted = 0
               WHEN 'expired' THEN r.idem IS NULL AND length(r.evidence) BETWEEN 1 AND 500 AND r.posted = 0
           END) THEN
        RETURN true;
    END IF;
    RETURN ledger.row_sound('hold_resolution', CASE
        WHEN r.posted NOT BETWEEN 0 AND r.held THEN 'posts_at_most_what_was_held'
        WHEN r.outcome NOT IN ('posted', 'voided', 'expired') THEN 'hold_resolution_outcome_check'
        WHEN (r.outcome = 'posted') <> (r.idem IS NOT NULL) THEN 'only_a_post_has_a_transfer'
        WHEN r.outcome <> 'posted' AND r.posted > 0 THEN 'only_a_post_has_an_amount'
        ELSE 'expires_on_evidence' END);
END $$;
ALTER TABLE hold_resolution
    DROP CONSTRAINT hold_resolution_outcome_check, DROP CONSTRAINT posts_at_most_what_was_held,
    DROP CONSTRAINT hold_resolution_check, DROP CONSTRAINT hold_resolution_check1,
    DROP CONSTRAINT hold_resolution_evidence_check, DROP CONSTRAINT expires_on_evidence,
    ADD CONSTRAINT hold_resolution_is_sound CHECK (hold_resolution_sound(hold_resolution));

-- -------------------------------------------------------------- transfers

CREATE FUNCTION transfer_sound(r transfer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF r.amount > 0 AND r.debit <> r.credit AND length(r.reason) <= 200 AND length(r.actor) <= 80
       AND (CASE r.code
               WHEN 'post'    THEN r.hold_id IS NOT NULL AND r.reverses IS NULL
               WHEN 'charge'  THEN r.hold_id IS NULL AND r.reverses IS NULL
               WHEN 'refund'  THEN r.hold_id IS NULL AND r.reverses IS NOT NULL
               WHEN 'correct' THEN r.hold_id IS NULL AND r.reverses IS NOT NULL
               ELSE r.code IN ('grant', 'transfer', 'expire', 'overage', 'reward', 'share')
                    AND r.hold_id IS NULL AND r.reverses IS NULL
           END) THEN
        RETURN true;
    END IF;
    RETURN ledger.row_sound('transfer', CASE
        WHEN r.amount <= 0 THEN 'transfer_amount_check'
        WHEN r.debit = r.credit THEN 'a_transfer_needs_two_accounts'
        WHEN length(r.reason) > 200 THEN 'transfer_reason_check'
        WHEN length(r.actor) > 80 THEN 'transfer_actor_check'
        WHEN (r.code = 'post') <> (r.hold_id IS NOT NULL) THEN 'only_a_post_has_a_hold'
        WHEN (r.code IN ('refund', 'correct')) <> (r.reverses IS NOT NULL) THEN 'transfer_reverses_check'
        ELSE 'transfer_code_check' END);
END $$;
ALTER TABLE transfer
    DROP CONSTRAINT transfer_amount_check, DROP CONSTRAINT transfer_check, DROP CONSTRAINT transfer_reason_check,
    DROP CONSTRAINT transfer_actor_check, DROP CONSTRAINT transfer_check1,
    DROP CONSTRAINT transfer_reverses_check, DROP CONSTRAINT transfer_code_check,
    ADD CONSTRAINT transfer_is_sound CHECK (transfer_sound(transfer));
