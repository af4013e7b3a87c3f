/* SPDX-License-Identifier: ISC */
/*
 * sandbox_private.h - what else differs from system to system
 */
#ifndef SANDBOX_PRIVATE_H
#define SANDBOX_PRIVATE_H

void sandbox_trim_memory(void);               /* what was freed goes back to the kernel, where that can be asked for */
void sandbox_tune_memory(void);               /* few arenas: threads are many */
void sandbox_close_descriptors(int first);    /* all from there on */

#endif
