#!/usr/bin/env python3
# qapi/gen.py - writes C, the introspection data and the QMP reference from the schema.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: gen.py --out DIR [--prefix P] [--config CONFIG_X ...] SCHEMA.json

How the schema maps to C ('-' and '.' in names become '_'; C's own words get 'q_' in front):

  struct Foo            typedef struct Foo Foo, members in order, a base's members first
  optional scalar x     bool has_x; before x           (scalar: numbers, bool, enums)
  str                   char *                         (absent: NULL)
  struct, union, ...    pointer                        (absent: NULL)
  ['Foo']               FooList {FooList *next; Foo *value;}  strList: char *value, intList: int64_t value ...
  any                   Json *
  enum FooBar 'a-b'     FOO_BAR_A_B, FOO_BAR__MAX; FooBar_str(v), FooBar_from_str(text) (-1: none)
  union                 struct {base members; union {Branch *branch;} u;}; the discriminator chooses
  alternate             struct {JsonType type; union {...} u;}
  each type             Json *Foo_to_json(const Foo *), Foo *Foo_from_json(const Json *, const char *path, GError **),
                        Foo_free; also for lists
  command do-it         with 'returns': Ret *qmp_do_it(const DoItArgs *args, GError **errp); list: FooList *, where NULL
                        without error is the empty list; str: char *.  Without: bool qmp_do_it(const DoItArgs *, GError **)
                        No data: the first parameter is missing.  'data': 'Named': that struct instead of DoItArgs.
                        'gen': false: Json *qmp_do_it(const Json *args, GError **errp)
  event DID_IT          void qapi_event_DID_IT(const DidItEvent *data), or (void); any thread
"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from introspect import introspection  # noqa: E402
from reference import reference       # noqa: E402
from schema import BUILTINS, Schema, SchemaError, c_name, upper  # noqa: E402

HEAD = '/* {name} - made from {source} by qapi/gen.py; do not edit.\n * SPDX-License-Identifier: GPL-2.0-or-later */\n'
SCALARS = {name for name in BUILTINS if name not in ('str', 'any')}


class Writer:
    def __init__(self, schema, prefix, source):
        self.schema, self.prefix, self.source = schema, prefix, source
        self.symbol = prefix.replace('-', '_')

    def file(self, name, body):
        return HEAD.format(name=self.prefix + name, source=self.source) + body

    # ---- how a type looks as a member ----

    def is_scalar(self, name):
        return name in SCALARS or self.schema.types[name].kind == 'enum'

    def c_type(self, name):
        if name in BUILTINS:
            return BUILTINS[name][0]
        return f'{name} ' if self.schema.types[name].kind == 'enum' else f'{name} *'

    def own_types(self):
        return [t for t in self.schema.types.values() if t.kind != 'builtin']

    # ---- types ----

    def declare_enum(self, t):
        prefix = t.prefix or upper(t.name)
        values = ''.join(f'    {prefix}_{upper(v)},\n' for v, _ in t.members)
        return (f'typedef enum {t.name} {{\n{values}    {prefix}__MAX,\n}} {t.name};\n'
                f'const char *{t.name}_str(int v);\nint {t.name}_from_str(const char *text);\n\n')

    def member_lines(self, members):
        text = ''
        for m in members:
            if m.optional and self.is_scalar(m.type):
                text += f'    bool has_{c_name(m.name).removeprefix("q_")};\n'
            text += f'    {self.c_type(m.type)}{c_name(m.name)};\n'
        return text

    def declare_struct(self, t):
        body = ''
        if t.kind == 'list':
            body = f'    {t.name} *next;\n    {self.c_type(t.base)}value;\n'
        elif t.kind == 'alternate':
            body = '    JsonType type;\n    union {\n' + self.indent(self.member_lines(t.branches)) + '    } u;\n'
        else:
            body = self.member_lines(self.schema.all_members(t))
            if t.kind == 'union':
                pointers = ''.join(f'        {b} *{c_name(v)};\n' for v, b in t.branches) or '        void *none;\n'
                body += f'    union {{\n{pointers}    }} u;\n'
        return f'struct {t.name} {{\n{body or "    char none;" + chr(10)}}};\n'

    @staticmethod
    def indent(text):
        return ''.join('    ' + line + '\n' for line in text.splitlines())

    def accessors(self, t):
        return (f'extern const QapiType qapi_type_{t.name};\n'
                f'Json *{t.name}_to_json(const {t.name} *v);\n'
                f'{t.name} *{t.name}_from_json(const Json *j, const char *path, GError **errp);\n'
                f'void {t.name}_free({t.name} *v);\n'
                f'G_DEFINE_AUTOPTR_CLEANUP_FUNC({t.name}, {t.name}_free)\n\n')

    def types_h(self):
        own = self.own_types()
        text = '#pragma once\n\n#include "qapi/walk.h"\n\n'
        text += ''.join(self.declare_enum(t) for t in own if t.kind == 'enum')
        records = [t for t in own if t.kind != 'enum']
        # lists of builtins belong to the program's own schema; a second schema would define them again
        text += ''.join(f'typedef struct {t.name} {t.name};\n' for t in records) + '\n'
        text += ''.join(self.declare_struct(t) + self.accessors(t) for t in records)
        return self.file('qapi-types.h', text)

    def member_rows(self, t, members, where=''):
        rows = ''
        for m in members:
            field = where + c_name(m.name)
            has = 'QAPI_REQUIRED'
            if m.optional:
                bare = c_name(m.name).removeprefix('q_')
                has = f'offsetof({t.name}, has_{bare})' if self.is_scalar(m.type) else 'QAPI_NULLABLE'
            rows += f'        {{"{m.name}", {self.type_ref(m.type)}, offsetof({t.name}, {field}), {has}}},\n'
        return rows

    @staticmethod
    def type_ref(name):
        return f'&qapi_type_{name}'

    def describe(self, t):
        name, kind = t.name, t.kind.upper()
        if t.kind == 'enum':
            words = ''.join(f'    "{v}",\n' for v, _ in t.members)
            return (f'static const char *const names_{name}[] = {{\n{words}    NULL,\n}};\n'
                    f'static const QapiType qapi_type_{name} = {{.name = "{name}", .kind = QAPI_ENUM, '
                    f'.size = sizeof({name}), .names = names_{name}}};\n'
                    f'const char *{name}_str(int v)\n{{\n    return qapi_enum_str(&qapi_type_{name}, v);\n}}\n'
                    f'int {name}_from_str(const char *text)\n{{\n    return qapi_enum_find(&qapi_type_{name}, text);\n}}\n\n')
        extra = ''
        if t.kind == 'list':
            extra = f'    .element = {self.type_ref(t.base)},\n'
        else:
            rows = (self.member_rows(t, t.branches, 'u.') if t.kind == 'alternate'
                    else self.member_rows(t, self.schema.all_members(t)))
            extra = f'    .members = (const QapiMember[]){{\n{rows}        {{}},\n    }},\n'
        if t.kind == 'union':
            tag = next(m for m in self.schema.all_members(t) if m.name == t.tag)
            values = [v for v, _ in self.schema.types[tag.type].members]
            rows = ''.join(f'        {{{values.index(v)}, {self.type_ref(b)}, offsetof({name}, u.{c_name(v)})}},\n'
                           for v, b in t.branches)
            extra += (f'    .tag_offset = offsetof({name}, {c_name(t.tag)}),\n'
                      f'    .branches = (const QapiBranch[]){{\n{rows}        {{-1, NULL, 0}},\n    }},\n')
        return (f'const QapiType qapi_type_{name} = {{\n    .name = "{name}",\n    .kind = QAPI_{kind},\n'
                f'    .size = sizeof({name}),\n{extra}}};\n'
                f'Json *{name}_to_json(const {name} *v)\n{{\n    return qapi_write(&qapi_type_{name}, &v);\n}}\n'
                f'{name} *{name}_from_json(const Json *j, const char *path, GError **errp)\n{{\n    {name} *v = NULL;\n\n'
                f'    return qapi_read(&qapi_type_{name}, &v, j, path, errp) ? v : NULL;\n}}\n'
                f'void {name}_free({name} *v)\n{{\n    qapi_clear(&qapi_type_{name}, &v);\n}}\n\n')

    def types_c(self):
        order = {'enum': 0}
        own = sorted(self.own_types(), key=lambda t: order.get(t.kind, 1))
        return self.file('qapi-types.c', f'#include "{self.include("qapi-types.h")}"\n\n#include <stddef.h>\n\n'
                         + ''.join(map(self.describe, own)))

    def include(self, name):
        return self.prefix + name if self.prefix else 'qapi/' + name

    # ---- commands ----

    def prototype(self, m):
        if m.flags.get('gen') is False:
            return f'Json *qmp_{c_name(m.name)}(const Json *args, GError **errp)'
        args = f'const {m.data} *args, ' if m.data else ''
        returns = 'bool ' if not m.returns else self.c_type(m.returns)
        if m.returns and self.is_scalar(m.returns):
            raise SchemaError(m.where, f"'{m.name}' returns a scalar, which no client can extend")
        return f'{returns}qmp_{c_name(m.name)}({args}GError **errp)'

    def commands_h(self):
        text = f'#pragma once\n\n#include "qapi/qmp.h"\n#include "{self.include("qapi-types.h")}"\n\n'
        text += ''.join(self.prototype(m) + ';\n' for m in self.schema.commands())
        return self.file('qapi-commands.h', text + f'\nextern const QmpCommand {self.symbol}qmp_commands[]; /* ends with {{}} */\n'
                         f'extern const char {self.symbol}qapi_schema_json[];\n')

    def marshal(self, m):
        name = c_name(m.name)
        if m.flags.get('gen') is False:
            return ''
        text = f'static Json *run_{name}(const Json *args, GError **errp)\n{{\n'
        call = f'qmp_{name}({"a, " if m.data else ""}'
        if m.data:
            text += f'    g_autoptr({m.data}) a = {m.data}_from_json(args, NULL, errp);\n'
        if m.returns:
            text += f'    GError *err = NULL;\n    {self.c_type(m.returns)}ret;\n    Json *j;\n'
        text += '\n'
        check = '!a' if m.data else '!qapi_no_arguments(args, errp)'
        text += f'    if ({check}) {{\n        return NULL;\n    }}\n'
        if not m.returns:
            return text + f'    return {call}errp) ? json_dict() : NULL;\n}}\n\n'
        type_name = m.returns
        text += f'    ret = {call}&err);\n    if (err) {{\n        g_propagate_error(errp, err);\n        return NULL;\n    }}\n'
        text += f'    j = qapi_write({self.type_ref(type_name)}, &ret);\n    qapi_clear({self.type_ref(type_name)}, &ret);\n'
        return text + '    return j;\n}\n\n'

    def commands_c(self):
        flags = {'allow-oob': 'QMP_ALLOW_OOB', 'allow-preconfig': 'QMP_ALLOW_PRECONFIG'}
        rows = ''
        for m in self.schema.commands():
            name = c_name(m.name)
            run = f'qmp_{name}' if m.flags.get('gen') is False else f'run_{name}'
            words = [flags[k] for k, v in m.flags.items() if k in flags and v]
            if m.flags.get('success-response') is False:
                words.append('QMP_NO_REPLY')
            rows += f'    {{"{m.name}", {run}, {" | ".join(words) or 0}}},\n'
        text = f'#include "{self.include("qapi-commands.h")}"\n\n'
        text += ''.join(map(self.marshal, self.schema.commands()))
        text += f'const QmpCommand {self.symbol}qmp_commands[] = {{\n{rows}    {{}},\n}};\n\n'
        lines = ',\n'.join(json.dumps(entity) for entity in introspection(self.schema))
        text += f'const char {self.symbol}qapi_schema_json[] =\n'
        text += ''.join(f'    {json.dumps(line)}\n' for line in ('[' + lines + ']').split('\n')).rstrip('\n') + ';\n'
        return self.file('qapi-commands.c', text)

    # ---- events ----

    def event_prototype(self, m):
        return f'void qapi_event_{m.name}({"const " + m.data + " *data" if m.data else "void"})'

    def events_h(self):
        text = f'#pragma once\n\n#include "qapi/qmp.h"\n#include "{self.include("qapi-types.h")}"\n\n'
        text += ''.join(self.event_prototype(m) + ';\n' for m in self.schema.events())
        return self.file('qapi-events.h',
                         text + f'\nextern const char *const {self.symbol}qmp_events[]; /* ends with NULL */\n')

    def events_c(self):
        text = f'#include "{self.include("qapi-events.h")}"\n\n'
        for m in self.schema.events():
            data = f'{m.data}_to_json(data)' if m.data else 'NULL'
            text += f'{self.event_prototype(m)}\n{{\n    qapi_emit("{m.name}", {data});\n}}\n\n'
        names = ''.join(f'    "{m.name}",\n' for m in self.schema.events())
        text += f'const char *const {self.symbol}qmp_events[] = {{\n{names}    NULL,\n}};\n'
        return self.file('qapi-events.c', text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--prefix', default='')
    parser.add_argument('--config', action='append', default=[])
    parser.add_argument('schema', type=Path)
    args = parser.parse_args()
    try:
        schema = Schema(args.schema, args.config)
        w = Writer(schema, args.prefix, args.schema.name)
        outputs = {'qapi-types.h': w.types_h(), 'qapi-types.c': w.types_c(), 'qapi-commands.h': w.commands_h(),
                   'qapi-commands.c': w.commands_c(), 'qapi-events.h': w.events_h(), 'qapi-events.c': w.events_c(),
                   'qmp-reference.md': reference(schema)}
    except SchemaError as error:
        sys.exit(str(error))
    for name, text in outputs.items():
        (args.out / (args.prefix + name)).write_text(text)


if __name__ == '__main__':
    main()
