-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The policies of the configuration, as rain-ledgerd carries them out: rewards for own
-- use, and sharing out what lending earned. Each is done exactly once however often it
-- is asked for, and however often rain-ledgerd dies in between.
--
-- Functions for callers:
--   own_use_due(most) -> rows (record_seq, job_run_id, user_name, nodes, core_ms): runs
--        at home that no reward was looked at for, in order, of those already sealed (so
--        none is passed by that is still to be committed)
--   own_use_reward(record_seq, rewards jsonb, cap) -> how many got something. rewards:
--        {"job_run_id": micro-tokens}, of runs up to record_seq, which are then done; a
--        user gets at most `cap` a day (UTC, the day it is given). 'RN001' when another
--        caller was faster
--   own_use_skip()    -> void; runs until now get no reward: no such policy is in force
--   commons_share_due(mode, weights, out_of, days) -> micro-tokens shared now. Once in
--        each period of so many days (UTC), what the commons had at its beginning and
--        still has; 0 when that is done or there is nothing

SET LOCAL search_path = ledger, pg_temp;

-- Up to which record rewards are given.
CREATE TABLE own_use (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    record_seq bigint NOT NULL DEFAULT 0
);
INSERT INTO own_use DEFAULT VALUES;

CREATE FUNCTION own_use_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'runs that were looked at for a reward aren''t looked at again' USING ERRCODE = 'RN006';
END $$;
CREATE TRIGGER own_use_guard BEFORE UPDATE ON own_use
    FOR EACH ROW WHEN (NEW.record_seq < OLD.record_seq) EXECUTE FUNCTION own_use_guard();
CREATE TRIGGER frozen_row BEFORE DELETE ON own_use FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON own_use EXECUTE FUNCTION frozen();

CREATE FUNCTION own_use_due(p_most integer)
RETURNS TABLE (record_seq bigint, job_run_id bigint, user_name text, nodes text, core_ms bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.record_seq, r.job_run_id, r.user_name, r.nodes, CASE r.place WHEN 'home' THEN r.core_ms ELSE 0 END
      FROM job_run r
     WHERE r.record_seq > (SELECT o.record_seq FROM own_use o) AND r.record_seq <= sealed_to('run')
     ORDER BY r.record_seq LIMIT p_most
$$;

CREATE FUNCTION own_use_reward(p_record_seq bigint, p_rewards jsonb, p_cap bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    r record;
    since bigint;
    given integer := 0;
BEGIN
    SELECT o.record_seq INTO STRICT since FROM own_use o FOR UPDATE;
    IF p_record_seq IS NULL OR p_record_seq <= since OR p_record_seq > sealed_to('run') THEN
        RAISE EXCEPTION 'rewards up to record % were looked at already, or it isn''t sealed', p_record_seq
            USING ERRCODE = 'RN001';
    END IF;
    FOR r IN SELECT j.job_run_id, j.user_name, j.slurm_job_id, x.value::bigint AS amount
               FROM jsonb_each_text(p_rewards) x JOIN job_run j ON j.job_run_id = x.key::bigint
              WHERE j.record_seq > since AND j.record_seq <= p_record_seq AND j.place = 'home' AND x.value::bigint > 0
              ORDER BY j.record_seq LOOP
        given := given + (reward_own_use(r.user_name, r.amount, p_cap, format('job %s', r.slurm_job_id),
                                         md5(format('own use of run %s', r.job_run_id))::uuid) > 0)::integer;
    END LOOP;
    UPDATE own_use SET record_seq = p_record_seq;
    RETURN given;
END $$;

CREATE FUNCTION own_use_skip() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    UPDATE own_use SET record_seq = sealed_to('run') WHERE record_seq < sealed_to('run')
$$;

CREATE FUNCTION commons_share_due(p_mode text, p_weights jsonb, p_out_of bigint, p_days integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    commons bigint := account_id('system:commons');
    first_day date;
    begin_at timestamptz;
    id uuid;
    due bigint;
BEGIN
    IF p_days IS NULL OR p_days NOT BETWEEN 1 AND 366 THEN
        RAISE EXCEPTION 'the commons are shared every 1 to 366 days, not every %', p_days USING ERRCODE = 'RN005';
    END IF;
    -- Periods are counted from a Monday.
    first_day := date '1970-01-05' + (utc_day(clock_timestamp()) - date '1970-01-05') / p_days * p_days;
    begin_at := first_day::timestamp AT TIME ZONE 'UTC';
    id := md5(format('commons of the period from %s', first_day))::uuid;
    PERFORM FROM account a WHERE a.account_id = commons FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM share s WHERE s.share_id = id) THEN
        RETURN 0;
    END IF;
    due := system_balance(commons)
         - (SELECT coalesce(sum(m.amount), 0) FROM account_moves(commons, transfer_floor(begin_at)) m
              JOIN transfer t USING (transfer_id) WHERE t.posted_at >= begin_at AND m.amount > 0);
    IF due <= 0 THEN
        RETURN 0;
    END IF;
    RETURN (SELECT coalesce(sum(s.amount), 0)
              FROM commons_share(due, p_mode, p_weights, p_out_of, format('lending until %s', first_day), '', id) s);
END $$;

GRANT EXECUTE ON FUNCTION
    own_use_due(integer), own_use_reward(bigint, jsonb, bigint), own_use_skip(),
    commons_share_due(text, jsonb, bigint, integer)
    TO rain;
