// SPDX-License-Identifier: Apache-2.0
// Any bytes as EXIF, XMP, ICC, TIFF directories and JPEG XL boxes: what our own code reads of picture metadata.
#include <cstddef>
#include <cstdint>
#include <string>

#include "pictures/boxes.hpp"
#include "pictures/metadata.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge::pictures;
    const auto bytes = std::as_bytes(std::span(data, size));
    const Input input = Input::memory(bytes);
    (void)apng_frames(input);
    (void)read_jxl_blocks(input);
    (void)icc_description(bytes);
    (void)icc_is_grey(bytes);
    // What comes out of a TIFF is an EXIF block, and survives being corrected.
    Bytes exif = read_tiff_exif(input);
    update_exif(exif, {640, 480});
    Bytes raw(bytes.begin(), bytes.end());
    update_exif(raw, {640, 480});
    if (raw.size() != bytes.size()) __builtin_trap();
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::string once = updated_xmp(text, {640, 480}, "network");
    if (updated_xmp(once, {640, 480}, "network").size() > once.size() + 400) __builtin_trap();
    return 0;
}
