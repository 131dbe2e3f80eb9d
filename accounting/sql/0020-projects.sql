-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Projects, credit limits, transfers between accounts, corrections.
--
-- Projects form a tree. Each has tokens of its own; a parent's reach a child by
-- transfer. A member may spend from a project, a coordinator also moves its tokens
-- and those of everything below it. Who may ask for what is for the daemon to
-- decide, by account_rights(); the database keeps the sums right.
--
-- Functions for callers; accounts are given by their full names ("user:ada",
-- "project:heat", "peer:bravo", "system:commons"):
--   account_ensure_project(name, parent)   -> account id; parent: name of a project or
--        NULL. An existing project keeps the parent it has
--   project_move(name, parent)             -> void
--   project_member_set(project, user, role, actor) -> void; names without prefix;
--        role 'member', 'coordinator' or NULL: no longer one
--   project_members(project)               -> rows (user_name, role)
--   account_default_set(user, account)     -> void; account NULL: the user's own again
--   account_payer(user, slurm_account)     -> account id that pays for this user's jobs:
--        project:SLURM_ACCOUNT when the user is in it, else the default, else the
--        user's own (made when missing)
--   account_may_spend(user, account)       -> boolean
--   account_rights(user)                   -> rows (account, kind, role) with role
--        'own', 'member' or 'coordinator' (of it, or of a project above it)
--   account_limit_set(account, limit, reason, actor) -> void; how far the account may
--        go below zero, holds included
--   accounts()                             -> rows (name, kind, parent, balance, held,
--        available, credit_limit, created_at), parents before children
--   transfer_tokens(debit, credit, amount, reason, actor, idem) -> 'transferred' | 'exists'
--        between users and projects
--   transfer_correct(transfer, amount, reason, actor, idem)     -> 'corrected' | 'exists'
--        takes back part or all of a transfer that is no charge (see charge_refund)

SET LOCAL search_path = ledger, pg_temp;

ALTER TABLE account
    DROP CONSTRAINT account_name_fits_kind,
    DROP CONSTRAINT only_peers_have_credit,
    ADD CONSTRAINT account_name_fits_kind CHECK (
        CASE kind
            WHEN 'user'    THEN name ~ '^user:[^:[:space:][:cntrl:]]{1,64}$'
            WHEN 'project' THEN name ~ '^project:[^:[:space:][:cntrl:]]{1,64}$'
            WHEN 'peer'    THEN name ~ '^peer:[a-z][a-z0-9-]{0,15}$'
            WHEN 'system'  THEN name IN ('system:issuance', 'system:commons', 'system:use', 'system:expiry')
            ELSE false
        END),
    ADD CONSTRAINT system_has_no_credit CHECK (kind <> 'system' OR credit_limit = 0);

INSERT INTO account (kind, name) VALUES
    ('system', 'system:expiry'); -- where grants go that were not spent in time

CREATE TABLE project (
    account_id bigint PRIMARY KEY REFERENCES account,
    parent     bigint REFERENCES project,
    CHECK (parent <> account_id)
);

CREATE TABLE project_member (
    project  bigint NOT NULL REFERENCES project,
    user_id  bigint NOT NULL REFERENCES account,
    role     text NOT NULL CHECK (role IN ('member', 'coordinator')),
    set_by   text NOT NULL DEFAULT '',
    set_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, project)
);
CREATE INDEX project_member_project ON project_member (project);

CREATE TABLE account_default (
    user_id    bigint PRIMARY KEY REFERENCES account,
    account_id bigint NOT NULL REFERENCES account
);

