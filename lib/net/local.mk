# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/net/libnet.a
lib_net_libnet_a_SOURCES = \
	lib/net/address.c lib/net/address.h \
	lib/net/conn.c lib/net/conn.h lib/net/conn_bytes.c lib/net/conn_deflate.c lib/net/conn_deflate.h \
	lib/net/conn_filter.c lib/net/conn_internal.h lib/net/conn_tls.c \
	lib/net/proxy_protocol.c lib/net/proxy_protocol.h \
	lib/net/send_file.h \
	lib/net/wire.c lib/net/wire.h \
	lib/net/tls.c lib/net/tls_global.c lib/net/tls_global.h lib/net/tls_names.c lib/net/tls.h lib/net/tls_internal.h \
	lib/net/tls_binding.c lib/net/tls_cache.c lib/net/tls_facts.c lib/net/tls_keys.c lib/net/tls_wish.c lib/net/tls_words.c
if LINUX
lib_net_libnet_a_SOURCES += lib/net/send_file_linux.c
else
lib_net_libnet_a_SOURCES += lib/net/send_file_portable.c
endif
EXTRA_DIST += lib/net/send_file_linux.c lib/net/send_file_portable.c

UNIT_TESTS += t/unit/net/test_tls
t_unit_net_test_tls_SOURCES = t/unit/net/test_tls.c t/unit/unit.h
t_unit_net_test_tls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_net_test_tls_LDADD = $(NET_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/net/test_ports
t_unit_net_test_ports_SOURCES = t/unit/net/test_ports.c t/unit/unit.h
t_unit_net_test_ports_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_net_test_ports_LDADD = $(NET_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/net/test_proxy_protocol
t_unit_net_test_proxy_protocol_SOURCES = t/unit/net/test_proxy_protocol.c t/unit/unit.h
t_unit_net_test_proxy_protocol_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_net_test_proxy_protocol_LDADD = $(NET_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_proxy_protocol
t_fuzz_fuzz_proxy_protocol_SOURCES = t/fuzz/fuzz_proxy_protocol.c $(FUZZ_DRIVER)
t_fuzz_fuzz_proxy_protocol_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_proxy_protocol_LDADD = $(NET_LIBS)
