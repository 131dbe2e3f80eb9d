-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Who pays is asked once for each user and Slurm account of a batch, not for each of its
-- runs; and where a stream of history is sealed to is found without reading the blocks
-- that have nothing of it.
--
-- Signatures stay as they were (0026-blocks.sql, 0081-runs-at-once.sql).

SET LOCAL search_path = ledger, pg_temp;

CREATE INDEX block_part_of_stream ON block_part (stream, block_id);

-- Nested loops only: statistics of a growing table may lie (0025-batches.sql).
CREATE OR REPLACE FUNCTION runs_payers(p_runs job_run[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM account_ensure_user(n.user_name)
       FROM (SELECT DISTINCT r.user_name FROM unnest(p_runs) r WHERE r.price > 0) n
      WHERE NOT EXISTS (SELECT FROM account a WHERE a.name = 'user:' || n.user_name);
    RETURN (
        WITH runs AS MATERIALIZED (
            SELECT r.ordinality, r.price, r.user_name, r.account,
                   dense_rank() OVER (ORDER BY r.user_name, r.account) AS pair
              FROM unnest(p_runs) WITH ORDINALITY r),
        payers AS MATERIALIZED (
            SELECT array_agg(coalesce(m.project, d.account_id, u.account_id) ORDER BY n.pair) AS of_pair
              FROM (SELECT DISTINCT ON (pair) pair, user_name, account FROM runs ORDER BY pair) n
              LEFT JOIN account u ON u.name = 'user:' || n.user_name
              LEFT JOIN account p ON p.name = 'project:' || n.account
              LEFT JOIN project_member m ON m.user_id = u.account_id AND m.project = p.account_id
              LEFT JOIN account_default d ON d.user_id = u.account_id)
        SELECT array_agg(CASE WHEN price > 0 THEN (SELECT of_pair FROM payers)[pair] END ORDER BY ordinality)
          FROM runs);
END $$;
