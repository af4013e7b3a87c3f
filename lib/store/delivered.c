/* SPDX-License-Identifier: ISC */
/*
 * delivered.c - flags and keywords of a message that was just delivered
 */
#include "store/delivered.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "mail/attachment.h"
#include "store/folder.h"

struct delivered_settings delivered_settings = {""};

int
delivered_check(struct fault *why)
{
	if (attachment_check(span_of(delivered_settings.attachments), why) < 0)
		return fault_prefix(why, "mail_attachment_detection_options");
	return 0;
}

static bool
says_it(struct span flags)
{
	struct span word;

	while (span_next(&flags, " ", &word))
		if (span_is_nocase(word, "$HasAttachment") || span_is_nocase(word, "$HasNoAttachment"))
			return true;
	return false;
}

const char *
delivered_attachment(struct maildir_delivery *d, struct span flags)
{
	struct span             options = span_of(delivered_settings.attachments);
	autoarena struct arena *arena = NULL;
	const char             *keyword;
	struct stat             st;
	void                   *map;
	int                     fd;

	if (!attachment_wanted(options) || says_it(flags) || maildir_delivery_file(d, &fd, NULL) < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return NULL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	arena = arena_new();
	keyword = attachment_keyword(options, mime_parse(arena, span_at(map, (size_t)st.st_size)));
	munmap(map, (size_t)st.st_size);
	return keyword;
}

int
delivered_mark(struct maildir *m, const char *folder, struct span name, struct span flags, struct fault *why)
{
	static const struct { const char *name; unsigned flag; } known[] = {
		{"\\Seen", MESSAGE_SEEN}, {"\\Answered", MESSAGE_ANSWERED}, {"\\Flagged", MESSAGE_FLAGGED},
		{"\\Deleted", MESSAGE_DELETED}, {"\\Draft", MESSAGE_DRAFT},
	};
	struct folder     *open = NULL;
	struct flag_change change = {.kind = FLAGS_ADD};
	struct file_name   base;
	struct span        word;
	int                done = -1, number;

	if (folder_open(m, folder, 0, &open, why) < 0)
		return -1;
	while (span_next(&flags, " ", &word)) {
		bool is_system = false;

		for (size_t i = 0; i < COUNT(known); i++)
			if (span_is_nocase(word, known[i].name)) {
				change.flags |= known[i].flag;
				is_system = true;
			}
		if (!is_system && folder_keyword(open, word, true, &number, why) == 0 && number >= 0)
			change.keywords |= 1ull << number;
	}
	file_name_parse(name, &base);
	for (size_t i = open->count; i-- > 0 && done < 0;) {
		uint32_t uid = open->messages[i].uid;

		if (span_equal(message_base(open, &open->messages[i]), base.base))
			done = folder_store(open, &uid, 1, &change, true, why);
	}
	folder_close(open);
	return done < 0 ? done : 0;
}
