// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/intake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/pricing.h"
#include "accounting/record.h"
#include "accounting/rejected.h"
#include "accounting/spool_reader.h"
#include "common/clock.h"
#include "common/log.h"

/* What a record that is put aside is called: the same each time it is. */
struct record_name {
	char text[80];
};

/* A line that can't be booked. It is put aside when the others are, so that it is once, however
 * long the database is away. */
struct bad {
	bool broken; /* it is no record */
	struct record_name name; /* "": it has none */
	struct rain_error reason;
	size_t size;
	char text[];
};

/* What one transaction books. */
struct chunk {
	size_t count; /* lines that were read */
	struct {
		struct rain_spool_place place;
		struct bad *bad; /* NULL: it is to be booked */
		bool stuck;
	} lines[RAIN_INTAKE_TRANSACTION];
	char *text; /* of the runs: an array in JSON */
	size_t used, room;
	size_t runs;
	struct {
		size_t line, start; /* whose it is, and where it begins in the text */
	} booked[RAIN_INTAKE_TRANSACTION];
	int64_t sent_us;
};

struct rain_intake {
	struct rain_spool_reader *reader; /* NULL: to be made */
	struct rain_ledger *store;	  /* likewise */
	struct rain_rates *rates;	  /* likewise */
	struct chunk chunks[2];
	int turn; /* which of them is read next; the other is under way */
};

/* One run. */
struct run {
	struct rain_intake *intake;
	const struct rain_config *config;
	struct rain_intake_result *result;
};

struct rain_intake *rain_intake_create(void)
{
	return calloc(1, sizeof(struct rain_intake));
}

static void chunk_release(struct chunk *chunk)
{
	for (size_t i = 0; i < chunk->count; i++)
		free(chunk->lines[i].bad);
	free(chunk->text);
	chunk->text = NULL;
	chunk->count = chunk->runs = chunk->used = chunk->room = 0;
}

/* Room for so many bytes more. */
static int chunk_grow(struct chunk *chunk, size_t more, struct rain_error *err)
{
	size_t room = (chunk->used + more) * 2;
	char *larger;

	if (chunk->used + more <= chunk->room)
		return 0;
	larger = realloc(chunk->text, room);
	if (!larger)
		return rain_error_set(err, "no memory for a batch of job runs");
	chunk->text = larger;
	chunk->room = room;
	return 0;
}

/* Adds the run of a line to the text, which begins with '[' and is given its ']' at last. */
static int chunk_add(struct chunk *chunk, size_t line, const json_t *run, struct rain_error *err)
{
	size_t length;

	if (chunk_grow(chunk, 2, err) < 0)
		return -1;
	chunk->text[chunk->used++] = chunk->runs == 0 ? '[' : ',';
	chunk->booked[chunk->runs].line = line;
	chunk->booked[chunk->runs++].start = chunk->used;
	for (;;) {
		length = json_dumpb(run, chunk->text + chunk->used, chunk->room - chunk->used, JSON_COMPACT);
		if (length == 0)
			return rain_error_set(err, "no memory for a job run");
		if (chunk->used + length <= chunk->room)
			break;
		if (chunk_grow(chunk, length, err) < 0)
			return -1;
	}
	chunk->used += length;
	return 0;
}

void rain_intake_reprice(struct rain_intake *intake)
{
	rain_rates_destroy(intake->rates);
	intake->rates = NULL;
}

void rain_intake_restart(struct rain_intake *intake)
{
	chunk_release(&intake->chunks[0]);
	chunk_release(&intake->chunks[1]);
	rain_spool_reader_destroy(intake->reader);
	intake->reader = NULL;
	rain_ledger_destroy(intake->store);
	intake->store = NULL;
	rain_intake_reprice(intake);
}

void rain_intake_destroy(struct rain_intake *intake)
{
	if (!intake)
		return;
	rain_intake_restart(intake);
	free(intake);
}

/* What was under way may be booked all the same: again, to no effect. That the rates can be read
 * again is the proof that the database is back: before, nothing is read. */
static void abandon(struct rain_intake *intake)
{
	rain_intake_reprice(intake);
	rain_ledger_runs_abandon(intake->store);
	chunk_release(&intake->chunks[0]);
	chunk_release(&intake->chunks[1]);
	rain_spool_reader_rewind(intake->reader);
}

/* After rain_rejected_add*(): a disk too full to put a record aside must not hold up the others. */
static void rejected(struct run *run, struct chunk *chunk, size_t i, int rc, const char *reason,
		     const struct rain_error *err)
{
	const struct rain_spool_place *place = &chunk->lines[i].place;

	if (rc < 0) {
		rain_log_error("a job record can't be booked: %s; nor put aside: %s segment=%" PRIu64 " offset=%jd",
			       reason, err->text, place->segment, (intmax_t)place->start);
		chunk->lines[i].stuck = true;
		run->result->stuck++;
		return;
	}
	rain_log_error("a job record is put aside in %s/rejected: %s segment=%" PRIu64 " offset=%jd",
		       run->config->ledger.spool, reason, place->segment, (intmax_t)place->start);
	run->result->rejected++;
}

