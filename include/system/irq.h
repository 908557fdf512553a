/* include/system/irq.h - a wire from one device to another.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef void IrqFn(void *opaque, int n, bool level);
typedef struct Irq {
    IrqFn *fn; /* NULL: not connected */
    void *opaque;
    int n;
} Irq;

static inline void irq_set(const Irq *irq, bool level)
{
    if (irq->fn) {
        irq->fn(irq->opaque, irq->n, level);
    }
}

/* Named arrays of inputs of a device, so that boards and qtest find them by object path.  Names: NULL is
 * "unnamed-gpio-in".  The qtest server intercepts inputs or outputs by wrapping what is registered here. */
struct Object;
void irq_inputs_add(struct Object *owner, const char *name, IrqFn *fn, void *opaque, int count);
bool irq_input(struct Object *owner, const char *name, int n, Irq *ret);         /* false: no such input */
void irq_outputs_add(struct Object *owner, const char *name, Irq *lines, int count); /* where the device keeps its wires */
void irq_forget(struct Object *owner);
/* qtest: each change of the owner's inputs (outputs) also calls fn. */
bool irq_intercept_in(struct Object *owner, IrqFn *fn, void *opaque);
bool irq_intercept_out(struct Object *owner, const char *name, IrqFn *fn, void *opaque);
