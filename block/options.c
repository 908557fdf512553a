/* block/options.c - -drive and -blockdev: from a dict to a node.
 * Owner: main loop.  Page: docs/block.md.  Test: tests/unit/block/block-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/node.h"

#include "system/runstate.h"
#include "util/error.h"

#include <string.h>

enum { FILE_DEPTH_MAX = 4 };

/* Every key that is understood; the values of some are fixed. */
static const struct {
    const char *key;
    const char *only; /* words accepted, separated by blanks; NULL: read elsewhere */
} keys[] = {
    {"driver", "raw file host_device"},
    {"format", "raw"},
    {"node-name", NULL}, {"id", NULL}, {"file", NULL}, {"filename", NULL}, {"read-only", NULL}, {"readonly", NULL},
    {"auto-read-only", NULL}, {"cache", NULL}, {"cache.writeback", NULL},
    {"cache.direct", NULL}, {"cache.no-flush", NULL}, {"locking", "auto on off"},
    {"discard", "ignore off unmap on"}, {"detect-zeroes", "off"}, {"aio", "threads"},
    {"werror", NULL}, {"rerror", NULL}, {"if", NULL}, {"index", NULL}, {"media", "disk"}, {"force-share", NULL},
};

static bool is_word_of(const char *word, const char *words)
{
    g_auto(GStrv) all = g_strsplit(words, " ", -1);

    return g_strv_contains((const char *const *)all, word);
}

static bool check_key(const char *key, const Json *value, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *word = json_is(value, JSON_STRING) ? json_get_string(value) : NULL;

        if (!strcmp(keys[i].key, key)) {
            return !keys[i].only || !word || is_word_of(word, keys[i].only) ||
                   fail(errp, "disk: '%s' is '%s'; supported: %s", key, word, keys[i].only);
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", keys[i].key);
    }
    return fail(errp, "disk: unknown option '%s'; there are: %s", key, known->str);
}

static bool check_keys(const Json *options, GError **errp)
{
    for (size_t i = 0; i < json_size(options); i++) {
        if (!check_key(json_key_at(options, i), json_value_at(options, i), errp)) {
            return false;
        }
    }
    return true;
}

/* A boolean of JSON or of a command line. */
static bool get_flag(const Json *dict, const char *key, bool *ret, GError **errp)
{
    const Json *value = dict ? json_get(dict, key) : NULL;
    const char *word = json_is(value, JSON_STRING) ? json_get_string(value) : NULL;

    if (!value) {
        return true;
    }
    if (json_is(value, JSON_BOOL)) {
        *ret = json_get_bool(value);
        return true;
    }
    if (!word || !is_word_of(word, "on off yes no true false")) {
        return fail(errp, "disk: '%s' expects 'on' or 'off'", key);
    }
    *ret = is_word_of(word, "on yes true");
    return true;
}

static const struct CacheMode {
    const char *name;
    bool is_through, is_direct, no_flush;
} cache_modes[] = {
    {"writeback"}, {"writethrough", .is_through = true}, {"none", .is_direct = true},
    {"directsync", .is_through = true, .is_direct = true}, {"unsafe", .no_flush = true},
};

static bool take_cache_mode(BlockNode *n, const char *mode, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(cache_modes); i++) {
        const struct CacheMode *m = &cache_modes[i];

        if (!strcmp(mode, m->name)) {
            n->is_through = m->is_through;
            n->is_direct = m->is_direct;
            n->no_flush = m->no_flush;
            return true;
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", m->name);
    }
    return fail(errp, "disk: cache mode '%s' is not known; there are: %s", mode, known->str);
}

static bool take_cache(BlockNode *n, const Json *options, GError **errp)
{
    const Json *cache = json_get(options, "cache");
    const char *mode = json_is(cache, JSON_STRING) ? json_get_string(cache) : NULL;
    bool is_cached;

    if (json_is(cache, JSON_DICT)) {
        return get_flag(cache, "direct", &n->is_direct, errp) && get_flag(cache, "no-flush", &n->no_flush, errp);
    }
    if (mode && !take_cache_mode(n, mode, errp)) {
        return false;
    }
    is_cached = !n->is_through;
    if (!get_flag(options, "cache.writeback", &is_cached, errp)) {
        return false;
    }
    n->is_through = !is_cached;
    return get_flag(options, "cache.direct", &n->is_direct, errp) &&
           get_flag(options, "cache.no-flush", &n->no_flush, errp);
}

