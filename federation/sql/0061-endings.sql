-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Ends of a job that only Slurm can give it: the time limit and the want of
-- memory.  Home's Slurm is told once all has been delivered.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE burst
    ADD COLUMN timed_out     boolean NOT NULL DEFAULT false,
    ADD COLUMN out_of_memory boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT ends_once CHECK (NOT (timed_out AND out_of_memory));
ALTER TABLE loan
    ADD COLUMN out_of_memory boolean NOT NULL DEFAULT false;
