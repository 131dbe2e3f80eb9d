-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What comes back keeps its end: a refund, or a correction, gives back the lots that
-- the charge was paid from, so that tokens with a last day don't become tokens for ever.
--
-- All that an account ever spent lies on one line, in the order of its transfers. A
-- settlement notes which stretch of that line it shared out among the lots, and did so
-- from the stretch's beginning, the earliest end first; so the place of a transfer on
-- the line tells which lots paid it. Several refunds of one charge give its parts back
-- from its end on. What no lot paid but a debt, and a later lot paid the debt, comes back
-- with that lot's end: as if the job had never run. What comes back to a lot that has
-- ended goes to system:expiry at once, by a transfer of its own.
--
-- Signatures stay as they were:
--   charge_refund(job_run_id, amount, reason, idem)          (0002-job-runs.sql)
--   transfer_correct(transfer, amount, reason, actor, idem)  (0020-projects.sql)

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE lot ADD COLUMN gives_back bigint REFERENCES lot; -- the lot that had been spent
CREATE INDEX lot_gives_back ON lot (gives_back) WHERE gives_back IS NOT NULL;

-- NULL in settlements from before: what they shared out can't be told any more.
ALTER TABLE lot_settlement
    ADD COLUMN spent_from bigint,
    ADD COLUMN spent_to bigint CHECK (spent_to >= spent_from);
CREATE INDEX lot_settlement_account ON lot_settlement (account_id, spent_to);
ALTER TABLE lot_use ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY; -- the order of use

CREATE FUNCTION lot_settlement_note() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    SELECT lots_debited, debited INTO STRICT NEW.spent_from, NEW.spent_to
      FROM account WHERE account_id = NEW.account_id FOR NO KEY UPDATE;
    RETURN NEW;
END $$;
CREATE TRIGGER lot_settlement_note BEFORE INSERT ON lot_settlement
    FOR EACH ROW EXECUTE FUNCTION lot_settlement_note();

-- A lot gives back at most what was spent of it.
CREATE FUNCTION lot_gives_back_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'lot % keeps where it came from', OLD.lot_id USING ERRCODE = 'RN006';
    END IF;
    IF NEW.amount + lot_given_back(NEW.gives_back)
       > (SELECT l.spent FROM lot l
           WHERE l.lot_id = NEW.gives_back AND (l.account_id, l.expires_at) = (NEW.account_id, NEW.expires_at)) THEN
        RAISE EXCEPTION 'lot % can''t give back more than was spent of it', NEW.gives_back USING ERRCODE = 'RN005';
    END IF;
    IF NOT EXISTS (SELECT FROM lot l WHERE l.lot_id = NEW.gives_back
                      AND (l.account_id, l.expires_at) = (NEW.account_id, NEW.expires_at)) THEN
        RAISE EXCEPTION 'a lot comes back to its own account and with its own end' USING ERRCODE = 'RN005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lot_gives_back BEFORE INSERT ON lot
    FOR EACH ROW WHEN (NEW.gives_back IS NOT NULL) EXECUTE FUNCTION lot_gives_back_guard();
CREATE TRIGGER lot_gave_back BEFORE UPDATE ON lot
    FOR EACH ROW WHEN (NEW.gives_back IS DISTINCT FROM OLD.gives_back) EXECUTE FUNCTION lot_gives_back_guard();

