-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- How good predictions are: for each run at home that came to its own end, what
-- rain-ledgerd would have said of it when it was submitted, knowing only runs that had
-- ended by then.  A run is judged once, and what was said is never changed.
--
-- Functions for callers:
--   estimates_state() -> (judged, newest): the last record that was judged, and the
--        newest there is (record_seq of job_run; 0: none)
--   runs_to_learn(after, limit) -> rows (record_seq, job_run_id, user_name, job_name,
--        cpus, submit_time, end_time, run_s, counts) in the order of records; counts:
--        the run tells how long such jobs take (at home, and not cut short by others)
--   estimates_record(estimates jsonb, judged) -> how many were new.  estimates: an array
--        of at most 10000 {job_run_id, expected_s, high_s, samples, basis, run_s}; all
--        records up to `judged` are done
--   estimates_by(since, until, by, user, account, zone) -> rows (key, runs, predicted,
--        within, expected_s, run_s, bursts, held, paid); runs of own users that ended in
--        [since, until); predicted: those with a history; within: of these, ended within
--        the 90 % figure; held, paid: of runs at peers. by: as efficiency_by

SET LOCAL search_path = ledger, pg_temp;

CREATE TABLE estimate (
    job_run_id bigint PRIMARY KEY REFERENCES job_run,
    expected_s bigint NOT NULL CHECK (expected_s > 0),
    high_s     bigint NOT NULL CHECK (high_s > 0),
    samples    integer NOT NULL CHECK (samples > 0),
    basis      text NOT NULL CHECK (basis IN ('user', 'shape', 'name')),
    run_s      bigint NOT NULL CHECK (run_s >= 0)
);
CREATE TRIGGER frozen_row BEFORE DELETE OR UPDATE ON estimate FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON estimate EXECUTE FUNCTION frozen();

CREATE TABLE estimate_state (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    judged bigint NOT NULL CHECK (judged >= 0)
);
-- What ran before this existed isn't judged afterwards.
INSERT INTO estimate_state (judged) SELECT coalesce(max(record_seq), 0) FROM job_run;

CREATE FUNCTION estimates_state() RETURNS TABLE (judged bigint, newest bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT s.judged, coalesce((SELECT max(record_seq) FROM job_run), 0) FROM estimate_state s
$$;

CREATE FUNCTION runs_to_learn(p_after bigint, p_limit integer)
RETURNS TABLE (record_seq bigint, job_run_id bigint, user_name text, job_name text, cpus bigint, submit_time bigint,
               end_time bigint, run_s bigint, counts boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.record_seq, r.job_run_id, r.user_name, r.job_name, r.cpus, r.submit_time, r.end_time,
           r.end_time - r.start_time,
           r.place = 'home' AND r.state IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'OUT_OF_MEMORY')
      FROM job_run r WHERE r.record_seq > p_after ORDER BY r.record_seq LIMIT least(p_limit, 10000)
$$;

CREATE FUNCTION estimates_record(p_estimates jsonb, p_judged bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    n bigint;
BEGIN
    IF jsonb_typeof(p_estimates) <> 'array' OR jsonb_array_length(p_estimates) > 10000 THEN
        RAISE EXCEPTION 'estimates come as an array of at most 10000' USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO estimate SELECT x.* FROM jsonb_to_recordset(p_estimates)
        AS x(job_run_id bigint, expected_s bigint, high_s bigint, samples integer, basis text, run_s bigint)
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS n = ROW_COUNT;
    UPDATE estimate_state SET judged = greatest(judged, p_judged) WHERE judged < p_judged;
    RETURN n;
END $$;

CREATE FUNCTION estimates_by(p_since bigint, p_until bigint, p_by text, p_user text, p_account text, p_zone text)
RETURNS TABLE (key text, runs bigint, predicted bigint, within bigint, expected_s numeric, run_s numeric, bursts bigint,
               held numeric, paid numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT b.key, count(*), count(e.job_run_id), count(*) FILTER (WHERE e.run_s <= e.high_s),
           coalesce(sum(e.expected_s), 0), coalesce(sum(e.run_s), 0),
           count(h.hold_id), coalesce(sum(h.held), 0), coalesce(sum(h.posted), 0)
      FROM runs_by(p_since, p_until, p_by, p_user, p_account, p_zone) b
      LEFT JOIN estimate e ON e.job_run_id = (b.run).job_run_id
      LEFT JOIN hold_resolution h ON h.hold_id = (b.run).hold_id AND h.outcome = 'posted'
     WHERE (b.run).place <> 'guest'
     GROUP BY b.key ORDER BY b.key
$$;

GRANT EXECUTE ON FUNCTION
    estimates_state(), runs_to_learn(bigint, integer), estimates_record(jsonb, bigint),
    estimates_by(bigint, bigint, text, text, text, text)
    TO rain;
