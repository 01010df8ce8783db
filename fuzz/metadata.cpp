// SPDX-License-Identifier: Apache-2.0
// Any bytes as EXIF, XMP, ICC, TIFF directories, and the segments, chunks and boxes of picture files: what our own code
// reads of picture metadata.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/outcome.hpp"
#include "pictures/boxes.hpp"
#include "pictures/metadata.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge::pictures;
    const auto bytes = std::as_bytes(std::span(data, size));
    const Input input = Input::memory(bytes);
    (void)apng_frames(input);
    bool found = !icc_description(bytes).empty();
    for (const Blocks& blocks : {read_jxl_blocks(input), read_jpeg_blocks(input), read_png_blocks(input),
                                 read_webp_blocks(input), read_heif_blocks(input)}) {
        for (const bool grey : {false, true}) (void)icc_of(blocks.signal, grey);
        (void)xmp_claims(text_of(blocks.xmp));
        found = found || !blocks.exif.empty() || !blocks.xmp.empty() || !blocks.png_texts.empty() || blocks.lossless ||
                !blocks.comments.empty() || blocks.signal.codes || blocks.resolution;
    }
    (void)iptc_for_tiff(iptc_for_jpeg(bytes));
    (void)icc_is_grey(bytes);
    // What comes out of a TIFF is an EXIF block, and survives being corrected.
    Bytes exif = read_tiff_exif(input);
    found = found || !exif.empty();
    update_exif(exif, {640, 480});
    Bytes raw(bytes.begin(), bytes.end());
    update_exif(raw, {640, 480});
    if (raw.size() > bytes.size()) __builtin_trap();
    found = found || !std::equal(raw.begin(), raw.end(), bytes.begin());
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::string once = updated_xmp(text, {640, 480}, "network");
    if (updated_xmp(once, {640, 480}, "network").size() > once.size() + 400) __builtin_trap();
    enlarge::fuzz::accepted = found || (!text.empty() && once != text);
    return 0;
}