static bool take_policy(const Json *options, const char *key, ErrorPolicy otherwise, ErrorPolicy *ret, GError **errp)
{
    static const char *const names[] = {"report", "ignore", "stop", "enospc"};
    const char *word = json_get_str(options, key);

    *ret = otherwise;
    if (!word || !strcmp(word, "auto")) {
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(word, names[i])) {
            *ret = i;
            return true;
        }
    }
    return fail(errp, "disk: '%s' is '%s'; there are: report, ignore, stop, enospc", key, word);
}

static bool take_flags(BlockNode *n, const Json *options, GError **errp)
{
    const char *discard = json_get_str(options, "discard"), *locking = json_get_str(options, "locking");
    bool read_only = false;

    if (!get_flag(options, "read-only", &read_only, errp) || !get_flag(options, "readonly", &read_only, errp) ||
        !take_cache(n, options, errp) || !take_policy(options, "werror", POLICY_ENOSPC, &n->write_policy, errp) ||
        !take_policy(options, "rerror", POLICY_REPORT, &n->read_policy, errp)) {
        return false;
    }
    n->wants_write = !read_only;
    n->can_discard = discard && is_word_of(discard, "unmap on");
    n->no_locking = locking && !strcmp(locking, "off");
    return true;
}

/* Follows "file" through dicts to a path, or to a node that exists. */
static bool take_file(BlockNode *n, const Json *options, unsigned depth, GError **errp)
{
    const Json *file = json_get(options, "file");
    const char *path = json_get_str(options, "filename");
    const char *text = json_is(file, JSON_STRING) ? json_get_string(file) : NULL;

    if (json_is(file, JSON_DICT)) {
        if (depth == FILE_DEPTH_MAX) {
            return fail(errp, "disk '%s': 'file' is nested too deep", n->name);
        }
        return check_keys(file, errp) && take_file(n, file, depth + 1, errp);
    }
    if (text && json_get(options, "driver") && (n->below = block_find(text))) {
        return n->below->user == NULL || fail(errp, "disk '%s' is already used by '%s'", text, n->below->user);
    }
    if (!path && !text) {
        return fail(errp, "disk '%s': Parameter 'filename' is missing", n->name);
    }
    path = path ? path : text;
    n->filename = g_strdup(g_str_has_prefix(path, "file:") ? path + 5 : path);
    return true;
}

static bool open_node(BlockNode *n, GError **errp)
{
    /* A process that waits for a guest does not own its disks yet: no lock, no writing. */
    RawAccess access = n->wants_write && runstate_get() != RUN_STATE_INMIGRATE ? RAW_WRITE : RAW_READ;

    if (n->below) {
        n->below->above++;
        n->fd = -1;
        return true;
    }
    if (!raw_open(n, access, errp)) {
        g_prefix_error(errp, "disk '%s': ", n->name);
        return false;
    }
    return true;
}

bool block_add(const Json *options, GError **errp)
{
    static unsigned unnamed;
    const char *name = json_get_str(options, "node-name");
    BlockNode *n = g_new0(BlockNode, 1);

    name = name ? name : json_get_str(options, "id");
    n->name = name ? g_strdup(name) : g_strdup_printf("#block%u", unnamed++);
    n->fd = -1;
    g_mutex_init(&n->sync_lock);
    if (block_find(n->name)) {
        fail(errp, "Duplicate disk name '%s'", n->name);
    } else if (check_keys(options, errp) && take_flags(n, options, errp) && take_file(n, options, 0, errp) &&
               open_node(n, errp)) {
        g_ptr_array_add(block_nodes(), n);
        return true;
    }
    g_mutex_clear(&n->sync_lock);
    g_free(n->name);
    g_free(n->filename);
    g_free(n);
    return false;
}
