/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/eligible.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define OVERLOOKED_S 2

static void say(char *sentence, const char *text)
{
	snprintf(sentence, RAIN_ELIGIBLE_SENTENCE, "%s", text);
}

/* Slurm's reasons for "the machine has no room for it now". */
static bool is_room_reason(const char *reason)
{
	static const char *const reasons[] = {
		"Resources", "Priority", "ReqNodeNotAvail", "NodeDown", "PartitionDown",
		"PartitionInactive", "FrontEndDown",
	};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (!strncmp(reason, reasons[i], strlen(reasons[i])))
			return true;
	return strstr(reason, "Nodes required for job are DOWN") != NULL;
}

/* Slurm looks at a job that was put back, or that is far down a long queue,
 * only now and then, and until then says what was true before. */
static bool is_overlooked(const struct rain_eligible_job *job)
{
	return (!strcmp(job->reason, "None") || !strcmp(job->reason, "BeginTime")) && !job->held &&
	       job->eligible_s >= OVERLOOKED_S;
}

enum rain_eligibility rain_eligible(const struct rain_eligible_job *job,
				    char sentence[static RAIN_ELIGIBLE_SENTENCE])
{
	sentence[0] = '\0';
	if (strcmp(job->state, "PENDING") != 0)
		return RAIN_ELIGIBLE_IGNORE;
	if (!is_room_reason(job->reason) && !is_overlooked(job) && !(job->only && job->held))
		return RAIN_ELIGIBLE_IGNORE;
	if (job->het)
		say(sentence, "waits at home: parts of a heterogeneous job can't go to a peer");
	else if (job->gres)
		say(sentence, "waits at home: jobs that need GRES, licenses or a reservation can't go to a peer");
	else if (job->constrained)
		say(sentence, "waits at home: --constraint and --nodelist mean nodes of this cluster, so it can't go to a peer");
	else if (job->no_limit)
		say(sentence, "waits at home: without a time limit it has no price, so it can't go to a peer; set --time");
	else
		return RAIN_ELIGIBLE_ASK;
	return RAIN_ELIGIBLE_HOME;
}
