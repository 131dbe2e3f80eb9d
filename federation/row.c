/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/row.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

enum column_kind {
	COLUMN_INT,
	COLUMN_INT_OR_NULL, /* -1 is NULL */
	COLUMN_BOOL,
	COLUMN_TEXT,
	COLUMN_TEXT_OR_NULL, /* "" is NULL */
	COLUMN_JSON,
	COLUMN_BURST_STATE,
	COLUMN_BURST_JOB,
	COLUMN_LOAN_STATE,
	COLUMN_OUTCOME,
};

struct column {
	const char *name;
	enum column_kind kind;
	size_t offset, size;
};

#define B(name, kind, member)                                                     \
	{ name, kind, offsetof(struct rain_burst_row, member), sizeof(((struct rain_burst_row *)0)->member) }
#define L(name, kind, member)                                                     \
	{ name, kind, offsetof(struct rain_loan_row, member), sizeof(((struct rain_loan_row *)0)->member) }

static const struct column burst_columns[] = {
	B("burst_id", COLUMN_TEXT, id),
	B("peer_id", COLUMN_INT, peer),
	B("job_id", COLUMN_INT, job_id),
	B("submit_time", COLUMN_INT, submit_time),
	B("restart", COLUMN_INT, restart),
	B("uid", COLUMN_INT, uid),
	B("user_name", COLUMN_TEXT, user),
	B("job_name", COLUMN_TEXT, job_name),
	B("home_partition", COLUMN_TEXT, home_partition),
	B("direct", COLUMN_BOOL, direct),
	B("nodes", COLUMN_INT, shape.nodes),
	B("tasks", COLUMN_INT, shape.tasks),
	B("cpus_per_task", COLUMN_INT, shape.cpus_per_task),
	B("ntasks_per_node", COLUMN_INT, shape.ntasks_per_node),
	B("minutes", COLUMN_INT, shape.minutes),
	B("mflops", COLUMN_INT, terms.mflops),
	B("percent", COLUMN_INT, terms.percent),
	B("ceiling_utok", COLUMN_INT, terms.ceiling_utok),
	B("held", COLUMN_BOOL, held),
	B("state", COLUMN_BURST_STATE, record.state),
	B("job", COLUMN_BURST_JOB, record.job),
	B("inputs_given", COLUMN_BOOL, record.inputs_given),
	B("inputs_sent", COLUMN_BOOL, record.inputs_sent),
	B("recalled", COLUMN_BOOL, record.recalled),
	B("delivered", COLUMN_BOOL, record.delivered),
	B("timed_out", COLUMN_BOOL, record.timed_out),
	B("out_of_memory", COLUMN_BOOL, record.out_of_memory),
	B("manifest", COLUMN_JSON, manifest),
	B("bound_ms", COLUMN_INT, record.bound_ms),
	B("inputs_ms", COLUMN_INT, record.inputs_ms),
	B("started_ms", COLUMN_INT, started_ms),
	B("finished_ms", COLUMN_INT, record.finished_ms),
	B("changed_ms", COLUMN_INT, changed_ms),
	B("seq_in", COLUMN_INT, record.seq_in),
	B("seq_out", COLUMN_INT, record.seq_out),
	B("remote_job_id", COLUMN_INT, remote_job_id),
	B("remote_nodes", COLUMN_TEXT, remote_nodes),
	B("outcome", COLUMN_OUTCOME, outcome),
	B("code", COLUMN_INT, code),
	B("signal", COLUMN_INT, signal),
	B("run_ms", COLUMN_INT, run_ms),
	B("stdout_bytes", COLUMN_INT, stdout_bytes),
	B("stderr_bytes", COLUMN_INT, stderr_bytes),
	B("outputs", COLUMN_JSON, outputs),
	B("claimed_utok", COLUMN_INT, claimed_utok),
	B("observed_utok", COLUMN_INT_OR_NULL, observed_utok),
	B("amount_utok", COLUMN_INT_OR_NULL, amount_utok),
	B("disputed", COLUMN_BOOL, disputed),
	B("sentence", COLUMN_TEXT, sentence),
	B("decision", COLUMN_TEXT, decision),
	B("expected_s", COLUMN_INT, expected_s),
	{ NULL },
};

