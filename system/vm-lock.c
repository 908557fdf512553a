/* system/vm-lock.c - the one big lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/vm-lock.h"

#include <glib.h>

static GMutex mutex;
static __thread bool is_held;

void vm_lock(void)
{
    g_assert(!is_held);
    g_mutex_lock(&mutex);
    is_held = true;
}

void vm_unlock(void)
{
    g_assert(is_held);
    is_held = false;
    g_mutex_unlock(&mutex);
}

bool vm_lock_held(void)
{
    return is_held;
}
