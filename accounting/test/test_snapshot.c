// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/snapshot_map.h"

#define NOW INT64_C(1000000)
static const char boot[RAIN_SNAPSHOT_BOOT_SIZE + 1] = "01234567-89ab-cdef-0123-456789abcdef";
static const char other[RAIN_SNAPSHOT_BOOT_SIZE + 1] = "fedcba98-89ab-cdef-0123-456789abcdef";

static int copy_plainly(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return 0;
}

static int copy_never(void *to, const void *from, size_t size)
{
	(void)to;
	(void)from;
	(void)size;
	return -1;
}

struct fixture {
	void *block;
	struct rain_snapshot snapshot;
};

static struct fixture make(void)
{
	size_t size = rain_snapshot_size(RAIN_SNAPSHOT_SLOTS_MIN);
	struct fixture made = {.block = calloc(1, size)};

	assert_non_null(made.block);
	rain_snapshot_init(made.block, RAIN_SNAPSHOT_SLOTS_MIN, boot);
	made.snapshot = (struct rain_snapshot){.block = made.block, .size = size,
					       .copy = copy_plainly};
	memcpy(made.snapshot.boot, boot, sizeof(made.snapshot.boot));
	return made;
}

static enum rain_snapshot_answer find(const struct fixture *f, uint64_t key, int64_t now,
				      int64_t *available)
{
	struct rain_snapshot_entry entry;
	enum rain_snapshot_answer answer = rain_snapshot_find(&f->snapshot, key, now, &entry);

	if (answer == RAIN_SNAPSHOT_KNOWN)
		*available = entry.available_utok;
	return answer;
}

static void test_found(void **state)
{
	struct fixture f = make();
	struct rain_snapshot_entry entries[500];
	int64_t available = -1;

	(void)state;
	/* keys that fall on few slots: probing, and round the end */
	for (uint32_t i = 0; i < 500; i++)
		entries[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i * RAIN_SNAPSHOT_SLOTS_MIN + 7),
							  .available_utok = i};
	assert_int_equal(rain_snapshot_write(f.block, entries, 500, NOW), 0);
	for (uint32_t i = 0; i < 500; i++) {
		assert_int_equal(find(&f, entries[i].key, NOW, &available), RAIN_SNAPSHOT_KNOWN);
		assert_int_equal(available, i);
	}
	assert_int_equal(find(&f, rain_snapshot_user(1), NOW, &available), RAIN_SNAPSHOT_UNKNOWN);
	/* what is written next replaces all of it */
	assert_int_equal(rain_snapshot_write(f.block, entries, 1, NOW), 0);
	assert_int_equal(find(&f, entries[1].key, NOW, &available), RAIN_SNAPSHOT_UNKNOWN);
	free(f.block);
}

static void test_never_written(void **state)
{
	struct fixture f = make();
	int64_t available;

	(void)state;
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	assert_int_equal(find(&f, rain_snapshot_user(7), 0, &available), RAIN_SNAPSHOT_GONE);
	free(f.block);
}

static void test_stale_or_foreign(void **state)
{
	struct fixture f = make();
	struct rain_snapshot_entry entry = {.key = rain_snapshot_user(7), .available_utok = 5};
	int64_t available;

	(void)state;
	assert_int_equal(rain_snapshot_write(f.block, &entry, 1, NOW), 0);
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW + RAIN_SNAPSHOT_STALE_MS, &available), RAIN_SNAPSHOT_KNOWN);
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW + RAIN_SNAPSHOT_STALE_MS + 1, &available), RAIN_SNAPSHOT_GONE);
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW - 1, &available), RAIN_SNAPSHOT_GONE);
	memcpy(f.snapshot.boot, other, sizeof(f.snapshot.boot));
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	memcpy(f.snapshot.boot, boot, sizeof(f.snapshot.boot));
	f.snapshot.size -= 1;
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	f.snapshot.size = 8;
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	f.snapshot.size = rain_snapshot_size(RAIN_SNAPSHOT_SLOTS_MIN);
	f.snapshot.copy = copy_never;
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	f.snapshot.copy = copy_plainly;
	rain_snapshot_retire(f.block);
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_GONE);
	free(f.block);
}

