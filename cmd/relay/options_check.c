/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options_impl.h"

#include <stdarg.h>
#include <stdio.h>

/* Says why, and is false. */
static bool __attribute__((format(printf, 2, 3)))
refuse(char err[RELAY_ERR_CHARS], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, RELAY_ERR_CHARS, fmt, ap);
	va_end(ap);
	return false;
}

/* DESIGN: what is reached from other machines is authenticated. */
static bool
check_loopback(const struct relay_addresses *list, const char *name,
    const char *instead, char err[RELAY_ERR_CHARS])
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < list->n; i++)
		if (!address_is_loopback(&list->at[i]))
			return refuse(err,
			    "%s: '%s': expected a loopback address; %s, or"
			    " --insecure to do it all the same",
			    name, address_format(&list->at[i], text), instead);
	return true;
}

static bool
check_tls(const struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	if (opt->cert != NULL && opt->key == NULL)
		return refuse(err, "cert: expected key with it: add --key");
	if (opt->key != NULL && opt->cert == NULL)
		return refuse(err, "key: expected cert with it: add --cert");
	if (opt->listen_tls.n > 0 && opt->cert == NULL)
		return refuse(err,
		    "listen-tls: expected a certificate: add --cert FILE"
		    " and --key FILE");
	return true;
}

static bool
check_ids(
    const char *name, uint64_t from, uint64_t n, char err[RELAY_ERR_CHARS])
{
	if (n - 1 > (uint64_t)INT64_MAX - from)
		return refuse(err,
		    "%s: '%llu': expected room for %llu ids (--ids) below"
		    " 2^63",
		    name, (unsigned long long)from, (unsigned long long)n);
	return true;
}

bool
relay_options_check(const struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	if (!check_tls(opt, err) ||
	    !check_ids("clients-from", opt->clients_from, opt->n_ids, err) ||
	    !check_ids("nodes-from", opt->nodes_from, opt->n_ids, err))
		return false;
	if (opt->queue_bytes > opt->memory_bytes)
		return refuse(err,
		    "queue: '%llu': expected at most --memory, which is %llu",
		    (unsigned long long)opt->queue_bytes,
		    (unsigned long long)opt->memory_bytes);
	return opt->insecure ||
	    (check_loopback(
		 &opt->listen, "listen", "use --listen-tls for others", err) &&
		check_loopback(&opt->metrics, "metrics",
		    "put a proxy that asks who it is before it", err));
}
