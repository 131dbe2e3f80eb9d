// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_task.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/guest_confine.h"
#include "plugins/guest_exec.h"
#include "plugins/spank_options.h"
#include "plugins/spank_stage.h"

#define RELAY RAIN_LIBEXECDIR "/rain-relay"
#define STAGE RAIN_LIBEXECDIR "/rain-stage"
#define SANDBOX RAIN_LIBEXECDIR "/rain-sandbox"

/* As a shell says "found, but can't be run". */
#define EXIT_CANT_EXEC 126

struct task {
	uid_t uid;
	uint32_t job, step;
	int argc;
	char **argv;
	char **environment;
};

/* Never returns into slurmstepd, which would go on and run what the user gave
 * it.  What is logged reaches srun, but not the file of a batch job. */
__attribute__((noreturn)) static void task_fail(const struct task *task, const char *why)
{
	slurm_error("rain: %s", why);
	if (task->step == SLURM_BATCH_SCRIPT)
		dprintf(STDERR_FILENO, "rain: %s\n", why);
	_exit(EXIT_CANT_EXEC);
}

static int guest_is(spank_t spank, const struct rain_spank_settings *settings, bool *guest)
{
	uid_t uid;

	if (spank_get_item(spank, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
		slurm_error("rain: Slurm doesn't tell whose step this is");
		return -1;
	}
	*guest = rain_spank_settings_is_guest(settings, uid);
	return 0;
}

/* What Slurm's MPI plugin takes from the environment of a step while it is
 * still root: where to make directories, what to load, what to print. */
static const char *const not_for_guests[] = {
	"SLURM_PMIX_TMPDIR", "SLURM_PMIX_SRV_TMPDIR", "SLURM_PMIX_SRV_DEBUG",
	"SLURM_PMIX_DIRECT_CONN_UCX", "SLURM_PMIX_WANT_PP", "SLURM_PMIX_WANT_COLL_PERF",
	"PMIX_DEBUG", "PMIX_OUTPUT_REDIRECT", "UCX_NET_DEVICES", "UCX_TLS",
};

static int guest_environment_clean(spank_t spank)
{
	for (size_t i = 0; i < sizeof not_for_guests / sizeof *not_for_guests; i++) {
		spank_err_t result = spank_unsetenv(spank, not_for_guests[i]);

		if (result == ESPANK_SUCCESS || result == ESPANK_ENV_NOEXIST)
			continue;
		slurm_error("rain: can't take %s away from a guest: %s", not_for_guests[i],
			    spank_strerror(result));
		return -1;
	}
	return 0;
}

static bool is_on_head(spank_t spank, const struct rain_spank_settings *settings)
{
	char partition[sizeof settings->overflow_partition];

	/* a longer name than fits is another partition's */
	return spank_getenv(spank, "SLURM_JOB_PARTITION", partition, (int)sizeof partition) ==
		       ESPANK_SUCCESS &&
	       strcmp(partition, settings->overflow_partition) == 0;
}

/* A step of srun, which may have a --task-epilog of the user's. */
static bool is_direct_on_head(spank_t spank, const struct rain_spank_settings *settings)
{
	uint32_t step;

	return is_on_head(spank, settings) &&
	       (spank_get_item(spank, S_JOB_STEPID, &step) != ESPANK_SUCCESS ||
		step != SLURM_BATCH_SCRIPT);
}

int rain_spank_step_init(spank_t spank, const struct rain_spank_settings *settings)
{
	struct rain_error err;
	bool guest;

	if (guest_is(spank, settings, &guest))
		return -1;
	if (guest && rain_guest_confine_files(&err)) {
		slurm_error("rain: %s", err.text);
		return -1;
	}
	return guest ? guest_environment_clean(spank) : 0;
}

int rain_spank_step_forked(spank_t spank, const struct rain_spank_settings *settings)
{
	static bool done; /* called for each task of the step */
	struct rain_error err;
	bool guest;

	if (done)
		return 0;
	if (guest_is(spank, settings, &guest))
		return -1;
	if ((guest || is_direct_on_head(spank, settings)) && rain_guest_confine_exec(&err)) {
		slurm_error("rain: %s", err.text);
		return -1;
	}
	done = true;
	return 0;
}

static void task_read(spank_t spank, struct task *task)
{
	if (spank_get_item(spank, S_JOB_UID, &task->uid) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_ID, &task->job) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_STEPID, &task->step) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_ARGV, &task->argc, &task->argv) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_ENV, &task->environment) != ESPANK_SUCCESS)
		task_fail(task, "Slurm doesn't tell what this task is");
}

