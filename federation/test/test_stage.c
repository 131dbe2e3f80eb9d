/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/bundle_seen.h"
#include "federation/stage.h"
#include "federation/tree.h"

/* Two directories and a pipe between them. */
struct room {
	char path[64];
	int top, from, into;
	int ends[2];
	struct rain_stage_list list;
	struct rain_error err;
};

static int setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));

	signal(SIGPIPE, SIG_IGN);
	strcpy(room->path, "test-stage-XXXXXX");
	assert_non_null(mkdtemp(room->path));
	room->top = open(room->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(room->top, "from", 0755), 0);
	assert_int_equal(mkdirat(room->top, "into", 0755), 0);
	room->from = openat(room->top, "from", O_RDONLY | O_DIRECTORY);
	room->into = openat(room->top, "into", O_RDONLY | O_DIRECTORY);
	assert_int_equal(pipe(room->ends), 0);
	*state = room;
	return 0;
}

static int teardown(void **state)
{
	struct room *room = *state;
	int cwd = open(".", O_RDONLY | O_DIRECTORY);
	const int fds[] = {room->top, room->from, room->into, room->ends[0], room->ends[1]};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	assert_int_equal(rain_tree_remove(cwd, room->path, &room->err), 0);
	close(cwd);
	free(room);
	return 0;
}

static void file_write(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(rain_file_write_fd(fd, text, strlen(text), NULL), 0);
	close(fd);
}

static bool file_is(int dir, const char *name, const char *text)
{
	char read_text[64] = "";
	int fd = openat(dir, name, O_RDONLY);

	if (fd < 0)
		return false;
	assert_true(read(fd, read_text, sizeof(read_text) - 1) >= 0);
	close(fd);
	return strcmp(read_text, text) == 0;
}

static bool is_empty(int dir)
{
	char **names = rain_tree_names(dir, 100, NULL);
	bool empty = names && !names[0];

	rain_tree_names_free(names);
	return empty;
}

static void items_set(struct room *room, const char *value)
{
	assert_int_equal(rain_stage_list_parse(RAIN_OPTION_STAGE_IN, value, &room->list, &room->err), 0);
}

static void *give_run(void *arg)
{
	struct room *room = arg;
	struct rain_bundle_summary summary;
	struct rain_error err;

	rain_stage_give(room->ends[1], room->from, room->list.items, room->list.count, false, NULL,
			&summary, &err);
	close(room->ends[1]);
	room->ends[1] = -1;
	return NULL;
}

static int transfer(struct room *room)
{
	pthread_t thread;
	pthread_mutex_t landing = PTHREAD_MUTEX_INITIALIZER;
	int result;

	assert_int_equal(pthread_create(&thread, NULL, give_run, room), 0);
	result = rain_stage_take(room->ends[0], room->into, NULL, NULL, &landing, &room->err);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_mutex_trylock(&landing), 0); /* nobody has it any more */
	return result;
}

static void test_files_arrive(void **state)
{
	struct room *room = *state;
	char large[300000];

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	mkdirat(room->from, "d", 0755);
	file_write(room->from, "d/one", "1");
	file_write(room->from, "two", large);
	items_set(room, "d,two:other/two");
	assert_int_equal(transfer(room), 0);
	assert_true(file_is(room->into, "d/one", "1"));
	assert_int_equal(faccessat(room->into, "other/two", R_OK, 0), 0);
}

static void test_the_givers_failure_is_told(void **state)
{
	struct room *room = *state;

	items_set(room, "nothing");
	assert_int_equal(transfer(room), -1);
	assert_string_equal(room->err.text, "nothing: there is no such file");
	assert_true(is_empty(room->into));
}

/* A bundle of one file, as its records are, in `bytes`. */
static size_t records_of(struct room *room, char *bytes, size_t size)
{
	struct rain_bundle_summary summary;
	ssize_t got;

	file_write(room->from, "file", "content");
	items_set(room, "file");
	assert_int_equal(rain_stage_give(room->ends[1], room->from, room->list.items, 1, false, NULL,
					 &summary, &room->err), 0);
	got = read(room->ends[0], bytes, size);
	assert_true(got > 0 && (size_t)got < size);
	return (size_t)got;
}

