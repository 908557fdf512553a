# qapi/introspect.py - the answer to query-qmp-schema: a flat list of entities, type names masked by numbers.
# SPDX-License-Identifier: GPL-2.0-or-later
from schema import BUILTINS


class Introspection:
    def __init__(self, schema):
        self.schema, self.names, self.queue, self.builtins = schema, {}, [], []

    def ref(self, name):
        """The name of a type as clients see it; first use puts the type on the list."""
        if name in BUILTINS:
            json_type = BUILTINS[name][1]
            visible = {'int': 'int', 'value': 'any', 'string': 'str', 'boolean': 'bool'}.get(json_type, json_type)
            if visible not in self.builtins:
                self.builtins.append(visible)
                self.queue.append(('builtin', visible, json_type))
            return visible
        type_ = self.schema.types.get(name)
        if type_ and type_.kind == 'list':
            visible = f'[{self.ref(type_.base)}]'
            if visible not in self.names:
                self.names[visible] = visible
                self.queue.append(('array', visible, type_))
            return visible
        if name not in self.names:
            self.names[name] = str(len(self.names))
            self.queue.append(('type', name, type_))
        return self.names[name]

    def member(self, m):
        row = {'name': m.name, 'type': self.ref(m.type)}
        if m.optional:
            row['default'] = None
        if m.features:
            row['features'] = m.features
        return row

    def message(self, m):
        row = {'name': m.name, 'meta-type': m.kind, 'arg-type': self.ref(m.data)}
        if m.kind == 'command':
            row['ret-type'] = self.ref(m.returns)
            if m.flags.get('allow-oob'):
                row['allow-oob'] = True
        if m.features:
            row['features'] = m.features
        return row

    def entity(self, name, t):
        row = {'name': self.names[name]}
        if not t:  # "no data" is the empty object
            return {**row, 'meta-type': 'object', 'members': []}
        if t.kind == 'enum':
            row.update({'meta-type': 'enum', 'members': [{'name': v, **({'features': f} if f else {})} for v, f in t.members],
                        'values': [v for v, _ in t.members]})
        elif t.kind == 'alternate':
            row.update({'meta-type': 'alternate', 'members': [{'type': self.ref(m.type)} for m in t.branches]})
        else:
            row.update({'meta-type': 'object', 'members': [self.member(m) for m in self.schema.all_members(t)]})
            if t.kind == 'union':
                tag = next(m for m in self.schema.all_members(t) if m.name == t.tag)
                branches = dict(t.branches)
                row['tag'] = t.tag
                row['variants'] = [{'case': v, 'type': self.ref(branches.get(v, ''))}
                                   for v, _ in self.schema.types[tag.type].members]
        if t.features:
            row['features'] = t.features
        return row

    def build(self):
        result = [self.message(m) for m in self.schema.messages]
        while self.queue:
            kind, name, t = self.queue.pop(0)
            if kind == 'builtin':
                result.append({'name': name, 'meta-type': 'builtin', 'json-type': t})
            elif kind == 'array':
                result.append({'name': name, 'meta-type': 'array', 'element-type': self.ref(t.base)})
            else:
                result.append(self.entity(name, t))
        return result


def introspection(schema):
    return Introspection(schema).build()
