-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A grant for a later day and a transfer may have come with the same key. At its day the
-- grant could not be posted then, and whatever its account was to pay failed from that
-- day on. It is posted with a key of its own now; and a grant of today with the key of a
-- transfer is refused as any other call is, with RN001.
--
-- Signatures stay as they were (grant_lot: 0021-lots.sql).

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION lot_other_key(p_lot bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS
$$ SELECT md5('lot ' || p_lot || ' begins')::uuid $$;

CREATE OR REPLACE FUNCTION lots_begin(p_account bigint, p_settlement bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    l lot;
    t bigint;
BEGIN
    FOR l IN SELECT * FROM lot WHERE account_id = p_account AND transfer_id IS NULL
                AND spent + expired < amount AND starts_at <= p_now ORDER BY starts_at, lot_id LOOP
        INSERT INTO transfer (idem, code, debit, credit, amount, reason, actor)
            VALUES (CASE WHEN EXISTS (SELECT FROM transfer WHERE idem = l.idem) THEN lot_other_key(l.lot_id) ELSE l.idem END,
                    'grant', account_id('system:issuance'), p_account, l.amount, l.reason, l.actor)
            RETURNING transfer_id INTO STRICT t;
        UPDATE lot SET transfer_id = t WHERE lot_id = l.lot_id;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION grant_lot(p_account text, p_amount bigint, p_starts_at timestamptz, p_expires_at timestamptz,
                          p_reason text, p_actor text, p_idem uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    id bigint := account_id(p_account);
    instant timestamptz := clock_timestamp();
    l lot;
    same_key boolean := false;
BEGIN
    PERFORM amount_check(p_amount);
    SELECT * INTO l FROM lot WHERE idem = p_idem;
    IF FOUND THEN
        IF (l.account_id, l.amount, l.expires_at)
           IS DISTINCT FROM (id, p_amount, coalesce(p_expires_at, 'infinity')) THEN
            RAISE EXCEPTION 'grant % exists already with other values', p_idem USING ERRCODE = 'RN001';
        END IF;
        RETURN 'exists';
    END IF;
    IF p_expires_at <= greatest(coalesce(p_starts_at, instant), instant) THEN
        RAISE EXCEPTION 'a grant can''t end before it begins or in the past' USING ERRCODE = 'RN005';
    END IF;
    -- What was spent until now is no business of the new lot.
    INSERT INTO lot_settlement (account_id) VALUES (id);
    INSERT INTO lot (account_id, idem, amount, starts_at, expires_at, reason, actor)
        VALUES (id, p_idem, p_amount, least(coalesce(p_starts_at, instant), 'infinity'),
                coalesce(p_expires_at, 'infinity'), coalesce(p_reason, ''), coalesce(p_actor, ''));
    IF p_starts_at > instant THEN
        INSERT INTO lot_settlement (account_id) VALUES (id);
        RETURN 'scheduled';
    END IF;
    BEGIN
        INSERT INTO lot_settlement (account_id) VALUES (id);
    EXCEPTION WHEN unique_violation THEN
        same_key := true; -- of a transfer made in this very moment
    END;
    IF same_key OR NOT EXISTS (SELECT FROM transfer t JOIN lot x USING (transfer_id)
                                WHERE x.idem = p_idem AND t.idem = p_idem) THEN
        RAISE EXCEPTION 'transfer % exists already with other values', p_idem USING ERRCODE = 'RN001';
    END IF;
    RETURN 'granted';
END $$;

-- As it was, but for the key of a grant.
CREATE OR REPLACE FUNCTION check_terms()
RETURNS TABLE (invariant text, subject text, expected numeric, found numeric)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT 'a charge is paid by the transfer that was made for it', c.job_run_id::text, c.transfer_id, t.transfer_id
      FROM charge c JOIN job_run r USING (job_run_id) LEFT JOIN transfer t USING (transfer_id)
     WHERE CASE t.code
           WHEN 'post' THEN t.hold_id = r.hold_id
           WHEN 'charge' THEN t.idem = md5(format('run %s %s %s %s', r.cluster, r.slurm_job_id, r.submit_time,
                                                  r.restart))::uuid
           ELSE false END IS NOT TRUE
    UNION ALL
    SELECT 'a correction is of its transfer', c.transfer_id::text, t.amount, c.amount
      FROM correction c LEFT JOIN transfer t USING (transfer_id) WHERE c.amount IS DISTINCT FROM t.amount
    UNION ALL
    SELECT 'a lot is brought by the transfer that was made for it', l.lot_id::text, l.amount, t.amount
      FROM lot l LEFT JOIN transfer t USING (transfer_id)
     WHERE l.transfer_id IS NOT NULL
       AND (t.credit = l.account_id AND t.code IN ('grant', 'transfer', 'refund', 'correct')
            AND (t.code <> 'grant' OR t.idem IN (l.idem, lot_other_key(l.lot_id)))) IS NOT TRUE
    UNION ALL
    SELECT 'a rate ends where the next one begins', r.rate_id::text, epoch_us(r.next), epoch_us(upper(r.valid))
      FROM (SELECT rate_id, valid,
                   lead(lower(valid)) OVER (PARTITION BY cluster, partition, qos, tres ORDER BY lower(valid)) AS next
              FROM rate) r
     WHERE upper(r.valid) IS DISTINCT FROM r.next
    UNION ALL
    SELECT 'lots stand where the last settlement left them', a.name, s.stand, a.lots_debited
      FROM account a
      JOIN (SELECT x.account_id, max(x.spent_to + coalesce((SELECT sum(u.amount) FROM lot_use u
                        WHERE u.settlement_id = x.settlement_id AND u.transfer_id IS NOT NULL), 0)) AS stand
              FROM lot_settlement x GROUP BY x.account_id) s USING (account_id)
     WHERE a.lots_debited <> s.stand
    UNION ALL
    SELECT 'a lot is looked at when it begins or ends', a.name, epoch_us(d.due), epoch_us(a.next_lot_event)
      FROM account a
      JOIN (SELECT l.account_id, min(CASE WHEN l.transfer_id IS NULL THEN l.starts_at ELSE l.expires_at END) AS due
              FROM lot l WHERE l.spent + l.expired < l.amount GROUP BY l.account_id) d USING (account_id)
     WHERE a.next_lot_event > greatest(d.due, (SELECT max(x.settled_at) FROM lot_settlement x
                                                WHERE x.account_id = a.account_id) + interval '2 minutes')
$$;
