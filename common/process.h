/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_PROCESS_H
#define RAIN_COMMON_PROCESS_H

#include <stddef.h>

#include "common/error.h"

struct rain_process_result {
	int exit_code;	/* 0..255, or -1 when a signal ended it */
	int signal;	/* the signal, or 0 */
	char *output;	/* stdout and stderr, NUL-terminated, cut at 64 KiB */
	size_t size;
};

/* Runs argv[0] (an absolute path; never a shell) with `input` on its stdin and
 * the environment `envp` (NULL: a minimal one), waits at most timeout_ms and
 * then kills it.  Returns 0 when it ran to an end, whatever that was; -1 with
 * err when it could not run or ran out of time. */
int rain_process_run(const char *const argv[], const char *const envp[], const char *input,
		     int timeout_ms, struct rain_process_result *result,
		     struct rain_error *err);

/* Frees what the result owns; an all-zero result is fine. */
void rain_process_result_release(struct rain_process_result *result);

#endif
