/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/hostlist.h"
#include "panel/ask.h"
#include "panel/screen.h"
#include "panel/view.h"

#define NODES_MAX 1024
#define REDRAW_MS 40 /* pictures don't follow each other faster than this */
#define CLOCK_MS 1000

static const char help[] =
	"Usage: rain panel [OPTION]… [NODES]\n"
	"\n"
	"Shows the front panels of the cluster's nodes: the five LEDs of each, and whose\n"
	"jobs hold it.  Lives until q or Ctrl-C on a terminal, shows once otherwise.\n"
	"NODES is a host list such as node[1-4] (default: panel.nodes of the config).\n"
	"\n"
	"  -1, --once         show once and exit\n"
	"  -w, --watch        stay, and show every change\n"
	"  -j, --json         print JSON; with --watch one line a change\n"
	"  -c, --config FILE  read FILE instead of " RAIN_CONFIG_PATH "\n"
	"  -h, --help         show this and exit\n"
	"  -V, --version      show the version and exit\n"
	"\n"
	"LEDs: boot, network, temp, user1 (home jobs), user2 (guests).  Shown once,\n"
	"○ is off, ● on, ◐ blinking, ◉ an owner's code (. # ~ @ without UTF-8); CODE is\n"
	"that code, short and long flashes.  Colours are left out when $NO_COLOR is set.\n"
	"\n"
	"Exit codes: 0 at least one node answered, 1 failure, 2 wrong usage,\n"
	"3 no node answered.\n";

struct arguments {
	const char *config, *nodes;
	bool once, watch, json;
};

static int parse(int argc, char *argv[], struct arguments *arguments)
{
	static const struct option options[] = {
		{"once", no_argument, NULL, '1'},
		{"watch", no_argument, NULL, 'w'},
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "1wjc:", options, NULL)) >= 0) {
		switch (option) {
		case '1':
			arguments->once = true;
			break;
		case 'w':
			arguments->watch = true;
			break;
		case 'j':
			arguments->json = true;
			break;
		case 'c':
			arguments->config = optarg;
			break;
		default:
			return rain_cli_usage("option %s is unknown or lacks its value",
					      argv[optind - 1]);
		}
	}
	if (arguments->once && arguments->watch)
		return rain_cli_usage("--once and --watch exclude each other");
	if (optind < argc)
		arguments->nodes = argv[optind++];
	if (optind < argc)
		return rain_cli_usage("\"%s\" is one word too many", argv[optind]);
	return 0;
}

static const char *user_name(uid_t uid)
{
	/* Asked several times a second about the same few users. */
	static struct {
		bool known;
		uid_t uid;
		char name[64];
	} cache[64];
	size_t at = uid % (sizeof(cache) / sizeof(cache[0]));
	const struct passwd *entry;

	if (cache[at].known && cache[at].uid == uid)
		return cache[at].name;
	entry = getpwuid(uid);
	if (entry)
		snprintf(cache[at].name, sizeof(cache[at].name), "%s", entry->pw_name);
	else
		snprintf(cache[at].name, sizeof(cache[at].name), "uid %u", (unsigned int)uid);
	cache[at].known = true;
	cache[at].uid = uid;
	return cache[at].name;
}

static json_t *node_json(const struct rain_panel_view_node *node, const json_t *frame)
{
	json_t *object, *job;
	size_t i;

	if (!node->answered || !frame)
		return json_pack("{s:s,s:b,s:s}", "node", node->name, "answered", 0, "error",
				 node->trouble);
	object = json_deep_copy(frame);
	json_object_set_new(object, "answered", json_true());
	json_array_foreach(json_object_get(object, "jobs"), i, job)
		json_object_set_new(job, "user", json_string(user_name(node->jobs[i].uid)));
	return object;
}

static void print_json(const struct rain_panel_ask *ask, size_t count, bool one_line)
{
	json_t *nodes = json_array();
	json_t *all = json_pack("{s:o}", "nodes", nodes);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(nodes, node_json(&rain_panel_ask_nodes(ask)[i],
						       rain_panel_ask_frame(ask, i)));
	if (one_line) {
		json_dumpf(all, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		putchar('\n');
		fflush(stdout);
	} else {
		rain_cli_print_json(all);
	}
	json_decref(all);
}

static void describe(struct rain_panel_view_options *options, const char *title, bool live)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	memset(options, 0, sizeof(*options));
	rain_panel_screen_size(&options->width, &options->height);
	if (!live)
		options->height = 0;
	options->live = live;
	options->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
			  !(terminal && strcmp(terminal, "dumb") == 0);
	options->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	options->now_ms = rain_clock_monotonic_ms();
	options->title = title;
	options->user_name = user_name;
}

