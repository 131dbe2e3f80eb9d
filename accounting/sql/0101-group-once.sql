-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A group of calls is read once. What a group costs is not its rows but its statements, each
-- with a start and an end, and functions that set and reset the search path. So one
-- statement reads what the calls say together with what the ledger knows of it and never
-- changes: numbers of accounts, and holds. From then on a call is a place in some arrays. A
-- call that is alone goes straight to the function for single calls.
--
-- Signatures and answers stay as they were (0097-groups.sql).

SET LOCAL search_path = ledger, pg_temp;

-- -------------------------------------------------- one row, or many of them

CREATE OR REPLACE FUNCTION hold_apply() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    debits bigint[];
    credits bigint[];
    amounts bigint[];
BEGIN
    SELECT array_agg(a.debit), array_agg(a.credit), array_agg(a.amount) INTO debits, credits, amounts FROM added a;
    IF cardinality(debits) = 1 THEN
        UPDATE ledger.account a SET held = a.held + amounts[1]
         WHERE a.account_id = debits[1] AND a.kind <> 'system' AND a.next_lot_event > clock_timestamp()
           AND EXISTS (SELECT FROM ledger.account c WHERE c.account_id = credits[1]
                          AND (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use')));
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF debits IS NOT NULL THEN
        PERFORM ledger.hold_apply_many(debits, credits, amounts);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION hold_resolution_apply() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    holds uuid[];
    amounts bigint[]; -- held
    posts bigint[];
    idems uuid[];
    h ledger.hold;
BEGIN
    SELECT array_agg(a.hold_id), array_agg(a.held), array_agg(a.posted), array_agg(a.idem)
      INTO holds, amounts, posts, idems FROM added a;
    IF holds IS NULL THEN
        RETURN NULL;
    END IF;
    IF cardinality(holds) = 1 THEN
        SELECT * INTO h FROM ledger.hold WHERE hold_id = holds[1];
    END IF;
    IF h.amount IS DISTINCT FROM amounts[1] THEN -- many, or a wrong one
        PERFORM ledger.hold_resolution_apply_many(holds, amounts, posts, idems);
        RETURN NULL;
    END IF;
    -- The accounts last: others wait for them until we have committed.
    IF posts[1] > 0 THEN
        INSERT INTO ledger.transfer (idem, code, debit, credit, amount, hold_id, reason)
            VALUES (idems[1], 'post', h.debit, h.credit, posts[1], h.hold_id, h.purpose);
        IF h.credit < h.debit THEN
            UPDATE ledger.account SET credited = credited + posts[1]
             WHERE account_id = h.credit AND kind <> 'system';
        END IF;
    END IF;
    UPDATE ledger.account SET held = held - amounts[1], debited = debited + posts[1] WHERE account_id = h.debit;
    IF posts[1] > 0 AND h.credit > h.debit THEN
        UPDATE ledger.account SET credited = credited + posts[1]
         WHERE account_id = h.credit AND kind <> 'system';
    END IF;
    RETURN NULL;
END $$;

-- ------------------------------------------------------------------ groups
--
-- These have no search path of their own: it is set by who calls group_run.

DROP FUNCTION group_call(text, uuid, uuid, text, text, bigint, text, bigint, text),
              group_write(text[], uuid[], uuid[], bigint[], bigint[], bigint[], text[], bigint[]);

-- p_debit and p_credit: the numbers of p_from and p_to, or NULL: there is no such account yet.
CREATE FUNCTION group_call(p_call text, p_hold uuid, p_key uuid, p_from text, p_to text, p_debit bigint,
                           p_credit bigint, p_amount bigint, p_text text, p_until bigint, p_actor text) RETURNS text
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
        RETURN grant_tokens(account_id(p_to), p_amount, p_text, p_key);
    END IF;
    RETURN transfer_tokens(p_from, p_to, p_amount, p_text, p_actor, p_key);
END $$;

-- Writes what can be written together and answers it; NULL: not written. p_held: what the
-- hold holds that a post or void is about. Each hold stands here once for its post or void,
-- and once for itself. The accounts are locked and their lots settled.
CREATE FUNCTION group_write(p_calls text[], p_holds uuid[], p_keys uuid[], p_debits bigint[], p_credits bigint[],
                            p_amounts bigint[], p_held bigint[], p_texts text[], p_untils bigint[]) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    resolved uuid[];
    held uuid[];
BEGIN
    IF p_calls && ARRAY['post', 'void'] THEN
        WITH written AS (
            INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
                SELECT c.hold_id, c.held, CASE c.call WHEN 'post' THEN 'posted' ELSE 'voided' END,
                       CASE c.call WHEN 'post' THEN c.amount ELSE 0 END, CASE c.call WHEN 'post' THEN c.key END
                  FROM unnest(p_calls, p_holds, p_keys, p_amounts, p_held) c (call, hold_id, key, amount, held)
                 WHERE c.call = 'void' AND c.held > 0 OR c.call = 'post' AND c.amount BETWEEN 0 AND c.held
                ON CONFLICT (hold_id) DO NOTHING
                RETURNING hold_id)
        SELECT array_agg(hold_id) INTO resolved FROM written;
    END IF;
    IF 'hold' = ANY (p_calls) THEN
        -- Locked, so what is found available here is what the constraints will find.
        WITH written AS (
            INSERT INTO hold (hold_id, debit, credit, amount, purpose, expires_at)
                SELECT f.hold_id, f.debit, f.credit, f.amount, f.purpose, to_timestamp(f.until)
                  FROM (SELECT c.*, sum(c.amount) OVER (PARTITION BY c.debit ORDER BY c.n) AS up_to,
                               d.credited + d.credit_limit - d.debited - d.held AS available
                          FROM unnest(p_calls, p_holds, p_debits, p_credits, p_amounts, p_texts, p_untils)
                               WITH ORDINALITY c (call, hold_id, debit, credit, amount, purpose, until, n)
                          JOIN account d ON d.account_id = c.debit JOIN account t ON t.account_id = c.credit
                         WHERE c.call = 'hold' AND c.amount BETWEEN 1 AND 1000000000000000000
                           AND d.kind <> 'system' AND (t.kind = 'peer' OR t.name IN ('system:commons', 'system:use'))) f
                 WHERE f.up_to <= f.available
                ON CONFLICT (hold_id) DO NOTHING
                RETURNING hold_id)
        SELECT array_agg(hold_id) INTO held FROM written;
    END IF;
    RETURN (SELECT array_agg(CASE
                WHEN u.call = 'hold' AND u.hold_id = ANY (held) THEN 'held'
                WHEN u.call = 'post' AND u.hold_id = ANY (resolved) THEN 'posted'
                WHEN u.call = 'void' AND u.hold_id = ANY (resolved) THEN 'voided' END)
              FROM unnest(p_calls, p_holds) u (call, hold_id));
END $$;

-- Locks accounts in the order of their numbers; whether one has lots to be settled.
CREATE FUNCTION group_lock(p_accounts bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT bool_or(a.next_lot_event <= clock_timestamp())
              FROM (SELECT next_lot_event FROM account WHERE account_id = ANY (p_accounts) AND kind <> 'system'
                     ORDER BY account_id FOR NO KEY UPDATE) a);
END $$;

-- The answer to the one call of a group. p_peers: it may move what peers owe.
CREATE FUNCTION group_single(p_calls jsonb, p_peers boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    SELECT * INTO STRICT c FROM jsonb_to_recordset(p_calls) AS
        (call text, hold uuid, key uuid, "from" text, "to" text, amount bigint, text text, until bigint, actor text);
    IF NOT p_peers AND (CASE
           WHEN c.call = 'hold' THEN c."from" LIKE 'peer:%' OR c."to" LIKE 'peer:%'
           WHEN c.call IN ('post', 'void', 'extend') THEN
               EXISTS (SELECT FROM hold h JOIN account p ON p.account_id IN (h.debit, h.credit)
                        WHERE h.hold_id = c.hold AND p.kind = 'peer') END) THEN
        c.call := 'foreign';
    END IF;
    RETURN jsonb_build_object('answer', group_call(c.call, c.hold, c.key, c."from", c."to", NULL, NULL, c.amount,
                                                   coalesce(c.text, ''), c.until, c.actor));
EXCEPTION WHEN OTHERS THEN
    IF NOT group_refusal(SQLSTATE) THEN
        RAISE;
    END IF;
    RETURN jsonb_build_object('state', SQLSTATE, 'error', SQLERRM);
END $$;

-- p_peers: calls may move what peers owe.
CREATE FUNCTION group_run(p_calls jsonb, p_peers boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    c record;         -- an array for each part of a call, and what is known of it
    answers text[];
    errors jsonb[];   -- of those that were refused
    due boolean;
BEGIN
    IF jsonb_typeof(p_calls) IS DISTINCT FROM 'array' OR jsonb_array_length(p_calls) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a group has 1 to 1000 calls' USING ERRCODE = 'RN005';
    END IF;
    IF jsonb_array_length(p_calls) = 1 THEN
        RETURN jsonb_build_array(group_single(p_calls, p_peers));
    END IF;
    SELECT array_agg(x.call) AS calls, array_agg(x.first) AS firsts, array_agg(x.hold) AS holds,
           array_agg(x.key) AS keys, array_agg(x."from") AS froms, array_agg(x."to") AS tos,
           array_agg(x.debit) AS debits, array_agg(x.credit) AS credits, array_agg(x.amount) AS amounts,
           array_agg(x.text) AS texts, array_agg(x.until) AS untils, array_agg(x.actor) AS actors,
           array_agg(x.held) AS held, array_agg(x.held_from) || array_agg(x.held_to) || array_agg(x.debit)
           || array_agg(x.credit) FILTER (WHERE x.call IN ('transfer', 'grant')) AS accounts INTO c
      FROM (SELECT r.n, r.hold, r.key, r."from", r."to", r.amount, r.until, r.actor, coalesce(r.text, '') AS text,
                   d.account_id AS debit, t.account_id AS credit, h.amount AS held, h.debit AS held_from,
                   h.credit AS held_to, o.call,
                   -- NULL where a hold stands in the group a second time
                   CASE WHEN row_number() OVER (PARTITION BY r.hold, r.call = 'hold' ORDER BY r.n) = 1
                        THEN o.call END AS first
              FROM ROWS FROM (jsonb_to_recordset(p_calls) AS
                   (call text, hold uuid, key uuid, "from" text, "to" text, amount bigint, text text, until bigint,
                    actor text)) WITH ORDINALITY r (call, hold, key, "from", "to", amount, text, until, actor, n)
              LEFT JOIN account d ON d.name = r."from"
              LEFT JOIN account t ON t.name = r."to"
              LEFT JOIN hold h ON h.hold_id = r.hold
             CROSS JOIN LATERAL (SELECT CASE WHEN CASE
                       WHEN p_peers THEN false
                       WHEN r.call = 'hold' THEN r."from" LIKE 'peer:%' OR r."to" LIKE 'peer:%'
                       WHEN r.call IN ('post', 'void', 'extend') THEN
                           EXISTS (SELECT FROM account p WHERE p.account_id IN (h.debit, h.credit) AND p.kind = 'peer')
                   END THEN 'foreign' ELSE r.call END AS call) o
             ORDER BY r.n) x;
    BEGIN
        due := group_lock(c.accounts);
        IF due THEN
            INSERT INTO lot_settlement (account_id)
                SELECT account_id FROM account
                 WHERE next_lot_event <= clock_timestamp() AND account_id IN (
                       SELECT u.debit FROM unnest(c.calls, c.holds, c.debits) u (call, hold_id, debit)
                        WHERE u.call = 'hold' AND NOT EXISTS (SELECT FROM hold h WHERE h.hold_id = u.hold_id))
                 ORDER BY account_id;
        END IF;
        answers := group_write(c.firsts, c.holds, c.keys, c.debits, c.credits, c.amounts, c.held, c.texts, c.untils);
    EXCEPTION WHEN OTHERS THEN
        IF NOT group_refusal(SQLSTATE) THEN
            RAISE;
        END IF;
        -- One of them is to blame: each by itself. The locks went with the rest.
        PERFORM group_lock(c.accounts);
        answers := array_fill(NULL::text, ARRAY[cardinality(c.calls)]);
    END;
    errors := array_fill(NULL::jsonb, ARRAY[cardinality(c.calls)]);
    FOR i IN 1 .. cardinality(c.calls) LOOP
        CONTINUE WHEN answers[i] IS NOT NULL;
        BEGIN
            answers[i] := group_call(c.calls[i], c.holds[i], c.keys[i], c.froms[i], c.tos[i], c.debits[i],
                                     c.credits[i], c.amounts[i], c.texts[i], c.untils[i], c.actors[i]);
        EXCEPTION WHEN OTHERS THEN
            IF NOT group_refusal(SQLSTATE) THEN
                RAISE;
            END IF;
            errors[i] := jsonb_build_object('state', SQLSTATE, 'error', SQLERRM);
        END;
    END LOOP;
    RETURN (SELECT jsonb_agg(coalesce(u.error, jsonb_build_object('answer', u.answer)))
              FROM unnest(answers, errors) u (answer, error));
END $$;

CREATE OR REPLACE FUNCTION group_write_all(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    RETURN group_run(p_calls, true);
END $$;

CREATE OR REPLACE FUNCTION group_calls(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    RETURN group_run(p_calls, false);
END $$;

DROP FUNCTION is_peers_hold(uuid);