static const struct column loan_columns[] = {
	L("burst_id", COLUMN_TEXT, id),
	L("peer_id", COLUMN_INT, peer),
	L("remote_user", COLUMN_TEXT, user),
	L("guest_uid", COLUMN_INT, guest_uid),
	L("nodes", COLUMN_INT, shape.nodes),
	L("tasks", COLUMN_INT, shape.tasks),
	L("cpus_per_task", COLUMN_INT, shape.cpus_per_task),
	L("ntasks_per_node", COLUMN_INT, shape.ntasks_per_node),
	L("minutes", COLUMN_INT, shape.minutes),
	L("mflops", COLUMN_INT, terms.mflops),
	L("percent", COLUMN_INT, terms.percent),
	L("ceiling_utok", COLUMN_INT, terms.ceiling_utok),
	L("hold_id", COLUMN_TEXT_OR_NULL, hold),
	L("state", COLUMN_LOAN_STATE, record.state),
	L("job_id", COLUMN_INT, job_id),
	L("job_nodes", COLUMN_TEXT, job_nodes),
	L("agent", COLUMN_TEXT, agent),
	L("job_over", COLUMN_BOOL, record.job_over),
	L("manifest", COLUMN_JSON, manifest),
	L("staged", COLUMN_BOOL, record.staged),
	L("recalled", COLUMN_BOOL, record.recalled),
	L("evicting", COLUMN_BOOL, record.evicting),
	L("delivered", COLUMN_BOOL, record.delivered),
	L("accepted_ms", COLUMN_INT, record.accepted_ms),
	L("started_ms", COLUMN_INT, record.started_ms),
	L("ended_ms", COLUMN_INT, record.ended_ms),
	L("changed_ms", COLUMN_INT, changed_ms),
	L("seq_in", COLUMN_INT, record.seq_in),
	L("seq_out", COLUMN_INT, record.seq_out),
	L("outcome", COLUMN_OUTCOME, record.outcome),
	L("terminated", COLUMN_BOOL, record.terminated),
	L("out_of_memory", COLUMN_BOOL, record.out_of_memory),
	L("code", COLUMN_INT, record.code),
	L("signal", COLUMN_INT, record.signal),
	L("run_ms", COLUMN_INT, record.run_ms),
	L("stdout_bytes", COLUMN_INT, stdout_bytes),
	L("stderr_bytes", COLUMN_INT, stderr_bytes),
	L("outputs", COLUMN_JSON, outputs),
	L("claimed_utok", COLUMN_INT, record.claimed_utok),
	L("amount_utok", COLUMN_INT_OR_NULL, amount_utok),
	L("disputed", COLUMN_BOOL, disputed),
	L("cleaned", COLUMN_BOOL, cleaned),
	L("sentence", COLUMN_TEXT, sentence),
	{ NULL },
};

/* --- one field --- */

static const char *enum_name(enum column_kind kind, const void *at)
{
	switch (kind) {
	case COLUMN_BURST_STATE:
		return rain_burst_state_name(*(const enum rain_burst_state *)at);
	case COLUMN_BURST_JOB:
		return rain_burst_job_name(*(const enum rain_burst_job *)at);
	case COLUMN_LOAN_STATE:
		return rain_loan_state_name(*(const enum rain_loan_state *)at);
	default:
		return rain_outcome_name(*(const enum rain_outcome *)at);
	}
}

