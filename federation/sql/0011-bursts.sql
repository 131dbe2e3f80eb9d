-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Bursts (our jobs at peers), loans (jobs of peers here), receipts, and why
-- candidates still wait (doc/protocol.txt, part 2; federation/burst.h, loan.h).
--
-- Only rain-gatewayd (role "rain-gw") uses these tables.  The state machines
-- live in its code; what must never be stored, whatever the code does, is said
-- here.  Times are milliseconds since the epoch by the gateway's clock.

SET LOCAL search_path = federation, pg_temp;

CREATE DOMAIN sha256_text AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');
CREATE DOMAIN signature_text AS text CHECK (VALUE ~ '^[A-Za-z0-9_-]{86}$');
CREATE DOMAIN utok AS bigint CHECK (VALUE BETWEEN 0 AND 1000000000000000000);

-- ------------------------------------------------------------------ home

CREATE TABLE burst (
    burst_id       uuid PRIMARY KEY,          -- also the id of its hold
    peer_id        bigint NOT NULL REFERENCES peer,
    -- The run of the home job: a job id alone is no identity.
    job_id         bigint NOT NULL CHECK (job_id > 0),
    submit_time    bigint NOT NULL,
    restart        integer NOT NULL CHECK (restart >= 0),
    uid            bigint NOT NULL CHECK (uid >= 0),
    user_name      text NOT NULL,
    job_name       text NOT NULL DEFAULT '',
    home_partition text NOT NULL,             -- where the job came from, for people
    nodes          integer NOT NULL CHECK (nodes > 0),
    tasks          integer NOT NULL CHECK (tasks > 0),
    cpus_per_task  integer NOT NULL CHECK (cpus_per_task > 0),
    ntasks_per_node integer NOT NULL CHECK (ntasks_per_node >= 0),
    minutes        integer NOT NULL CHECK (minutes > 0),
    mflops         bigint NOT NULL CHECK (mflops > 0),
    percent        bigint NOT NULL CHECK (percent >= 0),
    ceiling_utok   utok NOT NULL,
    held           boolean NOT NULL,          -- a hold exists: false only when it costs nothing

    state          text NOT NULL CHECK (state IN ('bound', 'placed', 'running', 'ended', 'settled', 'void')),
    job            text NOT NULL CHECK (job IN ('to_bind', 'bound', 'to_return', 'over')),
    inputs_given   boolean NOT NULL DEFAULT false,
    inputs_sent    boolean NOT NULL DEFAULT false,
    recalled       boolean NOT NULL DEFAULT false,
    delivered      boolean NOT NULL DEFAULT false,
    manifest       jsonb,
    bound_ms       bigint NOT NULL,
    inputs_ms      bigint NOT NULL DEFAULT 0,
    started_ms     bigint NOT NULL DEFAULT 0,
    finished_ms    bigint NOT NULL DEFAULT 0,
    changed_ms     bigint NOT NULL,
    seq_in         integer NOT NULL DEFAULT 0,
    seq_out        integer NOT NULL DEFAULT 0,
    remote_job_id  bigint NOT NULL DEFAULT 0,
    remote_nodes   text NOT NULL DEFAULT '',
    outcome        text NOT NULL DEFAULT 'none'
                   CHECK (outcome IN ('none', 'exited', 'cancelled', 'timeout', 'evicted', 'lost')),
    code           integer NOT NULL DEFAULT 0 CHECK (code BETWEEN 0 AND 255),
    signal         integer NOT NULL DEFAULT 0 CHECK (signal BETWEEN 0 AND 64),
    run_ms         bigint NOT NULL DEFAULT 0 CHECK (run_ms >= 0),
    stdout_bytes   bigint NOT NULL DEFAULT 0,
    stderr_bytes   bigint NOT NULL DEFAULT 0,
    outputs        jsonb NOT NULL DEFAULT '[]',
    claimed_utok   utok NOT NULL DEFAULT 0,
    observed_utok  utok,
    amount_utok    utok,                      -- paid
    disputed       boolean NOT NULL DEFAULT false,
    sentence       text NOT NULL DEFAULT '',

    CONSTRAINT free_only_without_price CHECK (held = (ceiling_utok > 0)),
    CONSTRAINT inputs_are_given_before_they_are_sent CHECK (NOT inputs_sent OR (inputs_given AND inputs_ms > 0)),
    CONSTRAINT inputs_have_a_manifest CHECK (inputs_given = (manifest IS NOT NULL)),
    CONSTRAINT runs_only_with_inputs CHECK (state IN ('bound', 'placed', 'void') OR inputs_sent),
    CONSTRAINT sent_only_when_placed CHECK (NOT inputs_sent OR state <> 'bound'),
    CONSTRAINT recalled_only_when_sent CHECK (NOT recalled OR inputs_sent),
    CONSTRAINT over_has_an_outcome CHECK (CASE
        WHEN state IN ('ended', 'settled') THEN outcome IN ('exited', 'cancelled', 'timeout')
        WHEN state = 'void' THEN outcome IN ('none', 'evicted', 'lost')
        ELSE outcome = 'none' END),
    CONSTRAINT sent_ends_with_an_outcome CHECK (NOT (state = 'void' AND inputs_sent) OR outcome <> 'none'),
    CONSTRAINT paid_when_settled CHECK ((state = 'settled') = (amount_utok IS NOT NULL)),
    CONSTRAINT pays_at_most_ceiling_and_claim CHECK (amount_utok <= ceiling_utok AND amount_utok <= claimed_utok),
    CONSTRAINT home_keeps_what_is_there CHECK (job <> 'to_return' OR recalled OR state IN ('ended', 'settled', 'void'))
) WITH (fillfactor = 60);

