/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/ask.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"

#define RETRY_MS 2000
#define RESOLVE_LOOK_MS 20 /* the name service tells nobody when it is ready */
#define LINE_MAX_SIZE 65536
#define READ_STEP 4096

enum phase {
	PHASE_RESOLVING,
	PHASE_CONNECTING,
	PHASE_ASKED,   /* the first answer is still to come */
	PHASE_WATCHES, /* more may come */
	PHASE_OVER,    /* answered or failed; when watching: until retry_ms */
};

/* What getaddrinfo_a writes to until it is finished, even when we have lost
 * patience: it must be able to outlive its node. */
struct lookup {
	struct gaicb request;
	struct addrinfo hints;
	char *name;
	char port[8];
};

struct asked {
	enum phase phase;
	int fd;
	int64_t deadline_ms; /* of the phase */
	struct lookup *lookup;
	struct sockaddr_storage address;
	socklen_t address_length; /* 0: not resolved */
	char *buffer;
	size_t size;
	json_t *frame;
};

struct rain_panel_ask {
	size_t count;
	int port;
	bool watch, changed;
	char *question; /* NULL: about the frame */
	struct asked *asked;
	struct rain_panel_view_node *nodes;
	struct pollfd *fds;
};

static void lookup_destroy(struct lookup *lookup)
{
	if (!lookup)
		return;
	/* The resolver's thread still writes here: the rest is its. */
	if (gai_cancel(&lookup->request) == EAI_NOTCANCELED)
		return;
	if (gai_error(&lookup->request) == 0 && lookup->request.ar_result)
		freeaddrinfo(lookup->request.ar_result);
	free(lookup->name);
	free(lookup);
}

static void end_attempt(struct rain_panel_ask *ask, struct asked *asked, int64_t now_ms)
{
	if (asked->fd >= 0)
		close(asked->fd);
	asked->fd = -1;
	asked->size = 0;
	lookup_destroy(asked->lookup);
	asked->lookup = NULL;
	asked->phase = PHASE_OVER;
	asked->deadline_ms = ask->watch ? now_ms + RETRY_MS : INT64_MAX;
}

static void fail(struct rain_panel_ask *ask, size_t i, const char *trouble, int64_t now_ms)
{
	struct rain_panel_view_node *node = &ask->nodes[i];

	end_attempt(ask, &ask->asked[i], now_ms);
	ask->asked[i].address_length = 0; /* it may have moved */
	json_decref(ask->asked[i].frame);
	ask->asked[i].frame = NULL;
	node->answered = false;
	snprintf(node->trouble, sizeof(node->trouble), "%s", trouble);
	ask->changed = true;
}

