/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_CODEBOOK_H
#define RAIN_PANEL_CODEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "panel/pattern.h"

/*
 * Which owner has which code in the whole cluster: the table of the one
 * rain-paneld that gives them out (panel.code-keeper).  Pure.
 *
 * Only owners of whom Slurm says that they run jobs are given a code.  So who
 * asks, and anybody on the cluster's network may, can't invent owners, and can't
 * drive those out who play.
 *
 * Why a rain-paneld and not job_submit: codes then need neither the controller's
 * plugin nor a field of the job, they heal in the same way after whatever was
 * killed, and jobs that were submitted in any way have one.  Why not each node by
 * itself: it knows only the owners that are on it.
 */
struct rain_codebook {
	struct {
		bool used;
		uid_t uid;
		uint64_t seen; /* sequence number */
		int64_t seen_ms; /* asked about, or running */
		int64_t ran_ms;	 /* Slurm said that he runs jobs */
	} owner[RAIN_PATTERN_COUNT]; /* indexed by pattern */
	uint64_t sequence;
};

/* Nobody loses his code sooner after he was seen: the nodes ask again after
 * RAIN_PATTERN_TRUST_MS. */
#define RAIN_CODEBOOK_KEEP_MS (2 * RAIN_PATTERN_TRUST_MS)

/* Whoever asks, nobody keeps his code longer than this after he ran something, when
 * others need it: anybody on the network may ask. */
#define RAIN_CODEBOOK_ASKED_MS (10 * RAIN_CODEBOOK_KEEP_MS)

/* The longest list of running owners that is looked at. */
#define RAIN_CODEBOOK_RUNNING_MAX 1024

/* Longest text of a codebook, and of the helper's list. */
#define RAIN_CODEBOOK_TEXT_MAX 4096
#define RAIN_CODEBOOK_LIST_MAX (RAIN_CODEBOOK_RUNNING_MAX * 11 + 64)

/* The pattern of `uid`, who is thereby seen; -1 when he has none. */
int rain_codebook_find(struct rain_codebook *book, uid_t uid, int64_t now_ms);

/* These run jobs at present. Those without a code are given one: number uid mod
 * RAIN_PATTERN_COUNT, or the next free one, or that of the owner unseen for
 * longest who runs nothing.  Returns how many were given one; those for whom none
 * was left have to wait until somebody's jobs end. */
size_t rain_codebook_admit(struct rain_codebook *book, const uid_t *running, size_t count,
			   int64_t now_ms);

/* As a file keeps it, oldest first, one line with its newline; the caller frees it.
 * NULL when out of memory.
 *
 *   {"v":1,"owners":[{"uid":20001,"code":".-"},…]}
 */
char *rain_codebook_text(const struct rain_codebook *book);

/* Reads that; all of them count as seen now. -1 with err, and an empty book. */
int rain_codebook_read(struct rain_codebook *book, const char *text, size_t size, int64_t now_ms,
		       struct rain_error *err);

/* Reads the keeper's line about `uid`, as it comes from the network:
 *
 *   {"ok":true,"result":{"uid":20001,"code":".-"}}
 *
 * The pattern, or -1 when it says none; err->text is "" unless that was no answer to
 * the question. */
#define RAIN_CODEBOOK_ANSWER_MAX 512
int rain_codebook_answer(const char *text, size_t size, uid_t uid, struct rain_error *err);

/* Reads the helper's list of owners who run jobs:
 *
 *   {"owners":[20001,20002]}
 *
 * -1 with err when it is anything else. */
int rain_codebook_running(const char *text, size_t size,
			  uid_t running[static RAIN_CODEBOOK_RUNNING_MAX], size_t *count,
			  struct rain_error *err);

#endif
