# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/net/libnet.a
lib_net_libnet_a_SOURCES = \
	lib/net/address.c lib/net/address.h \
	lib/net/conn.c lib/net/conn.h \
	lib/net/tls.h lib/net/tls_internal.h
