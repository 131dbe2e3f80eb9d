/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies between us and each peer, as the database keeps it. */
#include <stdio.h>

#include "common/clock.h"
#include "federation/policy.h"

#define FRESH_MS 2000

static int read_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	PGresult *rows = rain_store_query(tx, err,
		"SELECT peer_id, lent_utok, borrowed_utok - dropped_utok, expected_s, observed_s, runs, evicting,"
		" closed_until FROM federation.standing", 0);

	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct rain_policy_peer *peer = rain_policy_peer(gateway, rain_store_int64(rows, i, 0));

		if (!peer)
			continue;
		peer->standing.lent = rain_store_int64(rows, i, 1);
		peer->standing.borrowed = rain_store_int64(rows, i, 2);
		peer->trust = (struct rain_trust){
			.expected = rain_store_int64(rows, i, 3), .observed = rain_store_int64(rows, i, 4),
			.runs = rain_store_int64(rows, i, 5), .evicting = (int32_t)rain_store_int64(rows, i, 6),
			.closed_until = rain_store_int64(rows, i, 7),
		};
	}
	PQclear(rows);
	return 0;
}

int rain_standing_read(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	int64_t now = rain_clock_monotonic_ms();

	if (policy->standing_ms && now - policy->standing_ms < FRESH_MS)
		return 0;
	if (rain_store_transaction(gateway->store, read_work, gateway, err) < 0)
		return -1;
	policy->standing_ms = now;
	return 0;
}

int rain_standing_credit(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 int64_t promised, int64_t *credit, int64_t *owed, struct rain_error *err)
{
	const struct rain_policy *policy = rain_policy_of(gateway);
	char row[RAIN_STORE_INT64_SIZE], k[RAIN_STORE_INT64_SIZE];
	struct rain_standing standing = { 0 };
	PGresult *rows = rain_store_query(tx, err,
		"SELECT coalesce(s.lent_utok, 0), coalesce(s.borrowed_utok - s.dropped_utok, 0),"
		" (SELECT coalesce(sum(l.ceiling_utok), 0) FROM federation.loan l"
		" WHERE l.peer_id = $1::bigint AND l.state NOT IN ('closed', 'void')),"
		" federation.standing_stranded($2::bigint)"
		" FROM (VALUES ($1::bigint)) AS v (peer_id) LEFT JOIN federation.standing s USING (peer_id)", 2,
		rain_store_format_int64(peer->row, row), rain_store_format_int64(policy->rule.k_percent, k));

	if (!rows)
		return -1;
	standing.lent = rain_store_int64(rows, 0, 0);
	standing.borrowed = rain_store_int64(rows, 0, 1);
	standing.held = rain_store_int64(rows, 0, 2) + promised;
	standing.stranded = rain_store_int64(rows, 0, 3);
	PQclear(rows);
	*credit = rain_overflow_credit(&policy->rule, &standing, rain_leases_processors(gateway));
	*owed = standing.borrowed - standing.lent;
	return 0;
}

/* --- what a peer does with our jobs, in the transaction that learns of it --- */

static int trust_load(PGconn *tx, const char *peer, struct rain_trust *trust, struct rain_error *err)
{
	PGresult *rows;

	if (rain_store_execute(tx, err, "INSERT INTO federation.standing (peer_id) VALUES ($1::bigint)"
					" ON CONFLICT DO NOTHING", 1, peer))
		return -1;
	rows = rain_store_query(tx, err, "SELECT expected_s, observed_s, runs, evicting, closed_until"
					 " FROM federation.standing WHERE peer_id = $1::bigint FOR UPDATE", 1, peer);
	if (!rows)
		return -1;
	*trust = (struct rain_trust){
		.expected = rain_store_int64(rows, 0, 0), .observed = rain_store_int64(rows, 0, 1),
		.runs = rain_store_int64(rows, 0, 2), .evicting = (int32_t)rain_store_int64(rows, 0, 3),
		.closed_until = rain_store_int64(rows, 0, 4),
	};
	PQclear(rows);
	return 0;
}

static int trust_store(PGconn *tx, const char *peer, const struct rain_trust *trust, int64_t dropped,
		       struct rain_error *err)
{
	char expected[RAIN_STORE_INT64_SIZE], observed[RAIN_STORE_INT64_SIZE], runs[RAIN_STORE_INT64_SIZE],
		evicting[RAIN_STORE_INT64_SIZE], closed[RAIN_STORE_INT64_SIZE], lost[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
		"UPDATE federation.standing SET expected_s = $2::bigint, observed_s = $3::bigint, runs = $4::bigint,"
		" evicting = $5::integer, closed_until = $6::bigint, dropped_utok = dropped_utok + $7::bigint"
		" WHERE peer_id = $1::bigint", 7, peer, rain_store_format_int64(trust->expected, expected),
		rain_store_format_int64(trust->observed, observed), rain_store_format_int64(trust->runs, runs),
		rain_store_format_int64(trust->evicting, evicting),
		rain_store_format_int64(trust->closed_until, closed), rain_store_format_int64(dropped, lost));
}

/* What an evicted job would have cost so far: work that was thrown away. */
static int64_t thrown_away(const struct rain_burst_row *row, int64_t now_ms)
{
	int64_t utok, ms = row->started_ms ? now_ms - row->started_ms : 0;

	if (ms <= 0 || rain_mind_price(&row->terms, rain_shape_cores(&row->shape) * ms, &utok, NULL))
		return 0;
	return utok < row->terms.ceiling_utok ? utok : row->terms.ceiling_utok;
}

int rain_standing_note(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		       int64_t now_ms, struct rain_error *err)
{
	bool evicted = row->record.state == RAIN_BURST_VOID && row->outcome == RAIN_OUTCOME_EVICTED &&
		       row->started_ms > 0; /* what never began lost nothing */
	bool ended = rain_outcome_is_final(row->outcome) && row->outcome == RAIN_OUTCOME_EXITED;
	char peer[RAIN_STORE_INT64_SIZE];
	struct rain_trust trust;
	int64_t dropped = 0;

	if (!evicted && !(ended && row->expected_s > 0))
		return 0;
	rain_store_format_int64(row->peer, peer);
	if (trust_load(tx, peer, &trust, err))
		return -1;
	if (evicted)
		dropped = rain_trust_evicted(&trust, now_ms / 1000, thrown_away(row, now_ms));
	else
		rain_trust_ended(&trust, row->expected_s, (row->run_ms + 999) / 1000);
	rain_policy_of(gateway)->standing_ms = 0;
	return trust_store(tx, peer, &trust, dropped, err);
}

int rain_standing_speed(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
			int64_t *mflops, struct rain_error *err)
{
	const struct rain_policy *policy = rain_policy_of(gateway);
	int64_t home = rain_config_mflops(gateway->config), claimed;
	char peer[RAIN_STORE_INT64_SIZE];
	struct rain_trust trust;
	int32_t speed;

	*mflops = row->terms.mflops;
	if (!policy->rule.verifies || home == 0 || *mflops <= home)
		return 0; /* chance makes equals look slower, too: that is no claim to doubt */
	rain_store_format_int64(row->peer, peer);
	if (trust_load(tx, peer, &trust, err))
		return -1;
	claimed = *mflops > INT32_MAX ? INT32_MAX : *mflops * 1000 / home;
	claimed = claimed > INT32_MAX ? INT32_MAX : claimed;
	speed = rain_trust_speed(&trust, &policy->home, (int32_t)claimed);
	if (speed < claimed)
		*mflops = speed > 1000 ? home * speed / 1000 : home;
	return 0;
}
