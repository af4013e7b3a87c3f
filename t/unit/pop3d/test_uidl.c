/* SPDX-License-Identifier: ISC */
/* test_uidl.c - pop3_uidl_format: Dovecot's formats, old and new */
#include "../unit.h"

#include "uidl.h"

static const struct {
	const char *format, *text;       /* NULL: refused */
} table[] = {
	{"%08Xu%08Xv",                               "0000001a6b002d3e"},       /* Dovecot's default */
	{"%{uid | hex(8)}%{uidvalidity | hex(8)}",   "0000001a6b002d3e"},       /* of 2.4 */
	{"%v-%u",                                    "1795173694-26"},
	{"%v.%u",                                    "1795173694.26"},          /* Cyrus */
	{"UID%u-%v",                                 "UID26-1795173694"},       /* Courier */
	{"%Xu",                                      "1a"},
	{"%08XUu",                                   "0000001A"},
	{"%{uid | hex | upper}",                     "1A"},
	{"%{uid|hex(4)}",                            "001a"},
	{"%f",                                       "1795.M1P1.Host,S=3"},
	{"%4f",                                      "1795"},
	{"%Lf",                                      "1795.m1p1.host,s=3"},
	{"%g",                                       "abc"},
	{"%{guid}/%{filename}",                      "abc/1795.M1P1.Host,S=3"},
	{"%u%%",                                     "26%"},
	{"%m",                                       NULL},
	{"x",                                        NULL},                     /* the same for all */
	{"",                                         NULL},
	{"%",                                        NULL},
	{"%9999999999u",                             NULL},
	{"%Xf",                                      NULL},
	{"%{uid",                                    NULL},
	{"%{uid | rot13}",                           NULL},
	{"%{nothing}",                               NULL},
};

START_TEST(formats)
{
	for (size_t i = 0; i < COUNT(table); i++) {
		struct uidl_values   v = {26, 0x6b002d3e, SPAN("1795.M1P1.Host,S=3"), SPAN("abc")};
		autotext struct text out = {0};
		bool                 good = uidl_format(table[i].format, &v, &out);

		ck_assert_msg(good == (table[i].text != NULL), "%s", table[i].format);
		if (good)
			ck_assert_str_eq(text_string(&out), table[i].text);
	}
}
END_TEST

UNIT_MAIN("pop3 unique ids", formats)
