# SPDX-License-Identifier: ISC

# Unit tests speak TAP through Check; fuzz targets run their corpus and a
# bounded number of mutations in `make check`, and libFuzzer in `make fuzz`.
check_PROGRAMS += $(UNIT_TESTS) $(FUZZ_TARGETS)
TESTS = $(UNIT_TESTS) $(FUZZ_TARGETS) $(DIRECT_TESTS)
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent \
	$(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .sh .py
# A test that hangs (a neighbour that ignores its end, say) must not hang all.
PY_LOG_COMPILER = timeout -k 20 900 python3
SH_LOG_COMPILER = timeout -k 20 1800 $(SHELL)
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
EXTRA_DIST += t/layers t/demo.py t/fuzz/corpus t/bench/mta.py t/bench/README \
	t/portable/unistd.h t/portable/sys/capsicum.h t/portable/sys/procctl.h
DIRECT_TESTS += t/system/portable.sh t/system/side_by_side.py
EXTRA_DIST += t/system/sides_configs.py t/system/sides_fakes.py t/system/sides_mail.py t/system/sides_stage.py

.PHONY: asan tsan lint layers privileges run help fuzz crash bench talk takeover stress
help:
	@echo 'make             build';                echo 'make check       every test in its short form'
	@echo 'make talk T=x    one dialogue of t/talk'; echo 'make asan        the suite under AddressSanitizer and UBSan'
	@echo 'make tsan        the suite under ThreadSanitizer'; echo 'make fuzz P=x    fuzz_x with libFuzzer, S=60 seconds'
	@echo 'make crash       kill loops and power cuts, long form'; echo 'make bench       beside Postfix and Dovecot, ratios'
	@echo 'make takeover    20,000 messages change hands with Dovecot'; echo 'make stress      ten minutes of sessions against a model'
	@echo 'make lint        cppcheck and clang warnings'; echo 'make layers      includes go only down'
	@echo 'make privileges  who may do what, from the programs'; echo 'make run         a private mail system without root'
	@echo 'make install DESTDIR=...'; echo 'make deb         a Debian package that provides mail-transport-agent'
takeover: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) python3 $(top_srcdir)/t/system/takeover.py 20000
stress: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) python3 $(top_srcdir)/t/system/imap_stress.py 600
layers:
	@sh $(top_srcdir)/t/layers $(top_srcdir)
# cppcheck follows a NULL into a function, but not the condition under which it is used there (ctunullpointer).
lint:
	cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --suppress=nullPointerRedundantCheck --suppress=ctunullpointer \
		-I $(top_srcdir)/lib --error-exitcode=1 -j2 $(top_srcdir)/lib $(top_srcdir)/master $(top_srcdir)/smtpd \
		$(top_srcdir)/qmgr $(top_srcdir)/smtp $(top_srcdir)/local $(top_srcdir)/pop3d $(top_srcdir)/imapd \
		$(top_srcdir)/guard $(top_srcdir)/cmd
	mkdir -p lint-clang && cd lint-clang && { test -f Makefile || $(abs_top_srcdir)/configure -q CC=clang CFLAGS='-O1 -g -Werror'; } && $(MAKE) -s
asan:
	mkdir -p asan && cd asan && { test -f Makefile || $(abs_top_srcdir)/configure -q --enable-asan CFLAGS='-O1 -g'; } && \
		ASAN_OPTIONS=detect_leaks=0 $(MAKE) -s check
tsan:
	mkdir -p tsan && cd tsan && { test -f Makefile || $(abs_top_srcdir)/configure -q --enable-tsan CFLAGS='-O1 -g'; } && \
		TSAN_OPTIONS=report_thread_leaks=0 $(MAKE) -s check
fuzz:
	mkdir -p fuzz && cd fuzz && { test -f Makefile || $(abs_top_srcdir)/configure -q CC=clang --enable-fuzzing CFLAGS='-O1 -g'; } && \
		$(MAKE) -s t/fuzz/fuzz_$(P) && mkdir -p corpus/$(P) && \
		t/fuzz/fuzz_$(P) -max_total_time=$(or $(S),60) corpus/$(P) $(abs_top_srcdir)/t/fuzz/corpus/$(P)
talk: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) $(top_srcdir)/t/talk/talk $(V) $(top_srcdir)/t/talk/*/$(or $(T),*).talk
bench: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) python3 $(top_srcdir)/t/bench/mta.py $(B)
run: all
	top_builddir=$(abs_top_builddir) python3 $(top_srcdir)/t/demo.py
crash: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) KILL_LOOP_SECONDS=$(or $(S),60) \
		python3 $(top_srcdir)/t/crash/kill_loop.py

DIRECT_TESTS += t/crash/kill_loop.py t/system/content.py t/system/bounces.py t/system/clients.py t/system/disk_full.py
EXTRA_DIST += $(DIRECT_TESTS) t/system/login_dovecot.py t/system/sink.py t/system/whole.py
DIRECT_TESTS += t/system/milter.py t/system/milter_real.py
EXTRA_DIST += t/system/milter_peer.py
