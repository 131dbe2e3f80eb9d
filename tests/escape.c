// SPDX-License-Identifier: GPL-2.0-or-later
/* What a guest might try from inside of the sandbox, one line each: "refused
 * NAME" or "REACHED NAME".  `escape listen` (as somebody else, on a node)
 * listens on an abstract socket until it is killed, for the first of them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABSTRACT "rain-escape"

static socklen_t abstract(struct sockaddr_un *address, const char *name)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	strncpy(address->sun_path + 1, name, sizeof(address->sun_path) - 2);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int listen_for_ever(void)
{
	struct sockaddr_un address;
	socklen_t length = abstract(&address, ABSTRACT);
	int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (bind(stream, (struct sockaddr *)&address, length) < 0 || listen(stream, 5) < 0)
		return 1;
	length = abstract(&address, ABSTRACT "-datagram");
	if (bind(datagram, (struct sockaddr *)&address, length) < 0)
		return 1;
	puts("listening");
	fflush(stdout);
	for (;;)
		pause();
}

/* --- sockets --- */

static bool reach_abstract(int fd, const char *name)
{
	struct sockaddr_un address;
	socklen_t length = abstract(&address, name);

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0;
}

static bool abstract_stream(void) { return reach_abstract(socket(AF_UNIX, SOCK_STREAM, 0), ABSTRACT); }
static bool abstract_datagram(void) { return reach_abstract(socket(AF_UNIX, SOCK_DGRAM, 0), ABSTRACT "-datagram"); }

static bool abstract_from_pair(void)
{
	struct sockaddr_un address;
	socklen_t length = abstract(&address, ABSTRACT "-datagram");
	int pair[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 &&
	       sendto(pair[0], "x", 1, 0, (struct sockaddr *)&address, length) == 1;
}

/* The family's upper half, which the kernel doesn't look at. */
static bool abstract_by_wide_family(void)
{
	return reach_abstract((int)syscall(SYS_socket, 0x100000000L | AF_UNIX, SOCK_STREAM, 0), ABSTRACT);
}

/* Every name that is listed. */
static bool abstract_any(void)
{
	FILE *list = fopen("/proc/net/unix", "re");
	char line[512], *name;
	bool reached = false;

	while (list && fgets(line, sizeof(line), list))
		if ((name = strchr(line, '@'))) {
			name[strcspn(name, "\n")] = '\0';
			reached |= reach_abstract(socket(AF_UNIX, SOCK_STREAM, 0), name + 1);
		}
	return reached;
}

static bool has_socket(int family, int type, int protocol) { return socket(family, type, protocol) >= 0; }
static bool raw_socket(void) { return has_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static bool packet_socket(void) { return has_socket(AF_PACKET, SOCK_RAW, 0); }
static bool vsock(void) { return has_socket(40 /* AF_VSOCK */, SOCK_STREAM, 0); }
static bool kernel_crypto(void) { return has_socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0); }
static bool netfilter(void) { return has_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }
static bool audit(void) { return has_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }
static bool sctp(void) { return has_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP); }

/* --- the kernel --- */

static char page[4096] __attribute__((aligned(4096)));

static bool does(long result) { return result >= 0 || (result < 0 && errno != EPERM && errno != ENOSYS); }
static bool io_uring(void) { return does(syscall(SYS_io_uring_setup, 4, page)); }
static bool keyring_read(void) { return does(syscall(SYS_keyctl, 0, -4, 0, 0, 0)); }
static bool keyring_write(void) { return does(syscall(SYS_add_key, "user", "x", "x", 1, -4)); }
static bool bpf(void) { return does(syscall(SYS_bpf, 0, page, 120)); }
static bool perf(void) { return does(syscall(SYS_perf_event_open, page, 0, -1, -1, 0)); }
static bool userfault(void) { return does(syscall(SYS_userfaultfd, 0)); }
static bool handle_open(void) { return does(syscall(SYS_open_by_handle_at, AT_FDCWD, page, 0)); }
static bool mounts(void) { return does(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static bool mount_new(void) { return does(syscall(SYS_fsopen, "tmpfs", 0)); }
static bool changes_root(void) { return does(chroot("/tmp")); }
static bool user_namespace(void) { return unshare(CLONE_NEWUSER) == 0; }

static bool user_namespace_by_clone(void)
{
	long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(0);
	if (child > 0)
		waitpid((pid_t)child, NULL, 0);
	return child > 0;
}

static bool traces_box(void) { return ptrace(PTRACE_ATTACH, 1, 0, 0) == 0; }

static bool types_into_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR);

	return ioctl(fd < 0 ? 0 : fd, TIOCSTI, "x") == 0;
}

static bool gains_privileges(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1; }
static bool becomes_root(void) { return setuid(0) == 0 || setgid(0) == 0; }
static bool other_table(void)
{
#ifdef __x86_64__
	long result = 20; /* getpid of 32 bits */
	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	return result > 0;
#else
	return false;
#endif
}

/* --- limits --- */

static bool over(int resource, rlim_t bound)
{
	struct rlimit limit;

	return getrlimit(resource, &limit) < 0 || limit.rlim_max > bound;
}

