-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What people ask of the ledger: statements and reports.
--
-- Times are epoch seconds, periods [since, until). Amounts are micro-tokens.
--
-- Functions for callers (statements and usage: 0024-usage.sql):
--   usage_by_peer(since, until, user, account) -> rows (key, runs, core_ms, wait_s,
--        charged, unpaid); key: the peer's name, '' for runs that no peer had a part in
--   efficiency_by(since, until, by, user, account, zone) -> rows (key, runs, completed,
--        core_ms, completed_core_ms, wait_s, run_s): sums. by: user, account, cluster,
--        partition, place, peer, day, week or month (of the time zone); user, account (of
--        Slurm) NULL: all
--   movements_by(since, until, by, zone)  -> rows (key, count, amount); by: code,
--        account (what it got less what it gave), day, week or month
--   peers_report(since, until) -> rows (peer, gave, gave_runs, took, took_runs, balance,
--        held, credit_limit): what it gave to our users, what it took of our machine
--   account_turnover() -> rows (name, credited, debited) of all but system accounts
--   runs_unknown(runs jsonb) -> the elements of an array of at most 1000 {cluster,
--        slurm_job_id, submit_time, restart} whose record hasn't come
--   runs_recorded(cluster, since, until) -> rows (slurm_job_id, submit_time, restart,
--        user_name, end_time, state): recorded runs that ended in that time

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION period_key(p_by text, p_at timestamptz, p_zone text) RETURNS text
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT CASE p_by WHEN 'day'   THEN to_char(p_at AT TIME ZONE p_zone, 'YYYY-MM-DD')
                     WHEN 'week'  THEN to_char(p_at AT TIME ZONE p_zone, 'IYYY-"W"IW')
                     WHEN 'month' THEN to_char(p_at AT TIME ZONE p_zone, 'YYYY-MM') END
$$;

CREATE FUNCTION report_check(p_by text, p_allowed text[]) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF p_by IS NULL OR p_by <> ALL (p_allowed) THEN
        RAISE EXCEPTION 'this report can be by %, not by "%"', array_to_string(p_allowed, ', '), p_by
            USING ERRCODE = 'RN005';
    END IF;
END $$;

-- The runs that a report is about, each with its key.
CREATE FUNCTION runs_by(p_since bigint, p_until bigint, p_by text, p_user text, p_account text, p_zone text)
RETURNS TABLE (key text, run job_run)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM report_check(p_by, ARRAY['user', 'account', 'cluster', 'partition', 'place', 'peer', 'day', 'week', 'month']);
    RETURN QUERY
        SELECT CASE p_by
                 WHEN 'user' THEN r.user_name WHEN 'account' THEN r.account WHEN 'cluster' THEN r.cluster
                 WHEN 'partition' THEN r.partition WHEN 'place' THEN r.place
                 WHEN 'peer' THEN coalesce((SELECT substr(o.name, 6) FROM hold h
                       JOIN account o ON o.account_id IN (h.debit, h.credit) AND o.kind = 'peer'
                      WHERE h.hold_id = r.hold_id LIMIT 1), '')
                 ELSE period_key(p_by, to_timestamp(r.end_time), p_zone) END, r
          FROM job_run r
         WHERE r.recorded_at IS NOT NULL AND r.end_time >= p_since AND r.end_time < p_until
           AND (p_user IS NULL OR r.user_name = p_user)
           AND (p_account IS NULL OR r.account = p_account);
END $$;

