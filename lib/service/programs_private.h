/* SPDX-License-Identifier: ISC */
/* programs_private.h - between programs.c and its processes: programs_keeper.c, programs_runner.c */
#ifndef SERVICE_PROGRAMS_PRIVATE_H
#define SERVICE_PROGRAMS_PRIVATE_H

#include "service/programs.h"

enum { PROGRAM_PIECE = 60000, PROGRAM_ARGUMENTS_MOST = 64, PROGRAM_GRACE_MS = 10000 };

struct program_owner { char *user, *home; };   /* as root named him */

/* programs_door.c */
void programs_door_open(int sock);
int  programs_door(void);                    /* -1: there is no keeper */

_Noreturn void programs_keep(int control, const struct program_kind *, size_t count);
/* In a process that has become the user: until the other end is closed. */
_Noreturn void programs_serve(int sock, const struct program_kind *, size_t count, const struct program_owner *);

#endif
