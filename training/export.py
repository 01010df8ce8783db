# SPDX-License-Identifier: Apache-2.0
"""Copies a trained model into models/ with the metadata that `enlarge models` shows.

  export.py RUN/fine-x4.safetensors models/fine-x4.safetensors
"""
import argparse
import os

from common import load_weights, save_weights

OWN, BEGUN = 'Apache-2.0', 'Apache-2.0 AND BSD-3-Clause'  # BEGUN: began with weights of Real-ESRGAN, see NOTICE
KINDS = {
    'fine': ('restores photographs and drawings (noise, JPEG, blur) while enlarging; distilled from realesr-general-x4v3', BEGUN),
    'fine-wdn': ('the partner of fine that removes less noise, for --denoise; distilled from realesr-general-wdn-x4v3', BEGUN),
    'swift': ('as fine, at a tenth of its work: for video; distilled from realesr-general-x4v3', BEGUN),
    'drawing': ('clean lines and flat colours: anime, comics, logos; distilled from realesr-animevideov3', BEGUN),
    'faithful': ('trained for nearness to the original alone: documents, medical and survey pictures, evidence', OWN),
}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('source')
    a.add_argument('target')
    o = a.parse_args()
    name = os.path.basename(o.target).removesuffix('.safetensors')
    description, licence = KINDS[name.rsplit('-', 1)[0]]
    save_weights(o.target, load_weights(o.source), {
        'name': name, 'family': 'Compact', 'scale': name[-1], 'licence': licence, 'author': 'the enlarge project',
        'description': description, 'card': f'models/{name}.md'})


if __name__ == '__main__':
    main()
