# qapi/schema.py - reads QAPI schema files: parser, checks, and the model that gen.py writes out.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The language is QEMU's: JSON with single quotes and '#' comments; top-level objects are include, pragma, enum, struct,
union (flat), alternate, command and event; '*name' is optional, ['type'] a list, 'if' a condition on CONFIG_ symbols;
'##' ... '##' before a definition documents it."""
import re
from dataclasses import dataclass, field
from pathlib import Path

BUILTINS = {  # name: (C type, JSON type)
    'str': ('char *', 'string'), 'number': ('double ', 'number'), 'int': ('int64_t ', 'int'),
    'int8': ('int8_t ', 'int'), 'int16': ('int16_t ', 'int'), 'int32': ('int32_t ', 'int'), 'int64': ('int64_t ', 'int'),
    'uint8': ('uint8_t ', 'int'), 'uint16': ('uint16_t ', 'int'), 'uint32': ('uint32_t ', 'int'),
    'uint64': ('uint64_t ', 'int'), 'size': ('uint64_t ', 'int'), 'bool': ('bool ', 'boolean'),
    'null': ('bool ', 'null'), 'any': ('Json *', 'value'),
}
KEYS = {  # what a definition may have: {kind: (required, optional)}
    'include': ((), ()), 'pragma': ((), ()),
    'enum': (('data',), ('if', 'features', 'prefix')),
    'struct': (('data',), ('base', 'if', 'features')),
    'union': (('base', 'discriminator', 'data'), ('if', 'features')),
    'alternate': (('data',), ('if', 'features')),
    'command': ((), ('data', 'returns', 'boxed', 'gen', 'success-response', 'allow-oob', 'allow-preconfig', 'coroutine',
                     'if', 'features')),
    'event': ((), ('data', 'boxed', 'if', 'features')),
}
RESERVED = set('''auto break case char const continue default do double else enum extern float for goto if int long register
    return short signed sizeof static struct switch typedef union unsigned void volatile while inline restrict asm typeof
    linux unix errno mips sparc i386 bool true false'''.split())


class SchemaError(Exception):
    def __init__(self, where, text):
        super().__init__(f'{where[0]}:{where[1]}: {text}')


def c_name(name):
    name = re.sub(r'[^A-Za-z0-9_]', '_', name)
    return 'q_' + name if name in RESERVED or name[0].isdigit() else name


def camel(name):
    """migrate-set-parameters, MIGRATION_PASS -> MigrateSetParameters, MigrationPass"""
    return ''.join(word[:1].upper() + (word[1:].lower() if word.isupper() else word[1:]) for word in re.split('[-_]', name))


def upper(name):
    """MigrationStatus -> MIGRATION_STATUS; NFSTransport -> NFS_TRANSPORT"""
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).replace('-', '_').upper()


# ---- text to expressions ----

TOKEN = re.compile(r"""(?P<blank>[ \t\n]+)|(?P<doc>\#\#\n(?:\#[^\n]*\n)*?\#\#(?=\n|$))|(?P<comment>\#[^\n]*)
    |(?P<string>'(?:[^'\\]|\\.)*')|(?P<word>true|false)|(?P<punct>[{}\[\]:,])""", re.X)


