/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "federation/slurm_command.h"
#include "federation/stage.h"

#define LOG_MAX 400
#define MINUTES_MAX (24 * 60) /* of a helper, where the job has no end */
/* How long the head may take to have room for one more process. */
#define START_OPTION "--immediate=60"

/* --- the job --- */

static uint32_t minutes_left(const slurm_job_info_t *job)
{
	time_t now = time(NULL), end = job->end_time;

	if (job->time_limit == INFINITE || end <= now || (end - now) / 60 >= MINUTES_MAX)
		return MINUTES_MAX;
	return (uint32_t)((end - now) / 60 + 1);
}

/* The id of an array or of a heterogeneous job brings several records. */
static const slurm_job_info_t *record_find(const job_info_msg_t *msg, uint32_t id)
{
	for (uint32_t i = 0; i < msg->record_count; i++)
		if (msg->job_array[i].job_id == id)
			return &msg->job_array[i];
	return NULL;
}

int rain_stage_job_load(struct rain_stage_job *job, const char *given, struct rain_error *err)
{
	const char *text = given ? given : getenv("SLURM_JOB_ID");
	char *end = NULL;
	unsigned long id = text ? strtoul(text, &end, 10) : 0;
	const slurm_job_info_t *found;
	job_info_msg_t *msg = NULL;

	*job = (struct rain_stage_job){0};
	if (!text || end == text || *end || id == 0 || id > UINT32_MAX)
		return rain_error_set(err, "SLURM_JOB_ID is not set: this is no Slurm job");
	if (slurm_load_job(&msg, (uint32_t)id, SHOW_ALL) != SLURM_SUCCESS)
		return rain_error_set(err, "Slurm doesn't tell about job %lu: %s", id,
				      slurm_strerror(slurm_get_errno()));
	found = record_find(msg, (uint32_t)id);
	if (found && found->work_dir) {
		job->id = (uint32_t)id;
		job->nodes = found->num_nodes;
		job->minutes = minutes_left(found);
		job->started = found->start_time;
		job->directory = strdup(found->work_dir);
		job->partition = strdup(found->partition ? found->partition : "");
	}
	slurm_free_job_info_msg(msg);
	return job->directory && job->partition ? 0 : rain_error_set(err, "Slurm doesn't tell the job's working directory");
}

/* What it leaves comes back also after its end, while its nodes clean up; but a run that
 * is to be repeated is none. */
static bool is_running(const slurm_job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	return state == JOB_RUNNING || state == JOB_SUSPENDED ||
	       (state > JOB_SUSPENDED && (job->job_state & JOB_COMPLETING));
}

int rain_stage_job_runs(uint32_t id, int64_t started)
{
	const slurm_job_info_t *job;
	job_info_msg_t *msg = NULL;
	int result;

	if (slurm_load_job(&msg, id, SHOW_ALL) != SLURM_SUCCESS)
		return slurm_get_errno() == ESLURM_INVALID_JOB_ID ? 0 : -1;
	job = record_find(msg, id);
	result = job && job->start_time == started && is_running(job);
	slurm_free_job_info_msg(msg);
	return result;
}

void rain_stage_job_release(struct rain_stage_job *job)
{
	free(job->directory);
	free(job->partition);
	*job = (struct rain_stage_job){0};
}

/* --- programs --- */

/* Nothing of the job's environment may steer srun. */
struct environment {
	char job[32];
	const char *list[8];
	size_t count;
};

static void environment_keep(struct environment *env, const char *name)
{
	/* The entry as a whole: NAME=VALUE. */
	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, name, strlen(name)) == 0 && (*entry)[strlen(name)] == '=')
			env->list[env->count++] = *entry;
}

static void environment_fill(struct environment *env, uint32_t job)
{
	*env = (struct environment){.list = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"},
				    .count = 2};
	environment_keep(env, "HOME");
	environment_keep(env, "USER");
	environment_keep(env, "SLURM_CONF");
	snprintf(env->job, sizeof(env->job), "SLURM_JOB_ID=%u", job);
	if (job)
		env->list[env->count++] = env->job;
	env->list[env->count] = NULL;
}

static int spawn(struct rain_stage_child *child, const char *const argv[], const char *const envp[],
		 const int in[2], const int out[2], struct rain_error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, child->log, STDERR_FILENO);
	error = posix_spawn(&child->pid, argv[0], &actions, &attributes, (char *const *)argv,
			    (char *const *)envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error ? rain_error_set(err, "can't start %s: %s", argv[0], strerror(error)) : 0;
}

