/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-guest-guard: Slurm's Prolog and Epilog on every node.  Before a guest
 * job it makes the job's room and closes the network around it; after, it
 * removes every trace.  For everybody else it does nothing, quickly. */
#include "federation/guest_guard.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/process.h"
#include "federation/guest_guard_cache.h"

#define NFT_TIMEOUT_MS 30000

static const char help[] =
	"Usage: rain-guest-guard\n"
	"       rain-guest-guard --cache [--json]\n"
	"Slurm's Prolog and Epilog (slurm.conf) on every node that runs guest jobs.\n"
	"In the Prolog it makes a guest job's directories and the rules that keep it\n"
	"from every address but those of its own nodes; in the Epilog it ends what is left\n"
	"of it and removes both. Jobs of other users pass at once.\n"
	"With --cache it shows which inputs of guests this node keeps unpacked.\n"
	"\n"
	"  --cache, --json  for root: list them, for programs\n"
	"  --help, --version\n"
	"\n"
	"Slurm tells it the job in the environment: SLURM_SCRIPT_CONTEXT, SLURM_JOB_ID,\n"
	"SLURM_JOB_UID, SLURM_JOB_GID, SLURM_NODELIST.\n"
	"Exit status: 0; else a guest job must not run here (Prolog), or something of it is\n"
	"left (Epilog), and Slurm takes the node out of service.\n";

/* Ports on the job's own nodes that aren't a guest's business: databases, and
 * RAIN's own from the configuration. */
static const uint16_t closed_ports[] = {3306, 5432, 6819};

static int number(const char *name, unsigned long max, unsigned long *value, struct rain_error *err)
{
	const char *text = getenv(name);
	char *end = NULL;

	errno = 0;
	*value = text ? strtoul(text, &end, 10) : 0;
	if (!text || end == text || *end || errno || *value > max)
		return rain_error_set(err, "%s is not set as Slurm sets it for a Prolog or Epilog",
				      name);
	return 0;
}

static uint16_t port_of(const char *address)
{
	const char *colon = address ? strrchr(address, ':') : NULL;

	return colon ? (uint16_t)atoi(colon + 1) : 0;
}

static int rules_apply(const struct rain_config *config, struct rain_error *err)
{
	const char *argv[] = {RAIN_NFT, "-f", "-", NULL};
	uint16_t closed[RAIN_GUARD_CLOSED_MAX];
	struct rain_process_result result = {0};
	static struct rain_guard_jobs jobs;
	size_t count = sizeof(closed_ports) / sizeof(*closed_ports);
	char *rules;
	int failed;

	memcpy(closed, closed_ports, sizeof(closed_ports));
	closed[count++] = (uint16_t)config->panel.port;
	closed[count++] = port_of(config->gateway.listen);
	closed[count++] = port_of(config->gateway.agent_listen);
	if (rain_guard_load(&jobs, err) < 0)
		return -1;
	rules = rain_guard_rules(config->lend.guest_uid_min, config->lend.guest_uid_max, jobs.list,
				 jobs.count, closed, count, err);
	rain_guard_jobs_release(&jobs);
	if (!rules)
		return -1;
	failed = rain_process_run(argv, NULL, rules, NFT_TIMEOUT_MS, &result, err);
	free(rules);
	if (failed == 0 && result.exit_code != 0)
		failed = rain_error_set(err, "nft refuses the rules: %.400s", result.output);
	rain_process_result_release(&result);
	return failed;
}

/* Whether the uid has another job on this node. -1 with err. */
static int has_other_job(uid_t uid, uint32_t job, struct rain_error *err)
{
	static struct rain_guard_jobs jobs;
	int found = 0;

	if (rain_guard_load(&jobs, err) < 0)
		return -1;
	for (size_t i = 0; i < jobs.count; i++)
		found |= jobs.list[i].uid == uid && jobs.list[i].job != job;
	rain_guard_jobs_release(&jobs);
	return found;
}

/* What is left of the guest's job, under the lock. */
static int clear(uint32_t id, uid_t uid, const struct rain_config *config, struct rain_error *err)
{
	int other = has_other_job(uid, id, err), result = 0;

	/* Its processes first, while the rules still hold them. */
	if (other < 0 || (!other && rain_guard_kill(uid, err) < 0))
		result = -1;
	if (rain_guard_keeper_end(id, result == 0 ? err : NULL) < 0 ||
	    rain_guard_room_remove(id, result == 0 ? err : NULL) < 0)
		result = -1;
	if (other == 0 && rain_guard_leftovers_remove(uid, result == 0 ? err : NULL) < 0)
		result = -1;
	if (rain_guard_forget(id, result == 0 ? err : NULL) < 0 ||
	    rules_apply(config, result == 0 ? err : NULL) < 0)
		result = -1;
	return result;
}