static void reject_record(struct run *run, struct chunk *chunk, size_t i, const char *name, const char *text,
			  size_t size, const char *reason)
{
	struct rain_error err;
	int rc = rain_rejected_add(run->config->ledger.spool, name, text, size, reason, &err);

	rejected(run, chunk, i, rc, reason, &err);
}

static const char *record_name(struct record_name *name, int64_t submit, int64_t job, int64_t restart)
{
	snprintf(name->text, sizeof(name->text), "%" PRId64 "-%" PRId64 "-%" PRId64, submit, job, restart);
	return name->text;
}

/* The run of one record, priced; NULL with the reason, and the record's name if it has one. */
static json_t *price_record(const struct run *run, const char *text, size_t size, struct record_name *name,
			    struct rain_error *err)
{
	const struct rain_config *config = run->config;
	struct rain_record record;
	enum rain_record_place place;
	json_t *priced = NULL;
	int64_t price;

	name->text[0] = '\0';
	if (rain_record_parse(&record, text, size, err) < 0)
		return NULL;
	record_name(name, record.submit, record.job_id, record.restart);
	place = rain_record_place(&record, config->gateway.overflow_partition,
				  config->lend.partition);
	if (rain_pricing_price(config, run->intake->rates, &record, place, &price, err) == 0) {
		priced = rain_record_to_run(&record, place, price);
		if (!priced)
			rain_error_set(err, "its strings are not UTF-8");
	}
	rain_record_release(&record);
	return priced;
}

static int add_bad(struct chunk *chunk, size_t i, const struct rain_spool_line *line, const struct record_name *name,
		   const struct rain_error *reason, struct rain_error *err)
{
	struct bad *bad = malloc(sizeof(*bad) + line->size);

	if (!bad)
		return rain_error_set(err, "no memory for a record that can't be booked");
	*bad = (struct bad){.broken = line->broken, .name = *name, .reason = *reason, .size = line->size};
	memcpy(bad->text, line->text, line->size);
	chunk->lines[i].bad = bad;
	return 0;
}

static void put_aside(struct run *run, struct chunk *chunk, size_t i)
{
	const struct bad *bad = chunk->lines[i].bad;
	struct rain_error err;
	int rc;

	if (!bad->broken) {
		reject_record(run, chunk, i, bad->name.text[0] ? bad->name.text : NULL, bad->text, bad->size,
			      bad->reason.text);
		return;
	}
	rc = rain_rejected_add_line(run->config->ledger.spool, bad->text, bad->size, bad->reason.text, &err);
	rejected(run, chunk, i, rc, bad->reason.text, &err);
}

/* Adds the line to the chunk: to its runs, or to what is to be put aside. */
static int take(struct run *run, struct chunk *chunk, const struct rain_spool_line *line, struct rain_error *err)
{
	size_t i = chunk->count++;
	struct record_name name = {""};
	struct rain_error reason;
	json_t *priced = NULL;
	int rc;

	chunk->lines[i].place = line->place;
	chunk->lines[i].bad = NULL;
	chunk->lines[i].stuck = false;
	if (line->broken)
		rain_error_set(&reason, "%s", line->broken);
	else
		priced = price_record(run, line->text, line->size, &name, &reason);
	if (!priced)
		return add_bad(chunk, i, line, &name, &reason, err);
	rc = chunk_add(chunk, i, priced, err);
	json_decref(priced);
	return rc;
}

/* Reads and prices what the next transaction books. */
static int fill(struct run *run, struct chunk *chunk, struct rain_error *err)
{
	struct rain_spool_reader *reader = run->intake->reader;
	struct rain_spool_line line;
	size_t bytes = 0;
	bool more = true;

	if (rain_spool_reader_begin(reader, rain_clock_monotonic_ms(), err) < 0)
		return -1;
	while (chunk->count < RAIN_INTAKE_TRANSACTION && bytes < RAIN_INTAKE_BYTES &&
	       (more = rain_spool_reader_next(reader, &line))) {
		bytes += line.size;
		if (take(run, chunk, &line, err) < 0)
			return -1;
	}
	run->result->backlog = more;
	if (chunk->runs == 0)
		return 0;
	if (chunk_grow(chunk, 2, err) < 0)
		return -1;
	chunk->text[chunk->used++] = ']';
	chunk->text[chunk->used] = '\0';
	return 0;
}

/* The database refuses a run: its record, which is read once more, is put aside; where it can't
 * be read, it stays. */
