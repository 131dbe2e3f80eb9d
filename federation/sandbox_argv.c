/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const rain_sandbox_root_names[] = {"/bin",   "/sbin",   "/lib",    "/lib32",
					       "/lib64", "/libx32", "/libo32", NULL};

/* Of /etc only what programs need to run: no keys, no shadow, no lists of
 * people, nothing of the daemons. */
static const char *const etc_shown[] = {
	"alternatives",   "bash.bashrc",
	"debian_version", "gai.conf",
	"host.conf",      "hostname",
	"hosts",          "inputrc",
	"ld.so.cache",    "ld.so.conf",
	"ld.so.conf.d",   "localtime",
	"magic",          "networks",
	"openmpi",        "openmpi-mca-params.conf",
	"os-release",     "pmix-mca-params.conf",
	"profile",        "profile.d",
	"protocols",      "rpc",
	"services",       "slurm",
	"timezone",       NULL,
};

/* Where srun finds its way: munge's socket and a configless slurm.conf. Not
 * one of RAIN's own sockets. */
static const char *const run_shown[] = {"/run/munge", "/run/slurm/conf", NULL};

struct words {
	char **list;
	size_t count, size;
	bool failed;
};

static void add(struct words *words, const char *word)
{
	if (words->failed)
		return;
	if (words->count + 1 >= words->size) {
		size_t size = words->size ? 2 * words->size : 128;
		char **list = realloc(words->list, size * sizeof(*list));

		if (!list) {
			words->failed = true;
			return;
		}
		words->list = list;
		words->size = size;
	}
	words->list[words->count] = strdup(word);
	if (!words->list[words->count])
		words->failed = true;
	else
		words->list[++words->count] = NULL;
}

static void add2(struct words *words, const char *a, const char *b)
{
	add(words, a);
	add(words, b);
}

static void add3(struct words *words, const char *a, const char *b, const char *c)
{
	add2(words, a, b);
	add(words, c);
}

static void add_number(struct words *words, const char *option, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	add2(words, option, text);
}

static void add_data(struct words *words, int fd, const char *path)
{
	add2(words, "--perms", "0644");
	add_number(words, "--ro-bind-data", fd);
	add(words, path);
}

static void add_isolation(struct words *words, const struct rain_sandbox_plan *plan)
{
	/* No --unshare-net: ranks talk over the node's network, which the
	 * node's own rules (rain-guest-guard) narrow to the job's nodes. */
	add(words, "--unshare-user");
	add(words, "--disable-userns");
	add(words, "--unshare-pid");
	/* Else bubblewrap's own process would be the first, without our filter. */
	add(words, "--as-pid-1");
	add(words, "--unshare-ipc");
	add(words, "--unshare-cgroup-try");
	add2(words, "--cap-drop", "ALL");
	add(words, "--die-with-parent");
	/* Without a session of its own it could type into the terminal of
	 * whoever started it; srun --pty gives it a terminal of its own. */
	if (!plan->terminal)
		add(words, "--new-session");
}

static void add_system(struct words *words, const struct rain_sandbox_plan *plan)
{
	char path[64];

	add3(words, "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; rain_sandbox_root_names[i]; i++) {
		const char *link = plan->root_links[i];

		if (link && *link)
			add3(words, "--symlink", link, rain_sandbox_root_names[i]);
		else if (link)
			add3(words, "--ro-bind", rain_sandbox_root_names[i],
			     rain_sandbox_root_names[i]);
	}
	for (size_t i = 0; etc_shown[i]; i++) {
		snprintf(path, sizeof(path), "/etc/%s", etc_shown[i]);
		add3(words, "--ro-bind-try", path, path);
	}
	add_data(words, plan->passwd_fd, "/etc/passwd");
	add_data(words, plan->group_fd, "/etc/group");
	add_data(words, plan->nsswitch_fd, "/etc/nsswitch.conf");
	if (strncmp(plan->self, "/usr/", 5) != 0)
		add3(words, "--ro-bind", plan->self, plan->self);
	add2(words, "--proc", "/proc");
	add2(words, "--dev", "/dev");
	/* Processors and memory, for hwloc; nothing else of /sys. */
	add3(words, "--ro-bind-try", "/sys/devices/system", "/sys/devices/system");
}

