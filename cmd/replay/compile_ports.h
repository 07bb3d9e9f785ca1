/* SPDX-License-Identifier: MIT */
/*
 * compile_ports - on which ports of a capture are there relays?
 *
 * Where any port will do, the pipeline tells the first frames of a stream only
 * once it knows what they are, late and out of order with other streams. A
 * tape wants them in order: so the captures are read once to find the ports,
 * and then again.
 */
#ifndef REPLAY_COMPILE_PORTS_H
#define REPLAY_COMPILE_PORTS_H

#include "cmd/replay/tape/compile.h"

/*
 * Replaces any_port in *cap by the ports that were found. Leaves it as it is
 * where a capture can be read only once, has too many, or can not be read
 * (whoever reads it next will tell).
 */
void compile_find_ports(const struct compile_settings *set,
    const struct cap_keylog *keylog, struct cap_settings *cap);

#endif
