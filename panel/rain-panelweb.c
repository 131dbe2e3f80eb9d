/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/file.h"
#include "common/hostlist.h"
#include "common/log.h"
#include "common/notify.h"
#include "panel/ask.h"
#include "panel/child.h"
#include "panel/web.h"

#define NODES_MAX 256
#define PAGE_MAX 262144
#define HELPER_MS 20000
#define HELPER_ANSWER_MAX 262144
#define LOOK_REST_MS 1000 /* between two looks at the same thing, whatever the news */
#define CHILD_LOOK_MS 50 /* how often to look whether the helper has answered */
/* What is older is not shown to a new viewer; the next look is under way. */
#define STALE_MS 15000

static const char help[] =
	"Usage: rain-panelweb [OPTION]…\n"
	"\n"
	"Shows the front panels of the cluster as a web page that is always up to date,\n"
	"with the jobs on the nodes, the queue, and how each peer stands.  Read-only;\n"
	"stays in the foreground; needs no privilege.\n"
	"\n"
	"  -c, --config FILE  read FILE instead of " RAIN_CONFIG_PATH "\n"
	"      --page FILE    show FILE instead of " RAIN_WEBDIR "/panel.html\n"
	"      --helper PROGRAM\n"
	"                     ask Slurm and the gateway by PROGRAM instead of\n"
	"                     " RAIN_LIBEXECDIR "/rain-panelweb-data\n"
	"  -v, --verbose      log more\n"
	"  -h, --help         show this and exit\n"
	"  -V, --version      show the version and exit\n"
	"\n"
	"Exit codes: 0 stopped by a signal, 1 failure, 2 wrong usage.\n";

struct panelweb;

struct arguments {
	const char *config, *page, *helper;
	enum rain_log_level level;
};

/* An event as it was sent last. */
struct wording {
	char *named, *nameless;
};

/* What of a node is news for more than its lights. */
struct node_news {
	uint32_t jobs; /* their ids, mixed */
	bool throttled;
};

/* A question that the helper answers again and again while somebody watches. */
struct look {
	const char *option; /* of the helper; NULL: none */
	int64_t interval_ms;
	void (*take)(struct panelweb *panelweb, json_t *data);
	struct rain_panel_child child;
	int64_t due_ms, taken_ms;
	bool again;  /* there were news while the helper was at work */
	bool silent; /* the helper failed, and the log says so */
};

enum { LOOK_JOBS, LOOK_HISTORY, LOOK_COUNT };

