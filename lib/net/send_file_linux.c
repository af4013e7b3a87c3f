/* SPDX-License-Identifier: ISC */
/*
 * send_file_linux.c - sendfile(2)
 */
#include <sys/sendfile.h>

#include "net/send_file.h"

ssize_t
send_file(int to, int from, off_t *at, size_t count)
{
	return sendfile(to, from, at, count);
}
