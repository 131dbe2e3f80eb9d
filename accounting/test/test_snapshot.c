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
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/snapshot_copy.h"
#include "accounting/snapshot_file.h"
#include "accounting/snapshot_map.h"

#define NOW INT64_C(1000000)
static const char boot[RAIN_SNAPSHOT_BOOT_SIZE + 1] = "01234567-89ab-cdef-0123-456789abcdef";
static const char other[RAIN_SNAPSHOT_BOOT_SIZE + 1] = "fedcba98-89ab-cdef-0123-456789abcdef";

static void *make(void)
{
	void *block = calloc(1, rain_snapshot_size(RAIN_SNAPSHOT_SLOTS_MIN));

	assert_non_null(block);
	rain_snapshot_init(block, RAIN_SNAPSHOT_SLOTS_MIN, boot);
	return block;
}

static bool find(const void *block, uint64_t key, int64_t now, int64_t *available)
{
	struct rain_snapshot_entry entry;
	bool found = rain_snapshot_find(block, key, now, &entry);

	if (found)
		*available = entry.available_utok;
	return found;
}

static void test_found(void **state)
{
	void *block = make();
	struct rain_snapshot_entry entries[500];
	int64_t available = -1;

	(void)state;
	/* keys that fall on few slots: probing, and round the end */
	for (uint32_t i = 0; i < 500; i++)
		entries[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i * RAIN_SNAPSHOT_SLOTS_MIN + 7),
							  .available_utok = i};
	assert_int_equal(rain_snapshot_write(block, entries, 500, NOW), 0);
	for (uint32_t i = 0; i < 500; i++) {
		assert_true(find(block, entries[i].key, NOW, &available));
		assert_int_equal(available, i);
	}
	assert_false(find(block, rain_snapshot_user(1), NOW, &available));
	/* what is written next replaces all of it */
	assert_int_equal(rain_snapshot_write(block, entries, 1, NOW), 0);
	assert_false(find(block, entries[1].key, NOW, &available));
	free(block);
}

static void test_never_written(void **state)
{
	void *block = make();
	int64_t available;

	(void)state;
	assert_false(find(block, rain_snapshot_user(7), NOW, &available));
	assert_false(find(block, rain_snapshot_user(7), 0, &available));
	free(block);
}

static void test_stale(void **state)
{
	void *block = make();
	struct rain_snapshot_entry entry = {.key = rain_snapshot_user(7), .available_utok = 5};
	int64_t available;

	(void)state;
	assert_int_equal(rain_snapshot_write(block, &entry, 1, NOW), 0);
	assert_true(find(block, rain_snapshot_user(7), NOW + RAIN_SNAPSHOT_STALE_MS, &available));
	assert_false(find(block, rain_snapshot_user(7), NOW + RAIN_SNAPSHOT_STALE_MS + 1, &available));
	assert_false(find(block, rain_snapshot_user(7), NOW - 1, &available));
	free(block);
}

/* Foreign, cut short, or left by a writer that died in the middle. */
static void test_unsettled(void **state)
{
	size_t size = rain_snapshot_size(RAIN_SNAPSHOT_SLOTS_MIN);
	struct rain_snapshot_entry entry = {.key = rain_snapshot_user(7), .available_utok = 5};
	void *block = make();
	uint64_t *sequence = (uint64_t *)((char *)block + 16);

	(void)state;
	assert_int_equal(rain_snapshot_write(block, &entry, 1, NOW), 0);
	assert_true(rain_snapshot_settled(block, size, boot));
	assert_false(rain_snapshot_settled(block, size, other));
	assert_false(rain_snapshot_settled(block, size - 1, boot));
	assert_false(rain_snapshot_settled(block, 8, boot));
	assert_int_equal(*sequence, 2);
	*sequence = 3;
	assert_false(rain_snapshot_settled(block, size, boot));
	assert_int_equal(rain_snapshot_write(block, &entry, 1, NOW), 0);
	assert_true(rain_snapshot_settled(block, size, boot));
	*(char *)block ^= 1;
	assert_false(rain_snapshot_settled(block, size, boot));
	free(block);
}

static void test_full(void **state)
{
	void *block = make();
	static struct rain_snapshot_entry entries[RAIN_SNAPSHOT_SLOTS_MIN];
	int64_t available;

	(void)state;
	for (uint32_t i = 0; i < RAIN_SNAPSHOT_SLOTS_MIN; i++)
		entries[i].key = rain_snapshot_user(i);
	assert_int_equal(rain_snapshot_write(block, entries, 10, NOW), 0);
	assert_int_equal(rain_snapshot_write(block, entries, RAIN_SNAPSHOT_SLOTS_MIN, NOW), -1);
	assert_true(find(block, rain_snapshot_user(9), NOW, &available));
	/* a block without a free slot must not make a reader go round for ever */
	memset((char *)block + RAIN_SNAPSHOT_HEADER_SIZE, 1, RAIN_SNAPSHOT_SLOTS_MIN * sizeof(entries[0]));
	assert_false(find(block, rain_snapshot_user(9), NOW, &available));
	free(block);
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

static struct rain_snapshot_copy *copy_make(void)
{
	struct rain_error err;
	struct rain_snapshot_copy *copy = rain_snapshot_copy_create(directory, RAIN_SNAPSHOT_BALANCES, &err);

	if (!copy)
		fail_msg("%s", err.text);
	return copy;
}

static bool look_up(struct rain_snapshot_copy *copy, int64_t now, int64_t *available)
{
	struct rain_snapshot_entry entry;
	bool known = rain_snapshot_copy_find(copy, rain_snapshot_user(7), now, &entry);

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
	struct rain_snapshot_copy *copy = copy_make();
	static struct rain_snapshot_entry many[3000];
	struct rain_error err;
	int64_t available = -1, now = NOW;

	(void)state;
	rain_snapshot_copy_refresh(copy);
	assert_false(look_up(copy, now, &available));
	publish(&writer, 5, now);
	assert_false(look_up(copy, now, &available));
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 5);
	/* nothing new, then more than one new before anybody looks */
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	for (int64_t i = 1; i <= 5; i++) {
		publish(&writer, i * 10, now);
		rain_snapshot_copy_refresh(copy);
	}
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 50);

	/* a new rain-ledgerd goes on in the same file */
	rain_snapshot_writer_release(&writer);
	publish(&writer, 6, now);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 6);

	/* it grows into a new file, and the reader follows */
	for (uint32_t i = 0; i < 3000; i++)
		many[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i), .available_utok = i + 1};
	assert_int_equal(rain_snapshot_publish(&writer, directory, RAIN_SNAPSHOT_BALANCES, many, 3000, now, &err), 0);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 8);

	/* gone, it becomes stale until it is made again */
	assert_int_equal(unlink(path), 0);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	now += RAIN_SNAPSHOT_STALE_MS + 1;
	assert_false(look_up(copy, now, &available));
	publish(&writer, 9, now);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 9);
	rain_snapshot_writer_release(&writer);
	rain_snapshot_copy_destroy(copy);
}

