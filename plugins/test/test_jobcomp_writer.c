// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/jobcomp_writer.h"

#include <dirent.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounting/segment.h"
#include "accounting/spool_reader.h"
#include "common/clock.h"

static char directory[64];
static struct rain_error error;

/* What the writer said last. */
static pthread_mutex_t said_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t said_changed = PTHREAD_COND_INITIALIZER;
static char said[1024];
static int errors_said;

static void keep(bool is_error, const char *sentence)
{
	pthread_mutex_lock(&said_mutex);
	snprintf(said, sizeof said, "%s", sentence);
	errors_said += is_error;
	pthread_cond_signal(&said_changed);
	pthread_mutex_unlock(&said_mutex);
}

static void wait_until_said(const char *part)
{
	pthread_mutex_lock(&said_mutex);
	while (!strstr(said, part))
		pthread_cond_wait(&said_changed, &said_mutex);
	pthread_mutex_unlock(&said_mutex);
}

static int setup(void **state)
{
	(void)state;
	said[0] = '\0';
	errors_said = 0;
	snprintf(directory, sizeof directory, "/tmp/rain-jobcomp-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

/* Each record in the spool's segments, in an array. */
static json_t *records_read(void)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	json_t *records = json_array();
	struct rain_spool_line line;

	assert_int_equal(rain_spool_reader_begin(reader, 0, &error), 0);
	while (rain_spool_reader_next(reader, &line)) {
		assert_null(line.broken);
		assert_int_equal(json_array_append_new(records, json_loadb(line.text, line.size, 0, NULL)), 0);
	}
	rain_spool_reader_destroy(reader);
	return records;
}

static size_t records_count(void)
{
	json_t *records = records_read();
	size_t count = json_array_size(records);

	json_decref(records);
	return count;
}

static void files_remove(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
}

static int teardown(void **state)
{
	(void)state;
	files_remove();
	rmdir(directory);
	return 0;
}

static struct rain_jobcomp_run run_number(uint32_t job)
{
	return (struct rain_jobcomp_run){
		.job_id = job, .array_task_id = -1, .uid = 0, .gid = 0, .restart = 1,
		.submit = 1700000000, .eligible = 1700000001, .start = 1700000002, .end = 1700000062,
		.node_count = 4, .cpus = 16, .exit_code = 3,
		.cluster = "alpha", .account = "physics", .partition = "trainer", .qos = NULL,
		.name = "a \"name\"\n\xff", .state = "FAILED", .nodes = "node[1-4]", .tres = "cpu=16",
		.admin_comment = "rain: burst=auto;",
	};
}

static void assert_text(const json_t *object, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	assert_string_equal(text, value);
}

static void test_a_record_holds_everything(void **state)
{
	struct rain_jobcomp_writer *writer = rain_jobcomp_writer_create(directory, keep, &error);
	struct rain_jobcomp_run run = run_number(12);
	json_t *records, *object;

	(void)state;
	assert_non_null(writer);
	assert_int_equal(rain_jobcomp_writer_add(writer, &run), 0);
	rain_jobcomp_writer_destroy(writer);
	records = records_read();
	assert_int_equal(json_array_size(records), 1);
	object = json_array_get(records, 0);
	assert_int_equal(json_object_size(object), 27);
	assert_text(object, "cluster", "alpha");
	assert_text(object, "user", "root");
	assert_text(object, "group", "root");
	assert_text(object, "qos", "");
	assert_text(object, "name", "a \"name\"\n?");
	assert_text(object, "nodes", "node[1-4]");
	assert_text(object, "admin_comment", "rain: burst=auto;");
	assert_true(json_is_null(json_object_get(object, "array_task_id")));
	assert_int_equal(json_integer_value(json_object_get(object, "exit_code")), 3);
	assert_int_equal(json_integer_value(json_object_get(object, "end")), 1700000062);
	json_decref(records);
}

static void test_the_end_writes_all(void **state)
{
	struct rain_jobcomp_writer *writer = rain_jobcomp_writer_create(directory, keep, &error);

	(void)state;
	for (uint32_t i = 1; i <= 100; i++) {
		struct rain_jobcomp_run run = run_number(i);

		assert_int_equal(rain_jobcomp_writer_add(writer, &run), 0);
	}
	rain_jobcomp_writer_destroy(writer);
	assert_int_equal(records_count(), 100);
	assert_int_equal(errors_said, 0);
}

static void test_a_missing_directory_is_waited_for(void **state)
{
	struct rain_jobcomp_writer *writer;
	struct rain_jobcomp_run run = run_number(1);

	(void)state;
	rmdir(directory);
	writer = rain_jobcomp_writer_create(directory, keep, &error);
	assert_non_null(writer);
	rain_jobcomp_writer_add(writer, &run);
	run = run_number(2);
	rain_jobcomp_writer_add(writer, &run);
	wait_until_said("wait in memory");
	assert_int_equal(mkdir(directory, 0700), 0);
	wait_until_said("can be written again");
	rain_jobcomp_writer_destroy(writer);
	assert_int_equal(records_count(), 2);
	assert_int_equal(errors_said, 1);
}

static void test_the_end_does_not_hang(void **state)
{
	struct rain_jobcomp_writer *writer;
	struct rain_jobcomp_run run = run_number(1);
	int64_t start = rain_clock_monotonic_ms();

	(void)state;
	rmdir(directory);
	writer = rain_jobcomp_writer_create(directory, keep, &error);
	rain_jobcomp_writer_add(writer, &run);
	rain_jobcomp_writer_destroy(writer);
	assert_non_null(strstr(said, "1 records of ended jobs could not be written"));
	assert_true(rain_clock_monotonic_ms() - start < 5000);
	rain_jobcomp_writer_destroy(NULL);
}

static void test_the_directory_can_move(void **state)
{
	char first[64];
	struct rain_jobcomp_writer *writer;
	struct rain_jobcomp_run run = run_number(1);

	(void)state;
	assert_null(rain_jobcomp_writer_create("relative", keep, &error));
	assert_non_null(strstr(error.text, "absolute"));
	snprintf(first, sizeof first, "%s/missing", directory);
	writer = rain_jobcomp_writer_create(first, keep, &error);
	rain_jobcomp_writer_add(writer, &run);
	wait_until_said("wait in memory");
	assert_int_equal(rain_jobcomp_writer_move(writer, "", &error), -1);
	assert_int_equal(rain_jobcomp_writer_move(writer, directory, &error), 0);
	rain_jobcomp_writer_destroy(writer);
	assert_int_equal(records_count(), 1);
}

/* A comment too long for a record is left out; so the run is booked all the same. */
static void test_a_long_comment_is_left_out(void **state)
{
	static char comment[RAIN_SEGMENT_RECORD_MAX];
	struct rain_jobcomp_writer *writer = rain_jobcomp_writer_create(directory, keep, &error);
	struct rain_jobcomp_run run = run_number(1);
	json_t *records;

	(void)state;
	memset(comment, 'x', sizeof comment - 1);
	run.admin_comment = comment;
	rain_jobcomp_writer_add(writer, &run);
	run = run_number(2);
	rain_jobcomp_writer_add(writer, &run);
	rain_jobcomp_writer_destroy(writer);
	records = records_read();
	assert_int_equal(json_array_size(records), 2);
	assert_text(json_array_get(records, 0), "admin_comment", "");
	assert_text(json_array_get(records, 1), "admin_comment", "rain: burst=auto;");
	json_decref(records);
}

/* The disk is full for a time: nothing is lost, nothing torn. */
static void test_a_full_disk_is_waited_for(void **state)
{
	static const char page[4096];
	struct rain_jobcomp_writer *writer;
	char command[160], fill[80];
	FILE *file;

	(void)state;
	snprintf(command, sizeof command, "mount -t tmpfs -o size=64k none %s 2>/dev/null", directory);
	if (system(command) != 0) {
		print_message("# only root can mount a small file system, to fill it\n");
		skip();
	}
	snprintf(fill, sizeof fill, "%s/fill", directory);
	file = fopen(fill, "w");
	assert_non_null(file);
	setbuf(file, NULL);
	for (int i = 0; i < 14; i++)
		assert_int_equal(fwrite(page, sizeof page, 1, file), 1);
	writer = rain_jobcomp_writer_create(directory, keep, &error);
	for (uint32_t i = 1; i <= 100; i++) {
		struct rain_jobcomp_run run = run_number(i);

		rain_jobcomp_writer_add(writer, &run);
	}
	wait_until_said("No space left on device");
	assert_int_equal(unlink(fill), 0);
	fclose(file);
	wait_until_said("can be written again");
	rain_jobcomp_writer_destroy(writer);
	assert_int_equal(records_count(), 100);
	snprintf(command, sizeof command, "umount %s", directory);
	assert_int_equal(system(command), 0);
}

static void test_memory_is_bounded(void **state)
{
	static char comment[1024 * 1024];
	struct rain_jobcomp_writer *writer;
	struct rain_jobcomp_run run = run_number(1);
	int kept = 0;

	(void)state;
	memset(comment, 'x', sizeof comment - 1);
	run.admin_comment = comment;
	rmdir(directory);
	writer = rain_jobcomp_writer_create(directory, keep, &error);
	while (kept < 200 && rain_jobcomp_writer_add(writer, &run) == 0)
		kept++;
	/* one may be in the thread's hands */
	assert_in_range(kept, 126, 129);
	assert_int_equal(rain_jobcomp_writer_add(writer, &run), -1);
	rain_jobcomp_writer_destroy(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_record_holds_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_end_writes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_missing_directory_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_end_does_not_hang, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_directory_can_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_comment_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_disk_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