-- One burst at a time (and one that ended well) for each run of a job.
CREATE UNIQUE INDEX burst_run ON burst (job_id, submit_time, restart) WHERE state <> 'void';
CREATE INDEX burst_open ON burst (changed_ms)
    WHERE state NOT IN ('settled', 'void') OR job <> 'over';
CREATE INDEX burst_changed ON burst (changed_ms);

-- ---------------------------------------------------------------- lender

-- The pool: a guest uid belongs to one user of one peer as long as anything of
-- that user may be left here.
CREATE TABLE guest (
    uid         bigint PRIMARY KEY CHECK (uid > 0),
    peer_id     bigint NOT NULL REFERENCES peer,
    remote_user text NOT NULL,
    used_ms     bigint NOT NULL,
    UNIQUE (peer_id, remote_user)
);

CREATE TABLE loan (
    burst_id       uuid PRIMARY KEY,
    peer_id        bigint NOT NULL REFERENCES peer,
    remote_user    text NOT NULL,
    guest_uid      bigint NOT NULL,
    nodes          integer NOT NULL CHECK (nodes > 0),
    tasks          integer NOT NULL CHECK (tasks > 0),
    cpus_per_task  integer NOT NULL CHECK (cpus_per_task > 0),
    ntasks_per_node integer NOT NULL CHECK (ntasks_per_node >= 0),
    minutes        integer NOT NULL CHECK (minutes > 0),
    mflops         bigint NOT NULL CHECK (mflops > 0),
    percent        bigint NOT NULL CHECK (percent >= 0),
    ceiling_utok   utok NOT NULL,
    hold_id        uuid UNIQUE,               -- against the peer's credit

    state          text NOT NULL CHECK (state IN ('accepted', 'submitted', 'released', 'running', 'exited',
                                                  'receipted', 'closed', 'void')),
    job_id         bigint NOT NULL DEFAULT 0, -- 0: not known (yet)
    job_nodes      text NOT NULL DEFAULT '',
    job_over       boolean NOT NULL DEFAULT false,
    manifest       jsonb,
    staged         boolean NOT NULL DEFAULT false,
    recalled       boolean NOT NULL DEFAULT false,
    evicting       boolean NOT NULL DEFAULT false,
    delivered      boolean NOT NULL DEFAULT false,
    accepted_ms    bigint NOT NULL,
    started_ms     bigint NOT NULL DEFAULT 0,
    ended_ms       bigint NOT NULL DEFAULT 0,
    changed_ms     bigint NOT NULL,
    seq_in         integer NOT NULL DEFAULT 0,
    seq_out        integer NOT NULL DEFAULT 0,
    outcome        text NOT NULL DEFAULT 'none'
                   CHECK (outcome IN ('none', 'exited', 'cancelled', 'timeout', 'evicted', 'lost')),
    terminated     boolean NOT NULL DEFAULT false, -- by Slurm's SIGTERM
    code           integer NOT NULL DEFAULT 0 CHECK (code BETWEEN 0 AND 255),
    signal         integer NOT NULL DEFAULT 0 CHECK (signal BETWEEN 0 AND 64),
    run_ms         bigint NOT NULL DEFAULT 0 CHECK (run_ms >= 0),
    stdout_bytes   bigint NOT NULL DEFAULT 0,
    stderr_bytes   bigint NOT NULL DEFAULT 0,
    outputs        jsonb NOT NULL DEFAULT '[]',
    claimed_utok   utok NOT NULL DEFAULT 0,
    amount_utok    utok,                      -- earned
    disputed       boolean NOT NULL DEFAULT false,
    cleaned        boolean NOT NULL DEFAULT false, -- streams and outputs are gone
    sentence       text NOT NULL DEFAULT '',

    CONSTRAINT free_only_without_price CHECK ((hold_id IS NOT NULL) = (ceiling_utok > 0)),
    CONSTRAINT staged_has_a_manifest CHECK (NOT staged OR manifest IS NOT NULL),
    CONSTRAINT submitted_has_a_job CHECK (state NOT IN ('submitted', 'released', 'running', 'exited') OR job_id > 0),
    CONSTRAINT runs_when_staged CHECK (state NOT IN ('running', 'exited', 'receipted') OR staged),
    CONSTRAINT runs_from_a_start CHECK (state NOT IN ('running', 'exited', 'receipted') OR started_ms > 0),
    CONSTRAINT over_has_an_outcome CHECK (CASE
        WHEN state IN ('receipted', 'closed') THEN outcome IN ('exited', 'cancelled', 'timeout')
        WHEN state = 'void' THEN outcome IN ('none', 'evicted', 'lost')
        ELSE outcome = 'none' END),
    CONSTRAINT lost_costs_nothing CHECK (claimed_utok = 0 OR state IN ('exited', 'receipted', 'closed')),
    CONSTRAINT receipted_claims CHECK (state <> 'receipted' OR claimed_utok > 0),
    CONSTRAINT claims_at_most_ceiling CHECK (claimed_utok <= ceiling_utok),
    CONSTRAINT paid_when_closed CHECK ((state = 'closed') = (amount_utok IS NOT NULL)),
    CONSTRAINT earns_at_most_claim CHECK (amount_utok <= claimed_utok)
) WITH (fillfactor = 60);
CREATE INDEX loan_open ON loan (changed_ms)
    WHERE state NOT IN ('closed', 'void') OR NOT (job_over OR job_id = 0) OR NOT cleaned;
