/* ui/spice/sasl.h - the link stage's SASL steps (mechanism 2), and the layer that some mechanisms put over the wire.
 * Page: docs/spice.md
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "link.h"

#define SASL_NAME_MAX 100               /* bytes of a mechanism's name */
#define SASL_DATA_MAX (1024 * 1024)     /* bytes that a round may have, either way */
#define SASL_ROUNDS_MAX 32

typedef struct SaslStage SaslStage;
bool sasl_init(GError **errp);          /* once; fails where SASL is not built in */
void sasl_stage_start(SpiceLink *l);    /* says the mechanisms */
void sasl_take_name_size(SpiceLink *l);
void sasl_take_name(SpiceLink *l);
void sasl_take_size(SpiceLink *l);
void sasl_take_data(SpiceLink *l);
void sasl_stage_over(SpiceLink *l);     /* its result is out: from here on the layer, if one was agreed; the link's result */
void sasl_stage_free(SaslStage *s);     /* NULL allowed */
