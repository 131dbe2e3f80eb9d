/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/predict.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct run {
	uint64_t name;
	int32_t procs, limit, run;
};

struct user {
	uint64_t id;
	uint32_t count; /* of all runs ever; 0: the slot is empty */
	uint32_t size;
	struct run *runs; /* a ring */
};

/* An open hash table of users. */
struct rain_predict {
	struct user *users;
	size_t size, used; /* size is a power of 2 */
};

uint64_t rain_predict_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	if (!name)
		return 0;
	for (; *name; name++)
		if (*name < '0' || *name > '9')
			hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return hash >> 1 | 1;
}

struct rain_predict *rain_predict_create(void)
{
	return calloc(1, sizeof(struct rain_predict));
}

void rain_predict_destroy(struct rain_predict *predict)
{
	if (!predict)
		return;
	for (size_t i = 0; i < predict->size; i++)
		free(predict->users[i].runs);
	free(predict->users);
	free(predict);
}

static struct user *slot(struct user *users, size_t size, uint64_t id)
{
	size_t at = (id * 0x9e3779b97f4a7c15u >> 20) & (size - 1);

	while (users[at].count && users[at].id != id)
		at = (at + 1) & (size - 1);
	return &users[at];
}

static int make_room(struct rain_predict *predict)
{
	size_t size = predict->size ? predict->size * 2 : 16;
	struct user *users;

	if (predict->used * 2 < predict->size)
		return 0;
	users = calloc(size, sizeof *users);
	if (!users)
		return -1;
	for (size_t i = 0; i < predict->size; i++)
		if (predict->users[i].count)
			*slot(users, size, predict->users[i].id) = predict->users[i];
	free(predict->users);
	predict->users = users;
	predict->size = size;
	return 0;
}

int rain_predict_learn(struct rain_predict *predict, uint64_t id,
		       const struct rain_predict_shape *shape, int32_t run,
		       struct rain_error *err)
{
	struct user *user;

	if (make_room(predict) < 0)
		return rain_error_set(err, "no memory for the history of run times");
	user = slot(predict->users, predict->size, id);
	if (user->count >= user->size && user->size < RAIN_PREDICT_DEPTH) {
		uint32_t size = user->size ? user->size * 2 : 4;
		struct run *runs = reallocarray(user->runs, size, sizeof *runs);

		if (!runs)
			return rain_error_set(err, "no memory for the history of run times");
		user->runs = runs;
		user->size = size;
	}
	if (!user->count) {
		user->id = id;
		predict->used++;
	}
	user->runs[user->count % user->size] = (struct run){
		.name = shape->name, .procs = shape->procs, .limit = shape->limit,
		.run = run > 0 ? run : 1,
	};
	/* The count wraps to a multiple of the ring, so that places stay. */
	if (++user->count == UINT32_MAX)
		user->count = RAIN_PREDICT_DEPTH + user->count % RAIN_PREDICT_DEPTH;
	return 0;
}

static bool is_like(const struct run *run, const struct rain_predict_shape *shape,
		    enum rain_predict_basis basis)
{
	if (basis == RAIN_PREDICT_USER)
		return true;
	if (run->procs != shape->procs || run->limit != shape->limit)
		return false;
	return basis == RAIN_PREDICT_SHAPE || (shape->name && run->name == shape->name);
}

/* Run times of like jobs, latest first. */
static uint32_t gather(const struct user *user, const struct rain_predict_shape *shape,
		       enum rain_predict_basis basis, int32_t runs[static RAIN_PREDICT_DEPTH])
{
	uint32_t kept = user->count < user->size ? user->count : user->size, found = 0;

	for (uint32_t back = 1; back <= kept; back++) {
		const struct run *run = &user->runs[(user->count - back) % user->size];

		if (is_like(run, shape, basis))
			runs[found++] = run->run < shape->limit ? run->run : shape->limit;
	}
	return found;
}

static int compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* With n samples the quantiles of the next one lie between them: the r-th of n
 * bounds it with probability r / (n + 1); beyond the largest only the limit does. */
static void quantiles(int32_t *runs, uint32_t count, int32_t limit,
		      struct rain_prediction *prediction)
{
	uint32_t rank;

	qsort(runs, count, sizeof *runs, compare);
	prediction->median = runs[count / 2];
	rank = (9 * (count + 1) + 9) / 10;
	prediction->high = rank <= count ? runs[rank - 1] : limit;
	prediction->confidence = rank <= count ? 90 : 99;
}

void rain_predict_job(const struct rain_predict *predict, uint64_t id,
		      const struct rain_predict_shape *shape, struct rain_prediction *prediction)
{
	const struct user *user = predict->size ? slot(predict->users, predict->size, id) : NULL;
	int32_t runs[RAIN_PREDICT_DEPTH];

	*prediction = (struct rain_prediction){
		.expected = shape->limit, .median = shape->limit, .high = shape->limit,
		.basis = RAIN_PREDICT_LIMIT, .confidence = 99,
	};
	if (!user || !user->count)
		return;
	for (enum rain_predict_basis basis = RAIN_PREDICT_NAME; basis > RAIN_PREDICT_LIMIT; basis--) {
		uint32_t count = gather(user, shape, basis, runs);
		int32_t last;

		if (count < (basis == RAIN_PREDICT_USER ? 1 : 2))
			continue;
		/* The mean of the last two: users do the same thing again and again,
		 * and then another (Tsafrir, Etsion, Feitelson 2007). */
		last = count > 1 ? (int32_t)(((int64_t)runs[0] + runs[1]) / 2) : runs[0];
		prediction->expected = last > 0 ? last : 1;
		prediction->samples = count;
		prediction->basis = basis;
		quantiles(runs, count, shape->limit, prediction);
		return;
	}
}
