// SPDX-License-Identifier: Apache-2.0
#include "pictures/modules.hpp"

#include <dlfcn.h>
#include <gmodule.h>
#include <vips/vips.h>

#include <array>
#include <filesystem>
#include <mutex>
#include <string>
#include <system_error>

#include "base/log.hpp"

namespace enlarge::pictures {
namespace {

namespace fs = std::filesystem;

struct Module {
    const char* name;
    const char* type;  // one of those it registers
    std::once_flag once;
};
enum { kHeif, kJxl, kMagick, kModules };
std::array<Module, kModules> modules{{{"heif", "VipsForeignLoadHeif", {}},
                                      {"jxl", "VipsForeignLoadJxl", {}},
                                      {"magick", "VipsForeignLoadMagick", {}}}};

void load(const Module& module) {
    // Part of libvips, or loaded by vips_init(), which looks for modules where VIPSHOME does not keep it from it.
    if (g_type_from_name(module.type) != 0) return;
    Dl_info libvips{};
    if (dladdr(reinterpret_cast<void*>(&vips_version), &libvips) == 0 || !libvips.dli_fname) return;
    const fs::path folder = fs::path(libvips.dli_fname).parent_path();
    const std::string file = std::string("vips-") + module.name + ".so";
    fs::path path = folder / "enlarge-modules" / file;
    std::error_code error;
    if (fs::exists(path, error)) {
        // ImageMagick has no other way to be told; it looks when a BMP file is read first.
        g_setenv("MAGICK_CODER_MODULE_PATH", (folder / "enlarge-modules" / "coders").c_str(), FALSE);
    } else {
        const std::string version = std::to_string(vips_version(0)) + "." + std::to_string(vips_version(1));
        path = folder / ("vips-modules-" + version) / file;
    }
    GModule* const loaded = g_module_open(path.c_str(), G_MODULE_BIND_LAZY);
    // What it registers is not blocked as it would have been at the start; loaders are called by name only.
    if (loaded) g_module_make_resident(loaded);
    else log(LogLevel::debug, std::string("not loaded: ") + g_module_error());
}

}  // namespace

void load_module_of(PictureFormat format) {
    using enum PictureFormat;
    const int which = format == avif || format == heic ? kHeif
                      : format == jxl                  ? kJxl
                      : format == bmp                  ? kMagick
                                                       : kModules;
    if (which == kModules) return;
    Module& module = modules[static_cast<std::size_t>(which)];
    std::call_once(module.once, [&] { load(module); });
}

}  // namespace enlarge::pictures
