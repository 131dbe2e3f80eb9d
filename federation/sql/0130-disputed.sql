-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Disputed receipts are few, and metrics count them every few seconds: that must not cost a
-- walk through all that were ever signed.

SET LOCAL search_path = federation, pg_temp;

CREATE INDEX receipt_disputed ON receipt (peer_id) WHERE disputed IS NOT NULL;
CREATE INDEX receipt_refused_peer ON receipt_refused (peer_id);
