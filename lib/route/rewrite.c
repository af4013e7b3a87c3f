/* SPDX-License-Identifier: ISC */
/*
 * rewrite.c - the canonical form of an address (trivial-rewrite(8))
 */
#include "config/site.h"
#include "route/route_private.h"

/* "@a,@b:user@c" is user@c (RFC 5321, appendix C). */
static struct span
without_source_route(struct span in)
{
	ptrdiff_t colon = in.len && in.at[0] == '@' ? span_find(in, ':') : -1;

	return colon > 0 && (size_t)colon + 1 < in.len ? span_from(in, (size_t)colon + 1) : in;
}

/* site!user, user%site: true when there was one. */
static bool
unroute(struct span in, struct span *local, struct span *domain)
{
	ptrdiff_t bang = route_settings.swap_bangpath ? span_find(in, '!') : -1;
	ptrdiff_t percent = route_settings.allow_percent_hack ? span_find_last(in, '%') : -1;

	if (bang > 0 && (size_t)bang + 1 < in.len) {
		*domain = span_first(in, (size_t)bang);
		*local = span_from(in, (size_t)bang + 1);
		return true;
	}
	if (percent > 0 && (size_t)percent + 1 < in.len) {
		*local = span_first(in, (size_t)percent);
		*domain = span_from(in, (size_t)percent + 1);
		return true;
	}
	return false;
}

static struct span
without_final_dot(struct span domain)
{
	if (domain.len > 1 && domain.at[domain.len - 1] == '.' && domain.at[domain.len - 2] != '.')
		return span_first(domain, domain.len - 1);
	return domain;
}

void
router_rewrite(const struct router *r, bool is_local, struct span in, struct arena *arena,
	struct span *out)
{
	const char *origin = is_local ? site.myorigin : route_settings.remote_header_rewrite_domain;
	struct span local, domain = SPAN_NONE;
	const char *more = "";
	ptrdiff_t   at;
	bool        whole;

	(void)r;
	in = without_source_route(in);
	at = span_find_last(in, '@');
	local = in;
	if (span_is(in, "@") || in.len == 0) {
		*out = SPAN_NONE;
		return;
	}
	if (at >= 0) {
		local = span_first(in, (size_t)at);
		domain = span_from(in, (size_t)at + 1);
	} else if (!unroute(in, &local, &domain) && site.append_at_myorigin) {
		domain = span_of(origin);
	}
	whole = domain.len && domain.at[domain.len - 1] == '.';    /* user@host. is complete */
	domain = without_final_dot(domain);
	if (domain.len == 0) {
		*out = arena_span(arena, in);
		return;
	}
	if (!whole && site.append_dot_mydomain && origin[0] && domain.at[0] != '[' &&
		!span_has(domain, '.') && !span_has(local, '@') && local.len)
		more = site.mydomain;
	*out = span_of(arena_format(arena, "%.*s@%.*s%s%s", SPAN_ARGS(local), SPAN_ARGS(domain),
	                            more[0] ? "." : "", more));
}
