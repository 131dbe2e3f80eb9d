# SPDX-License-Identifier: GPL-2.0-or-later
# libburst: what the messages about bursts mean; pure, like libfederation.
noinst_LTLIBRARIES += libburst.la
libburst_la_SOURCES = \
	federation/burst.c federation/burst.h \
	federation/loan.c federation/loan.h \
	federation/manifest.c \
	federation/message.c federation/message.h \
	federation/receipt.c federation/receipt.h
libburst_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)

dist_sql_DATA += federation/sql/0011-bursts.sql

check_PROGRAMS += federation/test/test_message federation/test/test_burst federation/test/test_loan \
	federation/test/test_receipt
federation_test_test_message_SOURCES = federation/test/test_message.c
federation_test_test_message_LDADD = libburst.la $(test_libs)
federation_test_test_burst_SOURCES = federation/test/test_burst.c
federation_test_test_burst_LDADD = libburst.la $(test_libs)
federation_test_test_loan_SOURCES = federation/test/test_loan.c
federation_test_test_loan_LDADD = libburst.la $(test_libs)
federation_test_test_receipt_SOURCES = federation/test/test_receipt.c federation/identity.c
federation_test_test_receipt_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
federation_test_test_receipt_LDADD = libburst.la $(test_libs) $(SODIUM_LIBS)
