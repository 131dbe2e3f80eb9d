-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The ledger's first floor: accounts, transfers and holds.
--
-- Amounts are micro-tokens (bigint, 1 token = 1000000).  A transfer takes its
-- amount from `debit` and gives it to `credit`; so all accounts together are
-- always worth 0.
--
-- The database itself keeps the invariants, whatever its callers do:
--   * every transfer is one row with a debit, a credit and an amount > 0;
--   * nobody is overdrawn beyond the limit, open holds included;
--   * a hold resolves at most once and posts at most what it held;
--   * balances follow from transfers and holds alone (triggers keep the tallies
--     and refuse any other hand);
--   * history is append-only.
--
-- rain-migrate runs this as rain_owner, the role that owns everything and that
-- nobody can log in as.  The roles "rain" (rain-ledgerd) and "rain-gw"
-- (rain-gatewayd) may EXECUTE the functions granted at the end, nothing else.
--
-- Functions for callers (all run inside the caller's own transaction):
--   account_ensure_user(name)                      -> account id ("user:NAME")
--   account_ensure_peer(name, credit_limit)        -> account id ("peer:NAME");
--                        an existing peer keeps the limit it has
--   peer_limit_set(name, credit_limit)             -> void
--   account_id(full name)                          -> account id, RN003 when unknown
--   account_available(account)                     -> what may be spent or held now
--   balance(full name)                             -> one row, none when unknown
--   balances()                                     -> a row for each account
--   grant_tokens(account, amount, reason, idem)    -> 'granted' | 'exists'
--   hold_create(hold, debit, credit, amount, purpose) -> 'held'   | 'exists'
--   hold_post(hold, idem, amount)                     -> 'posted' | 'exists'
--   hold_void(hold)                                   -> 'voided' | 'exists'
--   (hold_post_run and the job functions: 0002-job-runs.sql)
-- `hold` and `idem` are UUIDs that the caller made and stored beforehand: doing
-- the same again answers 'exists' and changes nothing.
--
-- SQLSTATEs that callers may rely on; the message is a sentence for people:
--   RN001  this key was used before with other values, or the hold is resolved otherwise
--   RN002  not enough tokens
--   RN003  no such account, hold or charge
--   RN004  this job run is already charged
--   RN005  an argument is out of bounds
--   RN006  refused: history is append-only and tallies are kept by the database

-- Functions are closed to everybody until granted; holds for later migrations too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA ledger;
SET LOCAL search_path = ledger, pg_temp;

CREATE TABLE account (
    account_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    name         text NOT NULL UNIQUE,
    -- How far the account may go below zero: for a peer, what it may owe us.
    credit_limit bigint NOT NULL DEFAULT 0 CHECK (credit_limit BETWEEN 0 AND 1000000000000000000),
    -- Tallies of users and peers.  System accounts have none: every job touches
    -- them, and a row that all sessions update would make them queue.
    credited     bigint NOT NULL DEFAULT 0 CHECK (credited BETWEEN 0 AND 4000000000000000000),
    debited      bigint NOT NULL DEFAULT 0 CHECK (debited BETWEEN 0 AND 4000000000000000000),
    held         bigint NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND 4000000000000000000),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT account_name_fits_kind CHECK (
        CASE kind
            WHEN 'user'   THEN name ~ '^user:[^:[:space:][:cntrl:]]{1,64}$'
            WHEN 'peer'   THEN name ~ '^peer:[a-z][a-z0-9-]{0,15}$'
            WHEN 'system' THEN name IN ('system:issuance', 'system:commons', 'system:use')
            ELSE false
        END),
    CONSTRAINT only_peers_have_credit CHECK (kind = 'peer' OR credit_limit = 0),
    CONSTRAINT system_has_no_tally CHECK (kind <> 'system' OR (credited = 0 AND debited = 0 AND held = 0)),
    CONSTRAINT no_overdraft CHECK (kind = 'system' OR debited + held <= credited + credit_limit)
) WITH (fillfactor = 50); -- room for HOT updates of the tallies