-- Every change of a credit limit, for ever; a trigger applies it.
CREATE TABLE account_limit (
    change_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    credit_limit bigint NOT NULL CHECK (credit_limit BETWEEN 0 AND 1000000000000000000),
    reason     text NOT NULL DEFAULT '' CHECK (length(reason) <= 200),
    actor      text NOT NULL DEFAULT '' CHECK (length(actor) <= 80),
    set_by     text NOT NULL DEFAULT session_user,
    set_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE transfer
    ADD COLUMN actor text NOT NULL DEFAULT '' CHECK (length(actor) <= 80), -- the person who asked
    DROP CONSTRAINT transfer_code_check,
    DROP CONSTRAINT transfer_check2,
    ADD CONSTRAINT transfer_code_check CHECK (code IN (
        'grant', 'post', 'charge', 'refund', 'transfer', 'correct', 'expire', 'overage', 'reward', 'share')),
    ADD CONSTRAINT transfer_reverses_check CHECK ((code IN ('refund', 'correct')) = (reverses IS NOT NULL));

-- How much of a transfer has been corrected: never more than it was.
CREATE TABLE correction (
    transfer_id bigint PRIMARY KEY REFERENCES transfer,
    amount      bigint NOT NULL,
    corrected   bigint NOT NULL,
    FOREIGN KEY (transfer_id, amount) REFERENCES transfer (transfer_id, amount),
    CONSTRAINT corrections_at_most_the_transfer CHECK (corrected BETWEEN 0 AND amount)
);

-- ---------------------------------------------------------------- guards
--
-- The conditions stand in WHEN clauses, which cost next to nothing; the functions
-- only say what was wrong. pg_trigger_depth() is 0 there for a statement of
-- somebody's own, and more for one that a trigger makes.

DROP TRIGGER account_guard ON account;

CREATE OR REPLACE FUNCTION account_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    CASE TG_ARGV[0]
    WHEN 'begin' THEN
        IF NEW.kind <> 'peer' AND NEW.credit_limit <> 0 THEN
            RAISE EXCEPTION 'account % must begin without credit', NEW.name USING ERRCODE = 'check_violation';
        END IF;
        RAISE EXCEPTION 'account % must begin empty', NEW.name USING ERRCODE = 'RN006';
    WHEN 'name' THEN
        RAISE EXCEPTION 'account % keeps its name, kind and number', OLD.name USING ERRCODE = 'RN006';
    WHEN 'tally' THEN
        RAISE EXCEPTION 'the tallies of % follow from transfers and holds and can''t be set', OLD.name
            USING ERRCODE = 'RN006';
    WHEN 'limit' THEN
        RAISE EXCEPTION 'the credit limit of % is set by account_limit_set, which writes it down', OLD.name
            USING ERRCODE = 'check_violation';
    WHEN 'overdraft' THEN
        -- Same rule as no_overdraft, said for people.
        RAISE EXCEPTION '% has % tokens available, but % are needed', OLD.name,
            tokens_text(OLD.credited + OLD.credit_limit - OLD.debited - OLD.held),
            tokens_text(NEW.debited + NEW.held - OLD.debited - OLD.held)
            USING ERRCODE = 'RN002';
    END CASE;
END $$;

CREATE TRIGGER account_begin BEFORE INSERT ON account FOR EACH ROW
    WHEN (NEW.credited <> 0 OR NEW.debited <> 0 OR NEW.held <> 0
          OR (NEW.kind <> 'peer' AND NEW.credit_limit <> 0))
    EXECUTE FUNCTION account_guard('begin');
CREATE TRIGGER account_name BEFORE UPDATE ON account FOR EACH ROW
    WHEN (NEW.account_id <> OLD.account_id OR NEW.kind <> OLD.kind OR NEW.name <> OLD.name
          OR NEW.created_at <> OLD.created_at)
    EXECUTE FUNCTION account_guard('name');
CREATE TRIGGER account_tally BEFORE UPDATE ON account FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (NEW.credited <> OLD.credited OR NEW.debited <> OLD.debited OR NEW.held <> OLD.held))
    EXECUTE FUNCTION account_guard('tally');
CREATE TRIGGER account_limit BEFORE UPDATE ON account FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND NEW.credit_limit <> OLD.credit_limit)
    EXECUTE FUNCTION account_guard('limit');
CREATE TRIGGER account_overdraft BEFORE UPDATE ON account FOR EACH ROW
    WHEN (NEW.kind <> 'system' AND NEW.debited + NEW.held > NEW.credited + NEW.credit_limit)
    EXECUTE FUNCTION account_guard('overdraft');

CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON account_limit FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON account_limit EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE DELETE ON project FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON project EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_row BEFORE DELETE ON correction FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER frozen_all BEFORE TRUNCATE ON correction EXECUTE FUNCTION frozen();

CREATE FUNCTION account_limit_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE account SET credit_limit = NEW.credit_limit WHERE account_id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_limit_apply AFTER INSERT ON account_limit
    FOR EACH ROW EXECUTE FUNCTION account_limit_apply();

