# SPDX-License-Identifier: ISC

pkglibexec_PROGRAMS += rewrite
rewrite_SOURCES = guard/rewrite.c
rewrite_LDADD = $(SERVICE_LIBS) $(ROUTE_LIBS)

pkglibexec_PROGRAMS += guard/postlogd
guard_postlogd_SOURCES = guard/postlogd.c
guard_postlogd_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)
