// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/spool_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounting/rejected.h"
#include "accounting/segment.h"
#include "accounting/spool_writer.h"
#include "common/file.h"

#define NOW INT64_C(1700000000000)

static char directory[64], path[512];
static struct rain_error error;

static int setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/rain-spool-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static const char *in_spool(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* How many files there are; the name of the last one in their order is in `path`. */
static int segments(void)
{
	struct dirent **names;
	uint64_t number;
	int n = scandir(directory, &names, NULL, alphasort), count = 0;

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (rain_segment_number(names[i]->d_name, &number)) {
			count++;
			in_spool(names[i]->d_name);
		}
		free(names[i]);
	}
	free(names);
	return count;
}

static const char *record(int i)
{
	static char text[64];

	snprintf(text, sizeof(text), "{\"job_id\":%d}", i);
	return text;
}

/* Records first .. last, as one group. How many of them are durable. */
static size_t append(struct rain_spool_writer *writer, int first, int last, int64_t now)
{
	size_t durable;

	assert_int_equal(rain_spool_writer_begin(writer, directory, now, &error), 0);
	for (int i = first; i <= last; i++)
		assert_int_equal(rain_spool_writer_add(writer, record(i), strlen(record(i)), now, &error), 0);
	rain_spool_writer_sync(writer, &durable, &error);
	return durable;
}

/* A writer that writes records first .. last and is gone. */
static void write_all(int first, int last, int64_t now)
{
	struct rain_spool_writer *writer = rain_spool_writer_create();

	assert_int_equal(append(writer, first, last, now), last - first + 1);
	rain_spool_writer_destroy(writer);
}

/* The next pass gives records first .. last (none when last < first); then `broken` broken
 * lines. Settles them all. */
static void assert_pass(struct rain_spool_reader *reader, int first, int last, int broken)
{
	struct rain_spool_line line;

	assert_int_equal(rain_spool_reader_begin(reader, 0, &error), 0);
	for (int i = first; i <= last + broken; i++) {
		assert_true(rain_spool_reader_next(reader, &line));
		assert_int_equal(line.broken != NULL, i > last);
		if (!line.broken) {
			assert_int_equal(line.size, strlen(record(i)));
			assert_memory_equal(line.text, record(i), line.size);
		}
		rain_spool_reader_settle(reader, &line.place, false);
	}
	assert_false(rain_spool_reader_next(reader, &line));
	rain_spool_reader_sweep(reader);
}

static char *file_read(const char *name, size_t *size)
{
	char *text = rain_file_read(name, 1 << 24, size, &error);

	assert_non_null(text);
	return text;
}

static void file_write(const char *name, const char *bytes, size_t size)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static void test_a_line(void **state)
{
	struct rain_segment_line line = {.number = 7, .written_ms = NOW, .record = "{}", .size = 2}, found;
	char text[RAIN_SEGMENT_HEAD_MAX + 4];
	size_t length = rain_segment_head(&line, text), used;

	(void)state;
	memcpy(text + length, "{}\n", 3);
	length += 3;
	assert_int_equal(rain_segment_read(text, length, &found, &used), RAIN_SEGMENT_RECORD);
	assert_int_equal(used, length);
	assert_int_equal(found.number, 7);
	assert_int_equal(found.written_ms, NOW);
	assert_int_equal(found.size, 2);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(rain_segment_read(text, i, &found, &used), RAIN_SEGMENT_PART);
	for (size_t i = 0; i < length - 1; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ 1 << bit);
			assert_int_equal(rain_segment_read(text, length, &found, &used), RAIN_SEGMENT_BROKEN);
			text[i] = (char)(text[i] ^ 1 << bit);
		}
	}
}

static void test_a_name(void **state)
{
	char a[RAIN_SEGMENT_NAME_SIZE], b[RAIN_SEGMENT_NAME_SIZE];
	uint64_t number;

	(void)state;
	rain_segment_name((uint64_t)NOW, a);
	rain_segment_name((uint64_t)NOW * 10, b);
	assert_true(strcmp(a, b) < 0);
	assert_true(rain_segment_number(a, &number));
	assert_int_equal(number, NOW);
	assert_false(rain_segment_number("", &number));
	assert_false(rain_segment_number("1.runs", &number));
	assert_false(rain_segment_number("0001700000000000.runs2", &number));
	assert_false(rain_segment_number("000170000000000x.runs", &number));
}