INSERT INTO account (kind, name) VALUES
    ('system', 'system:issuance'), -- grants come out of it: the one account that may sink without end
    ('system', 'system:commons'),  -- what lending to peers earns
    ('system', 'system:use');      -- what the cluster's own users pay for using it

CREATE TABLE hold (
    hold_id    uuid PRIMARY KEY,
    debit      bigint NOT NULL REFERENCES account,
    credit     bigint NOT NULL REFERENCES account,
    amount     bigint NOT NULL CHECK (amount > 0),
    purpose    text NOT NULL DEFAULT '' CHECK (length(purpose) <= 200),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (debit <> credit),
    UNIQUE (hold_id, amount)
);

-- How a hold ended; the primary key makes it end once.  A trigger releases the
-- held amount and writes the transfer of what was posted.
CREATE TABLE hold_resolution (
    hold_id     uuid PRIMARY KEY,
    held        bigint NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('posted', 'voided')),
    posted      bigint NOT NULL,
    idem        uuid, -- becomes the transfer's
    resolved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (hold_id, held) REFERENCES hold (hold_id, amount),
    CONSTRAINT posts_at_most_what_was_held CHECK (posted BETWEEN 0 AND held),
    CHECK (outcome = 'posted' OR posted = 0),
    CHECK ((outcome = 'posted') = (idem IS NOT NULL))
);

CREATE TABLE transfer (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idem        uuid NOT NULL UNIQUE,
    code        text NOT NULL CHECK (code IN ('grant', 'post', 'charge', 'refund')),
    debit       bigint NOT NULL REFERENCES account,
    credit      bigint NOT NULL REFERENCES account,
    amount      bigint NOT NULL CHECK (amount > 0),
    hold_id     uuid UNIQUE REFERENCES hold_resolution,
    reverses    bigint REFERENCES transfer,
    reason      text NOT NULL DEFAULT '' CHECK (length(reason) <= 200),
    posted_by   text NOT NULL DEFAULT session_user,
    posted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (debit <> credit),
    CHECK ((code = 'post') = (hold_id IS NOT NULL)),
    CHECK ((code = 'refund') = (reverses IS NOT NULL)),
    UNIQUE (transfer_id, amount)
);
-- With the amount inside, the balance of a system account is an index-only scan.
CREATE INDEX transfer_debit ON transfer (debit, transfer_id) INCLUDE (amount);
CREATE INDEX transfer_credit ON transfer (credit, transfer_id) INCLUDE (amount);
CREATE INDEX transfer_posted_at ON transfer USING brin (posted_at);

CREATE FUNCTION tokens_text(p_amount bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT round(p_amount::numeric / 1000000, 6)::text $$;

-- ---------------------------------------------------------------- guards

CREATE FUNCTION frozen() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'RN006';
END $$;

-- pg_trigger_depth() tells a change made by the triggers below (2 and more)
-- from one made by a statement of somebody's own (1).
CREATE FUNCTION account_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.credited <> 0 OR NEW.debited <> 0 OR NEW.held <> 0 THEN
            RAISE EXCEPTION 'account % must begin empty', NEW.name USING ERRCODE = 'RN006';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.account_id, NEW.kind, NEW.name, NEW.created_at)
       IS DISTINCT FROM (OLD.account_id, OLD.kind, OLD.name, OLD.created_at) THEN
        RAISE EXCEPTION 'account % keeps its name, kind and number', OLD.name USING ERRCODE = 'RN006';
    END IF;
    IF (NEW.credited, NEW.debited, NEW.held) IS DISTINCT FROM (OLD.credited, OLD.debited, OLD.held)
       AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the tallies of % follow from transfers and holds and can''t be set', OLD.name
            USING ERRCODE = 'RN006';
    END IF;
    -- Same rule as no_overdraft, said for people.
    IF NEW.kind <> 'system' AND NEW.debited + NEW.held > NEW.credited + NEW.credit_limit THEN
        RAISE EXCEPTION '% has % tokens available, but % are needed', OLD.name,
            tokens_text(OLD.credited + OLD.credit_limit - OLD.debited - OLD.held),
            tokens_text(NEW.debited + NEW.held - OLD.debited - OLD.held)
            USING ERRCODE = 'RN002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER account_guard BEFORE INSERT OR UPDATE ON account
    FOR EACH ROW EXECUTE FUNCTION account_guard();
