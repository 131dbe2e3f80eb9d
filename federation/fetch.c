/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The blobs of a burst or loan, all of them, there or here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/mind.h"

#define RETRY_MS 2000

struct rain_fetch {
	struct rain_fetch *next;
	struct rain_gateway *gateway;
	char sha256[RAIN_SHA256_TEXT_SIZE];
	struct rain_blob_move *move; /* NULL: over */
	bool done;		     /* it is where it should be */
	int64_t retry_ms;
	int failures;
	bool is_loan;
	char id[RAIN_UUID_SIZE];
	char error[RAIN_REASON_SIZE];
};

/* Failures in a row (each already with its own tries) until it is given up. */
#define FAILURES_MAX 3
/* Moves at a time: those of a bundle's parts come about in their order, so that
 * it can be unpacked while it comes. */
#define MOVES_MAX 4

static void on_moved(void *arg, const char *error)
{
	struct rain_fetch *fetch = arg;

	fetch->move = NULL;
	fetch->done = !error;
	if (error) {
		fetch->failures++;
		fetch->retry_ms = rain_clock_monotonic_ms() + RETRY_MS;
		snprintf(fetch->error, sizeof fetch->error, "%s", error);
		rain_log_warning("a file of burst=%s blob=%.12s doesn't come over: %s", fetch->id, fetch->sha256, error);
	}
	if (fetch->is_loan)
		rain_loan_touch(fetch->gateway, fetch->id);
	else
		rain_burst_touch(fetch->gateway, fetch->id);
}

static struct rain_fetch *find(struct rain_fetch *list, const char *sha256)
{
	while (list && strcmp(list->sha256, sha256) != 0)
		list = list->next;
	return list;
}

struct working {
	struct rain_gateway *gateway;
	struct rain_fetch **list;
	struct rain_peer *peer;
	bool push, is_loan;
	const char *owner, *id;
	size_t open, moving;
	const char *error;
};

/* Here, and brought for this owner: a name is no proof of having the thing. */
static bool is_here(const struct rain_gateway *gateway, const char *sha256, int64_t size, const char *owner)
{
	return rain_blob_size(gateway->blobs, sha256) == size && rain_blob_is_owned(gateway->blobs, sha256, owner);
}

static void start(struct working *w, struct rain_fetch *fetch, int64_t size)
{
	struct rain_error err;

	fetch->move = w->push ? rain_blob_push(w->gateway, w->peer, fetch->sha256, w->id, on_moved, fetch, &err)
			      : rain_blob_pull(w->gateway, w->peer, fetch->sha256, w->owner, size, on_moved, fetch, &err);
	if (fetch->move) {
		w->moving++;
		return;
	}
	fetch->failures++;
	fetch->retry_ms = rain_clock_monotonic_ms() + RETRY_MS;
	snprintf(fetch->error, sizeof fetch->error, "%.*s", (int)sizeof fetch->error - 1, err.text);
}

static int work_one(void *arg, const char *sha256, int64_t size)
{
	struct working *w = arg;
	struct rain_fetch *fetch = find(*w->list, sha256);

	if (!w->push && is_here(w->gateway, sha256, size, w->owner))
		return 0;
	if (fetch && fetch->done && w->push)
		return 0;
	w->open++;
	if (!fetch && w->moving < MOVES_MAX) {
		fetch = calloc(1, sizeof *fetch);
		if (!fetch)
			return 0;
		fetch->gateway = w->gateway;
		fetch->is_loan = w->is_loan;
		snprintf(fetch->id, sizeof fetch->id, "%s", w->id);
		snprintf(fetch->sha256, sizeof fetch->sha256, "%s", sha256);
		fetch->next = *w->list;
		*w->list = fetch;
		if (w->push && !w->is_loan && !fetch->next)
			rain_log_info("the inputs begin to go burst=%s peer=%s", w->id, w->peer->name);
	}
	if (!fetch)
		return 0;
	if (fetch->failures >= FAILURES_MAX && !fetch->move)
		w->error = fetch->error;
	if (!fetch->move && w->moving < MOVES_MAX && fetch->retry_ms <= rain_clock_monotonic_ms())
		start(w, fetch, size);
	return 0;
}

