/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/hostlist.h"

static void contains_knows_ranges(void **state)
{
	(void)state;
	assert_true(rain_hostlist_contains("node[1-8]", "node1"));
	assert_true(rain_hostlist_contains("node[1-8]", "node8"));
	assert_false(rain_hostlist_contains("node[1-8]", "node9"));
	assert_false(rain_hostlist_contains("node[1-8]", "node"));
	assert_false(rain_hostlist_contains("node[1-8]", "anode1"));
	assert_true(rain_hostlist_contains("head,bravo-[01-04,7]", "bravo-03"));
	assert_true(rain_hostlist_contains("head,bravo-[1-4,7]", "bravo-7"));
	assert_true(rain_hostlist_contains("head,bravo-[1-4,7]", "head"));
	assert_false(rain_hostlist_contains("head,bravo-[1-4,7]", "bravo-5"));
}

static void contains_is_false_for_nonsense(void **state)
{
	(void)state;
	assert_false(rain_hostlist_contains(NULL, "a"));
	assert_false(rain_hostlist_contains("", "a"));
	assert_false(rain_hostlist_contains("a", NULL));
	assert_false(rain_hostlist_contains("a", ""));
	assert_false(rain_hostlist_contains("a,b", "a,b"));
	assert_false(rain_hostlist_contains("a[1-2]", "a[1-2]"));
	assert_false(rain_hostlist_contains("a[1-", "a1"));
}

static void fold_is_the_way_back(void **state)
{
	static const char *const hosts[] = {"node3", "head", "node1", "node2", "node10", "node2"};
	struct rain_error err;
	char *text;

	(void)state;
	text = rain_hostlist_fold(hosts, 6, &err);
	assert_string_equal(text, "head,node[1-3,10]");
	free(text);
	text = rain_hostlist_fold(hosts, 1, &err);
	assert_string_equal(text, "node3");
	free(text);
	assert_null(rain_hostlist_fold(hosts, 0, &err));
}

static void expand_keeps_the_order(void **state)
{
	char **hosts;
	size_t count;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_hostlist_expand("b[2-3],a,b1", 8, &hosts, &count, &err), 0);
	assert_int_equal(count, 4);
	assert_string_equal(hosts[0], "b2");
	assert_string_equal(hosts[1], "b3");
	assert_string_equal(hosts[2], "a");
	assert_string_equal(hosts[3], "b1");
	assert_null(hosts[4]);
	rain_hostlist_free(hosts);
	assert_int_equal(rain_hostlist_expand("", 8, &hosts, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_null(hosts[0]);
	rain_hostlist_free(hosts);
	assert_int_equal(rain_hostlist_expand(NULL, 0, &hosts, NULL, &err), 0);
	rain_hostlist_free(hosts);
	rain_hostlist_free(NULL);
}

static void expand_refuses(void **state)
{
	static const char *const bad[] = {
		"a[1-2]b[1-2]", "a[1-99999999]", "a[2-1]", "a[1-2", "a1]", "a b", "a,,b", ",a",
		"a,", "a[]", "a[1,]", "a[1-2-3]", "a[x]", "a[1-12345678901]", "a;b", "a\nb",
		"a[1-40000],b[1-40000]",
	};
	char **hosts = NULL;
	struct rain_error err;
	static char text[RAIN_HOSTLIST_TEXT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(rain_hostlist_expand(bad[i], 1000000, &hosts, NULL, &err), -1);
		assert_null(hosts);
		assert_true(err.text[0] != '\0');
	}
	assert_int_equal(rain_hostlist_expand("a[1-9]", 8, &hosts, NULL, &err), -1);
	assert_non_null(strstr(err.text, "9 hosts, at most 8"));
	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(rain_hostlist_expand(text, 8, &hosts, NULL, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contains_knows_ranges),
		cmocka_unit_test(contains_is_false_for_nonsense),
		cmocka_unit_test(fold_is_the_way_back),
		cmocka_unit_test(expand_keeps_the_order),
		cmocka_unit_test(expand_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
