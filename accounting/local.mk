# SPDX-License-Identifier: GPL-2.0-or-later
dist_sql_DATA += accounting/sql/0001-ledger.sql accounting/sql/0002-job-runs.sql
