/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/estimate_ask.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/rpc.h"
#include "common/tokens.h"

#define FILES_MAX 100000
#define ENOUGH_BYTES 1000000 /* moved, to tell how fast */

void rain_estimate_note(struct rain_estimate_all *all, const char *fmt, ...)
{
	va_list args;

	if (all->note_count == sizeof all->notes / sizeof *all->notes)
		return;
	va_start(args, fmt);
	vsnprintf(all->notes[all->note_count++], sizeof *all->notes, fmt, args);
	va_end(args);
}

/* ------------------------------------------------------------------- shape */

static int text_read(const json_t *object, const char *key, char *to, size_t size, struct rain_error *err)
{
	const char *value;

	if (rain_json_string_or(object, key, size - 1, "", &value, err) < 0)
		return -1;
	snprintf(to, size, "%s", value);
	return 0;
}

static int shape_read(const json_t *object, struct rain_estimate_all *all, struct rain_error *err)
{
	struct rain_estimate_job *job = &all->job;
	char tokens[64], burst[16], array[4096], waits[16];

	if (text_read(object, "name", all->name, sizeof all->name, err) < 0 ||
	    text_read(object, "partition", all->partition, sizeof all->partition, err) < 0 ||
	    text_read(object, "constraint", all->constraint, sizeof all->constraint, err) < 0 ||
	    text_read(object, "peers", all->peers, sizeof all->peers, err) < 0 ||
	    text_read(object, "stage_in", all->stage_in, sizeof all->stage_in, err) < 0 ||
	    text_read(object, "burst", burst, sizeof burst, err) < 0 ||
	    text_read(object, "array", array, sizeof array, err) < 0 ||
	    text_read(object, "directory", all->directory, sizeof all->directory, err) < 0 ||
	    text_read(object, "waits", waits, sizeof waits, err) < 0 ||
	    text_read(object, "max_tokens", tokens, sizeof tokens, err) < 0 ||
	    rain_json_int(object, "nodes", 1, 65536, &job->nodes, err) < 0 ||
	    rain_json_int(object, "tasks", 1, 16777216, &job->tasks, err) < 0 ||
	    rain_json_int(object, "cpus_per_task", 1, 65536, &job->cpus_per_task, err) < 0 ||
	    rain_json_int(object, "ntasks_per_node", 0, 65536, &all->ntasks_per_node, err) < 0 ||
	    rain_json_int(object, "minutes", -1, INT32_MAX, &all->minutes, err) < 0)
		return -1;
	job->array_tasks = array[0] ? rain_estimate_array_tasks(array) : 1;
	if (job->array_tasks == 0)
		return rain_error_set(err, "--array=%.60s has no tasks that can be counted", array);
	if (waits[0])
		rain_estimate_note(all, "Its start is that of a job which may start: this one waits for %s",
				   strcmp(waits, "hold") == 0 ? "its release first" : "another job first");
	job->only = strcmp(burst, "only") == 0;
	job->asked = job->only || strcmp(burst, "auto") == 0;
	job->max_utok = RAIN_ESTIMATE_UNKNOWN;
	return tokens[0] ? rain_tokens_parse(tokens, &job->max_utok, err) : 0;
}

int rain_estimate_shape(const char *text, struct rain_estimate_all *all, struct rain_error *err)
{
	json_t *object = rain_json_parse(text, strlen(text), 16384, err);
	int rc = object ? shape_read(object, all, err) : -1;

	json_decref(object);
	return rc < 0 ? rain_error_prefix(err, "the job's options can't be read") : 0;
}

/* ------------------------------------------------------------------ inputs */

static int64_t input_bytes, input_files;

static int count_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)path, (void)ftw;
	if (type == FTW_F)
		input_bytes += status->st_size;
	return ++input_files > FILES_MAX;
}

/* What --stage-in names ("path" or "pattern", and ":name"), as far as it is there now. */
static void inputs_count(struct rain_estimate_all *all)
{
	char list[sizeof all->stage_in], *save = NULL;

	input_bytes = input_files = 0;
	memcpy(list, all->stage_in, sizeof list);
	if (list[0] && all->directory[0] && chdir(all->directory) < 0)
		rain_estimate_note(all, "The job's directory %.200s can't be entered: %s", all->directory,
				   strerror(errno));
	for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		glob_t found = {.gl_pathc = 0};

		item[strcspn(item, ":")] = '\0';
		if (glob(item, 0, NULL, &found) != 0)
			rain_estimate_note(all, "--stage-in: \"%.200s\" isn't there", item);
		for (size_t i = 0; i < found.gl_pathc; i++)
			nftw(found.gl_pathv[i], count_file, 16, FTW_PHYS);
		globfree(&found);
	}
	all->job.input_bytes = input_bytes;
	if (input_files > FILES_MAX)
		rain_estimate_note(all, "--stage-in names more than %d files, not all of which were counted", FILES_MAX);
}

