/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bundles on their way from the gateway: one thread fetches the parts into a
 * pipe, the other unpacks what comes out of it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "federation/limits.h"
#include "federation/local_bundle.h"

#define PIPE_SIZE (1024 * 1024)

struct fetching {
	pthread_t thread;
	struct rain_local_client *client;
	const char *blobs, *query;
	const struct rain_digests *parts;
	int out, result;
	atomic_bool ended; /* by itself, before the pipe was closed */
	struct rain_error err;
};

static void *fetch(void *arg)
{
	struct fetching *fetching = arg;

	for (size_t i = 0; i < fetching->parts->count && fetching->result == 0; i++) {
		const struct rain_digest *part = &fetching->parts->list[i];
		char path[RAIN_LIMIT_HTTP_PATH];

		snprintf(path, sizeof(path), "%s/%s%s", fetching->blobs, part->sha256, fetching->query);
		fetching->result = rain_local_blob_pipe(fetching->client, path, fetching->out, part,
							&fetching->err);
	}
	atomic_store(&fetching->ended, true);
	close(fetching->out);
	return NULL;
}

/* Called at the end of the pipe: the other end is closed, so this won't wait. */
static int is_whole(void *arg, struct rain_error *err)
{
	struct fetching *fetching = arg;

	pthread_join(fetching->thread, NULL);
	fetching->out = -1; /* joined */
	return fetching->result < 0 ? rain_error_set(err, "%s", fetching->err.text) : 0;
}

/* What unpacks to more than it is now finds out file by file. */
static int room_check(int into, int64_t size, struct rain_error *err)
{
	struct statvfs space;

	if (fstatvfs(into, &space) == 0 &&
	    (int64_t)space.f_bavail * (int64_t)space.f_frsize < size)
		return rain_error_set(err, "there is no room for the files: they have at least %lld MiB, "
					   "and %lld MiB are free where they belong",
				      (long long)(size >> 20),
				      (long long)((int64_t)space.f_bavail * (int64_t)space.f_frsize >> 20));
	return 0;
}

static int pipe_open(int ends[2], struct rain_error *err)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	/* Smaller ones do, too. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

/* Unpacking failed before the end: because too little came, or by itself; then nobody
 * needs what would still come. */
static int give_up(struct fetching *fetching, int result, struct rain_error *err)
{
	bool ended = atomic_load(&fetching->ended);

	if (!ended)
		rain_local_client_cancel(fetching->client);
	pthread_join(fetching->thread, NULL);
	if (!ended)
		rain_local_client_uncancel(fetching->client);
	else if (fetching->result < 0 && fetching->result != RAIN_LOCAL_PIPE_CLOSED)
		result = rain_error_set(err, "%s", fetching->err.text);
	return result;
}

int rain_local_bundle_get(struct rain_local_client *client, const char *blobs, const char *query,
			  const struct rain_digests *parts, int into, rain_bundle_accept accept,
			  void *arg, struct rain_error *err)
{
	struct fetching fetching = {
		.client = client, .blobs = blobs, .query = query, .parts = parts};
	struct rain_bundle_summary summary;
	int ends[2], result, refused;

	if (room_check(into, rain_digests_size(parts), err) < 0 || pipe_open(ends, err) < 0)
		return -1;
	fetching.out = ends[1];
	refused = pthread_create(&fetching.thread, NULL, fetch, &fetching);
	if (refused) {
		close(ends[0]);
		close(ends[1]);
		return rain_error_set(err, "can't start a thread: %s", strerror(refused));
	}
	result = rain_bundle_unpack_pipe(ends[0], into, accept, arg, is_whole, &fetching, &summary,
					 err);
	close(ends[0]);
	if (fetching.out >= 0)
		result = give_up(&fetching, result, err);
	return result;
}
