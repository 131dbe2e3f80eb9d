-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Usage between any two instants, quickly: months, days and quarters of a day (of UTC)
-- are kept summed up; a time begins and ends near the boundaries of each, before or
-- behind them, and what lies between is added or taken off. October in Berlin is
-- October in London, and two hours more at its beginning and one less at its end. So at
-- most three hours of runs are read at either end, whatever the zone and the length.
--
-- Differences (usage_delta) carry the quarter now: end_time / 21600.
-- Signatures stay as they were (usage_by: 0024-usage.sql).

SET LOCAL search_path = ledger, pg_temp;

SELECT usage_fold(2147483647); -- what is folded by the day only
ALTER TABLE usage_delta RENAME COLUMN day TO quarter;

CREATE TABLE usage_quarter (LIKE usage_day INCLUDING INDEXES) WITH (fillfactor = 80);
ALTER TABLE usage_quarter RENAME COLUMN day TO quarter;

-- The base, as usage_quarter would have it.
DROP VIEW usage_base;
CREATE VIEW usage_base AS
    SELECT (r.end_time / 21600)::integer AS quarter, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
           count(*) AS runs, sum(r.core_ms) AS core_ms, sum(greatest(r.start_time - r.submit_time, 0)) AS wait_s,
           coalesce(sum(c.amount - c.refunded), 0) AS charged, sum(r.unpaid) AS unpaid
      FROM job_run r LEFT JOIN charge c USING (job_run_id)
     WHERE r.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO usage_quarter SELECT * FROM usage_base;

CREATE VIEW usage_day_base AS
    SELECT quarter / 4 AS day, cluster, user_name, account, partition, qos, place, sum(runs)::bigint AS runs,
           sum(core_ms) AS core_ms, sum(wait_s) AS wait_s, sum(charged) AS charged, sum(unpaid) AS unpaid
      FROM usage_quarter GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- ---------------------------------------------------------------- deltas

CREATE OR REPLACE FUNCTION usage_of_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (n.end_time / 21600)::integer, n.cluster, n.user_name, n.account, n.partition, n.qos, n.place,
                   count(*), sum(n.core_ms), sum(greatest(n.start_time - n.submit_time, 0)),
                   sum(n.price - n.unpaid), sum(n.unpaid)
              FROM added n WHERE n.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSE
        INSERT INTO usage_delta
            SELECT (n.end_time / 21600)::integer, n.cluster, n.user_name, n.account, n.partition, n.qos, n.place,
                   count(*), sum(n.core_ms), sum(greatest(n.start_time - n.submit_time, 0)),
                   coalesce(sum(c.amount - c.refunded), 0), sum(n.unpaid)
              FROM added n JOIN removed o USING (job_run_id) LEFT JOIN charge c USING (job_run_id)
             WHERE n.recorded_at IS NOT NULL AND o.recorded_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION usage_of_charges() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO usage_delta
            SELECT (r.end_time / 21600)::integer, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
                   0, 0, 0, sum(n.amount), 0
              FROM added n JOIN job_run r USING (job_run_id)
             WHERE r.recorded_at IS NOT NULL AND pg_trigger_depth() = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7;
    ELSE
        INSERT INTO usage_delta
            SELECT (r.end_time / 21600)::integer, r.cluster, r.user_name, r.account, r.partition, r.qos, r.place,
                   0, 0, 0, sum(o.refunded - n.refunded), 0
              FROM added n JOIN removed o USING (job_run_id) JOIN job_run r USING (job_run_id)
             WHERE r.recorded_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION usage_fold(p_most integer DEFAULT 100000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7246, 3);
    WITH taken AS (
        DELETE FROM usage_delta WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_delta LIMIT p_most)) RETURNING *),
    by_quarter AS (
        SELECT quarter, cluster, user_name, account, partition, qos, place, sum(runs)::bigint AS runs,
               sum(core_ms) AS core_ms, sum(wait_s) AS wait_s, sum(charged) AS charged, sum(unpaid) AS unpaid
          FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7),
    by_day AS (
        SELECT quarter / 4 AS day, cluster, user_name, account, partition, qos, place, sum(runs)::bigint AS runs,
               sum(core_ms) AS core_ms, sum(wait_s) AS wait_s, sum(charged) AS charged, sum(unpaid) AS unpaid
          FROM by_quarter GROUP BY 1, 2, 3, 4, 5, 6, 7),
    quarters AS (
        INSERT INTO usage_quarter AS q SELECT * FROM by_quarter
            ON CONFLICT (quarter, user_name, account, partition, qos, place, cluster) DO UPDATE SET
                runs = q.runs + excluded.runs, core_ms = q.core_ms + excluded.core_ms,
                wait_s = q.wait_s + excluded.wait_s, charged = q.charged + excluded.charged,
                unpaid = q.unpaid + excluded.unpaid),
    days AS (
        INSERT INTO usage_day AS d SELECT * FROM by_day
            ON CONFLICT (day, user_name, account, partition, qos, place, cluster) DO UPDATE SET
                runs = d.runs + excluded.runs, core_ms = d.core_ms + excluded.core_ms,
                wait_s = d.wait_s + excluded.wait_s, charged = d.charged + excluded.charged,
                unpaid = d.unpaid + excluded.unpaid),
    months AS (
        INSERT INTO usage_month AS m
            SELECT month_day(day), cluster, user_name, account, partition, qos, place,
                   sum(runs), sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
              FROM by_day GROUP BY 1, 2, 3, 4, 5, 6, 7
            ON CONFLICT (month, user_name, account, partition, qos, place, cluster) DO UPDATE SET
                runs = m.runs + excluded.runs, core_ms = m.core_ms + excluded.core_ms,
                wait_s = m.wait_s + excluded.wait_s, charged = m.charged + excluded.charged,
                unpaid = m.unpaid + excluded.unpaid)
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$;

