/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before the script: every node of the job is to have the inputs in its working
 * directory. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "federation/stage.h"

#define WHAT_HEAD "the process on the head that gives the files"
#define WHAT_NODES "unpacking on every node"

struct staging {
	const struct rain_stage_options *options;
	struct rain_stage_job job;
	int directory; /* on this node */
	struct rain_stage_child head;
	char buffer[RAIN_STAGE_BUFFER_SIZE];
};

/* --- on each node --- */

static bool has_files(int directory, const struct rain_stage_options *options)
{
	struct rain_digest word;

	return rain_stage_look(directory, &options->list, &word, NULL) == 0 &&
	       strcmp(word.sha256, options->word) == 0;
}

static int node_open(const struct rain_stage_options *options)
{
	struct rain_error err;
	int directory;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* the stream ends, and what was begun is removed */
	directory = rain_stage_directory(options->directory, true, &err);
	if (directory < 0)
		rain_cli_fail(0, &err);
	return directory;
}

int rain_stage_node_check(const struct rain_stage_options *options)
{
	int directory = node_open(options);

	if (directory < 0)
		return RAIN_STAGE_EXIT_FAILED;
	return has_files(directory, options) ? 0 : RAIN_STAGE_EXIT_NOT;
}

/* What keeps its path isn't unpacked where it lies already. */
static int node_wish(int directory, bool seen, enum rain_stage_type type, struct rain_error *err)
{
	if (type == RAIN_STAGE_PLAIN && seen)
		return rain_stage_pass(STDIN_FILENO, -1, err);
	return rain_stage_take(STDIN_FILENO, directory, NULL, NULL, NULL, err);
}

int rain_stage_node_serve(const struct rain_stage_options *options)
{
	static char buffer[RAIN_STAGE_BUFFER_SIZE];
	int directory = node_open(options), result = 0;
	enum rain_stage_type type = RAIN_STAGE_PLACED;
	struct rain_error err;
	size_t size;
	bool seen;

	if (directory < 0)
		return RAIN_STAGE_EXIT_FAILED;
	seen = rain_stage_probe_seen(directory, options->probe);
	if (rain_file_write_fd(STDOUT_FILENO, seen ? "y\n" : "n\n", 2, &err) < 0)
		return rain_cli_fail(RAIN_STAGE_EXIT_FAILED, &err);
	while (result == 0) {
		result = rain_stage_read(STDIN_FILENO, &type, buffer, &size, &err);
		if (result == 0 && type == RAIN_STAGE_END)
			return 0;
		if (result == 0)
			result = node_wish(directory, seen, type, &err);
	}
	return rain_cli_fail(RAIN_STAGE_EXIT_FAILED, &err);
}

/* --- on the first node --- */

/* What lies there since the job was submitted needs nobody to bring it. 1; 0; -1 */
static int is_there(struct staging *staging, struct rain_error *err)
{
	const struct rain_stage_options *options = staging->options;
	const char *items[RAIN_STAGE_ITEMS_MAX];
	struct rain_stage_child nodes;
	int code;

	if (!options->word || rain_stage_items(&options->list, false, items) > 0 ||
	    !has_files(staging->directory, options))
		return 0;
	if (staging->job.nodes <= 1)
		return 1;
	if (rain_stage_nodes_start(&nodes, &staging->job, "--check", "--word=", options->word,
				   options->list_text, err) < 0)
		return -1;
	code = rain_stage_child_end(&nodes, "looking on every node", RAIN_STAGE_EXIT_NOT, err);
	return code < 0 ? -1 : code == 0;
}

/* The head gives, and `to` (-1: this process) takes. RAIN_STAGE_TOLD as of _pass. */
static int bring(struct staging *staging, bool plain, int to, struct rain_error *err)
{
	enum rain_stage_type type = plain ? RAIN_STAGE_PLAIN : RAIN_STAGE_PLACED;
	const char *items[RAIN_STAGE_ITEMS_MAX];

	if (rain_stage_items(&staging->options->list, plain, items) == 0)
		return 0;
	if (rain_stage_write(staging->head.to, type, "", 0, err) < 0)
		return -1;
	if (to < 0)
		return rain_stage_take(staging->head.from, staging->directory, NULL, NULL, NULL, err);
	if (rain_stage_write(to, type, "", 0, err) < 0)
		return -1;
	return rain_stage_pass(staging->head.from, to, err);
}