-- A project hangs below a project and never below itself.
CREATE FUNCTION project_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_id <> OLD.account_id THEN
        RAISE EXCEPTION 'a project keeps its number' USING ERRCODE = 'RN006';
    END IF;
    IF NOT EXISTS (SELECT FROM account WHERE account_id = NEW.account_id AND kind = 'project') THEN
        RAISE EXCEPTION 'account % is no project', NEW.account_id USING ERRCODE = 'RN005';
    END IF;
    -- Two moves at once could close a circle that neither sees: one after the other.
    PERFORM pg_advisory_xact_lock(7246, 1);
    IF EXISTS (WITH RECURSIVE above (id) AS (
                   SELECT NEW.parent
                   UNION
                   SELECT p.parent FROM above JOIN project p ON p.account_id = above.id)
               SELECT FROM above WHERE id = NEW.account_id) THEN
        RAISE EXCEPTION 'a project can''t hang below itself' USING ERRCODE = 'RN005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER project_guard BEFORE INSERT OR UPDATE ON project
    FOR EACH ROW EXECUTE FUNCTION project_guard();

CREATE FUNCTION project_member_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM account WHERE account_id = NEW.user_id AND kind = 'user') THEN
        RAISE EXCEPTION 'only users are members of a project' USING ERRCODE = 'RN005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER project_member_guard BEFORE INSERT OR UPDATE ON project_member
    FOR EACH ROW EXECUTE FUNCTION project_member_guard();

CREATE FUNCTION account_default_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM account u, account a
                    WHERE u.account_id = NEW.user_id AND u.kind = 'user'
                      AND a.account_id = NEW.account_id
                      AND (a.kind = 'project' OR a.account_id = u.account_id)) THEN
        RAISE EXCEPTION 'the default account of a user is a project or the user''s own'
            USING ERRCODE = 'RN005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_default_guard BEFORE INSERT OR UPDATE ON account_default
    FOR EACH ROW EXECUTE FUNCTION account_default_guard();

-- ------------------------------------------------------ what goes where

CREATE OR REPLACE FUNCTION transfer_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    wrong record;
    bounded record;
