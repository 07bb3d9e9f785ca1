/* SPDX-License-Identifier: MIT */
/* Expressions that are none: the column, and what is said of them. */
#ifndef TESTS_FILTER_BAD_H
#define TESTS_FILTER_BAD_H

#include <stddef.h>

static const struct bad_row {
	const char *text;
	size_t column;
	const char *says;
} bad_rows[] = {
	/* clang-format off */
	{ "", 1,
	    "expected a field, ! or (, not the end" },
	{ "   ", 4,
	    "expected a field, ! or (, not the end" },
	{ "(", 2,
	    "expected a field, ! or (, not the end" },
	{ "priority &&", 12,
	    "expected a field, ! or (, not the end" },
	{ "priority || ", 13,
	    "expected a field, ! or (, not the end" },
	{ "!", 2,
	    "expected a field, ! or (, not the end" },
	{ "()", 2,
	    "expected a field, ! or (, not \")\"" },
	{ "(priority", 10,
	    "expected ): the ( at column 1 is not closed" },
	{ "(priority) && (dest == 7", 25,
	    "expected ): the ( at column 15 is not closed" },
	{ "priority)", 9,
	    "expected an operator, &&, || or the end, not \")\"" },
	{ "(priority dest)", 11,
	    "expected an operator, &&, || or ), not \"dest\"" },
	{ "priority dest", 10,
	    "expected an operator, &&, || or the end, not \"dest\"" },
	{ "priority == true dest", 18,
	    "expected &&, || or the end, not \"dest\"" },
	{ "dest == 7 8", 11,
	    "expected &&, || or the end, not \"8\"" },
	{ "&& priority", 1,
	    "expected a field, ! or (, not \"&&\"" },
	{ "5 < latency_ms", 1,
	    "expected a field, not \"5\": a comparison is FIELD OPERATOR "
	    "VALUE" },
	{ "\"a\" == key_name", 1,
	    "expected a field, not \"a\": a comparison is FIELD OPERATOR "
	    "VALUE" },
	{ "-5", 1,
	    "expected a field, not \"-5\": a comparison is FIELD OPERATOR"
	    " VALUE" },
	{ "latncy_ms > 5", 1,
	    "unknown field \"latncy_ms\": did you mean \"latency_ms\"?" },
	{ "keyname == \"x\"", 1,
	    "unknown field \"keyname\": did you mean \"key_name\"?" },
	{ "Priority", 1,
	    "unknown field \"Priority\": did you mean \"priority\"?" },
	{ "lat", 1,
	    "unknown field \"lat\": did you mean \"latency_ms\"?" },
	{ "foo == 1", 1,
	    "unknown field \"foo\" (-Y help lists them)" },
	{ "destination", 1,
	    "unknown field \"destination\": did you mean \"dest\"?" },
	{ "a_very_long_field_name_that_is_nothing_at_all_and_goes_on =="
	  " 1", 1,
	    "unknown field \"a_very_long_field_name_that_is_nothing_at_all_an..."
	    "\" (-Y help lists them)" },
	{ "key_name < 5", 10,
	    "key_name is a string: \"<\" does not fit it, but == != in co"
	    "ntains matches do" },
	{ "key_name == 5", 13,
	    "key_name is a string: expected text in double quotes, not \""
	    "5\"" },
	{ "key_name == chat::line", 13,
	    "key_name is a string: expected text in double quotes, not \""
	    "chat::line\"" },
	{ "key_name == ", 13,
	    "key_name is a string: expected text in double quotes, not th"
	    "e end" },
	{ "key_name in { \"a\"..\"b\" }", 18,
	    "key_name is a string: ranges are for numbers" },
	{ "key_name contains pong", 19,
	    "key_name is a string: expected text in double quotes, not \""
	    "pong\"" },
	{ "key_name matches pong", 18,
	    "expected a regular expression in double quotes, not \"pong\"" },
	{ "key_name matches \"ab(c\"", 23,
	    "bad regular expression: missing closing parenthesis" },
	{ "key_name matches \"\\x41\\\\d[z-a]\"", 29,
	    "bad regular expression: range out of order in character "
	    "class" },
	{ "key_name matches \"(a)\\\\1\"", 24,
	    "bad regular expression: reference to non-existent subpattern" },
	{ "key_name matches \"a{300}{300}\"", 29,
	    "bad regular expression: quantifier does not follow a "
	    "repeatable item" },
	{ "key_name matches \"(((a{99}){99}){99}){99}\"", 42,
	    "bad regular expression: regular expression is too large" },
	{ "priority == \"x\"", 13,
	    "priority is true or false, not \"x\"" },
	{ "priority == maybe", 13,
	    "priority is true or false, not \"maybe\"" },
	{ "priority == \"true\"", 13,
	    "priority is true or false, not \"true\"" },
	{ "priority == 2", 13,
	    "priority is true or false, not \"2\"" },
	{ "priority < true", 10,
	    "priority is true or false: \"<\" does not fit it, but == != "
	    "do" },
	{ "priority in { true }", 10,
	    "priority is true or false: \"in\" does not fit it, but == !="
	    " do" },
	{ "codec == \"gzip\"", 10,
	    "codec is none, zlib or snappy, not \"gzip\"" },
	{ "codec == gzip", 10,
	    "codec is none, zlib or snappy, not \"gzip\"" },
	{ "codec < zlib", 7,
	    "codec is a word: \"<\" does not fit it, but == != in contain"
	    "s matches do" },
	{ "codec == 1", 10,
	    "codec is none, zlib or snappy, not \"1\"" },
	{ "codec in { none..zlib }", 16,
	    "codec is a word: ranges are for numbers" },
	{ "codec in { none, gzip }", 18,
	    "codec is none, zlib or snappy, not \"gzip\"" },
	{ "codec in none", 10,
	    "expected { after in, not \"none\"" },
	{ "codec in {}", 11,
	    "codec is none, zlib or snappy, not \"}\"" },
	{ "codec in { none, }", 18,
	    "codec is none, zlib or snappy, not \"}\"" },
	{ "codec in { none zlib }", 17,
	    "expected a comma or }, not \"zlib\"" },
	{ "codec in { none", 16,
	    "expected a comma or }, not the end" },
	{ "message == pong", 12,
	    "message is hello, welcome, refuse, error, register, roster, "
	    "roster-reply, echo, echo-reply, keepalive, discard or drain,"
	    " not \"pong\"" },
	{ "type == fram", 9,
	    "type is frame, gap, skip, overlap, malformed, limit, proxy, note "
	    "or clock, not \"fram\"" },
	{ "dir == \"sideways\"", 8,
	    "dir is up or down, not \"sideways\"" },
	{ "dest_type == \"x\"", 14,
	    "dest_type is a number, or hop, node, client, broadcast or an"
	    "y, not \"x\"" },
	{ "dest_type contains \"n\"", 11,
	    "dest_type is a number: \"contains\" does not fit it, but == "
	    "!= < <= > >= in do" },
	{ "dest_type == relay", 14,
	    "dest_type is a number, or hop, node, client, broadcast or an"
	    "y, not \"relay\"" },
	{ "source == \"5\"", 11,
	    "source is a number, not \"5\"" },
	{ "source == five", 11,
	    "source is a number, not \"five\"" },
	{ "source == 5x", 11,
	    "source is a number, not \"5x\"" },
	{ "source == 0x", 11,
	    "source is a number, not \"0x\"" },
	{ "source == -", 11,
	    "source is a number, not \"-\"" },
	{ "source == 1.5", 11,
	    "source is a number, not \"1.5\"" },
	{ "source == dest", 11,
	    "source is a number, not \"dest\"" },
	{ "source == 18446744073709551616", 11,
	    "\"18446744073709551616\" is out of range: numbers are -92233"
	    "72036854775808 to 18446744073709551615" },
	{ "source == -9223372036854775809", 11,
	    "\"-9223372036854775809\" is out of range: numbers are -92233"
	    "72036854775808 to 18446744073709551615" },
	{ "source == 0x10000000000000000", 11,
	    "\"0x10000000000000000\" is out of range: numbers are -922337"
	    "2036854775808 to 18446744073709551615" },
	{ "source == 99999999999999999999999999", 11,
	    "\"99999999999999999999999999\" is out of range: numbers are "
	    "-9223372036854775808 to 18446744073709551615" },
	{ "source in { 5..1 }", 13,
	    "the range is empty: its first end is above its last" },
	{ "source in { 1..2..3 }", 17,
	    "expected a comma or }, not a third end of a range" },
	{ "source in { ..3 }", 13,
	    "source is a number, not \"..\"" },
	{ "source in { 1.. }", 17,
	    "source is a number, not \"}\"" },
	{ "source == 1..2", 12,
	    "expected &&, || or the end, not \"..\"" },
	{ "key == 0x100000000", 8,
	    "\"0x100000000\" is out of range: keys are -2147483648 to 214"
	    "7483647, or 0x0 to 0xffffffff" },
	{ "key == 2147483648", 8,
	    "\"2147483648\" is out of range: keys are -2147483648 to 2147"
	    "483647, or 0x0 to 0xffffffff" },
	{ "key == -2147483649", 8,
	    "\"-2147483649\" is out of range: keys are -2147483648 to 214"
	    "7483647, or 0x0 to 0xffffffff" },
	{ "key in { 0x1..5 }", 10,
	    "both ends of a range of keys are to be 0x... or neither" },
	{ "time == \"now\"", 9,
	    "time is seconds since 1970 with at most 9 decimals, or a date such as \"2026-11-30 12:00\", not \"no"
	    "w\"" },
	{ "time == 0x10", 9,
	    "time is seconds since 1970 with at most 9 decimals, or a date such as \"2026-11-30 12:00\", not \"0x"
	    "10\"" },
	{ "time > 1.1234567890", 8,
	    "time is seconds since 1970 with at most 9 decimals, or a date such as \"2026-11-30 12:00\", not \"1."
	    "1234567890\"" },
	{ "time > 1.", 8,
	    "time is seconds since 1970 with at most 9 decimals, or a date such as \"2026-11-30 12:00\", not \"1."
	    "\"" },
	{ "time == .5", 9,
	    "time is seconds since 1970 with at most 9 decimals, or a date such as \"2026-11-30 12:00\", not \".5"
	    "\"" },
	{ "time > 9223372037", 8,
	    "\"9223372037\" is out of range: times are -9223372036.854775"
	    "807 to 9223372036.854775807" },
	{ "time > 9223372036.854775808", 8,
	    "\"9223372036.854775808\" is out of range: times are -9223372"
	    "036.854775807 to 9223372036.854775807" },
	{ "time > -99999999999", 8,
	    "\"-99999999999\" is out of range: times are -9223372036.8547"
	    "75807 to 9223372036.854775807" },
	{ "src == \"localhost\"", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"localhost\"" },
	{ "src == 127.0.0.1:65536", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"127.0.0.1:65536\"" },
	{ "src == 127.0.0.1:", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"127.0.0.1:\"" },
	{ "src == 127.0.0", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"127.0.0\"" },
	{ "src == [::1", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"[::1\"" },
	{ "src == \"::1]:5\"", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"::1]:5\"" },
	{ "src == \"\"", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"\"" },
	{ "src < 127.0.0.1", 5,
	    "src is an address: \"<\" does not fit it, but == != in conta"
	    "ins matches do" },
	{ "src == (", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BITS, not "
	    "\"(\"" },
	{ "payload == 5", 12,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"5\"" },
	{ "payload == a:b", 12,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"a:b\"" },
	{ "payload == 0a-0b", 12,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"0a-0b\"" },
	{ "payload matches 0a", 17,
	    "expected a regular expression in double quotes, not \"0a\"" },
	{ "payload < \"x\"", 9,
	    "payload is bytes: \"<\" does not fit it, but == != in contai"
	    "ns matches do" },
	{ "payload == 0x123", 12,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"0x123\"" },
	{ "payload == 0x", 12,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"0x\"" },
	{ "payload contains 0a:0b:", 18,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"0a:0b:\"" },
	{ "payload contains zz", 18,
	    "payload is bytes: expected \"text\" or hexadecimal bytes suc"
	    "h as 0a:0b:0c, not \"zz\"" },
	{ "priority = true", 10,
	    "\"=\" alone is no operator: write ==" },
	{ "priority & header", 10,
	    "\"&\" alone is no operator: write &&" },
	{ "priority | header", 10,
	    "\"|\" alone is no operator: write ||" },
	{ "key_name == 'x'", 13,
	    "strings are put in double quotes, not single ones" },
	{ "key_name ~ \"x\"", 10,
	    "\"~\" is no operator: write matches" },
	{ "priority % 2", 10,
	    "unexpected character \"%\"" },
	{ "priorit\303\244t", 1,
	    "unknown field \"priorit\303\244t\": did you mean \"priority"
	    "\"?" },
	{ "key_name == \"x", 13,
	    "string without its closing \"" },
	{ "key_name == \"x\\", 13,
	    "string without its closing \"" },
	{ "key_name == \"a\\q\"", 15,
	    "unknown escape: expected \\\" \\\\ \\n or \\xNN (a backslash"
	    " itself is \\\\)" },
	{ "key_name == \"a\\x5\"", 15,
	    "expected two hexadecimal digits after \\x" },
	{ "key_name == \"a\\xg5\"", 15,
	    "expected two hexadecimal digits after \\x" },
	{ "key_name == \"\\.\" && priority", 14,
	    "unknown escape: expected \\\" \\\\ \\n or \\xNN (a backslash"
	    " itself is \\\\)" },
	{ "key_name == \"\346\227\245\346\234\254\" priority", 18,
	    "expected &&, || or the end, not \"priority\"" },
	{ "key_name == \"\303\274\" && latncy", 20,
	    "unknown field \"latncy\": did you mean \"latency_ms\"?" },
	{ "priority < 5 < 6", 10,
	    "priority is true or false: \"<\" does not fit it, but == != "
	    "do" },
	{ "1..2", 1,
	    "expected a field, not \"1\": a comparison is FIELD OPERATOR "
	    "VALUE" },
	{ "..", 1,
	    "expected a field, ! or (, not \"..\"" },
	{ "priority AND header", 10,
	    "expected an operator, &&, || or the end, not \"AND\"" },
	{ "key_name contains", 18,
	    "key_name is a string: expected text in double quotes, not th"
	    "e end" },
	{ "dest == ==", 9,
	    "dest is a number, not \"==\"" },
	{ "dest == 7 \001", 11,
	    "unexpected byte 0x01" },
	{ "dest == 7 \377", 11,
	    "unexpected byte 0xff" },
	{ "payloud == \"x\"", 1,
	    "unknown field \"payloud\": did you mean \"payload\"?" },
	{ "source_id == 5", 1,
	    "unknown field \"source_id\": did you mean \"source\"?" },
	{ "prority", 1,
	    "unknown field \"prority\": did you mean \"priority\"?" },
	{ "codec == \"a\tb\346\227\245\346\234\254\350\252\236\346\227"
	  "\245\346\234\254\350\252\236\346\227\245\346\234\254\350\252"
	  "\236\346\227\245\346\234\254\350\252\236\346\227\245\346\234"
	  "\254\350\252\236\346\227\245\346\234\254\350\252\236\346\227"
	  "\245\346\234\254\350\252\236\346\227\245\346\234\254\350\252"
	  "\236\"", 10,
	    "codec is none, zlib or snappy, not \"a?b\346\227\245\346\234"
	    "\254\350\252\236\346\227\245\346\234\254\350\252\236\346\227"
	    "\245\346\234\254\350\252\236\346\227\245\346\234\254\350\252"
	    "\236..." },
	{ "payload[", 9,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[]", 9,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[0:4", 12,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[a:4] == 00", 9,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[0:0] == 00", 12,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[0:-1] == 00", 13,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[4-1] == 00", 12,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[0: 4] == 00", 11,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[-1-2] == 00", 13,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[1:2:3] == 00", 12,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "payload[12345678901:1]", 19,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:]"
	    " or [:LENGTH], without blanks" },
	{ "size[0:1] == 5", 5,
	    "size is no bytes and no string: it has no slices" },
	{ "src[0:1] == \"1\"", 4,
	    "src is no bytes and no string: it has no slices" },
	{ "paylod[0:4] == 00", 1,
	    "unknown field \"paylod\": did you mean \"payload\"?" },
	{ "message.cde == 5", 1,
	    "unknown field \"message.cde\": did you mean \"message.code"
	    "\"?" },
	{ "message.code == five", 17,
	    "message.code is a number, not \"five\"" },
	{ "message.token == \"x\"", 18,
	    "message.token is true or false, not \"x\"" },
	{ "header.destt == 7", 1,
	    "unknown field \"header.destt\": did you mean \"header\"?" },
	{ "src == 10.0.0.0/33", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BI"
	    "TS, not \"10.0.0.0/33\"" },
	{ "src == 10.0.0.0/", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BI"
	    "TS, not \"10.0.0.0/\"" },
	{ "src == 10.0.0/8", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BI"
	    "TS, not \"10.0.0/8\"" },
	{ "src == fd00::/129", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BI"
	    "TS, not \"fd00::/129\"" },
	{ "src == 10.0.0.0/8:26000", 8,
	    "src is an address: expected ADDR, \"ADDR:PORT\" or ADDR/BI"
	    "TS, not \"10.0.0.0/8:26000\"" },
	{ "dst == 10.1.2.3/8", 8,
	    "\"10.1.2.3/8\" has bits behind its first 8: did you mean 1"
	    "0.0.0.0/8?" },
	{ "addr == fd00::1/64", 9,
	    "\"fd00::1/64\" has bits behind its first 64: did you mean "
	    "fd00::/64?" },
	{ "src.ip == \"10.0.0.1:5\"", 11,
	    "src.ip is an address without a port: expected ADDR or ADDR"
	    "/BITS, not \"10.0.0.1:5\"" },
	{ "src.ip == [::1]:5", 11,
	    "src.ip is an address without a port: expected ADDR or ADDR"
	    "/BITS, not \"[::1]:5\"" },
	{ "src.ip < 10.0.0.1", 8,
	    "src.ip is an address: \"<\" does not fit it, but == != in "
	    "contains matches do" },
	{ "src in { 10.0.0.9..10.0.0.1 }", 10,
	    "the range is empty: its first end is above its last" },
	{ "src in { 10.0.0.1..x }", 20,
	    "expected an address without a port as the last of the rang"
	    "e" },
	{ "src in { 10.0.0.1:5..10.0.0.9 }", 10,
	    "expected an address without a port as the first of the ran"
	    "ge" },
	{ "src in { 10.0.0.1..10.0.0.2..10.0.0.3 }", 28,
	    "expected a comma or }, not a third end of a range" },
	{ "src in { 10.0.0.0/8..11.0.0.0 }", 20,
	    "expected a comma or }, not a third end of a range" },
	{ "time > \"2026-02-30\"", 8,
	    "\"2026-02-30\" is no time: that month has no such day" },
	{ "time > 2026-13-01", 8,
	    "\"2026-13-01\" is no time: there is no such month" },
	{ "time > \"2026-11-30 24:00\"", 8,
	    "\"2026-11-30 24:00\" is no time: there is no such time of "
	    "day" },
	{ "time > \"12:00\"", 8,
	    "\"12:00\" is no time: a date is to precede the time of day" },
	{ "time > 12:00:05", 8,
	    "\"12:00:05\" is no time: a date is to precede the time of "
	    "day" },
	{ "time > \"2026-11-30 12:00 CET\"", 8,
	    "\"2026-11-30 12:00 CET\" is no time: a zone is Z, UTC or s"
	    "uch as +02:00" },
	{ "time > \"2262-01-01\"", 8,
	    "\"2262-01-01\" is no time: the year is to be from 1678 to "
	    "2261" },
	{ "time > \"2026-11-30 12:00:00.1234567890\"", 8,
	    "\"2026-11-30 12:00:00.1234567890\" is no time: a second ha"
	    "s at most 9 decimals" },
	{ "time > 2026-11-30 12:00", 19,
	    "expected &&, || or the end, not \"12:00\"" },
	{ "time in { \"2026-12-01\"..\"2026-11-01\" }", 11,
	    "the range is empty: its first end is above its last" },
	/* clang-format on */
};

#endif
