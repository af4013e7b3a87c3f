/* SPDX-License-Identifier: ISC */
/*
 * smtp_syntax.c - MAIL, RCPT and other arguments that a client sends
 */
#include "mail/smtp_syntax.h"


#include "mail/charset.h"
#include "mail/xtext.h"

#define ENVID_LIMIT 100      /* RFC 3461, 4.4 */
#define ORCPT_LIMIT 500      /* RFC 3461, 4.2 */

void
smtp_split_command(struct span line, struct span *verb, struct span *argument)
{
	line = span_trim(line);
	*argument = SPAN_NONE;
	*verb = SPAN_NONE;
	for (size_t i = 0; i <= line.len; i++) {
		if (i == line.len || line.at[i] == ' ' || line.at[i] == '\t') {
			*verb = span_first(line, i);
			*argument = span_trim(span_from(line, i));
			return;
		}
	}
}

/* The parameters of one command, and how each is read. */
struct reading {
	struct arena      *arena;
	struct smtp_rules  rules;
	struct smtp_mail  *mail;
	struct smtp_rcpt  *rcpt;
};

struct parameter {
	const char *name;
	unsigned    offer;
	int       (*read)(struct reading *, struct span value, struct fault *);
};

static int
wrong(struct fault *why, const char *reply)
{
	return fault_set(why, FAULT_INPUT, "%s", reply);
}

static int
take_size(struct reading *r, struct span value, struct fault *why)
{
	if (value.len > 20 || !span_number(value, &r->mail->size))      /* RFC 1870, 4 */
		return wrong(why, "501 5.5.4 Bad message size syntax");
	return 0;
}

/* The client's own words, as far as they are harmless. */
static int
unsupported(struct span option, struct fault *why)
{
	char shown[64];
	size_t len = option.len < sizeof shown - 1 ? option.len : sizeof shown - 1;

	for (size_t i = 0; i < len; i++)
		shown[i] = option.at[i] > ' ' && option.at[i] < 127 ? option.at[i] : '?';
	shown[len] = '\0';
	return fault_set(why, FAULT_INPUT, "555 5.5.4 Unsupported option: %s", shown);
}

static int
take_body(struct reading *r, struct span value, struct fault *why)
{
	if (span_is_nocase(value, "7BIT"))
		r->mail->body = SMTP_BODY_7BIT;
	else if (span_is_nocase(value, "8BITMIME"))
		r->mail->body = SMTP_BODY_8BITMIME;
	else if (span_is_nocase(value, "BINARYMIME") && (r->rules.offer & SMTP_OFFER_BINARYMIME))
		r->mail->body = SMTP_BODY_BINARYMIME;
	else
		return unsupported(span_of(arena_format(r->arena, "BODY=%.*s", SPAN_ARGS(span_first(value, 40)))), why);
	return 0;
}

static int
take_ret(struct reading *r, struct span value, struct fault *why)
{
	if (span_is_nocase(value, "FULL"))
		r->mail->ret = SMTP_RET_FULL;
	else if (span_is_nocase(value, "HDRS"))
		r->mail->ret = SMTP_RET_HDRS;
	else
		return wrong(why, "501 5.5.4 Bad RET parameter syntax");
	return 0;
}

static int
take_envid(struct reading *r, struct span value, struct fault *why)
{
	autotext struct text envid = {0};

	if (xtext_decode(value, &envid, NULL) < 0 || envid.len == 0 || envid.len > ENVID_LIMIT)
		return wrong(why, "501 5.5.4 Bad ENVID parameter syntax");
	r->mail->envid = arena_span(r->arena, text_span(&envid));
	return 0;
}

static int
take_auth(struct reading *r, struct span value, struct fault *why)
{
	autotext struct text auth = {0};

	/* RFC 4954, 5 */
	if (xtext_utf8_decode(value, &auth, NULL) < 0 || auth.len == 0 ||
	    auth.len > ADDRESS_PATH_LIMIT)
		return wrong(why, "501 5.5.4 Bad AUTH parameter syntax");
	r->mail->auth = arena_span(r->arena, text_span(&auth));
	return 0;
}

static int
take_smtputf8(struct reading *r, struct span value, struct fault *why)
{
	if (value.len)
		return wrong(why, "501 5.5.4 SMTPUTF8 takes no value");
	r->mail->smtputf8 = true;
	return 0;
}

