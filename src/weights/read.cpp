// SPDX-License-Identifier: Apache-2.0
#include "weights/state_dict.hpp"
