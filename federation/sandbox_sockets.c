/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maker of a sandbox's Unix sockets: see sandbox_filter.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "federation/sandbox_filter.h"

static int receive_descriptor(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control)};
	const struct cmsghdr *header;
	ssize_t got;
	int fd;

	do
		got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* Makes one socket and puts it into the asking process, as the answer of its
 * call. Who is gone meanwhile needs none. */
static void serve(int listener)
{
	struct seccomp_notif request;
	struct seccomp_notif_resp refusal = {0};
	int type, fd;

	memset(&request, 0, sizeof(request));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
		return;
	type = (int)request.data.args[1];
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, (int)request.data.args[2]);
	if (fd >= 0) {
		struct seccomp_notif_addfd gift = {
			.id = request.id,
			.flags = SECCOMP_ADDFD_FLAG_SEND,
			.srcfd = (uint32_t)fd,
			.newfd_flags = type & SOCK_CLOEXEC ? O_CLOEXEC : 0,
		};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift) >= 0) {
			close(fd);
			return;
		}
	}
	refusal.id = request.id;
	refusal.error = -errno;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &refusal);
	if (fd >= 0)
		close(fd);
}

/* Without any of the descriptors of the job, whose end somebody waits for. */
static int part_from_job(int socket_, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || socket_ < 3 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return -1;
	if (socket_ > 3 && close_range(3, (unsigned)socket_ - 1, 0) < 0)
		return -1;
	if (close_range((unsigned)socket_ + 1, ~0U, 0) < 0)
		return -1;
	return unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

__attribute__((noreturn)) static void maker(int socket_, pid_t parent)
{
	struct pollfd listener = {.events = POLLIN};
	char ready = 0;

	if (part_from_job(socket_, parent) < 0 || write(socket_, &ready, 1) != 1)
		_exit(1);
	/* What ends the job's processes is not for this one: it goes last. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_IGN);
	listener.fd = receive_descriptor(socket_);
	close(socket_);
	if (listener.fd < 0)
		_exit(0);
	for (;;) {
		if (poll(&listener, 1, -1) < 0 && errno != EINTR)
			_exit(1);
		if (listener.revents & POLLIN)
			serve(listener.fd);
		else if (listener.revents)
			_exit(0);
	}
}

int rain_sandbox_sockets_start(struct rain_error *err)
{
	int pair[2];
	pid_t parent = getpid(), child;
	char ready;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	child = fork();
	if (child == 0)
		maker(pair[1], parent);
	close(pair[1]);
	if (child > 0 && read(pair[0], &ready, 1) == 1)
		return pair[0];
	close(pair[0]);
	return rain_error_set(err, "can't make an empty network for the sandbox's sockets: user "
				   "namespaces must be allowed on this node");
}
