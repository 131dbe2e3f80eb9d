-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A grant with dates that is repeated while it is being made, and a batch of holds of which
-- somebody else makes one at this very moment, were refused with 23505, which no caller
-- knows. Now they are looked at again, and find what was made first. (Signatures as before.)

SET LOCAL search_path = ledger, pg_temp;

ALTER FUNCTION hold_batch(uuid[], bigint[], bigint[], bigint[], text) RENAME TO hold_batch_try;
REVOKE EXECUTE ON FUNCTION hold_batch_try(uuid[], bigint[], bigint[], bigint[], text) FROM rain, "rain-gw";
ALTER FUNCTION grant_lot(text, bigint, timestamptz, timestamptz, text, text, uuid) RENAME TO grant_lot_try;
REVOKE EXECUTE ON FUNCTION grant_lot_try(text, bigint, timestamptz, timestamptz, text, text, uuid) FROM rain;

CREATE FUNCTION hold_batch(p_holds uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[],
                           p_purpose text DEFAULT '') RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN hold_batch_try(p_holds, p_debits, p_credits, p_amounts, p_purpose);
EXCEPTION WHEN unique_violation THEN
    -- Who was first has committed.
    RETURN hold_batch_try(p_holds, p_debits, p_credits, p_amounts, p_purpose);
END $$;

CREATE FUNCTION grant_lot(p_account text, p_amount bigint, p_starts_at timestamptz, p_expires_at timestamptz,
                          p_reason text, p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN grant_lot_try(p_account, p_amount, p_starts_at, p_expires_at, p_reason, p_actor, p_idem);
EXCEPTION WHEN unique_violation THEN
    RETURN grant_lot_try(p_account, p_amount, p_starts_at, p_expires_at, p_reason, p_actor, p_idem);
END $$;

GRANT EXECUTE ON FUNCTION hold_batch(uuid[], bigint[], bigint[], bigint[], text) TO rain, "rain-gw";
GRANT EXECUTE ON FUNCTION grant_lot(text, bigint, timestamptz, timestamptz, text, text, uuid) TO rain;