static void refused(struct run *run, struct chunk *chunk, size_t i, const char *reason)
{
	size_t line = chunk->booked[i].line, size;
	struct rain_error err;
	char *text = rain_spool_reader_again(run->intake->reader, &chunk->lines[line].place, &size, &err);
	struct record_name name = {""};
	struct rain_record record;

	if (!text) {
		rejected(run, chunk, line, -1, reason, &err);
		return;
	}
	if (rain_record_parse(&record, text, size, NULL) == 0)
		record_name(&name, record.submit, record.job_id, record.restart);
	rain_record_release(&record);
	reject_record(run, chunk, line, name.text[0] ? name.text : NULL, text, size, reason);
	free(text);
}

/* The text of one run alone, in a new string; NULL: no memory. */
static char *single(const struct chunk *chunk, size_t i)
{
	size_t start = chunk->booked[i].start, end = i + 1 < chunk->runs ? chunk->booked[i + 1].start : chunk->used;
	char *text;

	/* What follows a run is a comma or the last bracket. */
	return asprintf(&text, "[%.*s]", (int)(end - start - 1), chunk->text + start) < 0 ? NULL : text;
}

/* The database refused the chunk for something in it: each run alone, so that
 * only the culprits are put aside. */
static int book_singly(struct run *run, struct chunk *chunk, struct rain_error *err)
{
	for (size_t i = 0; i < chunk->runs; i++) {
		char *text = single(chunk, i);
		enum rain_ledger_result outcome;
		struct rain_error reason;

		if (!text)
			return rain_error_set(err, "no memory for a job run");
		outcome = rain_ledger_runs_record(run->intake->store, text, &reason);
		free(text);
		if (outcome == RAIN_LEDGER_UNAVAILABLE) {
			*err = reason;
			return -1;
		}
		if (outcome == RAIN_LEDGER_OK)
			run->result->recorded++;
		else
			refused(run, chunk, i, reason.text);
	}
	return 0;
}

/* Waits for the transaction that is under way. */
static int finish(struct run *run, struct chunk *chunk, struct rain_error *err)
{
	enum rain_ledger_result outcome;

	if (chunk->runs == 0)
		return 0; /* all of it is to be put aside */
	outcome = rain_ledger_runs_finish(run->intake->store, chunk->text, err);
	if (outcome == RAIN_LEDGER_UNAVAILABLE)
		return -1;
	if (outcome == RAIN_LEDGER_REFUSED)
		return book_singly(run, chunk, err);
	run->result->commit_us = rain_clock_monotonic_us() - chunk->sent_us;
	run->result->recorded += chunk->runs;
	return 0;
}

/* The chunk is dealt with, whole. */
static int settle(struct run *run, struct chunk *chunk, struct rain_error *err)
{
	struct rain_spool_reader *reader = run->intake->reader;

	if (finish(run, chunk, err) < 0)
		return -1;
	for (size_t i = 0; i < chunk->count; i++) {
		if (chunk->lines[i].bad)
			put_aside(run, chunk, i);
		rain_spool_reader_settle(reader, &chunk->lines[i].place, chunk->lines[i].stuck);
	}
	chunk_release(chunk);
	return 0;
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

/* Nothing here touches the spool or the database. */
static int prepare(struct rain_intake *intake, const struct rain_config *config, struct rain_error *err)
{
	if (!intake->reader)
		intake->reader = rain_spool_reader_create(config->ledger.spool);
	if (!intake->store)
		intake->store = rain_ledger_create(config->ledger.database);
	return intake->reader && intake->store ? 0 : rain_error_set(err, "no memory to read the spool");
}

int rain_intake_run(struct rain_intake *intake, const struct rain_config *config,
		    struct rain_ledger *store, struct rain_intake_result *result,
		    struct rain_error *err)
{
	struct run run = {.intake = intake, .config = config, .result = result};
	struct chunk *next = &intake->chunks[intake->turn], *under_way = &intake->chunks[!intake->turn];

	*result = (struct rain_intake_result){0};
	if (prepare(intake, config, err) < 0)
		return -1;
	if (rates_read(intake, config, store, err) < 0 || fill(&run, next, err) < 0 ||
	    settle(&run, under_way, err) < 0) {
		abandon(intake);
		return -1;
	}
	if (next->runs > 0) {
		next->sent_us = rain_clock_monotonic_us();
		rain_ledger_runs_send(intake->store, next->text);
	}
	result->more = next->count > 0;
	if (result->more)
		intake->turn = !intake->turn;
	else
		chunk_release(next);
	rain_spool_reader_sweep(intake->reader);
	return 0;
}

int rain_intake_depth(struct rain_intake *intake, const struct rain_config *config, int64_t *count,
		      int64_t *oldest_ms, struct rain_error *err)
{
	if (prepare(intake, config, err) < 0)
		return -1;
	return rain_spool_reader_depth(intake->reader, count, oldest_ms, err);
}
