/* SPDX-License-Identifier: ISC */
/* What FreeBSD declares there, for t/system/portable.sh. */
int cap_enter(void);
