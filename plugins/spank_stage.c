// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_stage.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process.h"
#include "federation/stage.h"
#include "plugins/spank_options.h"

/* How the inputs were at submission. */
#define WORD "RAIN_STAGE_WORD"
#define LOOK_MS 5000
#define EXIT_CANT_EXEC 126

/* "OPTION VALUE" as one word; NULL without memory. */
static char *word(const char *option, const char *value)
{
	char *text;

	return asprintf(&text, "%s%s", option, value) < 0 ? NULL : text;
}

void rain_spank_stage_note(void)
{
	const char *list = rain_spank_options_stage_in();
	char *option = *list ? word("--list=", list) : NULL;
	const char *argv[] = {RAIN_STAGE_PROGRAM, "--look", option, NULL};
	struct rain_process_result result = {0};

	unsetenv(WORD); /* of the job that this sbatch is in */
	/* Without it the job looks again when it begins. */
	if (option && rain_process_run(argv, NULL, NULL, LOOK_MS, &result, NULL) == 0 &&
	    result.exit_code == 0) {
		result.output[strcspn(result.output, "\n")] = '\0';
		setenv(WORD, result.output, 1);
	}
	rain_process_result_release(&result);
	free(option);
}

/* Waits for it whatever signals come: it cleans up behind itself. */
static int wait_for(char *const argv[], char *const environment[])
{
	posix_spawnattr_t attributes;
	sigset_t none, all, before;
	int status = 0, error;
	pid_t pid;

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &all, &before);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	error = posix_spawn(&pid, argv[0], NULL, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	if (error)
		dprintf(STDERR_FILENO, "rain: can't start %s: %s\n", argv[0], strerror(error));
	while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (error)
		return EXIT_CANT_EXEC;
	return WIFEXITED(status) ? WEXITSTATUS(status) : RAIN_STAGE_EXIT_FAILED;
}

int rain_spank_stage_direct(spank_t spank, const struct rain_spank_settings *settings)
{
	const char *list = rain_spank_options_stage_in();
	uint32_t job;
	char id[24], *argv[] = {
		(char *)RAIN_STAGE_PROGRAM,
		(char *)"--in",
		(char *)"--here",
		word("--list=", list),
		word("--partition=", settings->overflow_partition),
		id,
		NULL,
	};
	int result = RAIN_STAGE_EXIT_FAILED;

	if (!*list)
		result = 0;
	else if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS)
		slurm_error("rain: Slurm doesn't tell the number of the job");
	else if (argv[3] && argv[4] && snprintf(id, sizeof id, "--job=%u", job) > 0)
		result = wait_for(argv, environ);
	free(argv[3]);
	free(argv[4]);
	return result == 0 || result == RAIN_STAGE_EXIT_SHARED ? 0 : -1;
}

static int bring(spank_t spank, const struct rain_spank_settings *settings, const char *list,
		 char *const environment[])
{
	char digest[RAIN_DIGEST_SIZE] = "";
	bool known = spank_getenv(spank, WORD, digest, sizeof digest) == ESPANK_SUCCESS;
	char *argv[] = {
		(char *)RAIN_STAGE_PROGRAM,
		(char *)"--in",
		word("--list=", list),
		word("--partition=", settings->overflow_partition),
		known ? word("--word=", digest) : NULL,
		NULL,
	};
	int result = EXIT_CANT_EXEC;

	if (argv[2] && argv[3])
		result = wait_for(argv, environment);
	for (int i = 2; i < 5; i++)
		free(argv[i]);
	return result;
}

/* The program that Slurm is about to start is another one, which starts the script. */
static int surround(spank_t spank, const struct rain_spank_settings *settings, const char *list,
		    bool shared, char *argv[])
{
	char *program = strdup(RAIN_STAGE_PROGRAM);

	if (!program || spank_setenv(spank, RAIN_STAGE_VARIABLE_SCRIPT, argv[0], 1) != ESPANK_SUCCESS ||
	    spank_setenv(spank, RAIN_STAGE_VARIABLE_LIST, list, 1) != ESPANK_SUCCESS ||
	    spank_setenv(spank, RAIN_STAGE_VARIABLE_PARTITION, settings->overflow_partition, 1) !=
		    ESPANK_SUCCESS ||
	    spank_setenv(spank, RAIN_STAGE_VARIABLE_SHARED, shared ? "1" : "", 1) != ESPANK_SUCCESS) {
		free(program);
		dprintf(STDERR_FILENO, "rain: --stage-out: Slurm doesn't take what rain-stage needs\n");
		return RAIN_STAGE_EXIT_FAILED;
	}
	argv[0] = program; /* for the rest of this process, which execs it */
	return 0;
}

int rain_spank_stage_begin(spank_t spank, const struct rain_spank_settings *settings)
{
	const char *in = rain_spank_option_value(spank, RAIN_OPTION_STAGE_IN);
	const char *out = rain_spank_option_value(spank, RAIN_OPTION_STAGE_OUT);
	char **argv, **environment;
	int argc, result = 0;

	if (!in && !out)
		return 0;
	if (spank_get_item(spank, S_JOB_ARGV, &argc, &argv) != ESPANK_SUCCESS || argc < 1 ||
	    spank_get_item(spank, S_JOB_ENV, &environment) != ESPANK_SUCCESS) {
		dprintf(STDERR_FILENO, "rain: Slurm doesn't tell what this task is\n");
		return EXIT_CANT_EXEC;
	}
	if (in)
		result = bring(spank, settings, in, environment);
	spank_unsetenv(spank, WORD);
	if (result != 0 && result != RAIN_STAGE_EXIT_SHARED)
		return result;
	return out ? surround(spank, settings, out, result == RAIN_STAGE_EXIT_SHARED, argv) : 0;
}

bool rain_spank_stage_is_ours(spank_t spank)
{
	char name[sizeof RAIN_STAGE_JOB_NAME];

	/* a longer name than fits is another one */
	return spank_getenv(spank, "SLURM_JOB_NAME", name, (int)sizeof name) == ESPANK_SUCCESS &&
	       strcmp(name, RAIN_STAGE_JOB_NAME) == 0;
}

bool rain_spank_stage_is_head(int argc, char *const argv[])
{
	return argc >= 2 && strcmp(argv[0], RAIN_STAGE_PROGRAM) == 0 && strcmp(argv[1], "--head") == 0;
}
