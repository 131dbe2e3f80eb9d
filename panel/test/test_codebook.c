/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has which code in the whole cluster: the keeper's table, and that all nodes come to play by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "panel/codebook.h"
#include "panel/state.h"

static void test_given_and_kept(void **unused)
{
	struct rain_codebook book = {0};
	const uid_t running[] = {2001, 2031, 2061, 2002};

	(void)unused;
	assert_int_equal(rain_codebook_find(&book, 2001, 0), -1);
	assert_int_equal(rain_codebook_admit(&book, running, 4, 0), 4);
	assert_int_equal(rain_codebook_find(&book, 2001, 1), 2001 % RAIN_PATTERN_COUNT);
	assert_int_equal(rain_codebook_find(&book, 2031, 1), 2001 % RAIN_PATTERN_COUNT + 1);
	assert_int_equal(rain_codebook_find(&book, 2061, 1), 2001 % RAIN_PATTERN_COUNT + 2);
	assert_int_equal(rain_codebook_find(&book, 2002, 1), 2001 % RAIN_PATTERN_COUNT + 3);
	assert_int_equal(rain_codebook_admit(&book, running, 4, INT64_C(1) << 40), 0);
	assert_int_equal(rain_codebook_find(&book, 2031, 1), 2001 % RAIN_PATTERN_COUNT + 1);
}

/* All codes are taken: who runs jobs keeps his, and so does who was seen a moment ago. */
static void test_active_owners_stay(void **unused)
{
	const int64_t later = RAIN_CODEBOOK_KEEP_MS;
	struct rain_codebook book = {0};
	uid_t running[RAIN_PATTERN_COUNT + 5];

	(void)unused;
	for (uid_t i = 0; i < RAIN_PATTERN_COUNT; i++)
		running[i] = 1000 + i;
	assert_int_equal(rain_codebook_admit(&book, running, RAIN_PATTERN_COUNT, 0),
			 RAIN_PATTERN_COUNT);
	/* strangers ask for whatever they like: nobody is given or loses anything */
	for (uid_t uid = 5000; uid < 15000; uid++)
		assert_int_equal(rain_codebook_find(&book, uid, later), -1);
	/* a newcomer while all run */
	running[RAIN_PATTERN_COUNT] = 3000;
	assert_int_equal(rain_codebook_admit(&book, running, RAIN_PATTERN_COUNT + 1, later), 0);
	assert_int_equal(rain_codebook_find(&book, 3000, later), -1);
	/* 1007 ended just now, and 1009 ended later */
	running[7] = 3000;
	running[9] = 3000;
	assert_int_equal(rain_codebook_admit(&book, running, RAIN_PATTERN_COUNT, later + 1), 0);
	rain_codebook_find(&book, 1009, later + 5);
	assert_int_equal(rain_codebook_admit(&book, running, RAIN_PATTERN_COUNT, 2 * later), 1);
	assert_int_equal(rain_codebook_find(&book, 1007, 2 * later), -1);
	assert_int_equal(rain_codebook_find(&book, 3000, 2 * later), 1007 % RAIN_PATTERN_COUNT);
	for (uid_t i = 0; i < RAIN_PATTERN_COUNT; i++)
		assert_int_not_equal(rain_codebook_find(&book, running[i], 2 * later), -1);
}

/* Who asks about owners that have gone keeps their codes for them no longer than so. */
static void test_asking_is_no_running(void **unused)
{
	struct rain_codebook book = {0};
	uid_t running[RAIN_PATTERN_COUNT];
	const uid_t newcomer = 3000;
	int64_t now = 0;

	(void)unused;
	for (uid_t i = 0; i < RAIN_PATTERN_COUNT; i++)
		running[i] = 1000 + i;
	rain_codebook_admit(&book, running, RAIN_PATTERN_COUNT, 0);
	for (; now < RAIN_CODEBOOK_ASKED_MS; now += RAIN_CODEBOOK_KEEP_MS / 2) {
		assert_int_equal(rain_codebook_admit(&book, &newcomer, 1, now), 0);
		for (uid_t i = 0; i < RAIN_PATTERN_COUNT; i++)
			rain_codebook_find(&book, running[i], now);
	}
	assert_int_equal(rain_codebook_admit(&book, &newcomer, 1, now), 1);
}