static void add_own(struct words *words, const struct rain_sandbox_plan *plan)
{
	static const char *const empty[] = {"/home", "/root", "/var", "/run", NULL};
	char tmp[256];

	/* One /tmp for all tasks of the job on this node. */
	snprintf(tmp, sizeof(tmp), "%s/tmp", plan->job_dir);
	add3(words, "--bind", tmp, "/tmp");
	add3(words, "--bind", plan->shm_dir, "/dev/shm");
	add2(words, "--remount-ro", "/dev");
	for (size_t i = 0; empty[i]; i++) {
		add2(words, "--size", "65536");
		add2(words, "--tmpfs", empty[i]);
	}
	add3(words, "--symlink", "../tmp", "/var/tmp");
	add3(words, "--symlink", "../run", "/var/run");
	for (size_t i = 0; run_shown[i]; i++)
		add3(words, "--ro-bind-try", run_shown[i], run_shown[i]);
	add3(words, "--bind", plan->job_dir, plan->job_dir);
	if (plan->pmix_dir)
		add3(words, "--bind", plan->pmix_dir, plan->pmix_dir);
	for (size_t i = 0; plan->appdirs[i]; i++)
		add3(words, "--bind", plan->appdirs[i], plan->appdirs[i]);
	for (size_t i = 0; empty[i]; i++)
		add2(words, "--remount-ro", empty[i]);
	add2(words, "--remount-ro", "/");
	add2(words, "--chdir", plan->chdir);
}

static void add_command(struct words *words, const struct rain_sandbox_plan *plan)
{
	add3(words, "--", plan->self, "--inside");
	add2(words, "--job-dir", plan->job_dir);
	add_number(words, "--environment-fd", plan->environment_fd);
	add_number(words, "--sockets-fd", plan->sockets_fd);
	if (plan->control_fd >= 0)
		add_number(words, "--control-fd", plan->control_fd);
	add(words, "--");
	for (size_t i = 0; plan->command[i]; i++)
		add(words, plan->command[i]);
}

char **rain_sandbox_argv(const struct rain_sandbox_plan *plan, struct rain_error *err)
{
	struct words words = {0};

	add(&words, plan->bwrap);
	add_isolation(&words, plan);
	add_system(&words, plan);
	add_own(&words, plan);
	add_command(&words, plan);
	if (words.failed) {
		rain_sandbox_argv_free(words.list);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	return words.list;
}

void rain_sandbox_argv_free(char **argv)
{
	if (!argv)
		return;
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
}

int rain_sandbox_environment(struct rain_environment *environment, const char *job_dir,
			     const char *user, struct rain_error *err)
{
	char home[256];

	snprintf(home, sizeof(home), "%s/work", job_dir);
	if (rain_environment_set(environment, "HOME", home, err) < 0 ||
	    rain_environment_set(environment, "USER", user, err) < 0 ||
	    rain_environment_set(environment, "LOGNAME", user, err) < 0 ||
	    rain_environment_set(environment, "SHELL", "/bin/sh", err) < 0 ||
	    rain_environment_set(environment, "TMPDIR", "/tmp", err) < 0)
		return -1;
	if (!rain_environment_get(environment, "PATH") &&
	    rain_environment_set(environment, "PATH", "/usr/local/bin:/usr/bin:/bin", err) < 0)
		return -1;
	/* The ranks of a node are in different user namespaces, and may not read
	 * each other's memory. */
	if (rain_environment_set(environment, "OMPI_MCA_btl_vader_single_copy_mechanism", "none",
				 err) < 0)
		return -1;
	/* A guest's waiting ranks leave the processor to the owner's. */
	if (!rain_environment_get(environment, "OMPI_MCA_mpi_yield_when_idle") &&
	    rain_environment_set(environment, "OMPI_MCA_mpi_yield_when_idle", "1", err) < 0)
		return -1;
	return 0;
}

/* Where the field after `skip` colons begins, or NULL. */
static const char *field(const char *line, size_t length, int skip)
{
	const char *end = line + length;

	while (line && skip-- > 0) {
		line = memchr(line, ':', (size_t)(end - line));
		line = line ? line + 1 : NULL;
	}
	return line;
}

static bool contains(const char *from, const char *end, const char *word)
{
	return from && memmem(from, (size_t)(end - from), word, strlen(word));
}

static bool line_is_shown(const char *line, size_t length, long own)
{
	const char *number = field(line, length, 2), *shell = field(line, length, 6);
	long id = number ? strtol(number, NULL, 10) : -1;

	if (id < 0 || id == own)
		return false; /* its own is added by the caller */
	/* Daemons, Slurm's among them: without it, srun refuses slurm.conf. */
	return id < 1000 || id == 65534 || contains(shell, line + length, "nologin") ||
	       contains(shell, line + length, "/false") || !strncmp(line, "slurm:", 6) ||
	       !strncmp(line, "munge:", 6);
}

char *rain_sandbox_accounts(const char *text, const char *own_line, long id)
{
	char *result = malloc(strlen(text) + strlen(own_line) + 2), *at = result;

	if (!result)
		return NULL;
	while (*text) {
		size_t length = strcspn(text, "\n");
		bool group = !field(text, length, 4);
		const char *members = field(text, length, 3);

		if (members && line_is_shown(text, length, id)) {
			size_t shown = group ? (size_t)(members - text) : length;

			memcpy(at, text, shown);
			at += shown;
			*at++ = '\n';
		}
		text += length + (text[length] == '\n');
	}
	strcpy(at, own_line);
	return result;
}
