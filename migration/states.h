/* migration/states.h - device state and parts as sections.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmstate/vmstate.h"

void states_init(void); /* registers "timer" and "globalstate" */
/* Run state before the guest was stopped: what globalstate carries. */
void states_set_run_state(const char *name);
const char *states_loaded_run_state(void);

/* Sections of [first, last], with vm_lock held; `description` (may be NULL) gets their JSON, comma-separated. */
void states_save(VMStateSavePhase first, VMStateSavePhase last, StateWriter *w, GString *description);
bool states_save_parts(StateWriter *w, GString *description, GError **errp); /* takes vm_lock */
void states_put_configuration(StateWriter *w, const char *machine, const char *uuid, GString *description);
/* Sections up to EOF (or the description), vm_lock held. */
bool states_load(StateReader *r, GError **errp);
/* Each table of ours has come, once; a device whose state did not come would start from scratch under the guest. */
bool states_check_all(GError **errp);
void states_forget_loaded(void);
