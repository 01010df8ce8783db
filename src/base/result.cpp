// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace enlarge {

Error broken_invariant(const char* condition, const char* file, int line) {
    const char* slash = std::strrchr(file, '/');
    std::string text = std::string("internal error: `") + condition + "` does not hold (" +
                       (slash ? slash + 1 : file) + ":" + std::to_string(line) + ")";
#ifndef NDEBUG
    std::fprintf(stderr, "enlarge: %s\n", text.c_str());
    std::abort();
#endif
    return {Errc::internal, std::move(text)};
}

}  // namespace enlarge
