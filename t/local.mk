# SPDX-License-Identifier: ISC

# Unit tests speak TAP through Check; fuzz targets run their corpus and a
# bounded number of mutations in `make check`, and libFuzzer in `make fuzz`.
check_PROGRAMS += $(UNIT_TESTS) $(FUZZ_TARGETS)
TESTS = $(UNIT_TESTS) $(FUZZ_TARGETS) $(DIRECT_TESTS)
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent \
	$(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .sh .py
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	export top_srcdir top_builddir;
FUZZ_CORPUS = $(top_srcdir)/t/fuzz/corpus
if FUZZING
FUZZ_DRIVER =
LIBFUZZER = -fsanitize=fuzzer
else
FUZZ_DRIVER = t/fuzz/driver.c
LIBFUZZER =
endif
EXTRA_DIST += t/fuzz/driver.c t/fuzz/fuzz.h
