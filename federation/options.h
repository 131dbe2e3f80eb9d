/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_OPTIONS_H
#define RAIN_FEDERATION_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * What a user may ask of RAIN with a job: the options of sbatch, srun and
 * salloc, their bounds, and the tag in AdminComment that carries them inside
 * Slurm.  Pure: no Slurm header, no I/O, nothing on the heap except where said.
 *
 * Errors name the option and the allowed values.
 */

enum rain_option {
	RAIN_OPTION_BURST,	      /* --burst=never|auto|only */
	RAIN_OPTION_BURST_MAX_TOKENS, /* --burst-max-tokens=N */
	RAIN_OPTION_BURST_PEERS,      /* --burst-peers=NAME[,NAME...] */
	RAIN_OPTION_STAGE_IN,	      /* --stage-in=PATH[:NAME][,...] */
	RAIN_OPTION_STAGE_OUT,	      /* --stage-out=PATH[:NAME][,...] */
	RAIN_OPTION_COUNT
};

struct rain_option_text {
	const char *name;  /* without the dashes: "burst-peers" */
	const char *value; /* what its value is called: "LIST" */
	const char *usage; /* one line for --help */
};

/* Indexed by enum rain_option. */
extern const struct rain_option_text rain_option_texts[RAIN_OPTION_COUNT];

enum rain_burst_mode {
	RAIN_BURST_NEVER, /* at home only; what holds without --burst */
	RAIN_BURST_AUTO,  /* at home or on a peer, whichever can start it */
	RAIN_BURST_ONLY,  /* only on a peer */
};

/* "never", "auto" or "only". */
const char *rain_burst_mode_name(enum rain_burst_mode mode);

#define RAIN_BURST_PEERS_MAX 16
#define RAIN_BURST_PEER_SIZE 17 /* a valid name (common/config.h) and its NUL */
#define RAIN_BURST_NO_LIMIT INT64_C(-1)

/* All of it zero but max_utok = RAIN_BURST_NO_LIMIT is "never". */
struct rain_burst {
	enum rain_burst_mode mode;
	int64_t max_utok;  /* micro-tokens, > 0, or RAIN_BURST_NO_LIMIT */
	size_t peer_count; /* 0: any peer */
	char peers[RAIN_BURST_PEERS_MAX][RAIN_BURST_PEER_SIZE];
};

/* What the processes are called that bring files of jobs at home. */
#define RAIN_STAGE_JOB_NAME "rain-stage"

#define RAIN_STAGE_ITEMS_MAX 64
#define RAIN_STAGE_TEXT_MAX 4096 /* bytes of the whole list */

/* A list of files: paths or glob(7) patterns, absolute or relative to the
 * job's working directory, without a ".." component, empty items, control
 * characters or the same item twice.  "PATH:NAME" calls it NAME, a plain path
 * below the working directory, where it arrives. */
struct rain_stage_list {
	size_t count;
	const char *items[RAIN_STAGE_ITEMS_MAX]; /* point into text */
	char text[RAIN_STAGE_TEXT_MAX + 1];	 /* the items, each with its NUL */
};

/* The ':' of "source:name", or NULL: one behind a backslash is part of the path. */
static inline const char *rain_stage_colon(const char *item)
{
	for (; *item; item++)
		if (*item == '\\' && item[1])
			item++;
		else if (*item == ':')
			return item;
	return NULL;
}

/* Reads the value of --stage-in or --stage-out (`which`). The list must not be
 * copied by assignment: its items point into itself. */
int rain_stage_list_parse(enum rain_option which, const char *value,
			  struct rain_stage_list *list, struct rain_error *err);

/* Everything that was asked for one job. */
struct rain_options {
	bool given[RAIN_OPTION_COUNT];
	struct rain_burst burst;
	/* The values as given, checked; "" when not given. */
	char stage_in[RAIN_STAGE_TEXT_MAX + 1];
	char stage_out[RAIN_STAGE_TEXT_MAX + 1];
};

void rain_options_init(struct rain_options *options);

/* Checks one option's value and keeps it; the last one of the same option
 * wins, and a refused value changes nothing. */
int rain_options_set(struct rain_options *options, enum rain_option which, const char *value,
		     struct rain_error *err);

/* Checks that the options make sense together: those that bound a burst need
 * --burst. */
int rain_options_check(const struct rain_options *options, struct rain_error *err);

/*
 * The tag: what job_submit writes and the broker reads,
 *
 *   rain: burst=auto max-tokens=5.000000 peers=bravo,charlie; a sentence
 *
 * max-tokens and peers are left out where there is no limit.  The sentence
 * reaches to the end of the line.  Other people's text may stand in front of
 * the tag (ending in white space or ';') and on other lines.
 */
#define RAIN_BURST_SENTENCE_MAX 400

/* Writes tag and sentence into (or over the ones in) `comment`, keeping
 * foreign text. `comment` and `sentence` may be NULL; control characters in
 * the sentence become spaces and it is cut at RAIN_BURST_SENTENCE_MAX bytes.
 * Returns a new string that the caller frees, or NULL with err. */
char *rain_burst_tag_write(const char *comment, const struct rain_burst *burst,
			   const char *sentence, struct rain_error *err);

/* Looks for a tag. Returns 1 and fills *burst, 0 when there is none, -1 with
 * err when there is one that can't be understood (unknown fields can).
 * *sentence (may be NULL) is borrowed from comment, *sentence_length bytes. */
int rain_burst_tag_read(const char *comment, struct rain_burst *burst, const char **sentence,
			size_t *sentence_length, struct rain_error *err);

#endif
