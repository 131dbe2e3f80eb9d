/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_ROW_H
#define RAIN_FEDERATION_ROW_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "federation/burst.h"
#include "federation/loan.h"
#include "federation/message.h"
#include "federation/store.h"

/*
 * Rows of federation.burst and federation.loan as structs.  A row travels as
 * one JSON object each way, so one table of columns (row.c) says all there is.
 */
#define RAIN_JOB_NAME_SIZE 129
#define RAIN_PARTITION_SIZE 257
#define RAIN_SENTENCE_SIZE 400

struct rain_burst_row {
	char id[RAIN_UUID_SIZE];
	int64_t peer; /* federation.peer.peer_id */
	int64_t job_id, submit_time, restart, uid;
	char user[RAIN_USER_SIZE];
	char job_name[RAIN_JOB_NAME_SIZE];
	bool direct; /* no batch job: somebody sits before it */
	char home_partition[RAIN_PARTITION_SIZE];
	struct rain_shape shape;
	struct rain_terms terms;
	bool held;
	struct rain_burst_record record;
	json_t *manifest; /* NULL until given */
	int64_t started_ms, changed_ms;
	int64_t remote_job_id;
	char remote_nodes[RAIN_REASON_SIZE];
	enum rain_outcome outcome;
	int64_t code, signal, run_ms, stdout_bytes, stderr_bytes;
	json_t *outputs;
	int64_t claimed_utok;
	int64_t observed_utok, amount_utok; /* -1: not yet */
	bool disputed;
	char sentence[RAIN_SENTENCE_SIZE];
	char decision[RAIN_SENTENCE_SIZE]; /* why it was sent there */
	int64_t expected_s; /* how long it was expected to run; 0: not known */
};

struct rain_loan_row {
	char id[RAIN_UUID_SIZE];
	int64_t peer;
	char user[RAIN_USER_SIZE]; /* at its home */
	int64_t guest_uid;
	struct rain_shape shape;
	struct rain_terms terms;
	char hold[RAIN_UUID_SIZE]; /* "" when it costs nothing */
	struct rain_loan_record record;
	int64_t job_id;
	char job_nodes[RAIN_REASON_SIZE];
	char agent[RAIN_AGENT_SIZE]; /* which one has started the script */
	json_t *manifest;
	int64_t changed_ms;
	int64_t stdout_bytes, stderr_bytes;
	json_t *outputs;
	int64_t amount_utok; /* -1: not yet */
	bool disputed, cleaned;
	char sentence[RAIN_SENTENCE_SIZE];
};

/* Reads the row `id`; with `lock` FOR UPDATE.  1: found (the caller releases
 * *row), 0: there is none, -1 with err. */
int rain_burst_row_load(PGconn *tx, const char *id, bool lock, struct rain_burst_row *row,
			struct rain_error *err);
int rain_loan_row_load(PGconn *tx, const char *id, bool lock, struct rain_loan_row *row,
		       struct rain_error *err);

/* Reads a row from to_jsonb(row)::text in a result. */
int rain_burst_row_read(const PGresult *result, int line, int column, struct rain_burst_row *row,
			struct rain_error *err);
int rain_loan_row_read(const PGresult *result, int line, int column, struct rain_loan_row *row,
		       struct rain_error *err);

int rain_burst_row_insert(PGconn *tx, const struct rain_burst_row *row, struct rain_error *err);
int rain_burst_row_update(PGconn *tx, const struct rain_burst_row *row, struct rain_error *err);
int rain_loan_row_insert(PGconn *tx, const struct rain_loan_row *row, struct rain_error *err);
int rain_loan_row_update(PGconn *tx, const struct rain_loan_row *row, struct rain_error *err);

/* Free what a row owns; all-zero rows are fine. */
void rain_burst_row_release(struct rain_burst_row *row);
void rain_loan_row_release(struct rain_loan_row *row);

#endif
