-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Calls of many callers that rain-ledgerd has collected: one statement, one transaction,
-- one wait for the disk, and each call answered as if it had come alone.
--
-- Functions for callers:
--   group_calls(calls) -> jsonb array in the order of the calls: {"answer": "held"} as the
--        single function answers, or {"state": SQLSTATE, "error": sentence}. At most 1000,
--        each an object:
--          call      hold, post, void, extend, transfer or grant
--          hold      of the first four, a UUID
--          key       of post, transfer and grant, a UUID
--          from, to  full names of accounts; a user's account that receives is made
--          amount    micro-tokens
--          text      purpose or reason (default '')
--          until     of hold (default: none) and extend, epoch seconds
--          actor     of transfer (default '')
--   Of the accounts of peers it knows nothing but transfer and grant: what peers owe is
--   moved by receipts, in the gateway's transactions.  (group_write_all doesn't look.)
--   Calls of one group have no order among each other: what frees tokens goes first. One
--   that is refused changes nothing, and nothing for the others.
--
-- New holds that the account can bear, and holds to be posted or voided, are written by
-- the statement, each account once. All other calls (repeated, refused, rare) go through
-- the functions for single calls, which alone say what a call means, each in a
-- sub-transaction of its own. All accounts are locked first, in one order.
--
-- A session keeps its plans, and a plan of the day when a table had one page reads all of
-- the table when it has thousands. So what books knows no way but the indexes. (Without the
-- just-in-time compiler: it takes a way that is ruled out, where there is no other, for dear.)

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION group_call(p_call text, p_hold uuid, p_key uuid, p_from text, p_to text, p_amount bigint,
                           p_text text, p_until bigint, p_actor text) RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF p_call IN ('transfer', 'grant') AND p_to LIKE 'user:%' THEN
        PERFORM account_ensure_user(substr(p_to, 6));
    END IF;
    CASE p_call
        WHEN 'hold' THEN
            RETURN hold_create_until(p_hold, account_id(p_from), account_id(p_to), p_amount, p_text,
                                     to_timestamp(p_until));
        WHEN 'post' THEN
            RETURN hold_post(p_hold, p_key, p_amount);
        WHEN 'void' THEN
            RETURN hold_void(p_hold);
        WHEN 'extend' THEN
            RETURN hold_extend(p_hold, to_timestamp(p_until));
        WHEN 'transfer' THEN
            RETURN transfer_tokens(p_from, p_to, p_amount, p_text, p_actor, p_key);
        WHEN 'grant' THEN
            RETURN grant_tokens(account_id(p_to), p_amount, p_text, p_key);
        WHEN 'foreign' THEN
            RAISE EXCEPTION 'what peers owe is moved by receipts only' USING ERRCODE = 'RN005';
        ELSE
            RAISE EXCEPTION 'there is no call "%"', p_call USING ERRCODE = 'RN005';
    END CASE;
END $$;

-- Writes what can be written together and answers it; NULL: not written. Knows each hold
-- once for the post or void of it, and once for itself.
CREATE FUNCTION group_write(p_calls text[], p_holds uuid[], p_keys uuid[], p_debits bigint[], p_credits bigint[],
                            p_amounts bigint[], p_texts text[], p_untils bigint[]) RETURNS text[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    resolved uuid[];
    held uuid[];
BEGIN
    IF p_calls && ARRAY['post', 'void'] THEN
        WITH written AS (
            INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
                SELECT c.hold_id, h.amount, CASE c.call WHEN 'post' THEN 'posted' ELSE 'voided' END,
                       CASE c.call WHEN 'post' THEN c.amount ELSE 0 END, CASE c.call WHEN 'post' THEN c.key END
                  FROM unnest(p_calls, p_holds, p_keys, p_amounts) c (call, hold_id, key, amount)
                  JOIN hold h ON h.hold_id = c.hold_id
                 WHERE c.call = 'void' OR c.call = 'post' AND c.amount BETWEEN 0 AND h.amount
                ON CONFLICT (hold_id) DO NOTHING
                RETURNING hold_id)
        SELECT array_agg(hold_id) INTO resolved FROM written;
    END IF;
    IF 'hold' = ANY (p_calls) THEN
        INSERT INTO lot_settlement (account_id)
            SELECT account_id FROM account
             WHERE next_lot_event <= clock_timestamp() AND account_id IN (
                   SELECT c.debit FROM unnest(p_calls, p_holds, p_debits) c (call, hold_id, debit)
                    WHERE c.call = 'hold' AND NOT EXISTS (SELECT FROM hold h WHERE h.hold_id = c.hold_id))
             ORDER BY account_id;
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
                WHEN u.call = 'void' AND u.hold_id = ANY (resolved) THEN 'voided' END ORDER BY u.n)
              FROM unnest(p_calls, p_holds) WITH ORDINALITY u (call, hold_id, n));
END $$;

