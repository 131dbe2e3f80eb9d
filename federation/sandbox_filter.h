/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_SANDBOX_FILTER_H
#define RAIN_FEDERATION_SANDBOX_FILTER_H

#include "common/error.h"

/*
 * What a guest's program may ask of the kernel, and where its Unix sockets
 * come from.
 *
 * Names of abstract Unix sockets belong to a network namespace, and a guest
 * shares the node's (its ranks need the network): it could reach every such
 * socket of the owner's.  So socket(AF_UNIX) is answered by another process, the
 * socket maker, which lives in an empty network namespace: sockets made there
 * find only each other by abstract names, and everything by path, of which the
 * guest sees few.  The family is an argument in a register, so nothing can be
 * changed between the look and the deed.
 *
 *   rain-sandbox   starts the maker, holds the other end of its socket
 *     bwrap
 *       --inside   the program's process loads the filter, sends the maker the
 *                  filter's descriptor, and becomes the program
 */

/* Starts the maker. Returns the socket on which it waits for the filter's
 * descriptor (the sandbox's side inherits it), or -1 with err. It ends with
 * this process, or when nobody is left under the filter. */
int rain_sandbox_sockets_start(struct rain_error *err);

/* Puts this process and all that it starts under the filter for good, and gives
 * the filter's descriptor to the maker at the other end of `sockets`. Needs
 * no_new_privs. */
int rain_sandbox_filter_load(int sockets, struct rain_error *err);

#endif
