/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long jobs ran: learnt from what Slurm still shows of them, kept in the database. */
#include <stdlib.h>

#include "common/log.h"
#include "federation/policy.h"

/* Columns of a row of an ended run, as the broker tells it. */
enum { JOB, SUBMIT, RESTART, UID, NAME, PROCS, LIMIT, RUN, ENDED, COLUMNS };

static int64_t cell(const json_t *row, size_t column)
{
	return json_integer_value(json_array_get(row, column));
}

static int32_t seconds(int64_t value)
{
	return (int32_t)(value < 1 ? 1 : value > INT32_MAX ? INT32_MAX : value);
}

static int learn(struct rain_policy *policy, int64_t uid, const struct rain_predict_shape *shape,
		 int64_t run, struct rain_error *err)
{
	struct rain_prediction prediction;

	/* How well home's own jobs were foretold, to compare peers with. */
	rain_predict_job(policy->predict, (uint64_t)uid, shape, &prediction);
	rain_trust_ended(&policy->home, prediction.expected, run);
	return rain_predict_learn(policy->predict, (uint64_t)uid, shape, seconds(run), err);
}

static int read_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_policy *policy = arg;
	PGresult *rows = rain_store_query(tx, err,
		"SELECT uid, name, procs, limit_s, run_s, ended FROM federation.run ORDER BY ended, job_id", 0);
	int result = 0;

	if (!rows)
		return -1;
	rain_predict_destroy(policy->predict);
	policy->predict = rain_predict_create();
	policy->home = (struct rain_trust){ 0 };
	if (!policy->predict)
		result = rain_error_set(err, "out of memory for the history of run times");
	for (int i = 0; i < PQntuples(rows) && result == 0; i++) {
		const struct rain_predict_shape shape = {
			.name = (uint64_t)rain_store_int64(rows, i, 1),
			.procs = (int32_t)rain_store_int64(rows, i, 2),
			.limit = (int32_t)rain_store_int64(rows, i, 3),
		};

		result = learn(policy, rain_store_int64(rows, i, 0), &shape, rain_store_int64(rows, i, 4), err);
		policy->learnt_until = rain_store_int64(rows, i, 5);
	}
	PQclear(rows);
	return result;
}

int rain_history_read(struct rain_gateway *gateway, struct rain_error *err)
{
	return rain_store_transaction(gateway->store, read_work, rain_policy_of(gateway), err);
}

int64_t rain_history_until(const struct rain_gateway *gateway)
{
	return rain_policy_of(gateway)->learnt_until;
}

struct learning {
	const char *rows;
	json_t *kept; /* places, from 1 */
};

static int learn_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct learning *learning = arg;
	PGresult *rows = rain_store_query(tx, err, "SELECT federation.run_learn($1::jsonb)", 1, learning->rows);

	if (!rows)
		return -1;
	json_array_clear(learning->kept);
	for (int i = 0; i < PQntuples(rows); i++)
		json_array_append_new(learning->kept, json_integer(rain_store_int64(rows, i, 0)));
	PQclear(rows);
	return 0;
}

/* Rows of one second may come twice: the last answer's are known. */
static bool is_known(const json_t *known, const json_t *row)
{
	size_t i;
	json_t *other;

	json_array_foreach(known, i, other)
		if (json_equal(other, row))
			return true;
	return false;
}

/* What is new among the rows: those of the second up to which all is known may be. */
static json_t *fresh(const struct rain_policy *policy, const json_t *ended)
{
	json_t *list = json_array(), *row;
	size_t i;

	json_array_foreach(ended, i, row) {
		if (json_array_size(row) != COLUMNS || cell(row, PROCS) < 1 || cell(row, LIMIT) < 1 ||
		    cell(row, RUN) < 0)
			continue;
		if (cell(row, ENDED) > policy->learnt_until || !is_known(policy->learnt, row))
			json_array_append(list, row);
	}
	return list;
}

