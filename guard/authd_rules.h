/* SPDX-License-Identifier: ISC */
/*
 * authd_rules.h - for whom a passdb is asked, and what follows from its answer (Dovecot's passdb { ... })
 *
 * Behind a database in auth_passdb and auth_master_passdb, lists in braces:
 *
 *   mechanisms={plain login}                    only tries by these; "none": lookups without a try
 *   username_filter={*@example.com !x*}         only names that one of them fits, and none with !; * and ? are any bytes
 *   skip=never|authenticated|unauthenticated    whether it is asked behind one that has verified the password
 *   deny=yes                                    who is in it is refused; the password is not looked at
 *   result_success=  result_failure=  result_internalfail=
 *           return-ok, return-fail              this is the answer
 *           return                              the answer so far is the answer; nobody yet: a refusal
 *           continue-ok, continue-fail, continue    this is the answer so far, or as it was; the next one is asked
 *   pass=yes                                    result_success=continue
 *
 * Behind one in auth_userdb (Dovecot's userdb { ... }) only:
 *
 *   skip=never|found|notfound    whether it is asked behind one that knew him and went on
 *   result_*=                    as above; what later ones say comes to, and goes before, what earlier ones said
 *
 * but a userdb in trouble ends the search (Dovecot goes on: result_internalfail=continue), since who is in it might be found in
 * a later one as somebody else; nor does what earlier ones said hold then, since it might have said otherwise.
 *
 * After a success that goes on, those behind it do not look at the password again (but for continue-fail).  In the end who was
 * refused while a database was in trouble hears of trouble.  Pure.
 */
#ifndef GUARD_AUTHD_RULES_H
#define GUARD_AUTHD_RULES_H

#include "base/fault.h"
#include "config/list.h"

enum rule { RULE_RETURN_OK, RULE_RETURN, RULE_RETURN_FAIL, RULE_CONTINUE_OK, RULE_CONTINUE, RULE_CONTINUE_FAIL, RULE_GIVE_UP };
enum rule_skip { SKIP_NEVER, SKIP_AUTHENTICATED, SKIP_UNAUTHENTICATED, SKIP_FOUND = SKIP_AUTHENTICATED, SKIP_NOT_FOUND = SKIP_UNAUTHENTICATED };

struct rules {
	enum rule      success, failure, trouble;
	enum rule_skip skip;
	bool           deny;
	struct list    mechanisms, names;
};
void rules_start(struct rules *);                                          /* return-ok, continue, continue; everybody */
int  rules_take(struct rules *, struct span word, struct fault *);         /* 1 taken; 0 it is none of these; -1 why */
/* The same of a userdb. */
void rules_start_userdb(struct rules *);
int  rules_take_userdb(struct rules *, struct span word, struct fault *);

/* mechanism: NULL for none. */
bool rules_apply(const struct rules *, const char *mechanism, const char *user, bool verified);

/* Whether it may say that there is such a user. */
bool rules_concern(const struct rules *, const char *user);

/* The answer so far, of zeroes at first. */
struct verdicts { bool good, verified, trouble, over, given_up; };
void rules_note(const struct rules *, int verdict, struct verdicts *);     /* verdict: 1 0 -1 */
int  rules_outcome(const struct verdicts *);                               /* 1 0 -1 */

#endif