__attribute__((noreturn)) static void guest_exec(const struct task *task)
{
	const struct rain_guest_task guest = {
		.sandbox = SANDBOX,
		.uid = task->uid,
		.job = task->job,
		.step = task->step,
		.argv = task->argv,
		.environment = task->environment,
	};
	struct rain_error err;

	rain_guest_exec(&guest, &err);
	task_fail(task, err.text);
}

/* "--NAME=VALUE", or NULL when the job doesn't have the option. */
static char *option_word(spank_t spank, const struct task *task, enum rain_option which)
{
	const char *value = rain_spank_option_value(spank, which);
	char *word;

	if (!value)
		return NULL;
	if (asprintf(&word, "--%s=%s", rain_option_texts[which].name, value) < 0)
		task_fail(task, "no memory to start rain-relay");
	return word;
}

__attribute__((noreturn)) static void relay_exec(spank_t spank, const struct task *task)
{
	char **argv = calloc((size_t)task->argc + 6, sizeof *argv);
	struct rain_error err;
	size_t n = 0;
	char *word;

	if (!argv)
		task_fail(task, "no memory to start rain-relay");
	argv[n++] = "rain-relay";
	word = option_word(spank, task, RAIN_OPTION_STAGE_IN);
	if (word)
		argv[n++] = word;
	word = option_word(spank, task, RAIN_OPTION_STAGE_OUT);
	if (word)
		argv[n++] = word;
	if (task->step == SLURM_INTERACTIVE_STEP)
		argv[n++] = "--interactive";
	else if (task->step != SLURM_BATCH_SCRIPT)
		argv[n++] = "--direct";
	argv[n++] = "--";
	for (int i = 0; i < task->argc; i++)
		argv[n++] = task->argv[i];
	execve(RELAY, argv, task->environment);
	rain_error_set(&err, "can't start %s: %s", RELAY, strerror(errno));
	task_fail(task, err.text);
}

/* Whatever else somebody may want to run on the head: the environment, which has ways to
 * run things, is none of the user's. */
__attribute__((noreturn)) static void stage_exec(const struct task *task)
{
	/* this process's own: slurmd's */
	const char *own = getenv("SLURM_CONF");
	char job[32], *conf = NULL;
	struct rain_error err;

	if (!rain_spank_stage_is_head(task->argc, task->argv))
		task_fail(task, "jobs of the name " RAIN_STAGE_JOB_NAME " are RAIN's own on this partition");
	snprintf(job, sizeof job, "SLURM_JOB_ID=%u", task->job);
	if (own && asprintf(&conf, "SLURM_CONF=%s", own) < 0)
		task_fail(task, "no memory to start rain-stage");
	execve(STAGE, task->argv,
	       (char *[]){"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", job, conf, NULL});
	rain_error_set(&err, "can't start %s: %s", STAGE, strerror(errno));
	task_fail(task, err.text);
}

/* A step of srun, or the shell of salloc: the first task stands for all of them. */
static void first_task_only(spank_t spank, const struct task *task)
{
	uint32_t number;

	if (task->step != 0 && task->step != SLURM_INTERACTIVE_STEP)
		task_fail(task, "this job runs on a peer's cluster, which takes only its first step from here; "
				"a shell there can start more");
	if (spank_get_item(spank, S_TASK_GLOBAL_ID, &number) != ESPANK_SUCCESS)
		task_fail(task, "Slurm doesn't tell which task this is");
	if (number > 0)
		_exit(0);
}

int rain_spank_task_init(spank_t spank, const struct rain_spank_settings *settings)
{
	bool batch;
	struct task task;

	task_read(spank, &task);
	batch = task.step == SLURM_BATCH_SCRIPT;
	if (rain_spank_settings_is_guest(settings, task.uid)) {
		/* a guest's batch script is the broker's and starts rain-agent */
		if (batch)
			return 0;
		guest_exec(&task);
	}
	if (!is_on_head(spank, settings)) {
		int code = batch ? rain_spank_stage_begin(spank, settings) : 0;

		if (code)
			_exit(code);
		return 0;
	}
	if (!batch && rain_spank_stage_is_ours(spank))
		stage_exec(&task);
	if (!batch)
		first_task_only(spank, &task);
	relay_exec(spank, &task);
}