/* ------------------------------------------------------------------ ledger */

static json_t *ask(const char *socket, json_t *request, int wait_ms, struct rain_error *err)
{
	json_t *answer = request ? rain_rpc_call(socket, request, wait_ms, err) : NULL;

	if (!request)
		rain_error_set(err, "no memory");
	json_decref(request);
	return answer;
}

static void ask_prediction(const struct rain_config *config, int wait_ms, struct rain_estimate_all *all)
{
	struct rain_estimate_job *job = &all->job;
	int64_t cores = rain_estimate_cores(job);
	struct rain_error err;
	json_t *answer;

	job->expected = job->high = job->limit;
	answer = ask(config->ledger.socket,
		     json_pack("{s:s s:s s:I s:I}", "op", "predict", "name", all->name, "cpus",
			       (json_int_t)(cores < INT32_MAX ? cores : INT32_MAX), "limit_s",
			       (json_int_t)job->limit),
		     wait_ms, &err);
	if (!answer || rain_json_int(answer, "expected_s", 1, job->limit, &job->expected, &err) < 0 ||
	    rain_json_int(answer, "high_s", 1, job->limit, &job->high, &err) < 0 ||
	    rain_json_int(answer, "samples", 0, INT32_MAX, &all->samples, &err) < 0 ||
	    rain_json_int(answer, "confidence", 0, 100, &all->confidence, &err) < 0 ||
	    text_read(answer, "basis", all->basis, sizeof all->basis, &err) < 0)
		rain_estimate_note(all, "Its run time can't be predicted: %s", err.text);
	json_decref(answer);
}

static void ask_balance(const struct rain_config *config, int wait_ms, struct rain_estimate_all *all)
{
	struct rain_error err;
	json_t *answer = ask(config->ledger.socket, json_pack("{s:s}", "op", "balance"), wait_ms, &err);
	const json_t *row = json_array_get(json_object_get(answer, "accounts"), 0);

	all->job.balance_utok = RAIN_ESTIMATE_UNKNOWN;
	if (!answer ||
	    rain_json_int(row, "available_utok", INT64_MIN, INT64_MAX, &all->job.balance_utok, &err) < 0)
		rain_estimate_note(all, "Your balance isn't known: %s", err.text);
	/* -1 means something else; a debt of a millionth is none. */
	else if (all->job.balance_utok < 0)
		all->job.balance_utok = 0;
	json_decref(answer);
}

/* ----------------------------------------------------------------- gateway */

static bool is_named(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = list; *p; p += *p == ',') {
		size_t word = strcspn(p, ",");

		if (word == length && memcmp(p, name, length) == 0)
			return true;
		p += word;
	}
	return list[0] == '\0';
}

static int peer_read(const json_t *peer, struct rain_estimate_place *place, struct rain_error *err)
{
	const json_t *lend = json_object_get(
		json_object_get(json_object_get(peer, "card"), "capabilities"), "lend");
	const char *name, *state;

	*place = (struct rain_estimate_place){.overhead_ms = RAIN_ESTIMATE_UNKNOWN,
					      .bytes_per_s = RAIN_ESTIMATE_UNKNOWN, .den = 100};
	if (rain_json_string(peer, "name", sizeof place->name - 1, &name, err) < 0 ||
	    rain_json_string(peer, "state", 32, &state, err) < 0 ||
	    rain_json_int_or(lend, "nodes", 0, 1000000, 0, &place->lends_nodes, err) < 0 ||
	    rain_json_int_or(lend, "minutes", 0, 10000000, 0, &place->lends_minutes, err) < 0 ||
	    rain_json_int_or(lend, "mflops", 0, 1000000000, 0, &place->mflops, err) < 0 ||
	    rain_json_int_or(lend, "percent", 0, 10000, 100, &place->num, err) < 0 ||
	    rain_json_int_or(lend, "cpus_per_node", 0, 65536, 0, &place->lends_cpus_per_node, err) < 0)
		return -1;
	snprintf(place->name, sizeof place->name, "%s", name);
	place->reachable = strcmp(state, "up") == 0;
	return 0;
}

