-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Rates, quotes, and the policies that give tokens out.
--
-- A rate is a ratio of integers: micro-tokens for one unit of a TRES held for one
-- second, in a cluster, partition, QOS and time. '*' as partition or QOS stands for
-- all that have none of their own; a TRES without a rate is free. At any moment at
-- most one rate is in force for the same four (an exclusion constraint), and a rate
-- that has been in force stays as it was: a new one ends it from now on.
--
-- A price is the exact sum over all TRES, rounded up once. The TRES "calibrated"
-- counts micro-tokens of calibrated price per second (speed x cores), so a home rate
-- of a quarter is the rate 1/4 of it.
--
-- Functions for callers:
--   rate_set(cluster, partition, qos, tres, num, den, from, reason, actor) -> rate id
--        from NULL: now; never in the past; num 0: free from then on
--   rates(cluster, at)   -> rows (rate_id, cluster, partition, qos, tres, num, den,
--        valid_from, valid_until, reason, actor); cluster NULL: all; at NULL: all versions
--   price_at(cluster, partition, qos, units, ms, at) -> micro-tokens
--        units: {"cpu": 16, "mem": 64}
--   quote_make(quote, cluster, partition, qos, units, ms, expires_at) -> micro-tokens
--        pins the rates of now for this quote; the same again answers the same
--   quote_price(quote, ms)  -> micro-tokens, by the pinned rates; RN007 when expired
--   quote_get(quote)        -> one row (amount, rates, made_at, expires_at)
--   reward_own_use(user, amount, cap, reason, idem) -> micro-tokens given: at most
--        `cap` for one user and day (UTC, the day it is given)
--   commons_share(amount, mode, weights, out_of, reason, actor, idem) -> rows (account,
--        amount).  amount NULL: all that is there. mode 'equal': weights NULL, all users
--        (or those named); 'contribution': weights by what each gave, {"user:ada": 120};
--        'fixed': parts of out_of, the rest stays in the commons. To the last
--        micro-token; the same again answers the same

SET LOCAL search_path = ledger, public, pg_temp;

CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public; -- for the constraint on rates

CREATE TABLE rate (
    rate_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster   text NOT NULL CHECK (length(cluster) BETWEEN 1 AND 64),
    partition text NOT NULL CHECK (length(partition) BETWEEN 1 AND 64),
    qos       text NOT NULL CHECK (length(qos) BETWEEN 1 AND 64),
    tres      text NOT NULL CHECK (tres ~ '^[a-z][a-z0-9/:_.-]{0,63}$'),
    num       bigint NOT NULL CHECK (num BETWEEN 0 AND 1000000000000),
    den       bigint NOT NULL CHECK (den BETWEEN 1 AND 1000000000000),
    valid     tstzrange NOT NULL CHECK (NOT isempty(valid) AND NOT lower_inf(valid)),
    reason    text NOT NULL DEFAULT '' CHECK (length(reason) <= 200),
    actor     text NOT NULL DEFAULT '' CHECK (length(actor) <= 80),
    set_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT one_rate_at_a_time EXCLUDE USING gist
        (cluster WITH =, partition WITH =, qos WITH =, tres WITH =, valid WITH &&)
);

CREATE TABLE quote (
    quote_id   uuid PRIMARY KEY,
    cluster    text NOT NULL,
    partition  text NOT NULL,
    qos        text NOT NULL,
    units      jsonb NOT NULL,
    ms         bigint NOT NULL CHECK (ms >= 0),
    rates      bigint[] NOT NULL, -- the versions that it pins
    amount     bigint NOT NULL CHECK (amount >= 0),
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE reward_day (
    account_id bigint NOT NULL REFERENCES account,
    day        date NOT NULL,
    cap        bigint NOT NULL CHECK (cap >= 0),
    rewarded   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day),
    CONSTRAINT reward_at_most_the_cap CHECK (rewarded BETWEEN 0 AND cap)
);

