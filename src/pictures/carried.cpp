// SPDX-License-Identifier: Apache-2.0
#include "pictures/carried.hpp"

#include <dlfcn.h>
#include <gmodule.h>
#include <vips/vips.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/log.hpp"

namespace enlarge::pictures {

void load_carried_modules() {
    Dl_info libvips{};
    if (dladdr(reinterpret_cast<void*>(&vips_version), &libvips) == 0 || !libvips.dli_fname) return;
    const std::filesystem::path folder = std::filesystem::path(libvips.dli_fname).parent_path() / "enlarge-modules";
    std::error_code error;
    std::vector<std::filesystem::path> modules;
    const std::filesystem::directory_iterator end;
    for (std::filesystem::directory_iterator at(folder, error); !error && at != end; at.increment(error))
        if (at->path().extension() == ".so") modules.push_back(at->path());
    if (modules.empty()) return;
    // ImageMagick has no other way to be told; it looks when a BMP file is read first.
    g_setenv("MAGICK_CODER_MODULE_PATH", (folder / "coders").c_str(), FALSE);
    std::sort(modules.begin(), modules.end());
    for (const std::filesystem::path& module : modules) {
        GModule* const loaded = g_module_open(module.c_str(), G_MODULE_BIND_LAZY);
        if (loaded) g_module_make_resident(loaded);  // it has registered types
        else log(LogLevel::debug, std::string("not loaded: ") + g_module_error());
    }
}

}  // namespace enlarge::pictures
