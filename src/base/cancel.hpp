// SPDX-License-Identifier: Apache-2.0
// The handle is public; this is its name inside the library.
#pragma once

#include "enlarge/cancel.hpp"
