-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Programs that somebody sits before (srun): whether a burst is one, so that no
-- step that is added to a batch job can give another manifest for it; and the size
-- of a terminal beside SIGWINCH.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE burst ADD COLUMN direct boolean NOT NULL DEFAULT false;
ALTER TABLE loan_signal
    ADD COLUMN term_rows    integer NOT NULL DEFAULT 0 CHECK (term_rows BETWEEN 0 AND 65535),
    ADD COLUMN term_columns integer NOT NULL DEFAULT 0 CHECK (term_columns BETWEEN 0 AND 65535);
