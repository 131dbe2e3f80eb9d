// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/intake.h"

#include <stdlib.h>

#include "accounting/pricing.h"
#include "accounting/record.h"
#include "accounting/spool.h"
#include "common/log.h"

struct intake {
	const struct rain_config *config;
	struct rain_ledger *store;
	struct rain_intake_result *result;
	/* The batch: runs[i], priced, came from names[i] (borrowed). */
	json_t *runs;
	const char *names[RAIN_INTAKE_BATCH];
};

static int reject(struct intake *intake, const char *name, const char *reason,
		  struct rain_error *err)
{
	if (rain_spool_reject(intake->config->ledger.spool, name, reason, err) < 0)
		return -1;
	rain_log_error("a job record is put aside in %s/rejected: %s file=%s",
		       intake->config->ledger.spool, reason, name);
	intake->result->rejected++;
	return 0;
}

/* The run of one record, priced; NULL with the reason. */
static json_t *price_record(const struct rain_config *config, const char *text, size_t size,
			    struct rain_error *err)
{
	struct rain_record record;
	enum rain_record_place place;
	json_t *run = NULL;
	int64_t price;

	if (rain_record_parse(&record, text, size, err) < 0)
		return NULL;
	place = rain_record_place(&record, config->gateway.overflow_partition,
				  config->lend.partition);
	if (rain_pricing_price(config, &record, place, &price, err) == 0) {
		run = rain_record_to_run(&record, place, price);
		if (!run)
			rain_error_set(err, "its strings are not UTF-8");
	}
	rain_record_release(&record);
	return run;
}

/* Adds a file to the batch or rejects it. -1 only when that fails. */
static int take(struct intake *intake, const char *name, struct rain_error *err)
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
	run = text ? price_record(intake->config, text, size, &reason) : NULL;
	free(text);
	if (!run)
		return reject(intake, name, reason.text, err);
	intake->names[json_array_size(intake->runs)] = name;
	if (json_array_append_new(intake->runs, run) < 0)
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

/* The database refused the batch for something in it: each run alone, so that
 * only the culprits are put aside. */
static int book_singly(struct intake *intake, struct rain_error *err)
{
	size_t i;
	json_t *run;

	json_array_foreach(intake->runs, i, run) {
		json_t *one = json_pack("[O]", run);
		struct rain_error reason;
		enum rain_ledger_result outcome;
		int rc;

		if (!one)
			return rain_error_set(err, "no memory for a job run");
		outcome = rain_ledger_runs_record(intake->store, one, &reason);
		json_decref(one);
		if (outcome == RAIN_LEDGER_UNAVAILABLE) {
			*err = reason;
			return -1;
		}
		rc = outcome == RAIN_LEDGER_OK
			     ? booked(intake, intake->names[i], err)
			     : reject(intake, intake->names[i], reason.text, err);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int book(struct intake *intake, struct rain_error *err)
{
	switch (rain_ledger_runs_record(intake->store, intake->runs, err)) {
	case RAIN_LEDGER_OK:
		break;
	case RAIN_LEDGER_REFUSED:
		return book_singly(intake, err);
	case RAIN_LEDGER_UNAVAILABLE:
		return -1;
	}
	for (size_t i = 0; i < json_array_size(intake->runs); i++)
		if (booked(intake, intake->names[i], err) < 0)
			return -1;
	return 0;
}

int rain_intake_run(const struct rain_config *config, struct rain_ledger *store,
		    struct rain_intake_result *result, struct rain_error *err)
{
	struct intake intake = {.config = config, .store = store, .result = result};
	char **names;
	int count, rc = 0;

	*result = (struct rain_intake_result){0};
	count = rain_spool_list(config->ledger.spool, RAIN_INTAKE_BATCH, &names, err);
	if (count <= 0)
		return count;
	intake.runs = json_array();
	if (!intake.runs)
		rc = rain_error_set(err, "no memory for a batch of job runs");
	for (int i = 0; rc == 0 && i < count; i++)
		rc = take(&intake, names[i], err);
	if (rc == 0 && json_array_size(intake.runs) > 0)
		rc = book(&intake, err);
	result->more = count == RAIN_INTAKE_BATCH;
	json_decref(intake.runs);
	rain_spool_free(names, (size_t)count);
	return rc;
}