CREATE TABLE share (
    share_id  uuid PRIMARY KEY,
    mode      text NOT NULL CHECK (mode IN ('equal', 'contribution', 'fixed')),
    amount    bigint NOT NULL CHECK (amount > 0),
    weights   jsonb NOT NULL,
    out_of    bigint,
    reason    text NOT NULL DEFAULT '',
    actor     text NOT NULL DEFAULT '',
    shared_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE share_part (
    share_id    uuid NOT NULL REFERENCES share,
    transfer_id bigint NOT NULL UNIQUE REFERENCES transfer,
    PRIMARY KEY (share_id, transfer_id)
);

-- ---------------------------------------------------------------- guards

-- What was in force is history; only an end that is still to come may move.
CREATE FUNCTION rate_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF (NEW.rate_id, NEW.cluster, NEW.partition, NEW.qos, NEW.tres, NEW.num, NEW.den, lower(NEW.valid),
        NEW.reason, NEW.actor, NEW.set_at)
       IS DISTINCT FROM
       (OLD.rate_id, OLD.cluster, OLD.partition, OLD.qos, OLD.tres, OLD.num, OLD.den, lower(OLD.valid),
        OLD.reason, OLD.actor, OLD.set_at)
       OR NOT upper_inf(OLD.valid) OR upper(NEW.valid) < OLD.set_at THEN
        RAISE EXCEPTION 'rate % has been in force: set a new one', OLD.rate_id USING ERRCODE = 'RN006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rate_guard BEFORE UPDATE ON rate FOR EACH ROW EXECUTE FUNCTION rate_guard();
CREATE TRIGGER frozen_row BEFORE DELETE ON rate FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON rate EXECUTE FUNCTION frozen();
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['quote', 'share', 'share_part'] LOOP
        EXECUTE format('CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION frozen()', name);
        EXECUTE format('CREATE TRIGGER frozen_all BEFORE TRUNCATE ON %I EXECUTE FUNCTION frozen()', name);
    END LOOP;
END $$;

CREATE FUNCTION reward_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'rewards are counted by the database alone' USING ERRCODE = 'RN006';
END $$;
CREATE TRIGGER reward_guard BEFORE UPDATE ON reward_day FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND (NEW.rewarded <> OLD.rewarded OR NEW.day <> OLD.day
                                      OR NEW.account_id <> OLD.account_id))
    EXECUTE FUNCTION reward_guard();
CREATE TRIGGER reward_begin BEFORE INSERT ON reward_day FOR EACH ROW
    WHEN (NEW.rewarded <> 0) EXECUTE FUNCTION reward_guard();
CREATE TRIGGER frozen_row BEFORE DELETE ON reward_day FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON reward_day EXECUTE FUNCTION frozen();