CREATE INDEX loan_changed ON loan (changed_ms);
CREATE INDEX loan_guest ON loan (guest_uid) WHERE state NOT IN ('closed', 'void') OR NOT (job_over OR job_id = 0);

CREATE TABLE loan_signal (
    burst_id uuid NOT NULL REFERENCES loan ON DELETE CASCADE,
    seq      integer NOT NULL CHECK (seq > 0),
    signal   integer NOT NULL CHECK (signal BETWEEN 1 AND 64),
    PRIMARY KEY (burst_id, seq)
);

-- -------------------------------------------------------------- receipts

-- Both chains with one peer: what we claimed ("lender") and what was claimed
-- from us ("borrower").
CREATE TABLE receipt (
    side             text NOT NULL CHECK (side IN ('lender', 'borrower')),
    peer_id          bigint NOT NULL REFERENCES peer,
    number           bigint NOT NULL CHECK (number > 0),
    burst_id         uuid NOT NULL,
    bytes            text NOT NULL CHECK (octet_length(bytes) < 2048),
    sha256           sha256_text NOT NULL UNIQUE,
    previous         text NOT NULL CHECK (previous = '' OR previous ~ '^[0-9a-f]{64}$'),
    signature        signature_text NOT NULL,
    claimed_utok     utok NOT NULL,
    core_ms          bigint NOT NULL CHECK (core_ms >= 0),
    observed_utok    utok,                    -- borrower
    amount_utok      utok,                    -- countersigned
    countersignature signature_text,
    disputed         text,                    -- why, when the numbers differ
    made_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (side, peer_id, number),
    UNIQUE (side, burst_id),
    CONSTRAINT signed_amount CHECK ((amount_utok IS NULL) = (countersignature IS NULL)),
    CONSTRAINT pays_at_most_claim CHECK (amount_utok <= claimed_utok)
);

