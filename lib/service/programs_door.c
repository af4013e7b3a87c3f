/* SPDX-License-Identifier: ISC */
/*
 * programs_door.c - the way to the keeper, which user_become shuts: nobody but root may name the user of a program
 */
#include <unistd.h>

#include "service/programs.h"
#include "service/programs_private.h"

static int keeper = -1;

void
programs_door_open(int sock)
{
	keeper = sock;
}

int
programs_door(void)
{
	return keeper;
}

bool
programs_are_there(void)
{
	return keeper >= 0;
}

void
programs_leave(void)
{
	if (keeper >= 0)
		close(keeper);
	keeper = -1;
}
