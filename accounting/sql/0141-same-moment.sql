-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A quote that is asked for again while it is being made, and a refund whose key another
-- kind of call takes in this very moment, were refused with 23505. Now, as all other calls
-- do, they look again. (Signatures as before.)

SET LOCAL search_path = ledger, pg_temp;

CREATE OR REPLACE FUNCTION quote_make(p_quote uuid, p_cluster text, p_partition text, p_qos text, p_units jsonb,
                                      p_ms bigint, p_expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    pinned bigint[] := rates_for(p_cluster, p_partition, p_qos, p_units, clock_timestamp());
    q quote;
BEGIN
    SELECT * INTO q FROM quote WHERE quote_id = p_quote;
    IF NOT FOUND THEN
        INSERT INTO quote (quote_id, cluster, partition, qos, units, ms, rates, amount, expires_at)
            VALUES (p_quote, p_cluster, p_partition, p_qos, p_units, p_ms, pinned,
                    rates_price(pinned, p_units, p_ms), p_expires_at)
            ON CONFLICT (quote_id) DO NOTHING RETURNING * INTO q;
        IF FOUND THEN
            RETURN q.amount;
        END IF;
        SELECT * INTO STRICT q FROM quote WHERE quote_id = p_quote;
    END IF;
    IF (q.cluster, q.partition, q.qos, q.units, q.ms)
       IS DISTINCT FROM (p_cluster, p_partition, p_qos, p_units, p_ms) THEN
        RAISE EXCEPTION 'quote % exists already with other values', p_quote USING ERRCODE = 'RN001';
    END IF;
    RETURN q.amount;
END $$;

CREATE OR REPLACE FUNCTION charge_refund(p_run bigint, p_amount bigint, p_reason text, p_idem uuid,
                                         p_actor text DEFAULT '') RETURNS text
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
        ON CONFLICT (idem) DO NOTHING RETURNING transfer_id INTO back;
    IF back IS NULL THEN
        RETURN CASE WHEN transfer_again(p_idem, 'refund', o.credit, o.debit, p_amount, o.transfer_id) THEN 'exists' END;
    END IF;
    PERFORM lots_give_back(o.transfer_id, back, p_amount, c.refunded);
    RETURN 'refunded';
END $$;