/* Whether all nodes see the probe: each says "y" or "n" in a line. 1; 0; -1 */
static int nodes_hear(const struct rain_stage_child *nodes, uint32_t count, struct rain_error *err)
{
	int all = 1;

	for (uint32_t heard = 0; heard < count;) {
		char c;
		ssize_t got = read(nodes->from, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return rain_error_set(err, "a node doesn't say whether it sees the files");
		all &= c != 'n';
		heard += c == '\n';
	}
	return all;
}

/* As _talk, by a step with a task on each node. */
static int nodes_talk(struct staging *staging, const struct rain_stage_child *nodes,
		      struct rain_error *err)
{
	int shared = nodes_hear(nodes, staging->job.nodes, err), result = shared;

	if (shared > 0)
		result = bring(staging, false, -1, err);
	else if (shared == 0 && (result = bring(staging, false, nodes->to, err)) == 0)
		result = bring(staging, true, nodes->to, err);
	if (result < 0)
		return result;
	return rain_stage_write(nodes->to, RAIN_STAGE_END, "", 0, err) < 0 ? -1 : shared;
}

static int spread(struct staging *staging, const char *probe, struct rain_error *err)
{
	struct rain_stage_child nodes;
	struct rain_error theirs;
	int result;

	if (rain_stage_nodes_start(&nodes, &staging->job, "--serve", "--probe=", probe,
				   staging->options->list_text, err) < 0)
		return -1;
	result = nodes_talk(staging, &nodes, err);
	if (rain_stage_child_end(&nodes, WHAT_NODES, 0, &theirs) < 0 && result != RAIN_STAGE_TOLD)
		result = rain_error_set(err, "%s", theirs.text);
	return result < 0 ? -1 : result;
}

/* Alone on this node. */
static int take(struct staging *staging, const char *probe, struct rain_error *err)
{
	bool shared = rain_stage_probe_seen(staging->directory, probe);

	if (bring(staging, false, -1, err) < 0 || (!shared && bring(staging, true, -1, err) < 0))
		return -1;
	return shared;
}

/* 1: shared; 0: brought to the nodes; -1 */
static int talk(struct staging *staging, struct rain_error *err)
{
	char probe[64];
	int shared;
	size_t size;

	if (rain_stage_expect(staging->head.from, RAIN_STAGE_PROBE, staging->buffer, &size, err) < 0)
		return -1;
	snprintf(probe, sizeof(probe), "%s", staging->buffer);
	shared = staging->job.nodes > 1 || staging->options->here ? spread(staging, probe, err)
								  : take(staging, probe, err);
	if (shared < 0)
		return -1;
	return rain_stage_write(staging->head.to, RAIN_STAGE_END, "", 0, err) < 0 ? -1 : shared;
}

static int giver_start(struct staging *staging, struct rain_error *err)
{
	const struct rain_stage_options *options = staging->options;

	if (options->here)
		return rain_stage_giver_start(&staging->head, &staging->job, options->list_text, err);
	return rain_stage_head_start(&staging->head, &staging->job, options->partition, "--give",
				     options->list_text, err);
}

static int stage(struct staging *staging, struct rain_error *err)
{
	const struct rain_stage_options *options = staging->options;
	struct rain_error theirs;
	int result;

	if (rain_stage_job_load(&staging->job, options->job, err) < 0)
		return -1;
	if (strcmp(staging->job.partition, options->partition) == 0)
		return 0; /* rain-relay takes the files to the peer */
	staging->directory = rain_stage_directory(staging->job.directory, !options->here, err);
	if (staging->directory < 0)
		return -1;
	result = options->here ? 0 : is_there(staging, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	if (giver_start(staging, err) < 0)
		return -1;
	result = talk(staging, err);
	if (rain_stage_child_end(&staging->head, WHAT_HEAD, 0, &theirs) < 0 && result < 0)
		rain_error_set(err, "%s", theirs.text);
	return result;
}

int rain_stage_in(const struct rain_stage_options *options)
{
	static struct staging staging;
	struct rain_error err;
	int result;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* the sruns end by it */
	staging.options = options;
	result = stage(&staging, &err);
	rain_stage_job_release(&staging.job);
	if (result >= 0)
		return result ? RAIN_STAGE_EXIT_SHARED : 0;
	rain_error_prefix(&err, "--stage-in");
	return rain_cli_fail(RAIN_STAGE_EXIT_FAILED, &err);
}
