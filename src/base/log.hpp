// SPDX-License-Identifier: Apache-2.0
// The log sink is public; this is its name inside the library.
#pragma once

#include "enlarge/log.hpp"
