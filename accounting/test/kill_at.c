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
 *       rename, renamed      the name that a file gets, and a "$": before and after
 *       write, torn, wrote   the path of what is written to, and a "$": before, in the
 *                            middle and after
 *       sync, synced         the path of what is synced, likewise
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

struct path {
	char text[PATH_MAX + 2];
};

static const char *ended(struct path *path)
{
	size_t length = strlen(path->text);

	snprintf(path->text + length, sizeof(path->text) - length, "$");
	return path->text;
}

static const char *path_of(int fd, struct path *path)
{
	char link[40];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path->text, PATH_MAX);
	path->text[length > 0 ? length : 0] = '\0';
	return ended(path);
}

SHOWN int rename(const char *from, const char *to)
{
	struct path path;
	int rc;

	snprintf(path.text, PATH_MAX, "%s", to);
	ended(&path);
	at("rename", path.text);
	rc = REAL(rename)(from, to);
	at("renamed", path.text);
	return rc;
}

SHOWN ssize_t write(int fd, const void *data, size_t size)
{
	struct path path;
	ssize_t n;

	path_of(fd, &path);
	at("write", path.text);
	if (is_at("torn", path.text)) {
		n = REAL(write)(fd, data, size / 2);
		strike();
	} else {
		n = REAL(write)(fd, data, size);
	}
	at("wrote", path.text);
	return n;
}

SHOWN int fsync(int fd)
{
	struct path path;
	int rc;

	path_of(fd, &path);
	at("sync", path.text);
	rc = REAL(fsync)(fd);
	at("synced", path.text);
	return rc;
}

SHOWN int fdatasync(int fd)
{
	struct path path;
	int rc;

	path_of(fd, &path);
	at("sync", path.text);
	rc = REAL(fdatasync)(fd);
	at("synced", path.text);
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
