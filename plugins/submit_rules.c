// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/submit_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"

#define OPTION_PREFIX "_SLURM_SPANK_OPTION_rain_"

static bool list_names(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = list; p && *p; p += *p == ',') {
		size_t word = strcspn(p, ",");

		if (word == length && !memcmp(p, name, length))
			return true;
		p += word;
	}
	return false;
}

static bool names_own_partition(const struct rain_submit_settings *settings, const char *list)
{
	return list_names(list, settings->overflow_partition) ||
	       list_names(list, settings->guest_partition);
}

static bool is_guest(const struct rain_submit_settings *settings, uid_t uid)
{
	return settings->guest_uid_max && uid >= settings->guest_uid_min &&
	       uid <= settings->guest_uid_max;
}

__attribute__((format(printf, 3, 4))) static void
answer(struct rain_submit_verdict *verdict, enum rain_submit_answer what, const char *fmt, ...)
{
	va_list args;

	verdict->answer = what;
	va_start(args, fmt);
	vsnprintf(verdict->message, sizeof verdict->message, fmt, args);
	va_end(args);
}

/* Slurm writes the '-' of an option's name as '_'. */
static bool names_option(const char *key, size_t length, const char *name)
{
	if (strlen(name) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (key[i] != (name[i] == '-' ? '_' : name[i]))
			return false;
	return true;
}

static int option_read(const char *entry, struct rain_options *options, struct rain_error *err)
{
	const char *key = entry + sizeof OPTION_PREFIX - 1;
	size_t length = strcspn(key, "=");

	for (int i = 0; i < RAIN_OPTION_COUNT; i++)
		if (names_option(key, length, rain_option_texts[i].name))
			return rain_options_set(options, (enum rain_option)i,
						key[length] ? key + length + 1 : "", err);
	return rain_error_set(err, "the option --%.*s isn't known on this cluster",
			      length < 40 ? (int)length : 40, key);
}

static int options_read(const struct rain_submission *submission, struct rain_options *options,
			struct rain_error *err)
{
	rain_options_init(options);
	for (size_t i = 0; i < submission->spank_environment_count; i++) {
		const char *entry = submission->spank_environment[i];

		if (entry && !strncmp(entry, OPTION_PREFIX, sizeof OPTION_PREFIX - 1) &&
		    option_read(entry, options, err))
			return -1;
	}
	return rain_options_check(options, err);
}

/* Why a job that asks for a burst can't have one, or NULL. */
static const char *burst_obstacle(const struct rain_submission *submission)
{
	if (submission->is_het)
		return "heterogeneous jobs can't burst";
	if (submission->is_recurring)
		return "jobs of scrontab can't burst";
	return NULL;
}

/* "the peers bravo, charlie" or "a peer". */
static void peers_write(const struct rain_burst *burst, char *text, size_t size)
{
	int n = snprintf(text, size, "%s", burst->peer_count ? "one of the peers " : "a peer");

	for (size_t i = 0; i < burst->peer_count; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%s", i ? ", " : "", burst->peers[i]);
}

/* " for at most 5.000000 tokens" or "". */
static void limit_write(const struct rain_burst *burst, char *text, size_t size)
{
	char tokens[RAIN_TOKENS_TEXT_SIZE];

	*text = '\0';
	if (burst->max_utok != RAIN_BURST_NO_LIMIT)
		snprintf(text, size, " for at most %s tokens",
			 rain_tokens_format(burst->max_utok, tokens));
}

/* What the submitter can spend: unknown is not 0. */
static void balance_write(const struct rain_submission *submission, char *text, size_t size)
{
	char tokens[RAIN_TOKENS_TEXT_SIZE];

	if (!submission->balance_known)
		snprintf(text, size, "; your balance isn't known just now");
	else if (submission->available_utok <= 0)
		snprintf(text, size, "; you have no tokens to spend, and without them no peer runs it");
	else
		snprintf(text, size, "; you can spend %s tokens",
			 rain_tokens_format(submission->available_utok, tokens));
}

static void burst_decide(const struct rain_submission *submission, const struct rain_burst *burst,
			 struct rain_submit_verdict *verdict)
{
	const char *obstacle = burst_obstacle(submission);
	bool only = burst->mode == RAIN_BURST_ONLY;
	char peers[RAIN_BURST_PEERS_MAX * (RAIN_BURST_PEER_SIZE + 1) + 32], limit[64], balance[96];
	struct rain_error err;

	if (obstacle && only) {
		answer(verdict, RAIN_SUBMIT_UNSUPPORTED, "--burst=only: %s; the job was not queued",
		       obstacle);
		return;
	}
	if (obstacle) {
		answer(verdict, RAIN_SUBMIT_ACCEPT, "--burst=auto is ignored: %s; this one runs at home",
		       obstacle);
		return;
	}
	if (only && submission->is_held) {
		answer(verdict, RAIN_SUBMIT_UNSUPPORTED,
		       "--hold can't go with --burst=only, which holds the job until a peer can run it; "
		       "use --begin or --dependency to make it wait longer");
		return;
	}
	verdict->admin_comment = rain_burst_tag_write(submission->admin_comment, burst, NULL, &err);
	if (!verdict->admin_comment) {
		answer(verdict, RAIN_SUBMIT_INVALID, "%s", err.text);
		return;
	}
	verdict->hold = only;
	peers_write(burst, peers, sizeof peers);
	limit_write(burst, limit, sizeof limit);
	balance_write(submission, balance, sizeof balance);
	if (only)
		answer(verdict, RAIN_SUBMIT_ACCEPT, "--burst=only: the job waits, held, until %s can run it%s%s",
		       peers, limit, balance);
	else
		answer(verdict, RAIN_SUBMIT_ACCEPT,
		       "--burst=auto: if the job can't start at home, %s may run it%s%s", peers, limit,
		       balance);
}

/* rain-stage's process on the head: one task, in whose place only rain-stage itself can
 * run there (plugins/spank_task.c). */
static bool is_stage(const struct rain_submit_settings *settings,
		     const struct rain_submission *submission)
{
	return submission->partition && submission->name && !submission->has_script &&
	       !strcmp(submission->partition, settings->overflow_partition) &&
	       !strcmp(submission->name, RAIN_STAGE_JOB_NAME) &&
	       submission->spank_environment_count == 0 && !submission->is_het &&
	       submission->nodes == 1 && submission->tasks == 1 && submission->cpus <= 1;
}

void rain_submit_decide(const struct rain_submit_settings *settings,
			const struct rain_submission *submission,
			struct rain_submit_verdict *verdict)
{
	struct rain_options options;
	struct rain_burst burst;
	struct rain_error err;

	memset(verdict, 0, sizeof *verdict);
	if (!submission->privileged && is_guest(settings, submission->submitter)) {
		answer(verdict, RAIN_SUBMIT_DENY,
		       "guests run what their own cluster sends and submit nothing here");
		return;
	}
	if (!submission->privileged && names_own_partition(settings, submission->partition) &&
	    !is_stage(settings, submission)) {
		answer(verdict, RAIN_SUBMIT_DENY,
		       "the partitions %s and %s are for RAIN itself: submit to your own partition with "
		       "--burst=auto or --burst=only",
		       settings->overflow_partition, settings->guest_partition);
		return;
	}
	if (!submission->privileged &&
	    rain_burst_tag_read(submission->admin_comment, &burst, NULL, NULL, NULL)) {
		answer(verdict, RAIN_SUBMIT_DENY, "AdminComment may not be given a RAIN tag: use --burst");
		return;
	}
	if (options_read(submission, &options, &err)) {
		answer(verdict, RAIN_SUBMIT_INVALID, "%s", err.text);
		return;
	}
	if (options.burst.mode != RAIN_BURST_NEVER)
		burst_decide(submission, &options.burst, verdict);
	else if (!submission->has_script && options.given[RAIN_OPTION_STAGE_OUT])
		answer(verdict, RAIN_SUBMIT_ACCEPT,
		       "--stage-out of srun and salloc is for bursts: at home only batch jobs leave files on "
		       "the head");
}

int rain_modify_check(const struct rain_submit_settings *settings,
		      const struct rain_modification *modification, struct rain_error *err)
{
	bool bound = names_own_partition(settings, modification->partition);
	struct rain_burst burst;

	if (modification->privileged)
		return 0;
	if (is_guest(settings, modification->requester))
		return rain_error_set(err, "guests may not change jobs");
	if (modification->new_partition &&
	    (bound || names_own_partition(settings, modification->new_partition)))
		return rain_error_set(err, "only RAIN moves jobs into and out of the partitions %s and %s",
				      settings->overflow_partition, settings->guest_partition);
	if (bound && modification->changes_nodes)
		return rain_error_set(err, "the job is bound to a peer: its nodes and features can't be "
				      "changed");
	if (rain_burst_tag_read(modification->admin_comment, &burst, NULL, NULL, NULL) <= 0)
		return 0;
	if (modification->changes_admin_comment)
		return rain_error_set(err, "AdminComment carries the job's RAIN tag and can't be changed");
	if (burst.mode == RAIN_BURST_ONLY && !bound && modification->is_held &&
	    modification->releases)
		return rain_error_set(err, "a job with --burst=only is released by RAIN when a peer can run "
				      "it");
	return 0;
}
