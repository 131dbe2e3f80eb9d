/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/test/bus_tap.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define OLAT 0x14

static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct bus_tap_counts counts;
static int to_fail;

static void send_fd(int over, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	if (sendmsg(over, &message, 0) != 1)
		_exit(126);
}

static int receive_fd(int over)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *part;
	int fd = -1;

	if (recvmsg(over, &message, 0) != 1)
		return -1;
	part = CMSG_FIRSTHDR(&message);
	if (part)
		memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	return fd;
}

void bus_tap_enter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, I2C_SMBUS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	int listener;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		_exit(126);
	send_fd(ends[1], listener);
	close(listener);
	close(ends[0]);
	close(ends[1]);
}

/* What the transfer is, from the daemon's own memory. */
static void count(const struct seccomp_notif *call, bool fails)
{
	struct i2c_smbus_ioctl_data request = {0};
	struct iovec here = {&request, sizeof(request)};
	struct iovec there = {(void *)(uintptr_t)call->data.args[2], sizeof(request)};

	if (process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) != sizeof(request))
		return;
	if (request.read_write == I2C_SMBUS_READ)
		counts.reads++;
	else
		counts.writes++;
	if (request.read_write == I2C_SMBUS_WRITE && (request.command & ~1) == OLAT)
		counts.latch_writes++;
	if (fails)
		counts.failed++;
}

static void *serve(void *arg)
{
	int listener = receive_fd((int)(intptr_t)arg);

	close((int)(intptr_t)arg);
	for (;;) {
		struct seccomp_notif call;
		struct seccomp_notif_resp answer = {0};
		bool fails;

		memset(&call, 0, sizeof(call));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
			if (errno == EINTR)
				continue;
			break; /* the daemon is gone */
		}
		pthread_mutex_lock(&mutex);
		fails = to_fail != 0;
		if (to_fail > 0)
			to_fail--;
		count(&call, fails);
		pthread_mutex_unlock(&mutex);
		answer.id = call.id;
		answer.error = fails ? -EREMOTEIO : 0;
		answer.flags = fails ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	close(listener);
	return NULL;
}

void bus_tap_open(void)
{
	pthread_t thread;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    pthread_create(&thread, NULL, serve, (void *)(intptr_t)ends[0]) != 0)
		abort();
	pthread_detach(thread);
	pthread_mutex_lock(&mutex);
	memset(&counts, 0, sizeof(counts));
	to_fail = 0;
	pthread_mutex_unlock(&mutex);
}

void bus_tap_break(int fail_count)
{
	pthread_mutex_lock(&mutex);
	to_fail = fail_count;
	pthread_mutex_unlock(&mutex);
}

struct bus_tap_counts bus_tap_counts(void)
{
	struct bus_tap_counts copy;

	pthread_mutex_lock(&mutex);
	copy = counts;
	pthread_mutex_unlock(&mutex);
	return copy;
}
