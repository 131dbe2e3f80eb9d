-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A key that two use in the same moment. Who asks again because an answer was late may do so
-- while the first is still at work. Then the second waited for it, and was told of a
-- violated constraint instead of "exists". Now the row itself asks: who finds it taken looks
-- again, and answers what would have been answered a moment later.
--
-- An account's name is found by its index, in sessions too that planned when there were few.
--
-- Signatures stay as they were (0085-give-back.sql).

SET LOCAL search_path = ledger, pg_temp;

CREATE OR REPLACE FUNCTION transfer_tokens(p_debit text, p_credit text, p_amount bigint, p_reason text,
                                           p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    d bigint := account_id(p_debit);
    c bigint := account_id(p_credit);
    t bigint;
BEGIN
    PERFORM amount_check(p_amount);
    IF d = c THEN
        RAISE EXCEPTION 'a transfer needs two accounts' USING ERRCODE = 'RN005';
    END IF;
    IF transfer_again(p_idem, 'transfer', d, c, p_amount) THEN
        RETURN 'exists';
    END IF;
    PERFORM FROM account WHERE account_id IN (d, c) ORDER BY account_id FOR NO KEY UPDATE;
    INSERT INTO lot_settlement (account_id) SELECT account_id FROM account
        WHERE account_id IN (d, c) AND kind IN ('user', 'project');
    INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
        VALUES (p_idem, 'transfer', d, c, p_amount, coalesce(p_reason, ''), coalesce(p_actor, ''))
        ON CONFLICT (idem) DO NOTHING RETURNING transfer_id INTO t;
    IF t IS NULL THEN
        RETURN CASE WHEN transfer_again(p_idem, 'transfer', d, c, p_amount) THEN 'exists' END;
    END IF;
    PERFORM lots_carry(d, c, t);
    RETURN 'transferred';
END $$;

CREATE OR REPLACE FUNCTION transfer_correct(p_transfer bigint, p_amount bigint, p_reason text, p_actor text,
                                            p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    o transfer;
    done bigint;
    back bigint;
BEGIN
    -- The row is the lock that another correction of it waits for.
    SELECT * INTO o FROM transfer WHERE transfer_id = p_transfer FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no transfer %', p_transfer USING ERRCODE = 'RN003';
    END IF;
    IF transfer_again(p_idem, 'correct', o.credit, o.debit, p_amount, p_transfer) THEN
        RETURN 'exists';
    END IF;
    SELECT coalesce((SELECT corrected FROM correction WHERE transfer_id = p_transfer), 0) INTO done;
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND o.amount - done THEN
        RAISE EXCEPTION 'transfer % moved % tokens, of which % are taken back: % more can''t be', p_transfer,
            tokens_text(o.amount), tokens_text(done), tokens_text(p_amount) USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account WHERE account_id IN (o.debit, o.credit) AND kind <> 'system'
      ORDER BY account_id FOR NO KEY UPDATE;
    PERFORM lots_settle(o.credit);
    PERFORM lots_settle(o.debit);
    INSERT INTO transfer (idem, code, debit, credit, amount, reverses, reason, actor)
        VALUES (p_idem, 'correct', o.credit, o.debit, p_amount, p_transfer, coalesce(p_reason, ''),
                coalesce(p_actor, ''))
        ON CONFLICT (idem) DO NOTHING RETURNING transfer_id INTO back;
    IF back IS NULL THEN
        RETURN CASE WHEN transfer_again(p_idem, 'correct', o.credit, o.debit, p_amount, p_transfer) THEN 'exists' END;
    END IF;
    IF o.code = 'transfer' THEN
        PERFORM lots_carry(o.credit, o.debit, back);
    ELSIF o.code IN ('post', 'overage') THEN
        PERFORM lots_give_back(o.transfer_id, back, p_amount, done);
    END IF;
    RETURN 'corrected';
END $$;

ALTER FUNCTION account_ensure(text, text, bigint) SET enable_seqscan = off;
ALTER FUNCTION account_id(text) SET enable_seqscan = off;
