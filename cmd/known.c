/* SPDX-License-Identifier: ISC */
/*
 * known.c - names in the configuration that no program describes
 */
#include "cmd/known.h"

const struct param known_params[] = {
	NUMBER("max_use", NULL, "100", "1", "",
	       "sessions that one task serves before its process is replaced"),
	DURATION("service_throttle_time", NULL, "60s", "1s", "",
	         "a program that keeps dying is started again after this"),
	STRING("maillog_file_rotate_suffix", NULL, "%Y%m%d-%H%M%S",
	       "what `postern logrotate` adds to the name"),
	STRING("maillog_file_compressor", NULL, "gzip", "what it runs on the old file"),
	STRING("service_name", NULL, "", "read only: the first column of the line in master.cf"),
	STRING("process_name", NULL, "", "read only: the name of the program"),
	STRING("fallback_relay", NULL, "", "old spelling: smtp_fallback_relay when that is not set"),
	STRING("virtual_maps", NULL, "", "old spelling: virtual_alias_maps when that is not set"),
	LIST("master_service_disable", NULL, "", "lines of master.cf that are left out: type, or service.type"),
	LIST("multi_instance_directories", NULL, "", "configuration directories of further instances (postmulti)"),
	BOOLEAN("multi_instance_enable", NULL, "no", "postmulti starts this instance"),
	STRING("multi_instance_group", NULL, "", "what postmulti -g names"),
	STRING("multi_instance_wrapper", NULL, "", "what postern runs instead of itself for all instances"),
	LIST("local_login_sender_maps", NULL, "static:*", "tables: login name to senders that the user may give with sendmail -f"),
	STRING("empty_address_local_login_sender_maps_lookup_key", NULL, "<>", "what stands for the null sender in them"),
	CHOICE("sendmail_fix_line_endings", NULL, "always", "always strict never",
	       "line ends CRLF of sendmail's input: taken as LF; only when the first line has one; never"),
	LIST("postmulti_start_commands", NULL, "start", "commands that postmulti runs for enabled instances, in order"),
	LIST("postmulti_stop_commands", NULL, "stop abort drain quick-stop", "commands that it runs in reverse order"),
	LIST("postmulti_control_commands", NULL, "reload flush", "commands that it runs for enabled instances"),
	BOOLEAN("ignore_postfix_queue_files", NULL, "no",
	        "`postern start` says nothing of Postfix's messages in queue_directory; they are not delivered"),
	LIST("hash_queue_names", NULL, "deferred, defer", "where `postern export-queue` hashes names as Postfix does; ours are not hashed"),
	NUMBER("hash_queue_depth", NULL, "1", "1", "", "how many directories deep"),
	END_OF_PARAMS
};

const struct known_suffix known_suffixes[] = {
	{"_delivery_slot_cost", "$default_delivery_slot_cost"},
	{"_delivery_slot_discount", "$default_delivery_slot_discount"},
	{"_delivery_slot_loan", "$default_delivery_slot_loan"},
	{"_destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit"},
	{"_destination_concurrency_limit", "$default_destination_concurrency_limit"},
	{"_destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback"},
	{"_destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback"},
	{"_destination_rate_delay", "$default_destination_rate_delay"},
	{"_destination_recipient_limit", "$default_destination_recipient_limit"},
	{"_extra_recipient_limit", "$default_extra_recipient_limit"},
	{"_initial_destination_concurrency", "$initial_destination_concurrency"},
	{"_minimum_delivery_slots", "$default_minimum_delivery_slots"},
	{"_recipient_limit", "$default_recipient_limit"},
	{"_recipient_refill_delay", "$default_recipient_refill_delay"},
	{"_recipient_refill_limit", "$default_recipient_refill_limit"},
	{"_transport_rate_delay", "$default_transport_rate_delay"},
	{NULL, NULL}
};

const struct known_field known_fields[MASTER_FIELDS] = {
	{"service", "", "inet: [host:]port; else the name of a socket below queue_directory"},
	{"type", "", "inet, unix, unix-dgram, fifo or pass"},
	{"private", "y", "y: the socket is for the mail system; n: for every user of the machine"},
	{"unprivileged", "y", "taken as Postfix writes it: as whom a program runs, it says itself"},
	{"chroot", "n", "the same: where a program is locked in, it says itself"},
	{"wakeup", "0", "seconds between wake-ups, 0 for none; ? for only once it was used"},
	{"process_limit", "$default_process_limit", "most sessions at once, 0 for no limit"},
	{"command", "", "the program in daemon_directory, and its arguments"},
};
