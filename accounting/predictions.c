/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accounting/predictions.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/snapshot_file.h"
#include "scheduler/predict_key.h"

#define BITE 2000
#define NUMBERS 1024 /* a power of 2 */
#define ASK_AGAIN_MS (10 * 60 * 1000)

/* A cache with one place for each hash. */
struct rain_user_number {
	char name[33];
	int64_t asked_ms;
	bool exists;
	uint32_t uid;
};

const char *rain_predictions_basis(enum rain_predict_basis basis)
{
	static const char *const names[] = {"limit", "user", "shape", "name"};

	return names[basis];
}

/* False for somebody whom this machine doesn't know (any more). */
static bool uid_of(struct rain_predictions *predictions, const char *name, int64_t now_ms, uint32_t *uid)
{
	uint64_t hash = rain_predict_hash(RAIN_PREDICT_HASH_START, name, strlen(name));
	struct rain_user_number *number = &predictions->numbers[hash & (NUMBERS - 1)];

	if (strlen(name) >= sizeof number->name)
		return false;
	if (strcmp(number->name, name) != 0 || now_ms - number->asked_ms > ASK_AGAIN_MS) {
		const struct passwd *entry = getpwnam(name);

		*number = (struct rain_user_number){.asked_ms = now_ms, .exists = entry != NULL,
						    .uid = entry ? (uint32_t)entry->pw_uid : 0};
		strcpy(number->name, name);
	}
	*uid = number->uid;
	return number->exists;
}

static int64_t number(const json_t *row, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(row, key));
}

static int begin(struct rain_predictions *predictions, struct rain_ledger *store, struct rain_error *err)
{
	json_t *rows = NULL;
	int64_t newest;

	if (!predictions->history)
		predictions->history = rain_history_create();
	if (!predictions->numbers)
		predictions->numbers = calloc(NUMBERS, sizeof *predictions->numbers);
	if (!predictions->history || !predictions->numbers)
		return rain_error_set(err, "no memory for the history of run times");
	if (rain_ledger_rows(store, "SELECT * FROM ledger.estimates_state()", NULL, 0, &rows, err) !=
	    RAIN_LEDGER_OK)
		return -1;
	newest = number(json_array_get(rows, 0), "newest");
	predictions->judged = number(json_array_get(rows, 0), "judged");
	predictions->learned = newest > RAIN_PREDICTIONS_LOAD ? newest - RAIN_PREDICTIONS_LOAD : 0;
	/* Nothing between is left out, however long we were away. */
	if (predictions->judged < predictions->learned)
		predictions->learned = predictions->judged;
	predictions->begun = true;
	json_decref(rows);
	return 0;
}

static int32_t bounded(int64_t value)
{
	return value < 1 ? 1 : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* Learns a run; adds to `estimates` what would have been said of it. */
static int take(struct rain_predictions *predictions, const json_t *row, int64_t now_ms,
		json_t *estimates, struct rain_error *err)
{
	const char *user = json_string_value(json_object_get(row, "user_name"));
	const char *name = json_string_value(json_object_get(row, "job_name"));
	struct rain_history_run run = {
		.name = rain_predict_name(name), .procs = bounded(number(row, "cpus")),
		.submit = number(row, "submit_time"), .end = number(row, "end_time"),
		.run = bounded(number(row, "run_s")),
	};
	struct rain_prediction said;

	if (!json_is_true(json_object_get(row, "counts")) || !user ||
	    !uid_of(predictions, user, now_ms, &run.uid))
		return 0;
	if (number(row, "record_seq") > predictions->judged) {
		rain_history_predict(predictions->history, run.uid, run.name, run.procs, INT32_MAX, run.submit,
				     &said);
		/* With few runs there is no bound of 90 % but the limit, which always holds. */
		if (said.basis != RAIN_PREDICT_LIMIT && said.high < INT32_MAX)
			json_array_append_new(estimates, json_pack("{s:I s:i s:i s:i s:s s:i}", "job_run_id",
				(json_int_t)number(row, "job_run_id"), "expected_s", said.expected, "high_s",
				said.high, "samples", (int)said.samples, "basis",
				rain_predictions_basis(said.basis), "run_s", run.run));
	}
	return rain_history_learn(predictions->history, &run, err);
}

static int judge(struct rain_predictions *predictions, struct rain_ledger *store,
		 const json_t *estimates, struct rain_error *err)
{
	char *text = json_dumps(estimates, JSON_COMPACT), judged[24];
	const char *params[] = {text, judged};
	json_t *rows = NULL;
	int rc;

	snprintf(judged, sizeof judged, "%" PRId64, predictions->learned);
	rc = !text ? rain_error_set(err, "no memory for estimates")
		   : rain_ledger_rows(store, "SELECT ledger.estimates_record($1::jsonb, $2::bigint)", params, 2,
				      &rows, err) == RAIN_LEDGER_OK ? 0 : -1;
	if (rc == 0 && predictions->learned > predictions->judged)
		predictions->judged = predictions->learned;
	json_decref(rows);
	free(text);
	return rc;
}

static int learn(struct rain_predictions *predictions, struct rain_ledger *store, int64_t now_ms,
		 bool *more, struct rain_error *err)
{
	char after[24], limit[24];
	const char *params[] = {after, limit};
	json_t *rows = NULL, *estimates = json_array(), *row;
	int rc = 0;
	size_t i;

	snprintf(after, sizeof after, "%" PRId64, predictions->learned);
	snprintf(limit, sizeof limit, "%d", BITE);
	if (rain_ledger_rows(store, "SELECT * FROM ledger.runs_to_learn($1::bigint, $2::integer)", params, 2,
			     &rows, err) != RAIN_LEDGER_OK)
		rc = -1;
	json_array_foreach(rows, i, row) {
		if (rc == 0)
			rc = take(predictions, row, now_ms, estimates, err);
		if (rc == 0)
			predictions->learned = number(row, "record_seq");
	}
	*more = json_array_size(rows) == BITE;
	if (rc == 0 && predictions->learned > predictions->judged)
		rc = judge(predictions, store, estimates, err);
	/* What was learned and isn't noted would never be judged: once more from the
	 * database. */
	if (rc < 0 && json_array_size(rows) > 0) {
		rain_history_destroy(predictions->history);
		predictions->history = NULL;
		predictions->begun = false;
	}
	json_decref(estimates);
	json_decref(rows);
	return rc;
}

int rain_predictions_run(struct rain_predictions *predictions, struct rain_ledger *store,
			 const char *directory, int64_t now_ms, bool *more, struct rain_error *err)
{
	struct rain_snapshot_entry *entries;
	size_t count;
	int rc;

	*more = false;
	if ((!predictions->begun && begin(predictions, store, err) < 0) ||
	    learn(predictions, store, now_ms, more, err) < 0)
		return -1;
	entries = rain_history_entries(predictions->history, &count);
	if (!entries)
		return rain_error_set(err, "no memory for predictions");
	rc = rain_snapshot_publish(&predictions->writer, directory, RAIN_SNAPSHOT_PREDICTIONS, entries, count,
				   now_ms, err);
	free(entries);
	return rc;
}

void rain_predictions_release(struct rain_predictions *predictions)
{
	rain_snapshot_writer_release(&predictions->writer);
	rain_history_destroy(predictions->history);
	free(predictions->numbers);
	*predictions = (struct rain_predictions){.begun = false};
}
