// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/system.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

#define TEXT_SIZE 128

struct rain_system {
	char arch[RAIN_ARCH_SIZE], gres[TEXT_SIZE], slurm[32], pmix[32], open_mpi[32];
	int64_t cores;
	/* the process that looks for libraries */
	struct event *readable;
	pid_t pid;
	char text[TEXT_SIZE];
	size_t size;
};

/* The number behind `name` in what a library says of itself: "Open MPI v4.1.4, package …". */
static void print_version(FILE *out, const char *key, const char *said, const char *name)
{
	const char *at = said ? strstr(said, name) : NULL;

	if (!at)
		return;
	at += strlen(name);
	at += strspn(at, " v");
	fprintf(out, "%s %.*s\n", key, (int)strspn(at, "0123456789."), at);
}

static void look_for_pmix(FILE *out)
{
	void *library = dlopen("libpmix.so.2", RTLD_LAZY | RTLD_LOCAL);
	const char *(*version)(void) = NULL;

	if (library)
		*(void **)&version = dlsym(library, "PMIx_Get_version");
	if (version)
		print_version(out, "pmix", version(), "PMIx");
}

/* MPI allows this call before MPI_Init(). */
static void look_for_open_mpi(FILE *out)
{
	void *library = dlopen("libmpi.so.40", RTLD_LAZY | RTLD_LOCAL);
	int (*version)(char *text, int *length) = NULL;
	char text[8192] = ""; /* MPI_MAX_LIBRARY_VERSION_STRING is less everywhere */
	int length = 0;

	if (library)
		*(void **)&version = dlsym(library, "MPI_Get_library_version");
	if (version && version(text, &length) == 0)
		print_version(out, "open_mpi", text, "Open MPI");
}

/* Megabytes that only this needs, and constructors of strangers: not in the daemon. */
__attribute__((noreturn)) static void look(int fd)
{
	FILE *out = fdopen(fd, "w");

	signal(SIGTERM, SIG_DFL);
	alarm(60);
	if (!out)
		_exit(1);
	look_for_pmix(out);
	look_for_open_mpi(out);
	_exit(fclose(out) ? 1 : 0);
}

static void read_found(struct rain_system *system)
{
	char *next = system->text, *line;

	while ((line = strsep(&next, "\n"))) {
		sscanf(line, "pmix %31s", system->pmix);
		sscanf(line, "open_mpi %31s", system->open_mpi);
	}
}

static void done(struct rain_system *system)
{
	int fd = event_get_fd(system->readable);

	event_free(system->readable);
	system->readable = NULL;
	close(fd);
	while (waitpid(system->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_system *system = rain_mind_of(gateway)->system;
	ssize_t got = read(fd, system->text + system->size, sizeof(system->text) - 1 - system->size);

	(void)what;
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got > 0)
		system->size += (size_t)got;
	if (got > 0 && system->size < sizeof(system->text) - 1)
		return;
	done(system);
	system->text[system->size] = '\0';
	read_found(system);
	rain_log_debug("libraries libc=%s pmix=%s open_mpi=%s", gnu_get_libc_version(), system->pmix,
		       system->open_mpi);
	if (rain_peers_are_loaded(gateway->peers))
		rain_peers_card_announce(gateway);
}

int rain_system_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_system *system = calloc(1, sizeof(*system));
	int fds[2] = {-1, -1};

	rain_mind_of(gateway)->system = system;
	if (!system || pipe2(fds, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't look for libraries: %s", strerror(errno));
	system->readable = event_new(gateway->base, fds[0], EV_READ | EV_PERSIST, on_readable, gateway);
	system->pid = system->readable ? fork() : -1;
	if (system->pid == 0)
		look(fds[1]);
	close(fds[1]);
	if (system->pid > 0 && event_add(system->readable, NULL) == 0)
		return 0;
	return rain_error_set(err, "can't look for libraries: %s", strerror(errno));
}

void rain_system_stop(struct rain_gateway *gateway)
{
	struct rain_system *system = rain_mind_of(gateway)->system;

	if (system && system->readable && system->pid > 0) {
		kill(system->pid, SIGKILL);
		done(system);
	}
	free(system);
	rain_mind_of(gateway)->system = NULL;
}

static bool take(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	char before[TEXT_SIZE];

	snprintf(before, sizeof(before), "%s", to);
	snprintf(to, size, "%s", text ? text : "");
	return strcmp(before, to) != 0;
}

bool rain_system_seen(struct rain_gateway *gateway, const json_t *capacity)
{
	struct rain_system *system = rain_mind_of(gateway)->system;
	int64_t cores = json_integer_value(json_object_get(capacity, "cpus_total"));
	bool changed = cores != system->cores;

	system->cores = cores;
	changed |= take(system->arch, sizeof(system->arch), capacity, "arch");
	changed |= take(system->gres, sizeof(system->gres), capacity, "gres");
	changed |= take(system->slurm, sizeof(system->slurm), capacity, "slurm");
	return changed;
}

static void tell(json_t *card, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(card, key, json_string(text));
}

json_t *rain_system_card(const struct rain_gateway *gateway)
{
	const struct rain_system *system = rain_mind_of(gateway)->system;
	json_t *card = json_object();

	tell(card, "arch", system->arch);
	if (system->cores > 0)
		json_object_set_new(card, "cores", json_integer(system->cores));
	tell(card, "gres", system->gres);
	tell(card, "slurm", system->slurm);
	tell(card, "pmix", system->pmix);
	tell(card, "open_mpi", system->open_mpi);
	tell(card, "libc", gnu_get_libc_version());
	return card;
}
