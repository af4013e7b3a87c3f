# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	lib/base/arena.c lib/base/arena.h \
	lib/base/base64.c lib/base/base64.h \
	lib/base/children.c lib/base/children.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/fault.c lib/base/fault.h \
	lib/base/fault_point.c lib/base/fault_point.h \
	lib/base/file.c lib/base/file.h \
	lib/base/little_endian.h \
	lib/base/log.c lib/base/log.h \
	lib/base/mem.c lib/base/mem.h \
	lib/base/radix.c lib/base/radix.h \
	lib/base/span.c lib/base/span.h \
	lib/base/strmap.c lib/base/strmap.h \
	lib/base/sum.c lib/base/sum.h \
	lib/base/task.c lib/base/task.h \
	lib/base/text.c lib/base/text.h
if LINUX
lib_base_libbase_a_SOURCES += lib/base/beneath_linux.c lib/base/poller_linux.c
else
lib_base_libbase_a_SOURCES += lib/base/beneath_portable.c lib/base/poller_portable.c
endif
lib_base_libbase_a_SOURCES += lib/base/poller.h
EXTRA_DIST += lib/base/beneath_linux.c lib/base/beneath_portable.c lib/base/poller_linux.c lib/base/poller_portable.c

UNIT_TESTS += t/unit/base/test_base
t_unit_base_test_base_SOURCES = t/unit/base/test_base.c t/unit/unit.h
t_unit_base_test_base_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_base_test_base_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/base/test_task
t_unit_base_test_task_SOURCES = t/unit/base/test_task.c t/unit/unit.h
t_unit_base_test_task_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_base_test_task_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/base/test_children
t_unit_base_test_children_SOURCES = t/unit/base/test_children.c t/unit/unit.h
t_unit_base_test_children_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_base_test_children_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
