#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the package's types, and those of the node for ComfyUI, with a Python that has mypy.
folder=$(dirname "$0")/..
for python in "${ENLARGE_PYTHON:-python3}" /usr/bin/python3; do
    if "$python" -c 'import mypy' 2>/dev/null; then
        exec "$python" -m mypy --strict --cache-dir=/dev/null "$folder/enlarge" "$folder/../comfyui/enlarge_node.py"
    fi
done
echo "skipped: mypy is not installed (Debian: mypy)"
exit 77
