// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/guest_confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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

static const char *const owner_directories[] = {"/home", "/root", "/srv", "/mnt", "/media"};

int rain_guest_confine_files(struct rain_error *err)
{
	if (unshare(CLONE_NEWNS))
		return rain_error_set(err, "can't make a mount namespace for a guest: %s", strerror(errno));
	/* a slave still sees what the host unmounts, and never shows it ours */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return rain_error_set(err, "can't part a guest's mounts from the host's: %s",
				      strerror(errno));
	for (size_t i = 0; i < sizeof owner_directories / sizeof *owner_directories; i++) {
		const char *directory = owner_directories[i];
		struct stat status;

		if (lstat(directory, &status) || !S_ISDIR(status.st_mode))
			continue;
		if (mount("rain-guest", directory, "tmpfs",
			  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0755"))
			return rain_error_set(err, "can't hide %s from a guest: %s", directory,
					      strerror(errno));
	}
	return 0;
}

#ifdef NATIVE_ARCH
int rain_guest_confine_exec(struct rain_error *err)
{
	const unsigned refuse = SECCOMP_RET_ERRNO | EPERM;
	/* Any other system call table (32 bits, x32) is refused as a whole: it
	 * would have an execve of its own. */
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, refuse),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refuse),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof steps / sizeof *steps, steps};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return rain_error_set(err, "can't keep slurmstepd from running programs: %s",
				      strerror(errno));
	return 0;
}
#else
int rain_guest_confine_exec(struct rain_error *err)
{
	return rain_error_set(err, "slurmstepd can't be kept from running programs on this processor architecture");
}
#endif
