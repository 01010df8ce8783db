# SPDX-License-Identifier: Apache-2.0
# cmake --install: program, library, headers, CMake package enlarge::enlarge, pkg-config file.
