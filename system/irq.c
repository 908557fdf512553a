/* system/irq.c - named inputs and outputs of devices, and how a qtest listens to them.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/irq.h"

typedef struct Lines {
    struct Object *owner;
    char *name;
    IrqFn *fn; /* inputs: the device's */
    void *opaque;
    int count;
    Irq *outputs;   /* outputs: where the device keeps its wires */
    Irq *connected; /* outputs: what they were before the interception */
    IrqFn *watch;   /* who listens */
    void *watch_opaque;
} Lines;

static GPtrArray *inputs, *outputs; /* of Lines */

static Lines *lines_find(GPtrArray *all, struct Object *owner, const char *name)
{
    for (unsigned i = 0; all && i < all->len; i++) {
        Lines *l = all->pdata[i];

        if (l->owner == owner && !g_strcmp0(l->name, name)) {
            return l;
        }
    }
    return NULL;
}

static Lines *lines_add(GPtrArray **all, struct Object *owner, const char *name, int count)
{
    Lines *l = g_new0(Lines, 1);

    if (!*all) {
        *all = g_ptr_array_new();
    }
    l->owner = owner;
    l->name = g_strdup(name);
    l->count = count;
    g_ptr_array_add(*all, l);
    return l;
}

static void input_fire(void *opaque, int n, bool level)
{
    Lines *l = opaque;

    if (l->watch) {
        l->watch(l->watch_opaque, n, level);
    }
    l->fn(l->opaque, n, level);
}

static void output_fire(void *opaque, int n, bool level)
{
    Lines *l = opaque;

    if (l->watch) {
        l->watch(l->watch_opaque, n, level);
    }
    irq_set(&l->connected[n], level);
}

void irq_inputs_add(struct Object *owner, const char *name, IrqFn *fn, void *opaque, int count)
{
    Lines *l = lines_add(&inputs, owner, name, count);

    l->fn = fn;
    l->opaque = opaque;
}

bool irq_input(struct Object *owner, const char *name, int n, Irq *ret)
{
    Lines *l = lines_find(inputs, owner, name);

    if (!l || n < 0 || n >= l->count) {
        return false;
    }
    *ret = (Irq){input_fire, l, n};
    return true;
}

void irq_outputs_add(struct Object *owner, const char *name, Irq *lines, int count)
{
    lines_add(&outputs, owner, name, count)->outputs = lines;
}

static void lines_forget(GPtrArray *all, struct Object *owner)
{
    for (unsigned i = all ? all->len : 0; i > 0; i--) {
        Lines *l = all->pdata[i - 1];

        if (l->owner == owner) {
            g_ptr_array_remove_index(all, i - 1);
            g_free(l->name);
            g_free(l->connected);
            g_free(l);
        }
    }
}

void irq_forget(struct Object *owner)
{
    lines_forget(inputs, owner);
    lines_forget(outputs, owner);
}

bool irq_intercept_in(struct Object *owner, IrqFn *fn, void *opaque)
{
    Lines *l = lines_find(inputs, owner, NULL);

    if (!l) {
        return false;
    }
    l->watch = fn;
    l->watch_opaque = opaque;
    return true;
}

bool irq_intercept_out(struct Object *owner, const char *name, IrqFn *fn, void *opaque)
{
    Lines *l = lines_find(outputs, owner, name);

    if (!l) {
        return false;
    }
    if (!l->connected) {
        l->connected = g_memdup2(l->outputs, l->count * sizeof(Irq));
        for (int i = 0; i < l->count; i++) {
            l->outputs[i] = (Irq){output_fire, l, i};
        }
    }
    l->watch = fn;
    l->watch_opaque = opaque;
    return true;
}
