/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/head.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/file.h"
#include "panel/address.h"

#define CONNECT_MS 3000
#define RESOLVE_MS 15000
#define RESOLVED_MAX 4096

static void resolve_in_child(int fd, const void *arg)
{
	const struct rain_panel_head *head = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;

	/* No answer is the answer when there is none. */
	if (getaddrinfo(head->host, head->port, &hints, &found) == 0)
		rain_file_write_fd(fd, found->ai_addr, found->ai_addrlen, NULL);
}

/* An address needs no name service, hence no child. */
static void take_numeric(struct rain_panel_head *head)
{
	if (rain_panel_address_parse(head->host, head->port, &head->address,
				     &head->address_length) < 0)
		head->address_length = 0;
}

int rain_panel_head_init(struct rain_panel_head *head, const char *address,
			 struct rain_error *err)
{
	memset(head, 0, sizeof(*head));
	head->fd = -1;
	rain_panel_child_init(&head->resolver, RESOLVED_MAX);
	if (!address || !*address) {
		head->known = true;
		head->reachable = true;
		return 0;
	}
	if (rain_config_address_split(address, &head->host, &head->port, err) < 0)
		return rain_error_prefix(err, "panel.head");
	take_numeric(head);
	return 0;
}

static bool conclude(struct rain_panel_head *head, bool reachable)
{
	if (head->fd >= 0)
		close(head->fd);
	head->fd = -1;
	head->known = true;
	head->reachable = reachable;
	return true;
}

static bool begin_connect(struct rain_panel_head *head, int64_t now_ms)
{
	int family = head->address.ss_family;

	head->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (head->fd < 0)
		return conclude(head, false);
	if (connect(head->fd, (struct sockaddr *)&head->address, head->address_length) == 0 ||
	    errno == ECONNREFUSED)
		return conclude(head, true);
	if (errno != EINPROGRESS)
		return conclude(head, false);
	head->deadline_ms = now_ms + CONNECT_MS;
	return false;
}

void rain_panel_head_check(struct rain_panel_head *head, int64_t now_ms)
{
	if (!head->host || head->fd >= 0 || head->resolver.pid > 0)
		return;
	if (head->address_length > 0)
		begin_connect(head, now_ms);
	else if (rain_panel_child_fork(&head->resolver, resolve_in_child, head,
				       now_ms + RESOLVE_MS, NULL) < 0)
		conclude(head, false);
}

int rain_panel_head_fd(const struct rain_panel_head *head, short *events, int64_t *deadline_ms)
{
	if (head->resolver.pid > 0) {
		*events = POLLIN;
		*deadline_ms = head->resolver.deadline_ms;
		return head->resolver.fd;
	}
	*events = POLLOUT;
	*deadline_ms = head->fd >= 0 ? head->deadline_ms : INT64_MAX;
	return head->fd;
}

static bool take_address(struct rain_panel_head *head, int64_t now_ms)
{
	int rc = rain_panel_child_read(&head->resolver, now_ms, NULL);
	size_t size = head->resolver.size;

	if (rc == 0)
		return false;
	if (rc > 0 && size > 0 && size <= sizeof(head->address)) {
		memcpy(&head->address, head->resolver.answer, size);
		head->address_length = (socklen_t)size;
	}
	rain_panel_child_release(&head->resolver);
	if (head->address_length == 0)
		return conclude(head, false);
	return begin_connect(head, now_ms);
}

bool rain_panel_head_progress(struct rain_panel_head *head, bool ready, int64_t now_ms)
{
	socklen_t length = sizeof(int);
	int error = ETIMEDOUT;

	if (head->resolver.pid > 0)
		return (ready || now_ms >= head->resolver.deadline_ms) &&
		       take_address(head, now_ms);
	if (head->fd < 0 || (!ready && now_ms < head->deadline_ms))
		return false;
	if (ready && getsockopt(head->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error == 0 || error == ECONNREFUSED)
		return conclude(head, true);
	/* The name may stand for another address by now. */
	take_numeric(head);
	return conclude(head, false);
}

void rain_panel_head_release(struct rain_panel_head *head)
{
	if (head->fd >= 0)
		close(head->fd);
	head->fd = -1;
	rain_panel_child_release(&head->resolver);
	free(head->host);
	free(head->port);
	head->host = NULL;
	head->port = NULL;
}
