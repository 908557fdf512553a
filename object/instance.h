/* object/instance.h - between the files of object/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "object/object.h"

/* Allocates with the properties' defaults; not in the tree. */
Object *instance_new(const ObjectType *type);
void instance_free(Object *o);
/* Puts o below parent as id, or as "device[N]" when id is NULL. */
void tree_add(Object *parent, Object *o, const char *id);
void tree_remove(Object *o);
