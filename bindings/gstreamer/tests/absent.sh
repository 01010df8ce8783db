#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
echo "skipped: GStreamer's headers are not installed (Debian: libgstreamer-plugins-base1.0-dev)"
exit 77
