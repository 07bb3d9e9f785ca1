/* SPDX-License-Identifier: MIT */
/*
 * orders - the byte orders that peers were found to speak: BYTE ORDER of
 * bluenet-wire(5). One for a process; its sessions share it, on any thread.
 *
 * Memory is fixed: what is found beyond ORDERS_MAX addresses is not kept, and
 * is found again for the next connection.
 */
#ifndef SESSION_ORDERS_H
#define SESSION_ORDERS_H

#include "cmd/common/address.h"
#include "proto/frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define ORDERS_MAX 64

struct order_found {
	enum bnet_order order; /* AUTO: nothing is known of that address */
	bool any; /* it sent a welcome, so it understands both */
	bool doubtful; /* the last connection in that order had no answer */
	bool stock; /* it answers pings, and sent no welcome in time */
};

struct orders {
	pthread_mutex_t lock; /* of all below */
	size_t n;
	struct {
		struct address address;
		struct order_found found;
	} known[ORDERS_MAX];
};

/* "little", also for AUTO, or "network". */
const char *orders_name(enum bnet_order order);

void orders_init(struct orders *orders);
void orders_free(struct orders *orders);

struct order_found
orders_find(struct orders *orders, const struct address *address);

/*
 * Keep what a peer was found to speak; it is not doubtful. True: this is new
 * for that address.
 */
bool orders_keep(struct orders *orders, const struct address *address,
    enum bnet_order order, bool any);

/* A stock peer: it sends no welcome in that order. Welcomes correct that. */
void orders_stock(struct orders *orders, const struct address *address,
    enum bnet_order order);

/* A connection in the order that was found for the address had no answer. */
void orders_doubt(struct orders *orders, const struct address *address);

#endif
