// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/intake.h"

#include <stdlib.h>

#include "accounting/pricing.h"
#include "accounting/record.h"
#include "accounting/spool.h"
#include "common/clock.h"
#include "common/log.h"

struct rain_intake {
	struct rain_spool_walk *walk; /* where we are in the spool; NULL: nowhere */
	bool progress;		      /* made by this walk, so another one is worth it */
	struct rain_rates *rates;     /* NULL: to be read */
};

/* What one transaction books: runs[i], priced, came from names[i] (borrowed). */
struct chunk {
	json_t *runs; /* NULL: nothing */
	const char *names[RAIN_INTAKE_TRANSACTION];
	int64_t sent_us;
};

/* One run. */
struct intake {
	const struct rain_config *config;
	struct rain_ledger *store;
	const struct rain_rates *rates;
	struct rain_intake_result *result;
	struct chunk chunks[2]; /* the one that is sent, and the one that is read */
};

/* A disk too full to put a record aside must not hold up the others. */
static void reject(struct intake *intake, const char *name, const char *reason)
{
	struct rain_error err;

	if (rain_spool_reject(intake->config->ledger.spool, name, reason, &err) < 0) {
		rain_log_error("a job record can't be booked: %s; nor put aside: %s file=%s", reason,
			       err.text, name);
		intake->result->stuck++;
		return;
	}
	rain_log_error("a job record is put aside in %s/rejected: %s file=%s",
		       intake->config->ledger.spool, reason, name);
	intake->result->rejected++;
}

/* The run of one record, priced; NULL with the reason. */
static json_t *price_record(const struct intake *intake, const char *text, size_t size,
			    struct rain_error *err)
{
	const struct rain_config *config = intake->config;
	struct rain_record record;
	enum rain_record_place place;
	json_t *run = NULL;
	int64_t price;

	if (rain_record_parse(&record, text, size, err) < 0)
		return NULL;
	place = rain_record_place(&record, config->gateway.overflow_partition,
				  config->lend.partition);
	if (rain_pricing_price(config, intake->rates, &record, place, &price, err) == 0) {
		run = rain_record_to_run(&record, place, price);
		if (!run)
			rain_error_set(err, "its strings are not UTF-8");
	}
	rain_record_release(&record);
	return run;
}

/* Adds a file to the chunk or rejects it. -1 only when that fails. */
static int take(struct intake *intake, struct chunk *chunk, const char *name, struct rain_error *err)
{
	const char *spool = intake->config->ledger.spool;
	struct rain_error reason;
	size_t size;
	int broken;
	char *text = rain_spool_read(spool, name, RAIN_RECORD_SIZE_MAX, &size, &broken, &reason);
	json_t *run;

	if (!text && !broken) {
		*err = reason;
		return -1;
	}
	run = text ? price_record(intake, text, size, &reason) : NULL;
	free(text);
	if (!run) {
		reject(intake, name, reason.text);
		return 0;
	}
	chunk->names[json_array_size(chunk->runs)] = name;
	if (json_array_append_new(chunk->runs, run) < 0)
		return rain_error_set(err, "no memory for a batch of job runs");
	return 0;
}

static int booked(struct intake *intake, const char *name, struct rain_error *err)
{
	if (rain_spool_remove(intake->config->ledger.spool, name, err) < 0)
		return -1;
	intake->result->recorded++;
	return 0;
}

/* The database refused the chunk for something in it: each run alone, so that
 * only the culprits are put aside. */
static int book_singly(struct intake *intake, const struct chunk *chunk, struct rain_error *err)
{
	size_t i;
	json_t *run;

	json_array_foreach(chunk->runs, i, run) {
		json_t *one = json_pack("[O]", run);
		struct rain_error reason;
		enum rain_ledger_result outcome;

		if (!one)
			return rain_error_set(err, "no memory for a job run");
		outcome = rain_ledger_runs_record(intake->store, one, &reason);
		json_decref(one);
		if (outcome == RAIN_LEDGER_UNAVAILABLE) {
			*err = reason;
			return -1;
		}
		if (outcome != RAIN_LEDGER_OK)
			reject(intake, chunk->names[i], reason.text);
		else if (booked(intake, chunk->names[i], err) < 0)
			return -1;
	}
	return 0;
}

/* Reads what `count` names name. */
static int fill(struct intake *intake, struct chunk *chunk, char *const *names, int count,
		struct rain_error *err)
{
	int rc = 0;

	chunk->runs = json_array();
	if (!chunk->runs)
		return rain_error_set(err, "no memory for a batch of job runs");
	for (int i = 0; rc == 0 && i < count; i++)
		rc = take(intake, chunk, names[i], err);
	return rc;
}

static void send(const struct intake *intake, struct chunk *chunk)
{
	if (json_array_size(chunk->runs) == 0)
		return;
	chunk->sent_us = rain_clock_monotonic_us();
	rain_ledger_runs_send(intake->store, chunk->runs);
}

/* Waits for the chunk that was sent.  0 when it is committed (its files may go), 1
 * when there is nothing left to do for it. */