static void remember(struct rain_policy *policy, json_t *rows, const json_t *kept)
{
	struct rain_error err;
	json_t *place, *row;
	size_t i;

	json_array_foreach(kept, i, place) {
		row = json_array_get(rows, (size_t)json_integer_value(place) - 1);
		const struct rain_predict_shape shape = { .name = (uint64_t)cell(row, NAME),
							  .procs = seconds(cell(row, PROCS)),
							  .limit = seconds(cell(row, LIMIT)) };
		if (learn(policy, cell(row, UID), &shape, cell(row, RUN), &err))
			rain_log_warning("a run time isn't remembered: %s", err.text);
	}
}

static void note_until(struct rain_policy *policy, json_t *ended)
{
	int64_t until = policy->learnt_until;
	json_t *row;
	size_t i;

	json_array_foreach(ended, i, row)
		if (cell(row, ENDED) > until)
			until = cell(row, ENDED);
	if (until > policy->learnt_until && policy->learnt)
		json_array_clear(policy->learnt);
	policy->learnt_until = until;
	json_array_foreach(ended, i, row)
		if (cell(row, ENDED) == until && policy->learnt && !is_known(policy->learnt, row))
			json_array_append(policy->learnt, row);
}

void rain_history_learn(struct rain_gateway *gateway, json_t *ended)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	struct learning learning = { .kept = json_array() };
	json_t *rows = fresh(policy, ended);
	char *text = json_array_size(rows) > 0 ? json_dumps(rows, JSON_COMPACT) : NULL;
	struct rain_error err;

	learning.rows = text;
	if (text && learning.kept &&
	    rain_store_transaction(gateway->store, learn_work, &learning, &err) < 0) {
		/* Asked for again with the next look. */
		rain_log_warning("run times aren't kept: %s", err.text);
	} else {
		remember(policy, rows, learning.kept);
		note_until(policy, ended);
	}
	free(text);
	json_decref(rows);
	json_decref(learning.kept);
}

int rain_history_burst(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		       int64_t now_ms, struct rain_error *err)
{
	struct rain_policy *policy = rain_policy_of(gateway);
	int64_t here = rain_config_mflops(gateway->config), run = (row->run_ms + 999) / 1000;
	const struct rain_predict_shape shape = {
		.name = rain_predict_name(row->job_name), .procs = seconds(rain_shape_cores(&row->shape)),
		.limit = seconds(row->shape.minutes * 60),
	};
	json_t *rows;
	char *text;
	int result;

	/* As long as it would have been here. */
	if (here > 0 && row->terms.mflops > 0)
		run = (int64_t)((double)run * (double)row->terms.mflops / (double)here);
	rows = json_pack("[[I, I, I, I, I, i, i, I, I]]", (json_int_t)row->job_id, (json_int_t)row->submit_time,
			 (json_int_t)row->restart, (json_int_t)row->uid, (json_int_t)shape.name, shape.procs,
			 shape.limit, (json_int_t)seconds(run), (json_int_t)(now_ms / 1000));
	text = json_dumps(rows, JSON_COMPACT);
	json_decref(rows);
	result = text ? rain_store_execute(tx, err, "SELECT federation.run_learn($1::jsonb)", 1, text)
		      : rain_error_set(err, "out of memory for a run time");
	free(text);
	return result ? -1 : rain_predict_learn(policy->predict, (uint64_t)row->uid, &shape, seconds(run), err);
}

void rain_history_predict(const struct rain_predict *predict, const struct rain_queue_job *job,
			  struct rain_prediction *prediction)
{
	const struct rain_predict_shape shape = {
		.name = rain_predict_name(job->name), .procs = seconds(rain_shape_cores(&job->shape)),
		.limit = seconds(job->shape.minutes * 60),
	};

	if (predict)
		rain_predict_job(predict, (uint64_t)job->uid, &shape, prediction);
	else
		*prediction = (struct rain_prediction){ .expected = shape.limit, .median = shape.limit,
							.high = shape.limit, .basis = RAIN_PREDICT_LIMIT };
}