CREATE FUNCTION usage_by_peer(p_since bigint, p_until bigint, p_user text, p_account text)
RETURNS TABLE (key text, runs bigint, core_ms numeric, wait_s numeric, charged numeric, unpaid numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT b.key, count(*), sum((b.run).core_ms), sum(greatest((b.run).start_time - (b.run).submit_time, 0)),
           coalesce(sum(c.amount - c.refunded), 0), sum((b.run).unpaid)
      FROM runs_by(p_since, p_until, 'peer', p_user, p_account, 'UTC') b
      LEFT JOIN charge c ON c.job_run_id = (b.run).job_run_id
     GROUP BY b.key ORDER BY b.key
$$;

CREATE FUNCTION efficiency_by(p_since bigint, p_until bigint, p_by text, p_user text, p_account text, p_zone text)
RETURNS TABLE (key text, runs bigint, completed bigint, core_ms numeric, completed_core_ms numeric, wait_s numeric,
               run_s numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT b.key, count(*), count(*) FILTER (WHERE (b.run).state = 'COMPLETED'), sum((b.run).core_ms),
           coalesce(sum((b.run).core_ms) FILTER (WHERE (b.run).state = 'COMPLETED'), 0),
           sum(greatest((b.run).start_time - (b.run).submit_time, 0)),
           sum((b.run).end_time - (b.run).start_time)
      FROM runs_by(p_since, p_until, p_by, p_user, p_account, p_zone) b
     GROUP BY b.key ORDER BY b.key
$$;

CREATE FUNCTION movements_by(p_since bigint, p_until bigint, p_by text, p_zone text)
RETURNS TABLE (key text, count bigint, amount numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM report_check(p_by, ARRAY['code', 'account', 'day', 'week', 'month']);
    RETURN QUERY
        WITH moved AS (SELECT * FROM transfer t
                        WHERE t.posted_at >= to_timestamp(p_since) AND t.posted_at < to_timestamp(p_until)),
        line AS (SELECT CASE p_by WHEN 'code' THEN m.code ELSE period_key(p_by, m.posted_at, p_zone) END AS k, m.amount
                   FROM moved m WHERE p_by <> 'account'
                 UNION ALL
                 SELECT a.name, CASE WHEN a.account_id = m.credit THEN m.amount ELSE -m.amount END
                   FROM moved m JOIN account a ON a.account_id IN (m.debit, m.credit) WHERE p_by = 'account')
        SELECT l.k, count(*), sum(l.amount) FROM line l GROUP BY l.k ORDER BY l.k;
END $$;

CREATE FUNCTION peers_report(p_since bigint, p_until bigint)
RETURNS TABLE (peer text, gave numeric, gave_runs bigint, took numeric, took_runs bigint, balance bigint, held bigint,
               credit_limit bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH moved AS (SELECT * FROM transfer t
                    WHERE t.posted_at >= to_timestamp(p_since) AND t.posted_at < to_timestamp(p_until))
    SELECT substr(a.name, 6), coalesce(g.amount, 0), coalesce(g.count, 0), coalesce(t.amount, 0), coalesce(t.count, 0),
           a.credited - a.debited, a.held, a.credit_limit
      FROM account a
      LEFT JOIN (SELECT credit, sum(amount) AS amount, count(*) AS count FROM moved GROUP BY credit) g
             ON g.credit = a.account_id
      LEFT JOIN (SELECT debit, sum(amount) AS amount, count(*) AS count FROM moved GROUP BY debit) t
             ON t.debit = a.account_id
     WHERE a.kind = 'peer' ORDER BY a.name
$$;

CREATE FUNCTION account_turnover() RETURNS TABLE (name text, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT a.name, a.credited, a.debited FROM account a WHERE a.kind <> 'system' ORDER BY a.name $$;

CREATE FUNCTION runs_unknown(p_runs jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF jsonb_typeof(p_runs) IS DISTINCT FROM 'array' OR jsonb_array_length(p_runs) > 1000 THEN
        RAISE EXCEPTION 'job runs come as an array of at most 1000' USING ERRCODE = 'RN005';
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(x.value), '[]') FROM jsonb_array_elements(p_runs) x
             WHERE NOT EXISTS (SELECT FROM job_run r
                                WHERE r.cluster = x.value->>'cluster'
                                  AND r.slurm_job_id = (x.value->>'slurm_job_id')::bigint
                                  AND r.submit_time = (x.value->>'submit_time')::bigint
                                  AND r.restart = (x.value->>'restart')::integer
                                  AND r.recorded_at IS NOT NULL));
END $$;

CREATE FUNCTION runs_recorded(p_cluster text, p_since bigint, p_until bigint)
RETURNS TABLE (slurm_job_id bigint, submit_time bigint, restart integer, user_name text, end_time bigint, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.slurm_job_id, r.submit_time, r.restart, r.user_name, r.end_time, r.state FROM job_run r
     WHERE r.cluster = p_cluster AND r.recorded_at IS NOT NULL AND r.end_time >= p_since AND r.end_time < p_until
     ORDER BY r.end_time, r.job_run_id LIMIT 10000
$$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    usage_by_peer(bigint, bigint, text, text), efficiency_by(bigint, bigint, text, text, text, text),
    movements_by(bigint, bigint, text, text), peers_report(bigint, bigint), account_turnover(),
    runs_unknown(jsonb), runs_recorded(text, bigint, bigint)
    TO rain;