size_t rain_fetches_work(struct rain_gateway *gateway, struct rain_fetch **list, struct rain_peer *peer,
			 const json_t *blobs, bool push, const char *owner, bool is_loan, const char *id,
			 const char **error)
{
	struct working w = { gateway, list, peer, push, is_loan, owner, id, 0, 0, NULL };

	for (const struct rain_fetch *fetch = *list; fetch; fetch = fetch->next)
		w.moving += fetch->move != NULL;
	rain_outputs_blobs(blobs, work_one, &w);
	if (error)
		*error = w.error;
	return w.open;
}

const char *rain_fetches_error(const struct rain_fetch *list, const char *sha256)
{
	for (; list; list = list->next)
		if (!strcmp(list->sha256, sha256) && list->failures >= FAILURES_MAX && !list->move)
			return list->error;
	return NULL;
}

void rain_fetches_stop(struct rain_fetch **list)
{
	struct rain_fetch *fetch;

	while ((fetch = *list)) {
		*list = fetch->next;
		rain_blob_move_cancel(fetch->move);
		free(fetch);
	}
}

struct counting {
	const struct rain_gateway *gateway;
	const struct rain_fetch *list;
	bool push;
	const char *owner;
	int64_t at, size;
};

static int count_one(void *arg, const char *sha256, int64_t size)
{
	struct counting *c = arg;
	const struct rain_fetch *fetch = find((struct rain_fetch *)c->list, sha256);
	int64_t at = 0, of;

	if (!c->push)
		at = rain_blob_size(c->gateway->blobs, sha256) == size
			     ? size
			     : rain_blob_partial_size(c->gateway->blobs, sha256, c->owner);
	else if (fetch && fetch->move)
		rain_blob_move_progress(fetch->move, &at, &of);
	else
		at = fetch && fetch->done ? size : rain_blob_sent_bytes(c->gateway->blobs, sha256);
	c->at += at < size ? at : size;
	c->size += size;
	return 0;
}

bool rain_fetches_progress(const struct rain_gateway *gateway, const struct rain_fetch *list,
			   const json_t *blobs, bool push, const char *owner, int64_t *at, int64_t *size)
{
	struct counting c = { gateway, list, push, owner, 0, 0 };

	rain_outputs_blobs(blobs, count_one, &c);
	*at = c.at;
	*size = c.size;
	return c.at > 0 && c.at < c.size;
}

struct looking {
	struct rain_gateway *gateway;
	const char *owner;
	int64_t missing;
	bool coming;
};

static int look_one(void *arg, const char *sha256, int64_t size)
{
	struct looking *l = arg;

	if (!is_here(l->gateway, sha256, size, l->owner))
		l->missing += size ? size : 1;
	l->coming |= rain_blob_is_coming(l->gateway->blobs, sha256, l->owner);
	return 0;
}

int64_t rain_fetches_missing(struct rain_gateway *gateway, const json_t *blobs, const char *owner)
{
	struct looking l = { gateway, owner, 0, false };

	rain_outputs_blobs(blobs, look_one, &l);
	return l.missing;
}

bool rain_fetches_are_brought(struct rain_gateway *gateway, const struct rain_fetch *list, const json_t *blobs,
			      const char *owner)
{
	struct looking l = { gateway, owner, 0, false };

	for (; list; list = list->next)
		if (list->move)
			return false;
	rain_outputs_blobs(blobs, look_one, &l);
	return l.coming;
}

static int append_blob(void *arg, const char *sha256, int64_t size)
{
	return json_array_append_new(arg, json_pack("{s:s, s:I}", "sha256", sha256, "size", (json_int_t)size));
}

json_t *rain_fetches_of_manifest(const json_t *manifest)
{
	json_t *list = json_array();

	if (list && rain_manifest_blobs(manifest, append_blob, list)) {
		json_decref(list);
		return NULL;
	}
	return list;
}
