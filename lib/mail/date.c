/* SPDX-License-Identifier: ISC */
/*
 * date.c - RFC 5322, 3.3 with the obsolete forms of 4.3; RFC 3501 date-time
 *
 * Civil days are counted by Howard Hinnant's days_from_civil (public domain),
 * not by timegm(3) and mktime(3), which may open the time zone's file.
 */
#include "mail/date.h"

#include <time.h>

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct civil {
	int64_t year;
	int     month, day, hour, minute, second;     /* month 1 to 12 */
};

static int64_t
days_from_civil(int64_t y, int m, int d)
{
	int64_t era, year_of_era, day_of_year;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	year_of_era = y - era * 400;
	day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static int64_t
floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static struct civil
civil_of(int64_t seconds)
{
	struct civil c;
	int64_t days = floor_divide(seconds, 86400), left = seconds - days * 86400, era, doe, yoe,
		doy, mp;

	days += 719468;
	era = floor_divide(days, 146097);
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	c.hour = (int)(left / 3600);
	c.minute = (int)(left / 60 % 60);
	c.second = (int)(left % 60);
	return c;
}

/* Years that four digits can tell; anything else becomes one of the ends. */
static struct date
bounded(struct date d)
{
	/* 0000-01-02, 9999-12-30 */
	const int64_t first = -62167219200 + 86400, last = 253402300799 - 86400;

	if (d.seconds < first)
		d.seconds = first;
	if (d.seconds > last)
		d.seconds = last;
	if (d.zone < -1439 || d.zone > 1439)
		d.zone = 0;
	return d;
}

static void
add_zone(int zone, struct text *out)
{
	int away = zone < 0 ? -zone : zone;

	text_add_format(out, "%c%02d%02d", zone < 0 ? '-' : '+', away / 60, away % 60);
}

void
date_add(struct date d, struct text *out)
{
	struct civil c;
	int64_t      local;

	d = bounded(d);
	local = d.seconds + d.zone * 60;
	c = civil_of(local);
	text_add_format(out, "%s, %d %s %04d %02d:%02d:%02d ",
	                weekdays[((floor_divide(local, 86400) + 4) % 7 + 7) % 7], c.day,
	                months[c.month - 1], (int)c.year, c.hour, c.minute, c.second);
	add_zone(d.zone, out);
}

void
date_add_imap(struct date d, struct text *out)
{
	struct civil c;

	d = bounded(d);
	c = civil_of(d.seconds + d.zone * 60);
	text_add_format(out, "%2d-%s-%04d %02d:%02d:%02d ", c.day, months[c.month - 1], (int)c.year,
	                c.hour, c.minute, c.second);
	add_zone(d.zone, out);
}

struct date
date_local(int64_t seconds)
{
	time_t    when = (time_t)seconds;
	struct tm tm = {0};

	localtime_r(&when, &tm);
	return (struct date){seconds, (int)(tm.tm_gmtoff / 60)};
}

void
date_add_local(int64_t seconds, struct text *out)
{
	time_t    when = (time_t)seconds;
	struct tm tm = {0};

	localtime_r(&when, &tm);
	date_add((struct date){seconds, (int)(tm.tm_gmtoff / 60)}, out);
	if (tm.tm_zone)
		text_add_format(out, " (%s)", tm.tm_zone);
}

int64_t
date_day(struct date d)
{
	d = bounded(d);
	return floor_divide(d.seconds + d.zone * 60, 86400);
}

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool
civil_valid(const struct civil *c)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int length = lengths[c->month - 1] + (c->month == 2 && is_leap(c->year));

	return c->year >= 1 && c->year <= 9998 && c->day >= 1 && c->day <= length && c->hour >= 0 &&
	       c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0 &&
	       c->second <= 60;
}

static struct date
date_of(const struct civil *c, int zone)
{
	int64_t seconds = days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 +
	                  c->minute * 60 + c->second;

	return (struct date){seconds - zone * 60, zone};
}

