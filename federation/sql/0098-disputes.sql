-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Repairs of a chain of receipts that broke.  A receipt that home refused is no link of its
-- chain, but the lender has signed it, and all later ones name it: none of them can be paid.
-- Either owner mends it: the lender withdraws what was refused and goes on where home is
-- (receipt_withdraw), or home accepts it after all and goes on where the lender is.  Nothing is
-- removed: what was withdrawn or refused stays with its number, and a jump of a chain is a row.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE receipt
    ADD COLUMN withdrawn     boolean NOT NULL DEFAULT false, -- lender: no link of the chain any more
    ADD COLUMN next_number   bigint CHECK (next_number > 0), -- lender: what home wanted when it refused it,
    ADD COLUMN next_previous text CHECK (next_previous = '' OR next_previous ~ '^[0-9a-f]{64}$'),
    ADD CONSTRAINT withdraws_what_was_refused CHECK (NOT withdrawn OR (side = 'lender' AND disputed IS NOT NULL)),
    DROP CONSTRAINT receipt_pkey;
CREATE UNIQUE INDEX receipt_link ON receipt (side, peer_id, number) WHERE NOT withdrawn;

-- The chain goes on behind this link, which isn't in our table.
CREATE TABLE rejoin (
    side     text NOT NULL CHECK (side IN ('lender', 'borrower')),
    peer_id  bigint NOT NULL REFERENCES peer,
    number   bigint NOT NULL CHECK (number >= 0),
    sha256   text NOT NULL CHECK (sha256 = '' OR sha256 ~ '^[0-9a-f]{64}$'),
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (side, peer_id, number, sha256)
);

ALTER TABLE receipt_refused
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN observed_utok bigint CHECK (observed_utok >= 0),
    ADD COLUMN became text CHECK (became IN ('accepted', 'withdrawn')); -- NULL: it is open
CREATE INDEX receipt_refused_open ON receipt_refused (peer_id) WHERE became IS NULL;

-- Where the chain of one side and peer ends: 0 and '' when it hasn't begun.
CREATE FUNCTION chain_end(p_side text, p_peer bigint, OUT number bigint, OUT sha256 text)
LANGUAGE sql STABLE SET search_path = federation, pg_temp AS $$
    SELECT number, sha256 FROM (
        (SELECT r.number, r.sha256::text, 0 AS jump FROM receipt r
          WHERE r.side = p_side AND r.peer_id = p_peer AND NOT r.withdrawn ORDER BY r.number DESC LIMIT 1)
        UNION ALL
        (SELECT j.number, j.sha256, 1 FROM rejoin j
          WHERE j.side = p_side AND j.peer_id = p_peer ORDER BY j.number DESC, j.made_at DESC LIMIT 1)
        UNION ALL SELECT 0, '', -1
    ) e ORDER BY number DESC, jump DESC LIMIT 1
$$;

CREATE OR REPLACE FUNCTION receipt_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
DECLARE
    last record;
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
        IF NEW.withdrawn <> OLD.withdrawn AND (OLD.withdrawn OR OLD.amount_utok IS NOT NULL) THEN
            RAISE EXCEPTION 'receipt % of peer % is paid or withdrawn for good', OLD.number, OLD.peer_id;
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO last FROM chain_end(NEW.side, NEW.peer_id);
    IF NEW.number <> last.number + 1 OR NEW.previous <> last.sha256 THEN
        RAISE EXCEPTION 'receipt % of peer % doesn''t continue the chain after %', NEW.number, NEW.peer_id,
            last.number;
    END IF;
    RETURN NEW;
END $$;

-- Withdraws our receipts that the peer has refused; the next one is what it wants. Returns how many.
CREATE FUNCTION receipt_withdraw(p_peer bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = federation, pg_temp AS $$
DECLARE
    v_wants receipt;
    v_end record;
    v_count bigint;
BEGIN
    SELECT * INTO v_wants FROM receipt r
     WHERE r.side = 'lender' AND r.peer_id = p_peer AND r.amount_utok IS NULL AND r.disputed IS NOT NULL
       AND NOT r.withdrawn ORDER BY r.number DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF EXISTS (SELECT FROM receipt r WHERE r.side = 'lender' AND r.peer_id = p_peer AND r.amount_utok IS NULL
                  AND r.disputed IS NULL) THEN
        RAISE EXCEPTION 'the peer has not answered all receipts yet: try again when it has' USING ERRCODE = 'RN009';
    END IF;
    UPDATE receipt r SET withdrawn = true
     WHERE r.side = 'lender' AND r.peer_id = p_peer AND r.amount_utok IS NULL AND NOT r.withdrawn;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    SELECT * INTO v_end FROM chain_end('lender', p_peer);
    IF v_wants.next_number IS NULL OR (v_wants.next_number, v_wants.next_previous) = (v_end.number + 1, v_end.sha256) THEN
        RETURN v_count;
    END IF;
    IF v_wants.next_number <= v_end.number THEN
        RAISE EXCEPTION 'the peer wants receipt %, but has countersigned all up to %: it has lost them, and only its owner can mend that (rain peer dispute PEER accept, there)',
            v_wants.next_number, v_end.number USING ERRCODE = 'RN009';
    END IF;
    INSERT INTO rejoin (side, peer_id, number, sha256)
        VALUES ('lender', p_peer, v_wants.next_number - 1, v_wants.next_previous) ON CONFLICT DO NOTHING;
    RETURN v_count;
END $$;

GRANT SELECT, INSERT ON rejoin TO "rain-gw";
GRANT UPDATE (became) ON receipt_refused TO "rain-gw";
GRANT EXECUTE ON FUNCTION chain_end(text, bigint), receipt_withdraw(bigint) TO "rain-gw";
