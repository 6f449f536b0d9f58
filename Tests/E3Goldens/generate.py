#!/usr/bin/env python3
"""Writes the small golden models in Data/ beside this file.

The forward pass is written in float64 numpy from the definition of the models alone, apart from the Swift code that is
tested with it. `generate.py --check FOLDER...` compares it with golden folders of the reference implementation.
"""
import json, os, struct, sys, zipfile
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'Data')


# ---------------------------------------------------------------- model

def layer_norm(x, p, name):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * p[name + '/scale']
    return y + p.get(name + '/bias', 0)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def mlp(x, p, name, expert=None):
    def weight(key):
        array = p[f'{name}/{key}']
        return array if expert is None else array[expert]
    hidden = gelu(x @ weight('Dense_0/kernel') + weight('Dense_0/bias'))
    return hidden @ weight('Dense_1/kernel') + weight('Dense_1/bias')


def attention(queries, tokens, p, name):
    def project(x, part):
        return np.einsum('nth,had->ntad', x, p[f'{name}/{part}/kernel']) + p[f'{name}/{part}/bias']
    q, k, v = project(queries, 'query'), project(tokens, 'key'), project(tokens, 'value')
    if name + '/query_ln/scale' in p:
        q, k = layer_norm(q, p, name + '/query_ln'), layer_norm(k, p, name + '/key_ln')
    weights = softmax(np.einsum('nqad,nkad->naqk', q / np.sqrt(q.shape[-1]), k))
    heads = np.einsum('naqk,nkad->nqad', weights, v)
    return np.einsum('nqad,adh->nqh', heads, p[name + '/out/kernel']) + p[name + '/out/bias']


def slots_of(experts, weights, router, images, tokens, members, count):
    """Slot of every assignment [N*M, T, K], -1 when dropped."""
    dispatcher, size = router['dispatcher'], router['group_size']
    chosen = experts.shape[-1]
    capacity = dispatcher.get('capacity')
    if capacity is None:
        exact = size * chosen * dispatcher['capacity_factor'] / count
        capacity = round(exact) if dispatcher.get('capacity_ceil_or_round') == 'round' else int(np.ceil(exact))
        multiple = dispatcher.get('capacity_multiple_of', 4)
        if multiple:
            capacity += -capacity % multiple
    stream = [(n * members + m, t) for n in range(images) for t in range(tokens) for m in range(members)]
    slots = np.full(experts.shape, -1)
    for start in range(0, len(stream), size):
        group = stream[start:start + size]
        if dispatcher.get('batch_priority'):
            group = sorted(group, key=lambda row: -weights[row][0])
        used = [0] * count
        for k in range(chosen):
            for row in group:
                expert = experts[row][k]
                if used[expert] < capacity:
                    slots[row][k] = used[expert]
                used[expert] += 1
    return slots


def moe(x, p, name, config, images, expected, index):
    settings = config['encoder']['moe']
    count, members = settings['num_experts'], settings.get('ensemble_size', 1)
    own = count // members
    kernel = p[name + '/Router/dense/kernel'].reshape(x.shape[-1], members, own)
    rows, tokens = x.shape[:2]
    logits = np.stack([x[row] @ kernel[:, row % members] for row in range(rows)])
    gates = softmax(logits)
    chosen = settings['router'].get('num_selected_experts', 1)
    order = np.argsort(-gates, axis=-1, kind='stable')[..., :chosen]
    ranked = np.sort(logits, -1)[..., ::-1]
    margin = (ranked[..., :-1] - ranked[..., 1:])[..., :chosen]
    assert margin.size == 0 or margin.min() > 1e-3, 'choose another seed: a routing decision is too close'
    weights = np.take_along_axis(gates, order, -1)
    experts = order + (np.arange(rows) % members)[:, None, None] * own
    router = {**settings['router'], 'group_size': settings['group_size']}
    slots = slots_of(experts, weights, router, images, tokens, members, count)
    out = np.zeros_like(x)
    for row in range(rows):
        for t in range(tokens):
            for k in range(chosen):
                if slots[row, t, k] >= 0:
                    out[row, t] += weights[row, t, k] * mlp(x[row, t], p, name + '/Mlp', experts[row, t, k])
    for key, value in dict(router_logits=logits, gates=gates, expert=experts, weight=weights, slot=slots, out=out).items():
        expected[f'moe_{index}_{key}'] = value
    return out


