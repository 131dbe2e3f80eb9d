-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Sums counted again lie in the order of time, as those folded day by day do: a report
-- that begins between two days reads the quarters next to its ends, and would otherwise
-- find each of their rows in another block. And its groups, one for each user, are held in
-- memory.
--
-- Signatures stay as they were (0024-usage.sql).

SET LOCAL search_path = ledger, pg_temp;

CREATE OR REPLACE FUNCTION usage_rebuild() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    LOCK TABLE job_run, charge IN SHARE MODE;
    TRUNCATE usage_quarter, usage_day, usage_month, usage_delta;
    INSERT INTO usage_quarter SELECT * FROM usage_base ORDER BY quarter;
    INSERT INTO usage_day SELECT * FROM usage_day_base ORDER BY day;
    INSERT INTO usage_month SELECT * FROM usage_month_base ORDER BY month;
END $$;

ALTER FUNCTION usage_by(bigint, bigint, text, text, text, text) SET work_mem = '32MB';
