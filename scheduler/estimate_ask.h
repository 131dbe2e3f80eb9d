/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_ESTIMATE_ASK_H
#define RAIN_SCHEDULER_ESTIMATE_ASK_H

#include <jansson.h>
#include <time.h>

#include "common/config.h"
#include "common/error.h"
#include "scheduler/estimate.h"

/* Whom rain-estimate asks, and what it shows. */

#define RAIN_ESTIMATE_PLACES 33 /* home and 32 peers */

struct rain_estimate_all {
	struct rain_estimate_job job;
	char name[256], partition[64], constraint[256];
	int64_t ntasks_per_node, minutes; /* minutes -1: the partition's default; 0: no limit */
	char peers[512];		  /* of --burst-peers, or "" */
	char stage_in[4097], directory[4096];
	struct rain_estimate_place places[RAIN_ESTIMATE_PLACES];
	size_t count;
	int64_t now, start_at;   /* epoch seconds; start_at 0: not known */
	char start_text[256];    /* what Slurm said instead */
	char basis[16];		 /* of the prediction; "" where nobody could be asked */
	int64_t samples, confidence;
	char notes[8][RAIN_ESTIMATE_TEXT]; /* what could not be asked */
	size_t note_count;
	size_t best;
	char advice[RAIN_ESTIMATE_TEXT];
};

/* Adds a sentence, without its stop. */
void rain_estimate_note(struct rain_estimate_all *all, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reads the shape that cli_filter_rain writes. */
int rain_estimate_shape(const char *text, struct rain_estimate_all *all, struct rain_error *err);

/* estimate_slurm.c: sbatch reads its options, and says when the job would start.
 * Otherwise err, and RAIN_EXIT_FAILURE when it refuses the job or _UNAVAILABLE when
 * slurmctld doesn't answer. */
int rain_estimate_sbatch(char *const argv[], struct rain_estimate_all *all, struct rain_error *err);
/* The same for a shape that is known, without sbatch. */
void rain_estimate_will_run(struct rain_estimate_all *all);
/* The time limit, where only the partition has one. */
int rain_estimate_limit(struct rain_estimate_all *all, struct rain_error *err);

/* Asks rain-ledgerd and rain-gatewayd, each at most wait_ms, and works all of it out. */
void rain_estimate_ask(const struct rain_config *config, int wait_ms, struct rain_estimate_all *all);

/* estimate_show.c */
json_t *rain_estimate_encode(const struct rain_estimate_all *all);
void rain_estimate_print(const struct rain_estimate_all *all);
/* One line, for who submits. */
void rain_estimate_print_line(const struct rain_estimate_all *all);

#endif