def sincos2d(height, width, hidden, temperature):
    w = temperature ** -(np.arange(hidden // 4) / (hidden // 4 - 1))
    y, x = [a.reshape(-1, 1) for a in np.mgrid[:height, :width]]
    return np.concatenate([np.sin(x * w), np.cos(x * w), np.sin(y * w), np.cos(y * w)], -1)


def forward(config, p, images):
    p = {name: array.astype(np.float64) for name, array in p.items()}
    expected = {}
    kernel = p['embedding/kernel']
    ph, pw, _, hidden = kernel.shape
    n, gh, gw = len(images), images.shape[1] // ph, images.shape[2] // pw
    patches = images[:, :gh * ph, :gw * pw].astype(np.float64).reshape(n, gh, ph, gw, pw, -1)
    x = np.einsum('nyaxbc,abch->nyxh', patches, kernel).reshape(n, gh * gw, hidden) + p['embedding/bias']
    expected['patch_embeddings'] = x
    has_class = config['classifier'] == 'token'
    if has_class:
        x = np.concatenate([np.broadcast_to(p['cls'], (n, 1, hidden)), x], 1)
    position = config['encoder'].get('position_emb', {})
    is_ensemble = config['name'] == 'VisionTransformerMoeEnsemble'
    kind = 'learned' if is_ensemble else position.get('name', 'learned')
    if kind == 'learned':
        x = x + p['Encoder/posembed_input/pos_embedding']
    elif kind == 'sincos2d':
        x = x.copy()
        x[:, int(has_class):] += sincos2d(gh, gw, hidden, position.get('temperature', 10000.0))
    expected['embedded'] = x
    settings = config['encoder'].get('moe') or {}
    layers, members, copied = settings.get('layers', []), settings.get('ensemble_size', 1), False
    for i in range(config['encoder']['num_layers']):
        name = f'Encoder/encoderblock_{i}'
        if i in layers and not copied:
            x, copied = np.repeat(x, members, axis=0), True
        normed = layer_norm(x, p, name + '/LayerNorm_0')
        x = x + attention(normed, normed, p, name + '/SelfAttention')
        normed = layer_norm(x, p, name + '/LayerNorm_1')
        x = x + (moe(normed, p, name + '/Moe', config, n, expected, i) if i in layers else mlp(normed, p, name + '/Mlp'))
        expected[f'block_{i}'] = x
    x = layer_norm(x, p, 'Encoder/encoder_norm')
    expected['encoder_output'] = x
    if config['classifier'] in ('token', '0'):
        z = x[:, 0]
    elif config['classifier'] == 'gap':
        z = x.mean(1)
    else:
        probe = np.broadcast_to(p['MapHead/probe'], (len(x), 1, hidden))
        z = attention(probe, x, p, 'MapHead/MultiHeadDotProductAttention')[:, 0]
        z = z + mlp(layer_norm(z, p, 'MapHead/LayerNorm'), p, 'MapHead/Mlp')
    expected['pooled'] = z
    if config.get('representation_size'):
        z = np.tanh(z @ p['pre_logits/kernel'] + p['pre_logits/bias'])
    expected['pre_logits'] = z
    logits = (z @ p['head/kernel'] + p['head/bias']).reshape(n, -1, p['head/bias'].shape[0])
    probabilities = softmax(logits)
    expected.update(logits=logits, member_probs=probabilities, probs=probabilities.mean(1),
                    pred=probabilities.mean(1).argmax(-1))
    return expected


def random_parameters(config, seed, channels):
    rng = np.random.default_rng(seed)
    encoder, hidden = config['encoder'], config['hidden_size']
    heads, width = encoder['num_heads'], encoder['mlp_dim']
    settings = encoder.get('moe') or {}
    p = {}

    def linear(name, inputs, outputs, leading=()):
        scale = 1 / np.sqrt(np.prod(inputs))
        p[name + '/kernel'] = rng.normal(size=(*leading, *inputs, *outputs)) * scale
        p[name + '/bias'] = rng.normal(size=(*leading, *outputs)) * 0.1

    def norm(name, size=None, bias=True):
        p[name + '/scale'] = 1 + rng.normal(size=size or hidden) * 0.2
        if bias:
            p[name + '/bias'] = rng.normal(size=hidden) * 0.1

    def mlp_weights(name, leading=()):
        linear(name + '/Dense_0', (hidden,), (width,), leading)
        linear(name + '/Dense_1', (width,), (hidden,), leading)

    def attention_weights(name):
        for part in ('query', 'key', 'value'):
            linear(f'{name}/{part}', (hidden,), (heads, hidden // heads))
        linear(name + '/out', (heads, hidden // heads), (hidden,))
        if encoder.get('attention_qk_norm'):
            norm(name + '/query_ln', hidden // heads, bias=False)
            norm(name + '/key_ln', hidden // heads, bias=False)

    ph, pw = config['patch_size']
    linear('embedding', (ph, pw, channels), (hidden,))
    tokens = (config['image_size'][0] // ph) * (config['image_size'][1] // pw) + (config['classifier'] == 'token')
    if config['classifier'] == 'token':
        p['cls'] = rng.normal(size=(1, 1, hidden))
    if encoder.get('position_emb', {}).get('name', 'learned') == 'learned':
        p['Encoder/posembed_input/pos_embedding'] = rng.normal(size=(1, tokens, hidden)) * 0.5
    for i in range(encoder['num_layers']):
        name = f'Encoder/encoderblock_{i}'
        norm(name + '/LayerNorm_0')
        attention_weights(name + '/SelfAttention')
        norm(name + '/LayerNorm_1')
        if i in settings.get('layers', []):
            count, members = settings['num_experts'], settings.get('ensemble_size', 1)
            shape = (hidden, members, count // members) if members > 1 else (hidden, count)
            p[name + '/Moe/Router/dense/kernel'] = rng.normal(size=shape) * 2 / np.sqrt(hidden)
            mlp_weights(name + '/Moe/Mlp', (count,))
        else:
            mlp_weights(name + '/Mlp')
    norm('Encoder/encoder_norm')
    if config['classifier'] == 'map':
        p['MapHead/probe'] = rng.normal(size=(1, 1, hidden))
        attention_weights('MapHead/MultiHeadDotProductAttention')
        norm('MapHead/LayerNorm')
        mlp_weights('MapHead/Mlp')
    size = config.get('representation_size')
    if size:
        linear('pre_logits', (hidden,), (size,))
    linear('head', (size or hidden,), (config['num_classes'],))
    p['head/kernel'] *= 3
    return p


# ---------------------------------------------------------------- forms

def as_bfloat16(array):
    """The values cut to bfloat16 (they stay float32), and their bits."""
    bits = array.astype(np.float32).view(np.uint32) >> 16
    return (bits << 16).astype(np.uint32).view(np.float32), bits.astype('<u2')


def encoded(array, kind):
    if kind == 'bfloat16':
        return as_bfloat16(array)[1].tobytes()
    return array.astype({'float32': '<f4', 'float16': '<f2'}[kind]).tobytes()


def write_safetensors(path, p, kind, prefix=''):
    header, blob = {'__metadata__': {'format': 'np'}}, b''
    for name in sorted(p):
        data = encoded(p[name], kind)
        dtype = {'float32': 'F32', 'float16': 'F16', 'bfloat16': 'BF16'}[kind]
        header[prefix + name] = {'dtype': dtype, 'shape': p[name].shape, 'data_offsets': [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + blob)


class Ext:
    def __init__(self, code, value):
        self.code, self.payload = code, pack(value)


def pack(value):
    """msgpack."""
    if value is None:
        return b'\xc0'
    if isinstance(value, bool):
        return b'\xc3' if value else b'\xc2'
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        if value < 0:
            return b'\xd3' + struct.pack('>q', value)
        return (b'\xcd' + struct.pack('>H', value)) if value < 65536 else b'\xce' + struct.pack('>I', value)
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xa0 | len(data)]) if len(data) < 32 else b'\xd9' + bytes([len(data)])) + data
    if isinstance(value, bytes):
        return (b'\xc4' + bytes([len(value)]) if len(value) < 256 else b'\xc6' + struct.pack('>I', len(value))) + value
    if isinstance(value, Ext):
        size = len(value.payload)
        head = b'\xc7' + bytes([size]) if size < 256 else b'\xc9' + struct.pack('>I', size)
        return head + struct.pack('b', value.code) + value.payload
    if isinstance(value, (list, tuple)):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else b'\xdc' + struct.pack('>H', len(value))
        return head + b''.join(pack(v) for v in value)
    head = bytes([0x80 | len(value)]) if len(value) < 16 else b'\xde' + struct.pack('>H', len(value))
    return head + b''.join(pack(k) + pack(v) for k, v in value.items())


def slices_of(shape, cuts):
    """Boxes that tile `shape`, cut at `cuts[axis]`."""
    boxes = [[]]
    for axis, size in enumerate(shape):
        edges = [0, *[c for c in cuts.get(axis, []) if 0 < c < size], size]
        boxes = [box + [edge] for box in boxes for edge in zip(edges, edges[1:])]
    return boxes


def write_vmoe(prefix, tree, kind, shard_count, versioned=True):
    """`tree`: nested dicts of arrays. Experts are cut along axis 0, other matrices here and there."""
    leaves, shards = [], [{} for _ in range(shard_count)]

    def slice_nd(box):
        return [pack([a, b, None]) for a, b in box]

    def visit(node, path):
        if not isinstance(node, np.ndarray):
            keys = sorted(node)
            if not versioned and not path and 'opt_state' in node:
                keys = [k for k in ('step', 'params', 'opt_state', 'rngs') if k in node]
            return {key: visit(node[key], path + [key]) for key in keys}
        number = len(leaves)
        leaves.append('/'.join(path))
        dtype = 'int32' if node.dtype == np.int32 else kind
        cuts = {0: range(1, node.shape[0])} if 'Moe' in path and 'Mlp' in path else {}
        if path[-2:] == ['key', 'kernel']:
            cuts = {0: [5], 2: [1, 4]}
        boxes, places = slices_of(node.shape, cuts), []
        for i, box in enumerate(boxes):
            shard = (number + i) % shard_count
            places.append(shard)
            part = np.ascontiguousarray(node[tuple(slice(a, b) for a, b in box)]).reshape(-1)
            # Long arrays come in several pieces.
            pieces = [part[:7], part[7:]] if part.size > 100 else [part]
            arrays = [Ext(1, [[len(x)], dtype, x.tobytes() if dtype == 'int32' else encoded(x, kind)]) for x in pieces]
            shards[shard].setdefault(str(number), []).append([arrays, Ext(6, slice_nd(box))])
        return Ext(8, [pack([list(node.shape), dtype, False, {}]), [pack(slice_nd(box)) for box in boxes], places])

    index = {'shard_count': shard_count, 'index': visit(tree, [])}
    if versioned:
        index['version'] = '20220622'
    with open(prefix + '.index', 'wb') as f:
        f.write(pack(index))
    for i, shard in enumerate(shards):
        with open(f'{prefix}.data-{i:05}-of-{shard_count:05}', 'wb') as f:
            f.write(pack({'__msgpack_array_chunk_a87ca2__': True, **shard}))


def nested(p):
    tree = {}
    for name, array in p.items():
        node = tree
        *path, leaf = name.split('/')
        for key in path:
            node = node.setdefault(key, {})
        node[leaf] = array
    return tree


def train_state(p, rng):
    noise = {name: rng.normal(size=array.shape) for name, array in p.items()}
    return {'opt_state': {'0': {}, '1': {'trace': nested(noise)}}, 'params': nested(p),
            'rngs': {'dropout': np.array([1, 2], np.int32)}, 'step': np.array(7, np.int32)}


def write_npz(path, p, published):
    def name_of(name):
        name = name.replace('Encoder/', 'Transformer/')
        for old, new in (('SelfAttention', f'MultiHeadDotProductAttention_{int(published)}'),
                         ('LayerNorm_1', 'LayerNorm_2' if published else 'LayerNorm_1'),
                         ('Mlp/', 'MlpBlock_3/' if published else 'MlpBlock_0/')):
            name = name.replace(old, new)
        return name
    with zipfile.ZipFile(path, 'w') as archive:
        for name in sorted(p):
            # Deflated, stored, and stored in Fortran order where that differs.
            method = zipfile.ZIP_STORED if name.endswith('bias') or name.startswith('head') else zipfile.ZIP_DEFLATED
            array = p[name].astype('<f4')
            info = zipfile.ZipInfo(name_of(name) + '.npy', date_time=(2000, 1, 1, 0, 0, 0))
            info.compress_type = method
            with archive.open(info, 'w', force_zip64=name.startswith('head')) as f:
                np.lib.format.write_array(f, np.asfortranarray(array) if name == 'head/kernel' else array)


# ---------------------------------------------------------------- the small set

def config_of(name, image, patch, hidden, heads, width, layers, classes, classifier, representation=None, moe=None,
              **encoder):
    config = dict(name=name, image_size=image, num_classes=classes, patch_size=patch, hidden_size=hidden,
                  classifier=classifier, representation_size=representation,
                  encoder=dict(num_layers=layers, num_heads=heads, mlp_dim=width, **encoder))
    if moe:
        config['encoder']['moe'] = moe
    return config


def moe_of(experts, layers, group, selected=1, members=None, **dispatcher):
    settings = dict(num_experts=experts, group_size=group, layers=layers,
                    router=dict(num_selected_experts=selected, dispatcher=dict(name='einsum', **dispatcher)))
    if members:
        settings['ensemble_size'] = members
    return settings


def write_case(name, config, seed, kind, channels, count, forms):
    folder = os.path.join(HERE, name)
    os.makedirs(os.path.join(folder, 'expected'), exist_ok=True)
    p = random_parameters(config, seed, channels)
    p = {key: as_bfloat16(a)[0] if kind == 'bfloat16' else a.astype(np.float16 if kind == 'float16' else np.float32)
         for key, a in p.items()}
    rng = np.random.default_rng(seed + 1000)
    images = rng.uniform(-1, 1, size=(count, *config['image_size'], channels)).astype(np.float32)
    expected = forward(config, p, images)
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump(config, f, indent=2)
        f.write('\n')
    np.save(os.path.join(folder, 'inputs.npy'), images)
    for key, value in expected.items():
        if key.startswith('block') or key in ('patch_embeddings', 'embedded', 'encoder_output'):
            continue
        is_index = key.endswith(('expert', 'slot', 'pred'))
        np.save(os.path.join(folder, 'expected', key + '.npy'), value.astype(np.int32 if is_index else np.float32))
    for form in forms:
        path = os.path.join(folder, name)
        if form == 'safetensors':
            write_safetensors(path + '.safetensors', p, kind)
        elif form == 'prefixed':
            write_safetensors(path + '_prefixed.safetensors', p, kind, 'params/')
        elif form == 'release':
            write_vmoe(path, nested(p), kind, 2)
        elif form == 'unversioned':
            flat = {k: a.reshape(a.shape[0], -1) if 'Router' in k else a for k, a in p.items()}
            write_vmoe(path + '_unversioned', nested(flat), kind, 1, versioned=False)
        elif form in ('train_state', 'unversioned_train_state'):
            write_vmoe(f'{path}_{form}', train_state(p, rng), kind, 3, versioned=form == 'train_state')
        else:
            write_npz(f'{path}_{form}.npz', p, published=form == 'published')


def write_all():
    e3, plain = 'VisionTransformerMoeEnsemble', 'VisionTransformerMoe'
    write_case('e3_token', config_of(e3, [8, 12], [4, 4], 12, 2, 20, 3, 5, 'token', 8,
                                     moe_of(4, [1, 2], 14, members=2, capacity_factor=8.0),
                                     position_emb=dict(name='learned')),
               1, 'float32', 3, 3, ['safetensors', 'release', 'unversioned', 'train_state'])
    write_case('e3_groups', config_of(e3, [8, 8], [4, 4], 8, 2, 12, 2, 4, 'gap', None,
                                      moe_of(9, [0, 1], 24, 2, members=3, capacity_factor=0.84375, batch_priority=True,
                                             capacity_ceil_or_round='round', capacity_multiple_of=None)),
               3, 'float16', 1, 4, ['safetensors', 'prefixed'])
    write_case('vmoe_first', config_of(plain, [9, 7], [4, 2], 8, 1, 12, 2, 3, '0', None,
                                       moe_of(4, [1], 6, 2, capacity=3, capacity_factor=None),
                                       position_emb=dict(name='none')),
               4, 'bfloat16', 1, 3, ['safetensors', 'release', 'unversioned_train_state'])
    write_case('vmoe_map', config_of(plain, [8, 12], [4, 4], 12, 3, 16, 2, 4, 'map', 6,
                                     moe_of(3, [0], 6, capacity_factor=1.0, batch_priority=True, capacity_multiple_of=1),
                                     position_emb=dict(name='sincos2d', temperature=100.0), attention_qk_norm=True),
               5, 'float32', 3, 2, ['safetensors', 'release'])
    write_case('vit_token', config_of('VisionTransformer', [8, 8], [4, 4], 8, 2, 12, 2, 3, 'token'),
               6, 'float32', 3, 2, ['linen', 'published'])


def read_safetensors(path):
    with open(path, 'rb') as f:
        size, = struct.unpack('<Q', f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    header.pop('__metadata__', None)
    return {n: np.frombuffer(data[slice(*e['data_offsets'])], '<f4').reshape(e['shape']) for n, e in header.items()}


def check(folder):
    with open(os.path.join(folder, 'config.json')) as f:
        config = json.load(f)
    found = forward(config, read_safetensors(os.path.join(folder, 'params.safetensors')),
                    np.load(os.path.join(folder, 'inputs.npy')))
    worst = ('', 0.0)
    for name, value in found.items():
        path = os.path.join(folder, 'expected', name + '.npy')
        if os.path.exists(path):
            error = np.abs(np.load(path).reshape(-1) - value.reshape(-1)).max()
            worst = max(worst, (name, float(error)), key=lambda pair: pair[1])
    print(f'{folder}: largest difference {worst[1]:.2e} in {worst[0]}')


if __name__ == '__main__':
    if sys.argv[1:2] == ['--check']:
        for folder in sys.argv[2:]:
            check(folder)
    else:
        write_all()
