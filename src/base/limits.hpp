// SPDX-License-Identifier: Apache-2.0
// The bounds are public; this is their name inside the library.
#pragma once

#include "enlarge/limits.hpp"
