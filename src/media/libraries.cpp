// SPDX-License-Identifier: Apache-2.0
#include "media/libraries.hpp"

#include <dlfcn.h>

#include <array>
#include <stdexcept>
#include <string>

namespace enlarge::media {
namespace {

#define ENLARGE_TEXT(x) #x
#define ENLARGE_SONAME(name, major) "lib" name ".so." ENLARGE_TEXT(major)

// In the order of Library. The headers this was built with say which.
constexpr std::array<const char*, 3> kNames{ENLARGE_SONAME("avcodec", LIBAVCODEC_VERSION_MAJOR),
                                            ENLARGE_SONAME("avformat", LIBAVFORMAT_VERSION_MAJOR),
                                            ENLARGE_SONAME("avfilter", LIBAVFILTER_VERSION_MAJOR)};

struct Loaded {
    std::array<void*, kNames.size()> handles{};
    std::string error;

    Loaded() {
        for (std::size_t i = 0; i < kNames.size() && error.empty(); ++i) {
            handles[i] = dlopen(kNames[i], RTLD_LAZY | RTLD_LOCAL);  // for good: threads of theirs may run until the end
            if (!handles[i]) error = std::string("video needs FFmpeg's libraries: ") + dlerror();
        }
    }
};

const Loaded& loaded() {
    static const Loaded all;
    return all;
}

}  // namespace

Result<void> load_ffmpeg() {
    if (!loaded().error.empty()) return Error{Errc::unsupported, loaded().error};
    return {};
}

void* find_late(Library library, const char* name) {
    if (!loaded().error.empty()) throw std::runtime_error(loaded().error);
    void* const address = dlsym(loaded().handles[static_cast<std::size_t>(library)], name);
    if (!address) throw std::runtime_error(std::string(kNames[static_cast<std::size_t>(library)]) + " has no function " + name);
    return address;
}

}  // namespace enlarge::media