class Reader:
    def __init__(self, path):
        self.path, self.text = path, path.read_text()
        self.at, self.line, self.doc = 0, 1, None
        self.advance()

    def where(self):
        return self.path.name, self.line

    def advance(self):
        while True:
            if self.at == len(self.text):
                self.kind, self.token = 'end', ''
                return
            match = TOKEN.match(self.text, self.at)
            if not match:
                raise SchemaError(self.where(), f'stray {self.text[self.at]!r}')
            self.at = match.end()
            self.line += match[0].count('\n')
            self.kind, self.token = match.lastgroup, match[0]
            if self.kind == 'doc':
                self.doc = (self.line, self.token)
            elif self.kind not in ('blank', 'comment'):
                return

    def expect(self, punct):
        if self.token != punct:
            raise SchemaError(self.where(), f'expected {punct!r}, not {self.token!r}')
        self.advance()

    def value(self):
        if self.token == '{':
            return self.members()
        if self.token == '[':
            return self.items()
        token, kind = self.token, self.kind
        if kind not in ('string', 'word'):
            raise SchemaError(self.where(), f'expected a value, not {token!r}')
        self.advance()
        return token == 'true' if kind == 'word' else re.sub(r'\\(.)', r'\1', token[1:-1])

    def members(self):
        result = {}
        self.expect('{')
        while self.token != '}':
            key = self.value()
            if not isinstance(key, str) or key in result:
                raise SchemaError(self.where(), f'bad or repeated key {key!r}')
            self.expect(':')
            result[key] = self.value()
            if self.token != '}':
                self.expect(',')
        self.advance()
        return result

    def items(self):
        result = []
        self.expect('[')
        while self.token != ']':
            result.append(self.value())
            if self.token != ']':
                self.expect(',')
        self.advance()
        return result

    def definitions(self):
        while self.kind != 'end':
            where, doc = self.where(), self.doc
            self.doc = None
            yield where, doc, self.members()


# ---- documentation ----

@dataclass
class Doc:
    name: str = ''
    body: list = field(default_factory=list)       # lines
    members: dict = field(default_factory=dict)    # name -> lines
    features: dict = field(default_factory=dict)
    sections: dict = field(default_factory=dict)   # 'Returns' ... -> lines


def parse_doc(where, text):
    doc, target, in_features = Doc(), None, False
    for raw in text.split('\n')[1:-1]:
        line = raw[2:] if raw.startswith('# ') else raw[1:]
        member = re.match(r'@([A-Za-z0-9_.-]+):\s*(.*)', line)
        section = re.match(r'(Returns|Errors|Since|TODO|Example|Note|Features):\s*(.*)', line)
        if member and target is None and not doc.name:
            doc.name, target = member[1], doc.body
        elif member:
            target = (doc.features if in_features else doc.members).setdefault(member[1], [])
            target.append(member[2])
        elif section and section[1] == 'Features':
            in_features, target = True, doc.body
        elif section:
            in_features, target = False, doc.sections.setdefault(section[1], [])
            target.append(section[2])
        else:
            (doc.body if target is None else target).append(line.strip())
    return doc


# ---- the model ----

@dataclass
class Member:
    name: str
    type: str           # 'Foo' or 'FooList'
    optional: bool
    features: list


@dataclass
class Type:
    kind: str           # builtin enum struct union alternate list
    name: str
    members: list = field(default_factory=list)   # enum: (value, features); struct, union: Member with the base's first
    branches: list = field(default_factory=list)  # union: (tag value, type name); alternate: Member
    tag: str = ''
    base: str = ''
    prefix: str = ''
    features: list = field(default_factory=list)
    doc: Doc = None
    module: str = ''
    implicit: bool = False


@dataclass
class Message:          # a command or an event
    kind: str
    name: str
    data: str           # type name or ''
    returns: str
    flags: dict
    features: list
    doc: Doc
    module: str