-- A receipt that breaks the chain, and why it was refused.
CREATE TABLE receipt_refused (
    peer_id    bigint NOT NULL REFERENCES peer,
    burst_id   uuid NOT NULL,
    bytes      text NOT NULL,
    signature  text NOT NULL,
    reason     text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- ------------------------------------------------------------ candidates

-- Jobs that wait and might go to a peer, and the sentence that says why they
-- still do.  Written anew from what Slurm shows, so it may be lost.
CREATE TABLE candidate (
    job_id      bigint PRIMARY KEY,
    submit_time bigint NOT NULL,
    uid         bigint NOT NULL,
    user_name   text NOT NULL,
    job_name    text NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('auto', 'only')),
    sentence    text NOT NULL,
    since_ms    bigint NOT NULL
);

-- ---------------------------------------------------------------- guards

CREATE FUNCTION burst_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    IF (NEW.burst_id, NEW.peer_id, NEW.job_id, NEW.submit_time, NEW.restart, NEW.uid, NEW.user_name,
        NEW.nodes, NEW.tasks, NEW.cpus_per_task, NEW.ntasks_per_node, NEW.minutes,
        NEW.mflops, NEW.percent, NEW.ceiling_utok)
       IS DISTINCT FROM
       (OLD.burst_id, OLD.peer_id, OLD.job_id, OLD.submit_time, OLD.restart, OLD.uid, OLD.user_name,
        OLD.nodes, OLD.tasks, OLD.cpus_per_task, OLD.ntasks_per_node, OLD.minutes,
        OLD.mflops, OLD.percent, OLD.ceiling_utok) THEN
        RAISE EXCEPTION 'burst % keeps its job and its terms', OLD.burst_id;
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'bound'   THEN NEW.state IN ('placed', 'void')
        WHEN 'placed'  THEN NEW.state IN ('running', 'ended', 'settled', 'void')
        WHEN 'running' THEN NEW.state IN ('ended', 'settled', 'void')
        WHEN 'ended'   THEN NEW.state = 'settled'
        ELSE false END) THEN
        RAISE EXCEPTION 'burst % can''t go from % to %', OLD.burst_id, OLD.state, NEW.state;
    END IF;
    IF (OLD.inputs_sent AND NOT NEW.inputs_sent) OR (OLD.recalled AND NOT NEW.recalled)
       OR (OLD.delivered AND NOT NEW.delivered) OR NEW.seq_in < OLD.seq_in OR NEW.seq_out < OLD.seq_out
       OR (OLD.amount_utok IS NOT NULL AND NEW.amount_utok IS DISTINCT FROM OLD.amount_utok) THEN
        RAISE EXCEPTION 'burst % can''t take back what has happened', OLD.burst_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER burst_guard BEFORE UPDATE ON burst FOR EACH ROW EXECUTE FUNCTION burst_guard();

