-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Grants that begin or end at a date: lots.
--
-- A lot is a part of an account's balance with a last day. Whatever the account
-- spends comes out of its lots first, the one that ends earliest before all others;
-- what belongs to no lot never ends and is spent last. What is left of a lot at its
-- end goes to system:expiry by a transfer, except what open holds still need: that
-- part follows as they end.
--
-- No charge touches a lot. Between two dates the same lots are open, so what was
-- spent in between (account.debited, less lots_debited, where the last settlement
-- stood) can be shared out among them at the next date all at once. A row in
-- lot_settlement does that, by trigger; account.next_lot_event says when one is due,
-- and whoever holds or charges looks at it first, so an ended lot can't be spent
-- even when nobody sweeps.
--
-- Functions for callers:
--   grant_lot(account, amount, starts_at, expires_at, reason, actor, idem)
--        -> 'granted' | 'scheduled' | 'exists'; account by full name, of a user or
--        project; starts_at NULL: now; expires_at NULL: never
--   lots(account)  -> rows (lot_id, reason, amount, spent, expired, remaining,
--        starts_at, expires_at), the order in which they are spent; the last row, with
--        lot_id NULL, is what belongs to no lot. `remaining` adds up to the balance
--        (of lots that have begun)
--   lots_sweep(most) -> how many accounts were settled: call it every minute or so
--   transfer_tokens  now carries the lots it spends to the other account

SET LOCAL search_path = ledger, pg_temp;

CREATE TABLE lot (
    lot_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account,
    idem        uuid NOT NULL UNIQUE,
    amount      bigint NOT NULL CHECK (amount > 0),
    starts_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    reason      text NOT NULL DEFAULT '' CHECK (length(reason) <= 200),
    actor       text NOT NULL DEFAULT '' CHECK (length(actor) <= 80),
    transfer_id bigint REFERENCES transfer, -- that brought it; NULL until it begins
    spent       bigint NOT NULL DEFAULT 0,
    expired     bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (starts_at < expires_at),
    CHECK (spent >= 0 AND expired >= 0),
    CONSTRAINT a_lot_is_used_once CHECK (spent + expired <= amount),
    CONSTRAINT a_lot_begins_before_it_is_used CHECK (transfer_id IS NOT NULL OR spent + expired = 0)
);
CREATE INDEX lot_open ON lot (account_id, expires_at) WHERE spent + expired < amount;

CREATE TABLE lot_settlement (
    settlement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    bigint NOT NULL REFERENCES account,
    settled_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a settlement took out of a lot: spent, or expired by a transfer.
CREATE TABLE lot_use (
    lot_id        bigint NOT NULL REFERENCES lot,
    settlement_id bigint NOT NULL REFERENCES lot_settlement,
    amount        bigint NOT NULL CHECK (amount > 0),
    transfer_id   bigint UNIQUE REFERENCES transfer
);
CREATE INDEX lot_use_lot ON lot_use (lot_id);
CREATE INDEX lot_use_settlement ON lot_use (settlement_id);

ALTER TABLE account
    ADD COLUMN next_lot_event timestamptz NOT NULL DEFAULT 'infinity',
    ADD COLUMN lots_debited bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT lots_follow_debits CHECK (lots_debited BETWEEN 0 AND debited);
CREATE INDEX account_lot_event ON account (next_lot_event) WHERE next_lot_event < 'infinity';

-- ---------------------------------------------------------------- guards

DROP TRIGGER account_tally ON account;
CREATE TRIGGER account_tally BEFORE UPDATE ON account FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (NEW.credited <> OLD.credited OR NEW.debited <> OLD.debited OR NEW.held <> OLD.held
               OR NEW.next_lot_event <> OLD.next_lot_event OR NEW.lots_debited <> OLD.lots_debited))
    EXECUTE FUNCTION account_guard('tally');
DROP TRIGGER account_begin ON account;
CREATE TRIGGER account_begin BEFORE INSERT ON account FOR EACH ROW
    WHEN (NEW.credited <> 0 OR NEW.debited <> 0 OR NEW.held <> 0
          OR NEW.next_lot_event <> 'infinity' OR NEW.lots_debited <> 0
          OR (NEW.kind <> 'peer' AND NEW.credit_limit <> 0))
    EXECUTE FUNCTION account_guard('begin');