static int child_start(struct rain_stage_child *child, const char *const argv[],
		       const char *const envp[], struct rain_error *err)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	int result = -1;

	*child = (struct rain_stage_child){.to = -1, .from = -1};
	child->log = memfd_create("rain-stage-log", MFD_CLOEXEC);
	if (child->log < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		rain_error_set(err, "can't make pipes: %s", strerror(errno));
	else
		result = spawn(child, argv, envp, in, out, err);
	if (in[0] >= 0)
		close(in[0]);
	if (out[1] >= 0)
		close(out[1]);
	child->to = in[1];
	child->from = out[0];
	if (result < 0)
		rain_stage_child_end(child, argv[0], 0, NULL);
	return result;
}

static void log_read(int log, char text[static LOG_MAX])
{
	ssize_t got = pread(log, text, LOG_MAX - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = c[1] ? ' ' : '\0';
}

int rain_stage_child_end(struct rain_stage_child *child, const char *what, int allowed,
			 struct rain_error *err)
{
	char log[LOG_MAX] = "";
	int status = 0, code;

	if (child->to >= 0)
		close(child->to);
	if (child->from >= 0)
		close(child->from);
	while (child->pid > 0 && waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (child->log >= 0) {
		log_read(child->log, log);
		close(child->log);
	}
	*child = (struct rain_stage_child){.to = -1, .from = -1, .log = -1};
	code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (code == 0 || (allowed && code == allowed))
		return code;
	return rain_error_set(err, "%s failed: %s", what, *log ? log : "it was killed");
}

/* --- rain-stage elsewhere --- */

/* Frees the words again; argv[0] NULL: srun. */
static int start(struct rain_stage_child *child, const char *argv[], uint32_t job, char *words[],
		 size_t count, struct rain_error *err)
{
	char path[RAIN_SLURM_COMMAND_SIZE];
	struct environment env;
	int result = 0;

	*child = (struct rain_stage_child){.to = -1, .from = -1, .log = -1};
	environment_fill(&env, job);
	if (!argv[0])
		argv[0] = rain_slurm_command("srun", path);
	for (size_t i = 0; i < count; i++)
		if (!words[i])
			result = rain_error_set(err, "out of memory");
	if (result == 0 && !argv[0])
		result = rain_error_set(err, "srun is not installed on this node");
	if (result == 0)
		result = child_start(child, argv, env.list, err);
	for (size_t i = 0; i < count; i++)
		free(words[i]);
	return result;
}

static char *word(const char *option, const char *value)
{
	char *text;

	return asprintf(&text, "%s%s", option, value) < 0 ? NULL : text;
}

static char *number(const char *option, uint32_t value)
{
	char *text;

	return asprintf(&text, "%s%u", option, value) < 0 ? NULL : text;
}

static char *run_word(const struct rain_stage_job *job)
{
	char *text;

	return asprintf(&text, "--job=%u@%lld", job->id, (long long)job->started) < 0 ? NULL : text;
}

int rain_stage_head_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			  const char *partition, const char *what, const char *list,
			  struct rain_error *err)
{
	char *words[] = {word("--partition=", partition), number("--time=", job->minutes),
			 word("--directory=", job->directory), word("--list=", list), run_word(job)};
	const char *argv[] = {
		NULL,
		words[0],
		words[1],
		START_OPTION,
		"--nodes=1",
		"--ntasks=1",
		"--cpus-per-task=1",
		"--job-name=" RAIN_STAGE_JOB_NAME,
		"--chdir=/",
		"--mpi=none",
		"--unbuffered",
		"--quiet",
		RAIN_STAGE_PROGRAM,
		"--head",
		what,
		words[2],
		words[3],
		words[4],
		NULL,
	};

	return start(child, argv, 0, words, sizeof(words) / sizeof(*words), err);
}

int rain_stage_giver_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			   const char *list, struct rain_error *err)
{
	char *words[] = {word("--directory=", job->directory), word("--list=", list), run_word(job)};
	const char *argv[] = {RAIN_STAGE_PROGRAM, "--head", "--give", words[0], words[1], words[2], NULL};

	return start(child, argv, 0, words, sizeof(words) / sizeof(*words), err);
}

int rain_stage_nodes_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			   const char *what, const char *sign, const char *value, const char *list,
			   struct rain_error *err)
{
	char *words[] = {number("--nodes=", job->nodes), number("--ntasks=", job->nodes),
			 word("--directory=", job->directory), word(sign, value),
			 word("--list=", list)};
	const char *argv[] = {
		NULL,
		words[0],
		words[1],
		"--ntasks-per-node=1",
		"--cpus-per-task=1",
		"--overlap",
		"--mpi=none",
		"--cpu-bind=none",
		"--job-name=" RAIN_STAGE_JOB_NAME,
		"--chdir=/",
		"--quiet",
		RAIN_STAGE_PROGRAM,
		"--node",
		what,
		words[2],
		words[3],
		words[4],
		NULL,
	};

	return start(child, argv, job->id, words, sizeof(words) / sizeof(*words), err);
}
