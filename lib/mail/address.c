/* SPDX-License-Identifier: ISC */
/*
 * address.c - SMTP paths, and addresses between internal and external form
 */
#include "mail/address.h"

#include "mail/charset.h"
#include "mail/netaddr.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return (unsigned char)c < 32 || c == 127;
}

/* atext of RFC 5322, 3.2.3, with UTF8-non-ascii of RFC 6531, 3.3 */
static bool
is_atext(char c)
{
	return (unsigned char)c > 127 || ascii_alpha(c) || ascii_digit(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

void
address_split(struct span internal, struct span *local, struct span *domain)
{
	ptrdiff_t at = span_find_last(internal, '@');

	*local = at < 0 ? internal : span_first(internal, (size_t)at);
	*domain = at < 0 ? SPAN_NONE : span_from(internal, (size_t)at + 1);
}

bool
address_local_needs_quotes(struct span local)
{
	if (local.len == 0 || local.at[0] == '.' || local.at[local.len - 1] == '.')
		return true;
	for (size_t i = 0; i < local.len; i++) {
		if (local.at[i] == '.' ? local.at[i - 1] == '.' : !is_atext(local.at[i]))
			return true;
	}
	return false;
}

void
address_quote_local(struct span local, struct text *out)
{
	if (!address_local_needs_quotes(local)) {
		text_add(out, local);
		return;
	}
	text_add_byte(out, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.at[i] == '"' || local.at[i] == '\\')
			text_add_byte(out, '\\');
		text_add_byte(out, local.at[i]);
	}
	text_add_byte(out, '"');
}

static void
address_unquote(struct span external, struct text *out)
{
	for (size_t i = 0; i < external.len; i++) {
		if (external.at[i] == '"')
			continue;
		if (external.at[i] == '\\' && i + 1 < external.len)
			i++;
		text_add_byte(out, external.at[i]);
	}
}

void
address_external(struct span internal, struct text *out)
{
	struct span local, domain;

	if (internal.len == 0)
		return;
	address_split(internal, &local, &domain);
	address_quote_local(local, out);
	if (local.len < internal.len) {
		text_add_byte(out, '@');
		text_add(out, domain);
	}
}

/* One label of a host name: RFC 1123, 2.1, with "_", which Postfix allows too. */
static bool
label_valid(struct span label, unsigned flags, bool *numeric)
{
	if (label.len == 0 || label.len > 63 || label.at[0] == '-' ||
	    label.at[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.at[i];

		if ((unsigned char)c > 127) {
			if (!(flags & ADDRESS_UTF8))
				return false;
		} else if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_') {
			return false;
		}
		if (!ascii_digit(c))
			*numeric = false;
	}
	return true;
}

bool
address_host_valid(struct span host, unsigned flags)
{
	struct span rest = host, label;
	bool        numeric = true, more = true;

	if (host.len == 0 || host.len > 255 || ((flags & ADDRESS_UTF8) && !utf8_printable(host)))
		return false;
	while (more) {
		more = span_split(&rest, '.', &label);
		if (!label_valid(label, flags, &numeric))
			return false;
	}
	return !numeric;
}

bool
address_domain_valid(struct span domain, unsigned flags)
{
	struct netaddr ignored;

	if (domain.len && domain.at[0] == '[')
		return netaddr_parse_literal(domain, &ignored);
	return address_host_valid(domain, flags);
}

bool
address_is_fqdn(struct span domain)
{
	if (domain.len && domain.at[0] == '[')
		return address_domain_valid(domain, 0);
	return address_host_valid(domain, ADDRESS_UTF8) && span_has(domain, '.');
}

bool
address_split_extension(struct span local, struct span delimiters, bool owner_request_special,
                        struct span *base, struct span *extension)
{
	static const char *const whole[] = {"postmaster", "mailer-daemon", "double-bounce"};
	size_t at = 0;

	for (size_t i = 0; i < COUNT(whole); i++)
		if (span_is_nocase(local, whole[i]))
			return false;
	if (owner_request_special && span_has(delimiters, '-') &&
	    (span_starts_nocase(local, "owner-") ||
	     (local.len > 8 && span_ends_nocase(local, "-request"))))
		return false;
	while (at < local.len && !span_has(delimiters, local.at[at]))
		at++;
	if (at == 0 || at == local.len)
		return false;
	*base = span_first(local, at);
	*extension = span_from(local, at + 1);
	return true;
}

static bool
equal_parts(struct span a, struct span b, bool fold_local)
{
	struct span local_a, domain_a, local_b, domain_b;

	address_split(a, &local_a, &domain_a);
	address_split(b, &local_b, &domain_b);
	return (local_a.len == a.len) == (local_b.len == b.len) &&
	       span_equal_nocase(domain_a, domain_b) &&
	       (fold_local ? span_equal_nocase(local_a, local_b) : span_equal(local_a, local_b));
}

bool
address_equal(struct span a, struct span b)
{
	return equal_parts(a, b, false);
}

bool
address_equal_nocase(struct span a, struct span b)
{
	return equal_parts(a, b, true);
}

/* Behind the closing quote of the string at `at`, or 0: it does not close. */
static size_t
quoted_end(struct span in, size_t at)
{
	for (size_t i = at + 1; i < in.len; i++) {
		if (in.at[i] == '\\')
			i++;
		else if (in.at[i] == '"')
			return i + 1;
	}
	return 0;
}

/* First byte that `stop` says, outside quotes; in.len when there is none. */
static size_t
find_outside_quotes(struct span in, const char *stop)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '"') {
			i = quoted_end(in, i);
			if (i == 0)
				return in.len;
			i--;
		} else if (in.at[i] == '\\') {
			i++;
		} else if (in.at[i] != '\0' && strchr(stop, in.at[i])) {
			return i;
		}
	}
	return in.len;
}