CREATE FUNCTION lot_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM account WHERE account_id = NEW.account_id AND kind IN ('user', 'project')) THEN
        RAISE EXCEPTION 'only users and projects have lots' USING ERRCODE = 'RN005';
    END IF;
    IF TG_OP = 'INSERT' AND pg_trigger_depth() < 2
       AND (NEW.spent, NEW.expired) IS DISTINCT FROM (0::bigint, 0::bigint) THEN
        RAISE EXCEPTION 'a lot begins whole' USING ERRCODE = 'RN006';
    END IF;
    IF TG_OP = 'INSERT' AND NEW.transfer_id IS NOT NULL
       AND NEW.amount + coalesce((SELECT sum(amount) FROM lot WHERE transfer_id = NEW.transfer_id), 0)
           > (SELECT t.amount FROM transfer t WHERE t.transfer_id = NEW.transfer_id AND t.credit = NEW.account_id) THEN
        RAISE EXCEPTION 'transfer % brought less than this lot', NEW.transfer_id USING ERRCODE = 'RN005';
    END IF;
    IF TG_OP = 'UPDATE' AND (pg_trigger_depth() < 2
        OR (NEW.lot_id, NEW.account_id, NEW.idem, NEW.amount, NEW.starts_at, NEW.expires_at, NEW.reason,
            NEW.actor, NEW.created_at)
           IS DISTINCT FROM
           (OLD.lot_id, OLD.account_id, OLD.idem, OLD.amount, OLD.starts_at, OLD.expires_at, OLD.reason,
            OLD.actor, OLD.created_at)
        OR (OLD.transfer_id IS NOT NULL AND NEW.transfer_id IS DISTINCT FROM OLD.transfer_id)
        OR NEW.spent < OLD.spent OR NEW.expired < OLD.expired) THEN
        RAISE EXCEPTION 'lot % is used up by the database alone', OLD.lot_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lot_guard BEFORE INSERT OR UPDATE ON lot FOR EACH ROW EXECUTE FUNCTION lot_guard();
CREATE TRIGGER frozen_row BEFORE DELETE ON lot FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON lot EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON lot_settlement FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON lot_settlement EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON lot_use FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON lot_use EXECUTE FUNCTION frozen();

CREATE FUNCTION lot_use_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'lots are used up by the database alone' USING ERRCODE = 'RN006';
END $$;
CREATE TRIGGER lot_use_guard BEFORE INSERT ON lot_use
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lot_use_guard();

-- ------------------------------------------------------------ settlement

