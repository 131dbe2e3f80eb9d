-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What the overflow policy remembers (doc/policy.md): how long jobs ran, what lies
-- between us and each peer, and why each burst was sent.
--
-- Only rain-gatewayd (role "rain-gw") uses these tables.

SET LOCAL search_path = federation, pg_temp;

-- ------------------------------------------------------------- run times

-- The last runs of each user, for scheduler/predict.h: at most 32 of each, none
-- older than 400 days before the newest.
CREATE TABLE run (
    job_id      bigint NOT NULL,
    submit_time bigint NOT NULL,
    restart     integer NOT NULL,
    uid         bigint NOT NULL,
    name        bigint NOT NULL,   -- a hash
    procs       integer NOT NULL CHECK (procs > 0),
    limit_s     integer NOT NULL CHECK (limit_s > 0),
    run_s       integer NOT NULL CHECK (run_s >= 0),
    ended       bigint NOT NULL,   -- epoch seconds
    PRIMARY KEY (job_id, submit_time, restart)
);
CREATE INDEX run_of_user ON run (uid, ended DESC, job_id DESC);

-- Takes an array of runs, each an array as the broker gives it: job_id, submit_time,
-- restart, uid, name, procs, limit_s, run_s, ended.  Returns the places (from 1) in
-- it of those that are new and recent enough to be kept.
CREATE FUNCTION run_learn(p_runs jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
DECLARE
    v_new bigint[];
BEGIN
    WITH told AS (
        SELECT nth, (r->>0)::bigint AS job_id, (r->>1)::bigint AS submit_time, (r->>2)::integer AS restart,
               (r->>3)::bigint AS uid, (r->>4)::bigint AS name,
               least((r->>5)::bigint, 2147483647)::integer AS procs,
               least((r->>6)::bigint, 2147483647)::integer AS limit_s,
               least((r->>7)::bigint, 2147483647)::integer AS run_s, (r->>8)::bigint AS ended
          FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS e (r, nth)
    ), added AS (
        INSERT INTO run
        SELECT job_id, submit_time, restart, uid, name, procs, limit_s, run_s, ended FROM told
        ON CONFLICT DO NOTHING
        RETURNING job_id, submit_time, restart
    )
    SELECT array_agg(nth) INTO v_new FROM told JOIN added USING (job_id, submit_time, restart);
    DELETE FROM run USING (
        SELECT r.job_id, r.submit_time, r.restart,
               row_number() OVER (PARTITION BY r.uid ORDER BY r.ended DESC, r.job_id DESC) AS nth
          FROM run r
         WHERE r.uid IN (SELECT (t->>3)::bigint FROM jsonb_array_elements(p_runs) t)
    ) old
     WHERE old.nth > 32 AND (run.job_id, run.submit_time, run.restart)
                            = (old.job_id, old.submit_time, old.restart);
    DELETE FROM run WHERE ended < (SELECT max(ended) FROM run) - 400 * 86400;
    RETURN QUERY
    SELECT nth FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS e (r, nth)
     WHERE nth = ANY (v_new)
       AND EXISTS (SELECT FROM run WHERE job_id = (r->>0)::bigint AND submit_time = (r->>1)::bigint
                                     AND restart = (r->>2)::integer)
     ORDER BY nth;
END $$;

-- -------------------------------------------------------------- standing

-- Between us and each peer, as the receipts tell, and what it has done with our jobs.
-- A row outlives the peer that it is about: who leaves with a debt leaves the debt.
CREATE TABLE standing (
    peer_id       bigint PRIMARY KEY,
    lent_utok     bigint NOT NULL DEFAULT 0 CHECK (lent_utok >= 0),     -- it has had from us, countersigned
    borrowed_utok bigint NOT NULL DEFAULT 0 CHECK (borrowed_utok >= 0), -- we have had from it, paid
    dropped_utok  bigint NOT NULL DEFAULT 0 CHECK (dropped_utok >= 0),  -- of our work, thrown away by it
    -- struct rain_trust of scheduler/overflow.h
    expected_s    bigint NOT NULL DEFAULT 0,
    observed_s    bigint NOT NULL DEFAULT 0,
    runs          bigint NOT NULL DEFAULT 0,
    evicting      integer NOT NULL DEFAULT 0 CHECK (evicting BETWEEN 0 AND 1000),
    closed_until  bigint NOT NULL DEFAULT 0,  -- epoch seconds
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- A receipt that is countersigned (lender) or paid (borrower) counts, once.
CREATE FUNCTION standing_count() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    INSERT INTO standing AS s (peer_id, lent_utok, borrowed_utok)
    VALUES (NEW.peer_id, CASE NEW.side WHEN 'lender' THEN NEW.amount_utok ELSE 0 END,
            CASE NEW.side WHEN 'borrower' THEN NEW.amount_utok ELSE 0 END)
    ON CONFLICT (peer_id) DO UPDATE
       SET lent_utok = s.lent_utok + EXCLUDED.lent_utok,
           borrowed_utok = s.borrowed_utok + EXCLUDED.borrowed_utok,
           changed_at = clock_timestamp();
    RETURN NULL;
END $$;
CREATE TRIGGER standing_count_new AFTER INSERT ON receipt FOR EACH ROW
    WHEN (NEW.amount_utok IS NOT NULL) EXECUTE FUNCTION standing_count();
CREATE TRIGGER standing_count_signed AFTER UPDATE ON receipt FOR EACH ROW
    WHEN (OLD.amount_utok IS NULL AND NEW.amount_utok IS NOT NULL) EXECUTE FUNCTION standing_count();

INSERT INTO standing (peer_id, lent_utok, borrowed_utok)
SELECT peer_id, coalesce(sum(amount_utok) FILTER (WHERE side = 'lender'), 0),
       coalesce(sum(amount_utok) FILTER (WHERE side = 'borrower'), 0)
  FROM receipt GROUP BY peer_id;

-- What those owe who are gone (unknown, or silent for a day): beyond k percent of
-- what they gave, forgotten evenly over a year.
CREATE FUNCTION standing_stranded(p_k_percent bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = federation, pg_temp AS $$
    SELECT coalesce(sum(greatest(0, s.lent_utok - greatest(0, s.borrowed_utok - s.dropped_utok)::numeric
                                                  * p_k_percent / 100)
                        * greatest(0, 1 - extract(epoch FROM clock_timestamp() - s.changed_at)::numeric
                                          / (365 * 86400))), 0)::bigint
      FROM standing s LEFT JOIN peer p USING (peer_id)
     WHERE p.peer_id IS NULL OR coalesce(p.last_contact, p.joined_at) < clock_timestamp() - interval '1 day'
$$;

-- ---------------------------------------------------------------- bursts

ALTER TABLE burst
    ADD COLUMN decision text NOT NULL DEFAULT '',      -- why it was sent there
    ADD COLUMN expected_s bigint NOT NULL DEFAULT 0;   -- how long it was expected to run; 0: not known

GRANT SELECT, INSERT, DELETE ON run TO "rain-gw";
GRANT SELECT, INSERT, UPDATE ON standing TO "rain-gw";
GRANT EXECUTE ON FUNCTION run_learn(jsonb), standing_stranded(bigint) TO "rain-gw";
