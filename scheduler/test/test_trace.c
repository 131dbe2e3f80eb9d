/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "scheduler/trace.h"

#define GOOD \
	"; MaxNodes: 50\n; MaxProcs: 100\n\n" \
	"2 20 0 30 4 -1 -1 4 60 -1 1 7 -1 -1 -1 -1 -1 -1\r\n" \
	"1 10 -1 100 -1 -1 -1 8 50 -1 1 -1 -1 -1 -1 -1 -1 -1\n" \
	"3 30 -1 -1 4 -1 -1 4 60 -1 5 7 -1 -1 -1 -1 -1 -1\n" \
	"4 40 -1 0 4 -1 -1 4 -1 -1 1 7 -1 -1 -1 -1 -1 -1" /* no newline at the end */

static char path[] = "/tmp/rain-test-trace.XXXXXX";

static void write_file(const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* Loads a text that is wrong, and says what the error says. */
static void refuse(const char *text, const char *expected)
{
	struct rain_error err = {""};

	write_file(text, strlen(text));
	assert_null(rain_trace_load(path, &err));
	if (!strstr(err.text, expected))
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, expected);
}

static void check_good(const struct rain_trace *trace)
{
	assert_int_equal(trace->count, 3);
	assert_int_equal(trace->procs, 100);
	assert_int_equal(trace->jobs[0].submit, 10);
	assert_int_equal(trace->jobs[0].procs, 8);   /* asked for */
	assert_int_equal(trace->jobs[0].limit, 100); /* raised to the run time */
	assert_int_equal(trace->jobs[1].user, 7);
	assert_int_equal(trace->jobs[1].limit, 60);
	assert_int_equal(trace->jobs[2].run, 1);
	assert_int_equal(trace->warnings.unsorted, 1);
	assert_int_equal(trace->warnings.left_out, 1);
	assert_int_equal(trace->warnings.overran, 1);
	assert_int_equal(trace->warnings.no_limit, 1);
}

static void test_reads_sorts_and_counts(void **state)
{
	struct rain_error err;
	struct rain_trace *trace;

	(void)state;
	write_file(GOOD, strlen(GOOD));
	trace = rain_trace_load(path, &err);
	assert_non_null(trace);
	check_good(trace);
	rain_trace_destroy(trace);
}

/* gzip, as the archives have them, and cut off in the middle. */
static void test_reads_gzip_but_no_half_of_one(void **state)
{
	static char packed[65536];
	struct archive *writer = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	struct rain_trace *trace;
	struct rain_error err;
	size_t size = 0;

	(void)state;
	archive_write_set_format_raw(writer);
	archive_write_add_filter_gzip(writer);
	archive_write_set_bytes_in_last_block(writer, 1);
	assert_int_equal(archive_write_open_memory(writer, packed, sizeof packed, &size), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(writer, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(writer, GOOD, strlen(GOOD)), strlen(GOOD));
	archive_entry_free(entry);
	assert_int_equal(archive_write_free(writer), ARCHIVE_OK);
	assert_true(size > 40);
	write_file(packed, size);
	trace = rain_trace_load(path, &err);
	assert_non_null(trace);
	check_good(trace);
	rain_trace_destroy(trace);
	write_file(packed, size / 2);
	assert_null(rain_trace_load(path, &err));
	assert_non_null(strstr(err.text, path));
}

static void test_names_the_line_that_is_wrong(void **state)
{
	(void)state;
	refuse("; ok\n1 2 3\n", "line 2: 3 fields where the format has 18");
	refuse("1 10 0 30 4 -1 -1 4 60 -1 1 7\n1 10 0 x 4 -1 -1 4 60 -1 1 7\n", "line 2: field 4, 'x ");
	refuse("1 -10 0 30 4 -1 -1 4 60 -1 1 7\n", "line 1: submitted at -10 s");
	refuse("1 10 0 30 4 -1 -1 4 60 -1 1 7 1 1 1 1 1 1 1\n", "line 1: more than 18 fields");
	refuse("1 10 0 nan 4 -1 -1 4 60 -1 1 7\n", "line 1: field 4");
	refuse("1 10 0 1e300 4 -1 -1 4 60 -1 1 7\n", "line 1: a run of more than");
	refuse("1 10 0 3 1e11 -1 -1 4 60 -1 1 7\n", "line 1: 100000000000 processors");
	refuse("1 1e18 0 3 1 -1 -1 4 60 -1 1 7\n", "line 1: submitted at");
	refuse("; nothing\n", "no job that could be replayed");
	refuse("", "no job that could be replayed");
}

static void test_bounds_the_line(void **state)
{
	size_t size = 10 * 1024 * 1024;
	char *text = malloc(size);
	struct rain_error err;

	(void)state;
	assert_non_null(text);
	memset(text, '1', size);
	memcpy(text, "; ok\n", 5);
	write_file(text, size);
	assert_null(rain_trace_load(path, &err));
	assert_non_null(strstr(err.text, "line 2: longer than 4096 bytes"));
	free(text);
	write_file("1 2\0 3\n", 7);
	assert_null(rain_trace_load(path, &err));
	assert_non_null(strstr(err.text, "line 1: a zero byte"));
}

static void test_a_file_that_is_not_there(void **state)
{
	struct rain_error err;

	(void)state;
	assert_null(rain_trace_load("/nonexistent/trace.swf", &err));
	assert_non_null(strstr(err.text, "/nonexistent/trace.swf"));
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_sorts_and_counts),
		cmocka_unit_test(test_reads_gzip_but_no_half_of_one),
		cmocka_unit_test(test_names_the_line_that_is_wrong),
		cmocka_unit_test(test_bounds_the_line),
		cmocka_unit_test(test_a_file_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
