-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Who refunds is written down, as who transfers, corrects, sets limits and rates is.
--
-- Functions for callers:
--   charge_refund(run, amount, reason, idem, actor '') -> 'refunded' | 'exists', as before

SET LOCAL search_path = ledger, pg_temp;

DROP FUNCTION charge_refund(bigint, bigint, text, uuid);

CREATE FUNCTION charge_refund(p_run bigint, p_amount bigint, p_reason text, p_idem uuid, p_actor text DEFAULT '')
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    c charge;
    o transfer;
    back bigint;
BEGIN
    SELECT * INTO c FROM charge WHERE job_run_id = p_run FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % has no charge to refund', p_run USING ERRCODE = 'RN003';
    END IF;
    SELECT * INTO STRICT o FROM transfer WHERE transfer_id = c.transfer_id;
    IF transfer_again(p_idem, 'refund', o.credit, o.debit, p_amount, o.transfer_id) THEN
        RETURN 'exists';
    END IF;
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND c.amount - c.refunded THEN
        RAISE EXCEPTION 'run % was charged % tokens, of which % are refunded: % more can''t be', p_run,
            tokens_text(c.amount), tokens_text(c.refunded), tokens_text(p_amount) USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account WHERE account_id IN (o.debit, o.credit) AND kind <> 'system'
      ORDER BY account_id FOR NO KEY UPDATE;
    PERFORM lots_settle(o.debit);
    INSERT INTO transfer (idem, code, debit, credit, amount, reverses, reason, actor)
        VALUES (p_idem, 'refund', o.credit, o.debit, p_amount, o.transfer_id, coalesce(p_reason, ''),
                coalesce(p_actor, ''))
        RETURNING transfer_id INTO STRICT back;
    PERFORM lots_give_back(o.transfer_id, back, p_amount, c.refunded);
    RETURN 'refunded';
END $$;

GRANT EXECUTE ON FUNCTION charge_refund(bigint, bigint, text, uuid, text) TO rain;
