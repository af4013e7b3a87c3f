/* SPDX-License-Identifier: ISC */
/*
 * param.h - parameters: rows that turn main.cf's text into typed C, once
 *
 * A program declares a table of rows; each names a destination of the right
 * type (checked by the compiler).  All defaults, and bounds, are strings as
 * they would stand in main.cf; defaults may hold $name.  "" as a bound is none.
 *
 *   static const struct param params[] = {
 *       STRING  ("smtpd_banner",   &config.banner,  "$myhostname ESMTP $mail_name", "the greeting"),
 *       BOOLEAN ("smtpd_helo_required", &config.helo, "no", "..."),
 *       NUMBER  ("smtpd_hard_error_limit", &config.hard, "${stress?{1}:{20}}", "1", "", "..."),
 *       DURATION("smtpd_timeout",  &config.timeout, "300s", "1s", "1h", "..."),   int64_t, milliseconds
 *       BYTES   ("message_size_limit", &config.size, "10240000", "0", "", "..."), int64_t
 *       LIST    ("smtpd_milters",  &config.milters, "", "..."),                   struct list
 *       CHOICE  ("smtpd_tls_security_level", &config.tls, "", " none may encrypt", "..."),
 *       END_OF_PARAMS
 *   };
 *
 * RAW         a STRING that is not expanded: its $names belong to its reader (forward_path,
 *             mailbox_command, luser_relay, default_rbl_reply, *_expansion_filter ...).
 * NUMBER      a plain decimal.
 * DURATION    a decimal with s m h d w; a bare number has the unit of the default, as in
 *             Postfix.
 * BYTES       a decimal, or with k M G (powers of 1024).
 * LIST        elements: see list.h.
 * CHOICE      an int: the index of the value among the words of the string, split by single
 *             blanks, case ignored (a leading blank makes the empty value number 0).
 * STRING_FROM, LIST_FROM   the default is computed: void f(const struct main_cf *, struct text *).
 *
 * Strings and lists live as long as the main_cf.
 */
#ifndef CONFIG_PARAM_H
#define CONFIG_PARAM_H

#include <stdint.h>
#include <stdio.h>

#include "config/faults.h"
#include "config/list.h"
#include "config/main_cf.h"

enum param_type {
	PARAM_END, PARAM_STRING, PARAM_BOOLEAN, PARAM_NUMBER, PARAM_DURATION, PARAM_BYTES,
	PARAM_LIST, PARAM_CHOICE, PARAM_RAW
};

struct param {
	const char     *name;
	enum param_type type;
	union {
		const char **string;
		bool        *boolean;
		int         *number;    /* NUMBER and CHOICE */
		int64_t     *wide;      /* DURATION (ms) and BYTES */
		struct list *list;
	} to;                           /* NULL: known, described, not stored */
	const char *fallback;           /* the default */
	const char *low, *high;         /* bounds; CHOICE: low holds the words */
	const char *help;
	void      (*compute)(const struct main_cf *, struct text *out);
};

#define STRING(n, d, f, h)         {.name = (n), .type = PARAM_STRING, .to.string = (d), .fallback = (f), .low = "", .high = "", .help = (h)}
#define RAW(n, d, f, h)            {.name = (n), .type = PARAM_RAW, .to.string = (d), .fallback = (f), .low = "", .high = "", .help = (h)}
#define STRING_FROM(n, d, c, h)    {.name = (n), .type = PARAM_STRING, .to.string = (d), .fallback = "", .low = "", .high = "", .help = (h), .compute = (c)}
#define BOOLEAN(n, d, f, h)        {.name = (n), .type = PARAM_BOOLEAN, .to.boolean = (d), .fallback = (f), .low = "", .high = "", .help = (h)}
#define NUMBER(n, d, f, lo, hi, h) {.name = (n), .type = PARAM_NUMBER, .to.number = (d), .fallback = (f), .low = (lo), .high = (hi), .help = (h)}
#define DURATION(n, d, f, lo, hi, h) {.name = (n), .type = PARAM_DURATION, .to.wide = (d), .fallback = (f), .low = (lo), .high = (hi), .help = (h)}
#define BYTES(n, d, f, lo, hi, h)  {.name = (n), .type = PARAM_BYTES, .to.wide = (d), .fallback = (f), .low = (lo), .high = (hi), .help = (h)}
#define LIST(n, d, f, h)           {.name = (n), .type = PARAM_LIST, .to.list = (d), .fallback = (f), .low = "", .high = "", .help = (h)}
#define LIST_FROM(n, d, c, h)      {.name = (n), .type = PARAM_LIST, .to.list = (d), .fallback = "", .low = "", .high = "", .help = (h), .compute = (c)}
#define CHOICE(n, d, f, words, h)  {.name = (n), .type = PARAM_CHOICE, .to.number = (d), .fallback = (f), .low = (words), .high = "", .help = (h)}
#define END_OF_PARAMS              {.name = NULL}

/*
 * Knows and stores every row of every table (an array of tables that ends with
 * NULL).  0, or -1 when at least one value was bad; each is an error in
 * `faults` with its place, and its destination holds the default.
 */
int params_load(struct main_cf *, const struct param *const *tables, struct faults *);

/* What `--describe` prints for postconf, one row a line:
 *   name TAB type TAB default TAB low TAB high TAB help
 * (CHOICE: low holds the words; a computed default is "(computed)"). */
void params_describe(FILE *, const struct param *const *tables);

/* One value by itself, by the rules above: pure.  `unit_from` is the expanded
 * default, whose suffix is a bare number's unit. */
int param_parse_boolean(struct span, bool *, struct fault *);
int param_parse_number(struct span, int *, struct fault *);
int param_parse_duration(struct span, struct span unit_from, int64_t *ms, struct fault *);
int param_parse_bytes(struct span, int64_t *, struct fault *);

/*
 * Generated names, "<transport>_destination_concurrency_limit": the value of
 * transport + suffix when it is set (or is one of Postfix's own names with a
 * default), else of the fallback name.  0, or -1 when it is bad.
 *   param_transport_number(cf, "smtp", "_destination_concurrency_limit",
 *                          "default_destination_concurrency_limit", &n, why)
 */
int param_transport_number(const struct main_cf *, const char *transport, const char *suffix,
                           const char *fallback_name, int *, struct fault *);
int param_transport_duration(const struct main_cf *, const char *transport, const char *suffix,
                             const char *fallback_name, int64_t *ms, struct fault *);
int param_transport_text(const struct main_cf *, const char *transport, const char *suffix,
                         const char *fallback_name, struct text *, struct fault *);

#endif
