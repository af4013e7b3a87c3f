# SPDX-License-Identifier: ISC

pkglibexec_PROGRAMS += rewrite
rewrite_SOURCES = guard/rewrite.c
rewrite_LDADD = $(SERVICE_LIBS) $(ROUTE_LIBS)