/* Whatever part of the last line a killed writer got to write, what is before it is read, the
 * part is told, and the segment goes. */
static void test_a_torn_tail_at_every_byte(void **state)
{
	char name[512], *whole, *last;
	size_t size;

	(void)state;
	write_all(1, 3, NOW);
	assert_int_equal(segments(), 1);
	strcpy(name, path);
	whole = file_read(name, &size);
	last = (char *)memrchr(whole, '\n', size - 1) + 1;
	for (size_t cut = (size_t)(last - whole); cut <= size; cut++) {
		struct rain_spool_reader *reader = rain_spool_reader_create(directory);
		bool all = cut == size, torn = !all && cut > (size_t)(last - whole);

		file_write(name, whole, cut);
		write_all(all ? 4 : 3, 5, NOW + 1); /* blocks nothing that follows */
		if (torn) {
			struct rain_spool_line line;

			assert_int_equal(rain_spool_reader_begin(reader, 0, &error), 0);
			for (int i = 1; i <= 3; i++) {
				assert_true(rain_spool_reader_next(reader, &line));
				assert_int_equal(line.broken != NULL, i == 3);
				rain_spool_reader_settle(reader, &line.place, false);
			}
			assert_int_equal(line.size, cut - (size_t)(last - whole));
			assert_memory_equal(line.text, last, line.size);
		}
		assert_pass(reader, torn ? 3 : 1, 5, 0);
		/* What the first pass settled goes with the next one. */
		assert_pass(reader, 1, 0, 0);
		assert_int_equal(segments(), 0);
		rain_spool_reader_destroy(reader);
	}
	free(whole);
}

static void test_the_reader_follows_the_writer(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct rain_spool_writer *writer = rain_spool_writer_create();

	(void)state;
	assert_pass(reader, 1, 0, 0);
	for (int i = 1; i <= 20; i += 2) {
		assert_int_equal(append(writer, i, i + 1, NOW), 2);
		assert_pass(reader, i, i + 1, 0);
		assert_int_equal(segments(), 1);
	}
	rain_spool_writer_destroy(writer);
	assert_pass(reader, 1, 0, 0);
	assert_int_equal(segments(), 0);
	rain_spool_reader_destroy(reader);
}

/* One that is held up doesn't hold up others. */
static void test_writers_come_and_go_under_a_reader(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct rain_spool_writer *first = rain_spool_writer_create(), *second;

	(void)state;
	append(first, 1, 2, NOW);
	second = rain_spool_writer_create();
	append(second, 3, 4, NOW - 1000); /* the clock went back */
	assert_pass(reader, 1, 4, 0);
	append(second, 5, 6, NOW - 1000);
	rain_spool_writer_destroy(second);
	assert_pass(reader, 5, 6, 0);
	assert_int_equal(segments(), 1);
	write_all(7, 7, NOW - RAIN_SPOOL_SEGMENT_MS);
	write_all(8, 8, NOW + 5);
	write_all(9, 9, NOW + 5);
	assert_pass(reader, 7, 9, 0);
	rain_spool_writer_destroy(first);
	assert_pass(reader, 1, 0, 0);
	assert_int_equal(segments(), 0);
	rain_spool_reader_destroy(reader);
}