/* "SUCCESS,FAILURE" and "NEVER"; -1: wrong. */
static int
smtp_parse_notify(struct span value, unsigned *notify)
{
	static const char *const names[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
	struct span word;
	unsigned    set = 0;
	bool        more = true;

	while (more) {
		size_t i = 0;

		more = span_split(&value, ',', &word);
		while (i < COUNT(names) && !span_is_nocase(word, names[i]))
			i++;
		if (i == COUNT(names) || (set & 1u << i))
			return -1;
		set |= 1u << i;
	}
	if ((set & SMTP_NOTIFY_NEVER) && set != SMTP_NOTIFY_NEVER)     /* RFC 3461, 4.1: alone */
		return -1;
	*notify = set;
	return 0;
}

void
smtp_format_notify(unsigned notify, struct text *out)
{
	static const char *const names[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
	bool first = true;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (!(notify & 1u << i))
			continue;
		if (!first)
			text_add_byte(out, ',');
		text_add_string(out, names[i]);
		first = false;
	}
}

static int
take_notify(struct reading *r, struct span value, struct fault *why)
{
	if (smtp_parse_notify(value, &r->rcpt->notify) < 0)
		return wrong(why, "501 5.5.4 Bad NOTIFY parameter syntax");
	return 0;
}

static bool
is_address_type(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alpha(s.at[i]) && !ascii_digit(s.at[i]) && s.at[i] != '-')
			return false;
	return s.len > 0 && s.len < 40;
}

static int
take_orcpt(struct reading *r, struct span value, struct fault *why)
{
	autotext struct text address = {0};
	struct span type;
	bool        utf8;

	if (value.len > ORCPT_LIMIT * 3 || !span_split(&value, ';', &type) ||
	    !is_address_type(type))
		return wrong(why, "501 5.5.4 Bad ORCPT parameter syntax");
	utf8 = span_is_nocase(type, "utf-8");
	/* Postfix writes UTF-8 as rfc822;j+C3+B6rg@..., where RFC 6533, 3 has utf-8;j\x{F6}rg@... */
	if (!utf8 && span_is_nocase(type, "rfc822") && span_is_ascii(value) && xtext_decode(value, &address, NULL) < 0) {
		utf8 = true;
		type = SPAN("utf-8");
	}
	text_clear(&address);
	if ((utf8 ? xtext_utf8_decode(value, &address, NULL)
	          : xtext_decode(value, &address, NULL)) < 0 ||
	    address.len == 0 || address.len > ORCPT_LIMIT)
		return wrong(why, "501 5.5.4 Bad ORCPT parameter syntax");
	r->rcpt->orcpt =
		span_of(arena_format(r->arena, "%.*s;%s", SPAN_ARGS(type), text_string(&address)));
	return 0;
}

static const struct parameter mail_parameters[] = {
	{"SIZE",     SMTP_OFFER_SIZE,     take_size},      /* RFC 1870 */
	{"BODY",     SMTP_OFFER_8BITMIME, take_body},      /* RFC 6152, 3030 */
	{"RET",      SMTP_OFFER_DSN,      take_ret},       /* RFC 3461, 4.3 */
	{"ENVID",    SMTP_OFFER_DSN,      take_envid},     /* RFC 3461, 4.4 */
	{"SMTPUTF8", SMTP_OFFER_SMTPUTF8, take_smtputf8},  /* RFC 6531, 3.4 */
	{"AUTH",     SMTP_OFFER_AUTH,     take_auth},      /* RFC 4954, 5 */
	{NULL, 0, NULL}
};

static const struct parameter rcpt_parameters[] = {
	{"NOTIFY",   SMTP_OFFER_DSN,      take_notify},    /* RFC 3461, 4.1 */
	{"ORCPT",    SMTP_OFFER_DSN,      take_orcpt},     /* RFC 3461, 4.2 */
	{NULL, 0, NULL}
};

static int
take_parameters(struct reading *r, struct span rest, const struct parameter *known,
                struct fault *why)
{
	unsigned    seen = 0;
	struct span word, keyword;

	while (span_next(&rest, " \t", &word)) {
		struct span value = word;
		size_t      i = 0;
		bool        has_value = span_split(&value, '=', &keyword);

		while (known[i].name && !span_is_nocase(keyword, known[i].name))
			i++;
		if (known[i].name && known[i].offer == SMTP_OFFER_DSN && !(r->rules.offer & SMTP_OFFER_DSN))
			return wrong(why, "501 5.7.1 DSN support is disabled");
		if (!known[i].name || !(known[i].offer & r->rules.offer))
			return unsupported(word, why);
		if (seen & 1u << i)
			return fault_set(why, FAULT_INPUT, "501 5.5.4 %s parameter given twice",
			                 known[i].name);
		if (has_value && value.len == 0)
			return fault_set(why, FAULT_INPUT, "501 5.5.4 %s parameter without a value",
			                 known[i].name);
		seen |= 1u << i;
		if (known[i].read(r, value, why) < 0)
			return -1;
	}
	return 0;
}