CREATE FUNCTION loan_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    IF (NEW.burst_id, NEW.peer_id, NEW.remote_user, NEW.guest_uid,
        NEW.nodes, NEW.tasks, NEW.cpus_per_task, NEW.ntasks_per_node, NEW.minutes,
        NEW.mflops, NEW.percent, NEW.ceiling_utok, NEW.hold_id)
       IS DISTINCT FROM
       (OLD.burst_id, OLD.peer_id, OLD.remote_user, OLD.guest_uid,
        OLD.nodes, OLD.tasks, OLD.cpus_per_task, OLD.ntasks_per_node, OLD.minutes,
        OLD.mflops, OLD.percent, OLD.ceiling_utok, OLD.hold_id)
       OR (OLD.job_id <> 0 AND NEW.job_id <> OLD.job_id) THEN
        RAISE EXCEPTION 'loan % keeps its job and its terms', OLD.burst_id;
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'accepted'  THEN NEW.state IN ('submitted', 'closed', 'void')
        WHEN 'submitted' THEN NEW.state IN ('released', 'running', 'closed', 'void')
        WHEN 'released'  THEN NEW.state IN ('running', 'closed', 'void')
        WHEN 'running'   THEN NEW.state IN ('exited', 'receipted', 'closed', 'void')
        WHEN 'exited'    THEN NEW.state IN ('receipted', 'closed', 'void')
        WHEN 'receipted' THEN NEW.state = 'closed'
        ELSE false END) THEN
        RAISE EXCEPTION 'loan % can''t go from % to %', OLD.burst_id, OLD.state, NEW.state;
    END IF;
    IF (OLD.job_over AND NOT NEW.job_over) OR (OLD.staged AND NOT NEW.staged)
       OR (OLD.recalled AND NOT NEW.recalled) OR NEW.seq_in < OLD.seq_in OR NEW.seq_out < OLD.seq_out
       OR (OLD.amount_utok IS NOT NULL AND NEW.amount_utok IS DISTINCT FROM OLD.amount_utok) THEN
        RAISE EXCEPTION 'loan % can''t take back what has happened', OLD.burst_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER loan_guard BEFORE UPDATE ON loan FOR EACH ROW EXECUTE FUNCTION loan_guard();

-- A loan runs under the uid that the pool gave to its user.
CREATE FUNCTION loan_begin() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM guest g WHERE g.uid = NEW.guest_uid AND g.peer_id = NEW.peer_id
                      AND g.remote_user = NEW.remote_user) THEN
        RAISE EXCEPTION 'guest uid % is not that of % of peer %', NEW.guest_uid, NEW.remote_user, NEW.peer_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER loan_begin BEFORE INSERT ON loan FOR EACH ROW EXECUTE FUNCTION loan_begin();

-- … and the pool gives a uid to another user only when nothing of the former
-- one can be left.
CREATE FUNCTION guest_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.uid, NEW.peer_id, NEW.remote_user)
                            IS NOT DISTINCT FROM (OLD.uid, OLD.peer_id, OLD.remote_user) THEN
        RETURN NEW;
    END IF;
    IF EXISTS (SELECT FROM loan l WHERE l.guest_uid = OLD.uid
                  AND (l.state NOT IN ('closed', 'void') OR NOT (l.job_over OR l.job_id = 0))) THEN
        RAISE EXCEPTION 'guest uid % is still in use', OLD.uid;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER guest_guard BEFORE UPDATE OR DELETE ON guest FOR EACH ROW EXECUTE FUNCTION guest_guard();

