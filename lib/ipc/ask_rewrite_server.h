/* SPDX-License-Identifier: ISC */
/*
 * ask_rewrite_server.h - the answerer's end of ask_rewrite.h, for guard/rewrite.c
 *
 * lib/ipc knows nothing of routing: the program gives the six functions.  A
 * fault of theirs becomes "refused", which the asker sees as "not now"
 * (but for expand's FAULT_INPUT, which stays one).
 */
#ifndef IPC_ASK_REWRITE_SERVER_H
#define IPC_ASK_REWRITE_SERVER_H

#include "ipc/ask_rewrite.h"

struct rewrite_server {
	void *context;
	void (*rewrite)(void *, bool local, struct span in, struct arena *, struct span *out);
	int (*map)(void *, struct span kind, struct span in, struct arena *, struct span *out,
		struct fault *);
	int (*resolve)(void *, struct span sender, struct span address, struct arena *,
		struct route *, struct fault *);
	int (*resolve_probe)(void *, struct span sender, struct span address, struct arena *,
		struct route *, struct fault *);
	int (*expand)(void *, struct span address, struct arena *, struct span **out, size_t *count,
		struct fault *);
	int (*known)(void *, struct span sender, struct span address, struct route_known *,
		struct fault *);
};

/* Serves one connection until it closes. */
WAITS void rewrite_serve(int sock, const struct rewrite_server *);

#endif
