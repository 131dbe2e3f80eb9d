/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-sandbox: runs a guest's program where it can see and reach only its own
 * job.  Whatever can't be set up as it must be ends it: nothing of the guest's
 * ever runs outside. */
#include "federation/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "federation/sandbox_filter.h"

#define PROGRAM RAIN_LIBEXECDIR "/rain-sandbox"
#define ACCOUNTS_MAX (8 * 1024 * 1024)

static const char help[] =
	"Usage: rain-sandbox --job JOBID --environment-fd N [OPTION]... -- COMMAND [ARG]...\n"
	"Runs a guest job's COMMAND in RAIN's sandbox on this node.\n"
	"\n"
	"  --job JOBID          the guest job, whose directory rain-guest-guard has made\n"
	"  --environment-fd N   descriptor with the command's environment (NAME=VALUE, each\n"
	"                       ended by a NUL); this program's own is not passed on\n"
	"  --pmix-dir DIR       directory of the step's PMIx server\n"
	"  --control-fd N       socket for signals to the command and its end\n"
	"  --help, --version\n"
	"\n"
	"It is started by Slurm (the SPANK plugin) and by rain-agent, not by people.\n"
	"Exit status: that of COMMAND (128 + N when signal N ended it), 126 or 127 when\n"
	"it can't be run, 1 when the sandbox can't be set up (then nothing has run).\n";

struct sandbox {
	long job;
	int environment_fd, control_fd, sockets_fd;
	const char *pmix_dir, *inside_job_dir;
	bool inside;
	char job_dir[256], shm_dir[64], cwd[4096];
	char *appdirs[RAIN_SANDBOX_APPDIRS_MAX + 1];
	size_t appdir_count;
	char links[8][64];
};

static int number_option(const char *name, const char *text, long max, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	if (errno || end == text || *end || *value < 0 || *value > max)
		return rain_cli_usage("--%s must be a number from 0 to %ld, not \"%.40s\"", name,
				      max, text);
	return 0;
}

static int options_read(struct sandbox *sandbox, int argc, char *argv[])
{
	static const struct option options[] = {
		{"job", required_argument, NULL, 'j'},
		{"environment-fd", required_argument, NULL, 'e'},
		{"control-fd", required_argument, NULL, 'c'},
		{"sockets-fd", required_argument, NULL, 's'}, /* only inside */
		{"pmix-dir", required_argument, NULL, 'p'},
		{"inside", no_argument, NULL, 'i'},
		{"job-dir", required_argument, NULL, 'd'},
		{0},
	};
	long value;
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (option) {
		case 'j':
			if (number_option("job", optarg, UINT32_MAX, &sandbox->job))
				return RAIN_EXIT_USAGE;
			break;
		case 'e':
		case 'c':
		case 's':
			if (number_option(option == 'e'	  ? "environment-fd"
					  : option == 'c' ? "control-fd"
							  : "sockets-fd",
					  optarg, 65535, &value))
				return RAIN_EXIT_USAGE;
			*(option == 'e'	  ? &sandbox->environment_fd
			  : option == 'c' ? &sandbox->control_fd
					  : &sandbox->sockets_fd) = (int)value;
			break;
		case 'p':
			sandbox->pmix_dir = optarg;
			break;
		case 'i':
			sandbox->inside = true;
			break;
		case 'd':
			sandbox->inside_job_dir = optarg;
			break;
		default:
			return rain_cli_usage("an option is wrong");
		}
	}
	if (optind >= argc)
		return rain_cli_usage("there is no command");
	if (sandbox->environment_fd < 0)
		return rain_cli_usage("--environment-fd is missing");
	if (sandbox->inside ? !sandbox->inside_job_dir || sandbox->sockets_fd < 0
			    : sandbox->job <= 0)
		return rain_cli_usage("--job is missing");
	return 0;
}

/* A directory that is really one, and really ours. */
static int check_own_directory(const char *path, struct rain_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return rain_error_set(err,
				      "can't find %s: %s; rain-guest-guard must be Slurm's Prolog "
				      "on this node",
				      path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != getuid())
		return rain_error_set(err, "%s is not a directory of this job's user", path);
	return 0;
}

static int find_directories(struct sandbox *sandbox, struct rain_error *err)
{
	size_t length;

	snprintf(sandbox->job_dir, sizeof(sandbox->job_dir), "%s/%ld", RAIN_GUEST_SPOOL,
		 sandbox->job);
	snprintf(sandbox->shm_dir, sizeof(sandbox->shm_dir), "%s%ld", RAIN_GUEST_SHM, sandbox->job);
	if (check_own_directory(sandbox->job_dir, err) < 0 ||
	    check_own_directory(sandbox->shm_dir, err) < 0)
		return -1;
	if (sandbox->pmix_dir && check_own_directory(sandbox->pmix_dir, err) < 0)
		return -1;
	/* Where the step was started, when that is inside. */
	length = strlen(sandbox->job_dir);
	if (!getcwd(sandbox->cwd, sizeof(sandbox->cwd)) ||
	    strncmp(sandbox->cwd, sandbox->job_dir, length) != 0 || sandbox->cwd[length] != '/')
		snprintf(sandbox->cwd, sizeof(sandbox->cwd), "%s/work", sandbox->job_dir);
	return 0;
}

