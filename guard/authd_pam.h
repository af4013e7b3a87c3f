/* SPDX-License-Identifier: ISC */
/*
 * authd_pam.h - one question to PAM, in a process that ends with it
 */
#ifndef GUARD_AUTHD_PAM_H
#define GUARD_AUTHD_PAM_H

#include "base/fault.h"

/* 1 yes, 0 no, -1 trouble; the reason in the words of "pam(U,A): ...". */
int pam_check(const char *service, const char *user, const char *password, const char *peer, struct fault *);

#endif
