// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/intake.h"

#include <stdlib.h>

#include "accounting/pricing.h"
#include "accounting/record.h"
#include "accounting/spool.h"
#include "accounting/team.h"
#include "common/clock.h"
#include "common/log.h"

/* What one transaction books, on its way: read by a team, priced, booked, deleted by a
 * team. The names are borrowed. */
struct chunk {
	const char *spool;
	char *const *names;
	size_t count;
	struct text {
		char *text; /* NULL: not read */
		size_t size;
	} texts[RAIN_INTAKE_TRANSACTION];
	json_t *runs;				      /* NULL: not priced yet */
	const char *booked[RAIN_INTAKE_TRANSACTION];  /* booked[i] names runs[i] */
	int64_t sent_us;
	struct rain_team team;
	atomic_bool failed; /* a file couldn't be deleted */
};

struct rain_intake {
	struct rain_spool_walk *walk; /* where we are in the spool; NULL: nowhere */
	bool progress;		      /* made by this walk, so another one is worth it */
	struct rain_rates *rates;     /* NULL: to be read */
	struct chunk chunks[RAIN_INTAKE_TRANSACTIONS];
};

/* One run. */
struct intake {
	const struct rain_config *config;
	struct rain_ledger *store;
	const struct rain_rates *rates;
	struct rain_intake_result *result;
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

/* Adds the file to the chunk's runs or rejects it. -1 only when that fails. */
static int take(struct intake *intake, struct chunk *chunk, size_t i, struct rain_error *err)
{
	struct text *read = &chunk->texts[i];
	struct rain_error reason;
	json_t *run;
	int broken;

	/* Once more, for the reason. */
	if (!read->text)
		read->text = rain_spool_read(chunk->spool, chunk->names[i], RAIN_RECORD_SIZE_MAX,
					     &read->size, &broken, &reason);
	if (!read->text && !broken) {
		*err = reason;
		return -1;
	}
	run = read->text ? price_record(intake, read->text, read->size, &reason) : NULL;
	if (!run) {
		reject(intake, chunk->names[i], reason.text);
		return 0;
	}
	chunk->booked[json_array_size(chunk->runs)] = chunk->names[i];
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
			reject(intake, chunk->booked[i], reason.text);
		else if (booked(intake, chunk->booked[i], err) < 0)
			return -1;
	}
	return 0;
}

static void read_one(void *arg, size_t i)
{
	struct chunk *chunk = arg;
	struct rain_error reason;
	int broken;

	chunk->texts[i].text = rain_spool_read(chunk->spool, chunk->names[i], RAIN_RECORD_SIZE_MAX,
					       &chunk->texts[i].size, &broken, &reason);
}

static void delete_one(void *arg, size_t i)
{
	struct chunk *chunk = arg;

	if (rain_spool_remove(chunk->spool, chunk->booked[i], NULL) < 0)
		atomic_store(&chunk->failed, true);
}

/* Prices what the team has read. */
static int fill(struct intake *intake, struct chunk *chunk, struct rain_error *err)
{
	int rc = 0;

	rain_team_finish(&chunk->team);
	chunk->runs = json_array();
	if (!chunk->runs)
		rc = rain_error_set(err, "no memory for a batch of job runs");
	for (size_t i = 0; i < chunk->count; i++) {
		if (rc == 0)
			rc = take(intake, chunk, i, err);
		free(chunk->texts[i].text);
		chunk->texts[i].text = NULL;
	}
	return rc;
}

static void send(const struct intake *intake, struct chunk *chunk)
{
	if (json_array_size(chunk->runs) == 0)
		return;
	chunk->sent_us = rain_clock_monotonic_us();
	rain_ledger_runs_send(intake->store, chunk->runs);
}

/* Waits for the chunk that was sent; what is committed may be deleted. */
static int settle(struct intake *intake, struct chunk *chunk, struct rain_error *err)
{
	struct rain_intake_result *result = intake->result;
	enum rain_ledger_result outcome;

	if (json_array_size(chunk->runs) == 0)
		return 0;
	outcome = rain_ledger_runs_finish(intake->store, chunk->runs, err);
	if (outcome == RAIN_LEDGER_UNAVAILABLE)
		return -1;
	if (outcome == RAIN_LEDGER_REFUSED)
		return book_singly(intake, chunk, err);
	result->commit_us[result->commits++] = rain_clock_monotonic_us() - chunk->sent_us;
	rain_team_start(&chunk->team, delete_one, chunk, json_array_size(chunk->runs));
	return 0;
}

/* Waits for the chunk's team, whatever it does, and forgets the chunk. */
static int leave(struct intake *intake, struct chunk *chunk, struct rain_error *err)
{
	bool deleted = chunk->team.work == delete_one;
	int rc = 0;

	rain_team_finish(&chunk->team);
	/* One that is there still says why; the others are gone already. */
	for (size_t i = 0; deleted && i < json_array_size(chunk->runs); i++) {
		if (chunk->failed && rc == 0 &&
		    rain_spool_remove(chunk->spool, chunk->booked[i], err) < 0)
			rc = -1;
		if (rc == 0)
			intake->result->recorded++;
	}
	for (size_t i = 0; i < chunk->count; i++)
		free(chunk->texts[i].text);
	json_decref(chunk->runs);
	*chunk = (struct chunk){0};
	return rc;
}

/* Books the chunks one after the other. While the database works at one, teams delete the
 * files of the one before and read the one after the next, which is priced. */
static int book(struct intake *intake, struct chunk chunks[], int count, struct rain_error *err)
{
	int rc = 0;

	rain_team_start(&chunks[0].team, read_one, &chunks[0], chunks[0].count);
	for (int i = 0; rc == 0 && i <= count; i++) {
		if (i + 1 < count)
			rain_team_start(&chunks[i + 1].team, read_one, &chunks[i + 1], chunks[i + 1].count);
		if (i < count)
			rc = fill(intake, &chunks[i], err);
		/* Whatever became of this one: what was sent is in the database's hands. */
		if (i > 0 && settle(intake, &chunks[i - 1], err) < 0)
			rc = -1;
		if (rc == 0 && i < count)
			send(intake, &chunks[i]);
	}
	if (rc < 0)
		rain_ledger_runs_abandon(intake->store);
	for (int i = 0; i < count; i++)
		if (leave(intake, &chunks[i], rc == 0 ? err : NULL) < 0)
			rc = -1;
	return rc;
}

/* Shares the names out to the chunks; how many these are. */
static int share_out(struct rain_intake *intake, const char *spool, char *const *names, size_t count)
{
	int chunks = 0;

	for (size_t i = 0; i < count; i += RAIN_INTAKE_TRANSACTION) {
		size_t left = count - i;

		intake->chunks[chunks++] = (struct chunk){
			.spool = spool, .names = names + i,
			.count = left < RAIN_INTAKE_TRANSACTION ? left : RAIN_INTAKE_TRANSACTION};
	}
	return chunks;
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
		rc = book(&batch, intake->chunks,
			  share_out(intake, config->ledger.spool, names, (size_t)count), err);
	intake->progress = intake->progress || result->recorded + result->rejected > 0;
	result->more = count == RAIN_INTAKE_BATCH || intake->progress;
	/* What stayed is met again from the start. */
	if (rc < 0 || count < RAIN_INTAKE_BATCH)
		walk_end(intake);
	rain_spool_free(names, (size_t)count);
	return rc;
}