static void test_file(void **unused)
{
	static const char *const wrong[] = {
		"", "[]", "{\"v\":2,\"owners\":[]}", "{\"v\":1}", "{\"v\":1,\"owners\":[7]}",
		"{\"v\":1,\"owners\":[{\"uid\":7}]}", "{\"v\":1,\"owners\":[{\"uid\":7,\"code\":\"x\"}]}",
		"{\"v\":1,\"owners\":[{\"uid\":-7,\"code\":\".\"}]}",
		"{\"v\":1,\"owners\":[{\"uid\":7,\"code\":\".\"},{\"uid\":8,\"code\":\".\"}]}",
		"{\"v\":1,\"owners\":[{\"uid\":7,\"code\":\".\"},{\"uid\":7,\"code\":\"-\"}]}",
	};
	struct rain_codebook book = {0}, again;
	const uid_t running[] = {61003, 0, UINT32_MAX - 1};
	char *text;

	(void)unused;
	rain_codebook_admit(&book, running, 3, 0);
	rain_codebook_find(&book, 61003, 0); /* he was seen last */
	text = rain_codebook_text(&book);
	assert_string_equal(text, "{\"v\":1,\"owners\":[{\"uid\":0,\"code\":\".\"},"
				  "{\"uid\":4294967294,\"code\":\"....\"},"
				  "{\"uid\":61003,\"code\":\"---\"}]}\n");
	assert_int_equal(rain_codebook_read(&again, text, strlen(text), 9, NULL), 0);
	free(text);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(rain_codebook_find(&again, running[i], 9),
				 rain_codebook_find(&book, running[i], 9));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rain_error err = {0};

		assert_int_equal(rain_codebook_read(&again, wrong[i], strlen(wrong[i]), 9, &err), -1);
		assert_int_not_equal(err.text[0], '\0');
		assert_int_equal(rain_codebook_find(&again, 7, 9), -1);
	}
	/* the fullest book fits */
	memset(&book, 0, sizeof(book));
	for (uid_t i = 0; i < RAIN_PATTERN_COUNT; i++) {
		uid_t uid = UINT32_MAX - 1 - i;

		rain_codebook_admit(&book, &uid, 1, 0);
	}
	text = rain_codebook_text(&book);
	assert_int_equal(rain_codebook_read(&again, text, strlen(text), 0, NULL), 0);
	free(text);
}