static void test_a_segment_ends(void **state)
{
	struct rain_spool_writer *writer = rain_spool_writer_create();
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct stat status;
	static char large[RAIN_SEGMENT_RECORD_MAX];
	size_t durable;

	(void)state;
	append(writer, 1, 1, NOW);
	assert_int_equal(segments(), 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	append(writer, 2, 2, NOW + RAIN_SPOOL_SEGMENT_MS - 1);
	assert_int_equal(segments(), 1);
	append(writer, 3, 3, NOW + RAIN_SPOOL_SEGMENT_MS);
	assert_int_equal(segments(), 2);
	rain_spool_writer_rest(writer, NOW + 2 * RAIN_SPOOL_SEGMENT_MS); /* with nobody to write */
	assert_pass(reader, 1, 3, 0);
	assert_int_equal(segments(), 0);
	append(writer, 4, 4, NOW);
	append(writer, 5, 5, NOW - RAIN_SPOOL_SEGMENT_MS);
	assert_int_equal(segments(), 2);
	unlink(path); /* by somebody */
	append(writer, 5, 5, NOW);
	assert_pass(reader, 4, 5, 0);
	memset(large, 'x', sizeof(large));
	for (int i = 0; i < 2 * RAIN_SPOOL_SEGMENT_MAX / (int)sizeof(large); i++) {
		assert_int_equal(rain_spool_writer_begin(writer, directory, NOW, &error), 0);
		assert_true(rain_spool_writer_add(writer, large, sizeof(large), NOW, &error) >= 0);
		assert_int_equal(rain_spool_writer_sync(writer, &durable, &error), 0);
	}
	assert_in_range(segments(), 2, 3);
	rain_spool_writer_destroy(writer);
	rain_spool_reader_destroy(reader);
}

static void test_poison_in_the_middle(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct rain_spool_line line;
	char *text, *middle;
	size_t size;

	(void)state;
	write_all(1, 5, NOW);
	segments();
	text = file_read(path, &size);
	middle = strstr(text, record(3));
	middle[2] ^= 1;
	file_write(path, text, size);
	assert_int_equal(rain_spool_reader_begin(reader, 0, &error), 0);
	for (int i = 1; i <= 5; i++) {
		assert_true(rain_spool_reader_next(reader, &line));
		assert_int_equal(line.broken != NULL, i == 3);
		rain_spool_reader_settle(reader, &line.place, false);
	}
	assert_pass(reader, 1, 0, 0);
	assert_int_equal(segments(), 0);
	/* Rubbish without an end of a line goes in pieces. */
	text = realloc(text, RAIN_SEGMENT_LINE_MAX + 10);
	memset(text, 'z', RAIN_SEGMENT_LINE_MAX + 10);
	file_write(in_spool("0000000000000001.runs"), text, RAIN_SEGMENT_LINE_MAX + 10);
	write_all(1, 1, NOW);
	assert_int_equal(rain_spool_reader_begin(reader, 0, &error), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(rain_spool_reader_next(reader, &line));
		assert_non_null(line.broken);
		assert_int_equal(line.size, i == 0 ? RAIN_SEGMENT_LINE_MAX : 10);
		rain_spool_reader_settle(reader, &line.place, false);
	}
	assert_true(rain_spool_reader_next(reader, &line));
	assert_null(line.broken);
	free(text);
	rain_spool_reader_destroy(reader);
}

/* The disk takes a part of a group: at every byte of it. */
static void test_the_disk_is_full(void **state)
{
	struct rlimit before, small;
	size_t size, durable;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	write_all(1, 4, NOW);
	segments();
	free(file_read(path, &size));
	unlink(path);
	for (size_t limit = 0; limit <= size; limit += limit % 7 == 0 ? 1 : 2) {
		struct rain_spool_reader *reader = rain_spool_reader_create(directory);
		struct rain_spool_writer *writer = rain_spool_writer_create();

		small = (struct rlimit){limit, before.rlim_max};
		assert_int_equal(append(writer, 0, -1, NOW), 0);
		setrlimit(RLIMIT_FSIZE, &small);
		durable = append(writer, 1, 4, NOW);
		setrlimit(RLIMIT_FSIZE, &before);
		assert_int_equal(durable, 4 * limit / size);
		assert_int_equal(segments(), durable > 0); /* an empty one would be one more each time */
		assert_pass(reader, 1, (int)durable, 0);
		if (durable < 4)
			append(writer, (int)durable + 1, 4, NOW);
		assert_pass(reader, (int)durable + 1, 4, 0);
		rain_spool_writer_destroy(writer);
		assert_pass(reader, 1, 0, 0);
		assert_int_equal(segments(), 0);
		rain_spool_reader_destroy(reader);
	}
}

static void test_what_is_not_settled_is_read_again(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct rain_spool_line line, fourth;
	size_t size;
	char *text;

	(void)state;
	write_all(1, 3, NOW);
	write_all(4, 6, NOW);
	rain_spool_reader_begin(reader, 0, &error);
	for (int i = 1; i <= 6; i++) {
		assert_true(rain_spool_reader_next(reader, &line));
		if (i <= 4)
			rain_spool_reader_settle(reader, &line.place, false);
		if (i == 4)
			fourth = line;
	}
	text = rain_spool_reader_again(reader, &fourth.place, &size, &error);
	assert_string_equal(text, record(4));
	free(text);
	assert_false(rain_spool_reader_next(reader, &line));
	rain_spool_reader_sweep(reader);
	assert_int_equal(segments(), 1);
	rain_spool_reader_rewind(reader);
	assert_pass(reader, 5, 6, 0);
	assert_int_equal(segments(), 0);
	/* What can't even be put aside stays, and is tried again. */
	write_all(1, 1, NOW);
	rain_spool_reader_begin(reader, 1000, &error);
	assert_true(rain_spool_reader_next(reader, &line));
	rain_spool_reader_settle(reader, &line.place, true);
	assert_false(rain_spool_reader_next(reader, &line));
	rain_spool_reader_sweep(reader);
	assert_int_equal(segments(), 1);
	rain_spool_reader_begin(reader, 999 + RAIN_SPOOL_STUCK_MS, &error);
	assert_false(rain_spool_reader_next(reader, &line));
	rain_spool_reader_begin(reader, 1000 + RAIN_SPOOL_STUCK_MS, &error);
	assert_true(rain_spool_reader_next(reader, &line));
	rain_spool_reader_destroy(reader);
}

static void assert_depth(struct rain_spool_reader *reader, int64_t waiting, int64_t since)
{
	int64_t count, oldest;

	assert_int_equal(rain_spool_reader_depth(reader, &count, &oldest, &error), 0);
	assert_int_equal(count, waiting);
	assert_int_equal(oldest, since);
}

static void test_depth(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct rain_spool_writer *writer = rain_spool_writer_create();
	struct rain_spool_line line;
	static char large[RAIN_SEGMENT_RECORD_MAX];
	size_t durable;

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_depth(reader, 0, 0);
	append(writer, 1, 5, NOW);
	append(writer, 6, 7, NOW + 10);
	assert_depth(reader, 7, NOW);
	rain_spool_reader_begin(reader, 0, &error);
	for (int i = 1; i <= 5; i++) {
		assert_true(rain_spool_reader_next(reader, &line));
		assert_depth(reader, 8 - i, NOW);
		rain_spool_reader_settle(reader, &line.place, false);
	}
	assert_depth(reader, 2, NOW + 10);
	assert_pass(reader, 6, 7, 0);
	assert_depth(reader, 0, 0);
	rain_spool_writer_begin(writer, directory, NOW + 20, &error);
	rain_spool_writer_add(writer, large, sizeof(large), NOW + 20, &error);
	rain_spool_writer_sync(writer, &durable, &error);
	write_all(9, 12, NOW + 30);
	assert_depth(reader, 5, NOW + 20);
	rain_spool_writer_destroy(writer);
	rain_spool_reader_destroy(reader);
}

/* A writer that died before it wrote anything, and what only looks like a segment. */
static void test_what_holds_nothing(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct timespec old[2] = {{.tv_sec = NOW / 1000 - 3600}, {.tv_sec = NOW / 1000 - 3600}};

	(void)state;
	file_write(in_spool("0000000000000002.runs"), "", 0);
	assert_pass(reader, 1, 0, 0);
	assert_int_equal(segments(), 0);
	mkdir(in_spool("0000000000000003.runs"), 0700);
	assert_int_equal(utimensat(-1, path, old, 0), 0);
	assert_int_equal(symlink("/etc/passwd", in_spool("0000000000000004.runs")), 0);
	assert_int_equal(utimensat(-1, path, old, AT_SYMLINK_NOFOLLOW), 0);
	file_write(in_spool("core"), "x", 1);
	assert_int_equal(utimensat(-1, path, old, 0), 0);
	file_write(in_spool("being-moved"), "x", 1);
	old[1].tv_sec = NOW / 1000;
	assert_int_equal(utimensat(-1, path, old, 0), 0);
	write_all(1, 2, NOW);
	assert_pass(reader, 1, 2, 0);
	assert_int_equal(rain_rejected_add_foreign(directory, NOW, &error), 3);
	assert_int_equal(rain_rejected_add_foreign(directory, NOW, &error), 0);
	assert_int_equal(rain_rejected_count(directory, &error), 3);
	assert_int_equal(segments(), 0);
	assert_int_equal(rain_rejected_readmit(directory, NULL, NOW, &error), 0);
	rain_spool_reader_destroy(reader);
}

/* Rights of files are nothing to root. */
static void become(uid_t uid)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(uid), 0);
}