/* "@a,@b:" before the address (RFC 5321, C) goes. */
static int
drop_route(struct span *in, struct fault *why)
{
	struct span route, hop;
	ptrdiff_t   colon = span_find(*in, ':');

	if (in->len == 0 || in->at[0] != '@')
		return 0;
	if (colon < 0)
		return fault_set(why, FAULT_INPUT, "source route without an address");
	route = span_first(*in, (size_t)colon);
	for (bool more = true; more;) {
		more = span_split(&route, ',', &hop);
		if (hop.len < 2 || hop.at[0] != '@' ||
		    !address_domain_valid(span_from(hop, 1), ADDRESS_UTF8))
			return fault_set(why, FAULT_INPUT, "bad source route");
	}
	*in = span_from(*in, (size_t)colon + 1);
	return 0;
}

/* Takes the local part off the front of *in. Strict: Dot-string or one quoted string (RFC 5321,
 * 4.1.2); else dots anywhere, and words of both kinds, as Postfix has it. */
static int
take_local(struct span *in, unsigned flags, struct text *local, struct fault *why)
{
	size_t i = 0, words = 0;
	bool   quoted = false;

	while (i < in->len && in->at[i] != '@') {
		size_t start = i;

		if (in->at[i] == '"') {
			i = quoted_end(*in, i);
			if (i == 0)
				return fault_set(why, FAULT_INPUT, "quoted string without an end");
			address_unquote(span_cut(*in, start, i), local);
			quoted = true;
			words++;
			continue;
		}
		while (i < in->len && (is_atext(in->at[i]) || in->at[i] == '.'))
			i++;
		if (i == start)
			return fault_set(why, FAULT_INPUT,
			                 "unexpected character in the local part");
		text_add(local, span_cut(*in, start, i));
		words++;
	}
	if (flags & ADDRESS_STRICT) {
		if (quoted ? words > 1 : address_local_needs_quotes(text_span(local)))
			return fault_set(
				why, FAULT_INPUT,
				"local part is neither words with dots nor a quoted string");
	}
	*in = span_from(*in, i);
	return 0;
}