/* A writer that died in the middle leaves the sequence odd: not known until the
 * next one has written. */
static void test_torn(void **state)
{
	struct fixture f = make();
	struct rain_snapshot_entry entry = {.key = rain_snapshot_user(7), .available_utok = 5};
	uint64_t *sequence = (uint64_t *)((char *)f.block + 16);
	int64_t available;

	(void)state;
	assert_int_equal(rain_snapshot_write(f.block, &entry, 1, NOW), 0);
	assert_int_equal(*sequence, 2);
	*sequence = 3;
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_UNKNOWN);
	assert_int_equal(rain_snapshot_write(f.block, &entry, 1, NOW), 0);
	assert_int_equal(*sequence % 2, 0);
	assert_int_equal(find(&f, rain_snapshot_user(7), NOW, &available), RAIN_SNAPSHOT_KNOWN);
	assert_int_equal(available, 5);
	free(f.block);
}

static void test_full(void **state)
{
	struct fixture f = make();
	static struct rain_snapshot_entry entries[RAIN_SNAPSHOT_SLOTS_MIN];
	int64_t available;

	(void)state;
	for (uint32_t i = 0; i < RAIN_SNAPSHOT_SLOTS_MIN; i++)
		entries[i].key = rain_snapshot_user(i);
	assert_int_equal(rain_snapshot_write(f.block, entries, 10, NOW), 0);
	assert_int_equal(rain_snapshot_write(f.block, entries, RAIN_SNAPSHOT_SLOTS_MIN, NOW), -1);
	assert_int_equal(find(&f, rain_snapshot_user(9), NOW, &available), RAIN_SNAPSHOT_KNOWN);
	/* a block without a free slot must not make a reader go round for ever */
	memset((char *)f.block + 72, 1, RAIN_SNAPSHOT_SLOTS_MIN * sizeof(entries[0]));
	assert_int_equal(find(&f, rain_snapshot_user(9), NOW, &available), RAIN_SNAPSHOT_UNKNOWN);
	free(f.block);
}

static atomic_bool stop;

/* Balance, held and available always tell the same story of one moment. */
static void *write_on(void *arg)
{
	struct fixture *f = arg;

	for (int64_t n = 1; !atomic_load(&stop); n++) {
		struct rain_snapshot_entry entries[200];

		for (uint32_t i = 0; i < 200; i++)
			entries[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i), .balance_utok = 3 * n,
								  .held_utok = n,
								  .available_utok = 2 * n};
		rain_snapshot_write(f->block, entries, 200, NOW);
	}
	return NULL;
}

static void test_torn_reads(void **state)
{
	struct fixture f = make();
	pthread_t writer;
	int known = 0;

	(void)state;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&writer, NULL, write_on, &f), 0);
	for (int i = 0; i < 200000 || (known < 1000 && i < 20000000); i++) {
		struct rain_snapshot_entry entry;
		enum rain_snapshot_answer answer =
			rain_snapshot_find(&f.snapshot, rain_snapshot_user(i % 200), NOW, &entry);

		if (answer != RAIN_SNAPSHOT_KNOWN)
			continue;
		known++;
		assert_int_equal(entry.key, rain_snapshot_user(i % 200));
		assert_int_equal(entry.balance_utok, entry.held_utok + entry.available_utok);
		assert_int_equal(entry.available_utok, 2 * entry.held_utok);
	}
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	assert_true(known >= 1000);
	free(f.block);
}

static char directory[] = "/tmp/rain-test-snapshot-XXXXXX";
static char path[sizeof(directory) + sizeof(RAIN_SNAPSHOT_BALANCES) + 1];

