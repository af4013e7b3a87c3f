/* SPDX-License-Identifier: ISC */
/*
 * notify_parse.c - what NOTIFY asks for (RFC 5465, 8)
 *
 *   NONE
 *   SET [STATUS] (filter events) ...
 *
 * What breaks the grammar is BAD; an event that is not known here is NO, and only told when all else is right.
 */
#include "notify_request.h"

struct parsing {
	struct arena          *arena;
	struct notify_request *request;
	struct fault          *why;
};

static const struct {
	const char         *name;
	enum notify_filter  filter;
	bool                selected, named;
} filters[] = {
	{"selected", NOTIFY_SELECTED, true, false}, {"selected-delayed", NOTIFY_SELECTED_DELAYED, true, false},
	{"inboxes", NOTIFY_INBOXES, false, false}, {"personal", NOTIFY_PERSONAL, false, false},
	{"subscribed", NOTIFY_SUBSCRIBED, false, false}, {"subtree", NOTIFY_SUBTREE, false, true},
	{"mailboxes", NOTIFY_MAILBOXES, false, true},
};

static const struct {
	const char *name;
	unsigned    event;
} events[] = {
	{"MessageNew", NOTIFY_MESSAGE_NEW}, {"MessageExpunge", NOTIFY_MESSAGE_EXPUNGE}, {"FlagChange", NOTIFY_FLAG_CHANGE},
	{"MailboxName", NOTIFY_MAILBOX_NAME}, {"SubscriptionChange", NOTIFY_SUBSCRIPTION},
	{"MailboxMetadataChange", NOTIFY_METADATA}, {"ServerMetadataChange", NOTIFY_SERVER_METADATA},
};

void
notify_add_events(struct text *out)
{
	for (size_t i = 0; i < COUNT(events); i++)
		text_add_format(out, "%s%s", i ? " " : "", events[i].name);
}

static int
bad(struct parsing *p, const char *what)
{
	return fault_set(p->why, FAULT_INPUT, "%s", what);
}

static int
parse_fetch_list(struct parsing *p, struct notify_group *g, const struct argument *list)
{
	const struct argument *at = list;

	if (g->filter > NOTIFY_SELECTED_DELAYED)
		return bad(p, "Only the selected mailbox has FETCH items");
	g->fetches = true;
	return fetch_items_parse(p->arena, &at, &g->items, p->why);
}

/* One event, and in MessageNew's case what is to be fetched; moves *at to the last of them. */
static int
parse_event(struct parsing *p, struct notify_group *g, const struct argument **at)
{
	const struct argument *a = *at;

	if (a->type != ARGUMENT_ATOM)
		return bad(p, "Invalid event");
	for (size_t i = 0; i < COUNT(events); i++) {
		if (!argument_is_atom(a, events[i].name))
			continue;
		g->events |= events[i].event;
		if (events[i].event == NOTIFY_MESSAGE_NEW && a->next && a->next->type == ARGUMENT_LIST) {
			*at = a->next;
			return parse_fetch_list(p, g, a->next);
		}
		return 0;
	}
	g->annotations |= argument_is_atom(a, "AnnotationChange");
	p->request->unsupported = true;
	return 0;
}

/* 5: which go together; 6.1: which mean something for the selected mailbox. */
static int
check_events(struct parsing *p, const struct notify_group *g)
{
	bool new = g->events & NOTIFY_MESSAGE_NEW, expunge = g->events & NOTIFY_MESSAGE_EXPUNGE;

	if (new != expunge)
		return bad(p, "MessageNew and MessageExpunge belong together");
	if ((g->events & NOTIFY_FLAG_CHANGE || g->annotations) && !new)
		return bad(p, "FlagChange and AnnotationChange need MessageNew and MessageExpunge");
	if (g->filter <= NOTIFY_SELECTED_DELAYED && g->events & ~(unsigned)NOTIFY_MESSAGES)
		return bad(p, "The selected mailbox has only events of messages");
	return 0;
}

static int
parse_events(struct parsing *p, struct notify_group *g, const struct argument *a)
{
	if (!a || a->next)
		return bad(p, "Missing a list of events");
	if (argument_is_atom(a, "NONE"))
		return 0;
	if (a->type != ARGUMENT_LIST || a->count == 0)
		return bad(p, "Missing a list of events");
	for (a = a->children; a; a = a->next)
		if (parse_event(p, g, &a) < 0)
			return -1;
	return check_events(p, g);
}

static int
parse_names(struct parsing *p, struct notify_group *g, const struct argument *a)
{
	if (!a || (a->type == ARGUMENT_LIST && a->count == 0))
		return bad(p, "Missing the name of a mailbox");
	g->names = a->type == ARGUMENT_LIST ? a->children : a;
	g->name_count = a->type == ARGUMENT_LIST ? a->count : 1;
	a = g->names;
	for (size_t i = 0; i < g->name_count; i++, a = a->next)
		if (!argument_is_astring(a))
			return bad(p, "Invalid name of a mailbox");
	return 0;
}

static int
parse_group(struct parsing *p, const struct argument *list)
{
	struct notify_group   *g = &p->request->groups[p->request->count];
	const struct argument *a = list->children;

	if (list->type != ARGUMENT_LIST || !a)
		return bad(p, "Missing a group of events");
	for (size_t i = 0; i < COUNT(filters); i++) {
		if (!argument_is_atom(a, filters[i].name))
			continue;
		g->filter = filters[i].filter;
		p->request->count++;
		if (filters[i].selected && p->request->selected)
			return bad(p, "The selected mailbox is named twice");
		if (filters[i].selected)
			p->request->selected = g;
		a = a->next;
		if (filters[i].named) {
			if (parse_names(p, g, a) < 0)
				return -1;
			a = a->next;
		}
		return parse_events(p, g, a);
	}
	return bad(p, "Unknown kind of mailboxes");
}

int
notify_parse(struct arena *arena, const struct argument *a, struct notify_request *out, struct fault *why)
{
	struct parsing p = {.arena = arena, .request = out, .why = why};
	size_t         most = 0;

	*out = (struct notify_request){0};
	if (argument_is_atom(a, "NONE"))
		return a->next ? bad(&p, "Nothing follows NONE") : 0;
	if (!argument_is_atom(a, "SET"))
		return bad(&p, "SET or NONE is missing");
	a = a->next;
	if (argument_is_atom(a, "STATUS")) {
		out->status = true;
		a = a->next;
	}
	for (const struct argument *each = a; each; each = each->next)
		most++;
	if (most == 0 || most > NOTIFY_GROUPS)
		return bad(&p, most ? "Too many groups of events" : "Missing a group of events");
	out->groups = arena_alloc(arena, most * sizeof *out->groups);
	for (; a; a = a->next)
		if (parse_group(&p, a) < 0)
			return -1;
	return 0;
}
