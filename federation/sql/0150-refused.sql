-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A peer may send wrong messages without end: of each peer the newest thousand are kept, to
-- be looked at, and how many there were is a counter.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE peer
    ADD COLUMN refused bigint NOT NULL DEFAULT 0 CHECK (refused >= 0); -- messages, since it is a peer

UPDATE peer p SET refused = (SELECT count(*) FROM refused r WHERE r.peer_id = p.peer_id);

-- Called for each message that isn't applied.
CREATE FUNCTION refuse(p_peer bigint, p_seq bigint, p_type text, p_body text, p_error text) RETURNS void
LANGUAGE sql SET search_path = federation, pg_temp AS $$
    INSERT INTO refused (peer_id, seq, type, body, error) VALUES (p_peer, p_seq, p_type, p_body, p_error);
    DELETE FROM refused WHERE peer_id = p_peer
       AND seq <= (SELECT seq FROM refused WHERE peer_id = p_peer ORDER BY seq DESC OFFSET 1000 LIMIT 1);
    UPDATE peer SET refused = refused + 1 WHERE peer_id = p_peer;
$$;

GRANT EXECUTE ON FUNCTION refuse(bigint, bigint, text, text, text) TO "rain-gw";