class Schema:
    def __init__(self, path, config):
        self.config, self.types, self.messages, self.seen, self.modules = set(config), {}, [], set(), []
        self.expressions = []
        for name in BUILTINS:
            self.types[name] = Type('builtin', name)
        self.load(Path(path))
        for expression in self.expressions:
            self.define(*expression)
        for type_ in list(self.types.values()):
            self.check_type(type_)

    def load(self, path):
        if path in self.seen:
            return
        self.seen.add(path)
        reader = Reader(path)
        for where, doc, expr in reader.definitions():
            if 'include' in expr:
                self.load(path.parent / expr['include'])
            elif 'pragma' not in expr:
                self.expressions.append((where, doc, expr, path.stem))
        self.modules.append(path.stem)

    # conditions are settled here, once: what is not configured is not in the program
    def enabled(self, cond):
        if cond is None:
            return True
        if isinstance(cond, str):
            return cond in self.config
        if 'all' in cond:
            return all(map(self.enabled, cond['all']))
        if 'any' in cond:
            return any(map(self.enabled, cond['any']))
        return not self.enabled(cond['not'])

    def features(self, expr):
        return [f if isinstance(f, str) else f['name'] for f in expr.get('features', [])
                if isinstance(f, str) or self.enabled(f.get('if'))]

    def type_ref(self, where, ref):
        if isinstance(ref, list):
            if len(ref) != 1 or not isinstance(ref[0], str):
                raise SchemaError(where, "a list type is written ['type']")
            name = ref[0] + 'List'
            self.types.setdefault(name, Type('list', name, base=ref[0]))
            return name
        if not isinstance(ref, str):
            raise SchemaError(where, f'bad type {ref!r}')
        return ref

    def member_list(self, where, data):
        result = []
        for name, ref in data.items():
            long_form = ref if isinstance(ref, dict) else {'type': ref}
            if not self.enabled(long_form.get('if')):
                continue
            bare = name.lstrip('*')
            if not re.match(r'[a-zA-Z_][a-zA-Z0-9_.-]*$', bare) or c_name(bare) in ('u',) or bare.startswith('has-'):
                raise SchemaError(where, f'bad member name {name!r}')
            result.append(Member(bare, self.type_ref(where, long_form['type']), name.startswith('*'),
                                 self.features(long_form)))
        return result

    def define(self, where, doc, expr, module):
        kind = next((k for k in KEYS if k in expr), None)
        if not kind:
            raise SchemaError(where, f'unknown definition {list(expr)}')
        required, optional = KEYS[kind]
        for key in required:
            if key not in expr:
                raise SchemaError(where, f"{kind} '{expr[kind]}' lacks '{key}'")
        for key in expr:
            if key != kind and key not in required + optional:
                raise SchemaError(where, f"{kind} '{expr[kind]}' has unknown key '{key}'")
        if not self.enabled(expr.get('if')):
            return
        parsed = parse_doc(where, doc[1]) if doc else None
        if parsed and parsed.name != expr[kind]:
            raise SchemaError(where, f"documentation of '{parsed.name}' stands before '{expr[kind]}'")
        self.leave_out(parsed, expr.get('data'))
        getattr(self, 'define_' + kind)(where, parsed, expr, module)

    def leave_out(self, doc, data):
        """What is not configured is not documented either."""
        named = data.items() if isinstance(data, dict) else [(i['name'], i) for i in data or [] if isinstance(i, dict)]
        for name, ref in named if doc else []:
            if isinstance(ref, dict) and not self.enabled(ref.get('if')):
                doc.members.pop(name.lstrip('*'), None)

    def add_type(self, where, type_):
        if type_.name in self.types and self.types[type_.name].kind != 'list':
            raise SchemaError(where, f"'{type_.name}' is defined twice")
        if not re.match(r'[A-Z][A-Za-z0-9]*$', type_.name):
            raise SchemaError(where, f"type name '{type_.name}' is not in CamelCase")
        type_.where = where
        self.types[type_.name] = type_

    def define_enum(self, where, doc, expr, module):
        values = []
        for item in expr['data']:
            item = item if isinstance(item, dict) else {'name': item}
            if self.enabled(item.get('if')):
                values.append((item['name'], self.features(item)))
        self.add_type(where, Type('enum', expr['enum'], values, prefix=expr.get('prefix', ''), doc=doc, module=module,
                                  features=self.features(expr)))

    def define_struct(self, where, doc, expr, module):
        self.add_type(where, Type('struct', expr['struct'], self.member_list(where, expr['data']), doc=doc, module=module,
                                  base=expr.get('base', ''), features=self.features(expr)))

    def define_union(self, where, doc, expr, module):
        base, members = expr['base'], []
        if isinstance(base, dict):
            base, members = '', self.member_list(where, base)
        branches = []
        for tag, ref in expr['data'].items():
            ref = ref if isinstance(ref, dict) else {'type': ref}
            if self.enabled(ref.get('if')):
                branches.append((tag, self.type_ref(where, ref['type'])))
        self.add_type(where, Type('union', expr['union'], members, branches, expr['discriminator'], base, doc=doc,
                                  module=module, features=self.features(expr)))

    def define_alternate(self, where, doc, expr, module):
        self.add_type(where, Type('alternate', expr['alternate'], branches=self.member_list(where, expr['data']), doc=doc,
                                  module=module, features=self.features(expr)))

    def message(self, kind, where, doc, expr, module, suffix):
        name, data = expr[kind], expr.get('data', '')
        if isinstance(data, dict):
            implicit = Type('struct', camel(name) + suffix, self.member_list(where, data), module=module, implicit=True)
            self.add_type(where, implicit)
            data = implicit.name if data else ''
        returns = self.type_ref(where, expr['returns']) if 'returns' in expr else ''
        flags = {k: expr[k] for k in expr if k in ('gen', 'success-response', 'allow-oob', 'allow-preconfig')}
        self.messages.append(Message(kind, name, data, returns, flags, self.features(expr), doc, module))
        self.messages[-1].where = where

    def define_command(self, where, doc, expr, module):
        if not re.match(r'[a-z][a-z0-9_-]*$', expr['command']):
            raise SchemaError(where, f"command name '{expr['command']}' is not in lower case")
        self.message('command', where, doc, expr, module, 'Args')

    def define_event(self, where, doc, expr, module):
        if not re.match(r'[A-Z][A-Z0-9_]*$', expr['event']):
            raise SchemaError(where, f"event name '{expr['event']}' is not in upper case")
        self.message('event', where, doc, expr, module, 'Event')

    # ---- checks once all names are known ----

    def need(self, where, name, kinds=None):
        type_ = self.types.get(name)
        if not type_ or (kinds and type_.kind not in kinds):
            raise SchemaError(where, f"'{name}' is no known {' or '.join(kinds) if kinds else 'type'}")
        return type_

    def check_type(self, type_):
        where = getattr(type_, 'where', ('list', 0))
        if type_.kind == 'list' or (type_.kind in ('struct', 'union') and type_.base):
            self.need(where, type_.base, None if type_.kind == 'list' else ('struct',))
        members = self.all_members(type_)
        names = [m.name for m in members]
        if len(set(names)) != len(names):
            raise SchemaError(where, f"'{type_.name}' has two members of one name")
        for member in members + (type_.branches if type_.kind == 'alternate' else []):
            self.need(where, member.type)
        if type_.doc and type_.kind in ('struct', 'union', 'enum'):
            known = names if type_.kind != 'enum' else [v for v, _ in type_.members]
            for name in type_.doc.members:
                if name not in known:
                    raise SchemaError(where, f"'{type_.name}' documents '{name}', which it has not")
        if type_.kind == 'union':
            tag = next((m for m in members if m.name == type_.tag), None)
            values = [v for v, _ in self.need(where, tag.type if tag else '', ('enum',)).members]
            for value, branch in type_.branches:
                self.need(where, branch, ('struct', 'union'))
                if value not in values:
                    raise SchemaError(where, f"branch '{value}' is no value of {tag.type}")

    def all_members(self, type_):
        if type_.kind not in ('struct', 'union'):
            return []
        base = self.all_members(self.types[type_.base]) if type_.base else []
        return base + type_.members

    def commands(self):
        return [m for m in self.messages if m.kind == 'command']

    def events(self):
        return [m for m in self.messages if m.kind == 'event']