struct panelweb {
	const struct arguments *arguments;
	struct rain_config *config;
	struct rain_web *web;
	struct rain_panel_ask *ask;
	struct look looks[LOOK_COUNT];
	struct wording *nodes, cluster, accounts, heat;
	struct node_news *news;
	char *peers; /* how they stood at the last look */
	char **names;
	size_t count;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static json_t *job_json(const struct rain_panel_view_job *job, int64_t waited_ms, bool named)
{
	const struct passwd *entry = named && job->kind == RAIN_PANEL_HOME ? getpwuid(job->uid) : NULL;

	return json_pack("{s:I,s:s,s:s,s:s,s:s,s:I}", "job", (json_int_t)job->id, "kind",
			 job->kind == RAIN_PANEL_GUEST ? "guest" : "home", "peer",
			 named ? job->peer : "", "user", entry ? entry->pw_name : "", "code",
			 job->code, "elapsed_ms", (json_int_t)(job->elapsed_ms + waited_ms));
}

static char *node_text(const struct rain_panel_view_node *node, const json_t *frame, size_t index,
		       bool named)
{
	int64_t waited_ms = rain_clock_monotonic_ms() - node->received_ms;
	json_t *levels = json_array(), *shows = json_array(), *jobs = json_array(), *object;
	char *text;

	for (int i = 0; node->answered && i < RAIN_LED_COUNT; i++) {
		json_array_append_new(levels, json_integer(node->level[i]));
		json_array_append_new(shows, json_string(rain_panel_show_name(node->show[i])));
	}
	for (size_t i = 0; node->answered && i < node->job_count; i++)
		json_array_append_new(jobs, job_json(&node->jobs[i], waited_ms, named));
	object = json_pack("{s:I,s:s,s:b,s:s,s:s,s:o,s:o,s:o,s:O?,s:O?,s:O?,s:O?,s:O?}", "index",
			   (json_int_t)index, "node", node->name, "answered", (int)node->answered,
			   "trouble", node->trouble, "mode", rain_panel_mode_name(node->mode), "levels",
			   levels, "shows", shows, "jobs", jobs, "network", json_object_get(frame, "network"),
			   "temperature", json_object_get(frame, "temperature"), "load_percent",
			   json_object_get(frame, "load_percent"), "millidegrees",
			   json_object_get(frame, "millidegrees"), "clock_khz",
			   json_object_get(frame, "clock_khz"));
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return text;
}

/* Keeps the new wording and tells it to all when it differs from the last. */
static void tell(struct panelweb *panelweb, const char *event, struct wording *last, char *named,
		 char *nameless)
{
	struct rain_web_event both = {named, nameless};

	if (!named || !nameless || (last->named && strcmp(last->named, named) == 0)) {
		free(named);
		free(nameless);
		return;
	}
	rain_web_publish(panelweb->web, event, &both);
	free(last->named);
	free(last->nameless);
	*last = (struct wording){named, nameless};
}

static void look_soon(struct look *look)
{
	int64_t soon_ms = look->taken_ms + LOOK_REST_MS;

	look->again = look->child.pid > 0;
	if (soon_ms < look->due_ms)
		look->due_ms = soon_ms;
}

/* A job that came or went is seen in the queue as well, throttling in the record. */
static void follow(struct panelweb *panelweb, size_t i, const struct rain_panel_view_node *node,
		   const json_t *frame)
{
	const char *temperature = json_string_value(json_object_get(frame, "temperature"));
	struct node_news news = {0};

	if (!node->answered)
		return;
	for (size_t k = 0; k < node->job_count; k++)
		news.jobs = news.jobs * 31 + node->jobs[k].id;
	news.throttled = temperature && (strcmp(temperature, "hot") == 0 || strcmp(temperature, "slow") == 0);
	if (news.jobs != panelweb->news[i].jobs)
		look_soon(&panelweb->looks[LOOK_JOBS]);
	if (news.throttled != panelweb->news[i].throttled)
		look_soon(&panelweb->looks[LOOK_HISTORY]);
	panelweb->news[i] = news;
}

static void tell_nodes(struct panelweb *panelweb)
{
	const struct rain_panel_view_node *nodes = rain_panel_ask_nodes(panelweb->ask);

	for (size_t i = 0; i < panelweb->count; i++) {
		const json_t *frame = rain_panel_ask_frame(panelweb->ask, i);

		follow(panelweb, i, &nodes[i], frame);
		tell(panelweb, "node", &panelweb->nodes[i], node_text(&nodes[i], frame, i, true),
		     node_text(&nodes[i], frame, i, false));
	}
}

static void show_last(const struct wording *last, const char *event, bool named, void *viewer)
{
	if (last->named)
		rain_web_add(viewer, event, named ? last->named : last->nameless);
}

static void greet(void *arg, bool named, struct rain_web *web, void *viewer)
{
	struct panelweb *panelweb = arg;
	int64_t now_ms = rain_clock_monotonic_ms();

	(void)web;
	for (size_t i = 0; i < panelweb->count; i++)
		show_last(&panelweb->nodes[i], "node", named, viewer);
	if (now_ms < panelweb->looks[LOOK_JOBS].taken_ms + STALE_MS)
		show_last(&panelweb->cluster, "cluster", named, viewer);
	show_last(&panelweb->accounts, "accounts", named, viewer);
	show_last(&panelweb->heat, "heat", named, viewer);
}

/* Jobs and peers, with and without the names and sums that not everybody may see. */
static char *cluster_text(const struct panelweb *panelweb, json_t *data, bool named)
{
	json_t *row;
	size_t i;

	if (!named) {
		json_array_foreach(json_object_get(data, "jobs"), i, row) {
			json_object_set_new(row, "user", json_string(""));
			json_object_set_new(row, "name", json_string(""));
		}
		json_array_foreach(json_object_get(data, "peers"), i, row) {
			json_object_del(row, "balance_utok");
			json_object_del(row, "held_utok");
		}
	}
	json_object_set_new(data, "cluster", json_string(panelweb->config->cluster_name));
	json_object_set_new(data, "named", json_boolean(named));
	json_object_set_new(data, "home_nodes", json_integer((json_int_t)panelweb->count));
	return json_dumps(data, JSON_COMPACT);
}

static void take_jobs(struct panelweb *panelweb, json_t *data)
{
	char *peers = json_dumps(json_object_get(data, "peers"), JSON_COMPACT | JSON_ENCODE_ANY);
	char *named = cluster_text(panelweb, data, true);
	char *nameless = cluster_text(panelweb, data, false);

	tell(panelweb, "cluster", &panelweb->cluster, named, nameless);
	/* A settled burst is news for the plots as well. */
	if (!peers || !panelweb->peers || strcmp(peers, panelweb->peers) != 0)
		look_soon(&panelweb->looks[LOOK_HISTORY]);
	free(panelweb->peers);
	panelweb->peers = peers;
}

static void take_history(struct panelweb *panelweb, json_t *data)
{
	json_t *accounts = json_object_get(data, "accounts"), *heat = json_object_get(data, "heat");

	tell(panelweb, "accounts", &panelweb->accounts,
	     json_dumps(accounts, JSON_COMPACT | JSON_ENCODE_ANY), strdup("null"));
	tell(panelweb, "heat", &panelweb->heat, json_dumps(heat, JSON_COMPACT | JSON_ENCODE_ANY),
	     json_dumps(heat, JSON_COMPACT | JSON_ENCODE_ANY));
}

static void take_answer(struct panelweb *panelweb, struct look *look)
{
	json_t *data = json_loads(look->child.answer ? look->child.answer : "", 0, NULL);

	if (json_is_object(data)) {
		look->taken_ms = rain_clock_monotonic_ms();
		look->silent = false;
		look->take(panelweb, data);
	} else if (!look->silent) {
		rain_log_warning("can't ask about jobs and accounts; the lights go on helper=%s %s",
				 panelweb->arguments->helper, look->option ? look->option : "");
		look->silent = true;
	}
	json_decref(data);
}

/* Starts the helper when it is time and anybody watches, and takes what it says. */
static void work(struct panelweb *panelweb, struct look *look, int64_t now_ms)
{
	const struct arguments *arguments = panelweb->arguments;
	char *argv[] = {(char *)arguments->helper, (char *)arguments->config, (char *)look->option, NULL};
	struct rain_error err;

	if (look->child.pid > 0) {
		if (rain_panel_child_read(&look->child, now_ms, &err) == 0)
			return;
		take_answer(panelweb, look);
		rain_panel_child_release(&look->child);
		look->due_ms = now_ms + (look->again ? LOOK_REST_MS : look->interval_ms);
		look->again = false;
	} else if (now_ms >= look->due_ms && rain_web_viewers(panelweb->web) > 0) {
		look->due_ms = now_ms + look->interval_ms;
		if (rain_panel_child_exec(&look->child, argv, now_ms + HELPER_MS, &err) < 0)
			rain_log_warning("%s", err.text);
	}
}

/* When one of them must be worked on without anything else happening. */
static int64_t look_deadline(const struct panelweb *panelweb, int64_t now_ms)
{
	int64_t until_ms = INT64_MAX;

	for (int i = 0; i < LOOK_COUNT; i++) {
		const struct look *look = &panelweb->looks[i];
		int64_t at_ms = INT64_MAX;

		if (look->child.pid > 0)
			at_ms = now_ms + CHILD_LOOK_MS;
		else if (rain_web_viewers(panelweb->web) > 0)
			at_ms = look->due_ms;
		until_ms = at_ms < until_ms ? at_ms : until_ms;
	}
	return until_ms;
}

static int run(struct panelweb *panelweb, struct rain_error *err)
{
	rain_notify("READY=1");
	while (!stopping) {
		int64_t now_ms = rain_clock_monotonic_ms();
		int64_t until_ms = look_deadline(panelweb, now_ms);
		int64_t timeout_ms = rain_web_timeout_ms(panelweb->web);

		if (timeout_ms >= 0 && now_ms + timeout_ms < until_ms)
			until_ms = now_ms + timeout_ms;
		if (rain_panel_ask_step(panelweb->ask, rain_web_fd(panelweb->web), until_ms) < 0)
			return rain_error_set(err, "can't wait: %s", strerror(errno));
		if (rain_panel_ask_changed(panelweb->ask))
			tell_nodes(panelweb);
		for (int i = 0; i < LOOK_COUNT; i++)
			work(panelweb, &panelweb->looks[i], rain_clock_monotonic_ms());
		rain_web_run(panelweb->web);
	}
	rain_notify("STOPPING=1");
	return 0;
}

static int start(struct panelweb *panelweb, const char *page, size_t size, struct rain_error *err)
{
	const struct rain_config *config = panelweb->config;

	if (rain_hostlist_expand(config->panel.nodes, NODES_MAX, &panelweb->names, &panelweb->count,
				 err) < 0)
		return rain_error_prefix(err, "panel.nodes");
	if (panelweb->count == 0)
		return rain_error_set(err, "%s does not say which nodes there are: set panel.nodes",
				      config->path);
	panelweb->nodes = calloc(panelweb->count, sizeof(*panelweb->nodes));
	panelweb->news = calloc(panelweb->count, sizeof(*panelweb->news));
	if (!panelweb->nodes || !panelweb->news)
		return rain_error_set(err, "out of memory");
	panelweb->web = rain_web_create(config, page, size, greet, panelweb, err);
	if (!panelweb->web)
		return -1;
	panelweb->ask = rain_panel_ask_create(panelweb->names, panelweb->count,
					      (int)config->panel.port, true, err);
	return panelweb->ask ? 0 : -1;
}

static void release(struct panelweb *panelweb)
{
	rain_web_destroy(panelweb->web);
	rain_panel_ask_destroy(panelweb->ask);
	for (int i = 0; i < LOOK_COUNT; i++)
		rain_panel_child_release(&panelweb->looks[i].child);
	for (size_t i = 0; panelweb->nodes && i < panelweb->count; i++) {
		free(panelweb->nodes[i].named);
		free(panelweb->nodes[i].nameless);
	}
	free(panelweb->nodes);
	free(panelweb->news);
	free(panelweb->peers);
	free(panelweb->cluster.named);
	free(panelweb->cluster.nameless);
	free(panelweb->accounts.named);
	free(panelweb->accounts.nameless);
	free(panelweb->heat.named);
	free(panelweb->heat.nameless);
	rain_hostlist_free(panelweb->names);
	rain_config_destroy(panelweb->config);
}

static int parse(int argc, char *argv[], struct arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"page", required_argument, NULL, 'p'},
		{"helper", required_argument, NULL, 'H'}, {"verbose", no_argument, NULL, 'v'}, {0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:v", options, NULL)) >= 0) {
		switch (option) {
		case 'c': arguments->config = optarg; break;
		case 'p': arguments->page = optarg; break;
		case 'H': arguments->helper = optarg; break;
		case 'v': arguments->level = RAIN_LOG_DEBUG; break;
		default:
			return rain_cli_usage("option %s is unknown or lacks its value",
					      argv[optind - 1]);
		}
	}
	if (optind < argc)
		return rain_cli_usage("\"%s\" is one word too many", argv[optind]);
	return 0;
}

