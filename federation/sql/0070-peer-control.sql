-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What the owner decides about peers: pauses in either direction, an end of the
-- friendship, and the whole machine for himself until a certain moment.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE peer
    ADD COLUMN lend_paused   boolean NOT NULL DEFAULT false, -- it gets nothing from us
    ADD COLUMN borrow_paused boolean NOT NULL DEFAULT false, -- it gets none of our jobs
    -- A removed peer is a stranger in the handshake; its row stays for its receipts
    -- and its numbers, which go on when it joins again.
    ADD COLUMN removed_at    timestamptz;

ALTER TABLE cluster
    ADD COLUMN recalled_until timestamptz;                   -- nothing is lent before
