/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/trim.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is mapped from files and never written (text, constants) is there again when it is
 * needed.  What the linker wrote and made read-only afterwards is in writable segments. */
static int drop_clean(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;
		uintptr_t end = start + segment->p_filesz;

		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
			continue;
		start &= ~(page - 1);
		/* Advice: where the kernel can't follow it, nothing is lost. */
		(void)!madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void rain_panel_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_clean, NULL);
}