-- What the data is to blame for; all else fails the whole group, to be done again.
CREATE FUNCTION group_refusal(p_state text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT p_state ~ '^(RN|22|23|P0)' $$;

CREATE FUNCTION group_write_all(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    kinds text[];     -- NULL where a hold stands in the group a second time
    holds uuid[];
    keys uuid[];
    debits bigint[];
    credits bigint[];
    amounts bigint[];
    texts text[];
    untils bigint[];
    answers text[];
    list jsonb[];
    c record;
BEGIN
    IF jsonb_typeof(p_calls) IS DISTINCT FROM 'array' OR jsonb_array_length(p_calls) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a group has 1 to 1000 calls' USING ERRCODE = 'RN005';
    END IF;
    IF jsonb_array_length(p_calls) > 1 THEN
        SELECT array_agg(CASE WHEN x.again = 1 THEN x.call END ORDER BY x.n), array_agg(x.hold ORDER BY x.n),
               array_agg(x.key ORDER BY x.n), array_agg((SELECT account_id FROM account WHERE name = x."from") ORDER BY x.n),
               array_agg((SELECT account_id FROM account WHERE name = x."to") ORDER BY x.n),
               array_agg(x.amount ORDER BY x.n), array_agg(coalesce(x.text, '') ORDER BY x.n), array_agg(x.until ORDER BY x.n)
          INTO kinds, holds, keys, debits, credits, amounts, texts, untils
          FROM (SELECT r.*, row_number() OVER (PARTITION BY r.hold, r.call = 'hold' ORDER BY r.n) AS again
                  FROM ROWS FROM (jsonb_to_recordset(p_calls) AS
                       (call text, hold uuid, key uuid, "from" text, "to" text, amount bigint, text text, until bigint))
                       WITH ORDINALITY r (call, hold, key, "from", "to", amount, text, until, n)) x;
        PERFORM FROM account
          WHERE kind <> 'system' AND account_id IN (
                SELECT unnest(debits)
                UNION ALL SELECT unnest(credits) WHERE kinds && ARRAY['transfer', 'grant']
                UNION ALL SELECT unnest(ARRAY[h.debit, h.credit]) FROM hold h
                           WHERE h.hold_id = ANY (holds))
          ORDER BY account_id FOR NO KEY UPDATE;
        BEGIN
            answers := group_write(kinds, holds, keys, debits, credits, amounts, texts, untils);
        EXCEPTION WHEN OTHERS THEN
            IF NOT group_refusal(SQLSTATE) THEN
                RAISE;
            END IF;
            answers := array_fill(NULL::text, ARRAY[cardinality(kinds)]); -- one of them is to blame: each by itself
        END;
    END IF;
    FOR c IN SELECT r.* FROM ROWS FROM (jsonb_to_recordset(p_calls) AS
                    (call text, hold uuid, key uuid, "from" text, "to" text, amount bigint, text text, until bigint,
                     actor text)) WITH ORDINALITY r (call, hold, key, "from", "to", amount, text, until, actor, n)
              ORDER BY r.n LOOP
        IF answers[c.n] IS NOT NULL THEN
            list[c.n] := jsonb_build_object('answer', answers[c.n]);
            CONTINUE;
        END IF;
        BEGIN
            list[c.n] := jsonb_build_object('answer', group_call(c.call, c.hold, c.key, c."from", c."to", c.amount,
                                                                 c.text, c.until, c.actor));
        EXCEPTION WHEN OTHERS THEN
            IF NOT group_refusal(SQLSTATE) THEN
                RAISE;
            END IF;
            list[c.n] := jsonb_build_object('state', SQLSTATE, 'error', SQLERRM);
        END;
    END LOOP;
    RETURN to_jsonb(list);
END $$;

CREATE FUNCTION is_peers_hold(p_hold uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM hold h JOIN account d ON d.account_id = h.debit JOIN account c ON c.account_id = h.credit
                    WHERE h.hold_id = p_hold AND 'peer' IN (d.kind, c.kind))
$$;

CREATE FUNCTION group_calls(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF jsonb_typeof(p_calls) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'a group has 1 to 1000 calls' USING ERRCODE = 'RN005';
    END IF;
    RETURN group_write_all((
        SELECT coalesce(jsonb_agg(CASE WHEN
                   CASE c.value->>'call'
                       WHEN 'hold' THEN c.value->>'from' LIKE 'peer:%' OR c.value->>'to' LIKE 'peer:%'
                       WHEN 'post' THEN is_peers_hold((c.value->>'hold')::uuid)
                       WHEN 'void' THEN is_peers_hold((c.value->>'hold')::uuid)
                       WHEN 'extend' THEN is_peers_hold((c.value->>'hold')::uuid)
                   END THEN jsonb_set(c.value, '{call}', '"foreign"') ELSE c.value END ORDER BY c.n), '[]')
          FROM jsonb_array_elements(p_calls) WITH ORDINALITY c (value, n)));
END $$;

DO $$
DECLARE
    f regprocedure;
    way text;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'hold_create(uuid, bigint, bigint, bigint, text)',
        'hold_create_until(uuid, bigint, bigint, bigint, text, timestamptz)', 'hold_extend(uuid, timestamptz)',
        'hold_post(uuid, uuid, bigint)', 'hold_post_run(uuid, uuid, bigint, text, bigint, bigint, integer)',
        'hold_post_over(uuid, uuid, bigint)', 'hold_void(uuid)', 'hold_expire(uuid, text)',
        'hold_batch(uuid[], bigint[], bigint[], bigint[], text)', 'post_batch(uuid[], uuid[], bigint[])',
        'grant_tokens(bigint, bigint, text, uuid)', 'job_run_record(jsonb)', 'job_runs_record(jsonb)',
        'group_write_all(jsonb)', 'group_calls(jsonb)']::regprocedure[] LOOP
        FOREACH way IN ARRAY ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit'] LOOP
            EXECUTE format('ALTER FUNCTION %s SET %I = off', f, way);
        END LOOP;
    END LOOP;
END $$;

GRANT EXECUTE ON FUNCTION group_calls(jsonb) TO rain;