static int make_directory(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s", "");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/%s", directory, RAIN_SNAPSHOT_BALANCES);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static bool look_up(struct rain_snapshot_reader *reader, int64_t now, int64_t *available)
{
	struct rain_snapshot_entry entry;
	bool known = rain_snapshot_look_up(reader, directory, RAIN_SNAPSHOT_BALANCES,
					   rain_snapshot_user(7), now, &entry);

	if (known)
		*available = entry.available_utok;
	return known;
}

static void publish(struct rain_snapshot_writer *writer, int64_t available, int64_t now)
{
	struct rain_snapshot_entry entry = {.key = rain_snapshot_user(7), .available_utok = available};
	struct rain_error err;

	if (rain_snapshot_publish(writer, directory, RAIN_SNAPSHOT_BALANCES, &entry, 1, now, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_file(void **state)
{
	struct rain_snapshot_writer writer = {0};
	struct rain_snapshot_reader reader = {0};
	static struct rain_snapshot_entry many[3000];
	struct rain_error err;
	int64_t available = -1, now = NOW;

	(void)state;
	assert_false(look_up(&reader, now, &available));
	publish(&writer, 5, now);
	/* not looked for again at once */
	assert_false(look_up(&reader, now + 1, &available));
	now += RAIN_SNAPSHOT_REOPEN_MS;
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(available, 5);

	/* a new rain-ledgerd goes on in the same file */
	rain_snapshot_writer_release(&writer);
	publish(&writer, 6, now);
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(available, 6);

	/* it grows into a new file, and the reader follows */
	for (uint32_t i = 0; i < 3000; i++)
		many[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i), .available_utok = i + 1};
	assert_int_equal(rain_snapshot_publish(&writer, directory, RAIN_SNAPSHOT_BALANCES, many, 3000,
						       now, &err), 0);
	now += RAIN_SNAPSHOT_REOPEN_MS;
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(available, 8);

	/* gone, it is made again */
	assert_int_equal(unlink(path), 0);
	publish(&writer, 9, now + RAIN_SNAPSHOT_STALE_MS);
	now += RAIN_SNAPSHOT_STALE_MS + 1;
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(available, 9);
	rain_snapshot_writer_release(&writer);
	rain_snapshot_reader_release(&reader);
}

/* With a plain load the reader, slurmctld, would die of SIGBUS here. */
static void test_cut_short(void **state)
{
	struct rain_snapshot_writer writer = {0};
	struct rain_snapshot_reader reader = {0};
	int64_t available, now = NOW + 10 * RAIN_SNAPSHOT_STALE_MS;

	(void)state;
	publish(&writer, 5, now);
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(truncate(path, 0), 0);
	assert_false(look_up(&reader, now, &available));
	publish(&writer, 6, now);
	now += RAIN_SNAPSHOT_REOPEN_MS;
	assert_true(look_up(&reader, now, &available));
	assert_int_equal(available, 6);
	rain_snapshot_writer_release(&writer);
	rain_snapshot_reader_release(&reader);
}

/* What is no snapshot at all is not written over by following a link, nor read. */
static void test_nonsense(void **state)
{
	struct rain_snapshot_writer writer = {0};
	struct rain_snapshot_reader reader = {0};
	int64_t available;
	struct stat status;
	int fd;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_false(look_up(&reader, NOW, &available));
	publish(&writer, 5, NOW);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	rain_snapshot_writer_release(&writer);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	close(fd);
	assert_false(look_up(&reader, NOW + RAIN_SNAPSHOT_REOPEN_MS, &available));
	publish(&writer, 5, NOW);
	assert_true(look_up(&reader, NOW + 2 * RAIN_SNAPSHOT_REOPEN_MS, &available));
	rain_snapshot_writer_release(&writer);
	rain_snapshot_reader_release(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),	       cmocka_unit_test(test_never_written),
		cmocka_unit_test(test_stale_or_foreign), cmocka_unit_test(test_torn),
		cmocka_unit_test(test_full),	       cmocka_unit_test(test_torn_reads),
		cmocka_unit_test(test_file),	       cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
