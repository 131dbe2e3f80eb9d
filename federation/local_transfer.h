/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LOCAL_TRANSFER_H
#define RAIN_FEDERATION_LOCAL_TRANSFER_H

#include <curl/curl.h>

#include "federation/local_http.h"

/* Inside of local_http.h: one request in full. */
struct rain_local_transfer {
	const char *method, *path;
	const char *headers[2]; /* "Name: value" or NULL */
	const void *body;	/* in memory, or NULL */
	size_t size;
	/* or in_size bytes of a file, from in_start on; -1: none */
	int in;
	int64_t in_start, in_size;
	int64_t in_offset, in_left; /* of this try */
	int out; /* the answer goes into a file, at out_offset; -1: into memory */
	int64_t out_offset, out_left, out_total;
	struct rain_digest_hash *out_hash; /* then `out` is a pipe; NULL: a file */
	int out_failed; /* errno */
	int stale;	/* credentials that were refused */
	bool started;	/* bytes of the answer have come */
	int wait_s;
	size_t max;
	struct rain_local_answer *answer;
	CURL *easy;
};

/* 0: an answer; 1 (only without `repeat`): none, but it is worth another try;
 * -1 with err. */
int rain_local_transfer_run(struct rain_local_client *client, struct rain_local_transfer *transfer,
			    bool repeat, struct rain_error *err);

/* Fills err with the sentence of an answer that is an error. Returns -1. */
int rain_local_answer_error(const struct rain_local_answer *answer, const char *path,
			    struct rain_error *err);

#endif
