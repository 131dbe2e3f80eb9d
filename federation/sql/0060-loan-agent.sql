-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Which agent of a guest job has started its script: Slurm may launch a job
-- again after its controller was killed, and a script is begun by one only.

SET LOCAL search_path = federation, pg_temp;

ALTER TABLE loan ADD COLUMN agent text NOT NULL DEFAULT '';