/* Slurm's PMIx plugin makes /tmp/spmix_appdir_UID_JOB.STEP for each step. */
static int find_appdirs(struct sandbox *sandbox, struct rain_error *err)
{
	DIR *tmp = opendir("/tmp");
	char prefix[64];
	struct dirent *entry;

	if (!tmp)
		return rain_error_set(err, "can't read /tmp: %s", strerror(errno));
	snprintf(prefix, sizeof(prefix), "spmix_appdir_%u_%ld.", getuid(), sandbox->job);
	while (sandbox->appdir_count < RAIN_SANDBOX_APPDIRS_MAX && (entry = readdir(tmp))) {
		char *path;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		if (asprintf(&path, "/tmp/%s", entry->d_name) < 0) {
			closedir(tmp);
			return rain_error_set(err, "out of memory");
		}
		if (check_own_directory(path, NULL) < 0)
			free(path);
		else
			sandbox->appdirs[sandbox->appdir_count++] = path;
	}
	closedir(tmp);
	return 0;
}

static void find_links(struct sandbox *sandbox, struct rain_sandbox_plan *plan)
{
	for (size_t i = 0; rain_sandbox_root_names[i]; i++) {
		const char *name = rain_sandbox_root_names[i];
		ssize_t length = readlink(name, sandbox->links[i], sizeof(sandbox->links[i]) - 1);

		if (length >= 0) {
			sandbox->links[i][length] = '\0';
			plan->root_links[i] = sandbox->links[i];
		} else {
			plan->root_links[i] = access(name, F_OK) == 0 ? "" : NULL;
		}
	}
}

static int data_fd(const char *text, struct rain_error *err)
{
	int fd = memfd_create("rain-sandbox", 0); /* bubblewrap inherits it */

	if (fd < 0 || rain_file_write_fd(fd, text, strlen(text), err) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return rain_error_set(err, "can't keep a file in memory: %s", strerror(errno));
	return fd;
}

/* A table of accounts without the people of this cluster. */
static int accounts_fd(const char *path, const char *own_line, long id, struct rain_error *err)
{
	size_t size;
	char *text = rain_file_read(path, ACCOUNTS_MAX, &size, err), *shown;
	int fd;

	if (!text)
		return -1;
	shown = rain_sandbox_accounts(text, own_line, id);
	free(text);
	if (!shown)
		return rain_error_set(err, "out of memory");
	fd = data_fd(shown, err);
	free(shown);
	return fd;
}

static int make_files(const struct sandbox *sandbox, struct rain_sandbox_plan *plan,
		      struct rain_error *err)
{
	const struct passwd *user = getpwuid(getuid());
	char name[33], line[512];

	snprintf(name, sizeof(name), "%s", user ? user->pw_name : "guest");
	snprintf(line, sizeof(line), "%s:x:%u:%u::%s/work:/bin/sh\n", name, getuid(), getgid(),
		 sandbox->job_dir);
	plan->passwd_fd = accounts_fd("/etc/passwd", line, (long)getuid(), err);
	snprintf(line, sizeof(line), "%s:x:%u:\n", name, getgid());
	plan->group_fd = accounts_fd("/etc/group", line, (long)getgid(), err);
	plan->nsswitch_fd = data_fd("passwd: files\ngroup: files\nhosts: files\n", err);
	return plan->passwd_fd < 0 || plan->group_fd < 0 || plan->nsswitch_fd < 0 ? -1 : 0;
}

/* Only what is meant to: every other descriptor of slurmstepd or the agent
 * would be a hole in the wall. */
static int close_others(const struct rain_sandbox_plan *plan, struct rain_error *err)
{
	const int keep[] = {plan->passwd_fd, plan->group_fd, plan->nsswitch_fd,
			    plan->environment_fd, plan->control_fd, plan->sockets_fd};

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return rain_error_set(err, "can't close what is open: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(keep) / sizeof(*keep); i++)
		if (keep[i] >= 0 && fcntl(keep[i], F_SETFD, 0) < 0)
			return rain_error_set(err, "can't pass descriptor %d on: %s", keep[i],
					      strerror(errno));
	return 0;
}

/* See signals_reset() on the inside. */
static void signals_ignore(void)
{
	static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
				      SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		signal(numbers[i], SIG_IGN);
}

static int enter(struct sandbox *sandbox, char *const command[])
{
	struct rain_sandbox_plan plan = {
		.bwrap = RAIN_BWRAP,
		.self = PROGRAM,
		.job_dir = sandbox->job_dir,
		.shm_dir = sandbox->shm_dir,
		.chdir = sandbox->cwd,
		.pmix_dir = sandbox->pmix_dir,
		.environment_fd = sandbox->environment_fd,
		.control_fd = sandbox->control_fd,
		.terminal = isatty(STDIN_FILENO) == 1,
		.command = command,
	};
	char *clean[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	struct rain_error err;
	char **argv;

	if (getuid() == 0 || geteuid() != getuid()) {
		rain_error_set(&err, "it is for guests, never for root");
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	if (find_directories(sandbox, &err) < 0 || find_appdirs(sandbox, &err) < 0 ||
	    make_files(sandbox, &plan, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	plan.sockets_fd = rain_sandbox_sockets_start(&err);
	if (plan.sockets_fd < 0 || close_others(&plan, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	memcpy(plan.appdirs, sandbox->appdirs, sizeof(plan.appdirs));
	find_links(sandbox, &plan);
	argv = rain_sandbox_argv(&plan, &err);
	if (!argv)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	signals_ignore();
	execve(argv[0], argv, clean);
	rain_error_set(&err, "can't start %s: %s", argv[0], strerror(errno));
	return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
}

int main(int argc, char *argv[])
{
	struct sandbox sandbox = {.environment_fd = -1, .control_fd = -1, .sockets_fd = -1};
	int result;

	rain_cli_standard_options(argc, argv, help);
	result = options_read(&sandbox, argc, argv);
	if (result)
		return result;
	if (sandbox.inside)
		return rain_sandbox_inside(sandbox.inside_job_dir, sandbox.environment_fd,
					   sandbox.control_fd, sandbox.sockets_fd, argv + optind);
	return enter(&sandbox, argv + optind);
}
