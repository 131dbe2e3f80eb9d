# SPDX-License-Identifier: GPL-2.0-or-later
# libpeer: what strangers' bytes mean to the transport; pure, like libfederation.
noinst_LTLIBRARIES += libpeer.la
libpeer_la_SOURCES = \
	federation/card.c federation/card.h \
	federation/envelope.c federation/envelope.h \
	federation/http_route.c federation/http_route.h \
	federation/identity.c federation/identity.h \
	federation/invitation.c federation/invitation.h \
	federation/limits.h
libpeer_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
libpeer_la_LIBADD = libcommon.la $(JANSSON_LIBS) $(SODIUM_LIBS)

# libwire: rain-gatewayd without what the messages mean.
wire_cflags = $(AM_CFLAGS) $(CURL_CFLAGS) $(EVENT_CFLAGS) $(GNUTLS_CFLAGS) $(JANSSON_CFLAGS) \
	$(MICROHTTPD_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS)
noinst_LTLIBRARIES += libwire.la
libwire_la_SOURCES = \
	federation/blob.c federation/blob.h federation/blob_internal.h \
	federation/blob_http.c federation/blob_http.h \
	federation/blob_move.c \
	federation/blob_room.c \
	federation/blob_sent.c \
	federation/blob_upload.c \
	federation/gateway.c federation/gateway.h \
	federation/http_access.c \
	federation/http_date.c federation/http_date.h \
	federation/http_client.c federation/http_client.h federation/http_client_internal.h \
	federation/http_internal.h \
	federation/http_listen.c \
	federation/http_request.c \
	federation/http_server.c federation/http_server.h \
	federation/http_tls.c \
	federation/http_transfer.c \
	federation/identity_file.c \
	federation/mailbox.c federation/mailbox.h federation/mailbox_internal.h \
	federation/mailbox_poll.c \
	federation/mailbox_store.c \
	federation/metrics.c federation/metrics.h \
	federation/peers.c federation/peers.h federation/peers_internal.h \
	federation/peers_accept.c \
	federation/peers_card.c \
	federation/peers_control.c \
	federation/peers_join.c \
	federation/peers_list.c \
	federation/store.c federation/store.h \
	federation/tally.c federation/tally.h
libwire_la_CFLAGS = $(wire_cflags)
libwire_la_LIBADD = libpeer.la librpc.la libcommon.la $(CURL_LIBS) $(EVENT_LIBS) $(GNUTLS_LIBS) \
	$(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(PQ_LIBS) $(SODIUM_LIBS)

sbin_PROGRAMS += rain-gatewayd
rain_gatewayd_SOURCES = federation/gatewayd.c
rain_gatewayd_CFLAGS = $(wire_cflags)
rain_gatewayd_LDADD = libmind.la libwire.la

rain_PROGRAMS += rain-doctor rain-peer rain-offers rain-recall
command_sources = federation/command.c federation/command.h
rain_doctor_SOURCES = federation/rain_doctor.c $(command_sources)
rain_doctor_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_doctor_LDADD = libcommon.la $(JANSSON_LIBS)
rain_offers_SOURCES = federation/rain_offers.c $(command_sources)
rain_offers_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_offers_LDADD = libcommon.la $(JANSSON_LIBS)
rain_recall_SOURCES = federation/rain_recall.c $(command_sources)
rain_recall_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_recall_LDADD = libcommon.la $(JANSSON_LIBS)
rain_peer_SOURCES = federation/rain_peer.c federation/rain_peer.h federation/rain_peer_ban.c federation/rain_peer_dispute.c \
	federation/rain_peer_list.c $(command_sources)
rain_peer_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_peer_LDADD = libcommon.la $(JANSSON_LIBS)

dist_sql_DATA += federation/sql/0010-federation.sql federation/sql/0070-peer-control.sql \
	federation/sql/0095-ban.sql federation/sql/0130-disputed.sql federation/sql/0150-refused.sql

# The whole transport with messages that only count, for test_gateways.sh.
noinst_PROGRAMS += federation/test/counting_gatewayd
federation_test_counting_gatewayd_SOURCES = federation/test/counting_gatewayd.c
federation_test_counting_gatewayd_CFLAGS = $(wire_cflags)
federation_test_counting_gatewayd_LDADD = libwire.la
dist_check_SCRIPTS += federation/test/test_gateways.sh

check_PROGRAMS += federation/test/test_blob federation/test/test_http federation/test/test_identity \
	federation/test/test_peer_lines
federation_test_test_blob_SOURCES = federation/test/test_blob.c
federation_test_test_blob_LDADD = libwire.la $(test_libs)
federation_test_test_http_SOURCES = federation/test/test_http.c
federation_test_test_http_CFLAGS = $(wire_cflags)
federation_test_test_http_LDADD = libwire.la $(test_libs)
federation_test_test_identity_SOURCES = federation/test/test_identity.c
federation_test_test_identity_LDADD = libwire.la $(test_libs)
federation_test_test_peer_lines_SOURCES = federation/test/test_peer_lines.c
federation_test_test_peer_lines_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
federation_test_test_peer_lines_LDADD = libpeer.la $(test_libs)
