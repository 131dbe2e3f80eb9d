// SPDX-License-Identifier: GPL-2.0-or-later
/* Nobody reaches the HTTP parser before the handshake has proved a known key:
 * the verify callback runs inside the handshake and fails it otherwise. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "federation/gateway.h"
#include "federation/http_internal.h"

/* The Ed25519 key of the certificate that the other side has shown. */
static int client_key(gnutls_session_t session, unsigned char *key)
{
	unsigned int count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_datum_t x = {NULL, 0};
	gnutls_x509_crt_t certificate;
	int result = -1;

	if (!chain || count == 0 || gnutls_x509_crt_init(&certificate) < 0)
		return -1;
	if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0 &&
	    gnutls_x509_crt_get_pk_algorithm(certificate, NULL) == GNUTLS_PK_EDDSA_ED25519 &&
	    gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, NULL) == 0 &&
	    curve == GNUTLS_ECC_CURVE_ED25519 && x.size == RAIN_IDENTITY_KEY_SIZE) {
		memcpy(key, x.data, x.size);
		result = 0;
	}
	gnutls_free(x.data);
	gnutls_x509_crt_deinit(certificate);
	return result;
}

static size_t connections_of(const struct rain_http_listener *listener,
			     const struct rain_peer *peer)
{
	const struct rain_http_connection *other;
	size_t count = 0;

	TAILQ_FOREACH(other, &listener->connections, entry)
		count += other->peer == peer;
	return count;
}

/* libmicrohttpd closes after a failed handshake without a word; the alert
 * tells the other side's log why. */
static int turn_away(gnutls_session_t session, gnutls_alert_description_t alert, int code)
{
	gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
	return code;
}

static int has_tls13(void *arg, unsigned type, const unsigned char *data, unsigned size)
{
	bool *found = arg;

	if (type == 43) /* supported_versions: a length, then two bytes each */
		for (unsigned i = 1; i + 1 < size; i += 2)
			*found |= data[i] == 3 && data[i + 1] == 4;
	return 0;
}

/* Called with each message of the client's, before GnuTLS looks at it. */
static int on_handshake(gnutls_session_t session, unsigned type, unsigned when,
			unsigned incoming, const gnutls_datum_t *message)
{
	bool tls13 = false;

	(void)when;
	if (!incoming)
		return 0;
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO) {
		gnutls_ext_raw_parse(&tls13, has_tls13, message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
		if (!tls13) {
			rain_log_info("refused a connection that doesn't speak TLS 1.3");
			return turn_away(session, GNUTLS_A_PROTOCOL_VERSION,
					 GNUTLS_E_UNSUPPORTED_VERSION_PACKET);
		}
	}
	/* An empty context and an empty list: no certificate. */
	if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT && message->size <= 4) {
		rain_log_info("refused a connection without a certificate");
		return turn_away(session, GNUTLS_A_CERTIFICATE_REQUIRED,
				 GNUTLS_E_CERTIFICATE_REQUIRED);
	}
	return 0;
}

/* 0 lets the handshake go on. */
static int verify(gnutls_session_t session)
{
	struct rain_http_connection *connection = gnutls_session_get_ptr(session);
	struct rain_http_listener *listener = connection->listener;
	struct rain_peers *peers = listener->server->gateway->peers;
	char id[RAIN_IDENTITY_ID_SIZE];
	struct rain_peer *peer;

	if (client_key(session, connection->key) < 0) {
		rain_log_info("refused a connection: its certificate holds no Ed25519 key");
		return turn_away(session, GNUTLS_A_CERTIFICATE_UNKNOWN, GNUTLS_E_CERTIFICATE_ERROR);
	}
	peer = rain_peers_by_key(peers, connection->key);
	if (!peer && !rain_peers_invited(peers, connection->key)) {
		rain_identity_id(connection->key, id);
		rain_log_info("refused a connection of an unknown key id=%.12s", id);
		return turn_away(session, GNUTLS_A_CERTIFICATE_UNKNOWN, GNUTLS_E_CERTIFICATE_ERROR);
	}
	if (peer && connections_of(listener, peer) >= RAIN_LIMIT_HTTP_PEER_CONNECTIONS_EACH) {
		rain_log_warning("refused a connection: the peer has %d already peer=%s",
				 RAIN_LIMIT_HTTP_PEER_CONNECTIONS_EACH, peer->name);
		return turn_away(session, GNUTLS_A_INTERNAL_ERROR, GNUTLS_E_CERTIFICATE_ERROR);
	}
	connection->peer = peer;
	if (!connection->known) {
		connection->known = true;
		listener->strangers--;
		event_free(connection->handshake);
		connection->handshake = NULL;
	}
	return 0;
}

static void handshake_expired(evutil_socket_t fd, short what, void *arg)
{
	struct rain_http_connection *connection = arg;

	(void)fd;
	(void)what;
	/* MHD owns the socket; this makes it see the end at once. */
	shutdown(connection->fd, SHUT_RDWR);
}

int rain_http_tls_begin(struct rain_http_connection *connection, struct MHD_Connection *mhd)
{
	struct rain_http_listener *listener = connection->listener;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct timeval timeout = {RAIN_LIMIT_HTTP_HANDSHAKE_MS / 1000,
				  RAIN_LIMIT_HTTP_HANDSHAKE_MS % 1000 * 1000};

	listener->strangers++;
	if (!info || !info->tls_session || listener->strangers > RAIN_LIMIT_HTTP_STRANGERS)
		return -1;
	gnutls_session_set_ptr(info->tls_session, connection);
	gnutls_certificate_server_set_request(info->tls_session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(info->tls_session, verify);
	gnutls_handshake_set_hook_function(info->tls_session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   on_handshake);
	connection->handshake = evtimer_new(listener->server->gateway->base, handshake_expired,
					    connection);
	if (!connection->handshake)
		return -1;
	evtimer_add(connection->handshake, &timeout);
	return 0;
}
