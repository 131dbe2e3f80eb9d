/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SUBMIT_RULES_H
#define RAIN_PLUGINS_SUBMIT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "federation/options.h"

/*
 * What slurmctld may accept from whom, as far as RAIN is concerned.  Pure: the
 * job_submit plugin turns Slurm's structures into these and back.
 */

struct rain_submit_settings {
	const char *overflow_partition;
	const char *guest_partition;
	uid_t guest_uid_min, guest_uid_max; /* both 0: no guests */
};

enum rain_submit_answer {
	RAIN_SUBMIT_ACCEPT,
	RAIN_SUBMIT_DENY,	/* the submitter may not do this */
	RAIN_SUBMIT_INVALID,	/* an option can't be understood */
	RAIN_SUBMIT_UNSUPPORTED /* this kind of job can't do what is asked */
};

/* A job that somebody submits. Strings are borrowed and may be NULL. */
struct rain_submission {
	uid_t submitter;
	bool privileged; /* root or SlurmUser */
	const char *partition; /* may be a list */
	const char *name;
	const char *admin_comment;
	bool has_script;
	uint32_t nodes, tasks, cpus; /* at least */
	char *const *spank_environment; /* "_SLURM_SPANK_OPTION_rain_burst=auto" ... */
	size_t spank_environment_count;
	bool is_het, is_recurring;
	bool is_held; /* by the submitter */
	bool balance_known;
	int64_t available_utok; /* the submitter's tokens, when known */
};

struct rain_submit_verdict {
	enum rain_submit_answer answer;
	bool hold;	     /* until the broker releases it */
	char *admin_comment; /* to be set; NULL: unchanged. Freed by the caller. */
	char message[768];   /* for the user, one line; "": none */
};

void rain_submit_decide(const struct rain_submit_settings *settings,
			const struct rain_submission *submission,
			struct rain_submit_verdict *verdict);

/* A change that somebody makes to a job. */
struct rain_modification {
	uid_t requester;
	bool privileged;
	const char *partition;	   /* the job's */
	const char *admin_comment; /* the job's */
	bool is_held;		   /* the job is */
	const char *new_partition; /* NULL: unchanged */
	bool changes_admin_comment;
	bool changes_nodes; /* features, required or excluded nodes */
	bool releases;	    /* sets a priority above 0 */
};

/* 0 when RAIN has nothing against it, else -1 with the reason. */
int rain_modify_check(const struct rain_submit_settings *settings,
		      const struct rain_modification *modification, struct rain_error *err);

#endif