int main(int argc, char *argv[])
{
	struct arguments arguments = {.config = RAIN_CONFIG_PATH,
				      .page = RAIN_WEBDIR "/panel.html",
				      .helper = RAIN_LIBEXECDIR "/rain-panelweb-data",
				      .level = RAIN_LOG_INFO};
	static struct panelweb panelweb; /* large: not on the stack */
	struct sigaction action = {.sa_handler = on_signal};
	struct rain_error err;
	size_t size = 0;
	char *page;
	int rc;

	rain_cli_standard_options(argc, argv, help);
	rc = parse(argc, argv, &arguments);
	if (rc != 0)
		return rc;
	rain_log_open("rain-panelweb", arguments.level);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	panelweb.arguments = &arguments;
	panelweb.looks[LOOK_JOBS] = (struct look){.interval_ms = 5000, .take = take_jobs};
	panelweb.looks[LOOK_HISTORY] =
		(struct look){.option = "--history", .interval_ms = 60000, .take = take_history};
	for (int i = 0; i < LOOK_COUNT; i++)
		rain_panel_child_init(&panelweb.looks[i].child, HELPER_ANSWER_MAX);
	page = rain_file_read(arguments.page, PAGE_MAX, &size, &err);
	panelweb.config = page ? rain_config_load(arguments.config, &err) : NULL;
	rc = panelweb.config ? start(&panelweb, page, size, &err) : -1;
	if (rc == 0) {
		rain_log_info("is up address=http://%s/", panelweb.config->panel.web_listen);
		rc = run(&panelweb, &err);
	}
	if (rc < 0)
		rain_log_error("%s", err.text);
	release(&panelweb);
	free(page);
	return rc < 0 ? RAIN_EXIT_FAILURE : RAIN_EXIT_OK;
}
