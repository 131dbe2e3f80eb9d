/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the broker what runs and waits at home. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/policy.h"

#define INTERVAL_MS 5000  /* for what has ended; Slurm forgets after minutes */
#define WANTED_MS 1000	  /* while jobs wait that may go */
#define GAP_MS 100	  /* however much it is wanted */
#define COST_FACTOR 10	  /* a look that takes long isn't taken often */
#define FAILED_MS 5000	  /* after a failure we decide without */
#define ANSWER_MS 20000

static int ask(struct rain_gateway *gateway, int64_t after, struct rain_error *err);

static void done(struct rain_gateway *gateway)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_load *load = &policy->next_load;

	policy->failed_ms = 0;
	policy->took_ms = rain_clock_monotonic_ms() - policy->looked_ms;
	load->asked_ms = policy->looked_ms;
	rain_history_learn(gateway, load->ended);
	rain_load_release(&policy->load);
	policy->load = *load;
	memset(load, 0, sizeof *load);
	rain_candidates_work(gateway);
}

static void on_page(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;
	struct rain_policy *policy = rain_policy_of(gateway);
	struct rain_error err = { "" };

	policy->looking = false;
	if (!result)
		rain_error_set(&err, "%s", error);
	if (!result || rain_load_add(&policy->next_load, result, &err) ||
	    (json_is_true(json_object_get(result, "more")) &&
	     ask(gateway, json_integer_value(json_object_get(result, "last")), &err))) {
		if (!policy->failed_ms)
			rain_log_warning("how long jobs wait at home can't be foretold: %s", err.text);
		policy->failed_ms = rain_clock_monotonic_ms();
		rain_load_release(&policy->next_load);
		rain_candidates_work(gateway);
		return;
	}
	if (!policy->looking)
		done(gateway);
}

static int ask(struct rain_gateway *gateway, int64_t after, struct rain_error *err)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	json_t *request = json_pack("{s:s, s:I, s:I}", "op", "load", "after", (json_int_t)after,
				    "ended_after", (json_int_t)rain_history_until(gateway));
	int result = rain_rpc_client_call(gateway->broker, request, ANSWER_MS, on_page, gateway, err);

	json_decref(request);
	policy->looking = result == 0;
	return result;
}

void rain_load_look(struct rain_gateway *gateway, bool wanted)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	int64_t now = rain_clock_monotonic_ms(), gap = wanted ? GAP_MS : INTERVAL_MS;
	struct rain_error err;

	if (gap < policy->took_ms * COST_FACTOR)
		gap = policy->took_ms * COST_FACTOR;
	if (policy->looking || !policy->read || (policy->looked_ms && now - policy->looked_ms < gap) ||
	    (policy->failed_ms && now - policy->failed_ms < FAILED_MS))
		return;
	rain_load_release(&policy->next_load);
	policy->looked_ms = now;
	if (ask(gateway, 0, &err)) {
		policy->failed_ms = now;
		rain_log_warning("the broker can't be asked: %s", err.text);
	}
}

bool rain_load_covers(const struct rain_gateway *gateway, int64_t seen_ms)
{
	const struct rain_policy *policy = rain_policy_of(gateway);

	return policy->failed_ms ||
	       (policy->load.asked_ms >= seen_ms &&
		rain_clock_monotonic_ms() - policy->load.asked_ms <
			WANTED_MS + COST_FACTOR * policy->took_ms);
}