static int enum_find(enum column_kind kind, const char *name, void *at)
{
	int value;

	if (kind == COLUMN_BURST_STATE)
		*(enum rain_burst_state *)at = (enum rain_burst_state)(value = rain_burst_state_find(name));
	else if (kind == COLUMN_BURST_JOB)
		*(enum rain_burst_job *)at = (enum rain_burst_job)(value = rain_burst_job_find(name));
	else if (kind == COLUMN_LOAN_STATE)
		*(enum rain_loan_state *)at = (enum rain_loan_state)(value = rain_loan_state_find(name));
	else
		*(enum rain_outcome *)at = (enum rain_outcome)(value = (int)rain_outcome_find(name));
	return value < 0 ? -1 : 0;
}

static json_t *field_write(const struct column *c, const void *row)
{
	const void *at = (const char *)row + c->offset;
	int64_t number;
	json_t *json;

	switch (c->kind) {
	case COLUMN_INT:
		return json_integer(*(const int64_t *)at);
	case COLUMN_INT_OR_NULL:
		number = *(const int64_t *)at;
		return number < 0 ? json_null() : json_integer(number);
	case COLUMN_BOOL:
		return json_boolean(*(const bool *)at);
	case COLUMN_TEXT:
		return json_string(at);
	case COLUMN_TEXT_OR_NULL:
		return *(const char *)at ? json_string(at) : json_null();
	case COLUMN_JSON:
		json = *(json_t *const *)at;
		return json ? json_incref(json) : json_null();
	default:
		return json_string(enum_name(c->kind, at));
	}
}

static int field_read(const struct column *c, const json_t *value, void *row)
{
	void *at = (char *)row + c->offset;

	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_INT_OR_NULL:
		*(int64_t *)at = json_is_integer(value) ? json_integer_value(value) : -1;
		return json_is_integer(value) || c->kind == COLUMN_INT_OR_NULL ? 0 : -1;
	case COLUMN_BOOL:
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value) ? 0 : -1;
	case COLUMN_TEXT:
	case COLUMN_TEXT_OR_NULL:
		if (json_is_null(value))
			return c->kind == COLUMN_TEXT_OR_NULL ? 0 : -1;
		if (!json_is_string(value) || json_string_length(value) >= c->size)
			return -1;
		strcpy(at, json_string_value(value)); /* its length was just checked */
		return 0;
	case COLUMN_JSON:
		*(json_t **)at = json_is_null(value) ? NULL : json_incref((json_t *)value);
		return value ? 0 : -1;
	default:
		return json_is_string(value) ? enum_find(c->kind, json_string_value(value), at) : -1;
	}
}

/* --- one row --- */

