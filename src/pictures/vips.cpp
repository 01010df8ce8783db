// SPDX-License-Identifier: Apache-2.0
#include "pictures/vips.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "pictures/library.hpp"

namespace enlarge::pictures {
namespace {

// libvips and glib report through g_log; without this they would print to stderr.
// Some codecs (libpng) say there, and only there, what is wrong with a file.
thread_local std::string last_logged;

void on_log(const char*, GLogLevelFlags, const char* message, void*) {
    last_logged = message ? message : "";
    log(LogLevel::debug, "libvips: " + last_logged);
}

bool start() {
    if (vips_init("enlarge") != 0) return false;
    const auto levels = static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION);
    for (const char* domain : {"VIPS", "GLib", "GLib-GObject"}) g_log_set_handler(domain, levels, on_log, nullptr);
    // One worker: rows are then asked for strictly from top to bottom, which PictureWriter relies on, and the cores are
    // left to the network. Codecs with threads of their own (AV1, HEVC, JPEG XL) keep them.
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    // Not fuzzed upstream in 8.14, but asked for: blocked all the same unless the file says it is one of them, since
    // loaders are called by name after sniffing the content, never by trying all of them.
    vips_operation_block_set("VipsForeignLoadJxl", FALSE);
    vips_operation_block_set("VipsForeignSaveJxl", FALSE);
    vips_operation_block_set("VipsForeignLoadPpm", FALSE);
    // For BMP alone.
    vips_operation_block_set("VipsForeignLoadMagickFile", FALSE);
    vips_operation_block_set("VipsForeignLoadMagickBuffer", FALSE);
    return true;
}

bool describes_the_old_file(const char* name) {
    for (const char* gone : {"jpeg-thumbnail-data", "vips-loader", "n-pages", "page-height", "interlaced", "loop", "delay",
                             "gif-delay", "gif-loop", "gif-palette", "background", "bits-per-sample", "palette-bit-depth",
                             "jpeg-multiscan", "jpeg-chroma-subsample", "n-subifds", "concurrency", "vips-sequential",
                             "palette", "vips-concurrency"})
        if (std::strcmp(name, gone) == 0) return true;
    return std::strncmp(name, "heif-", 5) == 0 || std::strncmp(name, "magick-", 7) == 0 ||
           std::strncmp(name, "exif-", 5) == 0 || std::strncmp(name, "png-comment-", 12) == 0 ||
           std::strcmp(name, VIPS_META_XMP_NAME) == 0 || std::strcmp(name, VIPS_META_ORIENTATION) == 0;
}

void* copy_field(VipsImage*, const char* name, GValue* value, void* to) {
    if (!describes_the_old_file(name)) vips_image_set(static_cast<VipsImage*>(to), name, value);
    return nullptr;
}

// vips_image_map() visits the built-in header fields too; those are not metadata.
void* copy_if_attached(VipsImage* from, const char* name, GValue* value, void* to) {
    for (const char* built_in : {"width", "height", "bands", "format", "coding", "interpretation", "xoffset", "yoffset",
                                 "xres", "yres", "filename"})
        if (std::strcmp(name, built_in) == 0) return nullptr;
    return copy_field(from, name, value, to);
}

}  // namespace

std::string library_version() { return std::string("libvips ") + vips_version_string(); }

Result<void> start_vips() {
    static const bool started = start();
    if (!started) return Error{Errc::internal, "libvips does not start: " + vips_message()};
    return {};
}

std::string vips_message() {
    std::string text = vips_error_buffer();
    vips_error_clear();
    // The first line is the cause; what follows are the layers it passed.
    text = text.substr(0, text.find('\n'));
    if (text.empty()) text = std::exchange(last_logged, {});
    // "magick2vips: libMagick error: improper image header `/proc/self/fd/3' @ error/bmp.c/ReadBMPImage/628"
    if (const auto magick = text.find("libMagick error: "); magick != std::string::npos)
        text = text.substr(magick + 17, text.find(" `", magick) - magick - 17);
    if (text.find("bad seek to ") != std::string::npos) text = "it ends too early";
    // "VipsJpeg: Premature end": the part of libvips that noticed is of no interest.
    const auto colon = text.find(": ");
    if (colon != std::string::npos && text.find(' ') > colon) text.erase(0, colon + 2);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text.size() > 200) text.resize(200);
    return text.empty() ? "no reason given" : text;
}

VipsInterpretation interpretation_of(const PixelFormat& format) {
    const bool grey = format.channels <= 2;
    switch (format.sample) {
        case SampleType::u8: return grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
        case SampleType::u16: return grey ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16;
        default: return grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_scRGB;
    }
}

VipsBandFormat band_format_of(const PixelFormat& format) {
    return format.sample == SampleType::u8    ? VIPS_FORMAT_UCHAR
           : format.sample == SampleType::u16 ? VIPS_FORMAT_USHORT
                                              : VIPS_FORMAT_FLOAT;
}

void copy_metadata(VipsImage* from, VipsImage* to) { vips_image_map(from, copy_if_attached, to); }

}  // namespace enlarge::pictures
