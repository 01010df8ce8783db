#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests with a Python that has NumPy and pytest.
folder=$(dirname "$0")
for python in "${ENLARGE_PYTHON:-python3}" /usr/bin/python3; do
    if "$python" -c 'import numpy, pytest' 2>/dev/null; then
        PYTHONDONTWRITEBYTECODE=1 exec "$python" -m pytest -q -p no:cacheprovider "$folder"
    fi
done
echo "skipped: no Python with NumPy and pytest (Debian: python3-numpy, python3-pytest)"
exit 77
