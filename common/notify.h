/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_NOTIFY_H
#define RAIN_COMMON_NOTIFY_H

/* Tells the service manager "READY=1" and the like through $NOTIFY_SOCKET
 * (sd_notify(3)); does nothing where there is none. */
void rain_notify(const char *state);

#endif
