/* SPDX-License-Identifier: ISC */
/*
 * pump_back.c - a client who is nobody again (RFC 8437; the talk is in ipc/login.h)
 *
 * The order of bytes: what the process has read and gave back, what it was not given, what the wire still holds.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "ipc/login.h"
#include "service/pump_seat.h"
#include "service/service.h"

struct returned {
	struct conn       *conn;
	struct pump_client client;      /* its strings are owned */
};

void
seat_leaves(struct seat *s)
{
	if (!s->client.back || s->sleeper || s->asleep)
		return; /* no answer: the process gives up */
	s->held = s->returning = true;
	login_leave_answer(s->fd[SEAT_CONTROL]);
}

bool
seat_comes_back(struct seat *s)
{
	if (s->returning && !s->back)
		seat_hear(s); /* its last word came before its end */
	return s->back && !s->client_lost && !s->evict;
}

struct conn *
seat_give_back(struct seat *s)
{
	seat_forget(s, SEAT_CLIENT);
	text_add(&s->input, text_span(&s->up));
	return wire_unmake(take(s->wire), text_span(&s->input));
}

static void
returned_free(struct returned *r)
{
	free((char *)(uintptr_t)r->client.user);
	free((char *)(uintptr_t)r->client.peer);
	free((char *)(uintptr_t)r->client.local);
	free((char *)(uintptr_t)r->client.session);
	free(r);
}

static void
go_back(void *given)
{
	struct returned *r = given;

	r->client.back(take(r->conn), &r->client);
	returned_free(r);
}

static void
task(void *given)
{
	service_session_again(go_back, given);
}

void
pump_go_back(struct conn *c, const struct pump_client *client)
{
	struct returned *r = mem_alloc(sizeof *r);
	struct fault     why = {0};

	*r = (struct returned){c, *client};
	r->client.user = mem_string(client->user);
	r->client.peer = mem_string(client->peer);
	r->client.local = mem_string(client->local);
	r->client.session = mem_string(client->session);
	if (task_start(task, r, &why) == 0)
		return;
	log_error("%s", fault_text(&why));
	client->over(client);
	conn_free(take(r->conn));
	returned_free(r);
	service_session_over();
}