/* Jobs whose slurmd died when they ended: it runs no Epilog for them any more. */
static void clear_forgotten(uint32_t id, const struct rain_config *config)
{
	static struct rain_guard_jobs jobs;
	struct rain_error err;

	if (rain_guard_load(&jobs, NULL) < 0)
		return; /* what follows says why */
	for (size_t i = 0; i < jobs.count; i++) {
		const struct rain_guard_job *job = &jobs.list[i];

		if (job->job == id || !rain_guard_job_is_over(job->job, rain_guard_is_old(job->job)))
			continue;
		fprintf(stderr, "rain-guest-guard: guest job %u had no Epilog: it is cleared away now\n", job->job);
		if (clear(job->job, job->uid, config, &err) < 0)
			rain_cli_fail(0, &err);
	}
	rain_guard_jobs_release(&jobs);
}

/* Without it the job's inputs are unpacked, as on a first time. */
static void keeper_begin(uint32_t id, uid_t uid, gid_t gid, const struct rain_config *config)
{
	struct rain_error err;

	if (rain_guard_keeper_begin(id, uid, gid, config, &err) < 0)
		rain_cli_fail(0, &err);
}

static int guest_begin(uint32_t id, uid_t uid, gid_t gid, const struct rain_config *config,
		       struct rain_error *err)
{
	const char *nodelist = getenv("SLURM_NODELIST");
	struct rain_guard_job job = {.job = id, .uid = uid};
	int lock = -1, result = -1;

	if (!nodelist)
		nodelist = getenv("SLURM_JOB_NODELIST");
	if (!nodelist)
		return rain_error_set(err, "Slurm doesn't tell the job's nodes (SLURM_NODELIST)");
	if (rain_guard_addresses(&job, nodelist, config, err) == 0)
		lock = rain_guard_lock(err);
	if (lock >= 0)
		clear_forgotten(id, config);
	/* An earlier try; if its mounts stay, the room can't be made. */
	if (lock >= 0)
		(void)rain_guard_keeper_end(id, NULL);
	if (lock >= 0 && rain_guard_note(&job, err) == 0) {
		if (rules_apply(config, err) == 0 && rain_guard_room_make(id, uid, gid, err) == 0)
			result = 0;
		else
			rain_guard_forget(id, NULL); /* rules without it come with the next job */
	}
	if (lock >= 0)
		close(lock);
	if (result == 0)
		keeper_begin(id, uid, gid, config);
	rain_guard_job_release(&job);
	return result;
}

static int guest_end(uint32_t id, uid_t uid, const struct rain_config *config,
		     struct rain_error *err)
{
	int lock = rain_guard_lock(err), result;

	if (lock < 0)
		return -1;
	result = clear(id, uid, config, err);
	close(lock);
	/* Other jobs of the node needn't wait for it. */
	rain_guard_keeper_tidy(config);
	return result;
}

/* Without a configuration nobody knows who is a guest; a name that looks like
 * one must not pass, and an owner's job must not be stopped by a typing error. */
static int without_config(const struct rain_error *err)
{
	const char *user = getenv("SLURM_JOB_USER");

	rain_cli_fail(0, err);
	return user && !strncmp(user, "rain-guest", 10) ? RAIN_EXIT_FAILURE : 0;
}

int main(int argc, char *argv[])
{
	const char *context = getenv("SLURM_SCRIPT_CONTEXT");
	unsigned long job, uid, gid;
	struct rain_config *config;
	struct rain_error err;
	int result;

	rain_cli_standard_options(argc, argv, help);
	if (argc > 1 && !strcmp(argv[1], "--cache") &&
	    (argc == 2 || (argc == 3 && !strcmp(argv[2], "--json"))))
		return rain_guard_cache_show(argc == 3);
	if (argc > 1)
		return rain_cli_usage("it takes no arguments but --cache and --json");
	if (!context || (strcmp(context, "prolog_slurmd") && strcmp(context, "epilog_slurmd")))
		return rain_cli_usage("it is run by slurmd as Prolog and Epilog");
	config = rain_config_load(NULL, &err);
	if (!config)
		return without_config(&err);
	if (number("SLURM_JOB_UID", UINT32_MAX, &uid, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (config->lend.guest_uid_min == 0 || uid < config->lend.guest_uid_min ||
	    uid > config->lend.guest_uid_max)
		return 0;
	if (number("SLURM_JOB_ID", UINT32_MAX, &job, &err) < 0 ||
	    number("SLURM_JOB_GID", UINT32_MAX, &gid, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (!strcmp(context, "prolog_slurmd"))
		result = guest_begin((uint32_t)job, (uid_t)uid, (gid_t)gid, config, &err);
	else
		result = guest_end((uint32_t)job, (uid_t)uid, config, &err);
	rain_config_destroy(config);
	return result < 0 ? rain_cli_fail(RAIN_EXIT_FAILURE, &err) : 0;
}
