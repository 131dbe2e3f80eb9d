// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/munge_cred.h"

#include <munge.h>
#include <stdlib.h>
#include <string.h>

char *rain_munge_encode(const char *payload, struct rain_error *err)
{
	char *credential = NULL;
	munge_err_t rc = munge_encode(&credential, NULL, payload, (int)strlen(payload));

	if (rc != EMUNGE_SUCCESS) {
		rain_error_set(err, "munge can't make a credential: %s (is munged running?)",
			       munge_strerror(rc));
		free(credential);
		return NULL;
	}
	return credential;
}

int rain_munge_decode(const char *credential, char **payload, uid_t *uid, gid_t *gid,
		      struct rain_error *err)
{
	void *data = NULL;
	int size = 0;
	munge_err_t rc = munge_decode(credential, NULL, &data, &size, uid, gid);

	/* For an expired, rewound or replayed credential munge still fills data. */
	if (rc != EMUNGE_SUCCESS) {
		free(data);
		return rain_error_set(err, "munge refuses the credential: %s", munge_strerror(rc));
	}
	*payload = malloc((size_t)size + 1);
	if (!*payload) {
		free(data);
		return rain_error_set(err, "no memory for a munge payload of %d bytes", size);
	}
	if (size > 0)
		memcpy(*payload, data, (size_t)size);
	(*payload)[size] = '\0';
	free(data);
	return 0;
}