static void begin_connect(struct rain_panel_ask *ask, size_t i, int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	int one = 1, idle_s = 5, interval_s = 2, probes = 3;

	asked->fd = socket(asked->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0);
	if (asked->fd < 0) {
		fail(ask, i, strerror(errno), now_ms);
		return;
	}
	/* A node that lost its power says no good-bye. */
	setsockopt(asked->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(asked->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(asked->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(asked->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	asked->phase = PHASE_CONNECTING;
	if (connect(asked->fd, (struct sockaddr *)&asked->address, asked->address_length) < 0 &&
	    errno != EINPROGRESS)
		fail(ask, i, errno == ECONNREFUSED ? "no rain-paneld runs there" : strerror(errno),
		     now_ms);
}

static void begin(struct rain_panel_ask *ask, size_t i, int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	struct lookup *lookup;
	struct gaicb *list[1];

	asked->deadline_ms = now_ms + RAIN_PANEL_ANSWER_MS;
	if (asked->address_length > 0) {
		begin_connect(ask, i, now_ms);
		return;
	}
	lookup = calloc(1, sizeof(*lookup));
	if (lookup)
		lookup->name = strdup(ask->nodes[i].name);
	if (!lookup || !lookup->name) {
		free(lookup);
		fail(ask, i, "out of memory", now_ms);
		return;
	}
	snprintf(lookup->port, sizeof(lookup->port), "%d", ask->port);
	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->hints.ai_flags = AI_NUMERICSERV;
	lookup->request.ar_name = lookup->name;
	lookup->request.ar_service = lookup->port;
	lookup->request.ar_request = &lookup->hints;
	list[0] = &lookup->request;
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
		free(lookup->name);
		free(lookup);
		fail(ask, i, "its name can't be looked up", now_ms);
		return;
	}
	asked->lookup = lookup;
	asked->phase = PHASE_RESOLVING;
}

static void look_at_lookup(struct rain_panel_ask *ask, size_t i, int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	const struct addrinfo *found;
	int rc = gai_error(&asked->lookup->request);

	if (rc == EAI_INPROGRESS)
		return;
	found = asked->lookup->request.ar_result;
	if (rc != 0 || !found) {
		fail(ask, i, "its name is not known", now_ms);
		return;
	}
	memcpy(&asked->address, found->ai_addr, found->ai_addrlen);
	asked->address_length = found->ai_addrlen;
	lookup_destroy(asked->lookup);
	asked->lookup = NULL;
	begin_connect(ask, i, now_ms);
}

static void send_question(struct rain_panel_ask *ask, size_t i, int64_t now_ms)
{
	const char *question = ask->question ? ask->question
			       : ask->watch  ? "{\"op\":\"watch\"}\n"
					     : "{\"op\":\"frame\"}\n";
	struct asked *asked = &ask->asked[i];
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(asked->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error != 0) {
		fail(ask, i, error == ECONNREFUSED ? "no rain-paneld runs there" : strerror(error),
		     now_ms);
		return;
	}
	/* Fits into the buffer of any new connection. */
	if (send(asked->fd, question, strlen(question), MSG_NOSIGNAL) !=
	    (ssize_t)strlen(question)) {
		fail(ask, i, "it does not listen", now_ms);
		return;
	}
	asked->phase = PHASE_ASKED;
}

static void take_line(struct rain_panel_ask *ask, size_t i, const char *text, size_t size,
		      int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	struct rain_error err;
	json_t *reply = rain_json_parse(text, size, LINE_MAX_SIZE, &err);
	json_t *frame = reply ? json_object_get(reply, "result") : NULL;

	if (ask->question && reply && !json_is_object(frame)) {
		const char *refusal = json_string_value(json_object_get(reply, "error"));

		fail(ask, i, refusal ? refusal : "its answer is not understood", now_ms);
	} else if (!json_is_object(frame) ||
		   (!ask->question &&
		    rain_panel_view_node_read(&ask->nodes[i], frame, now_ms, &err) < 0)) {
		fail(ask, i, "what answers there is no rain-paneld", now_ms);
	} else {
		json_decref(asked->frame);
		asked->frame = json_incref(frame);
		ask->nodes[i].answered = true;
		ask->changed = true;
		if (ask->watch)
			asked->phase = PHASE_WATCHES;
		else
			end_attempt(ask, asked, now_ms);
	}
	json_decref(reply);
}

static void read_answer(struct rain_panel_ask *ask, size_t i, int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	char *end;
	ssize_t got;

	if (!asked->buffer)
		asked->buffer = malloc(LINE_MAX_SIZE);
	if (!asked->buffer || asked->size == LINE_MAX_SIZE) {
		fail(ask, i, "its answer is too long", now_ms);
		return;
	}
	got = recv(asked->fd, asked->buffer + asked->size, LINE_MAX_SIZE - asked->size, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		fail(ask, i, "its rain-paneld went away", now_ms);
		return;
	}
	asked->size += (size_t)got;
	while (asked->fd >= 0 && (end = memchr(asked->buffer, '\n', asked->size))) {
		size_t length = (size_t)(end - asked->buffer);

		take_line(ask, i, asked->buffer, length, now_ms);
		if (asked->fd < 0)
			break;
		asked->size -= length + 1;
		memmove(asked->buffer, end + 1, asked->size);
	}
}

static struct rain_panel_ask *create(char *const names[], size_t count, int port, bool watch,
				     const char *question, struct rain_error *err)
{
	struct rain_panel_ask *ask = calloc(1, sizeof(*ask));
	int64_t now_ms = rain_clock_monotonic_ms();

	if (ask) {
		ask->count = count;
		ask->port = port;
		ask->watch = watch;
		ask->asked = calloc(count, sizeof(*ask->asked));
		ask->nodes = calloc(count, sizeof(*ask->nodes));
		ask->fds = calloc(count + 1, sizeof(*ask->fds));
		ask->question = question ? strdup(question) : NULL;
	}
	if (!ask || (question && !ask->question) || !ask->asked || !ask->nodes || !ask->fds) {
		rain_error_set(err, "out of memory");
		if (ask)
			ask->count = 0;
		rain_panel_ask_destroy(ask);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		ask->asked[i].fd = -1;
		ask->nodes[i].name = names[i];
		begin(ask, i, now_ms);
	}
	ask->changed = true;
	return ask;
}

struct rain_panel_ask *rain_panel_ask_create(char *const names[], size_t count, int port,
					     bool watch, struct rain_error *err)
{
	return create(names, count, port, watch, NULL, err);
}

struct rain_panel_ask *rain_panel_ask_create_record(char *const names[], size_t count, int port,
						    int64_t since_s, int64_t until_s,
						    int64_t step_hours, struct rain_error *err)
{
	char question[128];

	snprintf(question, sizeof(question),
		 "{\"op\":\"record\",\"since\":%lld,\"until\":%lld,\"step_hours\":%lld}\n",
		 (long long)since_s, (long long)until_s, (long long)step_hours);
	return create(names, count, port, false, question, err);
}

/* Fills in what to wait for and lowers *until_ms to the next deadline. */
static void prepare(struct rain_panel_ask *ask, int64_t now_ms, int64_t *until_ms)
{
	for (size_t i = 0; i < ask->count; i++) {
		const struct asked *asked = &ask->asked[i];
		int64_t at_ms = asked->deadline_ms;

		ask->fds[i].fd = asked->fd;
		ask->fds[i].events = asked->phase == PHASE_CONNECTING ? POLLOUT : POLLIN;
		ask->fds[i].revents = 0;
		if (asked->phase == PHASE_RESOLVING && now_ms + RESOLVE_LOOK_MS < at_ms)
			at_ms = now_ms + RESOLVE_LOOK_MS;
		if (asked->phase != PHASE_WATCHES && at_ms < *until_ms)
			*until_ms = at_ms;
	}
}

static void work(struct rain_panel_ask *ask, size_t i, short ready, int64_t now_ms)
{
	struct asked *asked = &ask->asked[i];
	bool late = now_ms >= asked->deadline_ms;

	if (asked->phase == PHASE_RESOLVING)
		look_at_lookup(ask, i, now_ms);
	else if (asked->phase == PHASE_CONNECTING && ready)
		send_question(ask, i, now_ms);
	else if (asked->phase == PHASE_OVER && late)
		begin(ask, i, now_ms);
	else if (ready && asked->fd >= 0)
		read_answer(ask, i, now_ms);
	if (late && asked->deadline_ms <= now_ms && asked->phase < PHASE_WATCHES)
		fail(ask, i, "no answer", now_ms);
}

int rain_panel_ask_step(struct rain_panel_ask *ask, int extra, int64_t until_ms)
{
	int64_t now_ms = rain_clock_monotonic_ms();
	struct pollfd *last = &ask->fds[ask->count];
	int64_t wait_ms;

	prepare(ask, now_ms, &until_ms);
	*last = (struct pollfd){.fd = extra, .events = POLLIN};
	wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
	if (poll(ask->fds, ask->count + 1, wait_ms > INT32_MAX ? -1 : (int)wait_ms) < 0)
		return errno == EINTR ? 0 : -1;
	now_ms = rain_clock_monotonic_ms();
	for (size_t i = 0; i < ask->count; i++)
		work(ask, i, ask->fds[i].revents, now_ms);
	return last->revents != 0;
}

bool rain_panel_ask_is_done(const struct rain_panel_ask *ask)
{
	for (size_t i = 0; i < ask->count; i++) {
		if (ask->asked[i].phase != PHASE_OVER)
			return false;
	}
	return true;
}

bool rain_panel_ask_changed(struct rain_panel_ask *ask)
{
	bool changed = ask->changed;

	ask->changed = false;
	return changed;
}

const struct rain_panel_view_node *rain_panel_ask_nodes(const struct rain_panel_ask *ask)
{
	return ask->nodes;
}

const json_t *rain_panel_ask_frame(const struct rain_panel_ask *ask, size_t node)
{
	return ask->asked[node].frame;
}

void rain_panel_ask_destroy(struct rain_panel_ask *ask)
{
	if (!ask)
		return;
	for (size_t i = 0; i < ask->count; i++) {
		end_attempt(ask, &ask->asked[i], 0);
		json_decref(ask->asked[i].frame);
		free(ask->asked[i].buffer);
	}
	free(ask->question);
	free(ask->asked);
	free(ask->nodes);
	free(ask->fds);
	free(ask);
}
