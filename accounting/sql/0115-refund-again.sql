-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What a refund's key stands for, so that "all that is left of job 7" can be asked for
-- again with the same key when nothing is left of it.
--
-- Functions for callers:
--   refund_made(idem) -> the refund made with this key, if any: (job_run_id, cluster,
--        slurm_job_id, restart, amount)

SET LOCAL search_path = ledger, pg_temp;

CREATE FUNCTION refund_made(p_idem uuid)
RETURNS TABLE (job_run_id bigint, cluster text, slurm_job_id bigint, restart integer, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT r.job_run_id, r.cluster, r.slurm_job_id, r.restart, t.amount
      FROM transfer t JOIN charge c ON c.transfer_id = t.reverses JOIN job_run r USING (job_run_id)
     WHERE t.idem = p_idem AND t.code = 'refund'
$$;

GRANT EXECUTE ON FUNCTION refund_made(uuid) TO rain;
