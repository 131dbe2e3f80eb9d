// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "federation/blob_internal.h"
#include "federation/limits.h"

static char directory[64];
static struct rain_blob_store *store;
/* "hello" */
static const char hello[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
/* "" */
static const char nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static int set_up(void **state)
{
	struct rain_error err;

	(void)state;
	strcpy(directory, "/tmp/rain-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	store = rain_blob_store_create(directory, &err);
	return store ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	rain_blob_store_destroy(store);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void reopen(void)
{
	struct rain_error err;

	rain_blob_store_destroy(store);
	store = rain_blob_store_create(directory, &err);
	assert_non_null(store);
}

static struct rain_blob_upload *begin(const char *sha256, int64_t size, int64_t offset)
{
	struct rain_error err;
	int status;
	struct rain_blob_upload *upload =
		rain_blob_upload_begin(store, sha256, "peer-bravo", size, offset, &status, &err);

	if (!upload)
		print_message("%d %s\n", status, err.text);
	return upload;
}

static int refused(const char *sha256, int64_t size, int64_t offset)
{
	struct rain_error err;
	int status = 0;

	assert_null(rain_blob_upload_begin(store, sha256, "peer-bravo", size, offset, &status, &err));
	return status;
}

static void a_blob_is_stored_and_read(void **state)
{
	struct rain_blob_upload *upload = begin(hello, 5, 0);
	struct rain_error err;
	int status;
	char buffer[8];
	int64_t size;
	int fd;

	(void)state;
	assert_non_null(upload);
	assert_int_equal(rain_blob_upload_write(upload, "hel", 3, &err), 0);
	assert_int_equal(rain_blob_size(store, hello), -1);
	assert_int_equal(rain_blob_upload_write(upload, "lo", 2, &err), 0);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), 0);
	assert_int_equal(rain_blob_size(store, hello), 5);
	assert_int_equal(rain_blob_owner_bytes(store, "peer-bravo"), 5);
	fd = rain_blob_open(store, hello, &size, &err);
	assert_true(fd >= 0);
	assert_int_equal(size, 5);
	assert_int_equal(read(fd, buffer, sizeof(buffer)), 5);
	assert_memory_equal(buffer, "hello", 5);
	close(fd);
	/* Nothing of it is in memory only. */
	reopen();
	assert_int_equal(rain_blob_size(store, hello), 5);
	assert_int_equal(rain_blob_owner_bytes(store, "peer-bravo"), 5);
	assert_int_equal(rain_blob_total_bytes(store), 5);
}

static void an_empty_blob_is_one_too(void **state)
{
	struct rain_blob_upload *upload = begin(nothing, 0, 0);
	struct rain_error err;
	int status;

	(void)state;
	assert_non_null(upload);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), 0);
	assert_int_equal(rain_blob_size(store, nothing), 0);
}

static void names_are_checked(void **state)
{
	struct rain_error err;
	int status;
	int64_t size;

	(void)state;
	assert_int_equal(refused("../../../../etc/passwd", 5, 0), RAIN_BLOB_BAD);
	assert_int_equal(refused("", 5, 0), RAIN_BLOB_BAD);
	assert_int_equal(refused("2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824", 5, 0),
			 RAIN_BLOB_BAD);
	assert_int_equal(rain_blob_open(store, "..", &size, &err), -1);
	assert_int_equal(rain_blob_own(store, "..", "peer-bravo", &status, &err), -1);
	assert_int_equal(rain_blob_own(store, hello, "../x", &status, &err), -1);
}

static void a_cut_upload_goes_on(void **state)
{
	struct rain_blob_upload *upload = begin(hello, 5, 0);
	struct rain_error err;
	int status;

	(void)state;
	assert_int_equal(rain_blob_upload_write(upload, "hel", 3, &err), 0);
	assert_int_equal(refused(hello, 5, 0), RAIN_BLOB_BUSY);
	rain_blob_upload_abort(upload);
	assert_int_equal(rain_blob_partial_size(store, hello, "peer-bravo"), 3);
	assert_int_equal(refused(hello, 5, 4), RAIN_BLOB_WRONG_OFFSET);
	/* Further back than it was: what was wrong there is written again. */
	upload = begin(hello, 5, 2);
	assert_non_null(upload);
	assert_int_equal(rain_blob_upload_write(upload, "l", 1, &err), 0);
	rain_blob_upload_abort(upload);
	/* After a restart the hash is made from the file. */
	reopen();
	upload = begin(hello, 5, 3);
	assert_non_null(upload);
	assert_int_equal(rain_blob_upload_write(upload, "lo", 2, &err), 0);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), 0);
	assert_int_equal(rain_blob_size(store, hello), 5);
}

static void wrong_content_is_thrown_away(void **state)
{
	struct rain_blob_upload *upload = begin(hello, 5, 0);
	struct rain_error err;
	int status;

	(void)state;
	assert_int_equal(rain_blob_upload_write(upload, "jello", 5, &err), 0);
	assert_int_equal(rain_blob_upload_write(upload, "!", 1, &err), -1);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), -1);
	assert_non_null(strstr(err.text, "isn't blob"));
	assert_int_equal(rain_blob_size(store, hello), -1);
	assert_int_equal(rain_blob_partial_size(store, hello, "peer-bravo"), 0);
	assert_int_equal(rain_blob_owner_bytes(store, "peer-bravo"), 0);
}

