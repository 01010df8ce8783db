// SPDX-License-Identifier: Apache-2.0
// The page's files, compiled in.
#pragma once

#include <string_view>
#include <vector>

namespace serve {

struct PageFile {
    std::string_view name;  // "app.js"
    std::string_view bytes;
};
const std::vector<PageFile>& page_files();

}  // namespace serve