/* One that can't be read holds up no other, isn't put aside, and is booked when it can be. */
static void test_a_segment_without_rights(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	struct timespec old[2] = {{.tv_sec = NOW / 1000 - 3600}, {.tv_sec = NOW / 1000 - 3600}};
	char first[sizeof(path)];

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	write_all(1, 3, NOW);
	assert_int_equal(segments(), 1);
	memcpy(first, path, sizeof(first));
	assert_int_equal(chmod(first, 0), 0);
	assert_int_equal(utimensat(-1, first, old, 0), 0);
	become(65534);
	assert_int_equal(rain_rejected_add_foreign(directory, NOW, &error), 0);
	assert_depth(reader, 1, NOW);
	become(0);
	write_all(4, 5, NOW + 1);
	assert_int_equal(segments(), 2);
	assert_int_equal(chmod(path, 0644), 0);
	become(65534);
	assert_pass(reader, 4, 5, 0);
	assert_depth(reader, 1, NOW);
	become(0);
	assert_int_equal(chmod(first, 0644), 0);
	become(65534);
	assert_pass(reader, 1, 0, 0);
	assert_int_equal(rain_spool_reader_begin(reader, RAIN_SPOOL_STUCK_MS, &error), 0);
	for (int i = 1; i <= 3; i++) {
		struct rain_spool_line line;

		assert_true(rain_spool_reader_next(reader, &line));
		assert_memory_equal(line.text, record(i), line.size);
	}
	become(0);
	rain_spool_reader_destroy(reader);
}

