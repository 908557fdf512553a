# qapi/reference.py - the QMP reference for users, from the schema and its documentation.
# SPDX-License-Identifier: GPL-2.0-or-later


def shown(schema, name):
    type_ = schema.types[name]
    if type_.kind == 'list':
        return f'list of {shown(schema, type_.base)}'
    return name if type_.kind == 'builtin' else f'[{name}](#{name.lower()})'


def text_of(lines):
    return ' '.join(' '.join(lines).split()) if lines else ''


def paragraphs(lines):
    text = '\n'.join(lines).strip('\n') if lines else ''
    return text + '\n\n' if text else ''


def member_docs(schema, t):
    """What is said about the members, a base's too."""
    docs = member_docs(schema, schema.types[t.base]) if t.base and t.kind in ('struct', 'union') else {}
    return {**docs, **(t.doc.members if t.doc else {})}


def member_table(schema, members, docs):
    if not members:
        return ''
    rows = '| member | type | |\n|---|---|---|\n'
    for m in members:
        says = text_of(docs.get(m.name))
        if m.features:
            says += f' ({", ".join(m.features)})'
        rows += f'| `{m.name}`{" (optional)" if m.optional else ""} | {shown(schema, m.type)} | {says} |\n'
    return rows + '\n'


def message_text(schema, m):
    text = f'### {m.name}\n\n' + paragraphs(m.doc.body if m.doc else [])
    if m.data:
        type_ = schema.types[m.data]
        if type_.implicit:
            text += member_table(schema, schema.all_members(type_), m.doc.members if m.doc else {})
        else:
            text += f'Data: {shown(schema, m.data)}\n\n'
    if m.returns:
        says = text_of(m.doc.sections.get('Returns')) if m.doc else ''
        text += f'Returns: {shown(schema, m.returns)}{" - " + says if says else ""}\n\n'
    for name in ('Errors', 'Note', 'Example'):
        if m.doc and name in m.doc.sections:
            text += f'{name}: {text_of(m.doc.sections[name])}\n\n'
    words = [k for k in ('allow-oob', 'allow-preconfig') if m.flags.get(k)] + m.features
    return text + (f'Features: {", ".join(words)}\n\n' if words else '')


def type_text(schema, t):
    text = f'### {t.name}\n\n' + paragraphs(t.doc.body if t.doc else [])
    if t.kind == 'enum':
        for value, features in t.members:
            says = text_of(t.doc.members.get(value)) if t.doc else ''
            text += f'* `{value}`{": " + says if says else ""}{" (" + ", ".join(features) + ")" if features else ""}\n'
        return text + '\n'
    if t.kind == 'alternate':
        return text + 'One of: ' + ', '.join(shown(schema, m.type) for m in t.branches) + '\n\n'
    text += member_table(schema, schema.all_members(t), member_docs(schema, t))
    if t.kind == 'union':
        text += ''.join(f'With `{t.tag}` = `{value}`: {shown(schema, branch)}\n\n' for value, branch in t.branches)
    return text


def reference(schema):
    text = '# QMP reference\n\nMade from `qapi/*.json` by `qapi/gen.py`.\n\n'
    for module in schema.modules:
        messages = [m for m in schema.messages if m.module == module]
        types = [t for t in schema.types.values() if t.module == module and not t.implicit]
        if not messages and not types:
            continue
        text += f'## {module}\n\n'
        text += ''.join(message_text(schema, m) for m in messages) + ''.join(type_text(schema, t) for t in types)
    return text.rstrip('\n') + '\n'
