/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rounds: a process may fork while it is killed, but its uid can hold only so
 * many. For one to go away once it was killed: */
#define ROUNDS_MAX 100
#define GONE_MS 10000

/* Several nodes of a virtual cluster share one /proc: this node's processes are
 * those of its network. */
static bool is_of_this_node(int proc, const char *pid)
{
	char path[32], here[64], there[64];
	ssize_t a, b;

	snprintf(path, sizeof(path), "%s/ns/net", pid);
	a = readlink("/proc/self/ns/net", here, sizeof(here));
	b = readlinkat(proc, path, there, sizeof(there));
	return a > 0 && a == b && !memcmp(here, there, (size_t)a);
}

static bool belongs_to(int proc, const char *pid, uid_t uid)
{
	struct stat st;

	return fstatat(proc, pid, &st, 0) == 0 && st.st_uid == uid;
}

/* What /proc/PID shows as its owner is root's for some processes: its status
 * has the real uid. */
static bool status_has_uid(int proc, const char *pid, uid_t uid)
{
	char path[32], text[2048];
	const char *line;
	unsigned int real, effective;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/status", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	line = strstr(text, "\nUid:");
	return line && sscanf(line, "\nUid: %u %u", &real, &effective) == 2 &&
	       (real == uid || effective == uid);
}

/* 1: killed and gone; 0: not one of them; -1: it doesn't go. */
static int process_kill(int proc, const char *pid, uid_t uid, struct rain_error *err)
{
	struct pollfd gone = {.events = POLLIN};
	int result = 0;

	gone.fd = (int)syscall(SYS_pidfd_open, (pid_t)atoi(pid), 0);
	if (gone.fd < 0)
		return 0;
	/* Looked at behind the descriptor: the number can't pass to another now. */
	if ((belongs_to(proc, pid, uid) || status_has_uid(proc, pid, uid)) &&
	    is_of_this_node(proc, pid)) {
		syscall(SYS_pidfd_send_signal, gone.fd, SIGKILL, NULL, 0);
		result = poll(&gone, 1, GONE_MS) > 0
				 ? 1
				 : rain_error_set(err, "process %s of guest uid %u doesn't end",
						  pid, uid);
	}
	close(gone.fd);
	return result;
}

static int kill_round(uid_t uid, struct rain_error *err)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int killed = 0, result = 0;

	if (!proc)
		return rain_error_set(err, "can't read /proc: %s", strerror(errno));
	while (result >= 0 && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		result = process_kill(dirfd(proc), entry->d_name, uid, err);
		killed += result > 0;
	}
	closedir(proc);
	return result < 0 ? -1 : killed;
}

int rain_guard_kill(uid_t uid, struct rain_error *err)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		int killed = kill_round(uid, err);

		if (killed <= 0)
			return killed;
	}
	return rain_error_set(
		err, "processes of guest uid %u multiply faster than they can be killed", uid);
}
