/* SPDX-License-Identifier: ISC */
/*
 * settings.c - which milters, and how they are spoken to
 */
#include "milter/settings.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "ipc/ask_dial.h"

static int
parse_protocol(struct span text, struct milter_spec *s, struct fault *why)
{
	struct span word, all = text;

	s->version = 0;
	s->no_header_reply = false;
	while (span_next(&text, ", \t\r\n", &word)) {
		if (span_is_nocase(word, "no_header_reply"))
			s->no_header_reply = true;
		else if (!s->version && word.len == 1 && strchr("2346", word.at[0]))
			s->version = (unsigned)(word.at[0] - '0');
		else
			return fault_set(why, FAULT_INPUT, "bad milter_protocol: \"%.*s\"", SPAN_ARGS(all));
	}
	if (!s->version)
		return fault_set(why, FAULT_INPUT, "bad milter_protocol: \"%.*s\" has no version (2, 3, 4 or 6)", SPAN_ARGS(all));
	return 0;
}

static int
parse_action(struct span word, struct milter_spec *s, struct fault *why)
{
	static const char *const words[] = {"accept", "reject", "tempfail", "quarantine", "shutdown"};

	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is_nocase(word, words[i])) {
			s->failure = (enum milter_failure)i;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "bad default_action: \"%.*s\"", SPAN_ARGS(word));
}

static int
set_option(struct milter_spec *s, struct span name, struct span value, struct fault *why)
{
	if (span_is(name, "connect_timeout"))
		return param_parse_duration(value, SPAN("1s"), &s->connect_timeout, why);
	if (span_is(name, "command_timeout"))
		return param_parse_duration(value, SPAN("1s"), &s->command_timeout, why);
	if (span_is(name, "content_timeout"))
		return param_parse_duration(value, SPAN("1s"), &s->content_timeout, why);
	if (span_is(name, "default_action"))
		return parse_action(value, s, why);
	if (span_is(name, "protocol"))
		return parse_protocol(value, s, why);
	return fault_set(why, FAULT_INPUT, "unknown milter attribute \"%.*s\"", SPAN_ARGS(name));
}

static int
set_name(struct milter_spec *s, struct span endpoint, struct fault *why)
{
	autotext struct text normal = {0};

	if (endpoint_normal(endpoint, &normal, why) < 0)
		return -1;
	s->name = mem_span(endpoint);
	return 0;
}

static int
parse_group(struct milter_spec *s, struct span inside, struct fault *why)
{
	struct span element, name, value, group;
	int         more = list_next(&inside, ", \t\r\n", &element, why);

	if (more <= 0)
		return more < 0 ? -1 : fault_set(why, FAULT_INPUT, "no milter in { }");
	if (set_name(s, element, why) < 0)
		return -1;
	while ((more = list_next(&inside, ", \t\r\n", &element, why)) > 0) {
		autotext struct text whole = {0};

		if (list_group(element, &group))
			element = group;
		text_set(&whole, element);
		/* "name = value" with blanks comes in pieces */
		while ((span_ends(text_span(&whole), "=") || !span_has(text_span(&whole), '=')) &&
		       (more = list_next(&inside, ", \t\r\n", &element, why)) > 0)
			text_add(&whole, list_group(element, &group) ? group : element);
		if (more < 0 || list_assignment(text_span(&whole), &name, &value, why) < 0 || set_option(s, name, value, why) < 0)
			return -1;
	}
	return more;
}

static int
parse_one(struct span text, const struct milter_settings *settings, struct milter_spec *s, struct fault *why)
{
	struct span inside;

	*s = (struct milter_spec){.connect_timeout = settings->connect_timeout, .command_timeout = settings->command_timeout,
	                          .content_timeout = settings->content_timeout,
	                          .failure = (enum milter_failure)settings->default_action};
	if (parse_protocol(span_of(settings->protocol), s, why) < 0)
		return -1;
	return list_group(text, &inside) ? parse_group(s, inside, why) : set_name(s, text, why);
}

int
milter_specs_parse(const struct list *list, const struct milter_settings *settings, struct milter_specs *out, struct fault *why)
{
	struct milter_specs specs = {.at = mem_array(list->count + 1, sizeof *specs.at), .settings = settings};

	for (size_t i = 0; i < list->count; i++) {
		if (parse_one(span_of(list->item[i]), settings, &specs.at[specs.count++], why) == 0)
			continue;
		fault_prefix(why, "\"%s\"", list->item[i]);
		milter_specs_free(&specs);
		*out = (struct milter_specs){.settings = settings};
		return -1;
	}
	*out = specs;
	return 0;
}

void
milter_specs_free(struct milter_specs *specs)
{
	for (size_t i = 0; i < specs->count; i++)
		free(specs->at[i].name);
	free(specs->at);
	*specs = (struct milter_specs){.settings = specs->settings};
}

/* "{client_addr}" and "client_addr" are one name. */
static struct span
bare(struct span name)
{
	return name.len > 2 && name.at[0] == '{' && name.at[name.len - 1] == '}' ? span_cut(name, 1, name.len - 1) : name;
}

bool
milter_macro_default(const struct milter_settings *settings, const char *name, struct span *value)
{
	for (size_t i = 0; i < settings->macro_defaults.count; i++) {
		struct span item = span_of(settings->macro_defaults.item[i]), inside, key, v;

		/* { name = value } as a whole, or {name}=value */
		if (list_group(item, &inside) && span_has(inside, '='))
			item = inside;
		if (list_assignment(item, &key, &v, NULL) == 0 && span_equal(bare(key), bare(span_of(name)))) {
			*value = list_group(v, &inside) ? inside : v;
			return true;
		}
	}
	return false;
}