/* "FROM:" or "TO:" at the front; blanks before the colon are tolerated unless strict. */
static bool
drop_label(struct span *in, const char *label, unsigned flags)
{
	size_t i = strlen(label);

	if (!span_starts_nocase(*in, label))
		return false;
	while (!(flags & ADDRESS_STRICT) && i < in->len && in->at[i] == ' ')
		i++;
	if (i >= in->len || in->at[i] != ':')
		return false;
	*in = span_from(*in, i + 1);
	return true;
}

int
smtp_parse_mail(struct arena *a, struct span argument, struct smtp_rules rules,
                struct smtp_mail *out, struct fault *why)
{
	struct smtp_mail mail = {.sender = SPAN_NONE, .envid = SPAN_NONE, .auth = SPAN_NONE};
	struct reading   r = {a, rules, &mail, NULL};
	unsigned         flags = rules.address_flags;
	struct span      rest;

	if (!drop_label(&argument, "FROM", rules.address_flags) || span_trim(argument).len == 0)
		return wrong(why, "501 5.5.4 Syntax: MAIL FROM:<address>");
	/* the path stands before the parameter that says whether it may be UTF-8 */
	if (rules.offer & SMTP_OFFER_SMTPUTF8)
		flags |= ADDRESS_UTF8;
	if (address_parse_path(a, argument, flags, &mail.sender, &rest, NULL) < 0)
		return wrong(why, "501 5.1.7 Bad sender address syntax");
	if (take_parameters(&r, rest, mail_parameters, why) < 0)
		return -1;
	if (!mail.smtputf8 && !(rules.address_flags & ADDRESS_UTF8) && !span_is_ascii(mail.sender))
		return wrong(why, "501 5.1.7 Bad sender address syntax");
	*out = mail;
	return 0;
}

int
smtp_parse_rcpt(struct arena *a, struct span argument, struct smtp_rules rules,
                struct smtp_rcpt *out, struct fault *why)
{
	struct smtp_rcpt rcpt = {.recipient = SPAN_NONE, .orcpt = SPAN_NONE};
	struct reading   r = {a, rules, NULL, &rcpt};
	struct span      rest;

	if (!drop_label(&argument, "TO", rules.address_flags) || span_trim(argument).len == 0)
		return wrong(why, "501 5.5.4 Syntax: RCPT TO:<address>");
	if (address_parse_path(a, argument, rules.address_flags, &rcpt.recipient, &rest, NULL) < 0)
		return wrong(why, "501 5.1.3 Bad recipient address syntax");
	if (rcpt.recipient.len == 0)
		return wrong(why, "501 5.1.3 Bad recipient address syntax");
	if (take_parameters(&r, rest, rcpt_parameters, why) < 0)
		return -1;
	*out = rcpt;
	return 0;
}

int
smtp_parse_hello(struct span argument, struct span *name, struct fault *why)
{
	struct span word = span_trim(argument);

	if (word.len == 0 || word.len > 255)
		return wrong(why, "501 5.5.4 Syntax: a host name is needed");
	for (size_t i = 0; i < word.len; i++)
		if ((unsigned char)word.at[i] <= ' ' || word.at[i] == 127)
			return wrong(why, "501 5.5.4 Syntax: one host name is needed");
	*name = word;
	return 0;
}

bool
smtp_hello_valid(struct span name)
{
	return address_domain_valid(name, ADDRESS_UTF8);
}

int
smtp_parse_bdat(struct span argument, uint64_t *size, bool *last, struct fault *why)
{
	struct span rest = argument, number = SPAN_NONE, word = SPAN_NONE;
	uint64_t    value;
	bool        is_last = false;

	if (!span_next(&rest, " \t", &number) || number.len > 20 || !span_number(number, &value))
		return wrong(why, "501 5.5.4 Syntax: BDAT count [LAST]");
	if (span_next(&rest, " \t", &word)) {
		is_last = span_is_nocase(word, "LAST");
		if (!is_last || span_next(&rest, " \t", &word))
			return wrong(why, "501 5.5.4 Syntax: BDAT count [LAST]");
	}
	*size = value;
	*last = is_last;
	return 0;
}