static json_t *row_write(const struct column *columns, const void *row)
{
	json_t *object = json_object();

	for (const struct column *c = columns; object && c->name; c++)
		if (json_object_set_new(object, c->name, field_write(c, row))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static int row_read(const struct column *columns, const char *text, void *row, struct rain_error *err)
{
	json_t *object = json_loads(text, 0, NULL);

	for (const struct column *c = columns; c->name; c++)
		if (field_read(c, json_object_get(object, c->name), row)) {
			json_decref(object);
			return rain_error_set(err, "the database's column %s is not as this version expects: run rain-migrate",
					      c->name);
		}
	json_decref(object);
	return 0;
}

void rain_burst_row_release(struct rain_burst_row *row)
{
	json_decref(row->manifest);
	json_decref(row->outputs);
	row->manifest = row->outputs = NULL;
}

void rain_loan_row_release(struct rain_loan_row *row)
{
	json_decref(row->manifest);
	json_decref(row->outputs);
	row->manifest = row->outputs = NULL;
}

int rain_burst_row_read(const PGresult *result, int line, int column, struct rain_burst_row *row,
			struct rain_error *err)
{
	memset(row, 0, sizeof *row);
	if (row_read(burst_columns, rain_store_text(result, line, column), row, err)) {
		rain_burst_row_release(row);
		return -1;
	}
	return 0;
}

int rain_loan_row_read(const PGresult *result, int line, int column, struct rain_loan_row *row,
		       struct rain_error *err)
{
	memset(row, 0, sizeof *row);
	if (row_read(loan_columns, rain_store_text(result, line, column), row, err)) {
		rain_loan_row_release(row);
		return -1;
	}
	/* What the record says in two ways is stored in one. */
	row->record.inputs = row->manifest != NULL;
	row->record.job_known = row->job_id > 0;
	row->record.ceiling_utok = row->terms.ceiling_utok;
	return 0;
}

int rain_burst_row_load(PGconn *tx, const char *id, bool lock, struct rain_burst_row *row,
			struct rain_error *err)
{
	PGresult *result = rain_store_query(tx, err,
		lock ? "SELECT to_jsonb(b)::text FROM federation.burst b WHERE burst_id = $1::uuid FOR UPDATE"
		     : "SELECT to_jsonb(b)::text FROM federation.burst b WHERE burst_id = $1::uuid", 1, id);
	int found;

	if (!result)
		return -1;
	found = PQntuples(result);
	if (found && rain_burst_row_read(result, 0, 0, row, err))
		found = -1;
	PQclear(result);
	return found;
}

int rain_loan_row_load(PGconn *tx, const char *id, bool lock, struct rain_loan_row *row,
		       struct rain_error *err)
{
	PGresult *result = rain_store_query(tx, err,
		lock ? "SELECT to_jsonb(l)::text FROM federation.loan l WHERE burst_id = $1::uuid FOR UPDATE"
		     : "SELECT to_jsonb(l)::text FROM federation.loan l WHERE burst_id = $1::uuid", 1, id);
	int found;

	if (!result)
		return -1;
	found = PQntuples(result);
	if (found && rain_loan_row_read(result, 0, 0, row, err))
		found = -1;
	PQclear(result);
	return found;
}

/* "a, b, c": the names of all columns. */
static int list_columns(const struct column *columns, char *list, size_t size)
{
	size_t used = 0;

	for (const struct column *c = columns; c->name; c++) {
		int n = snprintf(list + used, size - used, "%s%s", used ? ", " : "", c->name);
		if (n < 0 || (size_t)n >= size - used)
			return -1;
		used += (size_t)n;
	}
	return 0;
}

static int row_send(PGconn *tx, const char *table, const struct column *columns, const void *row,
		    const char *id, struct rain_error *err)
{
	char list[2048], sql[5120];
	json_t *object = row_write(columns, row);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int result = -1;

	json_decref(object);
	if (!text || list_columns(columns, list, sizeof list)) {
		rain_error_set(err, "a row of federation.%s can't be written: a text in it is no UTF-8", table);
	} else if (id) {
		snprintf(sql, sizeof sql,
			 "UPDATE federation.%s SET (%s) = (SELECT %s FROM jsonb_populate_record(NULL::federation.%s, $1::jsonb))"
			 " WHERE burst_id = $2::uuid", table, list, list, table);
		result = rain_store_execute(tx, err, sql, 2, text, id);
	} else {
		snprintf(sql, sizeof sql,
			 "INSERT INTO federation.%s (%s) SELECT %s FROM jsonb_populate_record(NULL::federation.%s, $1::jsonb)",
			 table, list, list, table);
		result = rain_store_execute(tx, err, sql, 1, text);
	}
	free(text);
	return result;
}

int rain_burst_row_insert(PGconn *tx, const struct rain_burst_row *row, struct rain_error *err)
{
	return row_send(tx, "burst", burst_columns, row, NULL, err);
}

int rain_burst_row_update(PGconn *tx, const struct rain_burst_row *row, struct rain_error *err)
{
	return row_send(tx, "burst", burst_columns, row, row->id, err);
}

int rain_loan_row_insert(PGconn *tx, const struct rain_loan_row *row, struct rain_error *err)
{
	return row_send(tx, "loan", loan_columns, row, NULL, err);
}

int rain_loan_row_update(PGconn *tx, const struct rain_loan_row *row, struct rain_error *err)
{
	return row_send(tx, "loan", loan_columns, row, row->id, err);
}
