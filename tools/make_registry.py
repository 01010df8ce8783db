#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models/registry.json from the public catalogue, as facts alone: no descriptions, no pictures.

  tools/make_registry.py CATALOGUE/data models/registry.json

CATALOGUE is a checkout of OpenModelDB/open-model-database. Models that the registry holds with a "purpose" are our own
words on originals: they keep their names, and the catalogue's name becomes another name of theirs. One file is listed for
each model: safetensors before pth before ONNX, but one that a program can download before one that it cannot.
"""
import glob
import json
import os
import re
import sys
from urllib.parse import urlparse

# Hosts that send the file itself. What lies elsewhere (a page with a button) is for people: "page".
DIRECT = {'github.com', 'raw.githubusercontent.com', 'huggingface.co', 'objectstorage.us-phoenix-1.oraclecloud.com',
          'f002.backblazeb2.com', 'files.catbox.moe'}
FAMILIES = {'compact': 'Compact', 'esrgan': 'RRDB', 'esrgan+': 'RRDB', 'span': 'SPAN',
            'realplksr-dysample': 'RealPLKSR'}
ORDER = ['safetensors', 'pth', 'onnx']


def direct(address):
    """The address of the file itself, or None."""
    parts = urlparse(address)
    if parts.scheme != 'https':
        return None
    drive = re.fullmatch(r'https://drive\.google\.com/file/d/([\w-]+)(/.*)?', address)
    if drive:
        return f'https://drive.usercontent.google.com/download?id={drive.group(1)}&export=download&confirm=t'
    if parts.netloc not in DIRECT:
        return None
    if parts.netloc == 'huggingface.co':
        return f'https://huggingface.co{parts.path.replace("/blob/", "/resolve/")}'
    if parts.netloc == 'github.com':
        path = parts.path.replace('/blob/', '/raw/')
        return f'https://github.com{path}' if '/releases/download/' in path or '/raw/' in path else None
    return address


def rank(resource):
    """Lower is better: files that a program can fetch first; a drive's page last among them."""
    reach = [direct(u) for u in resource['urls']]
    sure = any(a and 'drive.usercontent' not in a for a in reach)
    return (0 if sure else 1 if any(reach) else 2, ORDER.index(resource['type']))


GENERIC = {'model', 'net', 'generator', 'weights', 'best', 'latest'}  # which name nothing


def entry(name, model, architectures, users, known_files):
    resource = min(model['resources'], key=rank)
    addresses = [a for a in map(direct, resource['urls']) if a]
    addresses.sort(key=lambda a: 'drive.usercontent' in a)
    authors = model['author'] if isinstance(model['author'], list) else [model['author']]
    aliases = []
    if name in known_files:
        known = os.path.splitext(known_files[name])[0]
        if known != name and known.lower() not in GENERIC:
            aliases.append(known)
    licence = model['license'] or 'unknown'
    return {
        'name': name, 'aliases': aliases, 'author': ', '.join(users.get(a, {}).get('name', a) for a in authors),
        'file': f'{name}.{resource["type"]}', 'addresses': list(dict.fromkeys(addresses)),
        'page': f'https://openmodeldb.info/models/{name}', 'bytes': resource['size'], 'sha256': resource['sha256'],
        'licence': licence, 'family': FAMILIES.get(model['architecture'], architectures[model['architecture']]['name']),
        'scale': model['scale'], 'tags': sorted(model['tags']),
    }


def main(data, path):
    def load(name):
        with open(f'{data}/{name}', encoding='utf-8') as f:
            return json.load(f)

    with open(path, encoding='utf-8') as f:
        own = {m['sha256']: m for m in json.load(f)['models'] if 'purpose' in m}
    order = list(own)
    architectures, users, known_files = load('architectures.json'), load('users.json'), load('original-model-file-names.json')
    models = []
    for file in sorted(glob.glob(f'{data}/models/*.json'), key=str.lower):
        with open(file, encoding='utf-8') as f:
            model = json.load(f)
        e = entry(os.path.basename(file)[:-5], model, architectures, users, known_files)
        mine = own.pop(next((r['sha256'] for r in model['resources'] if r['sha256'] in own), ''), None)
        if mine:
            e['aliases'] = list(dict.fromkeys([e['name'], *e['aliases'], *mine.get('aliases', [])]))
            e['aliases'] = [a for a in e['aliases'] if a != mine['name']]
            mirrors = e['addresses'] if e['sha256'] == mine['sha256'] else []
            e.update({k: v for k, v in mine.items() if k not in ('aliases', 'addresses', 'address')})
            first = mine.get('addresses') or [mine['address']]
            e['addresses'] = list(dict.fromkeys(first + mirrors))
        models.append(e)
    # Ours first, in their order; then the catalogue.
    for m in own.values():
        models.append({'aliases': [], 'author': '', 'tags': [], **m})
    models.sort(key=lambda m: order.index(m['sha256']) if m['sha256'] in order else len(order))
    # A name that two models are known by belongs to neither.
    taken = {}
    for m in models:
        taken[m['name'].lower()] = m['name']
    for m in models:
        kept = []
        for a in m['aliases']:
            if taken.setdefault(a.lower(), m['name']) == m['name']:
                kept.append(a)
        m['aliases'] = kept
    with open(path, 'w', encoding='utf-8') as f:
        f.write('{"models": [\n')
        f.write(',\n'.join(json.dumps({k: v for k, v in m.items() if v not in ('', [])}, ensure_ascii=False) for m in models))
        f.write('\n]}\n')
    print(f'{len(models)} models, {sum(bool(m["addresses"]) for m in models)} that a program can download')


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