CREATE OR REPLACE FUNCTION usage_rebuild() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    LOCK TABLE job_run, charge IN SHARE MODE;
    TRUNCATE usage_quarter, usage_day, usage_month, usage_delta;
    INSERT INTO usage_quarter SELECT * FROM usage_base;
    INSERT INTO usage_day SELECT * FROM usage_day_base;
    INSERT INTO usage_month SELECT * FROM usage_month_base;
END $$;

-- -------------------------------------------------------------- reports

-- [p_since, p_until) in pieces: of level 3 (months), 2 (days), 1 (quarters) from lo to
-- hi, in days, days and quarters since 1970; of level 0, runs, in seconds.
CREATE FUNCTION usage_pieces(p_since bigint, p_until bigint, p_months boolean)
RETURNS TABLE (level integer, lo bigint, hi bigint, sign integer)
LANGUAGE plpgsql IMMUTABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    -- The boundaries of each level next to the two ends.
    q bigint[] := ARRAY[(p_since + 10800) / 21600, (p_until + 10800) / 21600];
    d bigint[] := ARRAY[(q[1] + 2) / 4, (q[2] + 2) / 4];
    m bigint[];
BEGIN
    IF q[1] >= q[2] THEN
        RETURN QUERY SELECT 0, p_since, p_until, 1;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM usage_ends(0, p_since, p_until, q[1] * 21600, q[2] * 21600);
    IF d[1] >= d[2] THEN
        RETURN QUERY SELECT 1, q[1], q[2], 1;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM usage_ends(1, q[1], q[2], d[1] * 4, d[2] * 4);
    -- Beyond what a date can say there are no months to gain by.
    IF p_months AND d[2] < 1000000 THEN
        m := ARRAY[month_day(d[1] + 15), month_day(d[2] + 15)];
    END IF;
    IF m IS NULL OR m[1] >= m[2] OR d[2] - d[1] <= abs(d[1] - m[1]) + abs(d[2] - m[2]) + (m[2] - m[1]) / 28 THEN
        RETURN QUERY SELECT 2, d[1], d[2], 1;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM usage_ends(2, d[1], d[2], m[1], m[2]);
    RETURN QUERY SELECT 3, m[1], m[2], 1;
END $$;

