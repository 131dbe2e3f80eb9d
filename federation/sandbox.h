/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_SANDBOX_H
#define RAIN_FEDERATION_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "federation/environment.h"

/*
 * The sandbox of a guest's program, and how its parts fit together:
 *
 *   rain-sandbox --job N --environment-fd E … -- CMD      clean environment
 *     bwrap …                                             makes the namespaces
 *       rain-sandbox --inside --environment-fd E … -- CMD the guest's environment,
 *         CMD                                             limits, signals, filter
 *
 * Inside, / is an empty file system into which the system's programs are put
 * read-only, and the job's own directory writable.  See sandbox_argv.c for
 * every single thing that a guest can see.
 */

#define RAIN_GUEST_SPOOL RAIN_SPOOLDIR "/guest"

/* Directories of a job on a node, made by rain-guest-guard: spool/JOB with
 * work/ and tmp/ inside, and the job's part of /dev/shm. */
#define RAIN_GUEST_SHM "/dev/shm/rain-guest-"

#define RAIN_SANDBOX_APPDIRS_MAX 16

struct rain_sandbox_plan {
	const char *bwrap;	 /* absolute paths of the two programs */
	const char *self;
	const char *job_dir;
	const char *shm_dir;
	const char *chdir;	 /* inside job_dir */
	const char *pmix_dir;	 /* NULL: the step has none */
	const char *appdirs[RAIN_SANDBOX_APPDIRS_MAX + 1]; /* PMIx's directories in /tmp */
	/* "/bin", "/lib" …: where the link leads, "" for a directory, NULL: absent */
	const char *root_links[8];
	int passwd_fd, group_fd, nsswitch_fd; /* generated files */
	int environment_fd;
	int control_fd;		 /* -1: none */
	int sockets_fd;		 /* to the maker of sockets: sandbox_filter.h */
	bool terminal;		 /* the task has one and needs its session */
	char *const *command;
};

/* The directories that may be links, in the order of root_links. */
extern const char *const rain_sandbox_root_names[];

/* The command line of bubblewrap. Pure. The caller frees the array with
 * rain_sandbox_argv_free. */
char **rain_sandbox_argv(const struct rain_sandbox_plan *plan, struct rain_error *err);
void rain_sandbox_argv_free(char **argv);

/* What the program finds in its environment besides what it was given. Pure. */
int rain_sandbox_environment(struct rain_environment *environment, const char *job_dir,
			     const char *user, struct rain_error *err);

/* What of the user and group tables a guest may see: system accounts and
 * itself, not the people of this cluster.  `text` is the table, `id` the
 * guest's. The caller frees the result. Pure. */
char *rain_sandbox_accounts(const char *text, const char *own_line, long id);

/* On the control socket: the agent writes a signal number as one byte each, SIGTERM of
 * its own Slurm with the flag; the inside writes this once, when the program has ended. */
#define RAIN_SANDBOX_SLURMS 0x80
struct rain_sandbox_end {
	int32_t code; /* 0..255, or -1 when a signal ended it */
	int32_t signal;
};

/* The part that runs inside: never returns. */
int rain_sandbox_inside(const char *job_dir, int environment_fd, int control_fd,
			int sockets_fd, char *const command[]);

#endif
