-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A grant for a later day has its key in its lot only, until that day. The same key could
-- pay at once too, when the grant was repeated without its dates, or came for a transfer,
-- correction or refund. Now these are refused with RN001, and so is a grant with dates that
-- has the key of one of them. Who looks for a key that way shares a lock that a grant with
-- dates, which is rare, has alone: else neither would see the other in the same moment. It
-- is taken before accounts are locked.
--
-- Who grants is written down, with dates or without.
--
-- Functions for callers:
--   grant_tokens(account, amount, reason, idem, actor '') -> 'granted' | 'exists', as before
-- Other signatures stay as they were.

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION grant_keys_share() RETURNS void
LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock_shared(hashtext('keys of grants with dates')) $$;

CREATE FUNCTION grant_keys_alone() RETURNS void
LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock(hashtext('keys of grants with dates')) $$;

-- Refuses the key of a grant that has not begun.
CREATE FUNCTION grant_key_check(p_idem uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.lot WHERE idem = p_idem AND transfer_id IS NULL) THEN
        RAISE EXCEPTION 'grant % for a later day exists already', p_idem USING ERRCODE = 'RN001';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION transfer_again(p_idem uuid, p_code text, p_debit bigint, p_credit bigint, p_amount bigint,
                                          p_reverses bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    t transfer;
BEGIN
    PERFORM grant_keys_share();
    SELECT * INTO t FROM transfer WHERE idem = p_idem;
    IF NOT FOUND THEN
        PERFORM grant_key_check(p_idem);
        RETURN false;
    END IF;
    IF (t.code, t.debit, t.credit, t.amount, t.reverses)
       IS DISTINCT FROM (p_code, p_debit, p_credit, p_amount, p_reverses) THEN
        RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
    END IF;
    RETURN true;
END $$;

DROP FUNCTION grant_tokens(bigint, bigint, text, uuid);

CREATE FUNCTION grant_tokens(p_account bigint, p_amount bigint, p_reason text, p_idem uuid, p_actor text DEFAULT '')
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    t transfer;
BEGIN
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the amount % is not between 1 and 10^18 micro-tokens', p_amount
            USING ERRCODE = 'RN005';
    END IF;
    IF p_account = account_id('system:issuance') THEN
        RAISE EXCEPTION 'tokens are granted out of system:issuance, not to it' USING ERRCODE = 'RN005';
    END IF;
    PERFORM grant_keys_share();
    PERFORM grant_key_check(p_idem);
    INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
        VALUES (p_idem, 'grant', account_id('system:issuance'), p_account, p_amount, coalesce(p_reason, ''),
                coalesce(p_actor, ''))
        ON CONFLICT (idem) DO NOTHING;
    IF FOUND THEN
        RETURN 'granted';
    END IF;
    SELECT * INTO t FROM transfer WHERE idem = p_idem;
    IF (t.code, t.credit, t.amount) IS DISTINCT FROM ('grant', p_account, p_amount) THEN
        RAISE EXCEPTION 'transfer % exists already with another amount or account', p_idem
            USING ERRCODE = 'RN001';
    END IF;
    RETURN 'exists';
END $$;

CREATE OR REPLACE FUNCTION grant_lot(p_account text, p_amount bigint, p_starts_at timestamptz, p_expires_at timestamptz,
                                     p_reason text, p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM amount_check(p_amount);
    PERFORM grant_keys_alone();
    IF EXISTS (SELECT FROM transfer WHERE idem = p_idem AND code IN ('grant', 'transfer', 'correct', 'refund'))
       AND NOT EXISTS (SELECT FROM lot WHERE idem = p_idem) THEN
        RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
    END IF;
    RETURN grant_lot_try(p_account, p_amount, p_starts_at, p_expires_at, p_reason, p_actor, p_idem);
EXCEPTION WHEN unique_violation THEN -- of a post, which doesn't share the lock
    RETURN grant_lot_try(p_account, p_amount, p_starts_at, p_expires_at, p_reason, p_actor, p_idem);
END $$;

-- As they were (0101-group-once.sql), but for the actor of a grant and the lock.

CREATE OR REPLACE FUNCTION group_call(p_call text, p_hold uuid, p_key uuid, p_from text, p_to text, p_debit bigint,
                                      p_credit bigint, p_amount bigint, p_text text, p_until bigint, p_actor text)
RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF p_call = 'hold' THEN
        RETURN hold_create_until(p_hold, coalesce(p_debit, account_id(p_from)), coalesce(p_credit, account_id(p_to)),
                                 p_amount, p_text, to_timestamp(p_until));
    ELSIF p_call = 'post' THEN
        RETURN hold_resolve(p_hold, 'posted', p_amount, p_key);
    ELSIF p_call = 'void' THEN
        RETURN hold_void(p_hold);
    ELSIF p_call = 'extend' THEN
        RETURN hold_extend(p_hold, to_timestamp(p_until));
    ELSIF p_call = 'foreign' THEN
        RAISE EXCEPTION 'what peers owe is moved by receipts only' USING ERRCODE = 'RN005';
    ELSIF (p_call IN ('transfer', 'grant')) IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no call "%"', p_call USING ERRCODE = 'RN005';
    END IF;
    IF p_to LIKE 'user:%' THEN
        PERFORM account_ensure_user(substr(p_to, 6));
    END IF;
    IF p_call = 'grant' THEN
        RETURN grant_tokens(account_id(p_to), p_amount, p_text, p_key, p_actor);
    END IF;
    RETURN transfer_tokens(p_from, p_to, p_amount, p_text, p_actor, p_key);
END $$;

CREATE OR REPLACE FUNCTION group_write_all(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    PERFORM grant_keys_share();
    RETURN group_run(p_calls, true);
END $$;

CREATE OR REPLACE FUNCTION group_calls(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    PERFORM grant_keys_share();
    RETURN group_run(p_calls, false);
END $$;

GRANT EXECUTE ON FUNCTION grant_tokens(bigint, bigint, text, uuid, text) TO rain;