static void quotas_hold_before_a_byte_is_taken(void **state)
{
	struct rain_blob_upload *upload;
	struct rain_error err;
	char name[RAIN_BLOB_NAME_SIZE];

	(void)state;
	rain_blob_store_set_quota(store, 10, 100);
	assert_int_equal(refused(hello, 11, 0), RAIN_BLOB_TOO_LARGE);
	assert_int_equal(refused(hello, RAIN_LIMIT_BLOB + 1, 0), RAIN_BLOB_TOO_LARGE);
	assert_int_equal(refused(hello, -1, 0), RAIN_BLOB_BAD);
	upload = begin(hello, 5, 0);
	assert_non_null(upload);
	assert_int_equal(refused(nothing, 6, 0), RAIN_BLOB_TOO_LARGE); /* reserved counts */
	rain_blob_upload_abort(upload);
	assert_int_equal(rain_blob_add(store, "peer-bravo", "hello", 5, name, &err), 0);
	assert_string_equal(name, hello);
	assert_int_equal(refused(nothing, 6, 0), RAIN_BLOB_TOO_LARGE);
	/* The same bytes cost each owner once, and the disk once. */
	assert_int_equal(rain_blob_add(store, "peer-bravo", "hello", 5, name, &err), 0);
	assert_int_equal(rain_blob_add(store, "uid-1000", "hello", 5, name, &err), 0);
	assert_int_equal(rain_blob_owner_bytes(store, "uid-1000"), 5);
	assert_int_equal(rain_blob_total_bytes(store), 5);
	rain_blob_store_set_quota(store, 1000, 8);
	assert_int_equal(refused(nothing, 6, 0), RAIN_BLOB_FULL);
}

/* Who knows a name can neither go on with, nor spoil, what another one has begun. */
static void owners_write_apart(void **state)
{
	struct rain_blob_upload *upload = begin(hello, 5, 0), *other;
	struct rain_error err;
	int status;

	(void)state;
	assert_int_equal(rain_blob_upload_write(upload, "hel", 3, &err), 0);
	assert_false(rain_blob_is_coming(store, hello, "uid-1000"));
	assert_true(rain_blob_is_coming(store, hello, "peer-bravo"));
	assert_null(rain_blob_upload_begin(store, hello, "uid-1000", 5, 3, &status, &err));
	assert_int_equal(status, RAIN_BLOB_WRONG_OFFSET);
	other = rain_blob_upload_begin(store, hello, "uid-1000", 5, 0, &status, &err);
	assert_non_null(other);
	assert_int_equal(rain_blob_upload_write(other, "jello", 5, &err), 0);
	assert_int_equal(rain_blob_upload_finish(other, &status, &err), -1);
	assert_int_equal(status, RAIN_BLOB_WRONG);
	other = rain_blob_upload_begin(store, hello, "uid-1000", 5, 0, &status, &err);
	assert_int_equal(rain_blob_upload_write(other, "hello", 5, &err), 0);
	assert_int_equal(rain_blob_upload_finish(other, &status, &err), 0);
	/* The same bytes, brought twice: one blob, of both. */
	assert_int_equal(rain_blob_upload_write(upload, "lo", 2, &err), 0);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), 0);
	assert_true(rain_blob_is_owned(store, hello, "uid-1000") &&
		    rain_blob_is_owned(store, hello, "peer-bravo"));
	assert_int_equal(rain_blob_total_bytes(store), 5);
	assert_int_equal(rain_blob_partial_size(store, hello, "peer-bravo"), 0);
}

static void a_failure_says_whether_it_is_for_want_of_space(void **state)
{
	struct rain_blob_upload *upload = begin(hello, 5, 0);
	struct rain_error err;
	int status;
	char path[256];

	(void)state;
	assert_int_equal(rain_blob_upload_write(upload, "hello", 5, &err), 0);
	snprintf(path, sizeof(path), "%s/blobs/owner/peer-bravo", directory);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rain_blob_upload_finish(upload, &status, &err), -1);
	assert_int_equal(status, RAIN_BLOB_FAULT);
	assert_int_equal(rain_blob_owner_bytes(store, "peer-bravo"), 0);
	assert_int_equal(rain_blob_status(ENOSPC), RAIN_BLOB_FULL);
	assert_int_equal(rain_blob_status(EDQUOT), RAIN_BLOB_FULL);
}

static bool in_use(void *arg, const char *sha256)
{
	return strcmp(arg, sha256) == 0;
}

static void old_blobs_go_unless_they_are_needed(void **state)
{
	int64_t now = rain_clock_realtime_ms();
	struct rain_error err;
	char name[RAIN_BLOB_NAME_SIZE];
	struct rain_blob_upload *upload;

	(void)state;
	assert_int_equal(rain_blob_add(store, "peer-bravo", "hello", 5, name, &err), 0);
	assert_int_equal(rain_blob_add(store, "peer-bravo", "world", 5, name, &err), 0);
	rain_blob_store_set_in_use(store, in_use, (void *)hello);
	assert_int_equal(rain_blob_store_clean(store, now), 0);
	upload = begin(nothing, 5, 0);
	assert_int_equal(rain_blob_upload_write(upload, "x", 1, &err), 0);
	now += (RAIN_LIMIT_BLOB_AGE_S + 10) * INT64_C(1000);
	assert_int_equal(rain_blob_store_clean(store, now), 1); /* "world" */
	rain_blob_upload_abort(upload);
	assert_int_equal(rain_blob_store_clean(store, now), 1); /* the partial */
	assert_int_equal(rain_blob_size(store, hello), 5);
	assert_int_equal(rain_blob_size(store, name), -1);
	assert_int_equal(rain_blob_owner_bytes(store, "peer-bravo"), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_blob_is_stored_and_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_empty_blob_is_one_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_are_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_upload_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_content_is_thrown_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quotas_hold_before_a_byte_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(owners_write_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failure_says_whether_it_is_for_want_of_space, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_blobs_go_unless_they_are_needed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