CREATE FUNCTION utc_day(p_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT (p_at AT TIME ZONE 'UTC')::date $$;

CREATE FUNCTION reward_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE reward_day SET rewarded = rewarded + NEW.amount
     WHERE account_id = NEW.credit AND day = utc_day(NEW.posted_at);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no cap for rewards of that day' USING ERRCODE = 'RN005';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER reward_apply AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.code = 'reward') EXECUTE FUNCTION reward_apply();

-- ---------------------------------------------------------------- rates

CREATE FUNCTION rate_set(p_cluster text, p_partition text, p_qos text, p_tres text, p_num bigint, p_den bigint,
                         p_from timestamptz DEFAULT NULL, p_reason text DEFAULT '', p_actor text DEFAULT '')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    instant timestamptz := clock_timestamp();
    since timestamptz := coalesce(p_from, instant);
    id bigint;
BEGIN
    IF since < instant - interval '1 second' THEN
        RAISE EXCEPTION 'a rate can''t begin in the past' USING ERRCODE = 'RN005';
    END IF;
    PERFORM pg_advisory_xact_lock(7246, 2);
    IF EXISTS (SELECT FROM rate WHERE (cluster, partition, qos, tres) = (p_cluster, p_partition, p_qos, p_tres)
                  AND lower(valid) >= since) THEN
        RAISE EXCEPTION 'a rate is already set from that time or later' USING ERRCODE = 'RN005';
    END IF;
    UPDATE rate SET valid = tstzrange(lower(valid), since)
     WHERE (cluster, partition, qos, tres) = (p_cluster, p_partition, p_qos, p_tres) AND upper_inf(valid);
    INSERT INTO rate (cluster, partition, qos, tres, num, den, valid, reason, actor)
        VALUES (p_cluster, p_partition, p_qos, p_tres, p_num, p_den, tstzrange(since, NULL),
                coalesce(p_reason, ''), coalesce(p_actor, ''))
        RETURNING rate_id INTO STRICT id;
    RETURN id;
END $$;

CREATE FUNCTION rates(p_cluster text DEFAULT NULL, p_at timestamptz DEFAULT NULL)
RETURNS TABLE (rate_id bigint, cluster text, partition text, qos text, tres text, num bigint, den bigint,
               valid_from timestamptz, valid_until timestamptz, reason text, actor text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.rate_id, r.cluster, r.partition, r.qos, r.tres, r.num, r.den, lower(r.valid), upper(r.valid),
           r.reason, r.actor
      FROM rate r
     WHERE (p_cluster IS NULL OR r.cluster = p_cluster) AND (p_at IS NULL OR r.valid @> p_at)
     ORDER BY r.cluster, r.partition, r.qos, r.tres, lower(r.valid)
$$;

-- The rates that price these TRES at that time: of each, the most particular.
CREATE FUNCTION rates_for(p_cluster text, p_partition text, p_qos text, p_units jsonb, p_at timestamptz)
RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(array_agg(chosen.rate_id ORDER BY chosen.tres), '{}')
      FROM (SELECT DISTINCT ON (r.tres) r.rate_id, r.tres FROM rate r
             WHERE r.cluster = p_cluster AND r.partition IN (p_partition, '*') AND r.qos IN (p_qos, '*')
               AND p_units ? r.tres AND r.valid @> p_at
             ORDER BY r.tres, r.partition = '*', r.qos = '*') chosen
$$;

CREATE FUNCTION rates_price(p_rates bigint[], p_units jsonb, p_ms bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    r record;
    num numeric := 0;
    den numeric := 1;
    price numeric;
BEGIN
    IF p_ms IS NULL OR p_ms NOT BETWEEN 0 AND 1000000000000000 OR jsonb_typeof(p_units) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a price needs a time and the TRES that were used' USING ERRCODE = 'RN005';
    END IF;
    FOR r IN SELECT x.num, x.den, (p_units ->> x.tres)::bigint AS units FROM rate x
              WHERE x.rate_id = ANY (p_rates) LOOP
        IF r.units < 0 THEN
            RAISE EXCEPTION 'a TRES can''t be negative' USING ERRCODE = 'RN005';
        END IF;
        num := num * r.den + r.num::numeric * r.units * den;
        den := den * r.den;
    END LOOP;
    price := div(num * p_ms + den * 1000 - 1, den * 1000);
    IF price > 1000000000000000000 THEN
        RAISE EXCEPTION 'the price is out of bounds' USING ERRCODE = 'RN005';
    END IF;
    RETURN price::bigint;
END $$;

CREATE FUNCTION price_at(p_cluster text, p_partition text, p_qos text, p_units jsonb, p_ms bigint,
                         p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT rates_price(rates_for(p_cluster, p_partition, p_qos, p_units, p_at), p_units, p_ms) $$;

CREATE FUNCTION quote_make(p_quote uuid, p_cluster text, p_partition text, p_qos text, p_units jsonb, p_ms bigint,
                           p_expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    pinned bigint[] := rates_for(p_cluster, p_partition, p_qos, p_units, clock_timestamp());
    q quote;
BEGIN
    SELECT * INTO q FROM quote WHERE quote_id = p_quote;
    IF FOUND THEN
        IF (q.cluster, q.partition, q.qos, q.units, q.ms)
           IS DISTINCT FROM (p_cluster, p_partition, p_qos, p_units, p_ms) THEN
            RAISE EXCEPTION 'quote % exists already with other values', p_quote USING ERRCODE = 'RN001';
        END IF;
        RETURN q.amount;
    END IF;
    INSERT INTO quote (quote_id, cluster, partition, qos, units, ms, rates, amount, expires_at)
        VALUES (p_quote, p_cluster, p_partition, p_qos, p_units, p_ms, pinned,
                rates_price(pinned, p_units, p_ms), p_expires_at)
        RETURNING * INTO STRICT q;
    RETURN q.amount;
END $$;

CREATE FUNCTION quote_price(p_quote uuid, p_ms bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    q quote;
BEGIN
    SELECT * INTO q FROM quote WHERE quote_id = p_quote;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no quote %', p_quote USING ERRCODE = 'RN003';
    END IF;
    IF q.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'quote % has expired', p_quote USING ERRCODE = 'RN007';
    END IF;
    RETURN rates_price(q.rates, q.units, p_ms);
END $$;

CREATE FUNCTION quote_get(p_quote uuid)
RETURNS TABLE (amount bigint, rates bigint[], made_at timestamptz, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT q.amount, q.rates, q.made_at, q.expires_at FROM quote q WHERE q.quote_id = p_quote $$;

-- ------------------------------------------------------------- policies

CREATE FUNCTION reward_own_use(p_user text, p_amount bigint, p_cap bigint, p_reason text, p_idem uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint := account_ensure_user(p_user);
    today date := utc_day(clock_timestamp());
    t transfer;
    part bigint;
BEGIN
    PERFORM amount_check(p_amount);
    SELECT * INTO t FROM transfer WHERE idem = p_idem;
    IF FOUND THEN
        IF (t.code, t.credit) IS DISTINCT FROM ('reward', id) OR t.amount > p_amount THEN
            RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
        END IF;
        RETURN t.amount;
    END IF;
    INSERT INTO reward_day (account_id, day, cap) VALUES (id, today, p_cap)
        ON CONFLICT (account_id, day) DO UPDATE SET cap = greatest(excluded.cap, reward_day.rewarded);
    SELECT least(p_amount, d.cap - d.rewarded) INTO STRICT part FROM reward_day d
     WHERE d.account_id = id AND d.day = today;
    IF part > 0 THEN
        INSERT INTO transfer (idem, code, debit, credit, amount, reason)
            VALUES (p_idem, 'reward', account_id('system:issuance'), id, part, coalesce(p_reason, ''));
    END IF;
    RETURN greatest(part, 0);
END $$;

-- Shares by weight, to the last micro-token: whoever was cut most gets what is over.
CREATE FUNCTION share_parts(p_amount bigint, p_weights jsonb, p_out_of numeric)
RETURNS TABLE (account_id bigint, part bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH w AS (SELECT account_id(key) AS id, value::numeric AS weight FROM jsonb_each_text(p_weights)),
    cut AS (SELECT id, div(p_amount * weight, p_out_of) AS whole, mod(p_amount * weight, p_out_of) AS rest FROM w),
    ranked AS (SELECT id, whole, row_number() OVER (ORDER BY rest DESC, id) AS place FROM cut),
    -- What all weights together are worth, less what the whole parts already give.
    over AS (SELECT div(p_amount * (SELECT sum(weight) FROM w), p_out_of) - sum(whole) AS n FROM cut)
    SELECT id, (whole + CASE WHEN place <= n THEN 1 ELSE 0 END)::bigint FROM ranked, over
$$;

CREATE FUNCTION commons_share(p_amount bigint, p_mode text, p_weights jsonb, p_out_of bigint, p_reason text,
                              p_actor text, p_idem uuid)
RETURNS TABLE (account text, amount bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    commons bigint := account_id('system:commons');
    total bigint := p_amount;
    weights jsonb := p_weights;
    weight_sum numeric;
BEGIN
    IF NOT EXISTS (SELECT FROM share s WHERE s.share_id = p_idem) THEN
        PERFORM FROM account a WHERE a.account_id = commons FOR NO KEY UPDATE;
        total := coalesce(p_amount, system_balance(commons));
        PERFORM amount_check(total);
        IF p_mode = 'equal' THEN
            weights := (SELECT jsonb_object_agg(a.name, 1) FROM account a
                         WHERE a.kind IN ('user', 'project') AND CASE WHEN p_weights IS NULL
                               THEN a.kind = 'user' ELSE p_weights ? a.name END);
        END IF;
        weight_sum := (SELECT sum(value::numeric) FROM jsonb_each_text(weights));
        IF p_mode IS NULL OR p_mode NOT IN ('equal', 'contribution', 'fixed') OR coalesce(weight_sum, 0) <= 0
           OR EXISTS (SELECT FROM jsonb_each_text(weights) WHERE value !~ '^[0-9]{1,18}$')
           OR (p_mode = 'fixed' AND coalesce(p_out_of, 0) < weight_sum) THEN
            RAISE EXCEPTION 'tokens are shared equally, by contribution or by fixed parts, with whole weights '
                'of at least 1 together (and at most what they are parts of)' USING ERRCODE = 'RN005';
        END IF;
        INSERT INTO share (share_id, mode, amount, weights, out_of, reason, actor)
            VALUES (p_idem, p_mode, total, weights, p_out_of, coalesce(p_reason, ''), coalesce(p_actor, ''));
        WITH paid AS (
            INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
                SELECT md5(format('share %s to %s', p_idem, s.account_id))::uuid, 'share', commons, s.account_id,
                       s.part, coalesce(p_reason, ''), coalesce(p_actor, '')
                  FROM share_parts(total, weights,
                                   CASE WHEN p_mode = 'fixed' THEN p_out_of::numeric ELSE weight_sum END) s
                 WHERE s.part > 0
                RETURNING transfer_id)
        INSERT INTO share_part (share_id, transfer_id) SELECT p_idem, transfer_id FROM paid;
    END IF;
    RETURN QUERY SELECT a.name, t.amount FROM share_part p JOIN transfer t USING (transfer_id)
                   JOIN account a ON a.account_id = t.credit WHERE p.share_id = p_idem ORDER BY a.name;
END $$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    rate_set(text, text, text, text, bigint, bigint, timestamptz, text, text), rates(text, timestamptz),
    price_at(text, text, text, jsonb, bigint, timestamptz),
    quote_make(uuid, text, text, text, jsonb, bigint, timestamptz), quote_price(uuid, bigint), quote_get(uuid),
    reward_own_use(text, bigint, bigint, text, uuid),
    commons_share(bigint, text, jsonb, bigint, text, text, uuid)
    TO rain;
GRANT EXECUTE ON FUNCTION
    price_at(text, text, text, jsonb, bigint, timestamptz), rates(text, timestamptz), quote_get(uuid)
    TO "rain-gw";