static int settle(struct intake *intake, const struct chunk *chunk, struct rain_error *err)
{
	struct rain_intake_result *result = intake->result;
	enum rain_ledger_result outcome;

	if (json_array_size(chunk->runs) == 0)
		return 1;
	outcome = rain_ledger_runs_finish(intake->store, chunk->runs, err);
	if (outcome == RAIN_LEDGER_UNAVAILABLE)
		return -1;
	if (outcome == RAIN_LEDGER_REFUSED)
		return book_singly(intake, chunk, err) < 0 ? -1 : 1;
	result->commit_us[result->commits++] = rain_clock_monotonic_us() - chunk->sent_us;
	return 0;
}

static int forget_files(struct intake *intake, const struct chunk *chunk, struct rain_error *err)
{
	for (size_t i = 0; i < json_array_size(chunk->runs); i++)
		if (booked(intake, chunk->names[i], err) < 0)
			return -1;
	return 0;
}

/* Books all of names, chunk by chunk.  While the database works at one, the files of
 * the one before are deleted and those of the next are read. */
static int book(struct intake *intake, char *const *names, int count, struct rain_error *err)
{
	struct chunk *sent = &intake->chunks[0], *next = &intake->chunks[1], *other;
	int rc = 0, settled;

	for (int i = 0; rc == 0 && (i < count || sent->runs); i += RAIN_INTAKE_TRANSACTION) {
		int left = count - i;

		if (left > 0)
			rc = fill(intake, next, names + i,
				  left < RAIN_INTAKE_TRANSACTION ? left : RAIN_INTAKE_TRANSACTION, err);
		/* Whatever became of the next: what was sent is in the database's hands. */
		settled = settle(intake, sent, err);
		if (settled < 0)
			rc = -1;
		if (rc == 0)
			send(intake, next);
		if (settled == 0 && forget_files(intake, sent, err) < 0)
			rc = -1;
		json_decref(sent->runs);
		sent->runs = NULL;
		other = sent;
		sent = next;
		next = other;
	}
	if (rc < 0)
		rain_ledger_runs_abandon(intake->store);
	json_decref(sent->runs);
	json_decref(next->runs);
	return rc;
}

struct rain_intake *rain_intake_create(void)
{
	return calloc(1, sizeof(struct rain_intake));
}

static void walk_end(struct rain_intake *intake)
{
	rain_spool_walk_destroy(intake->walk);
	intake->walk = NULL;
	intake->progress = false;
}

void rain_intake_restart(struct rain_intake *intake)
{
	walk_end(intake);
	rain_intake_reprice(intake);
}

void rain_intake_reprice(struct rain_intake *intake)
{
	rain_rates_destroy(intake->rates);
	intake->rates = NULL;
}

void rain_intake_destroy(struct rain_intake *intake)
{
	if (!intake)
		return;
	walk_end(intake);
	rain_rates_destroy(intake->rates);
	free(intake);
}

/* The next names, walking on or from the start. Returns how many or -1. */
static int next_names(struct rain_intake *intake, const char *spool, char ***names,
		      struct rain_error *err)
{
	if (!intake->walk)
		intake->walk = rain_spool_walk_create(spool, err);
	return intake->walk ? rain_spool_walk_next(intake->walk, RAIN_INTAKE_BATCH, names, err) : -1;
}

static int rates_read(struct rain_intake *intake, const struct rain_config *config,
		      struct rain_ledger *store, struct rain_error *err)
{
	const char *params[] = {config->cluster_name};
	json_t *rows = NULL;

	if (intake->rates)
		return 0;
	if (rain_ledger_rows(store,
			     "SELECT partition, qos, tres, num, den, "
			     "ceil(extract(epoch FROM valid_from))::bigint AS since, "
			     "ceil(extract(epoch FROM valid_until))::bigint AS until "
			     "FROM ledger.rates($1)", params, 1, &rows, err) != RAIN_LEDGER_OK)
		return -1;
	intake->rates = rain_rates_create(rows, err);
	json_decref(rows);
	return intake->rates ? 0 : -1;
}

int rain_intake_run(struct rain_intake *intake, const struct rain_config *config,
		    struct rain_ledger *store, struct rain_intake_result *result,
		    struct rain_error *err)
{
	struct intake batch = {.config = config, .store = store, .result = result};
	char **names;
	int count, rc = 0;

	*result = (struct rain_intake_result){0};
	count = next_names(intake, config->ledger.spool, &names, err);
	if (count <= 0) {
		result->more = count == 0 && intake->progress;
		walk_end(intake);
		return count;
	}
	rc = rates_read(intake, config, store, err);
	batch.rates = intake->rates;
	if (rc == 0)
		rc = book(&batch, names, count, err);
	intake->progress = intake->progress || result->recorded + result->rejected > 0;
	result->more = count == RAIN_INTAKE_BATCH || intake->progress;
	/* What stayed is met again from the start. */
	if (rc < 0 || count < RAIN_INTAKE_BATCH)
		walk_end(intake);
	rain_spool_free(names, (size_t)count);
	return rc;
}
