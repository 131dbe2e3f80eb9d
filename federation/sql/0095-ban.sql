-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Users of peers whose jobs the owner doesn't take.

SET LOCAL search_path = federation, pg_temp;

CREATE TABLE ban (
    peer_id     bigint      NOT NULL REFERENCES peer,
    remote_user text        NOT NULL CHECK (octet_length(remote_user) BETWEEN 1 AND 64),
    reason      text        NOT NULL CHECK (octet_length(reason) <= 200),
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (peer_id, remote_user)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ban TO "rain-gw";
