/* SPDX-License-Identifier: ISC */
/*
 * bearer.c - the messages of OAUTHBEARER (RFC 7628, 3) and XOAUTH2
 */
#include "sasl/bearer.h"

/* RFC 5801, 4: "=2C" is a comma and "=3D" an equals sign; nothing else is escaped. */
static int
decode_saslname(struct span in, struct text *out, struct fault *why)
{
	while (in.len) {
		if (in.at[0] != '=') {
			text_add_byte(out, in.at[0]);
			in = span_from(in, 1);
			continue;
		}
		if (!span_starts(in, "=2C") && !span_starts(in, "=3D"))
			return fault_set(why, FAULT_INPUT, "malformed name");
		text_add_byte(out, in.at[1] == '2' ? ',' : '=');
		in = span_from(in, 3);
	}
	return 0;
}

/* "n,a=user," or "n,,": channel binding cannot be had with this mechanism. */
static int
parse_gs2(struct span *rest, struct text *user, struct fault *why)
{
	struct span flag, name;

	if (!span_split(rest, ',', &flag) || !span_split(rest, ',', &name))
		return fault_set(why, FAULT_INPUT, "no GS2 header");
	if (!span_is(flag, "n") && !span_is(flag, "y"))
		return fault_set(why, FAULT_INPUT, "channel binding is not for this mechanism");
	if (name.len == 0)
		return 0;
	if (!span_starts(name, "a="))
		return fault_set(why, FAULT_INPUT, "malformed GS2 header");
	return decode_saslname(span_from(name, 2), user, why);
}

/* RFC 6750, 2.1: b64token */
static bool
is_token(struct span s)
{
	while (s.len && s.at[s.len - 1] == '=')
		s.len--;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alpha(s.at[i]) && !ascii_digit(s.at[i]) && !strchr("-._~+/", s.at[i]))
			return false;
	return s.len > 0;
}

static int
take_auth(struct span value, struct bearer *b, struct fault *why)
{
	struct span scheme;

	span_split(&value, ' ', &scheme);
	value = span_trim(value);
	if (!span_is_nocase(scheme, "Bearer") || span_has(value, '\0') || !is_token(value))
		return fault_set(why, FAULT_INPUT, "no bearer token");
	if (b->token.len)
		return fault_set(why, FAULT_INPUT, "two tokens");
	b->token = value;
	return 0;
}

static int
parse(bool oauthbearer, struct span rest, struct bearer *b, struct fault *why)
{
	struct span pair;
	bool        first = true, ended = false;

	if (oauthbearer && parse_gs2(&rest, &b->user, why) < 0)
		return -1;
	if (oauthbearer && (!span_split(&rest, '\001', &pair) || pair.len))
		return fault_set(why, FAULT_INPUT, "malformed GS2 header");
	while (!ended && span_split(&rest, '\001', &pair)) {
		struct span name;
		bool        has_value = span_split(&pair, '=', &name);

		ended = !has_value && name.len == 0;
		if (ended)
			break;
		if (!has_value)
			return fault_set(why, FAULT_INPUT, "malformed pair");
		if (!oauthbearer && first && span_is_nocase(name, "user"))
			text_set(&b->user, pair);
		else if (span_is_nocase(name, "auth") && take_auth(pair, b, why) < 0)
			return -1;
		first = false;
	}
	if (!ended || rest.len)
		return fault_set(why, FAULT_INPUT, "malformed end");
	if (!b->token.len || (!oauthbearer && !b->user.len) || span_has(text_span(&b->user), '\0'))
		return fault_set(why, FAULT_INPUT, "user or token is missing");
	return 0;
}

int
bearer_parse(bool oauthbearer, struct span message, struct bearer *out, struct fault *why)
{
	struct bearer b = {.token = SPAN_NONE};

	if (parse(oauthbearer, message, &b, why) < 0) {
		bearer_free(&b);
		return -1;
	}
	*out = b;
	return 0;
}

void
bearer_free(struct bearer *b)
{
	text_free(&b->user);
}

/* The values are an administrator's. */
static void
add_quoted(const char *name, const char *value, struct text *out)
{
	text_add_format(out, "%s\"%s\":\"", out->len > 1 ? "," : "", name);
	for (; *value; value++) {
		if ((unsigned char)*value < ' ')
			continue;
		if (*value == '"' || *value == '\\')
			text_add_byte(out, '\\');
		text_add_byte(out, *value);
	}
	text_add_byte(out, '"');
}

void
bearer_refusal(bool oauthbearer, const char *scope, const char *openid_configuration, struct text *out)
{
	text_clear(out);
	text_add_byte(out, '{');
	add_quoted("status", oauthbearer ? "invalid_token" : "401", out);
	if (!oauthbearer)
		add_quoted("schemes", "bearer", out);
	if (*scope)
		add_quoted("scope", scope, out);
	if (*openid_configuration)
		add_quoted("openid-configuration", openid_configuration, out);
	text_add_byte(out, '}');
}
