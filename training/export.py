# SPDX-License-Identifier: Apache-2.0
"""Copies a trained model into models/ with the metadata that `enlarge models` shows.

  export.py RUN/swift-x4.safetensors models/swift-x4.safetensors --steps 9000 --seed 1
"""
import argparse
import os

from common import load_weights, save_weights

PURPOSE = {
    'swift': 'restores photographs and drawings (noise, JPEG, blur) while enlarging; distilled from realesr-general-x4v3',
    'faithful': 'trained for nearness to the original alone: documents, medical and survey pictures, evidence',
}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('source')
    a.add_argument('target')
    a.add_argument('--steps', required=True)
    a.add_argument('--seed', default='1')
    o = a.parse_args()
    name = os.path.basename(o.target).removesuffix('.safetensors')
    save_weights(o.target, load_weights(o.source), {
        'name': name, 'family': 'Compact', 'scale': name[-1], 'licence': 'Apache-2.0', 'author': 'the enlarge project',
        'description': PURPOSE[name.split('-')[0]], 'steps': o.steps, 'seed': o.seed, 'card': f'models/{name}.md'})


if __name__ == '__main__':
    main()