static bool endless_processes(void) { return over(RLIMIT_NPROC, 2048); }
static bool endless_files(void) { return over(RLIMIT_NOFILE, 8192); }
static bool core_files(void) { return over(RLIMIT_CORE, 0); }
static bool endless_queues(void) { return over(RLIMIT_MSGQUEUE, 819200); }

/* A header, and a line for each segment that can be seen. */
static bool others_memory(void)
{
	FILE *list = fopen("/proc/sysvipc/shm", "re");
	char line[512];
	int lines = 0;

	while (list && fgets(line, sizeof(line), list))
		lines++;
	return lines > 1;
}

/* --- files and programs --- */

static const char *const no_read[] = {
	"/etc/shadow", "/etc/munge/munge.key", "/etc/rain/rain.conf", "/etc/sudoers", "/root/.bashrc",
	"/home/eve/secret", "/run/rain/broker/broker.sock", "/run/rain/gateway/gateway.sock",
	"/run/rain/gateway/control.sock", "/run/rain/ledger/ledger.sock", "/run/rain/panel/panel.sock",
	"/run/postgresql/.s.PGSQL.5432", "/run/dbus/system_bus_socket", "/run/systemd/private",
	"/run/nscd/socket", "/run/docker.sock", "/var/lib/rain/gateway/identity.pem", "/var/lib/munge",
	"/var/spool/rain/jobcomp", "/var/spool/rain/guest/.guard", "/var/spool/slurmd/cred_state",
	"/var/log", "/var/mail", "/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/i2c-0", "/dev/sda",
	"/dev/net/tun", "/dev/fuse", "/dev/kvm", "/sys/fs/cgroup", "/sys/kernel", "/sys/class",
	"/sys/firmware", NULL,
};
static const char *const no_write[] = {
	"/usr/bin/x", "/etc/x", "/x", "/home/x", "/root/x", "/var/x", "/run/x", "/dev/x",
	"/var/spool/cron/x", "/var/spool/cron/crontabs/x", "/etc/cron.d/x", "/var/spool/at/x",
	"/var/spool/rain/guest/x", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname",
	"/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/sys/devices/system/cpu/cpu1/online", NULL,
};
static char *const no_run[][5] = {
	{"su", "-c", "true", NULL},
	{"sudo", "-n", "true", NULL},
	{"at", "-f", "/dev/null", "now", NULL},
	{"crontab", "/dev/null", NULL},
	{"systemd-run", "true", NULL},
	{"passwd", "-d", "root", NULL},
	{"mount", "-t", "tmpfs", "/tmp", NULL},
	{"newgrp", "root", NULL},
};

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	/* A socket can't be opened, but it would be there. */
	return fd >= 0 || (flags == O_RDONLY && errno != ENOENT && errno != EACCES);
}

static bool runs(char *const argv[])
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int i = 0; i < 3; i++)
			dup2(null, i);
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const struct {
	const char *name;
	bool (*reaches)(void);
} attempts[] = {
	{"abstract stream socket", abstract_stream},
	{"abstract datagram socket", abstract_datagram},
	{"abstract socket from a pair", abstract_from_pair},
	{"abstract socket by a wide family", abstract_by_wide_family},
	{"any abstract socket", abstract_any},
	{"raw socket", raw_socket},
	{"packet socket", packet_socket},
	{"virtual machine socket", vsock},
	{"crypto socket", kernel_crypto},
	{"netfilter", netfilter},
	{"audit", audit},
	{"SCTP", sctp},
	{"io_uring", io_uring},
	{"keyring, reading", keyring_read},
	{"keyring, writing", keyring_write},
	{"bpf", bpf},
	{"perf", perf},
	{"userfaultfd", userfault},
	{"open by handle", handle_open},
	{"mount", mounts},
	{"fsopen", mount_new},
	{"chroot", changes_root},
	{"user namespace", user_namespace},
	{"user namespace by clone", user_namespace_by_clone},
	{"ptrace", traces_box},
	{"typing into the terminal", types_into_terminal},
	{"new privileges", gains_privileges},
	{"setuid", becomes_root},
	{"32-bit system calls", other_table},
	{"endless processes", endless_processes},
	{"endless open files", endless_files},
	{"core files", core_files},
	{"endless message queues", endless_queues},
	{"shared memory of others", others_memory},
};

static void tell(bool reached, const char *what, const char *which)
{
	printf("%s %s%s\n", reached ? "REACHED" : "refused", what, which);
	fflush(stdout);
}

int main(int argc, char *argv[])
{
	if (argc > 1 && !strcmp(argv[1], "listen"))
		return listen_for_ever();
	for (size_t i = 0; no_read[i]; i++)
		tell(opens(no_read[i], O_RDONLY), "reading ", no_read[i]);
	for (size_t i = 0; no_write[i]; i++)
		tell(opens(no_write[i], O_WRONLY | O_CREAT), "writing ", no_write[i]);
	for (size_t i = 0; i < sizeof(no_run) / sizeof(*no_run); i++)
		tell(runs(no_run[i]), "running ", no_run[i][0]);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		tell(attempts[i].reaches(), attempts[i].name, "");
	puts("end");
	return 0;
}
