# SPDX-License-Identifier: ISC
# What SEARCH looks at in a message, and an index of it.  imapd alone uses it.
noinst_LIBRARIES += lib/search/libsearch.a
lib_search_libsearch_a_SOURCES = \
	lib/search/fuzzy.c lib/search/fuzzy.h \
	lib/search/markup.c lib/search/markup.h \
	lib/search/message.c lib/search/message.h \
	lib/search/office.c lib/search/office.h \
	lib/search/builder.c lib/search/segment.c lib/search/segment.h lib/search/segment_private.h \
	lib/search/shelf.c lib/search/shelf.h

UNIT_TESTS += t/unit/search/test_fuzzy
t_unit_search_test_fuzzy_SOURCES = t/unit/search/test_fuzzy.c t/unit/unit.h
t_unit_search_test_fuzzy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_search_test_fuzzy_LDADD = $(SEARCH_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/search/test_message
t_unit_search_test_message_SOURCES = t/unit/search/test_message.c t/unit/unit.h
t_unit_search_test_message_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_search_test_message_LDADD = $(SEARCH_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/search/test_segment
t_unit_search_test_segment_SOURCES = t/unit/search/test_segment.c t/unit/unit.h
t_unit_search_test_segment_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_search_test_segment_LDADD = $(SEARCH_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_markup t/fuzz/fuzz_office t/fuzz/fuzz_segment
t_fuzz_fuzz_markup_SOURCES = t/fuzz/fuzz_markup.c $(FUZZ_DRIVER)
t_fuzz_fuzz_markup_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_markup_LDADD = $(SEARCH_LIBS)
t_fuzz_fuzz_office_SOURCES = t/fuzz/fuzz_office.c $(FUZZ_DRIVER)
t_fuzz_fuzz_office_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_office_LDADD = $(SEARCH_LIBS)
t_fuzz_fuzz_segment_SOURCES = t/fuzz/fuzz_segment.c $(FUZZ_DRIVER)
t_fuzz_fuzz_segment_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_segment_LDADD = $(SEARCH_LIBS)
