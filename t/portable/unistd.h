/* SPDX-License-Identifier: ISC */
/* What the BSDs declare there beside POSIX, for t/system/portable.sh. */
#include_next <unistd.h>
int  pledge(const char *, const char *);
int  unveil(const char *, const char *);
int  getpeereid(int, uid_t *, gid_t *);
void closefrom(int);
