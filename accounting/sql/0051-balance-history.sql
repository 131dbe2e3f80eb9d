-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- How balances moved, for plots.
--
-- Functions for callers:
--   balance_history(since, until, points, users) -> rows (name, since, until, balance,
--        held, credit_limit, opening, credited, debited): one for each peer's account
--        and for the `users` user accounts that ever moved most.  The time from the
--        first transfer after `since` up to `until` (epoch seconds; points <= 500) is cut
--        into `points` equal parts: opening is the balance before the first, credited and
--        debited (arrays) what came and went in each; balance and held are of now.  What a
--        peer's account was credited is what that peer gave to our users.

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION balance_history(p_since bigint, p_until bigint, p_points integer, p_users integer)
RETURNS TABLE (name text, since bigint, until bigint, balance bigint, held bigint, credit_limit bigint,
               opening bigint, credited bigint[], debited bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_floor bigint;
    v_since bigint;
BEGIN
    IF p_points NOT BETWEEN 1 AND 500 OR p_users NOT BETWEEN 0 AND 100 OR p_until <= p_since OR p_since < 0 THEN
        RAISE EXCEPTION 'a history has 1 to 500 points, at most 100 users and a time that ends after it begins'
            USING ERRCODE = 'RN005';
    END IF;
    v_floor := transfer_floor(to_timestamp(p_since));
    -- A young ledger's history fills the plot, too.
    v_since := greatest(p_since, least(p_until - 1, coalesce((
        SELECT floor(extract(epoch FROM t.posted_at))::bigint FROM transfer t
         WHERE t.transfer_id >= v_floor ORDER BY t.transfer_id LIMIT 1), p_since)));
    RETURN QUERY
        WITH chosen AS (
            SELECT a.* FROM account a WHERE a.kind = 'peer'
            UNION ALL
            (SELECT a.* FROM account a WHERE a.kind = 'user' AND a.credited + a.debited > 0
              ORDER BY a.credited + a.debited DESC, a.account_id LIMIT p_users)),
        moved AS (
            SELECT c.account_id, m.amount,
                   least(p_points, 1 + floor((extract(epoch FROM t.posted_at) - v_since) * p_points
                                             / (p_until - v_since)))::integer AS point,
                   t.posted_at >= to_timestamp(p_until) AS later
              FROM chosen c CROSS JOIN LATERAL account_moves(c.account_id, v_floor) m
              JOIN transfer t USING (transfer_id)
             WHERE t.posted_at >= to_timestamp(v_since)),
        part AS (
            SELECT v.account_id, v.point, sum(v.amount) FILTER (WHERE v.amount > 0) AS up,
                   -sum(v.amount) FILTER (WHERE v.amount < 0) AS down
              FROM moved v WHERE NOT v.later GROUP BY v.account_id, v.point)
        SELECT c.name, v_since, p_until, c.credited - c.debited, c.held, c.credit_limit,
               (c.credited - c.debited - coalesce((SELECT sum(v.amount) FROM moved v
                                                    WHERE v.account_id = c.account_id), 0))::bigint,
               array(SELECT coalesce(p.up, 0)::bigint FROM generate_series(1, p_points) g(i)
                       LEFT JOIN part p ON p.account_id = c.account_id AND p.point = g.i ORDER BY g.i),
               array(SELECT coalesce(p.down, 0)::bigint FROM generate_series(1, p_points) g(i)
                       LEFT JOIN part p ON p.account_id = c.account_id AND p.point = g.i ORDER BY g.i)
          FROM chosen c ORDER BY c.kind, c.name;
END $$;

GRANT EXECUTE ON FUNCTION balance_history(bigint, bigint, integer, integer) TO rain;
