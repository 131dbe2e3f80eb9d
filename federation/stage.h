/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_STAGE_H
#define RAIN_FEDERATION_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "federation/bundle.h"
#include "federation/digest.h"
#include "federation/options.h"

/*
 * rain-stage in parts: --stage-in and --stage-out of jobs that run at home, on
 * nodes that may or may not share the head's files (doc/protocol.txt, section 14).
 * All of it runs as the job's user.
 */

#define RAIN_STAGE_PROGRAM RAIN_LIBEXECDIR "/rain-stage"
#define RAIN_STAGE_EXIT_FAILED 125 /* RAIN failed, as rain-relay says it */
#define RAIN_STAGE_EXIT_SHARED 10  /* --in: the nodes see the head's directory */
#define RAIN_STAGE_EXIT_NOT 11	   /* --node --check: this node doesn't */

#define RAIN_STAGE_PROBE_PREFIX ".rain-probe-"

/* --- stage_wire.c: what the ends of srun's pipes say to each other --- */
enum rain_stage_type {
	RAIN_STAGE_PROBE = 'P',	 /* head: the name of a file that is in its directory now, or "" */
	RAIN_STAGE_PLAIN = 'A',	 /* a bundle of what keeps its path, wished or coming */
	RAIN_STAGE_PLACED = 'B', /* … of what arrives under another one */
	RAIN_STAGE_DATA = 'D',	 /* a piece of a bundle */
	RAIN_STAGE_END = 'E',	 /* its SHA-256, or "" where there is none: well done */
	RAIN_STAGE_FAILED = 'F', /* a sentence: it came to nothing */
};
#define RAIN_STAGE_RECORD_MAX 65536
#define RAIN_STAGE_BUFFER_SIZE (RAIN_STAGE_RECORD_MAX + 1)

int rain_stage_write(int fd, enum rain_stage_type type, const void *data, size_t size,
		     struct rain_error *err);
/* Reads a record and puts a NUL behind it. -1 with err, also at the end. */
int rain_stage_read(int fd, enum rain_stage_type *type, char *buffer, size_t *size,
		    struct rain_error *err);
/* The same where only one type will do. RAIN_STAGE_TOLD with err when it is the other
 * side's failure. */
#define RAIN_STAGE_TOLD (-2)
int rain_stage_expect(int fd, enum rain_stage_type type, char *buffer, size_t *size,
		      struct rain_error *err);

/* --- stage_stream.c: bundles in records --- */

/* Packs (as rain_bundle_pack) into data records and an end; an error goes to the
 * other side, too. */
int rain_stage_give(int fd, int root, const char *const items[], size_t count, bool allow_missing,
		    const struct rain_bundle_seen *seen, struct rain_bundle_summary *summary,
		    struct rain_error *err);
/* Unpacks (as rain_bundle_unpack) up to the end; nothing lands unless all came. While it
 * lands, `landing` (may be NULL) is locked. */
int rain_stage_take(int fd, int into, rain_bundle_accept accept, void *arg,
		    pthread_mutex_t *landing, struct rain_error *err);
/* Copies a bundle's records, or (out -1) drops them. RAIN_STAGE_TOLD with err when the
 * last one is the giver's failure. */
int rain_stage_pass(int in, int out, struct rain_error *err);

/* --- stage_look.c: lists and directories --- */

/* True for what keeps its path; the others arrive under another one. */
bool rain_stage_is_plain(const char *item);
/* Those items of the list, borrowed. Returns how many. */
size_t rain_stage_items(const struct rain_stage_list *list, bool plain,
			const char *items[static RAIN_STAGE_ITEMS_MAX]);
/* A word for the files of the list as they are: the same word elsewhere means the
 * same files. -1 with err when an item names nothing or can't be read. */
int rain_stage_look(int root, const struct rain_stage_list *list, struct rain_digest *word,
		    struct rain_error *err);
/* Opens the absolute `path`; with `create`, makes what is missing of it. */
int rain_stage_directory(const char *path, bool create, struct rain_error *err);
bool rain_stage_probe_seen(int directory, const char *probe);

/* --- stage_slurm.c: the job, and programs of Slurm with pipes --- */
struct rain_stage_job {
	uint32_t id;
	uint32_t nodes, minutes; /* minutes: until its end */
	int64_t started;	 /* s since 1970; of this run */
	char *directory;	 /* its working directory */
	char *partition;
};
/* Asks Slurm about a job; id NULL: the one that this process is in. */
int rain_stage_job_load(struct rain_stage_job *job, const char *id, struct rain_error *err);
/* 1 while it is the same run as when it was loaded (until its nodes are cleaned up), 0 when
 * it isn't, -1: unknown. */
int rain_stage_job_runs(uint32_t id, int64_t started);
void rain_stage_job_release(struct rain_stage_job *job);

struct rain_stage_child {
	pid_t pid;
	int to, from; /* its stdin and stdout */
	int log;      /* its stderr, in memory */
};
/* Removes what earlier ones that were killed have left in a working directory. */
void rain_stage_sweep(int directory);
/* rain-stage --head on a virtual node; `what` is "--give" or "--take". */
int rain_stage_head_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			  const char *partition, const char *what, const char *list,
			  struct rain_error *err);
/* The same giving, by a process on this host. */
int rain_stage_giver_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			   const char *list, struct rain_error *err);
/* rain-stage --node on each node of the job: `what` is "--check" or "--serve", `sign`
 * "--word=" or "--probe=", and its value. */
int rain_stage_nodes_start(struct rain_stage_child *child, const struct rain_stage_job *job,
			   const char *what, const char *sign, const char *value, const char *list,
			   struct rain_error *err);
/* Closes its pipes and waits. Returns its exit code; -1 with err, where its own
 * words are, when it is another than 0 and `allowed`. */
int rain_stage_child_end(struct rain_stage_child *child, const char *what, int allowed,
			 struct rain_error *err);

/* --- the parts of the program: each returns its exit code --- */
struct rain_stage_options {
	const char *partition, *directory, *probe, *word, *job;
	const char *list_text; /* as given */
	struct rain_stage_list list;
	bool here; /* this is no node of the job but the host with the files */
};
int rain_stage_in(const struct rain_stage_options *options);
int rain_stage_node_check(const struct rain_stage_options *options);
int rain_stage_node_serve(const struct rain_stage_options *options);
int rain_stage_head_give(const struct rain_stage_options *options);
int rain_stage_head_take(const struct rain_stage_options *options);
/* In place of the job's script, for what it leaves.  The plugin says by these which
 * script it is, what it is to leave, where the head is, and whether it is known (not "")
 * that the nodes see the head's directory. argv has the script's arguments. */
#define RAIN_STAGE_VARIABLE_SCRIPT "RAIN_STAGE_SCRIPT"
#define RAIN_STAGE_VARIABLE_LIST "RAIN_STAGE_LEAVES"
#define RAIN_STAGE_VARIABLE_PARTITION "RAIN_STAGE_PARTITION"
#define RAIN_STAGE_VARIABLE_SHARED "RAIN_STAGE_SHARED"
int rain_stage_script(char *argv[]);

#endif