-- Takes up to p_amount out of the open lots, the earliest end first.
CREATE FUNCTION lots_spend(p_account bigint, p_settlement bigint, p_amount bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    l lot;
    rest bigint := p_amount;
    part bigint;
BEGIN
    FOR l IN SELECT * FROM lot WHERE account_id = p_account AND spent + expired < amount
                AND transfer_id IS NOT NULL ORDER BY expires_at, lot_id LOOP
        EXIT WHEN rest <= 0;
        part := least(rest, l.amount - l.spent - l.expired);
        rest := rest - part;
        UPDATE lot SET spent = spent + part WHERE lot_id = l.lot_id;
        INSERT INTO lot_use (lot_id, settlement_id, amount) VALUES (l.lot_id, p_settlement, part);
    END LOOP;
END $$;

-- Posts the grants whose day has come.
CREATE FUNCTION lots_begin(p_account bigint, p_settlement bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    l lot;
    t bigint;
BEGIN
    FOR l IN SELECT * FROM lot WHERE account_id = p_account AND transfer_id IS NULL
                AND spent + expired < amount AND starts_at <= p_now ORDER BY starts_at, lot_id LOOP
        INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
            VALUES (l.idem, 'grant', account_id('system:issuance'), p_account, l.amount, l.reason, l.actor)
            RETURNING transfer_id INTO STRICT t;
        UPDATE lot SET transfer_id = t WHERE lot_id = l.lot_id;
    END LOOP;
END $$;

CREATE FUNCTION lots_expire(p_account bigint, p_settlement bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    a account;
    l lot;
    needed bigint; -- by open holds, which lots serve in the order of their ends
    part bigint;
    t bigint;
BEGIN
    SELECT * INTO STRICT a FROM account WHERE account_id = p_account;
    needed := a.held;
    FOR l IN SELECT * FROM lot WHERE account_id = p_account AND spent + expired < amount
                AND transfer_id IS NOT NULL AND expires_at <= p_now ORDER BY expires_at, lot_id LOOP
        part := l.amount - l.spent - l.expired;
        part := part - least(part, needed);
        needed := needed - (l.amount - l.spent - l.expired - part);
        part := least(part, greatest(a.credited - a.debited - a.held, 0));
        CONTINUE WHEN part = 0;
        INSERT INTO transfer (idem, code, debit, credit, amount, reason)
            VALUES (md5(format('lot %s expires in %s', l.lot_id, p_settlement))::uuid, 'expire', p_account,
                    account_id('system:expiry'), part, l.reason)
            RETURNING transfer_id INTO STRICT t;
        UPDATE lot SET expired = expired + part WHERE lot_id = l.lot_id;
        INSERT INTO lot_use (lot_id, settlement_id, amount, transfer_id) VALUES (l.lot_id, p_settlement, part, t);
        a.debited := a.debited + part;
    END LOOP;
END $$;

CREATE FUNCTION lot_settlement_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    a account;
    instant timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO STRICT a FROM account WHERE account_id = NEW.account_id FOR NO KEY UPDATE;
    PERFORM lots_spend(a.account_id, NEW.settlement_id, a.debited - a.lots_debited);
    PERFORM lots_begin(a.account_id, NEW.settlement_id, instant);
    -- A debt eats of a new lot at once.
    PERFORM lots_spend(a.account_id, NEW.settlement_id,
        (SELECT sum(l.amount - l.spent - l.expired) FROM lot l
          WHERE l.account_id = a.account_id AND l.transfer_id IS NOT NULL AND l.spent + l.expired < l.amount)::bigint
        - (SELECT greatest(x.credited - x.debited, 0) FROM account x WHERE x.account_id = a.account_id));
    PERFORM lots_expire(a.account_id, NEW.settlement_id, instant);
    -- What expired but is still held is looked at again in a minute.
    UPDATE account x SET lots_debited = x.debited, next_lot_event = coalesce(
        (SELECT min(CASE WHEN l.transfer_id IS NULL THEN l.starts_at
                         WHEN l.expires_at > instant THEN l.expires_at
                         ELSE instant + interval '1 minute' END)
           FROM lot l WHERE l.account_id = x.account_id AND l.spent + l.expired < l.amount), 'infinity')
     WHERE x.account_id = a.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER lot_settlement_apply AFTER INSERT ON lot_settlement
    FOR EACH ROW EXECUTE FUNCTION lot_settlement_apply();

-- Settles an account whose day has come; cheap for all others.
CREATE FUNCTION lots_due(p_account bigint) RETURNS void
LANGUAGE sql SET search_path = ledger, pg_temp AS $$
    INSERT INTO lot_settlement (account_id)
        SELECT account_id FROM account WHERE account_id = p_account AND next_lot_event <= clock_timestamp()
$$;

-- ------------------------------------------------------------- functions

CREATE FUNCTION grant_lot(p_account text, p_amount bigint, p_starts_at timestamptz, p_expires_at timestamptz,
                          p_reason text, p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint := account_id(p_account);
    instant timestamptz := clock_timestamp();
    l lot;
BEGIN
    PERFORM amount_check(p_amount);
    SELECT * INTO l FROM lot WHERE idem = p_idem;
    IF FOUND THEN
        IF (l.account_id, l.amount, l.expires_at)
           IS DISTINCT FROM (id, p_amount, coalesce(p_expires_at, 'infinity')) THEN
            RAISE EXCEPTION 'grant % exists already with other values', p_idem USING ERRCODE = 'RN001';
        END IF;
        RETURN 'exists';
    END IF;
    IF p_expires_at <= greatest(coalesce(p_starts_at, instant), instant) THEN
        RAISE EXCEPTION 'a grant can''t end before it begins or in the past' USING ERRCODE = 'RN005';
    END IF;
    -- What was spent until now is no business of the new lot.
    INSERT INTO lot_settlement (account_id) VALUES (id);
    INSERT INTO lot (account_id, idem, amount, starts_at, expires_at, reason, actor)
        VALUES (id, p_idem, p_amount, least(coalesce(p_starts_at, instant), 'infinity'),
                coalesce(p_expires_at, 'infinity'), coalesce(p_reason, ''), coalesce(p_actor, ''));
    INSERT INTO lot_settlement (account_id) VALUES (id);
    RETURN CASE WHEN p_starts_at > instant THEN 'scheduled' ELSE 'granted' END;
END $$;

CREATE FUNCTION lots(p_account text)
RETURNS TABLE (lot_id bigint, reason text, amount bigint, spent bigint, expired bigint, remaining bigint,
               starts_at timestamptz, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH a AS (SELECT * FROM account WHERE account_id = account_id(p_account)),
    -- What was spent since the last settlement, shared out as the next one will.
    running AS (
        SELECT l.*, a.debited - a.lots_debited AS since,
               coalesce(sum(l.amount - l.spent - l.expired) FILTER (WHERE l.transfer_id IS NOT NULL)
                   OVER (ORDER BY l.expires_at, l.lot_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                   AS before
          FROM a JOIN lot l USING (account_id) WHERE l.spent + l.expired < l.amount),
    used AS (
        SELECT r.*, CASE WHEN r.transfer_id IS NULL THEN 0
                         ELSE least(greatest(r.since - r.before, 0), r.amount - r.spent - r.expired) END::bigint
                    AS more
          FROM running r)
    (SELECT u.lot_id, u.reason, u.amount, u.spent + u.more, u.expired, u.amount - u.spent - u.expired - u.more,
            u.starts_at, u.expires_at
       FROM used u ORDER BY u.expires_at, u.lot_id)
    UNION ALL
    SELECT NULL, '', NULL, NULL, NULL,
           (SELECT b.balance FROM balance(p_account) b)
           - coalesce((SELECT sum(u.amount - u.spent - u.expired - u.more) FROM used u
                        WHERE u.transfer_id IS NOT NULL), 0)::bigint, NULL, NULL
$$;

CREATE FUNCTION lots_sweep(p_most integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    settled integer;
BEGIN
    INSERT INTO lot_settlement (account_id)
        SELECT account_id FROM (SELECT account_id FROM account WHERE next_lot_event <= clock_timestamp()
                                 ORDER BY account_id LIMIT p_most FOR NO KEY UPDATE SKIP LOCKED) due;
    GET DIAGNOSTICS settled = ROW_COUNT;
    RETURN settled;
END $$;

CREATE OR REPLACE FUNCTION transfer_tokens(p_debit text, p_credit text, p_amount bigint, p_reason text,
                                           p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    d bigint := account_id(p_debit);
    c bigint := account_id(p_credit);
    t bigint;
    settlement bigint;
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
    -- Tokens with an end keep it wherever they go.
    INSERT INTO lot_settlement (account_id) VALUES (d) RETURNING settlement_id INTO STRICT settlement;
    INSERT INTO lot (account_id, idem, amount, starts_at, expires_at, reason, actor, transfer_id)
        SELECT c, md5(format('lot %s moves by %s', l.lot_id, p_idem))::uuid, u.amount, l.starts_at, l.expires_at,
               l.reason, l.actor, t
          FROM lot_use u JOIN lot l USING (lot_id)
         WHERE u.settlement_id = settlement AND u.transfer_id IS NULL AND l.expires_at < 'infinity';
    INSERT INTO lot_settlement (account_id) VALUES (c);
    RETURN 'transferred';
END $$;

-- Violations of what lots promise, for check_invariants().
CREATE FUNCTION check_lots()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
WITH uses AS (SELECT lot_id, coalesce(sum(amount) FILTER (WHERE transfer_id IS NULL), 0) AS spent,
                     coalesce(sum(amount) FILTER (WHERE transfer_id IS NOT NULL), 0) AS expired
                FROM lot_use GROUP BY lot_id),
     open AS (SELECT account_id, sum(amount - spent - expired) AS rest FROM lot
               WHERE transfer_id IS NOT NULL AND spent + expired < amount GROUP BY account_id)
SELECT 'what a lot lost is its uses', l.lot_id::text, coalesce(u.spent, 0) + coalesce(u.expired, 0),
       (l.spent + l.expired)::numeric
  FROM lot l LEFT JOIN uses u USING (lot_id)
 WHERE (l.spent, l.expired) IS DISTINCT FROM (coalesce(u.spent, 0), coalesce(u.expired, 0))
UNION ALL
SELECT 'what expires is a transfer', t.transfer_id::text, t.amount, coalesce(u.amount, 0)
  FROM transfer t LEFT JOIN lot_use u USING (transfer_id)
 WHERE t.code = 'expire' AND coalesce(u.amount, 0) <> t.amount
UNION ALL
SELECT 'a lot is what a transfer brought', t.transfer_id::text, t.amount, sum(l.amount)
  FROM lot l JOIN transfer t USING (transfer_id) GROUP BY t.transfer_id, t.amount
HAVING sum(l.amount) > t.amount
UNION ALL
SELECT 'lots and the rest are the balance', a.name, a.credited - a.debited,
       greatest(o.rest - (a.debited - a.lots_debited), 0)
  FROM account a JOIN open o USING (account_id)
 WHERE greatest(o.rest - (a.debited - a.lots_debited), 0) > greatest(a.credited - a.debited, 0)
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    grant_lot(text, bigint, timestamptz, timestamptz, text, text, uuid), lots(text), lots_sweep(integer)
    TO rain;
