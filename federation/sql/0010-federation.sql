-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The federation's transport: who this cluster is, its peers, the invitations
-- that it gave, and the mailbox (doc/protocol.txt, part 1).
--
-- rain-migrate runs this as rain_owner.  Only rain-gatewayd (role "rain-gw")
-- uses these tables; money stays behind the functions of schema ledger.

CREATE SCHEMA federation;
SET LOCAL search_path = federation, pg_temp;

-- One row: whose database this is.  A gateway with another key keeps its hands
-- off, for its numbers in the mailboxes would mean nothing to the peers.
CREATE TABLE cluster (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    name      text NOT NULL,
    key       bytea NOT NULL CHECK (octet_length(key) = 32)
);

CREATE TABLE peer (
    peer_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,15}$'),
    key          bytea NOT NULL UNIQUE CHECK (octet_length(key) = 32),
    card         text NOT NULL,               -- its last card, JSON
    card_sent    text NOT NULL DEFAULT '',    -- our last card that we told it
    joined_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_contact timestamptz,                 -- written now and then, for people
    outbox_seq   bigint NOT NULL DEFAULT 0,   -- the last number given to a message for it
    outbox_acked bigint NOT NULL DEFAULT 0,   -- the last one it has applied
    inbox_seq    bigint NOT NULL DEFAULT 0,   -- the last of its messages that we applied
    CHECK (outbox_acked BETWEEN 0 AND outbox_seq),
    CHECK (inbox_seq >= 0)
) WITH (fillfactor = 50);

-- Only the public half of the one-time key is kept: this table lets nobody in.
CREATE TABLE invitation (
    key        bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    name       text CHECK (name ~ '^[a-z][a-z0-9-]{0,15}$'),  -- what to call who comes; NULL: as it calls itself
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    used_by    bigint REFERENCES peer
);

CREATE TABLE outbox (
    peer_id   bigint NOT NULL REFERENCES peer,
    seq       bigint NOT NULL CHECK (seq > 0),
    type      text NOT NULL CHECK (type ~ '^[a-z][a-z0-9-]{0,31}$'),
    body      text NOT NULL CHECK (octet_length(body) <= 65536),
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (peer_id, seq)
);

-- Messages that we acknowledged without applying them, and why.
CREATE TABLE refused (
    peer_id    bigint NOT NULL REFERENCES peer,
    seq        bigint NOT NULL,
    type       text NOT NULL,
    body       text NOT NULL,
    error      text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (peer_id, seq)
);

GRANT USAGE ON SCHEMA federation TO "rain-gw";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA federation TO "rain-gw";
