/* SPDX-License-Identifier: ISC */
/*
 * fuzz.h - what a fuzz target defines
 *
 * One file a target: t/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput, its seeds
 * in t/fuzz/corpus/NAME/.  Built plainly it is linked with driver.c, which
 * runs the seeds and a bounded number of mutations; with --enable-fuzzing it
 * is a libFuzzer program.  Assert properties, not only the absence of crashes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
