// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/policies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "accounting/pricing.h"
#include "common/log.h"
#include "common/tokens.h"
#include "scheduler/cost.h"

#define EVERY_MS 5000
#define AGAIN_MS 50
#define RUNS 500

struct number {
	char text[24];
};

static const char *number(struct number *number, int64_t value)
{
	snprintf(number->text, sizeof(number->text), "%" PRId64, value);
	return number->text;
}

static int64_t field(const json_t *row, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(row, key));
}

/* {"job_run_id": micro-tokens} of these runs. What can't be priced earns nothing and
 * is told; NULL: no memory. */
static char *rewards_of(const struct rain_config *config, const json_t *runs)
{
	json_t *rewards = json_object();
	const json_t *run;
	char *text;
	size_t i;

	json_array_foreach(runs, i, run) {
		const char *nodes = json_string_value(json_object_get(run, "nodes"));
		int64_t mflops, reward, core_ms = field(run, "core_ms");
		struct number id;
		struct rain_error err;

		if (core_ms == 0)
			continue;
		if (rain_pricing_speed(config, nodes, &mflops, &err) < 0 ||
		    rain_cost_price(core_ms, mflops, config->ledger.reward_num, config->ledger.reward_den,
				    &reward, &err) < 0)
			rain_log_warning("a run earns no reward for own use: run=%" PRId64 " %s",
					 field(run, "job_run_id"), err.text);
		else
			json_object_set_new(rewards, number(&id, field(run, "job_run_id")),
					    json_integer(reward));
	}
	text = rewards ? json_dumps(rewards, JSON_COMPACT) : NULL;
	json_decref(rewards);
	return text;
}

/* One bite. How many runs were looked at, or -1 with err. */
static int reward(const struct rain_config *config, struct rain_ledger *store,
		  struct rain_error *err)
{
	static const char due[] = "SELECT * FROM ledger.own_use_due(500)";
	struct number last, cap;
	json_t *runs = NULL, *done = NULL;
	int count = -1;
	char *rewards;

	if (config->ledger.reward_num == 0) {
		if (rain_ledger_rows(store, "SELECT ledger.own_use_skip()::text AS done", NULL, 0, &done,
				     err) != RAIN_LEDGER_OK)
			return -1;
		json_decref(done);
		return 0;
	}
	if (rain_ledger_rows(store, due, NULL, 0, &runs, err) != RAIN_LEDGER_OK)
		return -1;
	if (json_array_size(runs) == 0) {
		json_decref(runs);
		return 0;
	}
	rewards = rewards_of(config, runs);
	if (rewards) {
		const char *params[] = {
			number(&last, field(json_array_get(runs, json_array_size(runs) - 1), "record_seq")),
			rewards, number(&cap, config->ledger.reward_cap_utok)};

		if (rain_ledger_rows(store, "SELECT ledger.own_use_reward($1::bigint, $2::jsonb, "
				     "$3::bigint) AS done", params, 3, &done, err) == RAIN_LEDGER_OK)
			count = (int)json_array_size(runs);
	} else {
		rain_error_set(err, "no memory for rewards");
	}
	free(rewards);
	json_decref(done);
	json_decref(runs);
	return count;
}

/* NULL, JSON's or no memory: all users. */
static char *weights_of(const struct rain_config *config)
{
	json_t *weights = json_object();
	char *text;

	for (size_t i = 0; weights && i < config->ledger.share_count; i++)
		json_object_set_new(weights, config->ledger.shares[i].account,
				    json_integer(config->ledger.shares[i].weight));
	text = weights ? json_dumps(weights, JSON_COMPACT) : NULL;
	json_decref(weights);
	return text;
}

static int share(const struct rain_config *config, struct rain_ledger *store,
		 struct rain_error *err)
{
	static const char *const modes[] = {[RAIN_SHARE_EQUAL] = "equal",
					    [RAIN_SHARE_CONTRIBUTION] = "contribution",
					    [RAIN_SHARE_FIXED] = "fixed"};
	char tokens[RAIN_TOKENS_TEXT_SIZE], *weights = NULL;
	struct number days;
	json_t *done = NULL;
	int64_t shared;

	if (config->ledger.share_mode == RAIN_SHARE_NONE)
		return 0;
	if (config->ledger.share_count > 0 && !(weights = weights_of(config)))
		return rain_error_set(err, "no memory for shares");

	const char *params[] = {modes[config->ledger.share_mode], weights,
				number(&days, config->ledger.share_days)};
	enum rain_ledger_result outcome =
		rain_ledger_rows(store, "SELECT ledger.commons_share_due($1, $2::jsonb, 100, $3::integer) "
				 "AS done", params, 3, &done, err);

	free(weights);
	if (outcome != RAIN_LEDGER_OK)
		return -1;
	shared = field(json_array_get(done, 0), "done");
	json_decref(done);
	if (shared > 0)
		rain_log_info("what lending earned is shared out: amount=%s mode=%s",
			      rain_tokens_format(shared, tokens), params[0]);
	return 0;
}

static void tell(bool *failed, int rc, const char *what, const struct rain_error *err)
{
	if (rc < 0 && !*failed)
		rain_log_warning("%s: %s", what, err->text);
	*failed = rc < 0;
}

int64_t rain_policies_run(struct rain_policies *policies, const struct rain_config *config,
			  struct rain_ledger *store, int64_t now_ms)
{
	struct rain_error err;
	int looked;

	if (policies->due_ms > now_ms)
		return policies->due_ms - now_ms;
	looked = reward(config, store, &err);
	tell(&policies->reward_failed, looked, "own use isn't rewarded", &err);
	tell(&policies->share_failed, share(config, store, &err), "the commons aren't shared out", &err);
	policies->due_ms = now_ms + (looked >= RUNS ? AGAIN_MS : EVERY_MS);
	return policies->due_ms - now_ms;
}
