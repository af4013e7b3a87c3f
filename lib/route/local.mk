# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/route/libroute.a
lib_route_libroute_a_SOURCES = \
	lib/route/class.c \
	lib/route/class_cache.c lib/route/class_cache.h \
	lib/route/known.c \
	lib/route/map.c \
	lib/route/resolve.c \
	lib/route/rewrite.c \
	lib/route/route.h lib/route/route_private.h \
	lib/route/settings.c

ROUTE_LIBS = lib/route/libroute.a $(TABLE_LIBS)

UNIT_TESTS += t/unit/route/test_route
t_unit_route_test_route_SOURCES = t/unit/route/test_route.c t/unit/unit.h
t_unit_route_test_route_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_route_test_route_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)