-- What [p_lo, p_hi) has more, or less, than [p_near_lo, p_near_hi).
CREATE FUNCTION usage_ends(p_level integer, p_lo bigint, p_hi bigint, p_near_lo bigint, p_near_hi bigint)
RETURNS TABLE (level integer, lo bigint, hi bigint, sign integer)
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_level, least(p_lo, p_near_lo), greatest(p_lo, p_near_lo), CASE WHEN p_lo < p_near_lo THEN 1 ELSE -1 END
     WHERE p_lo <> p_near_lo
    UNION ALL
    SELECT p_level, least(p_hi, p_near_hi), greatest(p_hi, p_near_hi), CASE WHEN p_hi > p_near_hi THEN 1 ELSE -1 END
     WHERE p_hi <> p_near_hi
$$;

-- The statement that sums up [p_since, p_until); its parameters are the user and the
-- account. p_key: a column, or a form of to_char for days of UTC; p_fixed: the one key
-- of all rows, or NULL.
CREATE FUNCTION usage_statement(p_since bigint, p_until bigint, p_key text, p_period boolean, p_fixed text)
RETURNS text
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT format($query$
        SELECT key, sum(sign * runs)::bigint, sum(sign * core_ms), sum(sign * wait_s), sum(sign * charged),
               sum(sign * unpaid)
          FROM (%s) parts
         GROUP BY key HAVING sum(sign * runs) <> 0 ORDER BY key $query$,
        string_agg(format(CASE WHEN p.level = 0 THEN $run$
            SELECT %1$s AS key, %2$s AS sign, count(*) AS runs, sum(core_ms) AS core_ms,
                   sum(greatest(start_time - submit_time, 0)) AS wait_s,
                   coalesce(sum(c.amount - c.refunded), 0) AS charged, sum(unpaid) AS unpaid
              FROM job_run r LEFT JOIN charge c USING (job_run_id)
             WHERE recorded_at IS NOT NULL AND end_time >= %5$s AND end_time < %6$s
               AND ($1 IS NULL OR user_name = $1) AND ($2 IS NULL OR account = $2) GROUP BY 1 $run$
            ELSE $sum$
            SELECT %1$s AS key, %2$s AS sign, sum(runs) AS runs, sum(core_ms) AS core_ms, sum(wait_s) AS wait_s,
                   sum(charged) AS charged, sum(unpaid) AS unpaid
              FROM %3$I WHERE %4$I >= %5$s AND %4$I < %6$s
               AND ($1 IS NULL OR user_name = $1) AND ($2 IS NULL OR account = $2) GROUP BY 1 $sum$ END,
            CASE WHEN p_fixed IS NOT NULL THEN quote_literal(p_fixed) || '::text'
                 WHEN NOT p_period THEN quote_ident(p_key)
                 ELSE format('to_char(date ''1970-01-01'' + (%s)::integer, %L)', t.day_of, p_key) END,
            p.sign, t.name, t.unit, p.lo * t.scale, p.hi * t.scale), ' UNION ALL '))
      FROM usage_pieces(p_since, p_until, NOT p_period OR p_key = 'YYYY-MM') p
      -- What isn't folded yet counts with the pieces that are.
      JOIN (VALUES (0, 'job_run', 'end_time', 1, 'end_time / 86400'),
                   (1, 'usage_quarter', 'quarter', 1, 'quarter / 4'), (1, 'usage_delta', 'quarter', 1, 'quarter / 4'),
                   (2, 'usage_day', 'day', 1, 'day'), (2, 'usage_delta', 'quarter', 4, 'quarter / 4'),
                   (3, 'usage_month', 'month', 1, 'month'), (3, 'usage_delta', 'quarter', 4, 'quarter / 4'))
           t (level, name, unit, scale, day_of) USING (level)
$$;

