// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounting/migrations.h"
#include "common/file.h"

/* "1 2 10" -> 0001-x 0002-x 0010-x; the hash is the name, or "changed" after a
 * '!'. */
static struct rain_migrations make(const char *numbers)
{
	struct rain_migrations made = {0};
	char *copy = strdup(numbers), *state = NULL;

	for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
		char name[16];

		snprintf(name, sizeof(name), "%04d-x", atoi(word));
		assert_int_equal(rain_migrations_add(&made, name,
						     strchr(word, '!') ? "changed" : name, NULL,
						     NULL), 0);
	}
	free(copy);
	return made;
}

static int plan(const char *have, const char *done, size_t *first, struct rain_error *err)
{
	struct rain_migrations files = make(have), applied = make(done);
	int rc = rain_migrations_plan(&files, &applied, first, err);

	rain_migrations_release(&files);
	rain_migrations_release(&applied);
	return rc;
}

static void test_plan(void **state)
{
	size_t first;

	(void)state;
	assert_int_equal(plan("1 2 10", "", &first, NULL), 0);
	assert_int_equal(first, 0);
	assert_int_equal(plan("1 2 10", "1 2", &first, NULL), 0);
	assert_int_equal(first, 2);
	assert_int_equal(plan("1 2 10", "1 2 10", &first, NULL), 0);
	assert_int_equal(first, 3);
}

static void assert_refused(const char *have, const char *done, const char *said)
{
	struct rain_error err;
	size_t first;

	assert_int_equal(plan(have, done, &first, &err), -1);
	assert_non_null(strstr(err.text, said));
}

static void test_plan_refuses(void **state)
{
	(void)state;
	assert_refused("1 2", "1 2 10", "newer than this RAIN");
	assert_refused("1 10", "1 2 10", "0002-x, which the database has, is missing");
	assert_refused("1 2 10", "1 10", "0002-x was left out");
	assert_refused("1 2", "1! 2", "changed afterwards");
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(rain_file_write(path, text, strlen(text), 0600, NULL), 0);
}

static void remove_file(const char *directory, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(unlink(path), 0);
}

static void test_load(void **state)
{
	char directory[] = "/tmp/rain-test-XXXXXX";
	struct rain_migrations files;
	struct rain_error err;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(rain_migrations_load(&files, directory, &err), -1);
	assert_non_null(strstr(err.text, "there is no migration"));
	write_file(directory, "0010-b.sql", "SELECT 2;");
	write_file(directory, "0001-a.sql", "abc");
	write_file(directory, "notes.txt", "x");
	write_file(directory, "1-short.sql", "x");
	assert_int_equal(rain_migrations_load(&files, directory, &err), 0);
	assert_int_equal(files.count, 2);
	assert_string_equal(files.list[0].name, "0001-a");
	assert_string_equal(files.list[0].sha256, "ba7816bf8f01cfea414140de5dae2223"
						  "b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(files.list[1].sql, "SELECT 2;");
	rain_migrations_release(&files);
	write_file(directory, "0001-again.sql", "x");
	assert_int_equal(rain_migrations_load(&files, directory, &err), -1);
	assert_non_null(strstr(err.text, "same number"));
	remove_file(directory, "0010-b.sql");
	remove_file(directory, "0001-a.sql");
	remove_file(directory, "0001-again.sql");
	remove_file(directory, "notes.txt");
	remove_file(directory, "1-short.sql");
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_plan_refuses),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
