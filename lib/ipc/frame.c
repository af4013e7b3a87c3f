/* SPDX-License-Identifier: ISC */
/*
 * frame.c - building, sending, receiving and decoding frames
 */
#include "ipc/frame.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
close_fds(struct frame *f)
{
	for (size_t i = 0; f->owns_fds && i < f->n_fds; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	f->n_fds = 0;
	f->owns_fds = false;
}

/* Passwords travel too. Only what was used is wiped: a record's room is mostly untouched pages. */
static void
forget(struct frame *f)
{
	close_fds(f);
	if (f->bytes.len)
		mem_wipe(f->bytes.at, f->bytes.len);
	text_clear(&f->bytes);
}

void
frame_clear(struct frame *f)
{
	forget(f);
	text_free(&f->bytes);
}

void
frame_start(struct frame *f, const char *verb)
{
	forget(f);
	text_add(&f->bytes, span_at(verb, strlen(verb) + 1));
}

void
frame_put(struct frame *f, const char *name, struct span value)
{
	uint32_t len = value.len > FRAME_MAX ? FRAME_MAX + 1 : (uint32_t)value.len;
	char     head[4] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};

	text_add(&f->bytes, span_at(name, strlen(name) + 1));
	text_add(&f->bytes, span_at(head, 4));
	text_add(&f->bytes, span_first(value, len));
}

void
frame_put_string(struct frame *f, const char *name, const char *value)
{
	frame_put(f, name, span_of(value));
}

void
frame_put_number(struct frame *f, const char *name, int64_t value)
{
	autotext struct text t = {0};

	text_add_format(&t, "%lld", (long long)value);
	frame_put(f, name, text_span(&t));
}

void
frame_put_flag(struct frame *f, const char *name, bool value)
{
	frame_put_string(f, name, value ? "yes" : "no");
}

void
frame_put_fd(struct frame *f, const char *name, int fd)
{
	assert(f->n_fds < FRAME_FDS && !f->owns_fds);
	frame_put_number(f, name, (int64_t)f->n_fds);
	f->fds[f->n_fds++] = fd;
}

size_t
frame_room(const struct frame *f)
{
	return f->bytes.len < FRAME_MAX ? FRAME_MAX - f->bytes.len : 0;
}

int
frame_send(int sock, struct frame *f, int64_t deadline, struct fault *why)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FRAME_FDS)] = {0};
	struct iovec  bytes = {f->bytes.at, f->bytes.len};
	struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (f->bytes.len > FRAME_MAX)
		return fault_set(why, FAULT_INPUT, "internal request too large");
	if (f->n_fds) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * f->n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * f->n_fds);
		memcpy(CMSG_DATA(c), f->fds, sizeof(int) * f->n_fds);
	}
	for (;;) {
		ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
			bool gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;

			fault_errno(why, "send");
			if (why && gone)
				why->class = FAULT_PEER;
			return -1;
		}
		if (task_wait_fd(sock, POLLOUT, deadline, why) < 0)
			return -1;
	}
}

static void
take_control(struct frame *f, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (f->n_fds < FRAME_FDS)
				f->fds[f->n_fds++] = fd;
			else
				close(fd);
		}
	}
	f->owns_fds = true;
}

static bool
next_field(struct span all, size_t *at, struct span *name, struct span *value)
{
	struct span rest = span_from(all, *at);
	ptrdiff_t   end = span_find(rest, '\0');
	const unsigned char *n;
	size_t      len;

	if (end <= 0 || rest.len < (size_t)end + 5)
		return false;
	n = (const unsigned char *)rest.at + end + 1;
	len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
	if (rest.len - (size_t)end - 5 < len)
		return false;
	*name = span_first(rest, (size_t)end);
	*value = span_cut(rest, (size_t)end + 5, (size_t)end + 5 + len);
	*at += (size_t)end + 5 + len;
	return true;
}

/* A record is whole, or the peer is not one of ours. */
static int
check_form(struct frame *f, struct fault *why)
{
	struct span all = text_span(&f->bytes), name, value;
	ptrdiff_t   end = span_find(all, '\0');
	size_t      at = (size_t)end + 1;

	if (end <= 0)
		return fault_set(why, FAULT_INPUT, "malformed internal request");
	while (at < all.len)
		if (!next_field(all, &at, &name, &value))
			return fault_set(why, FAULT_INPUT, "malformed internal request");
	return 0;
}

/* For the largest record and its NUL, not doubled up: an allocation of 128 KiB would be mapped and unmapped each time. */
static void
make_room(struct frame *f)
{
	forget(f);
	if (f->bytes.room > FRAME_MAX)
		return;
	text_free(&f->bytes);
	f->bytes.at = mem_grow(NULL, FRAME_MAX + 1, 1);
	f->bytes.room = FRAME_MAX + 1;
}

