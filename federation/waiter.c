/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "federation/mind.h"

static void unlink_waiter(struct rain_waiter *waiter)
{
	struct rain_waiter **at = &waiter->list->first;

	while (*at && *at != waiter)
		at = &(*at)->next;
	if (*at)
		*at = waiter->next;
}

static void on_expired(struct rain_http_request *request, void *arg)
{
	struct rain_waiter *waiter = arg;

	(void)request;
	unlink_waiter(waiter);
	waiter->answer(waiter->gateway, waiter, true);
	free(waiter);
}

static void on_gone(struct rain_http_request *request, void *arg)
{
	struct rain_waiter *waiter = arg;

	(void)request;
	unlink_waiter(waiter);
	free(waiter);
}

void rain_waiters_add(struct rain_waiters *list, const struct rain_waiter *from, int64_t wait_s)
{
	struct rain_waiter now = *from, *waiter;

	now.list = list;
	if (now.answer(now.gateway, &now, wait_s <= 0))
		return;
	waiter = malloc(sizeof *waiter);
	if (!waiter) {
		rain_http_reply_error(now.request, 503, "out of memory");
		return;
	}
	*waiter = now;
	waiter->next = list->first;
	list->first = waiter;
	rain_http_defer(waiter->request, wait_s * 1000, on_expired, on_gone, waiter);
}

/* Answering may end connections, whose waiters then unlink themselves: each
 * waiter is taken out before it is asked, and the walk begins anew. */
static void ask_all(struct rain_waiters *list, bool last)
{
	struct rain_waiters left = { NULL };
	struct rain_waiter *waiter;

	while ((waiter = list->first)) {
		list->first = waiter->next;
		waiter->next = NULL;
		if (waiter->answer(waiter->gateway, waiter, last)) {
			free(waiter);
		} else {
			waiter->list = &left;
			waiter->next = left.first;
			left.first = waiter;
		}
	}
	while ((waiter = left.first)) {
		left.first = waiter->next;
		waiter->list = list;
		waiter->next = list->first;
		list->first = waiter;
	}
}

void rain_waiters_wake(struct rain_waiters *list)
{
	ask_all(list, false);
}

void rain_waiters_end(struct rain_waiters *list)
{
	ask_all(list, true);
}