/* Those that can't be deleted, one of them empty, hold up no other. */
static void test_a_segment_that_stays(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);

	(void)state;
	file_write(in_spool("0000000000000002.runs"), "", 0);
	write_all(1, 3, NOW);
	assert_int_equal(segments(), 2);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(directory, 0555), 0);
	become(65534);
	assert_pass(reader, 1, 3, 0);
	become(0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(segments(), 2);
	write_all(4, 5, NOW + 1);
	assert_int_equal(segments(), 3);
	assert_int_equal(chmod(path, 0644), 0);
	become(65534);
	assert_pass(reader, 4, 5, 0);
	assert_depth(reader, 0, 0);
	rain_spool_reader_begin(reader, RAIN_SPOOL_STUCK_MS, &error);
	assert_false(rain_spool_reader_next(reader, &(struct rain_spool_line){0}));
	rain_spool_reader_sweep(reader);
	become(0);
	assert_int_equal(segments(), 0);
	rain_spool_reader_destroy(reader);
}

/* Its writer begins another. */
static void test_a_segment_that_is_moved(void **state)
{
	struct rain_spool_writer *writer = rain_spool_writer_create();
	char from[sizeof(path)];

	(void)state;
	append(writer, 1, 1, NOW);
	assert_int_equal(segments(), 1);
	memcpy(from, path, sizeof(from));
	assert_int_equal(rename(from, in_spool("elsewhere")), 0);
	assert_int_equal(append(writer, 2, 2, NOW), 1);
	assert_int_equal(segments(), 1);
	file_write(in_spool("other"), "", 0);
	segments();
	memcpy(from, path, sizeof(from));
	assert_int_equal(rename(in_spool("other"), from), 0);
	assert_int_equal(append(writer, 3, 3, NOW), 1);
	assert_int_equal(segments(), 2);
	rain_spool_writer_destroy(writer);
}

