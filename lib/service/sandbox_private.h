/* SPDX-License-Identifier: ISC */
/*
 * sandbox_private.h - what else differs from system to system
 */
#ifndef SANDBOX_PRIVATE_H
#define SANDBOX_PRIVATE_H

void sandbox_tune_memory(void);               /* few arenas: threads are many */
void sandbox_close_descriptors(int first);    /* all from there on */

#endif