static int show_once(struct rain_panel_ask *ask, size_t count, const char *title, bool json)
{
	const struct rain_panel_view_node *nodes = rain_panel_ask_nodes(ask);
	struct rain_panel_view_options options;
	char *text;

	while (!rain_panel_ask_is_done(ask)) {
		if (rain_panel_ask_step(ask, -1, INT64_MAX) < 0)
			break;
	}
	if (json) {
		print_json(ask, count, false);
	} else {
		describe(&options, title, false);
		text = rain_panel_view_text(nodes, count, &options, "\n");
		fputs(text ? text : "", stdout);
		free(text);
	}
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].answered)
			return RAIN_EXIT_OK;
	}
	return RAIN_EXIT_UNAVAILABLE;
}

static void draw(const struct rain_panel_ask *ask, size_t count, const char *title)
{
	struct rain_panel_view_options options;
	char *text;

	describe(&options, title, true);
	options.height--; /* a newline in the last line would scroll */
	text = rain_panel_view_text(rain_panel_ask_nodes(ask), count, &options,
				    RAIN_PANEL_END_OF_LINE);
	if (text)
		rain_panel_screen_show(text);
	free(text);
}

static int show_live(struct rain_panel_ask *ask, size_t count, const char *title, bool json,
		     struct rain_error *err)
{
	struct rain_panel_screen screen;
	int64_t drawn_ms = 0;
	bool due = true;

	if (rain_panel_screen_open(&screen, !json, err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, err);
	for (;;) {
		int64_t now_ms = rain_clock_monotonic_ms();
		int64_t until_ms = drawn_ms + (due ? REDRAW_MS : CLOCK_MS);
		enum rain_panel_wish wish = RAIN_PANEL_GO_ON;

		if (json && !due)
			until_ms = INT64_MAX;
		if (now_ms >= until_ms) {
			if (json)
				print_json(ask, count, true);
			else
				draw(ask, count, title);
			drawn_ms = now_ms;
			due = false;
			continue;
		}
		if (rain_panel_ask_step(ask, screen.fd, until_ms) != 0)
			wish = rain_panel_screen_read(&screen);
		if (wish == RAIN_PANEL_QUIT || ferror(stdout))
			break;
		due = rain_panel_ask_changed(ask) || due || wish == RAIN_PANEL_DRAW_AGAIN;
	}
	rain_panel_screen_close(&screen);
	return RAIN_EXIT_OK;
}

static int run(const struct arguments *arguments, const struct rain_config *config,
	       struct rain_error *err)
{
	const char *list = arguments->nodes ? arguments->nodes : config->panel.nodes;
	bool live = arguments->watch || (!arguments->once && !arguments->json &&
					 isatty(STDOUT_FILENO) && isatty(STDIN_FILENO));
	struct rain_panel_ask *ask;
	char **names;
	size_t count;
	int rc;

	if (live && !arguments->json && !isatty(STDOUT_FILENO))
		return rain_cli_usage("--watch draws on a terminal; for a program use --json");
	if (rain_hostlist_expand(list, NODES_MAX, &names, &count, err) < 0)
		return rain_cli_fail(arguments->nodes ? RAIN_EXIT_USAGE : RAIN_EXIT_FAILURE, err);
	if (count == 0) {
		rain_hostlist_free(names);
		rain_error_set(err, "%s does not say which nodes there are: set panel.nodes, or name "
				    "them",
			       config->path);
		return rain_cli_fail(RAIN_EXIT_FAILURE, err);
	}
	ask = rain_panel_ask_create(names, count, (int)config->panel.port, live, err);
	if (!ask)
		rc = rain_cli_fail(RAIN_EXIT_FAILURE, err);
	else if (live)
		rc = show_live(ask, count, config->cluster_name, arguments->json, err);
	else
		rc = show_once(ask, count, config->cluster_name, arguments->json);
	rain_panel_ask_destroy(ask);
	rain_hostlist_free(names);
	return rc;
}

int main(int argc, char *argv[])
{
	struct arguments arguments = {0};
	struct rain_config *config;
	struct rain_error err;
	int rc;

	setlocale(LC_ALL, "");
	rain_cli_standard_options(argc, argv, help);
	rc = parse(argc, argv, &arguments);
	if (rc != 0)
		return rc;
	config = rain_config_load(arguments.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	rc = run(&arguments, config, &err);
	rain_config_destroy(config);
	return rc;
}
