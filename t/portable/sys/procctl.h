/* SPDX-License-Identifier: ISC */
/* What FreeBSD declares there, for t/system/portable.sh. */
#include <sys/types.h>
#define P_PID                    0
#define PROC_NO_NEW_PRIVS_CTL    19
#define PROC_NO_NEW_PRIVS_ENABLE 1
int procctl(int kind, id_t id, int command, void *);