static int take_bytes(struct room *room, const char *bytes, size_t size)
{
	int ends[2], result;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, size), (ssize_t)size);
	close(ends[1]);
	result = rain_stage_take(ends[0], room->into, NULL, NULL, NULL, &room->err);
	close(ends[0]);
	return result;
}

/* Cut anywhere, or with another byte anywhere: nothing of it lands. */
static void test_nothing_lands_of_what_is_damaged(void **state)
{
	struct room *room = *state;
	char bytes[4096];
	size_t size = records_of(room, bytes, sizeof(bytes));

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(take_bytes(room, bytes, cut), -1);
	for (size_t at = 0; at < size; at++) {
		bytes[at] ^= 0x10;
		assert_int_equal(take_bytes(room, bytes, size), -1);
		bytes[at] ^= 0x10;
	}
	assert_true(is_empty(room->into));
	assert_int_equal(take_bytes(room, bytes, size), 0);
	assert_true(file_is(room->into, "file", "content"));
}

static void test_records_have_bounds(void **state)
{
	static const char long_one[] = {'D', 0, 1, 0, 1}, unknown[] = {'Z', 0, 0, 0, 0};
	struct room *room = *state;
	static char buffer[RAIN_STAGE_BUFFER_SIZE];
	enum rain_stage_type type;
	size_t size;

	assert_int_equal(rain_stage_write(room->ends[1], RAIN_STAGE_DATA, buffer,
					  RAIN_STAGE_RECORD_MAX + 1, &room->err), -1);
	assert_int_equal(write(room->ends[1], long_one, sizeof(long_one)), (ssize_t)sizeof(long_one));
	assert_int_equal(rain_stage_read(room->ends[0], &type, buffer, &size, &room->err), -1);
	assert_int_equal(write(room->ends[1], unknown, sizeof(unknown)), (ssize_t)sizeof(unknown));
	assert_int_equal(rain_stage_read(room->ends[0], &type, buffer, &size, &room->err), -1);
	assert_int_equal(rain_stage_write(room->ends[1], RAIN_STAGE_PROBE, "name", 4, &room->err), 0);
	assert_int_equal(rain_stage_expect(room->ends[0], RAIN_STAGE_PROBE, buffer, &size, &room->err), 0);
	assert_string_equal(buffer, "name");
	assert_int_equal(rain_stage_write(room->ends[1], RAIN_STAGE_FAILED, "why", 3, &room->err), 0);
	assert_int_equal(rain_stage_expect(room->ends[0], RAIN_STAGE_PROBE, buffer, &size, &room->err), RAIN_STAGE_TOLD);
	assert_string_equal(room->err.text, "why");
}

