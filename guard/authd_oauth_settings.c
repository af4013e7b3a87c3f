/* SPDX-License-Identifier: ISC */
/*
 * authd_oauth_settings.c - the words of dovecot-oauth2.conf.ext
 */
#include <stddef.h>

#include "authd_oauth.h"
#include "config/line.h"
#include "config/list.h"

static const struct { const char *name; size_t offset; } words[] = {
	{"issuers", offsetof(struct oauth_settings, issuers)}, {"scope", offsetof(struct oauth_settings, scope)},
	{"client_id", offsetof(struct oauth_settings, audience)},
	{"username_attribute", offsetof(struct oauth_settings, username_attribute)},
	{"active_attribute", offsetof(struct oauth_settings, active_attribute)},
	{"active_value", offsetof(struct oauth_settings, active_value)},
	{"openid_configuration_url", offsetof(struct oauth_settings, openid)},
};

static int
take_directory(struct span value, struct arena *a, struct oauth_settings *s, struct fault *why)
{
	static const char prefix[] = "fs:posix:prefix=";

	if (span_starts(value, prefix))
		value = span_from(value, sizeof prefix - 1);
	while (value.len > 1 && value.at[value.len - 1] == '/')
		value.len--;
	if (!span_starts(value, "/") || span_has(value, ':'))
		return fault_set(why, FAULT_INPUT, "local_validation_key_dict: fs:posix:prefix=/directory/ is expected");
	s->key_directory = arena_string(a, value);
	return 0;
}

static int
take_word(struct span name, struct span value, struct arena *a, struct oauth_settings *s, bool *local, struct fault *why)
{
	if (span_has(value, '\0'))
		return fault_set(why, FAULT_INPUT, "a NUL byte");
	if (span_is(name, "local_validation_key_dict"))
		return take_directory(value, a, s, why);
	if (span_is(name, "introspection_mode")) {
		*local = span_is(value, "local");
		return *local ? 0 : fault_set(why, FAULT_INPUT, "introspection_mode = %.*s would ask a server by HTTP, which is not "
		                              "done here: local, with local_validation_key_dict", SPAN_ARGS(span_first(value, 40)));
	}
	if (span_is(name, "username_validation_format") || span_is(name, "username_format"))
		return span_is(value, "%u") || span_is(value, "%Lu") ? 0 : fault_set(why, FAULT_INPUT, "%.*s: auth_username_format holds for tokens too",
		                                                                       SPAN_ARGS(name));
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is(name, words[i].name)) {
			*(const char **)((char *)s + words[i].offset) = arena_string(a, value);
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "%.*s is not supported here: tokens are validated by keys (introspection_mode = local)",
	                 SPAN_ARGS(span_first(name, 60)));
}

int
oauth_settings_parse(struct span in, struct arena *a, struct oauth_settings *out, struct fault *why)
{
	struct oauth_settings s = {NULL, "", "", "", "email", "", "", ""};
	struct line           line = {0};
	bool                  local = false;
	int                   outcome = 0;

	while (outcome == 0 && config_line_next(&in, &line)) {
		struct span name, value;

		outcome = list_assignment(text_span(&line.text), &name, &value, why);
		if (outcome == 0)
			outcome = take_word(name, value, a, &s, &local, why);
		if (outcome < 0)
			fault_prefix(why, "line %d", line.number);
	}
	line_free(&line);
	if (outcome == 0 && !local)
		outcome = fault_set(why, FAULT_INPUT, "introspection_mode = local is missing: by default a server would be asked by HTTP, which is not done here");
	if (outcome == 0 && !s.key_directory)
		outcome = fault_set(why, FAULT_INPUT, "local_validation_key_dict is missing");
	if (outcome == 0 && !*s.username_attribute)
		outcome = fault_set(why, FAULT_INPUT, "username_attribute is empty");
	if (outcome == 0)
		*out = s;
	return outcome;
}
