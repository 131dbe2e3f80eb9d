/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_TRIM_H
#define RAIN_PANEL_TRIM_H

/* Gives back the memory that was needed once, at the start or now and then: free
 * heap, and what this process and its libraries have mapped from their files, which the
 * kernel maps again page by page as it is used. */
void rain_panel_trim(void);

#endif