static void test_a_bundle_is_passed_on_or_dropped(void **state)
{
	struct room *room = *state;
	char bytes[4096], passed[4096];
	size_t size = records_of(room, bytes, sizeof(bytes));
	int on[2];

	assert_int_equal(pipe(on), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(write(room->ends[1], bytes, size), (ssize_t)size);
	assert_int_equal(rain_stage_pass(room->ends[0], on[1], &room->err), 0);
	assert_int_equal(read(on[0], passed, sizeof(passed)), (ssize_t)size);
	assert_memory_equal(passed, bytes, size);
	assert_int_equal(rain_stage_pass(room->ends[0], -1, &room->err), 0);
	assert_int_equal(rain_stage_write(room->ends[1], RAIN_STAGE_FAILED, "why", 3, &room->err), 0);
	assert_int_equal(rain_stage_pass(room->ends[0], on[1], &room->err), RAIN_STAGE_TOLD);
	assert_string_equal(room->err.text, "why");
	close(on[0]);
	close(on[1]);
}

static void test_plain_items_keep_their_path(void **state)
{
	struct room *room = *state;
	const char *items[RAIN_STAGE_ITEMS_MAX];

	items_set(room, "a,b/*.txt,c:d,/etc/e,f\\:g");
	assert_int_equal(rain_stage_items(&room->list, true, items), 3);
	assert_string_equal(items[2], "f\\:g");
	assert_int_equal(rain_stage_items(&room->list, false, items), 2);
	assert_string_equal(items[0], "c:d");
}

static void test_a_word_stands_for_the_files_as_they_are(void **state)
{
	struct room *room = *state;
	struct rain_digest first, second;

	mkdirat(room->from, "d", 0755);
	file_write(room->from, "d/a", "1");
	items_set(room, "d,b*");
	assert_int_equal(rain_stage_look(room->from, &room->list, &first, &room->err), -1);
	assert_non_null(strstr(room->err.text, "b*"));
	file_write(room->from, "b1", "2");
	assert_int_equal(rain_stage_look(room->from, &room->list, &first, &room->err), 0);
	assert_int_equal(rain_stage_look(room->from, &room->list, &second, &room->err), 0);
	assert_string_equal(first.sha256, second.sha256);
	/* The same content in other files isn't the same. */
	assert_int_equal(renameat(room->from, "b1", room->from, "b2"), 0);
	assert_int_equal(rain_stage_look(room->from, &room->list, &second, &room->err), 0);
	assert_string_not_equal(first.sha256, second.sha256);
	mkdirat(room->into, "d", 0755);
	file_write(room->into, "d/a", "1");
	file_write(room->into, "b1", "2");
	assert_int_equal(rain_stage_look(room->into, &room->list, &second, &room->err), 0);
	assert_string_not_equal(first.sha256, second.sha256);
}

static void test_a_directory_is_made_and_swept(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	struct room *room = *state;
	char path[512];
	int fd;

	assert_int_equal(rain_stage_directory("relative", true, &room->err), -1);
	assert_non_null(getcwd(path, sizeof(path) - 128));
	snprintf(path + strlen(path), 128, "/%s/a/b/c", room->path);
	assert_int_equal(rain_stage_directory(path, false, &room->err), -1);
	fd = rain_stage_directory(path, true, &room->err);
	assert_true(fd >= 0);
	file_write(fd, ".rain-probe-1", "");
	file_write(fd, ".rain-probe-2", "");
	mkdirat(fd, ".rain-0123456789abcdef", 0755);
	mkdirat(fd, ".rain-mine", 0755);
	assert_true(rain_stage_probe_seen(fd, ".rain-probe-1"));
	assert_false(rain_stage_probe_seen(fd, "") || rain_stage_probe_seen(fd, "../b"));
	assert_int_equal(utimensat(fd, ".rain-probe-1", old, 0), 0);
	assert_int_equal(utimensat(fd, ".rain-0123456789abcdef", old, 0), 0);
	assert_int_equal(utimensat(fd, ".rain-mine", old, 0), 0);
	rain_stage_sweep(fd);
	assert_false(rain_stage_probe_seen(fd, ".rain-probe-1"));
	assert_false(rain_stage_probe_seen(fd, ".rain-0123456789abcdef"));
	assert_true(rain_stage_probe_seen(fd, ".rain-probe-2"));
	assert_true(rain_stage_probe_seen(fd, ".rain-mine"));
	close(fd);
}

static void test_only_what_changes_is_left(void **state)
{
	struct room *room = *state;
	struct rain_bundle_summary summary;
	struct rain_bundle_seen *seen;

	mkdirat(room->from, "d", 0755);
	file_write(room->from, "d/same", "1");
	file_write(room->from, "d/other", "1");
	file_write(room->from, "e", "1");
	items_set(room, "d,e*");
	seen = rain_bundle_see_items(room->from, room->list.items, room->list.count, &room->err);
	assert_non_null(seen);
	file_write(room->from, "d/other", "2");
	file_write(room->from, "e2", "3");
	assert_int_equal(rain_stage_give(room->ends[1], room->from, room->list.items, room->list.count,
					 true, seen, &summary, &room->err), 0);
	rain_bundle_seen_free(seen);
	assert_int_equal(rain_stage_take(room->ends[0], room->into, NULL, NULL, NULL, &room->err), 0);
	assert_true(file_is(room->into, "d/other", "2") && file_is(room->into, "e2", "3"));
	assert_int_equal(faccessat(room->into, "d/same", F_OK, 0), -1);
	assert_int_equal(faccessat(room->into, "e", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_givers_failure_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_lands_of_what_is_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_have_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_bundle_is_passed_on_or_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_items_keep_their_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_word_stands_for_the_files_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_directory_is_made_and_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_changes_is_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
