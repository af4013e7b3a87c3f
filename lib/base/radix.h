/* SPDX-License-Identifier: ISC */
/*
 * radix.h - things in the order of a number, without comparing any two
 *
 * Equals keep their order, so that sorting by the last key first and by the first key last sorts by all.  Of the
 * eight bytes only those are looked at in which the numbers differ.
 */
#ifndef BASE_RADIX_H
#define BASE_RADIX_H

#include <stddef.h>
#include <stdint.h>

struct radix { uint64_t number; uint32_t item; };

void radix_sort(struct radix *at, struct radix *spare, size_t count);   /* `spare`: room for as many */

#endif