/* The fastest start is what sending anything takes; the rest went into bytes. */
static void speed_read(const json_t *speeds, struct rain_estimate_place *place)
{
	const json_t *row;
	size_t i;

	json_array_foreach(speeds, i, row) {
		int64_t bursts, bytes, ms, least;
		const char *name;

		if (rain_json_string(row, "peer", 32, &name, NULL) < 0 || strcmp(name, place->name) != 0 ||
		    rain_json_int(row, "bursts", 1, INT32_MAX, &bursts, NULL) < 0 ||
		    rain_json_int(row, "bytes", 0, INT64_MAX, &bytes, NULL) < 0 ||
		    rain_json_int(row, "ms", 0, INT64_MAX, &ms, NULL) < 0 ||
		    rain_json_int(row, "least_ms", 0, INT32_MAX, &least, NULL) < 0)
			continue;
		place->overhead_ms = least;
		if (bytes >= ENOUGH_BYTES && ms > bursts * least)
			place->bytes_per_s = (int64_t)((double)bytes * 1000 / (double)(ms - bursts * least));
	}
}

/* --burst-peers may name somebody who isn't. */
static void note_strangers(struct rain_estimate_all *all)
{
	char list[sizeof all->peers], *save = NULL;

	memcpy(list, all->peers, sizeof list);
	for (char *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		bool known = false;

		for (size_t i = 1; i < all->count; i++)
			known |= strcmp(all->places[i].name, name) == 0;
		if (!known)
			rain_estimate_note(all, "--burst-peers: there is no peer called %.40s", name);
	}
}

static void ask_peers(const struct rain_config *config, int wait_ms, struct rain_estimate_all *all)
{
	struct rain_error err;
	json_t *peers = ask(config->gateway.control, json_pack("{s:s}", "op", "peer-list"), wait_ms, &err);
	json_t *speeds = NULL, *peer;
	size_t i;

	if (!peers) {
		rain_estimate_note(all, "Peers aren't known: %s", err.text);
		all->job.peers_unknown = true;
		return;
	}
	/* Whoever has never sent anything doesn't know how long it takes. */
	if (all->stage_in[0] || json_array_size(json_object_get(peers, "peers")) > 0)
		speeds = ask(config->gateway.control, json_pack("{s:s}", "op", "speeds"), wait_ms, &err);
	json_array_foreach(json_object_get(peers, "peers"), i, peer) {
		struct rain_estimate_place *place = &all->places[all->count];

		if (all->count == RAIN_ESTIMATE_PLACES)
			break;
		if (peer_read(peer, place, &err) < 0) {
			rain_estimate_note(all, "A peer can't be understood: %s", err.text);
			continue;
		}
		if (!is_named(all->peers, place->name))
			continue;
		speed_read(speeds, place);
		all->count++;
	}
	note_strangers(all);
	json_decref(speeds);
	json_decref(peers);
}

/* ------------------------------------------------------------------- whole */

void rain_estimate_ask(const struct rain_config *config, int wait_ms, struct rain_estimate_all *all)
{
	struct rain_estimate_place *home = &all->places[0];
	int64_t mflops = rain_config_mflops(config);

	*home = (struct rain_estimate_place){
		.home = true, .mflops = mflops, .num = config->ledger.home_num, .den = config->ledger.home_den,
		.reachable = true, .overhead_ms = 0, .bytes_per_s = RAIN_ESTIMATE_UNKNOWN,
		.start = !all->start_at ? RAIN_ESTIMATE_UNKNOWN
			 : all->start_at > all->now ? all->start_at - all->now : 0,
	};
	snprintf(home->name, sizeof home->name, "%s", config->cluster_name);
	all->count = 1;
	inputs_count(all);
	ask_prediction(config, wait_ms, all);
	ask_balance(config, wait_ms, all);
	ask_peers(config, wait_ms, all);
	for (size_t i = 0; i < all->count; i++)
		rain_estimate_place(&all->job, mflops, &all->places[i]);
	all->best = rain_estimate_recommend(&all->job, all->places, all->count, all->advice);
}
