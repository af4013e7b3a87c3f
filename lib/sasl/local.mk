# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/sasl/libsasl.a
lib_sasl_libsasl_a_SOURCES = \
	lib/sasl/bearer.c lib/sasl/bearer.h lib/sasl/client.c lib/sasl/client.h lib/sasl/jwt.c lib/sasl/jwt.h \
	lib/sasl/password.c lib/sasl/password.h lib/sasl/password_schemes.c lib/sasl/password_schemes.h lib/sasl/password_make.c \
	lib/sasl/server.c lib/sasl/server.h

UNIT_TESTS += t/unit/sasl/test_sasl
t_unit_sasl_test_sasl_SOURCES = t/unit/sasl/test_sasl.c
t_unit_sasl_test_sasl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_sasl_test_sasl_LDADD = lib/sasl/libsasl.a $(GSASL_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CRYPT_LIBS) $(ARGON2_LIBS) $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/sasl/test_tokens
t_unit_sasl_test_tokens_SOURCES = t/unit/sasl/test_tokens.c
t_unit_sasl_test_tokens_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_sasl_test_tokens_LDADD = lib/sasl/libsasl.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_token
t_fuzz_fuzz_token_SOURCES = t/fuzz/fuzz_token.c $(FUZZ_DRIVER)
t_fuzz_fuzz_token_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_token_LDADD = lib/sasl/libsasl.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)
