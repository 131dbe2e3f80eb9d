/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_HARDEN_H
#define RAIN_FEDERATION_BROKER_HARDEN_H

#include "common/error.h"

/* Gives up what of root the broker has no need for.  Slurm obeys uid 0 by its
 * munge credential; nothing else of root is wanted: so the process keeps the
 * uid and loses every capability, for itself and for what it might execute,
 * and can't gain any by executing.  0, or -1 with err. */
int rain_broker_harden(struct rain_error *err);

#endif