/* A reader that had it mapped, slurmctld, would die of SIGBUS here. */
static void test_cut_short(void **state)
{
	struct rain_snapshot_writer writer = {0};
	struct rain_snapshot_copy *copy = copy_make();
	int64_t available, now = NOW + 10 * RAIN_SNAPSHOT_STALE_MS;

	(void)state;
	publish(&writer, 5, now);
	assert_int_equal(truncate(path, 100), 0);
	rain_snapshot_copy_refresh(copy);
	assert_false(look_up(copy, now, &available));
	publish(&writer, 6, now);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(truncate(path, 0), 0);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, now, &available));
	assert_int_equal(available, 6);
	rain_snapshot_writer_release(&writer);
	rain_snapshot_copy_destroy(copy);
}

/* What is no snapshot at all is not written over by following a link, nor read. */
static void test_nonsense(void **state)
{
	struct rain_snapshot_writer writer = {0};
	struct rain_snapshot_copy *copy = copy_make();
	int64_t available;
	struct stat status;
	int fd;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	rain_snapshot_copy_refresh(copy);
	assert_false(look_up(copy, NOW, &available));
	publish(&writer, 5, NOW);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	rain_snapshot_writer_release(&writer);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	close(fd);
	rain_snapshot_copy_refresh(copy);
	assert_false(look_up(copy, NOW, &available));
	publish(&writer, 5, NOW);
	rain_snapshot_copy_refresh(copy);
	assert_true(look_up(copy, NOW, &available));
	rain_snapshot_writer_release(&writer);
	rain_snapshot_copy_destroy(copy);
}

static atomic_bool stop;
static _Atomic int64_t newest;

/* Balance, held and available always tell the same story of one moment. */
static void *write_on(void *arg)
{
	struct rain_snapshot_writer writer = {0};

	for (int64_t n = 1; !atomic_load(&stop); n++) {
		struct rain_snapshot_entry entries[200];
		struct rain_error err;

		/* now and then another rain-ledgerd, and another file */
		if (n % 32 == 0)
			rain_snapshot_writer_release(&writer);
		if (n % 128 == 0)
			unlink(path);
		for (uint32_t i = 0; i < 200; i++)
			entries[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i), .balance_utok = 3 * n,
								  .held_utok = n, .available_utok = 2 * n};
		if (rain_snapshot_publish(&writer, directory, RAIN_SNAPSHOT_BALANCES, entries, 200, NOW, &err) < 0)
			return NULL;
		/* a reader that always meets the writer would see nothing at all */
		while (atomic_load(&newest) < n - 3 && !atomic_load(&stop))
			sched_yield();
	}
	rain_snapshot_writer_release(&writer);
	return arg;
}

static void *refresh_on(void *copy)
{
	while (!atomic_load(&stop))
		rain_snapshot_copy_refresh(copy);
	return copy;
}

static void test_all_at_once(void **state)
{
	struct rain_snapshot_copy *copy = copy_make();
	pthread_t writer, refresher;
	int renewed = 0;
	void *written;

	(void)state;
	unlink(path); /* another test's */
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&writer, NULL, write_on, copy), 0);
	assert_int_equal(pthread_create(&refresher, NULL, refresh_on, copy), 0);
	for (uid_t i = 0; renewed < 500; i = (i + 1) % 200) {
		struct rain_snapshot_entry entry;

		if (!rain_snapshot_copy_find(copy, rain_snapshot_user(i), NOW, &entry))
			continue;
		assert_int_equal(entry.key, rain_snapshot_user(i));
		assert_int_equal(entry.balance_utok, entry.held_utok + entry.available_utok);
		assert_int_equal(entry.available_utok, 2 * entry.held_utok);
		assert_true(entry.held_utok >= atomic_load(&newest));
		renewed += entry.held_utok > atomic_load(&newest);
		atomic_store(&newest, entry.held_utok);
	}
	atomic_store(&stop, true);
	pthread_join(refresher, NULL);
	pthread_join(writer, &written);
	assert_non_null(written);
	rain_snapshot_copy_destroy(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),	  cmocka_unit_test(test_never_written),
		cmocka_unit_test(test_stale),	  cmocka_unit_test(test_unsettled),
		cmocka_unit_test(test_full),	  cmocka_unit_test(test_file),
		cmocka_unit_test(test_cut_short), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
