// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-names: see kernel-names.h.
 *
 *   BTF -> [kernel-names] -> kernel
 *
 * Numbers differ from one kernel to the next: 19 is an unknown page on 6.1 and an already poisoned
 * one on 6.12. So names are read from the types of the kernel that runs, once.
 */
#include "config.h"

#ifdef HAVE_BPF

#include <ctype.h>
#include <string.h>

#include <bpf/btf.h>

#include "source/kernel-names.h"

static void make_name(char *ret, size_t n_bytes, const char *from, const char *prefix)
{
	size_t n = 0;

	if (!strncmp(from, prefix, strlen(prefix)))
		from += strlen(prefix);
	for (; *from && n < n_bytes - 1; from++, n++)
		ret[n] = *from == '_' ? '-' : (char)tolower((unsigned char)*from);
	ret[n] = '\0';
}

void kernel_names_read(const struct btf *btf, const char *enum_name, const char *prefix,
		       struct kernel_names *ret)
{
	int id = btf__find_by_name_kind(btf, enum_name, BTF_KIND_ENUM);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_enum *values = type ? btf_enum(type) : NULL;
	unsigned n_values = type ? btf_vlen(type) : 0;

	for (unsigned i = 0; i < n_values && ret->n < KERNEL_MAX_NAMES; i++) {
		const char *name = btf__name_by_offset(btf, values[i].name_off);

		if (!name || !*name)
			continue;
		ret->names[ret->n].value = values[i].val;
		make_name(ret->names[ret->n].text, sizeof(ret->names[0].text), name, prefix);
		ret->n++;
	}
}

const char *kernel_name_of(const struct kernel_names *names, int value)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->names[i].value == value)
			return names->names[i].text;
	return "unknown";
}

#endif
