// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a daemon or command by tests: at a named point somebody dies as from
 * kill -9, without a line of test code in the program itself.
 *
 *   RAIN_KILL_AT=POINT:TEXT  the first time that the program is at this point with
 *                            something that contains TEXT:
 *       before, sent, done   a statement for the database: not sent yet; sent, its end
 *                            not known; its answer is here, so it is committed.
 *                            RAIN_KILL_VALUE=TEXT: its first parameter must contain that
 *       unlink, unlinked     a file's name: before and after it is deleted
 *       rename, renamed      the name that a file gets: before and after
 *       sync, synced         the path of what is synced, and a "$": before and after
 *       send, sent-on, recv  a message on a socket, for `send` (TEXT may be empty):
 *                            before, after, and before its answer is read
 *   RAIN_KILL_WHOM=PID       who dies (default: the program itself)
 */
#include <dlfcn.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static atomic_bool fired; /* threads may come by together */
static bool statement, message; /* was sent: its answer counts */

/* Whom it hits when it isn't the program itself is dead before it goes on. */
static void strike(void)
{
	const char *whom = getenv("RAIN_KILL_WHOM");
	pid_t pid = whom ? (pid_t)atoi(whom) : getpid();
	struct pollfd end = {.events = POLLIN};

	if (atomic_exchange(&fired, true))
		return;
	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	fprintf(stderr, "kill_at: %s\n", getenv("RAIN_KILL_AT"));
	kill(pid, SIGKILL);
	poll(&end, 1, -1);
	close(end.fd);
}

static bool is_at(const char *point, const char *text)
{
	const char *wanted = getenv("RAIN_KILL_AT");
	size_t length = strlen(point);

	return !fired && wanted && strncmp(wanted, point, length) == 0 && wanted[length] == ':' &&
	       strstr(text, wanted + length + 1);
}

static void at(const char *point, const char *text)
{
	if (is_at(point, text))
		strike();
}

/* dlsym returns an object pointer; this is how POSIX means it. */
#define REAL(name) (*(__typeof__(&(name)) *)&(void *){dlsym(RTLD_NEXT, #name)})

SHOWN int PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
			    const char *const *values, const int *lengths, const int *formats, int format)
{
	const char *value = getenv("RAIN_KILL_VALUE");
	bool meant = !value || (count > 0 && values[0] && strstr(values[0], value));
	int sent;

	if (meant)
		at("before", sql);
	sent = REAL(PQsendQueryParams)(conn, sql, count, types, values, lengths, formats, format);
	if (meant && sent && is_at("sent", sql)) {
		PQflush(conn);
		strike();
	}
	statement = meant && is_at("done", sql);
	return sent;
}

SHOWN PGresult *PQgetResult(PGconn *conn)
{
	PGresult *result = REAL(PQgetResult)(conn);

	if (statement && result)
		strike();
	statement = statement && !result;
	return result;
}

SHOWN int unlink(const char *path)
{
	int rc;

	at("unlink", path);
	rc = REAL(unlink)(path);
	at("unlinked", path);
	return rc;
}

SHOWN int rename(const char *from, const char *to)
{
	int rc;

	at("rename", to);
	rc = REAL(rename)(from, to);
	at("renamed", to);
	return rc;
}

SHOWN int fsync(int fd)
{
	char link[40], path[PATH_MAX + 2];
	ssize_t length;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, PATH_MAX);
	snprintf(path + (length > 0 ? length : 0), 2, "$");
	at("sync", path);
	rc = REAL(fsync)(fd);
	at("synced", path);
	return rc;
}

SHOWN ssize_t send(int fd, const void *data, size_t size, int flags)
{
	char *text = strndup(data, size);
	ssize_t n;

	at("send", text);
	n = REAL(send)(fd, data, size, flags);
	at("sent-on", text);
	message = message || is_at("recv", text); /* it may go in parts */
	free(text);
	return n;
}

SHOWN ssize_t recv(int fd, void *data, size_t size, int flags)
{
	ssize_t n = REAL(recv)(fd, data, size, message ? flags | MSG_PEEK : flags);

	if (message && n > 0)
		strike();
	return n;
}
