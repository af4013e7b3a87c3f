# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/config/libconfig.a
lib_config_libconfig_a_SOURCES = \
	lib/config/catalogue.c lib/config/grades.c lib/config/catalogue.h \
	lib/config/cyrus_conf.c lib/config/cyrus_conf.h \
	lib/config/edit.c lib/config/edit.h \
	lib/config/expand.c lib/config/expand.h \
	lib/config/faults.c lib/config/faults.h \
	lib/config/line.c lib/config/line.h \
	lib/config/list.c lib/config/list.h \
	lib/config/main_cf.c lib/config/main_cf.h \
	lib/config/master_cf.c lib/config/master_cf.h \
	lib/config/match.c lib/config/match.h \
	lib/config/networks.c lib/config/networks.h \
	lib/config/param.c lib/config/param.h \
	lib/config/site.c lib/config/site.h

UNIT_TESTS += t/unit/config/test_config
t_unit_config_test_config_SOURCES = t/unit/config/test_config.c t/unit/unit.h
t_unit_config_test_config_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_config_test_config_LDADD = $(CONFIG_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_config
t_fuzz_fuzz_config_SOURCES = t/fuzz/fuzz_config.c t/fuzz/fuzz.h $(FUZZ_DRIVER)
t_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_config_LDADD = $(CONFIG_LIBS)

DIRECT_TESTS += t/unit/config/test_samples.sh
EXTRA_DIST += t/unit/config/test_samples.sh