BEGIN
    IF EXISTS (SELECT FROM added WHERE hold_id IS NOT NULL) THEN
        -- hold_resolution_apply has moved the tallies already, in the same UPDATE
        -- that released the hold.
        IF pg_trigger_depth() < 2 THEN
            RAISE EXCEPTION 'a hold is posted by its resolution, not by a transfer' USING ERRCODE = 'RN006';
        END IF;
        RETURN NULL;
    END IF;
    SELECT t.code, d.name AS debit, c.name AS credit INTO wrong
      FROM added t JOIN account d ON d.account_id = t.debit JOIN account c ON c.account_id = t.credit
      LEFT JOIN transfer o ON o.transfer_id = t.reverses
     WHERE NOT CASE t.code
         WHEN 'grant'    THEN d.name = 'system:issuance' AND c.kind <> 'peer'
         WHEN 'reward'   THEN d.name = 'system:issuance' AND c.kind = 'user'
         WHEN 'share'    THEN d.name = 'system:commons' AND c.kind IN ('user', 'project')
         WHEN 'charge'   THEN d.kind IN ('user', 'project') AND c.name = 'system:use'
         WHEN 'overage'  THEN d.kind IN ('user', 'project', 'peer')
                              AND (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use'))
         WHEN 'expire'   THEN d.kind IN ('user', 'project') AND c.name = 'system:expiry'
         WHEN 'transfer' THEN d.kind IN ('user', 'project') AND c.kind IN ('user', 'project')
         WHEN 'refund'   THEN t.debit = o.credit AND t.credit = o.debit
         WHEN 'correct'  THEN t.debit = o.credit AND t.credit = o.debit
                              AND o.code NOT IN ('charge', 'refund', 'correct')
         ELSE false END
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a % can''t go from % to %', wrong.code, wrong.debit, wrong.credit
            USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account
      WHERE kind <> 'system' AND account_id IN (SELECT unnest(ARRAY[debit, credit]) FROM added)
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a SET debited = a.debited + s.debited, credited = a.credited + s.credited
      FROM (SELECT account_id, sum(debited)::bigint AS debited, sum(credited)::bigint AS credited
              FROM (SELECT debit AS account_id, amount AS debited, 0 AS credited FROM added
                    UNION ALL
                    SELECT credit, 0, amount FROM added) moves
             GROUP BY account_id) s
     WHERE a.account_id = s.account_id AND a.kind <> 'system';
    -- Of the system's accounts only the issuance may sink below zero. What is paid
    -- out of the others is rare: one after the other, counted.
    FOR bounded IN SELECT a.account_id, a.name FROM account a
                    WHERE a.kind = 'system' AND a.name <> 'system:issuance'
                      AND a.account_id IN (SELECT debit FROM added WHERE code IN ('share', 'correct'))
                    ORDER BY a.account_id FOR NO KEY UPDATE LOOP
        IF system_balance(bounded.account_id) < 0 THEN
            RAISE EXCEPTION '% has only % tokens', bounded.name,
                tokens_text(system_balance(bounded.account_id)
                            + (SELECT sum(amount)::bigint FROM added WHERE debit = bounded.account_id))
                USING ERRCODE = 'RN002';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION system_balance(p_account bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce((SELECT sum(amount) FROM transfer WHERE credit = p_account), 0)::bigint
         - coalesce((SELECT sum(amount) FROM transfer WHERE debit = p_account), 0)::bigint
$$;

CREATE FUNCTION correction_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT a.reverses, sum(a.amount)::bigint AS corrected FROM added a
              WHERE a.code = 'correct' GROUP BY a.reverses ORDER BY a.reverses LOOP
        IF EXISTS (SELECT FROM charge WHERE transfer_id = r.reverses) THEN
            RAISE EXCEPTION 'transfer % pays a job run: refund the run', r.reverses USING ERRCODE = 'RN005';
        END IF;
        INSERT INTO correction (transfer_id, amount, corrected)
            SELECT transfer_id, amount, r.corrected FROM transfer WHERE transfer_id = r.reverses
            ON CONFLICT (transfer_id) DO UPDATE SET corrected = correction.corrected + excluded.corrected;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER correction_apply AFTER INSERT ON transfer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION correction_apply();

CREATE FUNCTION correction_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'corrections are counted by the database alone' USING ERRCODE = 'RN006';
END $$;
CREATE TRIGGER correction_guard BEFORE INSERT OR UPDATE ON correction
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION correction_guard();

CREATE OR REPLACE FUNCTION hold_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT d.name AS debit, c.name AS credit INTO wrong
      FROM added h JOIN account d ON d.account_id = h.debit JOIN account c ON c.account_id = h.credit
     WHERE d.kind = 'system' OR NOT (c.kind = 'peer' OR c.name IN ('system:commons', 'system:use'))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a hold goes from a user, project or peer to a peer or the system, not from % to %',
            wrong.debit, wrong.credit USING ERRCODE = 'RN005';
    END IF;
    PERFORM FROM account WHERE account_id IN (SELECT debit FROM added)
      ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE account a SET held = a.held + s.amount
      FROM (SELECT debit, sum(amount)::bigint AS amount FROM added GROUP BY debit) s
     WHERE a.account_id = s.debit;
    RETURN NULL;
END $$;

-- ------------------------------------------------------------- functions

CREATE FUNCTION account_ensure_project(p_name text, p_parent text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint := account_ensure('project', p_name, 0);
    above bigint := CASE WHEN p_parent IS NOT NULL THEN account_id('project:' || p_parent) END;
BEGIN
    INSERT INTO project (account_id, parent) VALUES (id, above) ON CONFLICT (account_id) DO NOTHING;
    RETURN id;
END $$;

CREATE FUNCTION project_move(p_name text, p_parent text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    UPDATE project SET parent = CASE WHEN p_parent IS NOT NULL THEN account_id('project:' || p_parent) END
     WHERE account_id = account_id('project:' || p_name)
$$;

CREATE FUNCTION project_member_set(p_project text, p_user text, p_role text, p_actor text DEFAULT '')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    project_id bigint := account_id('project:' || p_project);
BEGIN
    IF p_role IS NOT NULL AND p_role NOT IN ('member', 'coordinator') THEN
        RAISE EXCEPTION 'a role is member or coordinator, not "%"', p_role USING ERRCODE = 'RN005';
    END IF;
    IF p_role IS NULL THEN
        DELETE FROM project_member m USING account u
         WHERE m.project = project_id AND m.user_id = u.account_id AND u.name = 'user:' || p_user;
        DELETE FROM account_default d USING account u
         WHERE d.account_id = project_id AND d.user_id = u.account_id AND u.name = 'user:' || p_user;
        RETURN;
    END IF;
    INSERT INTO project_member (project, user_id, role, set_by)
        VALUES (project_id, account_ensure_user(p_user), p_role, coalesce(p_actor, ''))
        ON CONFLICT (user_id, project) DO UPDATE
            SET role = excluded.role, set_by = excluded.set_by, set_at = excluded.set_at;
END $$;

CREATE FUNCTION project_members(p_project text) RETURNS TABLE (user_name text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT substr(u.name, 6), m.role FROM project_member m JOIN account u ON u.account_id = m.user_id
     WHERE m.project = account_id('project:' || p_project) ORDER BY m.role, u.name
$$;

CREATE FUNCTION account_rights(p_user text) RETURNS TABLE (account text, kind text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH RECURSIVE mine (id, role) AS (
        SELECT m.project, m.role FROM project_member m JOIN account u ON u.account_id = m.user_id
         WHERE u.name = 'user:' || p_user
        UNION
        SELECT p.account_id, 'coordinator' FROM mine JOIN project p ON p.parent = mine.id
         WHERE mine.role = 'coordinator')
    SELECT a.name, a.kind, 'own' FROM account a WHERE a.name = 'user:' || p_user
    UNION ALL
    SELECT a.name, a.kind, min(mine.role) FROM mine JOIN account a ON a.account_id = mine.id
     GROUP BY a.name, a.kind
$$;

CREATE FUNCTION account_may_spend(p_user text, p_account bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT EXISTS (SELECT FROM account a
                    WHERE a.account_id = p_account
                      AND (a.name = 'user:' || p_user
                           OR EXISTS (SELECT FROM project_member m JOIN account u ON u.account_id = m.user_id
                                       WHERE m.project = p_account AND u.name = 'user:' || p_user)))
$$;

CREATE FUNCTION account_default_set(p_user text, p_account text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    uid bigint := account_ensure_user(p_user);
    target bigint := CASE WHEN p_account IS NOT NULL THEN account_id(p_account) END;
BEGIN
    IF target IS NULL OR target = uid THEN
        DELETE FROM account_default WHERE user_id = uid;
        RETURN;
    END IF;
    IF NOT account_may_spend(p_user, target) THEN
        RAISE EXCEPTION '% is no member of %', p_user, p_account USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO account_default VALUES (uid, target)
        ON CONFLICT (user_id) DO UPDATE SET account_id = excluded.account_id;
END $$;

CREATE FUNCTION account_payer(p_user text, p_slurm_account text DEFAULT '') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint;
BEGIN
    SELECT m.project INTO id
      FROM project_member m JOIN account u ON u.account_id = m.user_id
      JOIN account p ON p.account_id = m.project
     WHERE u.name = 'user:' || p_user AND p.name = 'project:' || p_slurm_account;
    IF NOT FOUND THEN
        SELECT d.account_id INTO id FROM account_default d JOIN account u ON u.account_id = d.user_id
         WHERE u.name = 'user:' || p_user;
    END IF;
    RETURN coalesce(id, account_ensure_user(p_user));
END $$;

CREATE FUNCTION account_limit_set(p_account text, p_limit bigint, p_reason text DEFAULT '', p_actor text DEFAULT '')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    a account;
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 0 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the credit limit % is not between 0 and 10^18 micro-tokens', p_limit
            USING ERRCODE = 'RN005';
    END IF;
    SELECT * INTO STRICT a FROM account x WHERE x.account_id = account_id(p_account) FOR NO KEY UPDATE;
    IF a.kind = 'system' THEN
        RAISE EXCEPTION '% has no credit limit', a.name USING ERRCODE = 'RN005';
    END IF;
    IF a.debited + a.held - a.credited > p_limit THEN
        RAISE EXCEPTION '% already uses % tokens of its credit: the limit can''t be less than that',
            a.name, tokens_text(a.debited + a.held - a.credited) USING ERRCODE = 'RN002';
    END IF;
    IF a.credit_limit <> p_limit THEN
        INSERT INTO account_limit (account_id, credit_limit, reason, actor)
            VALUES (a.account_id, p_limit, coalesce(p_reason, ''), coalesce(p_actor, ''));
    END IF;
END $$;

CREATE OR REPLACE FUNCTION peer_limit_set(p_name text, p_limit bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS
$$ SELECT account_limit_set('peer:' || p_name, p_limit) $$;

CREATE FUNCTION accounts()
RETURNS TABLE (name text, kind text, parent text, balance bigint, held bigint, available bigint,
               credit_limit bigint, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH RECURSIVE tree (id, path, parent) AS (
        SELECT p.account_id, ARRAY[a.name], NULL::text FROM project p JOIN account a USING (account_id)
         WHERE p.parent IS NULL
        UNION ALL
        SELECT p.account_id, tree.path || a.name, tree.path[cardinality(tree.path)]
          FROM tree JOIN project p ON p.parent = tree.id JOIN account a ON a.account_id = p.account_id)
    SELECT b.name, b.kind, t.parent, b.balance, b.held, b.available, b.credit_limit, a.created_at
      FROM balances() b JOIN account a ON a.name = b.name LEFT JOIN tree t ON t.id = a.account_id
     ORDER BY array_position(ARRAY['user', 'project', 'peer', 'system'], b.kind),
              coalesce(t.path, ARRAY[b.name])
$$;

-- What a key that was used before stands for; true when it is this very transfer.
CREATE FUNCTION transfer_again(p_idem uuid, p_code text, p_debit bigint, p_credit bigint, p_amount bigint,
                               p_reverses bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    t transfer;
BEGIN
    SELECT * INTO t FROM transfer WHERE idem = p_idem;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF (t.code, t.debit, t.credit, t.amount, t.reverses)
       IS DISTINCT FROM (p_code, p_debit, p_credit, p_amount, p_reverses) THEN
        RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION amount_check(p_amount bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000000000000 THEN
        RAISE EXCEPTION 'the amount % is not between 1 and 10^18 micro-tokens', p_amount
            USING ERRCODE = 'RN005';
    END IF;
END $$;

CREATE FUNCTION transfer_tokens(p_debit text, p_credit text, p_amount bigint, p_reason text, p_actor text,
                                p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    d bigint := account_id(p_debit);
    c bigint := account_id(p_credit);
BEGIN
    PERFORM amount_check(p_amount);
    IF d = c THEN
        RAISE EXCEPTION 'a transfer needs two accounts' USING ERRCODE = 'RN005';
    END IF;
    IF transfer_again(p_idem, 'transfer', d, c, p_amount) THEN
        RETURN 'exists';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
        VALUES (p_idem, 'transfer', d, c, p_amount, coalesce(p_reason, ''), coalesce(p_actor, ''));
    RETURN 'transferred';
END $$;

CREATE FUNCTION transfer_correct(p_transfer bigint, p_amount bigint, p_reason text, p_actor text, p_idem uuid)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    o transfer;
    done bigint;
BEGIN
    SELECT * INTO o FROM transfer WHERE transfer_id = p_transfer;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no transfer %', p_transfer USING ERRCODE = 'RN003';
    END IF;
    IF transfer_again(p_idem, 'correct', o.credit, o.debit, p_amount, p_transfer) THEN
        RETURN 'exists';
    END IF;
    SELECT coalesce((SELECT corrected FROM correction WHERE transfer_id = p_transfer), 0) INTO done;
    IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND o.amount - done THEN
        RAISE EXCEPTION 'transfer % moved % tokens, of which % are taken back: % more can''t be', p_transfer,
            tokens_text(o.amount), tokens_text(done), tokens_text(p_amount) USING ERRCODE = 'RN005';
    END IF;
    INSERT INTO transfer (idem, code, debit, credit, amount, reverses, reason, actor)
        VALUES (p_idem, 'correct', o.credit, o.debit, p_amount, p_transfer, coalesce(p_reason, ''),
                coalesce(p_actor, ''));
    RETURN 'corrected';
END $$;

-- ---------------------------------------------------------------- rights

GRANT EXECUTE ON FUNCTION
    account_ensure_project(text, text), project_move(text, text),
    project_member_set(text, text, text, text), project_members(text),
    account_default_set(text, text), account_rights(text), account_limit_set(text, bigint, text, text),
    accounts(), transfer_tokens(text, text, bigint, text, text, uuid),
    transfer_correct(bigint, bigint, text, text, uuid)
    TO rain;
GRANT EXECUTE ON FUNCTION account_payer(text, text), account_may_spend(text, bigint) TO rain, "rain-gw";
