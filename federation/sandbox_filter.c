/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/sandbox_filter.h"

#include <asm/ioctls.h>
#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#elif defined(__i386__)
#define NATIVE_ARCH AUDIT_ARCH_I386
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#endif

/* What no job needs: ways into the kernel that have often been holes, and what
 * would outlive the job (keyrings belong to a uid, and a uid gets another
 * tenant). Most of it the kernel would refuse without privileges, too. */
static const int refused[] = {
	/* does what this filter forbids, unseen by it */
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
	SYS_add_key, SYS_request_key, SYS_keyctl,
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_kcmp,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare,
	SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
	SYS_mount_setattr, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_quotactl,
	SYS_swapon, SYS_swapoff, SYS_reboot, SYS_acct, SYS_syslog,
	SYS_init_module, SYS_finit_module, SYS_delete_module,
#ifdef SYS_kexec_load
	SYS_kexec_load,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
	SYS_iopl, SYS_ioperm,
#endif
};

#define REFUSED (sizeof(refused) / sizeof(*refused))
#define STEPS_MAX (REFUSED * 2 + 64)

#if __BYTE_ORDER == __BIG_ENDIAN
#define LOW_WORD 4
#else
#define LOW_WORD 0
#endif

struct program {
	struct sock_filter steps[STEPS_MAX];
	unsigned short count;
};

static void step(struct program *program, unsigned code, uint32_t k, uint8_t yes, uint8_t no)
{
	program->steps[program->count++] =
		(struct sock_filter){(uint16_t)code, yes, no, k};
}

static void load(struct program *program, size_t offset)
{
	step(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The kernel takes families, types and protocols as int: the upper half of a
 * register says nothing, and must not be looked at. */
static void load_argument(struct program *program, unsigned which)
{
	load(program, offsetof(struct seccomp_data, args) + 8 * which + LOW_WORD);
}

static void answer(struct program *program, uint32_t what)
{
	step(program, BPF_RET | BPF_K, what, 0, 0);
}

static void answer_if(struct program *program, uint32_t value, uint32_t what)
{
	step(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	answer(program, what);
}

static uint32_t failure(int number)
{
	return SECCOMP_RET_ERRNO | (uint32_t)number;
}

/* Begins what holds for one system call only; end_call() says where it ends. */
static unsigned short begin_call(struct program *program, uint32_t number)
{
	load(program, offsetof(struct seccomp_data, nr));
	step(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 0);
	return (unsigned short)(program->count - 1);
}

static void end_call(struct program *program, unsigned short jump)
{
	program->steps[jump].jf = (uint8_t)(program->count - jump - 1);
}

/* The network as ranks use it (what they reach is the packet filter's
 * business), interfaces' addresses, and Unix sockets of the maker's. */
static void add_socket(struct program *program)
{
	unsigned short call = begin_call(program, SYS_socket);

	load_argument(program, 0);
	answer_if(program, AF_UNIX, SECCOMP_RET_USER_NOTIF);
	step(program, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 4);
	load_argument(program, 2);
	answer_if(program, 0 /* NETLINK_ROUTE */, SECCOMP_RET_ALLOW);
	answer(program, failure(EPROTONOSUPPORT));
	step(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
	step(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
	answer(program, failure(EAFNOSUPPORT));
	load_argument(program, 2);
	answer_if(program, 0, SECCOMP_RET_ALLOW);
	answer_if(program, IPPROTO_TCP, SECCOMP_RET_ALLOW);
	answer_if(program, IPPROTO_UDP, SECCOMP_RET_ALLOW);
	answer(program, failure(EPROTONOSUPPORT));
	end_call(program, call);
}

/* A pair of datagram sockets isn't bound to each other: either could send to
 * any name in the namespace where it was made, the node's. */
static void add_socketpair(struct program *program)
{
	unsigned short call = begin_call(program, SYS_socketpair);

	load_argument(program, 1);
	step(program, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
	answer_if(program, SOCK_STREAM, SECCOMP_RET_ALLOW);
	answer_if(program, SOCK_SEQPACKET, SECCOMP_RET_ALLOW);
	answer(program, failure(ESOCKTNOSUPPORT));
	end_call(program, call);
}

/* Typing into the terminal of whoever looks at the job. */
static void add_ioctl(struct program *program)
{
	unsigned short call = begin_call(program, SYS_ioctl);

	load_argument(program, 1);
	answer_if(program, TIOCSTI, failure(EPERM));
	answer_if(program, TIOCLINUX, failure(EPERM));
	end_call(program, call);
}

#ifdef NATIVE_ARCH
static void make(struct program *program)
{
	/* Another table of system calls would pass all of this by. */
	load(program, offsetof(struct seccomp_data, arch));
	step(program, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	answer(program, failure(ENOSYS));
	load(program, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	step(program, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	answer(program, failure(ENOSYS));
#endif
	for (size_t i = 0; i < REFUSED; i++)
		answer_if(program, (uint32_t)refused[i], failure(EPERM));
	add_socket(program);
	add_socketpair(program);
	add_ioctl(program);
	answer(program, SECCOMP_RET_ALLOW);
}

static int send_descriptor(int to, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(to, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int rain_sandbox_filter_load(int sockets, struct rain_error *err)
{
	struct program program = {.count = 0};
	struct sock_fprog filter = {.filter = program.steps};
	int listener, sent;

	make(&program);
	filter.len = program.count;
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	if (listener < 0)
		return rain_error_set(err, "can't bound what the program may ask of the kernel: %s",
				      strerror(errno));
	sent = send_descriptor(sockets, listener);
	close(listener);
	return sent < 0 ? rain_error_set(err, "the maker of the sandbox's sockets is gone: %s",
					 strerror(errno))
			: 0;
}
#else
int rain_sandbox_filter_load(int sockets, struct rain_error *err)
{
	(void)sockets;
	return rain_error_set(err, "guests can't be confined on this processor architecture");
}
#endif
