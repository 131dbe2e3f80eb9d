/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The overflow policy as configured, and what is known of sending. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "federation/policy.h"
#include "scheduler/cost.h"

#define SENT_READ 512 /* bursts whose sending is looked at after a start */

uint64_t rain_policy_key(int64_t uid, const char *job_name)
{
	return rain_predict_name(job_name) * 31 + (uint64_t)uid;
}

struct rain_policy_peer *rain_policy_peer(struct rain_gateway *gateway, int64_t id)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_policy_peer *peer = policy->peers;

	while (peer && peer->peer != id)
		peer = peer->next;
	if (!peer && (peer = calloc(1, sizeof *peer))) {
		peer->peer = id;
		peer->next = policy->peers;
		policy->peers = peer;
	}
	return peer;
}

/* The allowance is stated as minutes of each processor that we lend; work is
 * counted in micro-tokens. */
static int64_t allowance(const struct rain_gateway *gateway)
{
	int64_t utok;

	if (rain_cost_price(gateway->config->lend.allowance_minutes * 60000, rain_config_mflops(gateway->config),
			    gateway->config->lend.bounds.price_percent, 100, &utok, NULL))
		return 0; /* not calibrated: it can't lend anyhow */
	return utok;
}

void rain_policy_sent(struct rain_gateway *gateway, const struct rain_burst_row *row)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_policy_peer *peer = rain_policy_peer(gateway, row->peer);
	int64_t took = (row->started_ms - row->record.bound_ms + 999) / 1000;
	int32_t usual;

	if (!peer || took < 0 || took > INT32_MAX)
		return;
	usual = rain_overhead_usual(&peer->overhead, (int32_t)took);
	rain_staging_learn(&policy->staging, rain_policy_key(row->uid, row->job_name), (int32_t)took - usual);
	rain_overhead_learn(&peer->overhead, (int32_t)took);
}

static int sent_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	char limit[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"SELECT peer_id, uid, job_name, bound_ms, started_ms FROM (SELECT * FROM federation.burst"
		" WHERE started_ms > 0 ORDER BY changed_ms DESC LIMIT $1::bigint) b ORDER BY changed_ms", 1,
		rain_store_format_int64(SENT_READ, limit));

	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct rain_burst_row row = { .peer = rain_store_int64(rows, i, 0),
					      .uid = rain_store_int64(rows, i, 1),
					      .record.bound_ms = rain_store_int64(rows, i, 3),
					      .started_ms = rain_store_int64(rows, i, 4) };

		snprintf(row.job_name, sizeof row.job_name, "%s", rain_store_text(rows, i, 2));
		rain_policy_sent(gateway, &row);
	}
	PQclear(rows);
	return 0;
}

/* The configuration may change (SIGHUP), so this is done again and again. */
static int configure(struct rain_gateway *gateway, struct rain_error *err)
{
	const struct rain_config *config = gateway->config;
	const struct rain_overflow_policy *rule = rain_overflow_policy_find(config->gateway.policy, err);
	struct rain_policy *policy = rain_policy_of(gateway);

	if (!rule)
		return -1;
	if (!policy->rule.name || strcmp(policy->rule.name, rule->name) != 0)
		rain_log_info("overflow policy=%s: %s", rule->name, rule->what);
	policy->rule = *rule;
	policy->rule.k_percent = (int32_t)config->lend.reciprocity_percent;
	policy->rule.allowance = allowance(gateway);
	policy->predicts = rule->credit == RAIN_CREDIT_PROPORTIONAL;
	return 0;
}

void rain_policy_tick(struct rain_gateway *gateway)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_error err;

	if (configure(gateway, &err))
		rain_log_warning("the overflow policy stays as it was: %s", err.text);
	if (!policy->read)
		policy->read = rain_history_read(gateway, &err) == 0 &&
			       rain_store_transaction(gateway->store, sent_work, gateway, &err) == 0;
	rain_load_look(gateway, false);
}

int rain_policy_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_policy *policy = calloc(1, sizeof *policy);

	if (!policy)
		return rain_error_set(err, "out of memory");
	rain_mind_of(gateway)->policy = policy;
	policy->learnt = json_array();
	policy->predict = rain_predict_create();
	if (!policy->learnt || !policy->predict)
		return rain_error_set(err, "out of memory");
	return configure(gateway, err);
}

void rain_policy_stop(struct rain_gateway *gateway)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_policy_peer *peer;

	if (!policy)
		return;
	while ((peer = policy->peers)) {
		policy->peers = peer->next;
		free(peer);
	}
	rain_predict_destroy(policy->predict);
	rain_load_release(&policy->load);
	rain_load_release(&policy->next_load);
	json_decref(policy->learnt);
	free(policy);
	rain_mind_of(gateway)->policy = NULL;
}
