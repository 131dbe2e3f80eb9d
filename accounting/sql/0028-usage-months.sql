-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Usage by the month beside usage by the day, folded from the same differences: a
-- report over whole months (of UTC) reads a row for each user and month. Signatures
-- stay as they were.

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION month_day(p_day bigint) RETURNS integer -- the month's first day
LANGUAGE sql IMMUTABLE AS
$$ SELECT date_trunc('month', date '1970-01-01' + p_day::integer)::date - date '1970-01-01' $$;

CREATE TABLE usage_month (LIKE usage_day INCLUDING INDEXES) WITH (fillfactor = 80);
ALTER TABLE usage_month RENAME COLUMN day TO month;

CREATE VIEW usage_month_base AS
    SELECT month_day(day) AS month, cluster, user_name, account, partition, qos, place, sum(runs)::bigint AS runs,
           sum(core_ms) AS core_ms, sum(wait_s) AS wait_s, sum(charged) AS charged, sum(unpaid) AS unpaid
      FROM usage_day GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO usage_month SELECT * FROM usage_month_base;

CREATE OR REPLACE FUNCTION usage_fold(p_most integer DEFAULT 100000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7246, 3);
    WITH taken AS (
        DELETE FROM usage_delta WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_delta LIMIT p_most)) RETURNING *),
    by_day AS (
        SELECT day, cluster, user_name, account, partition, qos, place, sum(runs)::bigint AS runs,
               sum(core_ms) AS core_ms, sum(wait_s) AS wait_s, sum(charged) AS charged, sum(unpaid) AS unpaid
          FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7),
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
    TRUNCATE usage_day, usage_month, usage_delta;
    INSERT INTO usage_day SELECT * FROM usage_base;
    INSERT INTO usage_month SELECT * FROM usage_month_base;
END $$;

CREATE OR REPLACE FUNCTION usage_by(p_since bigint, p_until bigint, p_by text, p_user text DEFAULT NULL,
                                    p_account text DEFAULT NULL, p_zone text DEFAULT 'UTC')
RETURNS TABLE (key text, runs bigint, core_ms numeric, wait_s numeric, charged numeric, unpaid numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    period text := CASE p_by WHEN 'day' THEN 'YYYY-MM-DD' WHEN 'week' THEN 'IYYY"-W"IW' WHEN 'month' THEN 'YYYY-MM' END;
    -- Whole days, and whole months within them; the rest is read from the runs.
    first_day bigint := (greatest(p_since, 0) + 86399) / 86400;
    last_day bigint := greatest(p_until, 0) / 86400;
    first_month bigint;
    last_month bigint;
    filter text := '($3 IS NULL OR user_name = $3) AND ($4 IS NULL OR account = $4)';
    day_key text;
    run_key text;
BEGIN
    IF p_by IS NULL OR p_by NOT IN ('user', 'account', 'partition', 'qos', 'place', 'cluster', 'day', 'week', 'month') THEN
        RAISE EXCEPTION 'usage can be shown by user, account, partition, qos, place, cluster, day, week or month, '
            'not by "%"', p_by USING ERRCODE = 'RN005';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_zone) AND p_zone IS DISTINCT FROM 'UTC' THEN
        RAISE EXCEPTION 'there is no time zone "%"', p_zone USING ERRCODE = 'RN005';
    END IF;
    IF period IS NULL THEN
        day_key := quote_ident(CASE p_by WHEN 'user' THEN 'user_name' ELSE p_by END);
        run_key := 'r.' || day_key;
    ELSE
        day_key := format('to_char(date ''1970-01-01'' + day, %L)', period);
        run_key := format('to_char(to_timestamp(r.end_time) AT TIME ZONE %L, %L)', p_zone, period);
        IF p_zone <> 'UTC' THEN -- other midnights: read the runs
            last_day := first_day;
        END IF;
    END IF;
    IF last_day <= first_day THEN -- no whole day: all is one edge
        first_day := (p_until + 86399) / 86400;
        last_day := first_day;
    END IF;
    first_month := last_day;
    last_month := last_day;
    -- Beyond what a date can say there are no months to gain by.
    IF p_by NOT IN ('day', 'week') AND last_day < 1000000 THEN
        first_month := month_day(first_day + 30);
        IF month_day(first_day) = first_day THEN
            first_month := first_day;
        ELSIF month_day(first_day + 30) = month_day(first_day) THEN
            first_month := month_day(first_day + 31);
        END IF;
        last_month := month_day(last_day);
        IF last_month <= first_month THEN
            first_month := last_day;
            last_month := last_day;
        END IF;
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT key, sum(runs)::bigint, sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
          FROM (SELECT %1$s AS key, sum(runs) AS runs, sum(core_ms) AS core_ms, sum(wait_s) AS wait_s,
                       sum(charged) AS charged, sum(unpaid) AS unpaid
                  FROM usage_day WHERE (day >= %4$s AND day < %6$s OR day >= %7$s AND day < %5$s) AND %3$s GROUP BY 1
                UNION ALL
                SELECT %8$s, sum(runs), sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
                  FROM usage_month WHERE month >= %6$s AND month < %7$s AND %3$s GROUP BY 1
                UNION ALL
                SELECT %1$s, sum(runs), sum(core_ms), sum(wait_s), sum(charged), sum(unpaid)
                  FROM usage_delta WHERE day >= %4$s AND day < %5$s AND %3$s GROUP BY 1
                UNION ALL
                SELECT %2$s, count(*), sum(r.core_ms), sum(greatest(r.start_time - r.submit_time, 0)),
                       coalesce(sum(c.amount - c.refunded), 0), sum(r.unpaid)
                  FROM job_run r LEFT JOIN charge c USING (job_run_id)
                 WHERE r.recorded_at IS NOT NULL AND %3$s
                   AND ((r.end_time >= $1 AND r.end_time < least(%4$s * 86400, $2))
                        OR (r.end_time >= greatest(%5$s * 86400, $1) AND r.end_time < $2))
                 GROUP BY 1) parts
         GROUP BY key HAVING sum(runs) <> 0 ORDER BY key $query$,
        day_key, run_key, filter, first_day, last_day, first_month, last_month, replace(day_key, '+ day', '+ month'))
        USING p_since, p_until, p_user, p_account;
END $$;

CREATE FUNCTION check_months()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT 'usage by the month is that of its days', format('%s in the month of day %s', user_name, month),
           coalesce(b.runs, 0), coalesce(m.runs, 0)
      FROM usage_month_base b
      FULL JOIN usage_month m USING (month, cluster, user_name, account, partition, qos, place)
     WHERE (b.runs, b.core_ms, b.wait_s, b.charged, b.unpaid)
           IS DISTINCT FROM (m.runs, m.core_ms, m.wait_s, m.charged, m.unpaid)
$$;

CREATE OR REPLACE FUNCTION check_invariants()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM check_parts()
    UNION ALL SELECT * FROM check_sealed()
    UNION ALL SELECT * FROM check_months()
$$;
