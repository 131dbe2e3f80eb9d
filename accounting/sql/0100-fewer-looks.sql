-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Many holds and many posts with fewer looks at the same row.
--
-- What a batch costs is finding rows: an account was looked up seven times for a hold, a
-- hold four times for its post. Now an account is locked, judged and written; a hold is read
-- before its accounts are locked (it never changes) and once more by the trigger, which
-- believes nobody. An UPDATE meets the accounts in the order of their numbers, so nobody
-- who wrote rows without these functions waits in a circle either.
--
-- Signatures and answers stay as they were (0025-batches.sql).

SET LOCAL search_path = ledger, pg_temp;

-- ------------------------------------------------------------------ holds

CREATE OR REPLACE FUNCTION hold_apply_many(p_debits bigint[], p_credits bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    accounts bigint[]; -- each debit once, in order
    sums bigint[];
    written bigint[];
    wrong bigint;
BEGIN
    SELECT u.credit INTO wrong FROM (SELECT DISTINCT unnest(p_credits) AS credit) u
      LEFT JOIN account c ON c.account_id = u.credit
     WHERE (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use')) IS NOT TRUE LIMIT 1;
    IF FOUND THEN
        PERFORM hold_refuse(p_debits[array_position(p_credits, wrong)], wrong);
    END IF;
    SELECT array_agg(s.debit), array_agg(s.amount) INTO accounts, sums
      FROM (SELECT u.debit, sum(u.amount)::bigint AS amount
              FROM unnest(p_debits, p_amounts) u (debit, amount) GROUP BY u.debit ORDER BY u.debit) s;
    WITH done AS (
        UPDATE account a SET held = a.held + s.amount FROM unnest(accounts, sums) s (debit, amount)
         WHERE a.account_id = s.debit AND a.kind <> 'system' AND a.next_lot_event > clock_timestamp()
        RETURNING a.account_id)
    SELECT array_agg(account_id) INTO written FROM done;
    IF cardinality(written) = cardinality(accounts) THEN
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(accounts) LOOP
        CONTINUE WHEN accounts[i] = ANY (written);
        PERFORM lots_due(accounts[i]);
        UPDATE account SET held = held + sums[i] WHERE account_id = accounts[i] AND kind <> 'system';
        IF NOT FOUND THEN
            PERFORM hold_refuse(accounts[i], p_credits[array_position(p_debits, accounts[i])]);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION hold_batch(p_holds uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[],
                                      p_purpose text DEFAULT '') RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    r record;
    n integer := cardinality(p_holds);
    answers smallint[];
    sums numeric[];  -- of the new holds of the same account, up to and with this one
    limits bigint[]; -- what their account had
    current bigint;
    left_over numeric;
BEGIN
    IF n IS NULL OR n > 10000 OR (n, n, n) IS DISTINCT FROM
       (cardinality(p_debits), cardinality(p_credits), cardinality(p_amounts))
       OR array_position(p_holds, NULL) IS NOT NULL
       OR (SELECT bool_or(x IS NULL OR x NOT BETWEEN 1 AND 1000000000000000000) FROM unnest(p_amounts) x) THEN
        RAISE EXCEPTION 'a batch has at most 10000 holds, each with all its values' USING ERRCODE = 'RN005';
    END IF;
    SELECT bool_or(a.next_lot_event <= clock_timestamp()) AS due INTO r
      FROM (SELECT next_lot_event FROM account WHERE account_id = ANY (p_debits) AND kind <> 'system'
             ORDER BY account_id FOR NO KEY UPDATE) a;
    IF r.due THEN
        INSERT INTO lot_settlement (account_id)
            SELECT account_id FROM account
             WHERE account_id = ANY (p_debits) AND next_lot_event <= clock_timestamp() ORDER BY account_id;
    END IF;
    -- Locked, so what is decided here is what the constraints will find.
    SELECT array_agg(CASE WHEN f.known THEN CASE WHEN f.same THEN 2 ELSE 3 END
                          WHEN f.up_to <= f.available THEN 1 END::smallint) AS answers,
           array_agg(f.up_to) AS sums, array_agg(f.available) AS limits,
           count(*) FILTER (WHERE NOT f.known) AS fresh,
           count(DISTINCT f.hold_id) FILTER (WHERE NOT f.known) AS kinds INTO r
      FROM (SELECT k.*, sum(k.amount) FILTER (WHERE NOT k.known) OVER (PARTITION BY k.debit ORDER BY k.n) AS up_to
              FROM (SELECT u.*, h.hold_id IS NOT NULL AS known,
                           (h.debit, h.credit, h.amount) IS NOT DISTINCT FROM (u.debit, u.credit, u.amount) AS same,
                           a.credited + a.credit_limit - a.debited - a.held AS available
                      FROM unnest(p_holds, p_debits, p_credits, p_amounts) WITH ORDINALITY
                           u (hold_id, debit, credit, amount, n)
                      LEFT JOIN account a ON a.account_id = u.debit LEFT JOIN hold h ON h.hold_id = u.hold_id) k
             ORDER BY k.n) f;
    IF r.fresh > r.kinds THEN
        RAISE EXCEPTION 'a hold stands twice in one batch' USING ERRCODE = 'RN005';
    END IF;
    answers := coalesce(r.answers, '{}');
    sums := r.sums;
    limits := r.limits;
    -- After the first one that an account can't bear, smaller ones may fit still.
    IF array_position(answers, NULL) IS NOT NULL THEN
        FOR r IN SELECT u.* FROM unnest(p_debits, p_amounts, sums, limits, answers) WITH ORDINALITY
                        u (debit, amount, up_to, available, answer, n)
                  WHERE u.answer IS NULL ORDER BY u.debit, u.n LOOP
            IF current IS DISTINCT FROM r.debit THEN
                current := r.debit;
                left_over := r.available - (r.up_to - r.amount);
            END IF;
            answers[r.n] := CASE WHEN r.amount <= left_over THEN 1 ELSE 0 END;
            left_over := left_over - answers[r.n] * r.amount;
        END LOOP;
    END IF;
    INSERT INTO hold (hold_id, debit, credit, amount, purpose)
        SELECT u.hold_id, u.debit, u.credit, u.amount, coalesce(p_purpose, '')
          FROM unnest(p_holds, p_debits, p_credits, p_amounts, answers) u (hold_id, debit, credit, amount, answer)
         WHERE u.answer = 1;
    RETURN answers;
END $$;

-- ------------------------------------------------------------ resolutions

CREATE OR REPLACE FUNCTION hold_resolution_apply_many(p_holds uuid[], p_held bigint[], p_posted bigint[], p_idems uuid[])
RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    debits bigint[];
    credits bigint[];
    purposes text[];
    wrong uuid;
BEGIN
    SELECT array_agg(x.debit), array_agg(x.credit), array_agg(x.purpose),
           (array_agg(x.hold_id) FILTER (WHERE x.amount IS DISTINCT FROM x.held))[1]
      INTO debits, credits, purposes, wrong
      FROM (SELECT u.hold_id, u.held, h.debit, h.credit, h.amount, h.purpose
              FROM unnest(p_holds, p_held) WITH ORDINALITY u (hold_id, held, n)
              LEFT JOIN hold h ON h.hold_id = u.hold_id ORDER BY u.n) x;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'hold % doesn''t exist or held another amount', wrong USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount, hold_id, reason)
        SELECT u.idem, 'post', u.debit, u.credit, u.posted, u.hold_id, u.purpose
          FROM unnest(p_holds, p_posted, p_idems, debits, credits, purposes)
               u (hold_id, posted, idem, debit, credit, purpose)
         WHERE u.posted > 0;
    UPDATE account a
       SET held = a.held - s.held, debited = a.debited + s.debited, credited = a.credited + s.credited
      FROM (SELECT m.account_id, sum(m.held)::bigint AS held, sum(m.debited)::bigint AS debited,
                   sum(m.credited)::bigint AS credited
              FROM (SELECT u.debit AS account_id, u.held, u.posted AS debited, 0 AS credited
                      FROM unnest(debits, p_held, p_posted) u (debit, held, posted)
                    UNION ALL
                    SELECT u.credit, 0, 0, u.posted FROM unnest(credits, p_posted) u (credit, posted)
                     WHERE u.posted > 0) m
             GROUP BY m.account_id ORDER BY m.account_id) s
     WHERE a.account_id = s.account_id AND a.kind <> 'system';
END $$;

CREATE OR REPLACE FUNCTION post_batch(p_holds uuid[], p_idems uuid[], p_amounts bigint[]) RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    n integer := cardinality(p_holds);
    accounts bigint[];
    held bigint[];
    answers smallint[];
BEGIN
    IF n IS NULL OR n > 10000 OR (n, n) IS DISTINCT FROM (cardinality(p_idems), cardinality(p_amounts)) THEN
        RAISE EXCEPTION 'a batch has at most 10000 posts, each with all its values' USING ERRCODE = 'RN005';
    END IF;
    SELECT array_agg(h.debit) || array_agg(h.credit), array_agg(h.amount ORDER BY u.n) INTO accounts, held
      FROM unnest(p_holds) WITH ORDINALITY u (hold_id, n) LEFT JOIN hold h ON h.hold_id = u.hold_id;
    -- Whoever resolves one of these at the same time holds its accounts first, too.
    PERFORM FROM account WHERE account_id = ANY (accounts) AND kind <> 'system' ORDER BY account_id FOR NO KEY UPDATE;
    SELECT array_agg(CASE
               WHEN u.held IS NULL THEN 0
               WHEN r.hold_id IS NULL AND u.amount BETWEEN 0 AND u.held THEN 1
               WHEN (r.outcome, r.posted, r.idem) IS NOT DISTINCT FROM ('posted', u.amount, u.idem) THEN 2
               ELSE 3 END::smallint ORDER BY u.n) INTO answers
      FROM unnest(p_holds, p_idems, p_amounts, held) WITH ORDINALITY u (hold_id, idem, amount, held, n)
      LEFT JOIN hold_resolution r ON r.hold_id = u.hold_id;
    INSERT INTO hold_resolution (hold_id, held, outcome, posted, idem)
        SELECT u.hold_id, u.held, 'posted', u.amount, u.idem
          FROM unnest(p_holds, held, p_idems, p_amounts, answers) u (hold_id, held, idem, amount, answer)
         WHERE u.answer = 1;
    RETURN coalesce(answers, '{}');
END $$;
