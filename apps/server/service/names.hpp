// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace serve {

// "cat_1280x960.png" for "cat.heic".
std::string result_name(const std::string& name, int width, int height, const std::string& extension);

}  // namespace serve
