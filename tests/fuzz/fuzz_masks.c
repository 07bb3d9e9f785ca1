/* SPDX-License-Identifier: MIT */
/*
 * Any text as --ignore: it is refused, and why is told, or its masks hide what
 * they say: whole fields, and bytes from and to a place.
 */
#include "cmd/replay/play/diff.h"

#include "tests/fuzz/fuzz.h"

static void
check(const struct diff_masks *masks)
{
	uint32_t fields = diff_masked_fields(masks);

	MUST_HOLD(masks->n <= DIFF_MASKS_MAX);
	for (size_t i = 0; i < masks->n; i++) {
		const struct diff_mask *mask = &masks->masks[i];

		MUST_HOLD((size_t)mask->field < DIFF_N_FIELDS);
		if (mask->last != 0) {
			MUST_HOLD(mask->from == 0 && mask->to == 0);
			MUST_HOLD(diff_byte_is_masked(
			    masks, UINT64_MAX - 1, UINT64_MAX, false));
			continue;
		}
		if (mask->from == 0 && mask->to == 0) {
			MUST_HOLD(fields & DIFF_BIT(mask->field));
			continue;
		}
		MUST_HOLD(mask->to == 0 || mask->from < mask->to);
		MUST_HOLD(
		    diff_byte_is_masked(masks, mask->from, UINT64_MAX, false));
		if (mask->to != 0)
			MUST_HOLD(diff_byte_is_masked(
			    masks, mask->to - 1, UINT64_MAX, false));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diff_masks masks = { .n = 0 };
	char err[CLI_ERR_CHARS] = "";
	char *text = malloc(size + 1);

	MUST_HOLD(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (diff_masks_parse(&masks, text, err))
		check(&masks);
	else
		MUST_HOLD(err[0] != '\0');
	free(text);
	return 0;
}
