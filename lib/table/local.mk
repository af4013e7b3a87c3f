# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/table/libtable.a
lib_table_libtable_a_SOURCES = \
	lib/table/built.c lib/table/built.h \
	lib/table/built_file.c lib/table/built_file.h \
	lib/table/cache.c lib/table/cache.h \
	lib/table/chance.c \
	lib/table/cidr.c \
	lib/table/contents.c lib/table/contents.h \
	lib/table/hash.c \
	lib/table/memory.c \
	lib/table/mentions.c lib/table/mentions.h \
	lib/table/pattern.c lib/table/pattern.h \
	lib/table/remote.c \
	lib/table/rules.c lib/table/rules.h \
	lib/table/simple.c \
	lib/table/source.c lib/table/source.h \
	lib/table/table.c lib/table/table.h lib/table/table_type.h \
	lib/table/table_list.c

UNIT_TESTS += t/unit/table/test_table
t_unit_table_test_table_SOURCES = t/unit/table/test_table.c t/unit/unit.h
t_unit_table_test_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_table_test_table_LDADD = lib/table/libtable.a $(LMDB_LIBS) $(PCRE2_LIBS) lib/mail/libmail.a $(IDN2_LIBS) $(CONFIG_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_table
t_fuzz_fuzz_table_SOURCES = t/fuzz/fuzz_table.c t/fuzz/fuzz.h $(FUZZ_DRIVER)
t_fuzz_fuzz_table_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_table_LDADD = lib/table/libtable.a $(LMDB_LIBS) $(PCRE2_LIBS) lib/mail/libmail.a $(IDN2_LIBS) $(CONFIG_LIBS)

DIRECT_TESTS += t/system/tables_race.py
EXTRA_DIST += t/system/tables_race.py
