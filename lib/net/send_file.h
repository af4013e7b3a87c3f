/* SPDX-License-Identifier: ISC */
/*
 * send_file.h - the kernel's copy from a file to a socket, where it has one
 */
#ifndef NET_SEND_FILE_H
#define NET_SEND_FILE_H

#include <sys/types.h>

/* As Linux's sendfile: bytes sent, with *at moved on; 0 or -1 with errno when the
 * caller must copy by itself (or EAGAIN: wait; EPIPE, ECONNRESET: gone). */
ssize_t send_file(int to, int from, off_t *at, size_t count);

#endif