-- Receipts form one chain for each side and peer, without a gap; only the
-- countersignature is added later, once.
CREATE FUNCTION receipt_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
DECLARE
    last receipt;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.side, NEW.peer_id, NEW.number, NEW.burst_id, NEW.bytes, NEW.sha256, NEW.previous,
            NEW.signature, NEW.claimed_utok, NEW.core_ms)
           IS DISTINCT FROM
           (OLD.side, OLD.peer_id, OLD.number, OLD.burst_id, OLD.bytes, OLD.sha256, OLD.previous,
            OLD.signature, OLD.claimed_utok, OLD.core_ms)
           OR (OLD.amount_utok IS NOT NULL
               AND (NEW.amount_utok, NEW.countersignature) IS DISTINCT FROM (OLD.amount_utok, OLD.countersignature)) THEN
            RAISE EXCEPTION 'receipt % of peer % is signed and can''t be rewritten', OLD.number, OLD.peer_id;
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO last FROM receipt r WHERE r.side = NEW.side AND r.peer_id = NEW.peer_id
     ORDER BY r.number DESC LIMIT 1;
    IF NEW.number <> coalesce(last.number, 0) + 1 OR NEW.previous <> coalesce(last.sha256, '') THEN
        RAISE EXCEPTION 'receipt % of peer % doesn''t continue the chain after %', NEW.number, NEW.peer_id,
            coalesce(last.number, 0);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER receipt_guard BEFORE INSERT OR UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION receipt_guard();

CREATE FUNCTION receipt_frozen() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'receipts are never removed';
END $$;
CREATE TRIGGER receipt_frozen BEFORE DELETE ON receipt FOR EACH ROW EXECUTE FUNCTION receipt_frozen();
CREATE TRIGGER receipt_frozen_all BEFORE TRUNCATE ON receipt EXECUTE FUNCTION receipt_frozen();

-- A guest uid for one user of a peer: the one it has, a fresh one of the pool,
-- or the one that was free for longest.  NULL when all are in use.
CREATE FUNCTION guest_assign(p_peer bigint, p_user text, p_min bigint, p_max bigint, p_now bigint)
RETURNS bigint
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
DECLARE
    v_uid bigint;
BEGIN
    LOCK TABLE guest IN SHARE ROW EXCLUSIVE MODE;
    UPDATE guest g SET used_ms = p_now
     WHERE g.peer_id = p_peer AND g.remote_user = p_user AND g.uid BETWEEN p_min AND p_max
     RETURNING g.uid INTO v_uid;
    IF FOUND THEN
        RETURN v_uid;
    END IF;
    -- A pool that was moved leaves an old uid behind.
    DELETE FROM guest g WHERE g.peer_id = p_peer AND g.remote_user = p_user;
    SELECT u INTO v_uid FROM generate_series(p_min, p_max) u
     WHERE NOT EXISTS (SELECT FROM guest g WHERE g.uid = u)
       AND NOT EXISTS (SELECT FROM loan l WHERE l.guest_uid = u
                          AND (l.state NOT IN ('closed', 'void') OR NOT (l.job_over OR l.job_id = 0)))
     ORDER BY u LIMIT 1;
    IF FOUND THEN
        INSERT INTO guest VALUES (v_uid, p_peer, p_user, p_now);
        RETURN v_uid;
    END IF;
    SELECT g.uid INTO v_uid FROM guest g
     WHERE g.uid BETWEEN p_min AND p_max
       AND NOT EXISTS (SELECT FROM loan l WHERE l.guest_uid = g.uid
                          AND (l.state NOT IN ('closed', 'void') OR NOT (l.job_over OR l.job_id = 0)))
     ORDER BY g.used_ms LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE guest g SET peer_id = p_peer, remote_user = p_user, used_ms = p_now WHERE g.uid = v_uid;
    RETURN v_uid;
END $$;

-- ---------------------------------------------------------------- rights

GRANT USAGE ON TYPE sha256_text, signature_text, utok TO "rain-gw";
GRANT SELECT, INSERT, UPDATE ON burst, loan, receipt TO "rain-gw";
GRANT SELECT, INSERT, UPDATE, DELETE ON guest, loan_signal, candidate TO "rain-gw";
GRANT SELECT, INSERT ON receipt_refused TO "rain-gw";
GRANT EXECUTE ON FUNCTION guest_assign(bigint, text, bigint, bigint, bigint) TO "rain-gw";