static void test_list(void **unused)
{
	static const char *const wrong[] = {"", "{}", "{\"owners\":[1.5]}", "{\"owners\":[-1]}",
					    "{\"owners\":[4294967295]}", "{\"owners\":7}",
					    "{\"owners\":[1,2"};
	uid_t running[RAIN_CODEBOOK_RUNNING_MAX];
	size_t count;

	(void)unused;
	assert_int_equal(rain_codebook_running("{\"owners\":[]}\n", 14, running, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(rain_codebook_running("{\"owners\":[7,0]}", 16, running, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(running[0], 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(rain_codebook_running(wrong[i], strlen(wrong[i]), running, &count,
						       NULL), -1);
}

static void test_answer(void **unused)
{
	static const struct {
		const char *text;
		int pattern;
		bool understood;
	} cases[] = {
		{"{\"ok\":true,\"result\":{\"uid\":7,\"code\":\".-\"}}\n", 3, true},
		{"{\"ok\":true,\"result\":{\"uid\":7}}\n", -1, true},
		{"", -1, false},
		{"{\"ok\":true,\"result\":{\"uid\":8,\"code\":\".-\"}}\n", -1, false},
		{"{\"ok\":true,\"result\":{\"uid\":7,\"code\":\"..-.-\"}}\n", -1, false},
		{"{\"ok\":true,\"result\":{\"uid\":7,\"code\":\"x\"}}\n", -1, false},
		{"{\"ok\":true}\n", -1, false},
		{"{\"ok\":false,\"error\":\"no\"}\n", -1, false},
		{"{\"ok\":true,\"result\"", -1, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rain_error err;

		assert_int_equal(rain_codebook_answer(cases[i].text, strlen(cases[i].text), 7, &err),
				 cases[i].pattern);
		assert_int_equal(*err.text == '\0', cases[i].understood);
	}
}

/*
 * A cluster: nodes that play, a keeper that may be out of reach or begin again from
 * its file, and Slurm, which knows what runs.
 */
#define CLUSTER_NODES 12
#define CLUSTER_OWNERS 16

struct cluster {
	struct rain_panel_state node[CLUSTER_NODES];
	struct rain_codebook keeper;
	uid_t owner[CLUSTER_OWNERS];
	int given[CLUSTER_OWNERS]; /* what the keeper has said of each, -1: nothing yet */
	uint32_t next_job;
	int64_t now_ms;
};

/* What the node's notices and, after a restart, Slurm tell it. */
static void start(struct cluster *cluster, size_t node, uint32_t job, uid_t uid)
{
	struct rain_panel_notice notice = {.event = RAIN_PANEL_START, .job = job, .uid = uid,
					   .kind = uid % 2 ? RAIN_PANEL_GUEST : RAIN_PANEL_HOME};

	rain_panel_state_start(&cluster->node[node], &notice, cluster->now_ms, cluster->now_ms, NULL);
}

static void ask_slurm(struct cluster *cluster)
{
	uid_t running[CLUSTER_NODES * RAIN_PANEL_JOBS_MAX];
	size_t count = 0;

	for (size_t n = 0; n < CLUSTER_NODES; n++) {
		for (size_t j = 0; j < cluster->node[n].job_count; j++)
			running[count++] = cluster->node[n].jobs[j].uid;
	}
	rain_codebook_admit(&cluster->keeper, running, count, cluster->now_ms);
}

/* Each node asks what is due, as panel/asker.c does. */
static void questions(struct cluster *cluster, bool reachable)
{
	bool unknown = false;

	for (size_t n = 0; n < CLUSTER_NODES; n++) {
		int64_t at_ms;
		uid_t uid;

		while (rain_panel_state_question(&cluster->node[n], &uid, &at_ms) &&
		       at_ms <= cluster->now_ms) {
			int pattern = reachable ? rain_codebook_find(&cluster->keeper, uid,
								     cluster->now_ms) : -1;

			unknown = unknown || pattern < 0;
			if (pattern < 0) {
				rain_pattern_unanswered(&cluster->node[n].owners, uid,
							cluster->now_ms);
				continue;
			}
			rain_panel_state_learn(&cluster->node[n], uid, (unsigned int)pattern,
					       cluster->now_ms);
			for (size_t i = 0; i < CLUSTER_OWNERS; i++) {
				if (cluster->owner[i] != uid)
					continue;
				/* stable: he is never told another one */
				if (cluster->given[i] >= 0)
					assert_int_equal(cluster->given[i], pattern);
				cluster->given[i] = pattern;
			}
		}
	}
	if (reachable && unknown)
		ask_slurm(cluster);
}

static void restart_node(struct cluster *cluster, size_t node)
{
	struct rain_panel_state before = cluster->node[node];

	rain_panel_state_init(&cluster->node[node], RAIN_PANEL_STATUS);
	for (size_t j = 0; j < before.job_count; j++)
		start(cluster, node, before.jobs[j].id, before.jobs[j].uid);
}

static void restart_keeper(struct cluster *cluster)
{
	char *text = rain_codebook_text(&cluster->keeper);

	assert_int_equal(rain_codebook_read(&cluster->keeper, text, strlen(text), cluster->now_ms,
					    NULL), 0);
	free(text);
}

static void check_distinct(const struct cluster *cluster)
{
	uid_t has[RAIN_PATTERN_COUNT] = {0};
	bool used[RAIN_PATTERN_COUNT] = {false};

	for (size_t n = 0; n < CLUSTER_NODES; n++) {
		for (size_t j = 0; j < cluster->node[n].job_count; j++) {
			const struct rain_panel_job *job = &cluster->node[n].jobs[j];

			if (used[job->pattern])
				assert_int_equal(has[job->pattern], job->uid);
			used[job->pattern] = true;
			has[job->pattern] = job->uid;
		}
	}
}

static void act(struct cluster *cluster)
{
	size_t node = (size_t)rand() % CLUSTER_NODES;
	struct rain_panel_state *state = &cluster->node[node];

	switch (rand() % 8) {
	case 0:
	case 1:
	case 2:
		if (state->job_count < 6)
			start(cluster, node, cluster->next_job++,
			      cluster->owner[rand() % CLUSTER_OWNERS]);
		break;
	case 3:
	case 4:
		if (state->job_count > 0)
			rain_panel_state_end(state,
					     state->jobs[(size_t)rand() % state->job_count].id,
					     cluster->now_ms);
		break;
	case 5:
		restart_node(cluster, node);
		break;
	case 6:
		restart_keeper(cluster);
		break;
	default:
		cluster->now_ms += rand() % 200000;
	}
}

static void test_no_two_owners_share_anywhere(void **unused)
{
	static struct cluster cluster;

	(void)unused;
	srand(11);
	for (int round = 0; round < 200; round++) {
		bool reachable = true;

		memset(&cluster, 0, sizeof(cluster));
		cluster.next_job = 1;
		for (size_t i = 0; i < CLUSTER_OWNERS; i++) {
			/* Most want the same number. */
			cluster.owner[i] = (uid_t)(1000 + i * (i % 4 ? RAIN_PATTERN_COUNT : 7));
			cluster.given[i] = -1;
		}
		for (size_t n = 0; n < CLUSTER_NODES; n++)
			rain_panel_state_init(&cluster.node[n], RAIN_PANEL_STATUS);
		for (int step = 0; step < 150; step++) {
			act(&cluster);
			if (rand() % 10 == 0)
				reachable = !reachable;
			cluster.now_ms += 10;
			questions(&cluster, reachable);
			/* Within a node they differ at any time. */
			for (size_t n = 0; n < CLUSTER_NODES; n++)
				for (size_t a = 0; a < cluster.node[n].job_count; a++)
					for (size_t b = 0; b < a; b++)
						assert_true(
							(cluster.node[n].jobs[a].uid ==
							 cluster.node[n].jobs[b].uid) ==
							(cluster.node[n].jobs[a].pattern ==
							 cluster.node[n].jobs[b].pattern));
		}
		/* All questions come to an end: the longest wait, and one more for who was
		 * unknown. */
		for (int i = 0; i < 3; i++) {
			cluster.now_ms += RAIN_PATTERN_RETRY_MAX_MS;
			questions(&cluster, true);
		}
		check_distinct(&cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_and_kept),
		cmocka_unit_test(test_active_owners_stay),
		cmocka_unit_test(test_asking_is_no_running),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_no_two_owners_share_anywhere),
	};

	return cmocka_run_group_tests_name("panel/codebook", tests, NULL, NULL);
}
