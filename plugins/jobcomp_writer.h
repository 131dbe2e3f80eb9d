/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_JOBCOMP_WRITER_H
#define RAIN_PLUGINS_JOBCOMP_WRITER_H

#include <stdbool.h>

#include "common/error.h"
#include "plugins/jobcomp_record.h"

/*
 * Appends records of ended runs to the spool in a directory (accounting/spool_writer.h)
 * from a thread of its own, so that slurmctld never waits for a disk.  What waits at
 * the same moment is made durable together, and stays in memory until it is; what can't
 * be written is tried again, ever more slowly.
 */
struct rain_jobcomp_writer;

/* Called from the writer's thread and from _add, with a whole sentence. */
typedef void (*rain_jobcomp_log)(bool is_error, const char *sentence);

/* Records that wait may take this much memory; more are given up, with an
 * error in the log: about 200,000 runs. */
#define RAIN_JOBCOMP_WAITING_MAX (128u * 1024 * 1024)

/* NULL with err when the thread can't be started. The directory may be
 * missing, now or later. */
struct rain_jobcomp_writer *rain_jobcomp_writer_create(const char *directory,
						       rain_jobcomp_log log,
						       struct rain_error *err);

/* Where the next records go. */
int rain_jobcomp_writer_move(struct rain_jobcomp_writer *writer, const char *directory,
			     struct rain_error *err);

/* Takes a copy of the run, without a lock or a system call; from one thread at a
 * time. -1 (logged) when it had to be given up. */
int rain_jobcomp_writer_add(struct rain_jobcomp_writer *writer,
			    const struct rain_jobcomp_run *run);

/* Writes what still waits and ends the thread; the first record that can't be
 * written now ends that, and the log says how many are lost. NULL is fine. */
void rain_jobcomp_writer_destroy(struct rain_jobcomp_writer *writer);

#endif