CREATE TRIGGER frozen_row BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON account EXECUTE FUNCTION frozen();

CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON transfer EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON hold FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON hold EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON hold_resolution FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON hold_resolution EXECUTE FUNCTION frozen();

-- --------------------------------------------------- tallies, kept by triggers
--
-- One UPDATE for each account row and statement: two CTEs that update the same
-- row would silently lose one of the two.  Rows are locked in the order of their
-- numbers first, so that sessions wait for each other and never in a circle.

CREATE FUNCTION hold_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT d.name AS debit, c.name AS credit INTO wrong
      FROM added h JOIN account d ON d.account_id = h.debit JOIN account c ON c.account_id = h.credit
     WHERE d.kind = 'system' OR NOT (c.kind = 'peer' OR c.name = 'system:commons')
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a hold goes from a user or peer to a peer or system:commons, not from % to %',
            wrong.debit, wrong.credit USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account WHERE account_id IN (SELECT debit FROM added)
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a SET held = a.held + s.amount
      FROM (SELECT debit, sum(amount)::bigint AS amount FROM added GROUP BY debit) s
     WHERE a.account_id = s.debit;
    RETURN NULL;
END $$;

CREATE TRIGGER hold_apply AFTER INSERT ON hold REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION hold_apply();

CREATE FUNCTION hold_resolution_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM account
      WHERE kind <> 'system'
        AND account_id IN (SELECT unnest(ARRAY[h.debit, h.credit]) FROM added r JOIN hold h USING (hold_id))
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a
       SET held = a.held - s.held, debited = a.debited + s.debited, credited = a.credited + s.credited
      FROM (SELECT account_id, sum(held)::bigint AS held, sum(debited)::bigint AS debited,
                   sum(credited)::bigint AS credited
              FROM (SELECT h.debit AS account_id, r.held, r.posted AS debited, 0 AS credited
                      FROM added r JOIN hold h USING (hold_id)
                    UNION ALL
                    SELECT h.credit, 0, 0, r.posted FROM added r JOIN hold h USING (hold_id)) moves
             GROUP BY account_id) s
     WHERE a.account_id = s.account_id AND a.kind <> 'system';
    INSERT INTO transfer (idem, code, debit, credit, amount, hold_id, reason)
      SELECT r.idem, 'post', h.debit, h.credit, r.posted, r.hold_id, h.purpose
        FROM added r JOIN hold h USING (hold_id) WHERE r.posted > 0;
    RETURN NULL;
END $$;

CREATE TRIGGER hold_resolution_apply AFTER INSERT ON hold_resolution REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION hold_resolution_apply();

CREATE FUNCTION transfer_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    IF EXISTS (SELECT FROM added WHERE hold_id IS NOT NULL) THEN
        -- hold_resolution_apply has moved the tallies already, in the same UPDATE
        -- that released the hold.
        IF pg_trigger_depth() < 2 THEN
            RAISE EXCEPTION 'a hold is posted by its resolution, not by a transfer' USING ERRCODE = 'RN006';
        END IF;
        RETURN NULL;
    END IF;
    SELECT t.code, d.name AS debit, c.name AS credit INTO wrong
      FROM added t JOIN account d ON d.account_id = t.debit JOIN account c ON c.account_id = t.credit
      LEFT JOIN transfer o ON o.transfer_id = t.reverses
     WHERE NOT CASE t.code
         WHEN 'grant'  THEN d.name = 'system:issuance' AND c.kind <> 'peer'
         WHEN 'charge' THEN d.kind = 'user' AND c.name = 'system:use'
         WHEN 'refund' THEN t.debit = o.credit AND t.credit = o.debit
         ELSE false END
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a % can''t go from % to %', wrong.code, wrong.debit, wrong.credit
            USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account
      WHERE kind <> 'system' AND account_id IN (SELECT unnest(ARRAY[debit, credit]) FROM added)
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a SET debited = a.debited + s.debited, credited = a.credited + s.credited
      FROM (SELECT account_id, sum(debited)::bigint AS debited, sum(credited)::bigint AS credited
              FROM (SELECT debit AS account_id, amount AS debited, 0 AS credited FROM added
                    UNION ALL
                    SELECT credit, 0, amount FROM added) moves
             GROUP BY account_id) s
     WHERE a.account_id = s.account_id AND a.kind <> 'system';
    RETURN NULL;