static void test_what_is_put_aside_comes_back(void **state)
{
	struct rain_spool_reader *reader = rain_spool_reader_create(directory);
	json_t *list;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(rain_rejected_add(directory, name, record(i), strlen(record(i)), "why", &error), 0);
	}
	assert_int_equal(rain_rejected_add(directory, "1", record(1), strlen(record(1)), "why", &error), 0);
	assert_int_equal(rain_rejected_add(directory, NULL, "{\n}", 3, "no name", &error), 0);
	assert_int_equal(rain_rejected_add_line(directory, "torn", 4, "torn", &error), 0);
	assert_int_equal(rain_rejected_count(directory, &error), 5);
	list = rain_rejected_list(directory, 10, &error);
	assert_int_equal(json_array_size(list), 5);
	json_decref(list);
	assert_int_equal(rain_rejected_readmit(directory, "../1.json", NOW, &error), -1);
	assert_int_equal(rain_rejected_readmit(directory, "9.json", NOW, &error), -1);
	assert_int_equal(rain_rejected_readmit(directory, "1.json", NOW, &error), 1);
	assert_pass(reader, 1, 1, 0);
	assert_int_equal(rain_rejected_readmit(directory, NULL, NOW, &error), 3);
	assert_int_equal(rain_rejected_count(directory, &error), 1);
	assert_int_equal(segments(), 1);
	rain_spool_reader_destroy(reader);
}

static void assert_put_aside(const char *name, const char *holds)
{
	char *text;
	size_t size;

	in_spool("rejected/");
	strncat(path, name, sizeof(path) - strlen(path) - 1);
	text = file_read(path, &size);
	assert_int_equal(size, strlen(holds));
	assert_memory_equal(text, holds, size);
	free(text);
}

/* Foreign files have the names of what lies there already, and of what would be hidden there. */
static void test_nothing_put_aside_is_replaced(void **state)
{
	static const char *const names[] = {"1.json", "core", "core.reason", ".new"};
	struct timespec old[2] = {{.tv_sec = NOW / 1000 - 3600}, {.tv_sec = NOW / 1000 - 3600}};

	(void)state;
	assert_int_equal(rain_rejected_add(directory, "1", record(1), strlen(record(1)), "why", &error), 0);
	for (int round = 1; round <= 2; round++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			file_write(in_spool(names[i]), round == 1 ? "x" : "y", 1);
			assert_int_equal(utimensat(-1, path, old, 0), 0);
		}
		assert_int_equal(rain_rejected_add_foreign(directory, NOW, &error), 4);
		assert_int_equal(rain_rejected_count(directory, &error), 1 + 4 * round);
	}
	assert_put_aside("1.json", record(1));
	assert_put_aside("1.json.reason", "why\n");
	assert_put_aside("1.json.1", "x");
	assert_put_aside("1.json.2", "y");
	assert_put_aside("core", "x");
	assert_put_aside("core.1", "y");
	assert_put_aside("core.reason.1", "x");
	assert_put_aside("core.reason.2", "y");
	assert_put_aside("hidden.new", "x");
	assert_put_aside("hidden.new.1", "y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line),
		cmocka_unit_test(test_a_name),
		cmocka_unit_test_setup_teardown(test_a_torn_tail_at_every_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_reader_follows_the_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writers_come_and_go_under_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_segment_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poison_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_disk_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_settled_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_holds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_segment_without_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_segment_that_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_segment_that_is_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_put_aside_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_put_aside_is_replaced, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
