/* SPDX-License-Identifier: ISC */
/*
 * stress.c - limits that get tighter when all sessions of the service are taken
 */
#include "stress.h"

#include "service/service.h"
#include "settings.h"

static struct limits calm, stressed;

static void
set_stress(const char *value, struct faults *faults)
{
	autofree char *assignment = mem_format("stress=%s", value);
	struct fault   why = {0};

	if (main_cf_override(service->main_cf, span_of(assignment), "stress", 0, &why) < 0)
		faults_add(faults, "%s", fault_text(&why));
}

static void
get(const char *name, struct text *value, struct faults *faults)
{
	struct fault why = {0};

	text_clear(value);
	if (main_cf_get(service->main_cf, name, value, &why) < 0)
		faults_add(faults, "%s: with stress=yes: %s", name, fault_text(&why));
}

static void
read_stressed(struct faults *faults)
{
	autotext struct text v = {0};
	struct fault         why = {0};

	get("smtpd_timeout", &v, faults);
	if (param_parse_duration(text_span(&v), SPAN("1s"), &stressed.timeout, &why) < 0)
		faults_add(faults, "smtpd_timeout: with stress=yes: %s", fault_text(&why));
	get("smtpd_starttls_timeout", &v, faults);
	if (param_parse_duration(text_span(&v), SPAN("1s"), &stressed.starttls_timeout, &why) < 0)
		faults_add(faults, "smtpd_starttls_timeout: with stress=yes: %s", fault_text(&why));
	get("smtpd_hard_error_limit", &v, faults);
	if (param_parse_number(text_span(&v), &stressed.hard_error_limit, &why) < 0)
		faults_add(faults, "smtpd_hard_error_limit: with stress=yes: %s", fault_text(&why));
	get("smtpd_junk_command_limit", &v, faults);
	if (param_parse_number(text_span(&v), &stressed.junk_command_limit, &why) < 0)
		faults_add(faults, "smtpd_junk_command_limit: with stress=yes: %s", fault_text(&why));
	get("smtpd_per_request_deadline", &v, faults);
	if (param_parse_boolean(text_span(&v), &stressed.per_request_deadline, &why) < 0)
		faults_add(faults, "smtpd_per_request_deadline: with stress=yes: %s", fault_text(&why));
}

void
limits_prepare(void)
{
	calm = (struct limits){.stressed = settings.stress[0], .timeout = settings.timeout, .starttls_timeout = settings.starttls_timeout,
	                       .hard_error_limit = settings.hard_error_limit, .junk_command_limit = settings.junk_command_limit,
	                       .per_request_deadline = settings.per_request_deadline};
	stressed = calm;
}

void
stress_prepare(struct faults *faults)
{
	limits_prepare();
	stressed.stressed = true;
	set_stress("yes", faults);
	read_stressed(faults);
	set_stress(settings.stress, faults);
}

/* A service of one session is always full, and that is no stress. */
const struct limits *
limits_now(void)
{
	return service->sessions > 1 && service_session_count() >= service->sessions ? &stressed : &calm;
}