END $$;

CREATE TRIGGER transfer_apply AFTER INSERT ON transfer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION transfer_apply();

-- ------------------------------------------------------------- functions

CREATE FUNCTION account_id(p_name text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint;
BEGIN
    SELECT a.account_id INTO id FROM account a WHERE a.name = p_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account "%"', p_name USING ERRCODE = 'RN003';
    END IF;
    RETURN id;
END $$;

CREATE FUNCTION account_ensure(p_kind text, p_name text, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    full_name text := p_kind || ':' || p_name;
    id bigint;
BEGIN
    -- Look first: an INSERT that conflicts would burn a number each time.
    SELECT a.account_id INTO id FROM account a WHERE a.name = full_name;
    IF FOUND THEN
        RETURN id;
    END IF;
    INSERT INTO account (kind, name, credit_limit) VALUES (p_kind, full_name, p_limit)
        ON CONFLICT (name) DO NOTHING;
    RETURN account_id(full_name);
EXCEPTION WHEN check_violation OR not_null_violation THEN
    RAISE EXCEPTION '"%" with limit % can''t be a % account', p_name, p_limit, p_kind
        USING ERRCODE = 'RN005';
END $$;

CREATE FUNCTION account_ensure_user(p_name text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT account_ensure('user', p_name, 0) $$;

CREATE FUNCTION account_ensure_peer(p_name text, p_limit bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT account_ensure('peer', p_name, p_limit) $$;

CREATE FUNCTION peer_limit_set(p_name text, p_limit bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    a account;
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 0 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the credit limit % is not between 0 and 10^18 micro-tokens', p_limit
            USING ERRCODE = 'RN005';
    END IF;
    SELECT * INTO a FROM account x WHERE x.account_id = account_id('peer:' || p_name) FOR NO KEY UPDATE;
    IF a.debited + a.held - a.credited > p_limit THEN
        RAISE EXCEPTION '% already uses % tokens of its credit: the limit can''t be less than that',
            a.name, tokens_text(a.debited + a.held - a.credited) USING ERRCODE = 'RN002';
    END IF;
    UPDATE account x SET credit_limit = p_limit WHERE x.account_id = a.account_id;
END $$;

-- NULL for a system account that may sink without end.
CREATE FUNCTION account_available(p_account bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    a account;
BEGIN
    SELECT * INTO a FROM account x WHERE x.account_id = p_account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account number %', p_account USING ERRCODE = 'RN003';
    END IF;
    RETURN CASE WHEN a.kind = 'system' THEN NULL
                ELSE a.credited + a.credit_limit - a.debited - a.held END;
END $$;

CREATE FUNCTION balances()
RETURNS TABLE (name text, kind text, balance bigint, held bigint, available bigint, credit_limit bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT a.name, a.kind,
           CASE WHEN a.kind = 'system'
                THEN coalesce((SELECT sum(amount) FROM transfer WHERE credit = a.account_id), 0)::bigint
                   - coalesce((SELECT sum(amount) FROM transfer WHERE debit = a.account_id), 0)::bigint
                ELSE a.credited - a.debited END,
           a.held,
           CASE WHEN a.kind = 'system' THEN NULL
                ELSE a.credited + a.credit_limit - a.debited - a.held END,
           a.credit_limit
      FROM account a
     ORDER BY a.kind DESC, a.name
$$;

CREATE FUNCTION balance(p_name text)
RETURNS TABLE (name text, kind text, balance bigint, held bigint, available bigint, credit_limit bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT a.name, a.kind,
           CASE WHEN a.kind = 'system'
                THEN coalesce((SELECT sum(amount) FROM transfer WHERE credit = a.account_id), 0)::bigint
                   - coalesce((SELECT sum(amount) FROM transfer WHERE debit = a.account_id), 0)::bigint
                ELSE a.credited - a.debited END,
           a.held,
           CASE WHEN a.kind = 'system' THEN NULL
                ELSE a.credited + a.credit_limit - a.debited - a.held END,
           a.credit_limit
      FROM account a WHERE a.name = p_name
$$;

CREATE FUNCTION grant_tokens(p_account bigint, p_amount bigint, p_reason text, p_idem uuid) RETURNS text
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
    INSERT INTO transfer (idem, code, debit, credit, amount, reason)
        VALUES (p_idem, 'grant', account_id('system:issuance'), p_account, p_amount, coalesce(p_reason, ''))
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

CREATE FUNCTION hold_create(p_hold uuid, p_debit bigint, p_credit bigint, p_amount bigint, p_purpose text DEFAULT '')
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
BEGIN
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the amount % is not between 1 and 10^18 micro-tokens', p_amount
            USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO hold (hold_id, debit, credit, amount, purpose)
        VALUES (p_hold, p_debit, p_credit, p_amount, coalesce(p_purpose, ''))
        ON CONFLICT (hold_id) DO NOTHING;
    IF FOUND THEN
        RETURN 'held';
    END IF;
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF (h.debit, h.credit, h.amount) IS DISTINCT FROM (p_debit, p_credit, p_amount) THEN
        RAISE EXCEPTION 'hold % exists already with other values', p_hold USING ERRCODE = 'RN001';
    END IF;
    RETURN 'exists';
END $$;

-- One body for post and void, so that both resolve a hold by the same rules.
CREATE FUNCTION hold_resolve(p_hold uuid, p_outcome text, p_posted bigint, p_idem uuid) RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    h hold;
    r hold_resolution;
BEGIN
    SELECT * INTO h FROM hold WHERE hold_id = p_hold;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'RN003';
    END IF;
    IF p_posted IS NULL OR p_posted NOT BETWEEN 0 AND h.amount THEN
        RAISE EXCEPTION 'hold % holds % tokens, % can''t be posted', p_hold, tokens_text(h.amount),
            tokens_text(p_posted) USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
        VALUES (p_hold, h.amount, p_outcome, p_posted, p_idem)
        ON CONFLICT (hold_id) DO NOTHING;
    IF FOUND THEN
        RETURN p_outcome;
    END IF;
    SELECT * INTO r FROM hold_resolution WHERE hold_id = p_hold;
    IF (r.outcome, r.posted, r.idem) IS DISTINCT FROM (p_outcome, p_posted, p_idem) THEN
        RAISE EXCEPTION 'hold % is already % with % tokens', p_hold, r.outcome, tokens_text(r.posted)
            USING ERRCODE = 'RN001';
    END IF;
    RETURN 'exists';
END $$;

CREATE FUNCTION hold_post(p_hold uuid, p_idem uuid, p_amount bigint) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT hold_resolve(p_hold, 'posted', p_amount, p_idem) $$;

CREATE FUNCTION hold_void(p_hold uuid) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT hold_resolve(p_hold, 'voided', 0, NULL) $$;

-- ---------------------------------------------------------------- rights

GRANT USAGE ON SCHEMA ledger TO rain, "rain-gw";
GRANT EXECUTE ON FUNCTION
    account_ensure_user(text), account_id(text), account_available(bigint),
    balance(text), balances(), tokens_text(bigint)
    TO rain, "rain-gw";
GRANT EXECUTE ON FUNCTION grant_tokens(bigint, bigint, text, uuid) TO rain;
GRANT EXECUTE ON FUNCTION
    account_ensure_peer(text, bigint), peer_limit_set(text, bigint),
    hold_create(uuid, bigint, bigint, bigint, text), hold_post(uuid, uuid, bigint), hold_void(uuid)
    TO "rain-gw";