CREATE FUNCTION lot_given_back(p_lot bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS
$$ SELECT coalesce(sum(amount), 0)::bigint FROM lot WHERE gives_back = p_lot $$;

-- The lots that paid the stretch [p_from, p_to) of what an account spent.
CREATE FUNCTION lots_that_paid(p_account bigint, p_from bigint, p_to bigint)
RETURNS TABLE (lot_id bigint, amount bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH piece AS (
        SELECT u.lot_id, l.expires_at, s.spent_to,
               s.spent_from + sum(u.amount) OVER used - u.amount AS first,
               s.spent_from + sum(u.amount) OVER used AS last
          FROM lot_settlement s JOIN lot_use u USING (settlement_id) JOIN lot l ON l.lot_id = u.lot_id
         WHERE s.account_id = p_account AND s.spent_from < p_to AND s.spent_to > p_from AND u.transfer_id IS NULL
        WINDOW used AS (PARTITION BY s.settlement_id ORDER BY u.seq))
    SELECT p.lot_id, sum(least(p.last, p.spent_to, p_to) - greatest(p.first, p_from))::bigint
      FROM piece p
     WHERE least(p.last, p.spent_to, p_to) > greatest(p.first, p_from)
     GROUP BY p.lot_id, p.expires_at ORDER BY p.expires_at DESC, p.lot_id DESC
$$;

-- The lots that paid debts made before p_after: what a settlement took beyond its stretch.
CREATE FUNCTION lots_that_paid_debts(p_account bigint, p_after bigint)
RETURNS TABLE (lot_id bigint, amount bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH piece AS (
        SELECT u.lot_id, l.expires_at, s.spent_to, u.amount,
               s.spent_from + sum(u.amount) OVER (PARTITION BY s.settlement_id ORDER BY u.seq) AS last
          FROM lot_settlement s JOIN lot_use u USING (settlement_id) JOIN lot l ON l.lot_id = u.lot_id
         WHERE s.account_id = p_account AND s.spent_to >= p_after AND u.transfer_id IS NULL)
    SELECT p.lot_id, sum(least(p.last - p.spent_to, p.amount))::bigint FROM piece p
     WHERE p.last > p.spent_to GROUP BY p.lot_id, p.expires_at ORDER BY p.expires_at DESC, p.lot_id DESC
$$;

-- A lot of this transfer for each of p_lots, as far as p_rest goes; what is left of it.
CREATE FUNCTION lots_return(p_lots bigint[], p_amounts bigint[], p_rest bigint, p_transfer bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    l lot;
    part bigint;
BEGIN
    FOR i IN 1 .. coalesce(cardinality(p_lots), 0) LOOP
        SELECT * INTO STRICT l FROM lot WHERE lot_id = p_lots[i];
        part := least(p_rest, p_amounts[i], l.spent - lot_given_back(l.lot_id));
        CONTINUE WHEN part <= 0;
        INSERT INTO lot (account_id, idem, amount, starts_at, expires_at, reason, actor, transfer_id, gives_back)
            VALUES (l.account_id, gen_random_uuid(), part, l.starts_at, l.expires_at, l.reason, l.actor, p_transfer,
                    l.lot_id);
        p_rest := p_rest - part;
    END LOOP;
    RETURN p_rest;
END $$;

-- p_back undoes p_amount of p_transfer, of which p_before were undone earlier.
CREATE FUNCTION lots_give_back(p_transfer bigint, p_back bigint, p_amount bigint, p_before bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    o transfer;
    place bigint;
    rest bigint := p_amount;
BEGIN
    SELECT * INTO STRICT o FROM transfer WHERE transfer_id = p_transfer;
    IF NOT EXISTS (SELECT FROM lot WHERE account_id = o.debit) THEN
        RETURN;
    END IF;
    -- Where the transfer ends on the line of what was spent, less what came back.
    SELECT sum(t.amount) - p_before INTO STRICT place
      FROM transfer t WHERE t.debit = o.debit AND t.transfer_id <= o.transfer_id;
    rest := lots_return(array_agg(x.lot_id), array_agg(x.amount), rest, p_back)
       FROM lots_that_paid(o.debit, place - p_amount, place) x;
    IF rest > 0 THEN
        rest := lots_return(array_agg(x.lot_id), array_agg(x.amount), rest, p_back)
           FROM lots_that_paid_debts(o.debit, place) x;
    END IF;
    INSERT INTO lot_settlement (account_id) VALUES (o.debit);
END $$;

CREATE OR REPLACE FUNCTION charge_refund(p_run bigint, p_amount bigint, p_reason text, p_idem uuid) RETURNS text
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
    INSERT INTO transfer (idem, code, debit, credit, amount, reverses, reason)
        VALUES (p_idem, 'refund', o.credit, o.debit, p_amount, o.transfer_id, coalesce(p_reason, ''))
        RETURNING transfer_id INTO STRICT back;
    PERFORM lots_give_back(o.transfer_id, back, p_amount, c.refunded);
    RETURN 'refunded';
END $$;

-- Shares out what an account with lots has spent until now.
CREATE FUNCTION lots_settle(p_account bigint) RETURNS void
LANGUAGE sql SET search_path = ledger, pg_temp AS $$
    INSERT INTO lot_settlement (account_id)
        SELECT p_account WHERE EXISTS (SELECT FROM lot WHERE account_id = p_account)
$$;

-- Tokens with an end keep it wherever they go: what p_debit gives by this transfer
-- out of its lots become lots of p_credit.
CREATE FUNCTION lots_carry(p_debit bigint, p_credit bigint, p_transfer bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    settlement bigint;
BEGIN
    INSERT INTO lot_settlement (account_id) VALUES (p_debit) RETURNING settlement_id INTO STRICT settlement;
    INSERT INTO lot (account_id, idem, amount, starts_at, expires_at, reason, actor, transfer_id)
        SELECT p_credit, gen_random_uuid(), u.amount, l.starts_at, l.expires_at, l.reason, l.actor, p_transfer
          FROM lot_use u JOIN lot l USING (lot_id)
         WHERE u.settlement_id = settlement AND u.transfer_id IS NULL AND l.expires_at < 'infinity';
    INSERT INTO lot_settlement (account_id) VALUES (p_credit);
END $$;

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
        RETURNING transfer_id INTO STRICT t;
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
        RETURNING transfer_id INTO STRICT back;
    IF o.code = 'transfer' THEN
        PERFORM lots_carry(o.credit, o.debit, back);
    ELSIF o.code IN ('post', 'overage') THEN
        PERFORM lots_give_back(o.transfer_id, back, p_amount, done);
    END IF;
    RETURN 'corrected';
END $$;

-- ------------------------------------------------------------ invariants

CREATE FUNCTION check_given_back()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT 'a lot gives back at most what was spent of it', l.lot_id::text, l.spent, sum(b.amount)
      FROM lot l JOIN lot b ON b.gives_back = l.lot_id GROUP BY l.lot_id, l.spent HAVING sum(b.amount) > l.spent
    UNION ALL
    SELECT 'settlements follow each other', s.settlement_id::text, s.spent_from, s.before
      FROM (SELECT settlement_id, spent_from,
                   lag(spent_to) OVER (PARTITION BY account_id ORDER BY spent_from, spent_to) AS before
              FROM lot_settlement) s
     WHERE s.spent_from < s.before
$$;

CREATE OR REPLACE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_parts()
    UNION ALL SELECT * FROM check_sealed()
    UNION ALL SELECT * FROM check_months()
    UNION ALL SELECT * FROM check_given_back()
$$;