static int
month_of(struct span word)
{
	for (int i = 0; i < 12; i++)
		if (word.len >= 3 && span_is_nocase(span_first(word, 3), months[i]))
			return i + 1;
	return 0;
}

/* A reader of words: blanks, commas and comments part them. */
struct reader {
	struct span in;
};

static void
skip_blanks(struct reader *r)
{
	size_t depth = 0, i;

	for (i = 0; i < r->in.len; i++) {
		char c = r->in.at[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (depth && c == '\\')
			i++;
		else if (depth == 0 && (c == '\0' || !strchr(" \t\r\n,", c)))
			break;
	}
	r->in = span_from(r->in, i);
}

static bool
read_number(struct reader *r, size_t limit, int *value, size_t *digits)
{
	size_t i = 0;
	int    n = 0;

	skip_blanks(r);
	while (i < r->in.len && i < limit && ascii_digit(r->in.at[i]))
		n = n * 10 + (r->in.at[i++] - '0');
	if (i == 0 || (i < r->in.len && ascii_digit(r->in.at[i])))
		return false;
	r->in = span_from(r->in, i);
	*value = n;
	if (digits)
		*digits = i;
	return true;
}

static struct span
read_letters(struct reader *r)
{
	struct span word;
	size_t      i = 0;

	skip_blanks(r);
	while (i < r->in.len && ascii_alpha(r->in.at[i]))
		i++;
	word = span_first(r->in, i);
	r->in = span_from(r->in, i);
	return word;
}

static bool
read_byte(struct reader *r, const char *any)
{
	skip_blanks(r);
	if (r->in.len == 0 || r->in.at[0] == '\0' || !strchr(any, r->in.at[0]))
		return false;
	r->in = span_from(r->in, 1);
	return true;
}

/* RFC 5322, 4.3: names that mean something; all others, and none, mean UTC. */
static int
named_zone(struct span name)
{
	static const struct { const char *name; int hours; } zones[] = {
		{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6}, {"MDT", -6}, {"MST", -7},
		{"PDT", -7}, {"PST", -8},
	};

	for (size_t i = 0; i < COUNT(zones); i++)
		if (span_is_nocase(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static int
read_zone(struct reader *r)
{
	int  value, sign;

	skip_blanks(r);
	if (r->in.len == 0)
		return 0;
	if (r->in.at[0] != '+' && r->in.at[0] != '-')
		return named_zone(read_letters(r));
	sign = r->in.at[0] == '-' ? -1 : 1;
	r->in = span_from(r->in, 1);
	if (!read_number(r, 4, &value, NULL) || value / 100 > 23 || value % 100 > 59)
		return 0;
	return sign * (value / 100 * 60 + value % 100);
}

static int64_t
full_year(int year, size_t digits)
{
	if (digits == 2)
		return year < 50 ? year + 2000 : year + 1900;
	return digits == 3 ? year + 1900 : year;
}

static bool
read_time(struct reader *r, struct civil *c)
{
	if (!read_number(r, 2, &c->hour, NULL))
		return false;
	if (!read_byte(r, ":.") || !read_number(r, 2, &c->minute, NULL))
		return false;
	if (read_byte(r, ":.") && !read_number(r, 2, &c->second, NULL))
		return false;
	return true;
}

/* "20 Nov 2026 13:26:00 +0000", after the weekday; 20-Nov-2026 too */
static bool
read_mail_date(struct reader *r, struct civil *c, int *zone)
{
	size_t digits;
	int    year;

	if (!read_number(r, 2, &c->day, NULL))
		return false;
	(void)read_byte(r, "-");
	c->month = month_of(read_letters(r));
	(void)read_byte(r, "-");
	if (c->month == 0 || !read_number(r, 4, &year, &digits))
		return false;
	c->year = full_year(year, digits);
	if (!read_time(r, c))
		c->hour = c->minute = c->second = 0;
	*zone = read_zone(r);
	return true;
}

/* "20 13:26:00 GMT 2026 +0000" or "20 2026 13:26:00", after the month: asctime(3), date(1) */
static bool
read_unix_date(struct reader *r, struct civil *c, int *zone)
{
	struct reader before;
	size_t digits;
	int    year;
	bool   time_first;

	if (!read_number(r, 2, &c->day, NULL))
		return false;
	before = *r;
	*zone = 0;
	time_first = read_time(r, c);
	if (time_first) {
		skip_blanks(r);
		if (r->in.len && ascii_alpha(r->in.at[0]))
			*zone = named_zone(read_letters(r));
	} else {
		*r = before;
	}
	if (!read_number(r, 4, &year, &digits))
		return false;
	c->year = full_year(year, digits);
	if (!time_first && !read_time(r, c))
		c->hour = c->minute = c->second = 0;
	skip_blanks(r);
	if (r->in.len)
		*zone = read_zone(r);
	return true;
}

bool
date_parse(struct span in, struct date *out)
{
	struct reader r = {span_first(in, 1000)};
	struct civil  c = {0};
	struct span   word = read_letters(&r);
	int           zone = 0;
	bool          read;

	if (month_of(word) == 0) {       /* it was the weekday, or nothing */
		(void)read_byte(&r, ".");
		word = read_letters(&r);
	}
	c.month = month_of(word);
	read = c.month ? read_unix_date(&r, &c, &zone) : read_mail_date(&r, &c, &zone);
	if (!read || !civil_valid(&c))
		return false;
	*out = date_of(&c, zone);
	return true;
}

static struct span
unquoted(struct span in)
{
	if (in.len >= 2 && in.at[0] == '"' && in.at[in.len - 1] == '"')
		return span_cut(in, 1, in.len - 1);
	return in;
}

static bool
fixed_number(struct span in, size_t at, size_t len, int *value)
{
	uint64_t n;

	if (at + len > in.len || !span_number(span_cut(in, at, at + len), &n))
		return false;
	*value = (int)n;
	return true;
}

/* "17-Jul-1996": how long the day is (1 or 2) decides where the rest is. */
static bool
parse_imap_date(struct span in, size_t day_digits, struct civil *c)
{
	int year;

	if (in.len != day_digits + 9 || in.at[day_digits] != '-' || in.at[day_digits + 4] != '-' ||
	    !fixed_number(in, day_digits + 5, 4, &year))
		return false;
	c->month = month_of(span_cut(in, day_digits + 1, day_digits + 4));
	c->year = year;
	if (in.at[0] == ' ' && day_digits == 2)
		return fixed_number(in, 1, 1, &c->day) && c->month && civil_valid(c);
	return fixed_number(in, 0, day_digits, &c->day) && c->month && civil_valid(c);
}

bool
date_parse_imap_day(struct span in, int64_t *day)
{
	struct civil c = {0};

	in = unquoted(in);
	if (in.len < 10 || in.at[0] == ' ' || !parse_imap_date(in, in.len - 9, &c) || in.len > 11)
		return false;
	*day = days_from_civil(c.year, c.month, c.day);
	return true;
}

bool
date_parse_imap(struct span in, struct date *out)
{
	struct civil c = {0};
	int          zone;

	in = unquoted(in);        /* date-day-fixed "-" month "-" year SP time SP zone */
	if (in.len != 26 || in.at[11] != ' ' || in.at[14] != ':' || in.at[17] != ':' ||
	    in.at[20] != ' ' || (in.at[21] != '+' && in.at[21] != '-'))
		return false;
	if (!fixed_number(in, 12, 2, &c.hour) || !fixed_number(in, 15, 2, &c.minute) ||
	    !fixed_number(in, 18, 2, &c.second) || !fixed_number(in, 22, 4, &zone) ||
	    zone / 100 > 23 || zone % 100 > 59 || !parse_imap_date(span_first(in, 11), 2, &c))
		return false;
	zone = zone / 100 * 60 + zone % 100;
	*out = date_of(&c, in.at[21] == '-' ? -zone : zone);
	return true;
}
