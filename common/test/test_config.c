// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/file.h"

static struct rain_config *load(const char *text, struct rain_error *err)
{
	char path[] = "/tmp/rain-test-config-XXXXXX";
	int fd = mkstemp(path);
	struct rain_config *config;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rain_file_write(path, text, strlen(text), 0600, NULL), 0);
	config = rain_config_load(path, err);
	unlink(path);
	return config;
}

/* Who gives out the owners' codes: the first node, unless another one is named. */
static void test_code_keeper(void **state)
{
	static const struct {
		const char *panel, *keeper;
	} cases[] = {
		{"", ""},
		{"nodes = \"node[1-8]\"", "node1"},
		{"nodes = \"node[01-08,11]\"", "node01"},
		{"nodes = \"a7,b[2-4]\"", "a7"},
		{"nodes = \"r[2-3]n[05,07]-x,b\"", "r2n05-x"},
		{"nodes = \"node[1-8\"", "node1"},
		{"nodes = \"node[1-8]\" code-keeper = \"head\"", "head"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rain_config *config;
		char text[256];

		snprintf(text, sizeof(text), "cluster { name = \"a\" }\npanel { %s }\n",
			 cases[i].panel);
		config = load(text, NULL);
		assert_non_null(config);
		assert_string_equal(config->panel.code_keeper, cases[i].keeper);
		rain_config_destroy(config);
	}
}

static void test_defaults(void **state)
{
	struct rain_config *config = load("cluster { name = \"alpha\" }\n", NULL);

	(void)state;
	assert_non_null(config);
	assert_string_equal(config->cluster_name, "alpha");
	assert_int_equal(config->ledger.home_num, 0);
	assert_int_equal(config->node_type_count, 0);
	assert_null(config->gateway.addresses[0]);
	assert_false(config->lend.enabled);
	assert_int_equal(config->panel.port, 7248);
	rain_config_destroy(config);
}

static void test_everything(void **state)
{
	struct rain_config *config = load("cluster { name = \"alpha\" }\n"
					  "ledger { home-rate = \"1/4\" administrators = {\"root\", \"ada\"} }\n"
					  "node-type \"mark2\" { nodes = \"node[1-8]\" mflops-per-core = 1000 }\n"
					  "node-type \"big\" { nodes = \"big1\" }\n"
					  "gateway { listen = \"[::]:7246\" addresses = {\"192.0.2.2:7246\"} }\n"
					  "lend { credit-limit = \"1000.5\" guest-uid-min = 61000 guest-uid-max = 61015\n"
					  "  max-nodes = 4 hours = {\"Sat-Sun\"} peer \"bravo\" { max-cores = 8\n"
					  "  user \"eve\" { max-nodes = 1 } } }\n",
					  NULL);

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->ledger.home_den, 4);
	assert_string_equal(config->ledger.administrators[1], "ada");
	assert_null(config->ledger.administrators[2]);
	assert_int_equal(config->node_type_count, 2);
	assert_string_equal(config->node_types[0].name, "mark2");
	assert_int_equal(config->node_types[0].mflops_per_core, 1000);
	assert_int_equal(config->node_types[1].mflops_per_core, 0);
	assert_int_equal(config->lend.credit_limit, 1000500000);
	assert_true(config->lend.enabled);
	assert_int_equal(config->lend.bounds.hours_count, 1);
	assert_int_equal(config->lend.peer_count, 1);
	assert_string_equal(config->lend.peers[0].name, "bravo");
	assert_int_equal(config->lend.peers[0].bounds.max_nodes, 4); /* as for everybody */
	assert_int_equal(config->lend.peers[0].bounds.max_cores, 8);
	assert_int_equal(config->lend.peers[0].bounds.hours_count, 1);
	assert_int_equal(config->lend.peers[0].user_count, 1);
	assert_string_equal(config->lend.peers[0].users[0].name, "eve");
	assert_int_equal(config->lend.peers[0].users[0].bounds.max_nodes, 1);
	assert_int_equal(config->lend.peers[0].users[0].bounds.max_cores, 0);
	assert_int_equal(config->lend.peers[0].users[0].bounds.hours_count, 1); /* its peer's */
	rain_config_destroy(config);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "cluster.name: is missing"},
		{"cluster { name = \"Alpha\" }", "cluster.name"},
		{"cluster { nmae = \"alpha\" }", "line 1"},
		{"cluster { name = \"a\" }\nledger { home-rate = \"x\" }", "ledger.home-rate"},
		{"cluster { name = \"a\" }\nledger { spool = \"relative\" }", "ledger.spool"},
		{"cluster { name = \"a\" }\nlend { max-nodes = -1 }", "lend.max-nodes"},
		{"cluster { name = \"a\" }\nlend { hours = {\"noon\"} }", "lend.hours"},
		{"cluster { name = \"a\" }\nlend { peer \"B!\" { } }", "lend.peer"},
		{"cluster { name = \"a\" }\nlend { peer b { user \"\" { } } }", "lend.user"},
		{"cluster { name = \"a\" }\nlend { peer b { user eve { max-nodes = -2 } } }", "lend.max-nodes"},
		{"cluster { name = \"a\" }\npanel { i2c-address = 0x50 }", "panel.i2c-address"},
		{"cluster { name = \"a\" }\npanel { led-pins = {\"A0\"} }", "panel.led-pins"},
		{"cluster { name = \"a\" }\npanel { web-names = \"all\" }", "panel.web-names"},
		{"cluster { name = \"a\" }\npanel { code-keeper = \"node[1-2]\" }",
		 "panel.code-keeper"},
		{"cluster { name = \"a\" }\npanel { switch-pin = \"A0\" }", "pin A0 has another"},
		{"cluster { name = \"a\" }\npanel { switch-pin = \"C1\" }", "panel.switch-pin"},
		{"cluster { name = \"a\" }\npanel { led-names = {\"\",\"\",\"\",\"\",\"../x\"} }",
		 "panel.led-names"},
		{"cluster { name = \"a\" }\nlend { guest-uid-min = 10 guest-uid-max = 20 }", "lend.guest-uid-min"},
		{"cluster { name = \"a\" }\nlend { credit-limit = \"-5\" }", "lend.credit-limit"},
		{"cluster { name = \"a\" }\ngateway { listen = \"nowhere\" }", "gateway.listen"},
		{"cluster { name = \"a\" }\ngateway { addresses = {\"a:0\"} }", "gateway.addresses"},
		{"cluster { name = \"a\" }\nnode-type \"x\" { mflops-per-core = 1 }", "node-type.nodes"},
		{"cluster { name = \"a\" }\npanel { mode = \"disco\" }", "panel.mode"},
		{"cluster { name = \"a\" }\npriority { order = \"loudest\" }", "priority.order"},
		{"cluster { name = \"a\" }\npriority { max-wait-hours = 0 }", "priority.max-wait-hours"},
		{"cluster { name = \"a\" }\npriority { contribution-reference = \"0\" }",
		 "priority.contribution-reference"},
		{"cluster { name = \"a\" }\nestimate { at-submission = \"often\" }", "estimate.at-submission"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rain_error err = {""};

		assert_null(load(bad[i].text, &err));
		if (!strstr(err.text, bad[i].says))
			fail_msg("'%s' should tell of %s", err.text, bad[i].says);
	}
	assert_null(rain_config_load("/nonexistent/rain.conf", NULL));
}

static void test_address(void **state)
{
	static const char *const bad[] = {"", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "::1:5", "[]:5"};
	char *host, *port;

	(void)state;
	assert_int_equal(rain_config_address_split("[fe80::1]:7246", &host, &port, NULL), 0);
	assert_string_equal(host, "fe80::1");
	assert_string_equal(port, "7246");
	free(host);
	free(port);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rain_config_address_split(bad[i], &host, &port, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_code_keeper),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