-- pg_timezone_names would read every file there is.
CREATE FUNCTION zone_check(p_zone text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (now() AT TIME ZONE p_zone) IS NULL THEN
        RAISE EXCEPTION 'a report needs a time zone' USING ERRCODE = 'RN005';
    END IF;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE EXCEPTION 'there is no time zone "%"', p_zone USING ERRCODE = 'RN005';
END $$;

CREATE OR REPLACE FUNCTION usage_by(p_since bigint, p_until bigint, p_by text, p_user text DEFAULT NULL,
                                    p_account text DEFAULT NULL, p_zone text DEFAULT 'UTC')
RETURNS TABLE (key text, runs bigint, core_ms numeric, wait_s numeric, charged numeric, unpaid numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    period text := CASE p_by WHEN 'day' THEN 'YYYY-MM-DD' WHEN 'week' THEN 'IYYY"-W"IW' WHEN 'month' THEN 'YYYY-MM' END;
    -- No further than there are runs.
    since bigint := greatest(p_since, (SELECT min(end_time) FROM job_run WHERE recorded_at IS NOT NULL));
    until bigint := least(p_until, (SELECT max(end_time) FROM job_run WHERE recorded_at IS NOT NULL) + 1);
    t bigint := since;
    first timestamp;
    next bigint;
BEGIN
    IF p_by IS NULL OR p_by NOT IN ('user', 'account', 'partition', 'qos', 'place', 'cluster', 'day', 'week', 'month') THEN
        RAISE EXCEPTION 'usage can be shown by user, account, partition, qos, place, cluster, day, week or month, '
            'not by "%"', p_by USING ERRCODE = 'RN005';
    END IF;
    PERFORM zone_check(p_zone);
    IF since >= until THEN
        RETURN;
    END IF;
    IF period IS NULL OR p_zone = 'UTC' THEN
        RETURN QUERY EXECUTE usage_statement(since, until,
            coalesce(period, CASE p_by WHEN 'user' THEN 'user_name' ELSE p_by END), period IS NOT NULL, NULL)
            USING p_user, p_account;
        RETURN;
    END IF;
    -- Other midnights: each period that has runs by itself. A clock that was wrong for a
    -- day, in 1970, costs that day only.
    LOOP
        t := (SELECT min(end_time) FROM job_run WHERE recorded_at IS NOT NULL AND end_time >= t AND end_time < until);
        EXIT WHEN t IS NULL;
        first := date_trunc(p_by, to_timestamp(t) AT TIME ZONE p_zone);
        next := least(until, extract(epoch FROM (first + ('1 ' || p_by)::interval) AT TIME ZONE p_zone)::bigint);
        -- Where the clock is put back over midnight, midnight is the second one.
        RETURN QUERY EXECUTE usage_statement(
            greatest(since, least(t, extract(epoch FROM first AT TIME ZONE p_zone)::bigint)), next,
            period, true, to_char(first, period))
            USING p_user, p_account;
        t := next;
    END LOOP;
END $$;

-- ------------------------------------------------------------ invariants

CREATE OR REPLACE FUNCTION check_usage()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH difference AS (
        SELECT quarter, user_name, sum(runs) AS runs, sum(core_ms) AS core_ms, sum(wait_s) AS wait_s,
               sum(charged) AS charged, sum(unpaid) AS unpaid
          FROM (SELECT quarter, cluster, user_name, account, partition, qos, place, runs, core_ms, wait_s, charged,
                       unpaid FROM usage_base
                UNION ALL
                SELECT quarter, cluster, user_name, account, partition, qos, place, -runs, -core_ms, -wait_s,
                       -charged, -unpaid FROM usage_quarter
                UNION ALL
                SELECT quarter, cluster, user_name, account, partition, qos, place, -runs, -core_ms, -wait_s,
                       -charged, -unpaid FROM usage_delta) u
         GROUP BY quarter, cluster, user_name, account, partition, qos, place)
    SELECT 'usage by the quarter is the sum of the runs', format('%s in quarter %s', user_name, quarter), 0,
           greatest(abs(runs), abs(core_ms), abs(wait_s), abs(charged), abs(unpaid))
      FROM difference WHERE (runs, core_ms, wait_s, charged, unpaid) <> (0, 0, 0, 0, 0)
    UNION ALL
    SELECT 'usage by the day is that of its quarters', format('%s on day %s', user_name, day),
           coalesce(b.runs, 0), coalesce(d.runs, 0)
      FROM usage_day_base b
      FULL JOIN usage_day d USING (day, cluster, user_name, account, partition, qos, place)
     WHERE (b.runs, b.core_ms, b.wait_s, b.charged, b.unpaid)
           IS DISTINCT FROM (d.runs, d.core_ms, d.wait_s, d.charged, d.unpaid)
$$;
