// SPDX-License-Identifier: GPL-2.0-or-later
/* Feeds slurmdbd with the jobs of spool_fill, as slurmctld's agent works off a queue: a
 * thousand messages a call, jobs started and then completed, no steps. Prints the seconds
 * that the starts and the completions took.
 *
 *   dbd_feed COUNT ASSOCIATION...   with SLURM_CONF; associations of user0, user1, …
 *
 * Built by slurmdbd.sh against the source of the installed Slurm: its messages are no
 * public interface. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/common/slurm_xlator.h"

#include "src/common/slurm_persist_conn.h"
#include "src/common/slurmdbd_defs.h"
#include "src/common/slurmdbd_pack.h"
#include "src/common/xmalloc.h"
#include "src/common/xstring.h"

#define BATCH 1000
#define SUBMITTED 1700000000

static slurm_persist_conn_t connection;
static uint64_t numbers[BATCH]; /* of the jobs of this batch in the database */
static char **associations;
static long users;

static void give_up(const char *what)
{
	fprintf(stderr, "dbd_feed: %s: %m\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sends one message and waits for the answer, which slurmdbd gives when it is done. */
static persist_msg_t call(uint16_t type, void *data)
{
	persist_msg_t request = {.conn = &connection, .data = data, .msg_type = type};
	persist_msg_t answer = {0};
	buf_t *buffer = pack_slurmdbd_msg(&request, SLURM_PROTOCOL_VERSION);

	if (!buffer || slurm_persist_send_msg(&connection, buffer) != SLURM_SUCCESS)
		give_up("slurmdbd can't be told");
	free_buf(buffer);
	buffer = slurm_persist_recv_msg(&connection);
	if (!buffer || unpack_slurmdbd_msg(&answer, SLURM_PROTOCOL_VERSION, buffer) != SLURM_SUCCESS)
		give_up("slurmdbd doesn't answer");
	free_buf(buffer);
	return answer;
}

/* The same for messages that are answered by a code. */
static void tell(uint16_t type, void *data)
{
	persist_msg_t answer = call(type, data);

	if (answer.msg_type != PERSIST_RC)
		give_up("slurmdbd gives a strange answer");
	slurm_persist_free_rc_msg(answer.data);
}

static void start_jobs(long first, long count)
{
	dbd_list_msg_t all = {.my_list = list_create(NULL)};
	dbd_job_start_msg_t *jobs = calloc((size_t)count, sizeof(*jobs));
	char names[BATCH][32];
	persist_msg_t answer;
	ListIterator i;
	dbd_id_rc_msg_t *one;
	long n = 0;

	for (long k = 0; k < count; k++) {
		long job = first + k;

		snprintf(names[k], sizeof(names[k]), "job %ld", job);
		jobs[k] = (dbd_job_start_msg_t){
			.account = "bench", .alloc_nodes = 4, .array_task_id = NO_VAL,
			.assoc_id = (uint32_t)atol(associations[job % users]),
			.eligible_time = SUBMITTED + job, .gid = 100, .job_id = (uint32_t)job,
			.job_state = JOB_RUNNING, .name = names[k], .nodes = "node[1-4]",
			.node_inx = "0-3", .partition = "trainer", .priority = 1, .req_cpus = 16,
			.start_time = SUBMITTED + 10 + job, .submit_time = SUBMITTED + job,
			.timelimit = 60, .tres_alloc_str = "1=16,2=8192,4=4,5=16",
			.tres_req_str = "1=16,2=8192,4=4,5=16", .uid = 1000, .wckey = "",
			.work_dir = "/home/bench"};
		list_append(all.my_list, &jobs[k]);
	}
	answer = call(DBD_SEND_MULT_JOB_START, &all);
	if (answer.msg_type != DBD_GOT_MULT_JOB_START)
		give_up("slurmdbd refuses jobs");
	i = list_iterator_create(((dbd_list_msg_t *)answer.data)->my_list);
	while ((one = list_next(i))) {
		if (one->return_code != SLURM_SUCCESS || one->db_index == 0)
			give_up("slurmdbd refuses a job");
		numbers[n++] = one->db_index;
	}
	list_iterator_destroy(i);
	if (n != count)
		give_up("slurmdbd forgot jobs");
	slurmdbd_free_msg(&answer);
	list_destroy(all.my_list);
	free(jobs);
}

static void complete_jobs(long first, long count)
{
	dbd_list_msg_t all = {.my_list = list_create(slurmdbd_free_buffer)};
	persist_msg_t answer;

	for (long k = 0; k < count; k++) {
		long job = first + k;
		dbd_job_comp_msg_t done = {
			.assoc_id = (uint32_t)atol(associations[job % users]), .db_index = numbers[k],
			.end_time = SUBMITTED + 19 + job, .job_id = (uint32_t)job,
			.job_state = JOB_COMPLETE, .nodes = "node[1-4]", .req_uid = NO_VAL,
			.start_time = SUBMITTED + 10 + job, .submit_time = SUBMITTED + job,
			.tres_alloc_str = "1=16,2=8192,4=4,5=16"};
		persist_msg_t one = {.conn = &connection, .data = &done, .msg_type = DBD_JOB_COMPLETE};
		buf_t *buffer = pack_slurmdbd_msg(&one, SLURM_PROTOCOL_VERSION);

		if (!buffer)
			give_up("a completion can't be packed");
		list_append(all.my_list, buffer);
	}
	answer = call(DBD_SEND_MULT_MSG, &all);
	if (answer.msg_type != DBD_GOT_MULT_MSG ||
	    list_count(((dbd_list_msg_t *)answer.data)->my_list) != count)
		give_up("slurmdbd refuses completions");
	slurmdbd_free_msg(&answer);
	list_destroy(all.my_list);
}

int main(int argc, char *argv[])
{
	dbd_register_ctld_msg_t controller = {.dimensions = 1, .port = 1};
	dbd_fini_msg_t commit = {.close_conn = 0, .commit = 1};
	long count = argc > 2 ? atol(argv[1]) : 0;
	double starts = 0, completions = 0, begin;

	if (count <= 0)
		return 2;
	associations = argv + 2;
	users = argc - 2;
	slurm_init(NULL);
	connection = (slurm_persist_conn_t){
		.cluster_name = slurm_conf.cluster_name, .fd = -1,
		.flags = PERSIST_FLAG_DBD, .persist_type = PERSIST_TYPE_DBD,
		.r_uid = SLURM_AUTH_UID_ANY, .rem_host = slurm_conf.accounting_storage_host,
		.rem_port = slurm_conf.accounting_storage_port, .timeout = 300000,
		.version = SLURM_PROTOCOL_VERSION};
	if (slurm_persist_conn_open(&connection) != SLURM_SUCCESS)
		give_up("slurmdbd can't be reached");
	/* From here on we are the cluster's controller. */
	tell(DBD_REGISTER_CTLD, &controller);
	for (long first = 1; first <= count; first += BATCH) {
		long n = count - first + 1 < BATCH ? count - first + 1 : BATCH;

		begin = now();
		start_jobs(first, n);
		starts += now() - begin;
		begin = now();
		complete_jobs(first, n);
		completions += now() - begin;
	}
	begin = now();
	tell(DBD_FINI, &commit); /* what CommitDelay put off */
	completions += now() - begin;
	printf("%.3f %.3f\n", starts, completions);
	slurm_persist_conn_close(&connection);
	return 0;
}
