/* SPDX-License-Identifier: ISC */
/*
 * jobs.c - the commands that a Postfix master.cf names, and what they are here
 */
#include <string.h>

#include "base/mem.h"
#include "master/master.h"

static const struct job jobs[] = {
	{"smtpd",           "smtpd",      NULL,    RANK_EDGE,   JOB_STREAM},
	{"postscreen",      "postscreen", NULL,    RANK_EDGE,   JOB_STREAM | JOB_GUARD},
	{"spawn",           "spawn",      NULL,    RANK_EDGE,   JOB_STREAM | JOB_LAZY},
	{"quota-status",    "quota-status", NULL,  RANK_AGENT,  JOB_STREAM},
	{"lmtpd",           "lmtpd",      NULL,    RANK_AGENT,  JOB_STREAM},
	{"imap-login",      "imap-login", NULL,    RANK_EDGE,   JOB_STREAM},
	{"pop3-login",      "pop3-login", NULL,    RANK_EDGE,   JOB_STREAM},
	{"managesieve-login", "managesieve-login", NULL, RANK_EDGE, JOB_STREAM},
	{"managesieve",     "managesieve", NULL,   RANK_EDGE,   0},
	{"imapd",           "imapd",      NULL,    RANK_EDGE,   0},
	{"pop3d",           "pop3d",      NULL,    RANK_EDGE,   0},
	{"pickup",          "pickup",     NULL,    RANK_EDGE,   JOB_GUARD | JOB_ALONE},
	{"qmgr",            "qmgr",       NULL,    RANK_QUEUE,  JOB_GUARD | JOB_ALONE},
	{"nqmgr",           "qmgr",       NULL,    RANK_QUEUE,  JOB_GUARD | JOB_ALONE},
	{"oqmgr",           "qmgr",       NULL,    RANK_QUEUE,  JOB_GUARD | JOB_ALONE},
	{"local",           "local",      NULL,    RANK_AGENT,  0},
	{"virtual",         "virtual",    "local", RANK_AGENT,  0},
	{"pipe",            "pipe",       "local", RANK_AGENT,  JOB_LAZY},
	{"smtp",            "smtp",       NULL,    RANK_AGENT,  0},
	{"lmtp",            "lmtp",       "smtp",  RANK_AGENT,  0},
	{"bounce",          "bounce",     NULL,    RANK_SUBMIT, JOB_GUARD},
	{"cleanup",         "cleanup",    NULL,    RANK_SUBMIT, JOB_GUARD},
	{"trivial-rewrite", "rewrite",    NULL,    RANK_GUARD,  JOB_GUARD},
	{"rewrite",         "rewrite",    NULL,    RANK_GUARD,  JOB_GUARD},
	{"proxymap",        "proxymap",   NULL,    RANK_GUARD,  JOB_GUARD},
	{"anvil",           "anvil",      NULL,    RANK_GUARD,  JOB_GUARD},
	{"dnsd",            "dnsd",       NULL,    RANK_GUARD,  JOB_GUARD},
	{"authd",           "authd",      NULL,    RANK_GUARD,  JOB_GUARD},
	{"dialer",          "dialer",     NULL,    RANK_GUARD,  JOB_GUARD},
	{"verify",          "verify",     NULL,    RANK_GUARD,  JOB_GUARD | JOB_ALONE},
	{"postlogd",        "postlogd",   NULL,    RANK_LOG,    JOB_GUARD},
	/* qmgr does these itself */
	{"error",   NULL, NULL, RANK_AGENT, JOB_NOTHING},
	{"retry",   NULL, NULL, RANK_AGENT, JOB_NOTHING},
	{"discard", NULL, NULL, RANK_AGENT, JOB_NOTHING},
	/* done elsewhere, or by nobody because nothing needs it */
	{"tlsmgr",   NULL, NULL, RANK_GUARD, JOB_NOTHING},
	{"scache",   NULL, NULL, RANK_GUARD, JOB_NOTHING},
	{"dnsblog",  NULL, NULL, RANK_GUARD, JOB_NOTHING},
	{"tlsproxy", NULL, NULL, RANK_GUARD, JOB_NOTHING},
	{"flush",    NULL, NULL, RANK_GUARD, JOB_NOTHING},
	{"showq",    NULL, NULL, RANK_GUARD, JOB_NOTHING},
};

const struct job *
job_find(const char *command)
{
	for (size_t i = 0; i < COUNT(jobs); i++)
		if (strcmp(jobs[i].command, command) == 0)
			return &jobs[i];
	return NULL;
}
