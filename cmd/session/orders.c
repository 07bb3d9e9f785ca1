/* SPDX-License-Identifier: MIT */
/* Owns nothing but the table and its lock. Called by session.c and the tools. */
#include "cmd/session/orders.h"

#include <string.h>

const char *
orders_name(enum bnet_order order)
{
	return order == BNET_ORDER_NETWORK ? "network" : "little";
}

void
orders_init(struct orders *orders)
{
	memset(orders, 0, sizeof(*orders));
	pthread_mutex_init(&orders->lock, NULL);
}

void
orders_free(struct orders *orders)
{
	pthread_mutex_destroy(&orders->lock);
}

/* NULL: the address is not known. Under the lock. */
static struct order_found *
find(struct orders *orders, const struct address *address)
{
	for (size_t i = 0; i < orders->n; i++)
		if (orders->known[i].address.len_bytes == address->len_bytes &&
		    memcmp(&orders->known[i].address.sa, &address->sa,
			address->len_bytes) == 0)
			return &orders->known[i].found;
	return NULL;
}

struct order_found
orders_find(struct orders *orders, const struct address *address)
{
	struct order_found found = { .order = BNET_ORDER_AUTO };
	const struct order_found *known;

	pthread_mutex_lock(&orders->lock);
	known = find(orders, address);
	if (known != NULL)
		found = *known;
	pthread_mutex_unlock(&orders->lock);
	return found;
}

/* Under the lock; NULL: no room. */
static struct order_found *
find_or_add(struct orders *orders, const struct address *address)
{
	struct order_found *known = find(orders, address);

	if (known != NULL || orders->n == ORDERS_MAX)
		return known;
	orders->known[orders->n].address = *address;
	known = &orders->known[orders->n++].found;
	*known = (struct order_found){ .order = BNET_ORDER_AUTO };
	return known;
}

bool
orders_keep(struct orders *orders, const struct address *address,
    enum bnet_order order, bool any)
{
	struct order_found *known;
	bool news;

	pthread_mutex_lock(&orders->lock);
	known = find_or_add(orders, address);
	news = known == NULL || known->order != order;
	if (known != NULL)
		*known = (struct order_found){ .order = order, .any = any };
	pthread_mutex_unlock(&orders->lock);
	return news;
}

void
orders_stock(
    struct orders *orders, const struct address *address, enum bnet_order order)
{
	struct order_found *known;

	pthread_mutex_lock(&orders->lock);
	known = find_or_add(orders, address);
	if (known != NULL)
		*known = (struct order_found){ .order = order, .stock = true };
	pthread_mutex_unlock(&orders->lock);
}

void
orders_doubt(struct orders *orders, const struct address *address)
{
	struct order_found *known;

	pthread_mutex_lock(&orders->lock);
	known = find(orders, address);
	if (known != NULL)
		known->doubtful = true;
	pthread_mutex_unlock(&orders->lock);
}