int
frame_receive(int sock, struct frame *f, int64_t deadline, struct fault *why)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FRAME_FDS)];

	make_room(f);
	if (deadline != INT64_MAX && task_wait_fd(sock, POLLIN, deadline, why) < 0)
		return -1;
	for (;;) {
		struct iovec  bytes = {f->bytes.at, FRAME_MAX};
		struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control,
		                   .msg_controllen = sizeof control};
		ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (task_wait_fd(sock, POLLIN, deadline, why) < 0)
				return -1;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ECONNRESET)
			return fault_set(why, FAULT_PEER, "connection lost");
		if (n < 0)
			return fault_errno(why, "receive");
		if (n == 0)
			return 1;
		f->bytes.len = (size_t)n;
		take_control(f, &m);
		if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
			return fault_set(why, FAULT_INPUT, "internal request too large");
		return check_form(f, why);
	}
}

struct span
frame_verb(const struct frame *f)
{
	ptrdiff_t end = span_find(text_span(&f->bytes), '\0');

	return end < 0 ? SPAN_NONE : span_first(text_span(&f->bytes), (size_t)end);
}

bool
frame_is(const struct frame *f, const char *verb)
{
	return span_is(frame_verb(f), verb);
}

bool
frame_next(const struct frame *f, size_t *at, struct span *name, struct span *value)
{
	if (*at == 0)
		*at = frame_verb(f).len + 1;
	return next_field(text_span(&f->bytes), at, name, value);
}

bool
frame_get(const struct frame *f, const char *name, struct span *value)
{
	struct span n, v;
	size_t      at = 0;

	while (frame_next(f, &at, &n, &v))
		if (span_is(n, name)) {
			*value = v;
			return true;
		}
	return false;
}

static bool
signed_number(struct span s, int64_t *value)
{
	bool     minus = s.len && s.at[0] == '-';
	uint64_t n;

	if (!span_number(span_from(s, minus), &n) || n > INT64_MAX)
		return false;
	*value = minus ? -(int64_t)n : (int64_t)n;
	return true;
}

bool
frame_get_number(const struct frame *f, const char *name, int64_t *value)
{
	struct span s;

	return frame_get(f, name, &s) && signed_number(s, value);
}

bool
frame_get_flag(const struct frame *f, const char *name)
{
	struct span s;

	return frame_get(f, name, &s) && span_is(s, "yes");
}

static int
take_index(struct frame *f, struct span value)
{
	uint64_t n;

	if (!span_number(value, &n) || n >= f->n_fds || !f->owns_fds)
		return -1;
	return take_fd(f->fds[n]);
}

int
frame_take_fd(struct frame *f, const char *name)
{
	struct span s;

	return frame_get(f, name, &s) ? take_index(f, s) : -1;
}

static int
decode_one(struct frame *f, const struct field *field, struct span value, bool twice, void *into, struct fault *why)
{
	void *to = (char *)into + field->offset;

	switch (field->kind) {
	case FIELD_IS_TEXT:
		memcpy(to, &value, sizeof value);
		return 0;
	case FIELD_IS_NUMBER:
		if (signed_number(value, to))
			return 0;
		break;
	case FIELD_IS_FLAG:
		if (!span_is(value, "yes") && !span_is(value, "no"))
			break;
		*(bool *)to = span_is(value, "yes");
		return 0;
	case FIELD_IS_FD:
		if (twice)
			return fault_set(why, FAULT_INPUT, "field %s comes twice", field->name);
		if ((*(int *)to = take_index(f, value)) >= 0)
			return 0;
		break;
	case FIELD_IS_MANY:
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "field %s is malformed", field->name);
}

int
frame_decode(struct frame *f, const struct field *fields, void *into, struct fault *why)
{
	struct span name, value, unused;
	bool        fd_seen = false;    /* no conversation has two in a frame; one too many would stay open */
	size_t      at = 0;

	while (frame_next(f, &at, &name, &value)) {
		const struct field *field = fields;

		while (field->name && !span_is(name, field->name))
			field++;
		if (!field->name)
			return fault_set(why, FAULT_INPUT, "unknown field %.*s", (int)(name.len < 40 ? name.len : 40), name.at);
		if (decode_one(f, field, value, field->kind == FIELD_IS_FD && fd_seen, into, why) < 0)
			return -1;
		fd_seen |= field->kind == FIELD_IS_FD;
	}
	for (const struct field *field = fields; field->name; field++)
		if (field->needed && !frame_get(f, field->name, &unused))
			return fault_set(why, FAULT_INPUT, "field %s is missing", field->name);
	return 0;
}
