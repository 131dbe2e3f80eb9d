/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_TRIM_H
#define RAIN_PANEL_TRIM_H

/* Gives back the memory that only the start needed: free heap, and the program
 * text of this process and its libraries, which the kernel maps again page by
 * page as it is used. */
void rain_panel_trim(void);

#endif
