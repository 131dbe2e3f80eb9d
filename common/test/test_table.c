// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/table.h"

static char *render(enum rain_table_style style)
{
	const char *const headers[] = {"NAME", ">TOKENS", "NOTE", NULL};
	const char *const first[] = {"ada", "1.500000", "a,\"b\""};
	const char *const second[] = {"b\033en", "12.000000", NULL};
	struct rain_table *table = rain_table_create(headers);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(rain_table_add(table, first), 0);
	assert_int_equal(rain_table_add(table, second), 0);
	rain_table_print(table, style, out);
	rain_table_destroy(table);
	fclose(out);
	return text;
}

static void test_styles(void **state)
{
	char *text = render(RAIN_TABLE_TEXT), *csv = render(RAIN_TABLE_CSV),
	     *parsable = render(RAIN_TABLE_PARSABLE2);

	(void)state;
	assert_string_equal(text, "NAME     TOKENS  NOTE\n"
				  "----  ---------  -----\n"
				  "ada    1.500000  a,\"b\"\n"
				  "b?en  12.000000  \n");
	assert_string_equal(csv, "NAME,TOKENS,NOTE\nada,1.500000,\"a,\"\"b\"\"\"\nb?en,12.000000,\n");
	assert_string_equal(parsable, "NAME|TOKENS|NOTE\nada|1.500000|a,\"b\"\nb?en|12.000000|\n");
	free(text);
	free(csv);
	free(parsable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_styles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