/* What comes out of any parser has to pass here: it becomes log lines, queue files and headers. */
static int
check_internal(struct span local, struct span domain, bool has_domain, unsigned flags,
               struct fault *why)
{
	for (size_t i = 0; i < local.len; i++)
		if (is_control(local.at[i]))
			return fault_set(why, FAULT_INPUT, "control character in the local part");
	if (!span_is_ascii(local) && (!(flags & ADDRESS_UTF8) || !utf8_printable(local)))
		return fault_set(why, FAULT_INPUT, "local part is not ASCII");
	if (local.len == 0)
		return fault_set(why, FAULT_INPUT, "empty local part");
	if (!has_domain && span_has(local, '@'))
		return fault_set(why, FAULT_INPUT, "quoted \"@\" without a domain");
	if (has_domain && !address_domain_valid(domain, flags))
		return fault_set(why, FAULT_INPUT, "bad domain");
	return 0;
}

static struct span
without_final_dot(struct span domain, unsigned flags)
{
	(void)flags;                            /* strict_rfc821_envelopes takes it, too */
	if (domain.len > 1 && domain.at[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

static int
parse_plain(struct arena *a, struct span in, unsigned flags, struct span *address,
            struct fault *why)
{
	autotext struct text out = {0};
	struct span domain = SPAN_NONE;
	bool        has_domain;

	if (drop_route(&in, why) < 0 || take_local(&in, flags, &out, why) < 0)
		return -1;
	has_domain = in.len > 0;
	if (has_domain)
		domain = without_final_dot(span_from(in, 1), flags);
	if (check_internal(text_span(&out), domain, has_domain, flags, why) < 0)
		return -1;
	if (has_domain) {
		text_add_byte(&out, '@');
		text_add(&out, domain);
	}
	*address = arena_span(a, text_span(&out));
	return 0;
}

/* Comments, blanks, a display name around one address: what Postfix takes when not strict. */
static int
parse_loosely(struct arena *a, struct span in, unsigned flags, struct span *address,
              struct fault *why)
{
	struct address_list list;
	struct span         domain;

	address_list_parse(a, in, 2, &list);
	if (list.count != 1 || list.mailboxes != 1 || list.cut || list.faulty)
		return -1;         /* parse_plain has said why */
	domain = without_final_dot(list.at->domain, flags);
	if (check_internal(list.at->local, domain, domain.len > 0, flags, why) < 0)
		return -1;
	list.at->domain = domain;
	*address = mailbox_address(a, list.at);
	return 0;
}

int
address_parse(struct arena *a, struct span in, unsigned flags, struct span *address,
              struct fault *why)
{
	if (in.len > ADDRESS_PATH_LIMIT)
		return fault_set(why, FAULT_INPUT, "address is too long");
	for (size_t i = 0; i < in.len; i++)
		if (is_control(in.at[i]) && in.at[i] != '\t')
			return fault_set(why, FAULT_INPUT, "control character in the address");
	if (!(flags & ADDRESS_STRICT))
		in = span_trim(in);
	if (in.len == 0)
		return fault_set(why, FAULT_INPUT, "empty address");
	if (parse_plain(a, in, flags, address, why) == 0)
		return 0;
	return flags & ADDRESS_STRICT ? -1 : parse_loosely(a, in, flags, address, why);
}

int
address_parse_path(struct arena *a, struct span in, unsigned flags, struct span *address,
                   struct span *rest, struct fault *why)
{
	struct span path, behind, result = SPAN_NONE;
	size_t      end;

	while (!(flags & ADDRESS_STRICT) && in.len && is_blank(in.at[0]))
		in = span_from(in, 1);
	if (in.len && in.at[0] == '<') {
		end = find_outside_quotes(in, ">");
		if (end == in.len)
			return fault_set(why, FAULT_INPUT, "path without \">\"");
		path = span_cut(in, 1, end);
		behind = span_from(in, end + 1);
		if (behind.len && !is_blank(behind.at[0]))
			return fault_set(why, FAULT_INPUT, "text right behind the path");
	} else {
		if (in.len == 0 || (flags & ADDRESS_STRICT))
			return fault_set(why, FAULT_INPUT, "path is not in angle brackets");
		end = find_outside_quotes(in, " \t");
		path = span_first(in, end);
		behind = span_from(in, end);
		if (span_ends(path, ">"))               /* MAIL FROM:user@host> of careless clients */
			path = span_first(path, path.len - 1);
	}
	if (path.len && address_parse(a, path, flags, &result, why) < 0)
		return -1;
	*address = result;
	*rest = span_trim(behind);
	return 0;
}
